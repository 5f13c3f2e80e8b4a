/* Packed models: one safetensors file that holds the constants of a folded network and nothing
 * else. Three tensors, each a run of slices in the fold's order: "bits" (U8: each filter tensor's
 * signs, value i in bit i%8 of byte i/8, in memory order [O,KH,KW,C]), "floats" (F32) and
 * "thresholds" (I32, 2t + flip). The network's name in the metadata says what the slices are. */
#ifndef BNN_MODELS_FILES_PACKED_H
#define BNN_MODELS_FILES_PACKED_H

#include "engine/io/safetensors.h"
#include "layers/fold/fold.h"
#include "models/model.h"

/* What a file with a model is. */
typedef enum bnn_model_kind {
    BNN_MODEL_CHECKPOINT,
    BNN_MODEL_PACKED,
    BNN_MODEL_FOREIGN, /* weights that another tool wrote */
    BNN_MODEL_UNKNOWN, /* of another version of this program */
} bnn_model_kind;

/* By its format, or where another tool has left that out by its tensors. */
bnn_model_kind bnn_model_kind_of(const bnn_st_file *file);

/* Writes the constants of an evaluated fold (atomic); *bytes gets the file's size. */
bnn_code bnn_packed_save(const char *path, const bnn_spec *spec, const bnn_fold *fold,
                         size_t *bytes, bnn_error *err);
/* Whether the file's tensors are as long as the fold's constants; the fold need not be bound. */
bnn_code bnn_packed_check(const char *path, const bnn_st_file *file, const bnn_fold *fold,
                          bnn_error *err);
/* Fills the constants of a bound fold of the same network. */
bnn_code bnn_packed_read(const char *path, const bnn_st_file *file, const bnn_fold *fold,
                         bnn_error *err);

#endif
