/* Packed models: one safetensors file that holds a folded network and needs nothing else to run it.
 *
 * Its tensors are the constants of one type each, in the order in which the network first mentions
 * them: "f" (F32, or F16 where that says them all exactly), "i" (I32, or likewise I16: thresholds,
 * 2t + flip) and "b" (U8: bits, value i of a constant in bit i%8 of byte i/8, in memory order
 * [O,KH,KW,C]; each constant begins with a byte). The metadata are compressed (safetensors.h), but
 * what says the format and the checksum; older files have them as they are, and they are read both
 * ways. Their "network" is text:
 *
 *   in NAME TENSOR...; OP OPERAND... FIELD=VALUE...; ...; out NUMBER...
 *
 * without blanks behind ";". Inputs, constants and what nodes make have numbers, 0, 1, 2..., in the
 * order of their appearance. An OPERAND is a tensor before it, a constant that appears here, as
 * TENSOR:NAME, or "-", where there is none; those at the end are left out. A tensor before it is
 * "^1", the last that appeared, "^2", the one before (so like layers are like texts, which compress
 * well), or its NUMBER, as older files have it. Vectors of the same values are one constant. NAMEs
 * are for people, and for who looks for a layer: "conv1.weight", "conv1.threshold". A TENSOR is a
 * type and a shape: "f16" for F32 [1,1,1,16], "b64,3,3,16" for bits, "i16" for I32. Nodes stand in
 * the order of computing; fields that are left out have the values that their op's form says (op.h,
 * bnn_form). What a node makes, its op says. Shapes are those for one image: for a batch, the
 * inputs' N and the fields that go with it (bnn_op_field.by_batch) are so many times larger, and
 * whatever follows from them.
 *
 *   in image f1,32,32,3;conv ^1 f16,3,3,3:conv1.weight - - f16:conv1.factor f16:conv1.shift pad_h=1
 *
 * "checksum" is bnn_st_contents of the file in eight hexadecimal digits; a file may lack it.
 *
 * Files of version 1 are read, which lack the network: the constants are in the order of folding
 * the one that the metadata name. */
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
/* Whether the contents are what was written; older files do not say. */
bnn_code bnn_packed_check_sum(const char *path, const bnn_st_file *file, bnn_error *err);
/* Fills the constants of a network that was built of this file, or of version 1 checked with it,
 * and is bound. */
bnn_code bnn_packed_fill(const char *path, const bnn_st_file *file, const bnn_inference *network,
                         bnn_error *err);

/* Version 1: whether the file's tensors are as long as the constants of a folded network, which
 * need not be bound. */
bnn_code bnn_packed_check_slices(const char *path, const bnn_st_file *file,
                                 const bnn_inference *network, bnn_error *err);

#endif
