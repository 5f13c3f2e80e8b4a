/* A binarization algorithm is three graph builders and an epoch schedule, and owns no kernel: what
 * becomes of a layer's input, of its latent weight, and of its output. Conv2d, conv1d and linear
 * all go through the same three hooks. Equations: those of BiBench's layers (Qin et al., ICML
 * 2023).
 */
#ifndef BNN_LAYERS_BINARIZERS_BINARIZER_H
#define BNN_LAYERS_BINARIZERS_BINARIZER_H

#include "layers/layer.h"

typedef enum bnn_layer_kind { BNN_CONV2D, BNN_CONV1D, BNN_LINEAR } bnn_layer_kind;

/* One binary layer under construction. */
typedef struct bnn_binary_layer {
    const bnn_build *build;
    const char *name;
    bnn_layer_kind kind;
    bnn_shape filter;        /* [O,KH,KW,C/groups] */
    bnn_t bias;              /* or BNN_NONE */
    int pad_left, pad_right; /* zeros to be put on before the binarization */
} bnn_binary_layer;

/* A buffer NAME.<name> [1] of every layer, set before each epoch. */
typedef struct bnn_scheduled {
    const char *name;
    float value;
} bnn_scheduled;
#define BNN_MAX_SCHEDULED 2

/* What it keeps and computes in float beside the bits of a layer, for BiBench's theoretical
 * complexity: a scale of each output channel, which folds into what follows; of each row and column
 * of a convolution's output, which does not; a shift of each input channel; a statistic of the
 * input. */
typedef struct bnn_float_cost {
    int channel_scales, pixel_scales, shifts, statistics;
} bnn_float_cost;

struct bnn_binarizer {
    const char *name;  /* as --algo spells it */
    const char *title; /* for --list: name and source */
    /* x is without the padding. What is returned has the input's width, and the product pads it,
     * which adds nothing; or, where the padding is values like others, is as wide as with it. */
    bnn_value (*activation)(const bnn_binary_layer *layer, bnn_t x);
    bnn_value (*weight)(const bnn_binary_layer *layer, bnn_t w);
    /* From the product to the layer's output, bias included. */
    bnn_t (*output)(const bnn_binary_layer *layer, bnn_t y);
    /* Fills values for `epoch` of `epochs` (from 0) and returns the phase: graphs of different
     * phases are built differently. NULL: no state, one phase 0. */
    int (*schedule)(int epoch, int epochs, bnn_scheduled values[BNN_MAX_SCHEDULED]);
    int phases;
    int biased; /* its convolutions have a bias where the float twin's do (BiBench's classes) */
    /* Phases before the last have operands that are not +-1 (FDA's noise): not to be deployed. */
    const char *float_work; /* what cannot be folded away in deployment, or NULL */
    bnn_float_cost cost;
};

/* All algorithms, in the order of the benchmark, NULL-terminated. */
extern const bnn_binarizer *const bnn_binarizers[];
const bnn_binarizer *bnn_binarizer_find(const char *name); /* or NULL */

/* ---- pieces the algorithms share (binarizer.c) ---- */
/* A parameter or buffer LAYER.SUFFIX that is a vector of c values, in PyTorch's `ndim` dimensions
 * with the values at dimension `at`. */
bnn_t bnn_layer_vector(const bnn_binary_layer *layer, const char *suffix, int c, int ndim, int at,
                       int trainable, bnn_init init);
/* A trainable one with a factor for each filter. Its first values are `init`'s, or where training
 * starts from another network's weights, each filter's mean |w|, with which signs come nearest to
 * them (XNOR-Net: Rastegari et al. 2016, equation 6). */
bnn_t bnn_layer_scale(const bnn_binary_layer *layer, const char *suffix, int ndim, int at,
                      bnn_init init);
/* Sign with no scale. */
bnn_value bnn_plain_sign(const bnn_binary_layer *layer, bnn_t x, bnn_ste_kind kind);
/* alpha_o sign(w), alpha_o = mean |w_o|, clip surrogate; in_grad: alpha_o multiplies the gradient
 * as well. */
bnn_value bnn_scaled_sign(const bnn_binary_layer *layer, bnn_t w, bnn_ste_kind kind, int in_grad);
/* y + bias, or y. */
bnn_t bnn_add_bias(const bnn_binary_layer *layer, bnn_t y);
/* x with the layer's padding on, for statistics that count it; and off again. */
bnn_t bnn_with_padding(const bnn_binary_layer *layer, bnn_t x);
bnn_t bnn_without_padding(const bnn_binary_layer *layer, bnn_t x);
/* Rows over which an activation's statistics run: samples of a conv, rows of a linear layer. */
int bnn_statistic_rows(const bnn_binary_layer *layer, bnn_t x);

#endif
