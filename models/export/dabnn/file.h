/* daBNN's model file (.dab, version 2: a FlatBuffer of its schema): layers in running order and
 * the initializers that they read, by name. What is in memory is written at the end, as a whole.
 *
 * Whoever fills one asks at the end whether memory was out (bnn_dab_finish): until then a failure
 * gives names and layers that can be used, of a file that will not be. */
#ifndef BNN_MODELS_EXPORT_DABNN_FILE_H
#define BNN_MODELS_EXPORT_DABNN_FILE_H

#include <stdint.h>

#include "engine/base/arena.h"
#include "engine/base/shape.h"
#include "models/export/flatbuffer.h"

typedef enum bnn_dab_kind {
    BNN_DAB_FP_CONV,
    BNN_DAB_BIN_CONV,
    BNN_DAB_AVE_POOL,
    BNN_DAB_MAX_POOL,
    BNN_DAB_RELU,
    BNN_DAB_ADD,
    BNN_DAB_AFFINE,
    BNN_DAB_PRELU
} bnn_dab_kind;

typedef struct bnn_dab_layer {
    bnn_dab_kind kind;
    /* Names: convolutions have input, weight and bias (or NULL); pools and Relu an input; Add two;
     * Affine input, a and b; PRelu input and slope. */
    const char *in[3], *output;
    /* Of windows. */
    int kernel, pad_h, pad_w, stride_h, stride_w;
    struct bnn_dab_layer *next;
} bnn_dab_layer;

typedef struct bnn_dab_tensor {
    const char *name;
    bnn_shape shape;
    int rank;             /* 1: [C] */
    const float *floats;  /* or NULL */
    const uint64_t *bits; /* words of filters, or NULL */
    size_t count;         /* of either */
    struct bnn_dab_tensor *next;
} bnn_dab_tensor;

typedef struct bnn_dab {
    bnn_arena *arena; /* for as long as this */
    bnn_dab_layer *first_layer, *last_layer, spare_layer;
    bnn_dab_tensor *first_tensor, *last_tensor, spare_tensor;
    size_t layer_count, tensor_count;
    int failed;
} bnn_dab;

/* An empty one. */
bnn_dab bnn_dab_start(bnn_arena *arena);
/* A layer at the end, whose output has a name of its own: `base` and a number. The caller fills in
 * the rest. */
bnn_dab_layer *bnn_dab_layer_add(bnn_dab *dab, bnn_dab_kind kind, const char *base);
/* Initializers, and their names. Zeros of `values` (NULL: memory was out) become +0.0 in place, and
 * they stay where they are; of equal ones of the same shape there is one. A `rank` of 1 takes c
 * alone. */
const char *bnn_dab_floats(bnn_dab *dab, const char *base, int rank, bnn_shape shape,
                           float *values);
/* Filters [O,KH,KW,C] of +1 and -1 (NULL: memory was out). */
const char *bnn_dab_bits(bnn_dab *dab, const char *base, bnn_shape shape, const int8_t *signs);
/* The file of a network with an input [1,H,W,C] of this name. */
bnn_code bnn_dab_finish(const bnn_dab *dab, const char *input, bnn_shape shape, bnn_flat *f,
                        bnn_error *err);

#endif
