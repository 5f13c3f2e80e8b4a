/* DoReFa-Net (Zhou et al. 2016) with one bit on both sides, as BiBench computes it: a scale per
 * filter; in linear layers an open window, and the scale reaches the weight's gradient. */
#include "layers/binarizers/binarizer.h"

static bnn_value activation(const bnn_binary_layer *layer, bnn_t x) {
    return bnn_plain_sign(layer, x, layer->kind == BNN_LINEAR ? BNN_STE_CLIP_OPEN : BNN_STE_CLIP);
}

static bnn_value weight(const bnn_binary_layer *layer, bnn_t w) {
    int linear = layer->kind == BNN_LINEAR;
    return bnn_scaled_sign(layer, w, linear ? BNN_STE_CLIP_OPEN : BNN_STE_CLIP, linear);
}

const bnn_binarizer bnn_dorefa = {.name = "dorefa",
                                  .title = "DoReFa-Net (Zhou et al. 2016)",
                                  .activation = activation,
                                  .weight = weight,
                                  .output = bnn_add_bias,
                                  .phases = 1,
                                  .cost = {.channel_scales = 1}};
