/* A network's accuracy on corrupted test sets: corruption by severity, means, and the gap to its
 * accuracy on clean images (BiBench's robustness track). */
#ifndef BNN_TOOLS_CORRUPTION_TABLE_H
#define BNN_TOOLS_CORRUPTION_TABLE_H

#include <jansson.h>
#include <stdio.h>

#include "tools/corruption_list.h"
#include "tools/evaluate.h"

typedef struct bnn_corruption_table bnn_corruption_table;

/* Where the corrupted images come from, and which are wanted. */
typedef struct bnn_corruption_source {
    const bnn_dataset_info *info;
    const char *folder; /* files in the layout of CIFAR-10-C; NULL: they are made, out of: */
    const bnn_dataset *clean;
    const bnn_corruptor *corruptor;
    bnn_corruption_list list;
    int all;      /* no corruption was named: of a folder's files, take those that are there */
    int severity; /* 1..5; 0: all */
    size_t limit; /* the first images of a folder's files; 0: all */
} bnn_corruption_source;

/* `clean` is top-1 in percent. */
bnn_code bnn_corruption_table_run(bnn_predictor *predictor, const bnn_corruption_source *source,
                                  const bnn_evaluation *how, double clean,
                                  bnn_corruption_table **out, bnn_error *err);
void bnn_corruption_table_free(bnn_corruption_table *table); /* NULL is fine */
void bnn_corruption_table_print(const bnn_corruption_table *table, FILE *out);
/* {"clean", "mean", "gap", "rows": [{"corruption", "top1": [5], "mean", "gap"}]}; null in "top1"
 * where a severity was not wanted. */
json_t *bnn_corruption_table_json(const bnn_corruption_table *table);

#endif
