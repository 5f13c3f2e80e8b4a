/* The list of algorithms and the pieces they share. */
#include "layers/binarizers/binarizer.h"

#include <stdio.h>
#include <string.h>

extern const bnn_binarizer bnn_bnn, bnn_xnor, bnn_dorefa, bnn_bireal, bnn_xnorpp, bnn_reactnet,
    bnn_recu, bnn_fda;

const bnn_binarizer *const bnn_binarizers[] = {&bnn_bnn,    &bnn_xnor,   &bnn_dorefa,
                                               &bnn_bireal, &bnn_xnorpp, &bnn_reactnet,
                                               &bnn_recu,   &bnn_fda,    NULL};

const bnn_binarizer *bnn_binarizer_find(const char *name) {
    for (size_t i = 0; bnn_binarizers[i]; i++) {
        if (strcmp(bnn_binarizers[i]->name, name) == 0) {
            return bnn_binarizers[i];
        }
    }
    return NULL;
}

static bnn_t vector(const bnn_binary_layer *layer, const char *suffix, int at, bnn_param *desc) {
    char name[256];
    const int c = desc->memory.c;
    snprintf(name, sizeof name, "%s.%s", layer->name, suffix);
    desc->name = name;
    desc->outer = desc->channels = desc->space = 1;
    desc->inner = (size_t)c;
    for (int i = 0; i < BNN_MAX_DIMS; i++) {
        desc->shape[i] = i == at ? c : 1;
    }
    desc->frozen = layer->build->frozen;
    return bnn_graph_param(layer->build->graph, desc);
}

bnn_t bnn_layer_vector(const bnn_binary_layer *layer, const char *suffix, int c, int ndim, int at,
                       int trainable, bnn_init init) {
    bnn_param desc = {.ndim = ndim, .memory = bnn_vector(c), .trainable = trainable, .init = init};
    return vector(layer, suffix, at, &desc);
}

bnn_t bnn_layer_scale(const bnn_binary_layer *layer, const char *suffix, int ndim, int at,
                      bnn_init init) {
    bnn_param desc = {.ndim = ndim,
                      .memory = bnn_vector(layer->filter.n),
                      .trainable = 1,
                      .filter_scale = 1,
                      .init = init};
    return vector(layer, suffix, at, &desc);
}

bnn_value bnn_plain_sign(const bnn_binary_layer *layer, bnn_t x, bnn_ste_kind kind) {
    return bnn_op_sign(layer->build->graph, x, BNN_NONE, 0, (bnn_ste){kind, 1.0f}, BNN_NONE);
}

bnn_value bnn_scaled_sign(const bnn_binary_layer *layer, bnn_t w, bnn_ste_kind kind, int in_grad) {
    bnn_graph *g = layer->build->graph;
    bnn_t alpha = bnn_op_abs_mean(g, w, layer->filter.n);
    return bnn_op_sign(g, w, alpha, in_grad, (bnn_ste){kind, 1.0f}, BNN_NONE);
}

bnn_t bnn_add_bias(const bnn_binary_layer *layer, bnn_t y) {
    return layer->bias == BNN_NONE ? y
                                   : bnn_op_affine(layer->build->graph, y, BNN_NONE, layer->bias);
}

static int padded(const bnn_binary_layer *layer) {
    return layer->pad_left || layer->pad_right;
}

bnn_t bnn_with_padding(const bnn_binary_layer *layer, bnn_t x) {
    bnn_graph *g = layer->build->graph;
    return padded(layer) ? bnn_op_pad(g, x, layer->pad_left, layer->pad_right) : x;
}

bnn_t bnn_without_padding(const bnn_binary_layer *layer, bnn_t x) {
    bnn_graph *g = layer->build->graph;
    return padded(layer) ? bnn_op_crop(g, x, layer->pad_left, layer->pad_right) : x;
}

int bnn_statistic_rows(const bnn_binary_layer *layer, bnn_t x) {
    bnn_shape s = bnn_shape_of(layer->build->graph, x);
    return layer->kind == BNN_LINEAR ? s.n * s.h * s.w : s.n;
}
