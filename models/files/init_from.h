/* Starting from another network's weights (float pretraining): what fits is taken, what does not is
 * named, and a file of which most does not fit is refused. */
#ifndef BNN_MODELS_FILES_INIT_FROM_H
#define BNN_MODELS_FILES_INIT_FROM_H

#include "models/model.h"

typedef struct bnn_init_result {
    size_t taken;       /* tensors */
    const char **notes; /* why the others were not: "conv1.weight has shape ..."; in the arena */
    size_t note_count;
    size_t unused; /* tensors of the file that this network has no place for */
    /* The file is of a classifier, as whose part the network begins (bnn_arch.stem): so many of its
     * parameters are not of that part, and keep their first values. */
    size_t fresh;
} bnn_init_result;

/* Into parameters that have their first values already. Most must be taken of what the network
 * shares with its float twin, in tensors and in values, or with `partial` at least one tensor; of a
 * classifier's file, of the part that a classifier has. */
bnn_code bnn_init_from(const char *path, const bnn_spec *spec, const bnn_device *device,
                       int partial, bnn_params *params, bnn_arena *arena, bnn_init_result *result,
                       bnn_error *err);

#endif
