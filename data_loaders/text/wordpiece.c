/* WordPiece (Wu et al., "Google's Neural Machine Translation System", 2016) behind BERT's basic
 * tokenizer, uncased, as PyTorch's BERT and BiBench have it. Properties of characters, their small
 * letters and their canonical decompositions are utf8proc's. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "data_loaders/text/text.h"

#define WORD_MOST 100 /* characters: a longer word is [UNK] */
#define PARTS_MOST 4  /* characters that one decomposes into */
#define CONTINUED "##"

typedef utf8proc_int32_t character;

typedef struct tokenizer {
    const bnn_vocab *vocab;
    const char *name;
    character *text; /* of the whole text, with a blank where white space was */
    character *word; /* of one word: small, without accents */
    bnn_ids *out;
    bnn_error *err;
} tokenizer;

static int within(character c, const character (*range)[2], size_t ranges) {
    for (size_t i = 0; i < ranges; i++) {
        if (c >= range[i][0] && c <= range[i][1]) {
            return 1;
        }
    }
    return 0;
}
#define WITHIN(c, ranges) within(c, ranges, sizeof(ranges) / sizeof *(ranges))

/* ---- what characters are ---- */
static int is_blank(character c) {
    const int category = utf8proc_category(c);
    return c == '\t' || c == '\n' || c == '\r' || category == UTF8PROC_CATEGORY_ZS ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

/* Controls, formats, what is for private use, and what utf8proc's Unicode has not assigned. */
static int is_dropped(character c) {
    const int category = utf8proc_category(c);
    return c == 0xFFFD || category == UTF8PROC_CATEGORY_CN ||
           (category >= UTF8PROC_CATEGORY_CC && category <= UTF8PROC_CATEGORY_CO);
}

static int is_chinese(character c) {
    static const character chinese[][2] = {
        {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
        {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0x2F800, 0x2FA1F}};
    return WITHIN(c, chinese);
}

/* All of ASCII that is no letter, number or blank, whatever Unicode calls it. */
static int is_punctuation(character c) {
    static const character ascii[][2] = {{33, 47}, {58, 64}, {91, 96}, {123, 126}};
    const int category = utf8proc_category(c);
    return WITHIN(c, ascii) ||
           (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO);
}

/* ---- small letters ---- */
/* Unicode's Cased: letters that have a case, and the ranges Other_Lowercase and Other_Uppercase. */
static int is_cased(character c) {
    static const character other[][2] = {
        {0xAA, 0xAA},       {0xBA, 0xBA},       {0x2B0, 0x2B8},    {0x2C0, 0x2C1},
        {0x2E0, 0x2E4},     {0x345, 0x345},     {0x37A, 0x37A},    {0x1D2C, 0x1D6A},
        {0x1D78, 0x1D78},   {0x1D9B, 0x1DBF},   {0x2071, 0x2071},  {0x207F, 0x207F},
        {0x2090, 0x209C},   {0x2160, 0x217F},   {0x24B6, 0x24E9},  {0x2C7C, 0x2C7D},
        {0xA69C, 0xA69D},   {0xA770, 0xA770},   {0xA7F8, 0xA7F9},  {0xAB5C, 0xAB5F},
        {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
    const int category = utf8proc_category(c);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
           category == UTF8PROC_CATEGORY_LT || WITHIN(c, other);
}

/* Unicode's Case_Ignorable: marks, modifiers, and what stands in the middle of a word. */
static int is_case_ignorable(character c) {
    static const character middle[][2] = {
        {0x27, 0x27},     {0x2E, 0x2E},     {0x3A, 0x3A},     {0xB7, 0xB7},
        {0x387, 0x387},   {0x55F, 0x55F},   {0x5F4, 0x5F4},   {0x2018, 0x2019},
        {0x2024, 0x2024}, {0x2027, 0x2027}, {0xFE13, 0xFE13}, {0xFE52, 0xFE52},
        {0xFE55, 0xFE55}, {0xFF07, 0xFF07}, {0xFF0E, 0xFF0E}, {0xFF1A, 0xFF1A}};
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return 1;
    default:
        return WITHIN(c, middle);
    }
}

/* Whether a Sigma at `at` ends its word (Unicode's Final_Sigma): the next letter that counts before
 * it has a case, the next behind it has none. */
static int is_final(const character *word, size_t count, size_t at) {
    size_t before = at, behind = at + 1;
    while (before > 0 && is_case_ignorable(word[before - 1])) {
        before--;
    }
    while (behind < count && is_case_ignorable(word[behind])) {
        behind++;
    }
    return before > 0 && is_cased(word[before - 1]) && (behind == count || !is_cased(word[behind]));
}

/* Puts marks that follow each other in canonical order. A run of them that is longer than a word
 * stays as it is: that word is [UNK]. */
static void order_mark(character *word, size_t count, const utf8proc_property_t *mark,
                       size_t *run) {
    const character c = word[count - 1];
    *run = mark->combining_class ? *run + 1 : 0;
    for (size_t k = count - 1; *run > 1 && *run <= WORD_MOST && k > count - *run; k--) {
        if (utf8proc_get_property(word[k - 1])->combining_class <= mark->combining_class) {
            break;
        }
        word[k] = word[k - 1];
        word[k - 1] = c;
    }
}

/* Small letters, decomposed, without accents: to t->word; returns how many. */
static size_t simplify(tokenizer *t, const character *word, size_t count) {
    const character sigma = 0x3A3, small_sigma = 0x3C3, final_sigma = 0x3C2;
    size_t n = 0, run = 0;
    for (size_t i = 0; i < count; i++) {
        character small = utf8proc_tolower(word[i]), part[PARTS_MOST];
        if (word[i] == sigma) {
            small = is_final(word, count, i) ? final_sigma : small_sigma;
        }
        utf8proc_ssize_t parts =
            utf8proc_decompose_char(small, part, PARTS_MOST, UTF8PROC_DECOMPOSE, NULL);
        if (parts < 1 || parts > PARTS_MOST) { /* no version has such */
            part[0] = small, parts = 1;
        }
        for (utf8proc_ssize_t k = 0; k < parts; k++) {
            const utf8proc_property_t *of = utf8proc_get_property(part[k]);
            if (of->category == UTF8PROC_CATEGORY_MN) {
                run = of->combining_class ? run : 0;
                continue;
            }
            t->word[n++] = part[k];
            order_mark(t->word, n, of, &run);
        }
    }
    return n;
}

/* ---- pieces ---- */
static bnn_code append(tokenizer *t, int32_t id) {
    bnn_ids *out = t->out;
    if (out->count == out->capacity) {
        size_t larger = out->capacity ? 2 * out->capacity : 64;
        int32_t *ids = reallocarray(out->id, larger, sizeof *ids);
        if (!ids) {
            return bnn_fail(t->err, BNN_ERR_MEMORY, "%s: out of memory for %zu tokens", t->name,
                            larger);
        }
        out->id = ids;
        out->capacity = larger;
    }
    out->id[out->count++] = id;
    return BNN_OK;
}

/* The longest piece that begins at character `from` of a word; the one behind its last goes to
 * *to. -1: there is none. */
static int32_t longest_piece(const tokenizer *t, const char *bytes, const size_t *at, size_t count,
                             size_t from, size_t *to) {
    const char *prefix = from ? CONTINUED : "";
    const size_t before = strlen(prefix), longest = bnn_vocab_longest(t->vocab);
    bnn_token_hash hash = bnn_token_hash_add(BNN_TOKEN_HASH, prefix, before);
    int32_t best = -1;
    for (size_t end = from + 1; end <= count && before + at[end] - at[from] <= longest; end++) {
        hash = bnn_token_hash_add(hash, bytes + at[end - 1], at[end] - at[end - 1]);
        int32_t id = bnn_vocab_find(t->vocab, prefix, bytes + at[from], at[end] - at[from], hash);
        if (id >= 0) {
            best = id;
            *to = end;
        }
    }
    return best;
}

/* A word, of which nothing is left to be broken but into pieces. */
static bnn_code add_word(tokenizer *t, const character *word, size_t count) {
    char bytes[4 * WORD_MOST];
    size_t at[WORD_MOST + 1] = {0}, from = 0;
    const size_t first = t->out->count;
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < count && count <= WORD_MOST; i++) {
        utf8proc_ssize_t n = utf8proc_encode_char(word[i], (utf8proc_uint8_t *)bytes + at[i]);
        at[i + 1] = at[i] + (size_t)n;
    }
    while (code == BNN_OK && from < count) {
        int32_t id = count <= WORD_MOST ? longest_piece(t, bytes, at, count, from, &from) : -1;
        if (id < 0) {
            t->out->count = first;
            return append(t, bnn_vocab_special(t->vocab, BNN_TOKEN_UNK));
        }
        code = append(t, id);
    }
    return code;
}

static int is_special(const character *word, size_t count) {
    for (int i = 0; i < BNN_SPECIALS; i++) {
        const char *name = bnn_special_names[i];
        size_t k = 0;
        while (k < count && name[k] && word[k] == name[k]) {
            k++;
        }
        if (k == count && !name[k]) {
            return 1;
        }
    }
    return 0;
}

/* What stands between blanks. */
static bnn_code add_blank_delimited(tokenizer *t, const character *word, size_t count) {
    bnn_code code = BNN_OK;
    if (is_special(word, count)) {
        return add_word(t, word, count);
    }
    const size_t n = simplify(t, word, count);
    for (size_t from = 0; from < n && code == BNN_OK;) {
        size_t to = from;
        while (to < n && !is_punctuation(t->word[to])) {
            to++;
        }
        to += to == from; /* a punctuation mark is a word of its own */
        code = add_word(t, t->word + from, to - from);
        from = to;
    }
    return code;
}

/* ---- texts ---- */
/* To t->text; returns how many characters, or -1. */
static bnn_code read_text(tokenizer *t, const char *text, size_t size, size_t *count) {
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    *count = 0;
    for (size_t at = 0; at < size;) {
        character c;
        utf8proc_ssize_t n = utf8proc_iterate(bytes + at, (utf8proc_ssize_t)(size - at), &c);
        if (n <= 0) {
            return bnn_fail(t->err, BNN_ERR_FORMAT,
                            "%s: byte %zu of the text is no UTF-8; convert it to UTF-8", t->name,
                            at + 1);
        }
        at += (size_t)n;
        if (is_blank(c)) {
            t->text[(*count)++] = ' ';
        } else if (is_chinese(c)) { /* of three bytes or more: there is room */
            t->text[(*count)++] = ' ';
            t->text[(*count)++] = c;
            t->text[(*count)++] = ' ';
        } else if (!is_dropped(c)) {
            t->text[(*count)++] = c;
        }
    }
    return BNN_OK;
}

static bnn_code add_text(tokenizer *t, const char *text, size_t size) {
    size_t count;
    bnn_code code = read_text(t, text, size, &count);
    for (size_t from = 0; from < count && code == BNN_OK; from++) {
        size_t to = from;
        while (to < count && t->text[to] != ' ') {
            to++;
        }
        if (to > from) {
            code = add_blank_delimited(t, t->text + from, to - from);
        }
        from = to;
    }
    return code;
}

bnn_code bnn_wordpiece_usable(bnn_error *err) {
    (void)err;
    return BNN_OK;
}

bnn_code bnn_wordpiece(const bnn_vocab *vocab, const char *name, const char *text, size_t size,
                       bnn_ids *out, bnn_error *err) {
    tokenizer t = {.vocab = vocab, .name = name, .out = out, .err = err};
    if (size == 0) {
        return BNN_OK;
    }
    t.text = reallocarray(NULL, size, (1 + PARTS_MOST) * sizeof *t.text);
    if (!t.text) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for a text of %zu bytes", name,
                        size);
    }
    t.word = t.text + size;
    bnn_code code = add_text(&t, text, size);
    free(t.text);
    return code;
}
