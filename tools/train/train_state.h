/* Where a training stands: all that a resume needs beside parameters and the optimizer's state,
 * as metadata of its checkpoints. The random state is (seed, epoch, step), so there is no other. */
#ifndef BNN_TOOLS_TRAIN_TRAIN_STATE_H
#define BNN_TOOLS_TRAIN_TRAIN_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/io/safetensors.h"
#include "models/files/checkpoint.h"
#include "tools/run/run_data.h"

typedef struct bnn_train_state {
    uint32_t epoch;  /* being trained, from 0 */
    size_t step;     /* of this epoch, to be done next; all done: evaluation is next */
    uint64_t steps;  /* done in all */
    bnn_score score; /* of this epoch's samples so far; its sums are the caller's */
    double best;     /* the task's main metric on the test set; NAN: none yet */
    int best_phase;
    uint32_t waited; /* epochs since the best */
    bnn_run_data data;
    uint32_t ranks; /* that trained it last; nothing else depends on their number */
} bnn_train_state;

#define BNN_TRAIN_STATE_META 13

/* Entries for bnn_checkpoint_save; `args` are the run's defining arguments (JSON). */
size_t bnn_train_state_meta(const bnn_train_state *state, const char *optimizer, const char *args,
                            bnn_arena *arena, bnn_meta meta[BNN_TRAIN_STATE_META]);
/* Refuses what is not a training checkpoint: a packed file, a damaged or foreign one. Where
 * state->score has sums, the file's are read into them; state is zero else. */
bnn_code bnn_train_state_read(const char *path, const bnn_st_file *file, bnn_train_state *state,
                              bnn_error *err);

#endif
