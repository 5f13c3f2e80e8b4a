/* ResNets of basic blocks (He et al. 2016), as BiBench binarizes them: all 3x3 convolutions of the
 * blocks are binary; stem, 1x1 shortcuts and classifier stay float. */
#include <stdio.h>

#include "models/nets/arch.h"
#include "models/nets/resnet.h"

static bnn_t shortcut(const bnn_build *b, const char *block, bnn_t x, int out, int stride) {
    if (stride == 1 && bnn_shape_of(b->graph, x).c == out) {
        return x;
    }
    char name[96];
    snprintf(name, sizeof name, "%s.downsample.0", block);
    bnn_conv_layer conv = {.out = out, .kernel = 1, .stride = stride, .full_precision = 1};
    bnn_t y = bnn_conv2d(b, name, x, &conv);
    snprintf(name, sizeof name, "%s.downsample.1", block);
    return bnn_batch_norm(b, name, y, 1.0f);
}

static bnn_t basic_block(const bnn_build *b, const char *block, bnn_t x, int out, int stride) {
    char name[96];
    bnn_conv_layer conv = {.out = out, .kernel = 3, .stride = stride, .pad = 1};
    snprintf(name, sizeof name, "%s.conv1", block);
    bnn_t y = bnn_conv2d(b, name, x, &conv);
    snprintf(name, sizeof name, "%s.bn1", block);
    y = bnn_activation(b, bnn_batch_norm(b, name, y, 1.0f));
    conv.stride = 1;
    snprintf(name, sizeof name, "%s.conv2", block);
    y = bnn_conv2d(b, name, y, &conv);
    snprintf(name, sizeof name, "%s.bn2", block);
    /* A block starts as its shortcut alone (zero_init_residual). */
    y = bnn_batch_norm(b, name, y, 0.0f);
    return bnn_activation(b, bnn_op_add(b->graph, y, shortcut(b, block, x, out, stride)));
}

bnn_t bnn_resnet_stem(const bnn_build *b, const char *prefix, bnn_t x, int width, int small) {
    char name[96];
    bnn_conv_layer conv = {.out = width,
                           .kernel = small ? 3 : 7,
                           .stride = small ? 1 : 2,
                           .pad = small ? 1 : 3,
                           .full_precision = 1};
    snprintf(name, sizeof name, "%sconv1", prefix);
    x = bnn_conv2d(b, name, x, &conv);
    snprintf(name, sizeof name, "%sbn1", prefix);
    x = bnn_activation(b, bnn_batch_norm(b, name, x, 1.0f));
    return small ? x : bnn_op_max_pool(b->graph, x, 3, 2, 1, 0);
}

bnn_t bnn_resnet_stage(const bnn_build *b, const char *prefix, bnn_t x, int stage, int blocks,
                       int width) {
    for (int i = 0; i < blocks; i++) {
        char block[64];
        snprintf(block, sizeof block, "%slayer%d.%d", prefix, stage + 1, i);
        x = basic_block(b, block, x, width << stage, stage && i == 0 ? 2 : 1);
    }
    return x;
}

bnn_output bnn_build_resnet(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                            int classes) {
    /* Up to 32 pixels a side the CIFAR stem keeps the size; larger images are halved twice. */
    int small = bnn_shape_of(b->graph, in[0]).h <= 32;
    bnn_t x = bnn_resnet_stem(b, "", in[0], arch->width, small);
    for (int stage = 0; stage < 4 && arch->blocks[stage]; stage++) {
        x = bnn_resnet_stage(b, "", x, stage, arch->blocks[stage], arch->width);
    }
    bnn_linear_layer fc = {.out = classes, .full_precision = 1, .init_std = 0.01f};
    return (bnn_output){.main = bnn_linear(b, "fc", bnn_op_global_avg_pool(b->graph, x), &fc)};
}
