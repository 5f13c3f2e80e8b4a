/* What a training would be, for people: a row a layer, then the whole. */
#ifndef BNN_TOOLS_TRAIN_PLAN_TABLE_H
#define BNN_TOOLS_TRAIN_PLAN_TABLE_H

#include "tools/train/trainer.h"

/* Of the network that bnn_train_plan made, to stdout. */
void bnn_plan_table_print(const bnn_train_settings *s, const bnn_params *params, const bnn_net *net,
                          size_t bytes);

#endif
