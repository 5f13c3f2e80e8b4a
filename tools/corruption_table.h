/* A network's accuracy on corrupted test sets: corruption by severity, means, and the gap to its
 * accuracy on clean images (BiBench's robustness track). */
#ifndef BNN_TOOLS_CORRUPTION_TABLE_H
#define BNN_TOOLS_CORRUPTION_TABLE_H

#include <jansson.h>
#include <stdio.h>

#include "tools/evaluate.h"

typedef struct bnn_corruption_table bnn_corruption_table;

/* Evaluates on every corruption in `folder` at every severity; `clean` is top-1 in percent. */
bnn_code bnn_corruption_table_run(bnn_predictor *predictor, const bnn_dataset_info *info,
                                  const char *folder, size_t limit, const bnn_evaluation *how,
                                  double clean, bnn_corruption_table **out, bnn_error *err);
void bnn_corruption_table_free(bnn_corruption_table *table); /* NULL is fine */
void bnn_corruption_table_print(const bnn_corruption_table *table, FILE *out);
/* {"clean", "mean", "gap", "rows": [{"corruption", "top1": [5], "mean", "gap"}]} */
json_t *bnn_corruption_table_json(const bnn_corruption_table *table);

#endif
