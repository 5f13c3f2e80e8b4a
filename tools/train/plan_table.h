/* What a training would be, for people: a row a layer, then the whole. */
#ifndef BNN_TOOLS_TRAIN_PLAN_TABLE_H
#define BNN_TOOLS_TRAIN_PLAN_TABLE_H

#include <jansson.h>

#include "tools/train/trainer.h"

/* To stdout: layers and counts of the network as it is deployed, for one image; `bytes` are those
 * of the training (bnn_train_plan). */
void bnn_plan_table_print(const bnn_train_settings *s, const bnn_params *params, const bnn_net *net,
                          size_t bytes);
/* The same as JSON (tools/run/plan_counts.h); NULL when memory is out. */
json_t *bnn_plan_json(const bnn_train_settings *s, const char *data, const bnn_net *net,
                      size_t bytes);

#endif
