/* What the files of the Larq Compute Engine translator share (lce.c). */
#ifndef BNN_MODELS_EXPORT_LCE_PRIVATE_H
#define BNN_MODELS_EXPORT_LCE_PRIVATE_H

#include "models/export/lce/tflite.h"
#include "models/export/translate.h"

#define BNN_LCE_CURE                                                                               \
    "which Larq Compute Engine cannot fold; export bnn, dorefa, bireal, reactnet, recu or fda, "   \
    "or "                                                                                          \
    "use --emulate (slow, float)"

/* What a tensor of the network is in the model. */
typedef struct bnn_lce_value {
    int tensor;
    int clean; /* floats, none of them -0.0: engines differ in its sign */
    int alone; /* the model's tensor stands for no other that is read elsewhere */
} bnn_lce_value;

/* Who reads a tensor of the network. */
typedef struct bnn_lce_reader {
    int count;
    const bnn_node *last;
} bnn_lce_reader;

/* Layers that something is to be told of. */
typedef struct bnn_lce_tally {
    int count;
    const char *first;
    size_t bytes;
} bnn_lce_tally;

typedef struct bnn_lce {
    bnn_translation t;
    bnn_tfl model;
    bnn_lce_value *values;   /* by tensor of t.graph */
    bnn_lce_reader *readers; /* likewise */
    bnn_lce_tally as_floats, borders;
} bnn_lce;

/* ---- words.c: what translations are made of ---- */

bnn_tfl_shape bnn_lce_shape(bnn_shape s);
static inline bnn_tfl_shape bnn_lce_list(int count) {
    return (bnn_tfl_shape){1, {count}};
}
/* Constants; the values of the latter are copied. */
int bnn_lce_floats(bnn_lce *l, const char *name, bnn_tfl_shape shape, const float *values);
int bnn_lce_ints(bnn_lce *l, const char *name, int count, const int *values);
/* "LAYER.role" of the node's layer, or without a role "LAYER". */
const char *bnn_lce_name(const bnn_lce *l, const bnn_node *node, const char *role);
int bnn_lce_number(bnn_lce *l, const char *name, float value); /* a float, [1] */
/* An op of one or two operands (the second may be missing), whose result are floats... */
int bnn_lce_op(bnn_lce *l, const bnn_node *node, bnn_tfl_code code, int a, int b,
               bnn_tfl_shape shape);
/* ...or of another type. */
int bnn_lce_op_of(bnn_lce *l, const bnn_node *node, bnn_tfl_code code, int a, int b,
                  bnn_tfl_type type, bnn_tfl_shape shape);
/* Matrices of the last two axes: a b, or with `turned` a b'. */
int bnn_lce_matmul(bnn_lce *l, const bnn_node *node, int a, int b, int turned, bnn_tfl_shape shape);
/* Channels of y times a (none: NULL; ones are left out), plus b. */
int bnn_lce_scaled(bnn_lce *l, const bnn_node *node, int y, bnn_shape shape, const float *a,
                   const float *b);
/* Padding around [1,H,W,C], of value 0 (bits: +1), or of the constant `value`. */
int bnn_lce_pad(bnn_lce *l, const bnn_node *node, int x, bnn_tfl_type type, bnn_shape *shape,
                const int before[2], const int after[2], int value);
int bnn_lce_reshape(bnn_lce *l, const bnn_node *node, int x, bnn_tfl_shape from, bnn_tfl_shape to);
/* Over `count` axes, which stay as 1. */
int bnn_lce_reduce(bnn_lce *l, const bnn_node *node, bnn_tfl_code code, int x, int count,
                   const int *axes, bnn_tfl_shape shape);
/* Bits are 1 for negative, 32 channels a word. */
static inline int bnn_lce_words(int channels) {
    return (channels + 31) / 32;
}
/* A constant of the signs of the network's `t`, in a shape of words; filters whose bit in
 * `negate`'s threshold (2t + flip; NULL: none) is set come negated. */
int bnn_lce_bits(bnn_lce *l, const char *name, bnn_t t, bnn_tfl_shape shape, const int32_t *negate);
/* Signs of floats as bits; and bits as +1 and -1. */
int bnn_lce_quantize(bnn_lce *l, const bnn_node *node, int x, bnn_shape shape);
int bnn_lce_dequantize(bnn_lce *l, const bnn_node *node, int x, bnn_tfl_shape shape);
int bnn_lce_tensor(const bnn_lce *l, bnn_t t);
/* The network's tensor `t` is now the model's `tensor`. */
void bnn_lce_set(bnn_lce *l, bnn_t t, int tensor, int clean);
void bnn_lce_count(bnn_lce *l, bnn_lce_tally *tally, const bnn_node *node, size_t bytes);

/* ---- one for each op: says what a node does ---- */

typedef bnn_code bnn_lce_put(bnn_lce *l, const bnn_node *node);

bnn_lce_put bnn_lce_conv, bnn_lce_affine, bnn_lce_threshold; /* product.c */
bnn_lce_put bnn_lce_move;                                    /* move.c */
bnn_lce_put bnn_lce_sign, bnn_lce_add, bnn_lce_clamp, bnn_lce_prelu, bnn_lce_l2_norm,
    bnn_lce_max_pool, bnn_lce_avg_pool, bnn_lce_global_max, bnn_lce_same_values, bnn_lce_concat,
    bnn_lce_batch_product, bnn_lce_diagonal, bnn_lce_abs_mean, bnn_lce_outer_scale; /* ops.c */
bnn_lce_put bnn_lce_embedding, bnn_lce_layer_norm, bnn_lce_gelu, bnn_lce_tanh, bnn_lce_attention,
    bnn_lce_bi_attention; /* text.c */

#endif
