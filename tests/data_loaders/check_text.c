/* Text: vocabularies, WordPiece, and what a network sees of sentences. The vocabulary here is small
 * and the tests' own; that tokens are BERT's is for the reference cases to say (tests/golden). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/text/text.h"
#include "tests/fixtures/expect_error.h"

#define SPECIALS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

#define CRLF "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\na\r\nab\r\n##c\r\n"

static bnn_vocab *parse(const char *text) {
    bnn_vocab *vocab;
    bnn_error err = {0};
    bnn_code code =
        bnn_vocab_parse("v.txt", (const unsigned char *)text, strlen(text), &vocab, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return vocab;
}

static int32_t find(const bnn_vocab *v, const char *prefix, const char *text) {
    bnn_token_hash hash = bnn_token_hash_add(BNN_TOKEN_HASH, prefix, strlen(prefix));
    hash = bnn_token_hash_add(hash, text, strlen(text));
    return bnn_vocab_find(v, prefix, text, strlen(text), hash);
}

/* ---- vocabularies ---- */
START_TEST(vocabulary) {
    static const char *const texts[] = {SPECIALS "a\nab\n##c", SPECIALS "a\nab\n##c\n", CRLF};
    bnn_vocab *v = parse(texts[_i]);
    ck_assert_uint_eq(bnn_vocab_tokens(v), 8);
    ck_assert_uint_eq(bnn_vocab_longest(v), 6);
    ck_assert_int_eq(bnn_vocab_special(v, BNN_TOKEN_PAD), 0);
    ck_assert_int_eq(bnn_vocab_special(v, BNN_TOKEN_UNK), 1);
    ck_assert_int_eq(bnn_vocab_special(v, BNN_TOKEN_MASK), 4);
    ck_assert_int_eq(find(v, "", "a"), 5);
    ck_assert_int_eq(find(v, "", "ab"), 6);
    ck_assert_int_eq(find(v, "##", "c"), 7);
    ck_assert_int_eq(find(v, "", "##c"), 7);
    ck_assert_int_eq(find(v, "", "c"), -1);
    ck_assert_int_eq(find(v, "##", "a"), -1);
    size_t size;
    ck_assert_mem_eq(bnn_vocab_bytes(v, &size), texts[_i], strlen(texts[_i]));
    ck_assert_uint_eq(size, strlen(texts[_i]));
    bnn_vocab_free(v);
    bnn_vocab_free(NULL);
}
END_TEST

/* So many that the table is full of neighbours. */
START_TEST(large_vocabulary) {
    enum { MANY = 50000 };
    char *text = malloc(MANY * 8 + 64), *at = text + sprintf(text, SPECIALS);
    for (int i = 0; i < MANY; i++) {
        at += sprintf(at, "%x\n", i);
    }
    bnn_vocab *v = parse(text);
    ck_assert_uint_eq(bnn_vocab_tokens(v), MANY + 5);
    for (int i = 0; i < MANY; i++) {
        char token[16];
        snprintf(token, sizeof token, "%x", i);
        ck_assert_int_eq(find(v, "", token), i + 5);
    }
    ck_assert_int_eq(find(v, "", "zz"), -1);
    bnn_vocab_free(v);
    free(text);
}
END_TEST

static void refuse(const char *text, size_t size, const char *what) {
    bnn_vocab *vocab;
    bnn_error err = {0};
    bnn_code code = bnn_vocab_parse("v.txt", (const unsigned char *)text, size, &vocab, &err);
    expect_error(code, BNN_ERR_FORMAT, &err, "v.txt", what, NULL);
    ck_assert_ptr_null(vocab);
}

START_TEST(bad_vocabularies) {
    static const struct {
        const char *text, *what;
    } bad[] = {{"", "is empty"},
               {"\n", "line 1 is empty"},
               {SPECIALS "a\n\nb\n", "line 7 is empty"},
               {SPECIALS "a\nb\na\n", "line 8: 'a' stands on line 6"},
               {"[PAD]\n[UNK]\n[CLS]\na\n", "no token [SEP]"},
               {"[PAD]\n[SEP]\n[CLS]\na\n", "no token [UNK]"},
               {"[UNK]\n[SEP]\n[CLS]\na\n", "no token [PAD]"},
               {"[PAD]\n[UNK]\n[SEP]\na\n", "no token [CLS]"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refuse(bad[i].text, strlen(bad[i].text), bad[i].what);
    }
    refuse(SPECIALS "a\0b\n", sizeof SPECIALS + 3, "line 6 holds a NUL byte");
    char *large = malloc(2 * (size_t)BNN_VOCAB_MOST + 64);
    memset(large, 'x', BNN_TOKEN_MOST + 1);
    refuse(large, BNN_TOKEN_MOST + 1, "line 1 has 1001 bytes");
    for (size_t i = 0; i <= BNN_VOCAB_MOST; i++) {
        memcpy(large + 2 * i, "x\n", 2);
    }
    refuse(large, 2 * (size_t)BNN_VOCAB_MOST + 2, "1048577 lines");
    refuse(large, (size_t)BNN_VOCAB_MOST * 64 + 1, "no vocabulary is so large");
    free(large);
    bnn_vocab_free(parse("[PAD]\n[UNK]\n[CLS]\n[SEP]")); /* [MASK] is never made */
}
END_TEST

/* ---- tokens ---- */
#define SMALL                                                                                      \
    SPECIALS                                                                                       \
    "un\n##aff\n##able\nwant\n##want\n##ed\n,\n!\nh\n\xe4\xb8\xad\n##\xcf\x82\n\xcf\x83\n"         \
    "[\n]\nunk\nhe\n##llo\nhello\n'\n##\xc3\xa6\n\xc3\xa6"
static const char *const token[] = {
    "[PAD]",        "[UNK]",      "[CLS]",    "[SEP]",      "[MASK]",  "un",  "##aff",
    "##able",       "want",       "##want",   "##ed",       ",",       "!",   "h",
    "\xe4\xb8\xad", "##\xcf\x82", "\xcf\x83", "[",          "]",       "unk", "he",
    "##llo",        "hello",      "'",        "##\xc3\xa6", "\xc3\xa6"};

/* The tokens of `text`, with a blank between them. */
static void expect_tokens(const bnn_vocab *v, const char *text, size_t size, const char *expected) {
    char got[4096] = "";
    bnn_ids ids = {0};
    bnn_error err = {0};
    bnn_code code = bnn_wordpiece(v, "t", text, size, &ids, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    for (size_t i = 0; i < ids.count; i++) {
        sprintf(got + strlen(got), "%s%s", i ? " " : "", token[ids.id[i]]);
    }
    ck_assert_msg(strcmp(got, expected) == 0, "%s: '%s', expected '%s'", text, got, expected);
    free(ids.id);
}

START_TEST(words) {
    static const char *const cases[][2] = {
        {"", ""},
        {" \t\r\n", ""},
        {"unaffable wanted", "un ##aff ##able want ##ed"},
        {"UnAffable", "un ##aff ##able"},
        {"Hello,want!", "hello , want !"},
        {"hello's", "hello ' [UNK]"},
        {"un\xc3\xa0"
         "ffable",
         "un ##aff ##able"}, /* a grave */
        {"una\xcc\x80"
         "ffable",
         "un ##aff ##able"}, /* a mark of its own */
        {"un\xe2\x80\x8b"
         "affable",
         "un ##aff ##able"}, /* a blank of no width */
        {"h\xe4\xb8\xadh", "h \xe4\xb8\xad h"},
        {"h\xe2\x80\xa8h\xc2\xa0h", "h h h"},        /* a line separator, a blank that binds */
        {"\xce\xa3\xce\xa3", "\xcf\x83 ##\xcf\x82"}, /* the last Sigma of a word is another */
        {"\xce\xa3", "\xcf\x83"},
        {"[UNK] [SEP]x [CLS]", "[UNK] [ [UNK] ] [UNK] [CLS]"},
        {"[unk]", "[ unk ]"},
        {"[MASK]", "[MASK]"},
        {"qq", "[UNK]"},
        {"unq", "[UNK]"}, /* no piece of a word that is not known whole */
        {"\xef\xbf\xbdh\xef\xbb\xbf", "h"},
        {"\xc3\x86\xc3\x86", "\xc3\xa6 ##\xc3\xa6"},
    };
    bnn_vocab *v = parse(SMALL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_tokens(v, cases[i][0], strlen(cases[i][0]), cases[i][1]);
    }
    expect_tokens(v, "h\0ello", 6, "hello");
    bnn_vocab_free(v);
}
END_TEST

/* A word has at most 100 characters, whatever their bytes. */
START_TEST(long_words) {
    bnn_vocab *v = parse(SMALL);
    char text[301], expected[2000] = "\xc3\xa6";
    for (int i = 0; i < 101; i++) {
        memcpy(text + 2 * i, "\xc3\x86", 2);
        strcat(expected, i > 0 && i < 100 ? " ##\xc3\xa6" : "");
    }
    expect_tokens(v, text, 200, expected);
    expect_tokens(v, text, 202, "[UNK]");
    bnn_vocab_free(v);
}
END_TEST

/* Many marks that follow each other take no time that grows with their square. */
START_TEST(endless_words) {
    enum { SIZE = 1 << 20 };
    bnn_vocab *v = parse(SMALL);
    char *text = malloc(SIZE);
    static const char *const parts[] = {"\xcc\x80\xcc\xa3", "\xce\xa3'", "\xf0\x9d\x85\xa5", "un"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const size_t n = strlen(parts[i]);
        for (size_t at = 0; at + n <= SIZE; at += n) {
            memcpy(text + at, parts[i], n);
        }
        bnn_ids ids = {0};
        bnn_error err = {0};
        ck_assert(bnn_wordpiece(v, "t", text, SIZE / n * n, &ids, &err) == BNN_OK);
        free(ids.id);
    }
    free(text);
    bnn_vocab_free(v);
}
END_TEST

START_TEST(bad_text) {
    bnn_vocab *v = parse(SMALL);
    static const char *const bad[] = {"he\xffllo", "he\xc3", "he\xed\xa0\x80", "he\xc0\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bnn_ids ids = {0};
        bnn_error err = {0};
        bnn_code code = bnn_wordpiece(v, "t.tsv", bad[i], strlen(bad[i]), &ids, &err);
        expect_error(code, BNN_ERR_FORMAT, &err, "t.tsv", "byte 3", "UTF-8", NULL);
        free(ids.id);
    }
    bnn_vocab_free(v);
}
END_TEST

/* ---- features ---- */
static void expect_features(size_t a, size_t b, size_t length, const char *ids,
                            const char *segments) {
    static int32_t first[] = {10, 11, 12, 13, 14, 15}, second[] = {20, 21, 22, 23, 24, 25};
    const bnn_ids of_a = {first, a, 6}, of_b = {second, b, 6};
    int32_t out[3][16];
    char got[2][100] = {"", ""};
    bnn_vocab *v = parse(SPECIALS);
    bnn_text_features(v, &of_a, &of_b, length, out[0], out[1], out[2]);
    for (size_t i = 0; i < length; i++) {
        ck_assert_int_eq(out[2][i], out[0][i] != 0); /* [PAD] is 0 here */
        sprintf(got[0] + strlen(got[0]), "%s%d", i ? " " : "", out[0][i]);
        sprintf(got[1] + strlen(got[1]), "%d", out[1][i]);
    }
    ck_assert_str_eq(got[0], ids);
    ck_assert_str_eq(got[1], segments);
    bnn_vocab_free(v);
}

START_TEST(features) { /* [CLS] 2, [SEP] 3 */
    expect_features(2, 0, 6, "2 10 11 3 0 0", "000000");
    expect_features(2, 1, 7, "2 10 11 3 20 3 0", "0000110");
    expect_features(6, 0, 5, "2 10 11 12 3", "00000");
    expect_features(6, 2, 8, "2 10 11 12 3 20 21 3", "00000111");
    expect_features(3, 3, 8, "2 10 11 12 3 20 21 3", "00000111"); /* of the second when equal */
    expect_features(1, 6, 6, "2 10 3 20 21 3", "000111");
    expect_features(6, 6, 3, "2 3 0", "000");
    expect_features(0, 0, 3, "2 3 0", "000");
}
END_TEST

START_TEST(absent) {
    bnn_error err = {0};
    expect_error(bnn_wordpiece_usable(&err), BNN_ERR_UNSUPPORTED, &err, "without text",
                 "libutf8proc-dev", NULL);
    expect_error(bnn_wordpiece(NULL, "", "", 0, NULL, &err), BNN_ERR_UNSUPPORTED, &err,
                 "libutf8proc-dev", NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("text");
    TCase *tcase = tcase_create("text");
    tcase_add_loop_test(tcase, vocabulary, 0, 3);
    tcase_add_test(tcase, large_vocabulary);
    tcase_add_test(tcase, bad_vocabularies);
    tcase_add_test(tcase, features);
    if (bnn_wordpiece_usable(NULL) == BNN_OK) {
        tcase_add_test(tcase, words);
        tcase_add_test(tcase, long_words);
        tcase_add_test(tcase, endless_words);
        tcase_add_test(tcase, bad_text);
    } else {
        printf("SKIPPED: tokens (built without utf8proc)\n");
        tcase_add_test(tcase, absent);
    }
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
