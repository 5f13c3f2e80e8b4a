/* GLUE's tables (Wang et al., ICLR 2019): what the data sets share with their tests and the fuzz
 * target. A table is tab-separated, a sample a line, and knows no quotes. */
#ifndef BNN_DATA_LOADERS_TEXT_GLUE_H
#define BNN_DATA_LOADERS_TEXT_GLUE_H

#include <stddef.h>
#include <stdint.h>

#include "data_loaders/dataset.h"

#define BNN_GLUE_LABELS 3
#define BNN_GLUE_LINE_MOST ((size_t)1 << 20) /* bytes */
#define BNN_GLUE_SCORE_MOST 5.0              /* of a similarity; the least is 0 */

/* Where a table has what; columns count from 0. */
typedef struct bnn_glue_layout {
    int header;                          /* the first line names the columns */
    int first, second;                   /* the sentences; second -1: there is one only */
    int label;                           /* -1: the last column */
    const char *labels[BNN_GLUE_LABELS]; /* as files spell them; none: a score */
    int lossy; /* the official files have lines that are cut short: they are left out */
} bnn_glue_layout;

/* A sample: where its texts are in the file, and what is to be found. */
typedef struct bnn_glue_row {
    size_t first, second;
    uint32_t first_size, second_size;
    int32_t label;
    float score;
} bnn_glue_row;

typedef struct bnn_glue_rows {
    bnn_glue_row *row; /* owned */
    size_t count;      /* at least 1 */
    size_t cut;        /* lines that were left out */
} bnn_glue_rows;

/* Checks a whole table: columns, labels, UTF-8. An error names `name` and the line. */
bnn_code bnn_glue_parse(const char *name, const unsigned char *bytes, size_t size,
                        const bnn_glue_layout *layout, bnn_glue_rows *out, bnn_error *err);
void bnn_glue_rows_free(bnn_glue_rows *rows);

typedef enum bnn_glue {
    BNN_GLUE_COLA,
    BNN_GLUE_SST2,
    BNN_GLUE_MRPC,
    BNN_GLUE_STSB,
    BNN_GLUE_MNLI,
    BNN_GLUE_QQP,
    BNN_GLUE_QNLI,
    BNN_GLUE_RTE,
    BNN_GLUE_WNLI,
    BNN_GLUE_SETS
} bnn_glue;

/* A data set of them. */
typedef struct bnn_glue_set {
    bnn_dataset_info info;
    const char *folder; /* of the archive: "CoLA" */
    const char *test;   /* the file; "dev.tsv" */
    bnn_glue_layout layout;
} bnn_glue_set;
extern const bnn_glue_set bnn_glue_sets[BNN_GLUE_SETS];

#endif
