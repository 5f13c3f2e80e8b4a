/* Which file a program's MODEL is: itself, a run's best checkpoint, or a folder of weights as
 * Hugging Face lays it out. */
#ifndef BNN_TOOLS_RUN_FIND_MODEL_H
#define BNN_TOOLS_RUN_FIND_MODEL_H

#include "tools/run/run_record.h"

typedef struct bnn_found_model {
    char path[4200];       /* of the file, or of the weights' folder */
    char folder[4200];     /* of the run, without a slash at its end; "" if a file was named */
    bnn_run_config config; /* of the run; texts in the arena */
} bnn_found_model;

bnn_code bnn_find_model(const char *operand, bnn_arena *arena, bnn_found_model *out,
                        bnn_error *err);

#endif
