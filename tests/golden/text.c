/* Reference cases of text: the tokens of sentences, and what a network sees of pairs. They need the
 * vocabulary of bert-base-uncased: the file BNN_VOCAB names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/text/text.h"
#include "engine/base/file.h"
#include "tests/golden/golden.h"

typedef struct text_case {
    const char *path;
    const bnn_st_file *file;
    bnn_vocab *vocab;
    const char *text;
    const int32_t *at; /* text i is text[at[i]] to text[at[i + 1]] */
    size_t texts;
} text_case;

static const void *values(const text_case *c, const char *name, bnn_st_dtype dtype, size_t *count) {
    const bnn_st_tensor *t = bnn_st_find(c->file, name);
    *count = t && t->dtype == dtype ? t->count : 0;
    return *count ? t->data : NULL;
}

/* Offsets that rise from 0 to `size`. */
static int are_offsets(const int32_t *at, size_t count, size_t size) {
    for (size_t i = 1; i < count; i++) {
        if (at[i] < at[i - 1]) {
            return 0;
        }
    }
    return at && count > 0 && at[0] == 0 && (size_t)at[count - 1] == size;
}

static golden_result open_case(text_case *c) {
    const char *vocab = getenv("BNN_VOCAB");
    size_t bytes, offsets;
    bnn_map map = {0};
    bnn_error err = {0};
    if (!vocab || !*vocab || bnn_wordpiece_usable(&err) != BNN_OK) {
        printf("skipped %s: %s\n", c->path,
               err.code ? err.text : "BNN_VOCAB names no vocab.txt of bert-base-uncased");
        return GOLDEN_SKIPPED;
    }
    c->text = values(c, "text", BNN_ST_U8, &bytes);
    c->at = values(c, "text_offsets", BNN_ST_I32, &offsets);
    c->texts = offsets - 1;
    if (!are_offsets(c->at, offsets, bytes)) {
        printf("FAIL %s: no texts\n", c->path);
        return GOLDEN_FAILED;
    }
    bnn_code code = bnn_map_read(vocab, &map, &err);
    if (code == BNN_OK) {
        code = bnn_vocab_parse(vocab, map.data, map.size, &c->vocab, &err);
    }
    bnn_map_close(&map);
    if (code != BNN_OK) {
        printf("FAIL %s: %s\n", c->path, err.text);
    }
    return code == BNN_OK ? GOLDEN_PASSED : GOLDEN_FAILED;
}

static int tokenize(const text_case *c, size_t i, bnn_ids *out) {
    bnn_error err;
    out->count = 0;
    bnn_code code = bnn_wordpiece(c->vocab, c->path, c->text + c->at[i],
                                  (size_t)(c->at[i + 1] - c->at[i]), out, &err);
    if (code != BNN_OK) {
        printf("FAIL %s: text %zu: %s\n", c->path, i, err.text);
    }
    return code == BNN_OK;
}

static int compare(const text_case *c, const char *what, size_t i, const int32_t *got, size_t count,
                   const int32_t *want, size_t expected) {
    if (count == expected && (!count || memcmp(got, want, count * sizeof *got) == 0)) {
        return 1;
    }
    size_t k = 0;
    while (k < count && k < expected && got[k] == want[k]) {
        k++;
    }
    printf("FAIL %s: %s of text %zu: %zu, expected %zu; number %zu is %d, expected %d\n", c->path,
           what, i, count, expected, k, k < count ? got[k] : -1, k < expected ? want[k] : -1);
    return 0;
}

golden_result golden_wordpiece(const char *path, const bnn_st_file *file,
                               const bnn_device *device) {
    text_case c = {.path = path, .file = file};
    bnn_ids got = {0};
    size_t offsets, count;
    (void)device;
    golden_result result = open_case(&c);
    const int32_t *ids = values(&c, "ids", BNN_ST_I32, &count);
    const int32_t *at = values(&c, "ids_offsets", BNN_ST_I32, &offsets);
    if (result == GOLDEN_PASSED && (offsets != c.texts + 1 || !are_offsets(at, offsets, count))) {
        printf("FAIL %s: no ids of the texts\n", path);
        result = GOLDEN_FAILED;
    }
    for (size_t i = 0; c.vocab && at && i < c.texts && result != GOLDEN_SKIPPED; i++) {
        if (!tokenize(&c, i, &got) ||
            !compare(&c, "ids", i, got.id, got.count, ids + at[i], (size_t)(at[i + 1] - at[i]))) {
            result = GOLDEN_FAILED;
        }
    }
    free(got.id);
    bnn_vocab_free(c.vocab);
    return result;
}

golden_result golden_bert_features(const char *path, const bnn_st_file *file,
                                   const bnn_device *device) {
    static const char *const names[] = {"ids", "segments", "mask"};
    const size_t length = (size_t)golden_integer(file, "max_len", 0);
    text_case c = {.path = path, .file = file};
    bnn_ids a = {0}, b = {0};
    const int32_t *want[3];
    (void)device;
    golden_result result = open_case(&c);
    for (int k = 0; k < 3 && result == GOLDEN_PASSED; k++) {
        size_t count;
        want[k] = values(&c, names[k], BNN_ST_I32, &count);
        if (length < BNN_TEXT_LEAST || c.texts % 2 || count != c.texts / 2 * length) {
            printf("FAIL %s: no %s of pairs of texts\n", path, names[k]);
            result = GOLDEN_FAILED;
        }
    }
    int32_t *got = calloc(3 * length, sizeof *got);
    for (size_t i = 0; result == GOLDEN_PASSED && i + 1 < c.texts; i += 2) {
        if (!got || !tokenize(&c, i, &a) || !tokenize(&c, i + 1, &b)) {
            result = GOLDEN_FAILED;
            break;
        }
        bnn_text_features(c.vocab, &a, &b, length, got, got + length, got + 2 * length);
        for (int k = 0; k < 3; k++) {
            if (!compare(&c, names[k], i, got + (size_t)k * length, length,
                         want[k] + i / 2 * length, length)) {
                result = GOLDEN_FAILED;
            }
        }
    }
    free(got);
    free(a.id);
    free(b.id);
    bnn_vocab_free(c.vocab);
    return result;
}
