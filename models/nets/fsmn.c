/* Feedforward sequential memory networks for keyword spotting: FSMN (Zhang et al. 2015) as
 * BiFSMNv2 (Qin et al. 2023) has it, and Deep-FSMN (Zhang et al., ICASSP 2018) as BiFSMN and
 * BiBench do. The input is a log-mel image [N,mels,frames,1]; a frame is a row
 * [.,1,frames,channels] from the first dense layer on, and a memory is a depthwise convolution over
 * frames. */
#include <math.h>
#include <stdio.h>

#include "models/nets/arch.h"

enum { LAYERS = 8, MEMORY = 128, HIDDEN = 256, CONTEXT = 2 };

/* Of the latent weights of Deep-FSMN's binary convolutions, as BiBench's. A memory of five taps
 * often gives one value only; its norm then divides by the root of eps alone, and what it passes
 * back grows with the weights' scale. */
#define SMALL 1e-3f

/* Of the last norms of Deep-FSMN's residual branches, when training begins: sixteen branches of
 * variance 1 give the classifier features so large that sgd at the binary recipe's rate diverges
 * (cf. zero-initialized residual branches, Goyal et al. 2017). */
#define QUIET 0.1f

/* out = PReLU(fc1(x) + fc2(memory of x)); the very first product stays float. */
static bnn_t fsmn_block(const bnn_build *b, int index, bnn_t x) {
    char name[64];
    bnn_linear_layer fc1 = {.out = MEMORY, .full_precision = index == 0};
    bnn_linear_layer fc2 = {.out = MEMORY, .no_bias = 1};
    bnn_conv_layer memory = {
        .out = HIDDEN, .kernel = 7, .stride = 1, .pad = 3, .groups = bnn_shape_of(b->graph, x).c};
    snprintf(name, sizeof name, "enc_layers.%d.fc1", index);
    bnn_t direct = bnn_linear(b, name, x, &fc1);
    snprintf(name, sizeof name, "enc_layers.%d.conv1d", index);
    x = bnn_conv1d(b, name, x, &memory);
    snprintf(name, sizeof name, "enc_layers.%d.fc2", index);
    x = bnn_op_add(b->graph, direct, bnn_linear(b, name, x, &fc2));
    snprintf(name, sizeof name, "enc_layers.%d.act_func", index);
    return bnn_prelu(b, name, x);
}

bnn_output bnn_build_fsmn(const bnn_build *b, const bnn_arch *arch, const bnn_t *in, int classes) {
    (void)arch;
    bnn_t x = bnn_op_columns(b->graph, in[0]);
    for (int i = 0; i < LAYERS; i++) {
        x = fsmn_block(b, i, x);
    }
    bnn_linear_layer fc = {.out = classes, .full_precision = 1, .as_it_lies = 1};
    return (bnn_output){.main = bnn_linear(b, "fc", bnn_flatten(b, x), &fc)};
}

/* PReLU in a binary network, ReLU in its float twin. */
static bnn_t activation(const bnn_build *b, const char *module, int at, bnn_t x) {
    char name[64];
    snprintf(name, sizeof name, "%s.%d", module, at);
    return b->binarizer ? bnn_prelu(b, name, x) : bnn_op_clamp(b->graph, x, 0.0f, INFINITY);
}

/* Convolution, norm (whose weight begins at `gain`) and activation, modules `at` to at + 2. */
static bnn_t stage(const bnn_build *b, const char *module, int at, bnn_t x,
                   const bnn_conv_layer *conv, int one_row, float gain) {
    char name[64];
    snprintf(name, sizeof name, "%s.%d", module, at);
    x = one_row ? bnn_conv1d(b, name, x, conv) : bnn_conv2d(b, name, x, conv);
    snprintf(name, sizeof name, "%s.%d", module, at + 1);
    return activation(b, module, at + 2, bnn_batch_norm(b, name, x, gain));
}

static bnn_t deep_layer(const bnn_build *b, int index, bnn_t x) {
    const float small = b->binarizer ? SMALL : 0.0f, quiet = b->binarizer ? QUIET : 1.0f;
    char name[64];
    bnn_conv_layer memory = {.out = MEMORY,
                             .kernel = 2 * CONTEXT + 1,
                             .stride = 1,
                             .groups = MEMORY,
                             .bias = 1,
                             .init_std = small,
                             .pad_left = CONTEXT,
                             .pad_right = CONTEXT};
    bnn_conv_layer wide = {.out = HIDDEN, .kernel = 1, .stride = 1, .bias = 1, .init_std = small};
    bnn_conv_layer narrow = {.out = MEMORY, .kernel = 1, .stride = 1, .bias = 1, .init_std = small};
    snprintf(name, sizeof name, "backbone.%d.memory", index);
    x = bnn_op_add(b->graph, stage(b, name, 0, x, &memory, 1, quiet), x);
    snprintf(name, sizeof name, "backbone.%d.fc_trans", index);
    bnn_t y = stage(b, name, 0, x, &wide, 1, 1.0f);
    return bnn_op_add(b->graph, stage(b, name, 4, y, &narrow, 1, quiet), x);
}

bnn_output bnn_build_deep_fsmn(const bnn_build *b, const bnn_arch *arch, const bnn_t *in,
                               int classes) {
    const float small = b->binarizer ? SMALL : 0.0f;
    (void)arch;
    bnn_conv_layer first = {
        .out = 16, .kernel = 5, .stride = 2, .pad = 2, .bias = 1, .full_precision = 1};
    bnn_conv_layer second = {
        .out = 32, .kernel = 5, .stride = 2, .pad = 2, .bias = 1, .init_std = small};
    bnn_t x = stage(b, "front_end", 0, in[0], &first, 0, 1.0f);
    x = stage(b, "front_end", 3, x, &second, 0, 1.0f);
    bnn_linear_layer fc1 = {.out = MEMORY, .full_precision = 1};
    x = bnn_linear(b, "fc1.0", bnn_op_columns(b->graph, x), &fc1);
    x = activation(b, "fc1", 1, x);
    for (int i = 0; i < LAYERS; i++) {
        x = deep_layer(b, i, x);
    }
    bnn_linear_layer fc = {.out = classes, .full_precision = 1};
    return (bnn_output){.main = bnn_linear(b, "fc", bnn_flatten(b, x), &fc)};
}
