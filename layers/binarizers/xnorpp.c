/* XNOR-Net++ (Bulat & Tzimiropoulos, BMVC 2019): no statistics; a learned rank-1 scale over
 * channel, row and column on the output. */
#include "layers/binarizers/binarizer.h"

/* BiBench stores scales for images of up to 2000 pixels a side; the first H and W are used. Longer
 * rows, of clouds, have as many as they need. */
#define LONGEST 2000

static int length(int side) {
    return side > LONGEST ? side : LONGEST;
}

static bnn_value clipped(const bnn_binary_layer *layer, bnn_t x) {
    return bnn_plain_sign(layer, x, layer->kind == BNN_LINEAR ? BNN_STE_CLIP_OPEN : BNN_STE_CLIP);
}

static bnn_t output(const bnn_binary_layer *layer, bnn_t y) {
    bnn_graph *g = layer->build->graph;
    bnn_init one = {BNN_INIT_CONSTANT, 1.0f, 0.0f};
    bnn_shape s = bnn_shape_of(g, y);
    if (layer->kind == BNN_LINEAR) {
        y = bnn_op_affine(g, y, bnn_layer_scale(layer, "o_scale", 3, 2, one), BNN_NONE);
    } else if (layer->kind == BNN_CONV1D) {
        bnn_t o = bnn_layer_scale(layer, "o_scale", 3, 1, one);
        bnn_t l = bnn_layer_vector(layer, "l_scale", length(s.w), 3, 2, 1, one);
        y = bnn_op_outer_scale(g, y, o, BNN_NONE, l);
    } else {
        bnn_t o = bnn_layer_scale(layer, "o_scale", 4, 1, one);
        bnn_t h = bnn_layer_vector(layer, "h_scale", length(s.h), 4, 2, 1, one);
        bnn_t w = bnn_layer_vector(layer, "w_scale", length(s.w), 4, 3, 1, one);
        y = bnn_op_outer_scale(g, y, o, h, w);
    }
    return bnn_add_bias(layer, y);
}

const bnn_binarizer bnn_xnorpp = {
    .name = "xnorpp",
    .title = "XNOR-Net++ (Bulat & Tzimiropoulos 2019)",
    .activation = clipped,
    .weight = clipped,
    .output = output,
    .phases = 1,
    .float_work =
        "a convolution's output scale differs from pixel to pixel, so it is no channel's threshold",
    .cost = {.channel_scales = 1, .pixel_scales = 1}};
