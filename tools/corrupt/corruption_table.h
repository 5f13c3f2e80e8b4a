/* A network's accuracy on corrupted test sets: corruption by severity, means, and the gap to its
 * accuracy on clean images (BiBench's robustness track). */
#ifndef BNN_TOOLS_CORRUPT_CORRUPTION_TABLE_H
#define BNN_TOOLS_CORRUPT_CORRUPTION_TABLE_H

#include <stdio.h>

#include "tools/corrupt/corruption_list.h"
#include "tools/train/evaluate.h"
#include "tools/run/results.h"

/* Where the corrupted images come from, and which are wanted. */
typedef struct bnn_corruption_source {
    const bnn_dataset *clean;
    const char *folder; /* files in the layout of CIFAR-10-C; NULL: they are made, by: */
    const bnn_corruptor *corruptor;
    uint64_t seed;            /* the corruptor's */
    bnn_corruption_list list; /* of a folder's files, those not named may be missing */
    int severity;             /* 1..5; 0: all */
    size_t limit;             /* the first images of a folder's files; 0: all */
} bnn_corruption_source;

/* The files, open, one a row of the results; NULL where corruptions are made. */
typedef struct bnn_corruption_files {
    bnn_corruptions *files;
} bnn_corruption_files;

/* Opens the files and begins the table: `results` gets a row, without cells, for each corruption.
 */
bnn_code bnn_corruption_table_begin(const bnn_corruption_source *source,
                                    bnn_corruption_files *files, bnn_results *results,
                                    bnn_error *err);
/* Evaluates the cells that are not done, and writes `results` to `path` (if not NULL) after each.
 * Returns early, without an error, when interrupted. */
bnn_code bnn_corruption_table_run(bnn_predictor *predictor, const bnn_spec *spec,
                                  const bnn_corruption_source *source,
                                  const bnn_corruption_files *files, const bnn_evaluation *how,
                                  const char *path, bnn_results *results, bnn_error *err);
void bnn_corruption_table_print(const bnn_results *results, FILE *out);

#endif
