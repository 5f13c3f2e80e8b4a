/* --arch, --algo and --data: what a model file whose metadata say less does not tell of itself, as
 * files that another tool wrote, or wrote again. */
#ifndef BNN_TOOLS_RUN_GIVEN_H
#define BNN_TOOLS_RUN_GIVEN_H

#include "models/files/loaded.h"

typedef struct bnn_given {
    const char *arch, *algo, *data; /* names of the tables, or NULL */
    int other_data; /* data may also be another set than the file's, to evaluate it on */
} bnn_given;

/* Opens the model with them; refuses what contradicts the file. Close it in any case. */
bnn_code bnn_given_open(const bnn_given *given, const char *path, const bnn_device *device,
                        bnn_loaded *model, bnn_error *err);

#endif
