/* BNN (Hubara et al., NeurIPS 2016): signs on both sides, no scale. */
#include "layers/binarizers/binarizer.h"

static bnn_value clipped(const bnn_binary_layer *layer, bnn_t x) {
    return bnn_plain_sign(layer, x, BNN_STE_CLIP);
}

const bnn_binarizer bnn_bnn = {.name = "bnn",
                               .title = "BNN (Hubara et al. 2016)",
                               .activation = clipped,
                               .weight = clipped,
                               .output = bnn_add_bias,
                               .phases = 1};
