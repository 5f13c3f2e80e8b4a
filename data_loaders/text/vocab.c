/* Vocabularies: a list of tokens, and a hash table of their numbers. */
#include <stdlib.h>
#include <string.h>

#include "data_loaders/text/text.h"
#include "engine/base/text.h"

#define CURE "take the vocab.txt of the network, such as bert-base-uncased's"

const char *const bnn_special_names[BNN_SPECIALS] = {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};

typedef struct token {
    uint32_t at, size; /* of the bytes */
} token;

struct bnn_vocab {
    unsigned char *bytes; /* the file's */
    size_t size;
    token *token;
    size_t tokens, longest;
    int32_t *slot; /* [slots]: a token's number, or -1; a power of two, at most half of them used */
    size_t slots;
    int32_t special[BNN_SPECIALS];
};

void bnn_vocab_free(bnn_vocab *v) {
    if (v) {
        free(v->bytes);
        free(v->token);
        free(v->slot);
        free(v);
    }
}

size_t bnn_vocab_tokens(const bnn_vocab *v) {
    return v->tokens;
}

const unsigned char *bnn_vocab_bytes(const bnn_vocab *v, size_t *size) {
    *size = v->size;
    return v->bytes;
}

size_t bnn_vocab_longest(const bnn_vocab *v) {
    return v->longest;
}

int32_t bnn_vocab_special(const bnn_vocab *v, bnn_special which) {
    return v->special[which];
}

/* The slot of this token, or the empty one where it belongs. */
static size_t slot_of(const bnn_vocab *v, const char *prefix, const char *text, size_t size,
                      bnn_token_hash hash) {
    const size_t before = strlen(prefix);
    size_t at = (size_t)(hash ^ hash >> 32) & (v->slots - 1);
    for (; v->slot[at] >= 0; at = (at + 1) & (v->slots - 1)) {
        const token *t = &v->token[v->slot[at]];
        const unsigned char *bytes = v->bytes + t->at;
        if (t->size == before + size && memcmp(bytes, prefix, before) == 0 &&
            memcmp(bytes + before, text, size) == 0) {
            break;
        }
    }
    return at;
}

int32_t bnn_vocab_find(const bnn_vocab *v, const char *prefix, const char *text, size_t size,
                       bnn_token_hash hash) {
    return v->slot[slot_of(v, prefix, text, size, hash)];
}

static bnn_code add_token(const char *name, bnn_vocab *v, size_t at, size_t size, bnn_error *err) {
    const size_t line = v->tokens + 1;
    const char *text = (const char *)v->bytes + at;
    if (size == 0 || memchr(text, 0, size)) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: line %zu %s, expected a token a line; " CURE,
                        name, line, size ? "holds a NUL byte" : "is empty");
    }
    if (!bnn_utf8_is(text, size)) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: line %zu is no UTF-8; " CURE, name, line);
    }
    if (size > BNN_TOKEN_MOST) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: line %zu has %zu bytes, a token at most %d; " CURE, name, line, size,
                        BNN_TOKEN_MOST);
    }
    const size_t slot = slot_of(v, "", text, size, bnn_token_hash_add(BNN_TOKEN_HASH, text, size));
    if (v->slot[slot] >= 0) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: line %zu: '%.*s' stands on line %d already; " CURE, name, line,
                        (int)(size < 40 ? size : 40), text, v->slot[slot] + 1);
    }
    v->slot[slot] = (int32_t)v->tokens;
    v->token[v->tokens++] = (token){(uint32_t)at, (uint32_t)size};
    v->longest = size > v->longest ? size : v->longest;
    return BNN_OK;
}

static bnn_code read_lines(const char *name, bnn_vocab *v, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t at = 0; at < v->size && code == BNN_OK;) {
        const unsigned char *newline = memchr(v->bytes + at, '\n', v->size - at);
        const size_t end = newline ? (size_t)(newline - v->bytes) : v->size;
        const size_t size = end - at;
        code = add_token(name, v, at, size > 0 && v->bytes[end - 1] == '\r' ? size - 1 : size, err);
        at = end + 1;
    }
    return code;
}

static bnn_code find_specials(const char *name, bnn_vocab *v, bnn_error *err) {
    for (int i = 0; i < BNN_SPECIALS; i++) {
        const char *text = bnn_special_names[i];
        const size_t size = strlen(text);
        v->special[i] =
            bnn_vocab_find(v, "", text, size, bnn_token_hash_add(BNN_TOKEN_HASH, text, size));
        if (v->special[i] < 0 && i != BNN_TOKEN_MASK) {
            return bnn_fail(err, BNN_ERR_FORMAT, "%s: has no token %s; " CURE, name, text);
        }
    }
    return BNN_OK;
}

/* Room for what `lines` lines and `size` bytes need. */
static bnn_code make_room(const char *name, bnn_vocab *v, size_t lines, size_t size,
                          bnn_error *err) {
    for (v->slots = 16; v->slots < 2 * lines; v->slots *= 2) {
    }
    v->bytes = malloc(size);
    v->token = calloc(lines, sizeof *v->token);
    v->slot = malloc(v->slots * sizeof *v->slot);
    if (!v->bytes || !v->token || !v->slot) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu tokens", name, lines);
    }
    memset(v->slot, 0xff, v->slots * sizeof *v->slot);
    return BNN_OK;
}

bnn_code bnn_vocab_parse(const char *name, const unsigned char *bytes, size_t size, bnn_vocab **out,
                         bnn_error *err) {
    size_t lines = 1;
    *out = NULL;
    if (size == 0) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: is empty; " CURE, name);
    }
    if (size > (size_t)BNN_VOCAB_MOST * 64) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: has %zu bytes, no vocabulary is so large; " CURE,
                        name, size);
    }
    for (size_t i = 0; i + 1 < size; i++) {
        lines += bytes[i] == '\n';
    }
    if (lines > BNN_VOCAB_MOST) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: has %zu lines, a vocabulary at most %u; " CURE,
                        name, lines, BNN_VOCAB_MOST);
    }
    bnn_vocab *v = calloc(1, sizeof *v);
    if (!v) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    }
    bnn_code code = make_room(name, v, lines, size, err);
    if (code == BNN_OK) {
        memcpy(v->bytes, bytes, size);
        v->size = size;
        code = read_lines(name, v, err);
    }
    if (code == BNN_OK) {
        code = find_specials(name, v, err);
    }
    if (code != BNN_OK) {
        bnn_vocab_free(v);
        return code;
    }
    *out = v;
    return BNN_OK;
}
