/* A network as inference runs it: a graph of forward nodes alone, and constants with names. Folding
 * a network makes one, reading a packed file makes one; who runs, packs or exports a network reads
 * this and nothing else. */
#ifndef BNN_LAYERS_FOLD_INFERENCE_H
#define BNN_LAYERS_FOLD_INFERENCE_H

#include "engine/base/arena.h"
#include "engine/graph.h"

/* F32, I32 (thresholds, 2t + flip: kernels.h) or B1 (filters). */
typedef struct bnn_constant {
    bnn_t t;
    const char *name; /* "layer1.0.conv1.weight", "layer1.0.conv1.threshold" */
} bnn_constant;

typedef struct bnn_inference {
    bnn_graph *graph;
    bnn_t *inputs, *outputs; /* outputs are kept (graph.h) */
    int input_count, output_count;
    bnn_constant *constants; /* in the order of their making */
    size_t constant_count, constant_capacity;
    bnn_arena *arena; /* names and lists */
} bnn_inference;

/* An empty one with room for so many inputs and outputs. Free it in any case. */
bnn_code bnn_inference_start(bnn_inference *inference, const bnn_device *device, int inputs,
                             int outputs, bnn_error *err);
void bnn_inference_free(bnn_inference *inference); /* one of zeros is fine */
/* Adds a constant; the name is copied. BNN_NONE leaves the graph's error. */
bnn_t bnn_inference_constant(bnn_inference *inference, bnn_dtype dtype, bnn_shape shape,
                             const char *name);
/* The constant that this tensor is, or NULL. */
const bnn_constant *bnn_inference_constant_of(const bnn_inference *inference, bnn_t t);
/* Index of the constant of this name; constant_count if there is none. */
size_t bnn_inference_find(const bnn_inference *inference, const char *name);

#endif
