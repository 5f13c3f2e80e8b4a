/* XNOR-Net (Rastegari et al., ECCV 2016) as BiBench computes it: a filter's mean |w| and a sample's
 * mean |x| as stop-gradient scales; linear layers centre their weights first. */
#include "layers/binarizers/binarizer.h"

static bnn_value activation(const bnn_binary_layer *layer, bnn_t x) {
    bnn_graph *g = layer->build->graph;
    bnn_t whole = bnn_with_padding(layer, x);
    bnn_t beta = bnn_op_abs_mean(g, whole, bnn_statistic_rows(layer, whole));
    int in_grad = layer->kind == BNN_LINEAR;
    return bnn_op_sign(g, x, beta, in_grad, (bnn_ste){BNN_STE_CLIP, 1.0f}, BNN_NONE);
}

static bnn_value weight(const bnn_binary_layer *layer, bnn_t w) {
    if (layer->kind != BNN_LINEAR) {
        return bnn_scaled_sign(layer, w, BNN_STE_CLIP, 0);
    }
    bnn_t centred = bnn_op_normalize(layer->build->graph, w, layer->filter.n, 1, 0, 1.0f, 0.0f);
    return bnn_scaled_sign(layer, centred, BNN_STE_CLIP, 1);
}

const bnn_binarizer bnn_xnor = {
    .name = "xnor",
    .title = "XNOR-Net (Rastegari et al. 2016)",
    .activation = activation,
    .weight = weight,
    .output = bnn_add_bias,
    .phases = 1,
    .float_work = "its activation scale is a mean of the float input, taken anew for every image",
    .cost = {.channel_scales = 1, .statistics = 1}};
