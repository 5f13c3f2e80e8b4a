/* Packed models: one safetensors file that holds a folded network and needs nothing else to run it.
 *
 * All its tensors are constants: F32 and I32 (thresholds, 2t + flip), vectors or of four
 * dimensions, and U8 for bits (value i in bit i%8 of byte i/8, in memory order [O,KH,KW,C]). The
 * metadata's "network" is JSON:
 *
 *   {"inputs": [TENSOR...], "bits": {NAME: [O, KH, KW, C]...}, "nodes": [NODE...],
 *    "outputs": [NAME...]}
 *   TENSOR = [NAME, "F32" | "I32" | "B1", N, H, W, C]
 *   NODE = {"op": NAME, "in": [NAME | null...], "out": [TENSOR...], "attr": {FIELD: VALUE...}}
 *
 * Nodes stand in the order of computing: an input is an input of the network, a constant, or what a
 * node before has made. Inputs missing at the end of a list are null, fields that are left out have
 * the values that their op's form says (op.h, bnn_form); a float is a text. Shapes are those for
 * one image: for a batch, the inputs' N and the fields that go with it (BNN_FIELD_BATCH) are so
 * many times larger, and whatever follows from them.
 *
 * Files of version 1 hold the constants alone, without names: three tensors, each a run of slices
 * in the order of folding the network that the metadata name; "bits" (U8), "floats" (F32) and
 * "thresholds" (I32). */
#ifndef BNN_MODELS_FILES_PACKED_H
#define BNN_MODELS_FILES_PACKED_H

#include "engine/io/safetensors.h"
#include "layers/fold/inference.h"
#include "models/model.h"

/* What a file with a model is. */
typedef enum bnn_model_kind {
    BNN_MODEL_CHECKPOINT,
    BNN_MODEL_PACKED,
    BNN_MODEL_PACKED_1,
    BNN_MODEL_FOREIGN, /* weights that another tool wrote */
    BNN_MODEL_UNKNOWN, /* of another version of this program */
} bnn_model_kind;

/* By its format, or where another tool has left that out by what it holds. */
bnn_model_kind bnn_model_kind_of(const bnn_st_file *file);

/* Writes an evaluated network (atomic), which was built for one sample; *bytes gets the file's
 * size. */
bnn_code bnn_packed_save(const char *path, const bnn_spec *spec, const bnn_inference *network,
                         size_t *bytes, bnn_error *err);
/* Builds the file's network for `batch` samples, and compiles it; the file is seen to hold the
 * constants before memory is taken for them. Free the network in any case. */
bnn_code bnn_packed_build(const char *path, const bnn_st_file *file, const bnn_device *device,
                          int batch, bnn_inference *network, bnn_error *err);
/* How many values the file's constants have, and of those how many are bits. */
bnn_code bnn_packed_count(const char *path, const bnn_st_file *file, size_t *binary, size_t *all,
                          bnn_error *err);
/* Fills the constants of a network that was built of this file, and is bound. */
bnn_code bnn_packed_fill(const char *path, const bnn_st_file *file, const bnn_inference *network,
                         bnn_error *err);

/* Version 1: whether the file's tensors are as long as the constants of a folded network, which
 * need not be bound, and filling them. */
bnn_code bnn_packed_1_check(const char *path, const bnn_st_file *file, const bnn_inference *network,
                            bnn_error *err);
bnn_code bnn_packed_1_fill(const char *path, const bnn_st_file *file, const bnn_inference *network,
                           bnn_error *err);

#endif
