/* --init-from: takes another network's weights and tells what was taken and what was not. */
#ifndef BNN_TOOLS_TRAIN_INIT_FROM_H
#define BNN_TOOLS_TRAIN_INIT_FROM_H

#include "tools/train/trainer.h"

/* Into parameters that have their first values. */
bnn_code bnn_init_from_file(const bnn_train_settings *settings, bnn_params *params, bnn_error *err);

#endif
