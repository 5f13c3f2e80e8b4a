/* Checkpoints: safetensors with PyTorch's parameter names, the optimizer's state as
 * optimizer.<parameter>.<slot>, and what a resume needs in the metadata. */
#ifndef BNN_MODELS_FILES_CHECKPOINT_H
#define BNN_MODELS_FILES_CHECKPOINT_H

#include "models/files/weights.h"
#include "optim/optimizer.h"

/* "format" in the metadata of the two kinds of files. */
#define BNN_CHECKPOINT_FORMAT "bnn-checkpoint-1"
#define BNN_PACKED_FORMAT "bnn-packed-4"
#define BNN_PACKED_3_FORMAT "bnn-packed-3" /* these are read, not written */
#define BNN_PACKED_1_FORMAT "bnn-packed-1"

/* One more metadata entry. */
typedef struct bnn_meta {
    const char *key, *value;
} bnn_meta;

/* Writes everything (atomic). `optimizer` may be NULL. `meta` is added to what describes `spec`.
 * `trained`: where `params` are averages, the values that the training goes on with, as
 * optimizer.<parameter>.trained; else NULL. */
bnn_code bnn_checkpoint_save(const char *path, const bnn_spec *spec, const bnn_params *params,
                             const bnn_params *trained, const bnn_optimizer *optimizer,
                             const bnn_meta *meta, size_t meta_count, bnn_error *err);

/* What stands in for entries that the metadata lacks, as in files that other tools wrote. */
typedef struct bnn_spec_given {
    const char *arch, *algo; /* or NULL */
    const bnn_spec *samples; /* size, classes, mean, std, picture and name of a data set; or NULL */
    int own_classes;         /* that set's files tell how many classes there are, so weights may */
} bnn_spec_given;

/* The spec a file describes; what it says wins over what is given (NULL: nothing can be). A phase
 * that is not said is the algorithm's last. */
bnn_code bnn_spec_read(const char *path, const bnn_st_file *file, const bnn_spec_given *given,
                       bnn_spec *spec, bnn_error *err);
/* ... and its metadata entries, for writing: at most BNN_SPEC_META of them, texts in `arena`. */
#define BNN_SPEC_META 17
size_t bnn_spec_meta(const bnn_spec *spec, bnn_arena *arena, bnn_meta meta[BNN_SPEC_META]);
/* A value that is NULL, as an arena out of memory leaves it, is an error. */
bnn_code bnn_meta_add(bnn_st_writer *writer, const bnn_meta *meta, size_t count, bnn_error *err);

/* The optimizer's state, which only a run's own file holds. */
bnn_code bnn_checkpoint_read_optimizer(const bnn_weights *weights, const bnn_params *params,
                                       bnn_optimizer *optimizer, bnn_error *err);
/* What such a file holds beside averages. */
bnn_code bnn_checkpoint_read_trained(const bnn_weights *weights, bnn_params *trained,
                                     bnn_error *err);

#endif
