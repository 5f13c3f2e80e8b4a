/* GLUE's data sets. What is read here is written by the test itself; the real tables, where
 * BNN_GLUE names them (tests/with_glue.sh), come last. */
#include <math.h>

#include "data_loaders/text/glue.h"
#include "data_loaders/text/text.h"
#include "engine/base/text.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/folder_fixture.h"

#include <string.h>

#define VOCAB "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\nd\n"
enum { PAD, UNK, CLS, SEP, A, B, C, D };

static void write_text(const char *name, const char *text) {
    write_file(name, text, strlen(text));
}

/* A table of each set: what stands before, between and behind the texts. */
static const struct {
    const char *header, *row; /* a sample, but for its texts and label */
    const char *labels[2];
    int texts;
} written[BNN_GLUE_SETS] = {
    [BNN_GLUE_COLA] = {"", "x\t@l\t*\t@a", {"0", "1"}, 1},
    [BNN_GLUE_SST2] = {"sentence\tlabel\n", "@a\t@l", {"1", "0"}, 1},
    [BNN_GLUE_MRPC] = {"\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n",
                       "@l\t1\t2\t@a\t@b",
                       {"1", "0"},
                       2},
    [BNN_GLUE_STSB] =
        {"index\tgenre\tfilename\tyear\told_index\ts\ts\tsentence1\tsentence2\tscore\n",
         "0\tg\tf\t2012\t1\tn\tn\t@a\t@b\t@l",
         {"3.800", "0"},
         2},
    [BNN_GLUE_MNLI] = {"index\tp\tp\tg\tb\tb\tp\tp\tsentence1\tsentence2\tlabel1\tgold_label\n",
                       "0\tn/a\tn\tn\tn\tn\tn\tn\t@a\t@b\tentailment\t@l",
                       {"neutral", "contradiction"},
                       2},
    [BNN_GLUE_QQP] = {"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n",
                      "1\t2\t3\t@a\t@b\t@l",
                      {"1", "0"},
                      2},
    [BNN_GLUE_QNLI] = {"index\tquestion\tsentence\tlabel\n",
                       "0\t@a\t@b\t@l",
                       {"not_entailment", "entailment"},
                       2},
    [BNN_GLUE_RTE] = {"index\tsentence1\tsentence2\tlabel\n",
                      "0\t@a\t@b\t@l",
                      {"not_entailment", "entailment"},
                      2},
    [BNN_GLUE_WNLI] = {"index\tsentence1\tsentence2\tlabel\n", "0\t@a\t@b\t@l", {"1", "0"}, 2},
};

/* What the labels above are to the network. */
static const float targets[BNN_GLUE_SETS][2] = {{0, 1}, {1, 0}, {1, 0}, {3.8f, 0}, {2, 0},
                                                {1, 0}, {1, 0}, {1, 0}, {1, 0}};

/* A sample of the table: @a, @b and @l are its texts and its label. */
static void add_row(int set, char *table, size_t bytes, const char *a, const char *b,
                    const char *label) {
    size_t n = strlen(table);
    for (const char *p = written[set].row; *p; p++) {
        const char *text = p[0] != '@' ? NULL : p[1] == 'a' ? a : p[1] == 'b' ? b : label;
        n += (size_t)(text ? snprintf(table + n, bytes - n, "%s", text)
                           : snprintf(table + n, bytes - n, "%c", *p));
        p += text != NULL;
    }
}

/* Both splits, of two samples, the first "a b" and "c", the second `text` and "d d". */
static void write_set(int set, const char *at, const char *text, const char *end) {
    char table[1500], name[128];
    snprintf(table, sizeof table, "%s", written[set].header);
    for (int i = 0; i < 2; i++) {
        add_row(set, table, sizeof table, i ? text : "a b", i ? "d d" : "c",
                written[set].labels[i]);
        strcat(table, end);
    }
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s/%s", at, i ? bnn_glue_sets[set].test : "train.tsv");
        write_text(name, table);
    }
}

static bnn_code open_set(int set, const char *dir, bnn_split split,
                         const bnn_dataset_options *options, bnn_dataset **out, bnn_error *err) {
    *err = (bnn_error){0};
    return bnn_dataset_open(&bnn_glue_sets[set].info, dir, split, options, out, err);
}

static bnn_dataset *open_good(int set, const char *dir, bnn_split split,
                              const bnn_dataset_options *options) {
    bnn_dataset *d;
    bnn_error err;
    bnn_code code = open_set(set, dir, split, options, &d, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    return d;
}

typedef struct text_sample {
    int32_t ids[128], segment[128], mask[128];
    union {
        int32_t label;
        float score;
    } target;
} text_sample;

static void read_sample(const bnn_dataset *d, size_t index, text_sample *s) {
    void *const out[] = {s->ids, s->segment, s->mask, &s->target};
    bnn_error err = {0};
    bnn_code code = d->sample(d, index, NULL, out, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
}

static void expect_sample(const bnn_dataset *d, int set, size_t index, const text_sample *s) {
    static const int32_t ids[2][2][8] = {
        {{CLS, A, B, SEP}, {CLS, C, SEP}},
        {{CLS, A, B, SEP, C, SEP}, {CLS, C, SEP, D, D, SEP}},
    };
    const int pair = written[set].texts == 2;
    for (int i = 0; i < d->field[0].shape.w; i++) {
        int32_t want = i < 8 ? ids[pair][index][i] : PAD;
        ck_assert_int_eq(s->ids[i], want);
        ck_assert_int_eq(s->mask[i], want != PAD);
        ck_assert_int_eq(s->segment[i], pair && want != PAD && i > (index ? 2 : 3));
    }
    if (d->field[3].dtype == BNN_F32) {
        ck_assert(s->target.score == targets[set][index]);
        ck_assert(d->label == NULL);
    } else {
        ck_assert_int_eq(s->target.label, (int)targets[set][index]);
        ck_assert_int_eq(d->label(d, index), (int)targets[set][index]);
    }
}

START_TEST(table) {
    for (int i = 0; i < BNN_GLUE_SETS; i++) {
        const bnn_dataset_info *info = &bnn_glue_sets[i].info;
        static const char *const names[] = {"ids", "segment", "mask"};
        const int length = i == BNN_GLUE_COLA || i == BNN_GLUE_SST2 ? 64 : 128;
        ck_assert_ptr_eq(bnn_dataset_find(info->name), info);
        ck_assert_int_eq(info->fields, 4);
        for (int f = 0; f < 3; f++) {
            ck_assert_str_eq(info->field[f].name, names[f]);
            ck_assert_int_eq(info->field[f].dtype, BNN_I32);
            ck_assert(bnn_shape_equal(info->field[f].shape, (bnn_shape){1, 1, length, 1}));
        }
        const int score = i == BNN_GLUE_STSB;
        ck_assert_str_eq(info->field[3].name, score ? "score" : "class");
        ck_assert_int_eq(info->field[3].dtype, score ? BNN_F32 : BNN_I32);
        ck_assert_int_eq(info->classes, i == BNN_GLUE_MNLI ? 3 : score ? 1 : 2);
    }
}
END_TEST

/* In the archive's folder or the set's own; LF and CRLF; the last line with an end or without. */
START_TEST(sets) {
    const int set = _i;
    mkdir(in_folder(bnn_glue_sets[set].folder), 0777);
    write_text("vocab.txt", VOCAB);
    static const char *const ends[] = {"\n", "\r\n", "\n\n"};
    char inner[256];
    snprintf(inner, sizeof inner, "%s", in_folder(bnn_glue_sets[set].folder));
    uint32_t sums[2] = {0, 0};
    for (int k = 0; k < 3; k++) {
        write_set(set, bnn_glue_sets[set].folder, "C", ends[k]);
        for (int split = 0; split < 2; split++) {
            bnn_dataset *d = open_good(set, k ? inner : folder, (bnn_split)split, NULL);
            text_sample s;
            ck_assert_uint_eq(d->count, 2);
            ck_assert_uint_eq(d->total, 2);
            ck_assert_uint_eq(d->tokens, 8);
            ck_assert_uint_eq(d->vocab_bytes, strlen(VOCAB));
            ck_assert_mem_eq(d->vocab, VOCAB, strlen(VOCAB));
            for (size_t i = 0; i < 2; i++) {
                read_sample(d, i, &s);
                expect_sample(d, set, i, &s);
            }
            struct stat vocab = file_of("vocab.txt");
            ck_assert(bnn_dataset_reads(d, vocab.st_dev, vocab.st_ino));
            sums[split] = k ? sums[split] : bnn_dataset_checksum(d);
            ck_assert_uint_eq(bnn_dataset_checksum(d), sums[split]);
            bnn_dataset_close(d);
        }
    }
    write_set(set, bnn_glue_sets[set].folder, "c c", "\n");
    bnn_dataset *d = open_good(set, folder, BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_ne(bnn_dataset_checksum(d), sums[0]);
    bnn_dataset_close(d);
}
END_TEST

START_TEST(choices) {
    text_sample s;
    write_set(BNN_GLUE_MRPC, ".", "c", "\n");
    write_text("other.txt", "[UNK]\n[PAD]\n[CLS]\n[SEP]\nc\n");
    char other[256];
    snprintf(other, sizeof other, "%s", in_folder("other.txt"));
    bnn_dataset_options of_file = {.vocab_file = other, .length = 5};
    bnn_dataset *d = open_good(BNN_GLUE_MRPC, folder, BNN_SPLIT_TRAIN, &of_file);
    static const int32_t ids[] = {2, 0, 3, 4, 3}; /* [CLS] [UNK] [SEP] c [SEP]: one is cut off */
    ck_assert_uint_eq(d->tokens, 5);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(d->field[i].shape.w, i < 3 ? 5 : 1);
    }
    read_sample(d, 0, &s);
    ck_assert_mem_eq(s.ids, ids, sizeof ids);
    uint32_t sum = bnn_dataset_checksum(d);
    bnn_dataset_close(d);
    /* The bytes of a vocabulary, as a model brings them, come before all files. */
    bnn_dataset_options of_bytes = {.vocab = (const unsigned char *)VOCAB,
                                    .vocab_bytes = strlen(VOCAB),
                                    .vocab_file = "no such file",
                                    .limit = 1};
    d = open_good(BNN_GLUE_MRPC, folder, BNN_SPLIT_TEST, &of_bytes);
    ck_assert_uint_eq(d->tokens, 8);
    ck_assert_uint_eq(d->count, 1);
    ck_assert_uint_eq(d->total, 2);
    ck_assert_uint_ne(bnn_dataset_checksum(d), sum);
    bnn_dataset_close(d);
    bnn_error err = {0};
    ck_assert(bnn_dataset_plan(&bnn_glue_sets[0].info, &(bnn_dataset_options){.length = 7}, &d,
                               &err) == BNN_OK);
    ck_assert_int_eq(d->field[2].shape.w, 7);
    ck_assert_uint_eq(d->tokens, 30522);
    ck_assert_ptr_null(d->vocab);
    bnn_dataset_close(d);
}
END_TEST

START_TEST(mismatched) {
    mkdir(in_folder("MNLI"), 0777);
    write_text("vocab.txt", VOCAB);
    write_set(BNN_GLUE_MNLI, "MNLI", "c", "\n");
    bnn_dataset_options chosen = {.variant = "matched"};
    bnn_dataset_close(open_good(BNN_GLUE_MNLI, folder, BNN_SPLIT_TEST, &chosen));
    bnn_dataset *d;
    bnn_error err;
    chosen.variant = "mismatched";
    bnn_code code = open_set(BNN_GLUE_MNLI, folder, BNN_SPLIT_TEST, &chosen, &d, &err);
    expect_error(code, BNN_ERR_IO, &err, "dev_mismatched.tsv: no such file", NULL);
    bnn_dataset_close(open_good(BNN_GLUE_MNLI, folder, BNN_SPLIT_TRAIN, &chosen));
    chosen.variant = "both";
    code = open_set(BNN_GLUE_MNLI, folder, BNN_SPLIT_TEST, &chosen, &d, &err);
    expect_error(code, BNN_ERR_ARGUMENT, &err, "'both'", "matched or mismatched", NULL);
    code = open_set(BNN_GLUE_RTE, folder, BNN_SPLIT_TEST, &chosen, &d, &err);
    expect_error(code, BNN_ERR_ARGUMENT, &err, "glue_rte", "'both'", NULL);
}
END_TEST

/* ---- what is wrong ---- */
static void refuse(int set, const char *text, size_t size, const char *first, const char *second) {
    bnn_glue_rows rows;
    bnn_error err = {0};
    bnn_code code = bnn_glue_parse("t.tsv", (const unsigned char *)text, size,
                                   &bnn_glue_sets[set].layout, &rows, &err);
    expect_error(code, BNN_ERR_FORMAT, &err, "t.tsv", first, second, NULL);
    ck_assert_ptr_null(rows.row);
}

START_TEST(bad_tables) {
    static const struct {
        int set;
        const char *text, *first, *second;
    } bad[] = {
        {BNN_GLUE_COLA, "", "holds no samples", NULL},
        {BNN_GLUE_COLA, "\n\r\n", "holds no samples", NULL},
        {BNN_GLUE_SST2, "sentence\tlabel\n", "holds no samples", NULL},
        {BNN_GLUE_COLA, "x\t1\t\ta\nx\t1\ta\n", "line 2 has 3 columns", "at least 4"},
        {BNN_GLUE_COLA, "x\t1\t\ta\n\nx\tyes\t\ta\n", "line 3: 'yes' is no label", "one of 0, 1"},
        {BNN_GLUE_MNLI, "h\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\nx\t1\t2\t3\t4\t5\t6\t7\ta\tb\t-\n",
         "line 2: '-' is no label", "one of contradiction, entailment, neutral"},
        {BNN_GLUE_RTE, "i\ts\ts\tlabel\n0\ta\tb\tentailment\textra", "line 2: 'extra'", NULL},
        {BNN_GLUE_RTE, "i\ts\ts\tlabel\n0\ta\tb\n", "line 2 has 3 columns", "at least 4"},
        {BNN_GLUE_RTE, "0\ta\tb\tentailment\n", "line 1 is a sample", "names of the columns"},
        {BNN_GLUE_STSB, "1\t2\t3\t4\t5\t6\t7\ta\tb\tscore\n1\t2\t3\t4\t5\t6\t7\ta\tb\t5.1\n",
         "line 2: '5.1' is no score", "0 to 5"},
        {BNN_GLUE_STSB, "1\t2\t3\t4\t5\t6\t7\ta\tb\tscore\n1\t2\t3\t4\t5\t6\t7\ta\tb\tnan\n",
         "line 2: 'nan' is no score", NULL},
        {BNN_GLUE_STSB, "1\t2\t3\t4\t5\t6\t7\ta\tb\tscore\n1\t2\t3\t4\t5\t6\t7\ta\tb\t\n",
         "line 2: '' is no score", NULL},
        {BNN_GLUE_QQP, "id\tq\tq\tq1\tq2\n1\t2\t3\ta\tb\t1\n", "line 1 has 5 columns", NULL},
        {BNN_GLUE_COLA, "x\t1\t\ta\xff\n", "line 1: byte 7 is no UTF-8", NULL},
        {BNN_GLUE_COLA, "x\t1\t\ta\nx\t1\t\t\xe4\xb8", "line 2: byte 6 is no UTF-8", NULL},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refuse(bad[i].set, bad[i].text, strlen(bad[i].text), bad[i].first, bad[i].second);
    }
    refuse(BNN_GLUE_COLA, "x\t1\t\ta\0b\n", 9, "line 1: byte 7 is NUL", NULL);
    const size_t size = BNN_GLUE_LINE_MOST + 2;
    char *large = malloc(size);
    memset(large, 'a', size);
    memcpy(large, "x\t1\t\t", 5);
    refuse(BNN_GLUE_COLA, large, size, "line 1 has 1048578 bytes", NULL);
    bnn_glue_rows rows;
    bnn_error err;
    ck_assert(bnn_glue_parse("t", (unsigned char *)large, size - 2,
                             &bnn_glue_sets[BNN_GLUE_COLA].layout, &rows, &err) == BNN_OK);
    ck_assert_uint_eq(rows.row[0].first_size, BNN_GLUE_LINE_MOST - 5);
    bnn_glue_rows_free(&rows);
    free(large);
}
END_TEST

/* Three lines of QQP's official table are cut short. */
START_TEST(cut_lines) {
    write_text("vocab.txt", VOCAB);
    write_text("train.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
                            "1\t2\t3\ta\n1\t2\t3\ta\tb\t1\n1\t2\n");
    bnn_dataset *d = open_good(BNN_GLUE_QQP, folder, BNN_SPLIT_TRAIN, NULL);
    ck_assert_uint_eq(d->count, 1);
    ck_assert_ptr_nonnull(d->remark);
    ck_assert_ptr_nonnull(strstr(d->remark, "2 lines"));
    bnn_dataset_close(d);
}
END_TEST

START_TEST(missing_files) {
    bnn_dataset *d;
    bnn_error err;
    char other[256];
    bnn_code code = open_set(BNN_GLUE_RTE, NULL, BNN_SPLIT_TRAIN, NULL, &d, &err);
    expect_error(code, BNN_ERR_ARGUMENT, &err, "glue_rte", "--data-dir", NULL);
    code = open_set(BNN_GLUE_RTE, "/no/such", BNN_SPLIT_TRAIN, NULL, &d, &err);
    expect_error(code, BNN_ERR_IO, &err, "/no/such: no such folder", "glue_data", NULL);
    mkdir(in_folder("RTE"), 0777);
    code = open_set(BNN_GLUE_RTE, in_folder("RTE"), BNN_SPLIT_TRAIN, NULL, &d, &err);
    expect_error(code, BNN_ERR_IO, &err, "no vocab.txt", "one level up", "--vocab", NULL);
    write_text("vocab.txt", VOCAB);
    code = open_set(BNN_GLUE_RTE, folder, BNN_SPLIT_TEST, NULL, &d, &err);
    expect_error(code, BNN_ERR_IO, &err, "RTE/dev.tsv: no such file", NULL);
    snprintf(other, sizeof other, "%s", in_folder("none.txt"));
    code = open_set(BNN_GLUE_RTE, folder, BNN_SPLIT_TEST,
                    &(bnn_dataset_options){.vocab_file = other}, &d, &err);
    expect_error(code, BNN_ERR_IO, &err, "none.txt: no such file", "--vocab", NULL);
    write_text("none.txt", "a\n");
    code = open_set(BNN_GLUE_RTE, folder, BNN_SPLIT_TEST,
                    &(bnn_dataset_options){.vocab_file = other}, &d, &err);
    expect_error(code, BNN_ERR_FORMAT, &err, "none.txt: has no token [UNK]", NULL);
    for (int i = 0; i < 2; i++) {
        code = open_set(BNN_GLUE_RTE, folder, BNN_SPLIT_TEST,
                        &(bnn_dataset_options){.length = i ? 2 : 70000}, &d, &err);
        expect_error(code, BNN_ERR_ARGUMENT, &err, "glue_rte", "tokens; it is 3 to", NULL);
    }
}
END_TEST

START_TEST(absent) {
    bnn_dataset *d;
    bnn_error err;
    bnn_code code = open_set(BNN_GLUE_RTE, folder, BNN_SPLIT_TRAIN, NULL, &d, &err);
    expect_error(code, BNN_ERR_UNSUPPORTED, &err, "without text", "libutf8proc-dev", NULL);
}
END_TEST

/* ---- the real tables ---- */
static const struct {
    size_t train, test;
} real[BNN_GLUE_SETS] = {{8551, 1043}, {67349, 872},  {3668, 408}, {5749, 1500}, {9473, 998},
                         {0, 0},       {10293, 5463}, {2490, 277}, {635, 71}};

START_TEST(real_tables) {
    const char *root = getenv("BNN_GLUE");
    char dir[1000], vocab[1000];
    snprintf(dir, sizeof dir, "%s/glue_data", root);
    snprintf(vocab, sizeof vocab, "%s/bert-base-uncased/vocab.txt", root);
    for (int split = 0; split < 2 && real[_i].train; split++) {
        bnn_dataset_options options = {.vocab_file = vocab};
        bnn_dataset *d = open_good(_i, dir, (bnn_split)split, &options);
        ck_assert_uint_eq(d->count, split ? real[_i].test : real[_i].train);
        ck_assert_uint_eq(d->tokens, 30522);
        ck_assert_ptr_null(d->remark);
        const size_t step = d->count / 500 + 1;
        size_t unknown = 0, words = 0;
        for (size_t i = 0; i < d->count; i += step) {
            text_sample s;
            read_sample(d, i, &s);
            ck_assert_int_eq(s.ids[0], 101);
            for (int k = 0; k < d->field[0].shape.w; k++) {
                ck_assert(s.ids[k] >= 0 && s.ids[k] < 30522);
                unknown += s.ids[k] == 100;
                words += s.mask[k] != 0;
            }
        }
        ck_assert_msg(unknown < words / 100, "%zu of %zu tokens are unknown", unknown, words);
        bnn_dataset_close(d);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("glue");
    TCase *tcase = tcase_create("glue");
    tcase_add_checked_fixture(tcase, make_folder, remove_folder);
    tcase_add_test(tcase, table);
    tcase_add_test(tcase, bad_tables);
    if (bnn_wordpiece_usable(NULL) == BNN_OK) {
        tcase_add_loop_test(tcase, sets, 0, BNN_GLUE_SETS);
        tcase_add_test(tcase, choices);
        tcase_add_test(tcase, mismatched);
        tcase_add_test(tcase, cut_lines);
        tcase_add_test(tcase, missing_files);
    } else {
        printf("SKIPPED: all but the tables and the refusal (built without utf8proc)\n");
        tcase_add_test(tcase, absent);
    }
    if (getenv("BNN_GLUE") && bnn_wordpiece_usable(NULL) == BNN_OK) {
        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, real_tables, 0, BNN_GLUE_SETS);
    } else {
        printf("SKIPPED: the real tables (set BNN_GLUE)\n");
    }
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
