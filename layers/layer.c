/* Parameters and ops of a layer put together. The binarizer's hooks are called here only. */
#include "layers/layer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/rng.h"
#include "layers/binarizers/binarizer.h"

static const bnn_init zero = {BNN_INIT_CONSTANT, 0.0f, 0.0f};

static bnn_t vector_param(const bnn_build *b, const char *layer, const char *suffix, int c,
                          int trainable, bnn_init init) {
    bnn_binary_layer named = {.build = b, .name = layer};
    return bnn_layer_vector(&named, suffix, c, 1, 0, trainable, init);
}

/* NAME.weight: OIHW (ndim 4), OIL (3) or OI (2) in files, [O,KH,KW,I] in memory; `channels` of a
 * filter's values come from each pixel. */
static bnn_t weight_param(const bnn_build *b, const char *layer, int ndim, bnn_shape f,
                          size_t channels, int binary, bnn_init init) {
    char name[256];
    snprintf(name, sizeof name, "%s.weight", layer);
    bnn_param desc = {.name = name,
                      .ndim = ndim,
                      .shape = {f.n, f.c, ndim == 3 ? f.w : f.h, f.w},
                      .outer = (size_t)f.n,
                      .channels = channels,
                      .space = (size_t)f.h * (size_t)f.w * (size_t)f.c / channels,
                      .inner = 1,
                      .memory = f,
                      .trainable = 1,
                      .frozen = b->frozen,
                      .binary = binary,
                      .init = init};
    return bnn_graph_param(b->graph, &desc);
}

static int is_binary(const bnn_build *b, int full_precision) {
    return b->binarizer && !full_precision;
}

/* Takes over the layer's own padding, unless x has it already. */
static void take_padding(const bnn_build *b, const bnn_binary_layer *layer, bnn_t before, bnn_t x,
                         bnn_conv_config *config) {
    if (bnn_shape_of(b->graph, x).w == bnn_shape_of(b->graph, before).w) {
        config->pad_w += layer->pad_left;
        config->more_right = layer->pad_right - layer->pad_left;
    }
}

static bnn_t product(const bnn_build *b, const bnn_binary_layer *layer, bnn_t x, bnn_t w,
                     int full_precision, bnn_conv_config config) {
    const bnn_binarizer *algo = b->binarizer;
    if (!is_binary(b, full_precision)) {
        take_padding(b, layer, x, x, &config);
        return bnn_add_bias(layer, bnn_op_conv(b->graph, bnn_plain(x), bnn_plain(w), &config));
    }
    bnn_value a = algo->activation(layer, x);
    bnn_value bits = algo->weight(layer, w);
    take_padding(b, layer, x, a.t, &config);
    return algo->output(layer, bnn_op_conv(b->graph, a, bits, &config));
}

static bnn_t convolution(const bnn_build *b, const char *name, bnn_t x, const bnn_conv_layer *l,
                         bnn_layer_kind kind) {
    if (x == BNN_NONE) {
        return BNN_NONE;
    }
    int groups = l->groups ? l->groups : 1, dilation = l->dilation ? l->dilation : 1;
    if (groups < 1 || bnn_shape_of(b->graph, x).c % groups) {
        return bnn_graph_fail(b->graph, BNN_ERR_SHAPE, "%s: %d channels do not make %d groups",
                              name, bnn_shape_of(b->graph, x).c, groups);
    }
    int rows = kind == BNN_CONV1D ? 1 : l->kernel;
    bnn_shape f = {l->out, rows, l->kernel, bnn_shape_of(b->graph, x).c / groups};
    /* Kaiming-normal, fan_out, relu gain: what a network trained from scratch starts from. */
    float std = l->init_std > 0.0f
                    ? l->init_std
                    : sqrtf(2.0f / ((float)f.n * (float)f.h * (float)f.w / (float)groups));
    float limit = sqrtf(6.0f / ((float)(f.n / groups + f.c) * (float)f.h * (float)f.w));
    bnn_init init = l->xavier ? (bnn_init){BNN_INIT_UNIFORM, -limit, limit}
                              : (bnn_init){BNN_INIT_NORMAL, std, 0.0f};
    bnn_t w = weight_param(b, name, kind == BNN_CONV1D ? 3 : 4, f, (size_t)f.c,
                           is_binary(b, l->full_precision), init);
    int biased = l->bias && (!is_binary(b, l->full_precision) || b->binarizer->biased);
    bnn_t bias = biased ? vector_param(b, name, "bias", l->out, 1, zero) : BNN_NONE;
    int one_row = kind == BNN_CONV1D;
    bnn_conv_config config = {.stride_h = one_row ? 1 : l->stride,
                              .stride_w = l->stride,
                              .pad_h = one_row ? 0 : l->pad,
                              .pad_w = l->pad,
                              .dil_h = one_row ? 1 : dilation,
                              .dil_w = dilation,
                              .groups = groups};
    bnn_binary_layer layer = {.build = b,
                              .name = name,
                              .kind = kind,
                              .filter = f,
                              .bias = bias,
                              .pad_left = l->pad_left,
                              .pad_right = l->pad_right};
    return product(b, &layer, x, w, l->full_precision, config);
}

bnn_t bnn_conv2d(const bnn_build *b, const char *name, bnn_t x, const bnn_conv_layer *layer) {
    return convolution(b, name, x, layer, BNN_CONV2D);
}

bnn_t bnn_conv1d(const bnn_build *b, const char *name, bnn_t x, const bnn_conv_layer *layer) {
    return convolution(b, name, x, layer, BNN_CONV1D);
}

bnn_t bnn_flatten(const bnn_build *b, bnn_t x) {
    return bnn_op_flatten(b->graph, x);
}

bnn_t bnn_linear(const bnn_build *b, const char *name, bnn_t x, const bnn_linear_layer *l) {
    if (x == BNN_NONE) {
        return BNN_NONE;
    }
    int in = bnn_shape_of(b->graph, x).c;
    int channels = l->as_it_lies ? in : bnn_flattened_channels(b->graph, x);
    float limit = 1.0f / sqrtf((float)in);
    bnn_init uniform = {BNN_INIT_UNIFORM, -limit, limit};
    bnn_init init = l->init_std > 0.0f ? (bnn_init){BNN_INIT_NORMAL, l->init_std, 0.0f} : uniform;
    bnn_t w = weight_param(b, name, 2, (bnn_shape){l->out, 1, 1, in}, (size_t)channels,
                           is_binary(b, l->full_precision), init);
    bnn_t bias =
        l->no_bias ? BNN_NONE
                   : vector_param(b, name, "bias", l->out, 1, l->init_std > 0.0f ? zero : uniform);
    bnn_conv_config config = {1, 1, 0, 0, 1, 1, 1, 0};
    bnn_binary_layer layer = {
        .build = b, .name = name, .kind = BNN_LINEAR, .filter = {l->out, 1, 1, in}, .bias = bias};
    return product(b, &layer, x, w, l->full_precision, config);
}

bnn_t bnn_batch_norm(const bnn_build *b, const char *name, bnn_t x, float weight) {
    if (x == BNN_NONE) {
        return BNN_NONE;
    }
    int c = bnn_shape_of(b->graph, x).c;
    bnn_init one = {BNN_INIT_CONSTANT, 1.0f, 0.0f}, first = {BNN_INIT_CONSTANT, weight, 0.0f};
    bnn_build own = *b;
    own.frozen |= b->fixed_batch_norm;
    bnn_t w = vector_param(&own, name, "weight", c, 1, first);
    bnn_t bias = vector_param(&own, name, "bias", c, 1, zero);
    bnn_t mean = vector_param(&own, name, "running_mean", c, 0, zero);
    bnn_t var = vector_param(&own, name, "running_var", c, 0, one);
    return b->fixed_batch_norm ? bnn_op_fixed_batch_norm(b->graph, x, w, bias, mean, var, 1e-5f)
                               : bnn_op_batch_norm(b->graph, x, w, bias, mean, var, 1e-5f, 0.1f);
}

bnn_t bnn_l2_norm(const bnn_build *b, const char *name, bnn_t x, float weight) {
    if (x == BNN_NONE) {
        return BNN_NONE;
    }
    bnn_init first = {BNN_INIT_CONSTANT, weight, 0.0f};
    bnn_t w = vector_param(b, name, "weight", bnn_shape_of(b->graph, x).c, 1, first);
    return bnn_op_l2_norm(b->graph, x, w, 1e-10f);
}

bnn_t bnn_activation(const bnn_build *b, bnn_t x) {
    return b->binarizer ? bnn_op_clamp(b->graph, x, -1.0f, 1.0f)
                        : bnn_op_clamp(b->graph, x, 0.0f, INFINITY);
}

bnn_t bnn_prelu(const bnn_build *b, const char *name, bnn_t x) {
    bnn_t slope = vector_param(b, name, "weight", 1, 1, (bnn_init){BNN_INIT_CONSTANT, 0.25f, 0.0f});
    return bnn_op_prelu(b->graph, x, slope);
}

/* Mean |w| is of the row as it is; the signs are of what is left without its mean. */
static bnn_value binary_rows(const bnn_build *b, bnn_t w, int rows) {
    bnn_t scale = bnn_op_abs_mean(b->graph, w, rows);
    bnn_t centred = bnn_op_normalize(b->graph, w, rows, 1, 0, 1.0f, 0.0f);
    return bnn_op_sign(b->graph, centred, scale, 0, (bnn_ste){BNN_STE_CLIP, 1.0f}, BNN_NONE);
}

bnn_t bnn_embedding(const bnn_build *b, const char *name, bnn_t ids, const bnn_embedding_layer *l) {
    int binary = l->binary && b->binarizer;
    bnn_t w = weight_param(b, name, 2, (bnn_shape){l->rows, 1, 1, l->width}, (size_t)l->width,
                           binary, (bnn_init){BNN_INIT_NORMAL, 0.02f, 0.0f});
    int padding = l->padding ? 0 : -1;
    if (binary && !bnn_graph_training(b->graph)) { /* the whole table, which a file keeps as bits */
        return bnn_op_embedding(b->graph, binary_rows(b, w, l->rows), ids, l->positions, padding);
    }
    bnn_t x = bnn_op_embedding(b->graph, bnn_plain(w), ids, l->positions, padding);
    if (!binary || x == BNN_NONE) {
        return x;
    }
    /* A batch has few of the table's rows. */
    int tokens = (int)bnn_shape_rows(bnn_shape_of(b->graph, x));
    return bnn_op_unpack(b->graph, binary_rows(b, x, tokens));
}

bnn_t bnn_layer_norm(const bnn_build *b, const char *name, bnn_t x) {
    if (x == BNN_NONE) {
        return BNN_NONE;
    }
    int c = bnn_shape_of(b->graph, x).c;
    bnn_t w = vector_param(b, name, "weight", c, 1, (bnn_init){BNN_INIT_CONSTANT, 1.0f, 0.0f});
    return bnn_op_layer_norm(b->graph, x, w, vector_param(b, name, "bias", c, 1, zero), 1e-12f);
}

bnn_t bnn_dropout(const bnn_build *b, const char *name, bnn_t x) {
    return bnn_op_dropout(b->graph, x, b->dropout, bnn_hash_name(name));
}

bnn_t bnn_self_attention(const bnn_build *b, const char *name, bnn_t q, bnn_t k, bnn_t v,
                         bnn_t mask, int heads) {
    const uint64_t site = bnn_hash_name(name);
    if (!b->binarizer) {
        return bnn_op_attention(b->graph, q, k, v, mask, heads, b->dropout, site);
    }
    bnn_t keep = bnn_op_keep(b->graph, q, heads, b->dropout, site);
    return bnn_op_bi_attention(b->graph, q, k, v, mask, heads, keep, b->dropout,
                               b->ties == BNN_TIES_OWN ? 0.5f : 0.0f);
}

const char *const bnn_pool_names[] = {[BNN_POOL_USUAL] = "usual",
                                      [BNN_POOL_MAX] = "max",
                                      [BNN_POOL_MEAN] = "mean",
                                      [BNN_POOL_EMA_MAX] = "ema-max",
                                      NULL};

const char *const bnn_ties_names[] = {[BNN_TIES_PLUS] = "plus", [BNN_TIES_OWN] = "own", NULL};

bnn_pool bnn_pool_of(bnn_pool pool, int binary) {
    return pool != BNN_POOL_USUAL ? pool : binary ? BNN_POOL_EMA_MAX : BNN_POOL_MAX;
}

bnn_t bnn_pool_points(const bnn_build *b, bnn_t x) {
    bnn_shape s = bnn_shape_of(b->graph, x);
    bnn_pool pool = bnn_pool_of(b->pool, b->binarizer != NULL);
    if (pool == BNN_POOL_MEAN) {
        return bnn_op_global_avg_pool(b->graph, x);
    }
    return bnn_op_global_max_pool(b->graph, x,
                                  pool == BNN_POOL_MAX ? 0.0f : bnn_ema_max_shift(s.h * s.w));
}
