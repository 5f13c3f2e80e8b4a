/* Bi-Real Net (Liu et al., ECCV 2018): the activation's sign has a triangle for its slope. Spec
 * 1.4. */
#include "layers/binarizers/binarizer.h"

static bnn_value activation(const bnn_binary_layer *layer, bnn_t x) {
    return bnn_plain_sign(layer, x, BNN_STE_TRIANGLE);
}

static bnn_value weight(const bnn_binary_layer *layer, bnn_t w) {
    return bnn_scaled_sign(layer, w, BNN_STE_CLIP, 0);
}

const bnn_binarizer bnn_bireal = {.name = "bireal",
                                  .title = "Bi-Real Net (Liu et al. 2018)",
                                  .activation = activation,
                                  .weight = weight,
                                  .output = bnn_add_bias,
                                  .phases = 1,
                                  .cost = {.channel_scales = 1}};
