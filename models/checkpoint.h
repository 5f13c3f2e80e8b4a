/* Checkpoints: safetensors with PyTorch's parameter names, the optimizer's state as
 * optimizer.<parameter>.<slot>, and what a resume needs in the metadata. */
#ifndef BNN_MODELS_CHECKPOINT_H
#define BNN_MODELS_CHECKPOINT_H

#include "engine/io/safetensors.h"
#include "engine/params.h"
#include "models/model.h"
#include "optim/optimizer.h"

/* "format" in the metadata of the two kinds of files. */
#define BNN_CHECKPOINT_FORMAT "bnn-checkpoint-1"
#define BNN_PACKED_FORMAT "bnn-packed-1"

/* One more metadata entry. */
typedef struct bnn_meta {
    const char *key, *value;
} bnn_meta;

/* Writes everything (atomic). `optimizer` may be NULL. `meta` is added to what describes `spec`. */
bnn_code bnn_checkpoint_save(const char *path, const bnn_spec *spec, const bnn_params *params,
                             const bnn_optimizer *optimizer, const bnn_meta *meta,
                             size_t meta_count, bnn_error *err);

/* The spec a file of either format describes. */
bnn_code bnn_spec_read(const char *path, const bnn_st_file *file, bnn_spec *spec, bnn_error *err);
/* ... and its metadata entries, for writing: at most BNN_SPEC_META of them, texts in `arena`. */
#define BNN_SPEC_META 9
size_t bnn_spec_meta(const bnn_spec *spec, bnn_arena *arena, bnn_meta meta[BNN_SPEC_META]);
/* A value that is NULL, as an arena out of memory leaves it, is an error. */
bnn_code bnn_meta_add(bnn_st_writer *writer, const bnn_meta *meta, size_t count, bnn_error *err);

/* Whether all parameters and buffers are there, each in its shape; they need no memory for that. */
bnn_code bnn_checkpoint_check_params(const char *path, const bnn_st_file *file,
                                     const bnn_params *params, bnn_error *err);
/* Reads all parameters and buffers (allocated before); every one must be there, in its shape. */
bnn_code bnn_checkpoint_read_params(const char *path, const bnn_st_file *file, bnn_params *params,
                                    bnn_error *err);
bnn_code bnn_checkpoint_read_optimizer(const char *path, const bnn_st_file *file,
                                       const bnn_params *params, bnn_optimizer *optimizer,
                                       bnn_error *err);
/* For starting from another network's weights (float pretraining): takes every tensor whose name
 * and shape agree, leaves the rest, returns how many were taken in *taken; none is an error. */
bnn_code bnn_checkpoint_init_from(const char *path, bnn_params *params, size_t *taken,
                                  bnn_error *err);

#endif
