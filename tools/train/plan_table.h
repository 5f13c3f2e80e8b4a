/* What a training would be, for people: a row a layer, then the whole. */
#ifndef BNN_TOOLS_TRAIN_PLAN_TABLE_H
#define BNN_TOOLS_TRAIN_PLAN_TABLE_H

#include <jansson.h>

#include "tools/train/trainer.h"

/* Of the network that bnn_train_plan made, to stdout. */
void bnn_plan_table_print(const bnn_train_settings *s, const bnn_params *params, const bnn_net *net,
                          size_t bytes);
/* The same as JSON (tools/run/plan_counts.h); NULL when memory is out. */
json_t *bnn_plan_json(const bnn_train_settings *s, const char *data, const bnn_net *net,
                      size_t bytes);

#endif
