/* VGG-Small (Zhang et al., LQ-Nets, ECCV 2018), as the ReCU authors binarize it: pooling comes
 * before batch norm; the first convolution and the classifier stay float. */
#include <stdio.h>

#include "models/nets/arch.h"

bnn_output bnn_build_vgg_small(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                               int classes) {
    bnn_t x = in[0];
    for (int i = 0; i < 6; i++) {
        char name[16];
        bnn_conv_layer conv = {.out = arch->width << (i / 2),
                               .kernel = 3,
                               .stride = 1,
                               .pad = 1,
                               .full_precision = i == 0};
        snprintf(name, sizeof name, "conv%d", i);
        x = bnn_conv2d(b, name, x, &conv);
        if (i % 2) {
            x = bnn_op_max_pool(b->graph, x, 2, 2, 0, 0);
        }
        snprintf(name, sizeof name, "bn%d", i);
        x = bnn_activation(b, bnn_batch_norm(b, name, x, 1.0f));
    }
    bnn_linear_layer fc = {.out = classes, .full_precision = 1, .init_std = 0.01f};
    return (bnn_output){.main = bnn_linear(b, "fc", bnn_flatten(b, x), &fc)};
}
