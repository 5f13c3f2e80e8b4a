/* FDA (Xu et al., NeurIPS 2021): the sign's slope is a truncated Fourier series of the square wave,
 * and a small network's noise, weighted by alpha, bridges what the series lacks. While alpha > 0
 * the operands are not +-1 and the product is float; once it is 0 (the last epoch) they are bits
 * like everyone's. */
#include "layers/binarizers/binarizer.h"

#include <math.h>
#include <stdio.h>

enum { NOISY, SILENT };

/* The two bias-free linear maps of the noise network, LAYER.PATH.weight [out, in]: from d values to
 * `hidden` and back. A filter's values lie as channels, then pixels, in the file. */
static bnn_t noise_weight(const bnn_binary_layer *layer, const char *path, bnn_param desc) {
    char name[256];
    snprintf(name, sizeof name, "%s.%s.weight", layer->name, path);
    float limit = 1.0f / sqrtf((float)desc.shape[1]);
    desc.name = name;
    desc.ndim = 2;
    desc.trainable = 1;
    desc.init = (bnn_init){BNN_INIT_UNIFORM, -limit, limit};
    return bnn_graph_param(layer->build->graph, &desc);
}

/* So few hidden values are computed row by row, in the pass that makes x: a product of so little
 * would only move maps through memory. */
#define THIN 8

/* W2 relu(W1 x) over the last dimension of x, or BNN_NONE where the hidden width d/64 is 0. `use`
 * = 0 only registers the parameters, so that a checkpoint has the same ones in every phase. */
static bnn_t noise(const bnn_binary_layer *layer, const char *which, bnn_t x, int channels,
                   int space, int use) {
    bnn_graph *g = layer->build->graph;
    int d = channels * space, hidden = d / 64, thin = space == 1 && hidden <= THIN;
    if (hidden == 0) {
        return BNN_NONE;
    }
    char fc1[32], fc2[32];
    snprintf(fc1, sizeof fc1, "%s.fc1", which);
    snprintf(fc2, sizeof fc2, "%s.fc2", which);
    size_t h = (size_t)hidden, c = (size_t)channels, s = (size_t)space;
    bnn_shape across = {hidden, 1, 1, d}, along = {d, 1, 1, hidden};
    bnn_t w1 = noise_weight(layer, fc1,
                            (bnn_param){.shape = {hidden, d},
                                        .outer = h,
                                        .channels = c,
                                        .space = s,
                                        .inner = 1,
                                        .memory = across});
    /* As a bottleneck's weights [d, hidden] lie transposed. */
    bnn_t w2 = noise_weight(layer, fc2,
                            (bnn_param){.shape = {d, hidden},
                                        .outer = 1,
                                        .channels = c,
                                        .space = thin ? h : s,
                                        .inner = thin ? 1 : h,
                                        .memory = thin ? across : along});
    if (!use) {
        return BNN_NONE;
    }
    if (thin) {
        return bnn_op_bottleneck(g, x, w1, w2);
    }
    bnn_conv_config linear = {1, 1, 0, 0, 1, 1, 1, 0};
    bnn_t y = bnn_op_conv(g, bnn_plain(x), bnn_plain(w1), &linear);
    return bnn_op_conv(g, bnn_plain(bnn_op_clamp(g, y, 0.0f, INFINITY)), bnn_plain(w2), &linear);
}

static bnn_t scalar(const bnn_binary_layer *layer, const char *name, float start) {
    return bnn_layer_vector(layer, name, 1, 1, 0, 0, (bnn_init){BNN_INIT_CONSTANT, start, 0.0f});
}

static bnn_value activation(const bnn_binary_layer *layer, bnn_t x) {
    bnn_graph *g = layer->build->graph;
    int noisy = layer->build->phase == NOISY;
    bnn_t n = scalar(layer, "n", 9.0f), alpha = scalar(layer, "alpha", 0.1f);
    bnn_t lin = noise(layer, "act_noise", x, bnn_shape_of(g, x).c, 1, noisy);
    if (noisy) {
        return bnn_plain(bnn_op_noisy_sign(g, x, lin, BNN_NONE, alpha, n));
    }
    return bnn_op_sign(g, x, BNN_NONE, 0, (bnn_ste){BNN_STE_FOURIER, 9.0f}, n);
}

static bnn_value weight(const bnn_binary_layer *layer, bnn_t w) {
    bnn_graph *g = layer->build->graph;
    int noisy = layer->build->phase == NOISY;
    bnn_shape f = layer->filter;
    bnn_t n = scalar(layer, "n", 9.0f), alpha = scalar(layer, "alpha", 0.1f);
    bnn_t rows = noisy ? bnn_op_reshape(g, w, (bnn_shape){f.n, 1, 1, f.h * f.w * f.c}) : w;
    bnn_t lin = noise(layer, "weight_noise", rows, f.c, f.h * f.w, noisy);
    bnn_t s = bnn_op_abs_mean(g, w, f.n);
    if (noisy) {
        return bnn_plain(bnn_op_noisy_sign(g, w, lin, s, alpha, n));
    }
    return bnn_op_sign(g, w, s, 1, (bnn_ste){BNN_STE_FOURIER, 9.0f}, n);
}

static int schedule(int epoch, int epochs, bnn_scheduled values[BNN_MAX_SCHEDULED]) {
    const double pi = 3.14159265358979323846;
    int last = epoch + 1 >= epochs; /* cos(pi) = -1 exactly in the equation; here by decision */
    double alpha = last ? 0.0 : 0.05 * (1.0 + cos(pi * (epoch + 1) / epochs));
    values[0] = (bnn_scheduled){"n", (float)(9 + 9 * (int64_t)epoch / epochs)};
    values[1] = (bnn_scheduled){"alpha", (float)alpha};
    return last ? SILENT : NOISY;
}

const bnn_binarizer bnn_fda = {.name = "fda",
                               .title = "FDA (Xu et al. 2021)",
                               .activation = activation,
                               .weight = weight,
                               .output = bnn_add_bias,
                               .schedule = schedule,
                               .biased = 1,
                               .phases = 2,
                               .cost = {.channel_scales = 1}};
