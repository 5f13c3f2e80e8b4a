/* GLUE (Wang et al., "GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language
 * Understanding", ICLR 2019): nine data sets, a row each. Test is the archive's dev.tsv, since the
 * labels of its test.tsv are nobody's. The decision: a table is mapped and checked at opening, and
 * a sample's texts become tokens when it is asked for: some ten microseconds each, on the loader's
 * threads, where all of MNLI would take many seconds before the first step. */
#include "data_loaders/text/glue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "data_loaders/internal.h"
#include "data_loaders/text/text.h"
#include "engine/base/file.h"

#define LENGTH_MOST 65536
#define USUAL_TOKENS 30522 /* of bert-base-uncased */
#define VOCAB_FILE "vocab.txt"
#define MISMATCHED "dev_mismatched.tsv"
#define CURE                                                                                       \
    "--data-dir must name the unpacked folder of GLUE (glue_data) or of this data set (in which "  \
    "train.tsv lies)"
#define VOCAB_CURE "--vocab must name the vocabulary's file (vocab.txt of bert-base-uncased)"

enum { IDS, SEGMENT, MASK, TARGET, FIELDS };

typedef struct glue {
    bnn_dataset base;
    const bnn_glue_set *set;
    bnn_field field[FIELDS];
    bnn_vocab *vocab;
    const char *test; /* the file of the test split */
    char path[BNN_DATA_PATH_MAX];
    bnn_map map;
    bnn_glue_rows rows;
    char remark[128];
} glue;

/* ---- samples ---- */
static bnn_code glue_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                            void *const *out, bnn_error *err) {
    const glue *d = (const glue *)dataset;
    const bnn_glue_row *row = &d->rows.row[index];
    const char *text = (const char *)d->map.data;
    bnn_ids a = {0}, b = {0};
    (void)draw; /* nothing is augmented */
    bnn_code code = bnn_wordpiece(d->vocab, d->path, text + row->first, row->first_size, &a, err);
    if (code == BNN_OK) {
        code = bnn_wordpiece(d->vocab, d->path, text + row->second, row->second_size, &b, err);
    }
    if (code == BNN_OK) {
        bnn_text_features(d->vocab, &a, &b, (size_t)d->field[IDS].shape.w, out[IDS], out[SEGMENT],
                          out[MASK]);
        if (d->field[TARGET].dtype == BNN_F32) {
            *(float *)out[TARGET] = row->score;
        } else {
            *(int32_t *)out[TARGET] = row->label;
        }
    }
    free(a.id);
    free(b.id);
    return code;
}

static uint32_t glue_length(const bnn_dataset *dataset, size_t index) {
    const bnn_glue_row *row = &((const glue *)dataset)->rows.row[index];
    return row->first_size + row->second_size;
}

static int32_t glue_label(const bnn_dataset *dataset, size_t index) {
    return ((const glue *)dataset)->rows.row[index].label;
}

/* Texts, what is to be found, and the vocabulary, without which they are no numbers. */
static uint32_t glue_checksum(const bnn_dataset *dataset) {
    const glue *d = (const glue *)dataset;
    uLong sum = crc32_z(0, d->base.vocab, d->base.vocab_bytes);
    for (size_t i = 0; i < d->rows.count; i++) {
        const bnn_glue_row *row = &d->rows.row[i];
        const uint32_t sizes[] = {row->first_size, row->second_size};
        sum = crc32_z(sum, (const unsigned char *)sizes, sizeof sizes);
        sum = crc32_z(sum, d->map.data + row->first, row->first_size);
        sum = crc32_z(sum, d->map.data + row->second, row->second_size);
        sum = crc32_z(sum, (const unsigned char *)&row->label, sizeof row->label);
        sum = crc32_z(sum, (const unsigned char *)&row->score, sizeof row->score);
    }
    return (uint32_t)sum;
}

static void glue_close(bnn_dataset *dataset) {
    glue *d = (glue *)dataset;
    bnn_glue_rows_free(&d->rows);
    bnn_map_close(&d->map);
    bnn_vocab_free(d->vocab);
}

/* ---- opening ---- */
static bnn_code take_vocab(glue *d, const char *name, const unsigned char *bytes, size_t size,
                           bnn_error *err) {
    bnn_code code = bnn_vocab_parse(name, bytes, size, &d->vocab, err);
    if (code == BNN_OK) {
        d->base.vocab = bnn_vocab_bytes(d->vocab, &d->base.vocab_bytes);
        d->base.tokens = bnn_vocab_tokens(d->vocab);
    }
    return code;
}

static bnn_code read_vocab(glue *d, const char *path, bnn_error *err) {
    bnn_map map = {0};
    bnn_code code = bnn_data_check_file(path, VOCAB_CURE, err);
    if (code == BNN_OK) {
        code = bnn_map_read(path, &map, err);
    }
    if (code == BNN_OK) {
        code = bnn_data_note_file(&d->base, map.device, map.inode, err);
    }
    if (code == BNN_OK) {
        code = take_vocab(d, path, map.data, map.size, err);
    }
    bnn_map_close(&map);
    return code;
}

/* The one in the folder, or one level up. */
static bnn_code find_vocab(glue *d, const char *dir, bnn_error *err) {
    char path[BNN_DATA_PATH_MAX];
    const char *name = bnn_data_has(dir, VOCAB_FILE, S_IFREG) ? VOCAB_FILE : "../" VOCAB_FILE;
    if (!bnn_data_has(dir, name, S_IFREG)) {
        return bnn_fail(err, BNN_ERR_IO, "%s: no " VOCAB_FILE " in it or one level up; " VOCAB_CURE,
                        dir);
    }
    bnn_code code = bnn_data_join(path, dir, name, err);
    return code == BNN_OK ? read_vocab(d, path, err) : code;
}

/* The archive's folder, or that of the set in it. */
static bnn_code find_folder(const glue *d, const char *dir, char out[BNN_DATA_PATH_MAX],
                            bnn_error *err) {
    bnn_code code = bnn_data_check_folder(dir, CURE, err);
    if (code == BNN_OK && bnn_data_has(dir, d->set->folder, S_IFDIR)) {
        return bnn_data_join(out, dir, d->set->folder, err);
    }
    snprintf(out, BNN_DATA_PATH_MAX, "%s", dir); /* what is too long is said of the file */
    return code;
}

static bnn_code open_table(glue *d, bnn_error *err) {
    bnn_code code = bnn_data_check_file(d->path, CURE, err);
    if (code == BNN_OK) {
        code = bnn_map_open(d->path, &d->map, err);
    }
    if (code == BNN_OK) {
        code = bnn_data_note_file(&d->base, d->map.device, d->map.inode, err);
    }
    if (code == BNN_OK) {
        code = bnn_glue_parse(d->path, d->map.data, d->map.size, &d->set->layout, &d->rows, err);
    }
    if (code == BNN_OK && d->rows.cut) {
        snprintf(d->remark, sizeof d->remark,
                 "%zu lines of the table have too few columns, and are left out", d->rows.cut);
        d->base.remark = d->remark;
    }
    return code;
}

static bnn_code glue_open(bnn_dataset *dataset, const char *dir, bnn_split split, bnn_error *err) {
    glue *d = (glue *)dataset;
    char folder[BNN_DATA_PATH_MAX];
    d->base.sample = glue_sample;
    d->base.length = glue_length;
    d->base.label = d->field[TARGET].dtype == BNN_I32 ? glue_label : NULL;
    d->base.checksum = glue_checksum;
    bnn_code code = bnn_wordpiece_usable(err);
    if (code == BNN_OK) {
        code = find_folder(d, dir, folder, err);
    }
    if (code == BNN_OK && !d->vocab) {
        code = find_vocab(d, folder, err);
    }
    if (code == BNN_OK) {
        code =
            bnn_data_join(d->path, folder, split == BNN_SPLIT_TRAIN ? "train.tsv" : d->test, err);
    }
    if (code == BNN_OK) {
        code = open_table(d, err);
    }
    d->base.count = d->rows.count;
    return code;
}

/* MNLI is tested on the kinds of text that it was trained on, or on others. */
static bnn_code choose_test(glue *d, const char *variant, bnn_error *err) {
    d->test = d->set->test;
    if (variant && strcmp(variant, "mismatched") == 0) {
        d->test = MISMATCHED;
    } else if (variant && strcmp(variant, "matched") != 0) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: there is no test of '%.64s'; it is matched or mismatched",
                        d->base.info->name, variant);
    }
    return BNN_OK;
}

static bnn_code glue_plan(bnn_dataset *dataset, const bnn_dataset_options *options,
                          bnn_error *err) {
    glue *d = (glue *)dataset;
    for (d->set = bnn_glue_sets; &d->set->info != dataset->info;) {
        d->set++;
    }
    const int length = options->length ? options->length : dataset->info->field[IDS].shape.w;
    if (length < BNN_TEXT_LEAST || length > LENGTH_MOST) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: a text of %d tokens; it is %d to %d",
                        dataset->info->name, length, BNN_TEXT_LEAST, LENGTH_MOST);
    }
    memcpy(d->field, dataset->info->field, sizeof d->field);
    for (int i = IDS; i <= MASK; i++) {
        d->field[i].shape.w = length;
    }
    dataset->field = d->field;
    dataset->tokens = USUAL_TOKENS;
    bnn_code code = choose_test(d, options->variant, err);
    if (code == BNN_OK && options->vocab) {
        code = take_vocab(d, "the model's vocabulary", options->vocab, options->vocab_bytes, err);
    } else if (code == BNN_OK && options->vocab_file) {
        code = read_vocab(d, options->vocab_file, err);
    }
    return code;
}

/* ---- the table ---- */
#define TEXT_FIELDS(length)                                                                        \
    {"ids", BNN_I32, {1, 1, length, 1}}, {"segment", BNN_I32, {1, 1, length, 1}}, {                \
        "mask", BNN_I32, {                                                                         \
            1, 1, length, 1                                                                        \
        }                                                                                          \
    }
static const bnn_field fields_64[FIELDS] = {TEXT_FIELDS(64), {"class", BNN_I32, {1, 1, 1, 1}}};
static const bnn_field fields_128[FIELDS] = {TEXT_FIELDS(128), {"class", BNN_I32, {1, 1, 1, 1}}};
static const bnn_field fields_of_score[FIELDS] = {TEXT_FIELDS(128),
                                                  {"score", BNN_F32, {1, 1, 1, 1}}};

/* What the rows have in common. */
#define GLUE(of_name, of_task, two, of_field, of_classes, text)                                    \
    .name = of_name, .description = text, .task = of_task, .pairs = two,                           \
    .samples = (two) ? "pairs" : "sentences", .field = of_field, .fields = FIELDS,                 \
    .classes = sizeof(of_classes) / sizeof *(of_classes), .class_names = of_classes,               \
    .bytes = sizeof(glue), .plan = glue_plan, .open = glue_open, .close = glue_close
#define OF_LENGTH_64(name, task, two, classes, text)                                               \
    { GLUE(name, task, two, fields_64, classes, text) }
#define OF_LENGTH_128(name, task, two, classes, text)                                              \
    { GLUE(name, task, two, fields_128, classes, text) }

static const char *const acceptable[] = {"unacceptable", "acceptable"};
static const char *const positive[] = {"negative", "positive"};
static const char *const equivalent[] = {"different", "equivalent"};
static const char *const similarity[] = {"similarity"};
static const char *const follows[] = {"contradiction", "entailment", "neutral"};
static const char *const duplicate[] = {"different", "duplicate"};
static const char *const entailed[] = {"entailment", "not_entailment"};
static const char *const entails[] = {"not_entailment", "entailment"};

const bnn_glue_set bnn_glue_sets[BNN_GLUE_SETS] = {
    [BNN_GLUE_COLA] = {OF_LENGTH_64("glue_cola", "acceptability", 0, acceptable,
                                    "9594 sentences, whether they are English grammar"),
                       "CoLA",
                       "dev.tsv",
                       {0, 3, -1, 1, {"0", "1"}, 0}},
    [BNN_GLUE_SST2] = {OF_LENGTH_64("glue_sst2", "classify_text", 0, positive,
                                    "68221 phrases on films, whether they praise"),
                       "SST-2",
                       "dev.tsv",
                       {1, 0, -1, 1, {"0", "1"}, 0}},
    [BNN_GLUE_MRPC] = {OF_LENGTH_128("glue_mrpc", "paraphrase", 1, equivalent,
                                     "4076 pairs of sentences, whether they say the same"),
                       "MRPC",
                       "dev.tsv",
                       {1, 3, 4, 0, {"0", "1"}, 0}},
    [BNN_GLUE_STSB] = {{GLUE("glue_stsb", "similarity", 1, fields_of_score, similarity,
                             "7249 pairs of sentences, how alike they are, 0 to 5")},
                       "STS-B",
                       "dev.tsv",
                       {1, 7, 8, -1, {NULL}, 0}},
    [BNN_GLUE_MNLI] = {{GLUE("glue_mnli", "classify_text", 1, fields_128, follows,
                             "402517 pairs, whether the second follows from the first"),
                        .variant = "test-genres"},
                       "MNLI",
                       "dev_matched.tsv",
                       {1, 8, 9, -1, {"contradiction", "entailment", "neutral"}, 0}},
    [BNN_GLUE_QQP] = {OF_LENGTH_128("glue_qqp", "paraphrase", 1, duplicate,
                                    "404276 pairs of questions, whether they ask the same"),
                      "QQP",
                      "dev.tsv",
                      {1, 3, 4, 5, {"0", "1"}, 1}},
    [BNN_GLUE_QNLI] = {OF_LENGTH_128("glue_qnli", "classify_text", 1, entailed,
                                     "110206 questions, whether a sentence answers them"),
                       "QNLI",
                       "dev.tsv",
                       {1, 1, 2, -1, {"entailment", "not_entailment"}, 0}},
    [BNN_GLUE_RTE] = {OF_LENGTH_128("glue_rte", "classify_text", 1, entailed,
                                    "2767 pairs, whether the second follows from the first"),
                      "RTE",
                      "dev.tsv",
                      {1, 1, 2, -1, {"entailment", "not_entailment"}, 0}},
    [BNN_GLUE_WNLI] = {OF_LENGTH_128("glue_wnli", "classify_text", 1, entails,
                                     "706 pairs, whether the second resolves a pronoun"),
                       "WNLI",
                       "dev.tsv",
                       {1, 1, 2, -1, {"0", "1"}, 0}},
};
