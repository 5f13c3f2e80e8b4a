/* ReActNet (Liu et al., ECCV 2020), the layer: Bi-Real with a learned shift of each channel in
 * front of the sign. Linear layers use the shift and the bias, too. */
#include "layers/binarizers/binarizer.h"

static bnn_value activation(const bnn_binary_layer *layer, bnn_t x) {
    bnn_graph *g = layer->build->graph;
    bnn_init zero = {BNN_INIT_CONSTANT, 0.0f, 0.0f};
    static const int ndim[] = {[BNN_CONV2D] = 4, [BNN_CONV1D] = 3, [BNN_LINEAR] = 2};
    bnn_t t = bnn_layer_vector(layer, "channel_threshold", bnn_shape_of(g, x).c, ndim[layer->kind],
                               1, 1, zero);
    x = bnn_with_padding(layer, x); /* which the shift makes a value like any other */
    return bnn_plain_sign(layer, bnn_op_affine(g, x, BNN_NONE, t), BNN_STE_TRIANGLE);
}

static bnn_value weight(const bnn_binary_layer *layer, bnn_t w) {
    return bnn_scaled_sign(layer, w, BNN_STE_CLIP, 0);
}

const bnn_binarizer bnn_reactnet = {.name = "reactnet",
                                    .title = "ReActNet (Liu et al. 2020)",
                                    .activation = activation,
                                    .weight = weight,
                                    .output = bnn_add_bias,
                                    .phases = 1,
                                    .cost = {.channel_scales = 1, .shifts = 1}};
