/* The product of every layer: convolution, with linear and 1-D as special shapes. Which kernel runs
 * is the operands' dtype: bits x bits forward, float x bits backward, or float everywhere. */
#include "layers/ops.h"

#include <math.h>

enum { X, W, X_SCALE, W_SCALE, A, B, ADD, THRESHOLD, PREPARED, INPUTS };
enum { Y, SIGN };

typedef struct conv_attr {
    bnn_conv_config config; /* first: also what bnn_conv_of reads */
    float clamp[2];
    int sign;
} conv_attr;

/* A filter's scale is a factor of its channel of the output, where it is deferred (op.h), so that
 * the product itself stays an integer; the backward needs it with the filters. */

/* 0 where nothing fits, or no number would. */
static int out_size(int size, int kernel, int stride, int pad, int dil) {
    int64_t span = (int64_t)dil * (kernel - 1) + 1, padded = (int64_t)size + 2 * (int64_t)pad;
    return stride < 1 || padded < span || padded > BNN_MAX_DIM
               ? 0
               : (int)((padded - span) / stride + 1);
}

bnn_conv bnn_conv_of(const bnn_graph *g, const bnn_node *node) {
    const bnn_conv_config *a = &((const conv_attr *)node->attr)->config;
    bnn_shape x = bnn_shape_of(g, node->in[X]), w = bnn_shape_of(g, node->in[W]);
    return (bnn_conv){.n = x.n,
                      .h = x.h,
                      .w = x.w,
                      .c = x.c,
                      .o = w.n,
                      .kh = w.h,
                      .kw = w.w,
                      .oh = out_size(x.h, w.h, a->stride_h, a->pad_h, a->dil_h),
                      .ow = out_size(x.w + a->more_right, w.w, a->stride_w, a->pad_w, a->dil_w),
                      .stride_h = a->stride_h,
                      .stride_w = a->stride_w,
                      .pad_h = a->pad_h,
                      .pad_w = a->pad_w,
                      .dil_h = a->dil_h,
                      .dil_w = a->dil_w,
                      .groups = a->groups};
}

static bnn_operand operand(const bnn_graph *g, const bnn_node *node, int t, int scale) {
    if (bnn_dtype_of(g, node->in[t]) == BNN_F32) {
        return (bnn_operand){.f32 = bnn_f32(g, node->in[t])};
    }
    bnn_operand bits = {.b1 = bnn_bits(g, node->in[t]), .scale = bnn_f32(g, node->in[scale])};
    if (bits.scale) {
        bits.rows_per_scale = bnn_shape_rows(bnn_shape_of(g, node->in[t])) /
                              bnn_shape_count(bnn_shape_of(g, node->in[scale]));
    }
    return bits;
}

static bnn_code check_scale(bnn_graph *g, bnn_node *node, int t, int scale) {
    size_t rows = bnn_shape_rows(bnn_shape_of(g, node->in[t]));
    size_t factors = bnn_shape_count(bnn_shape_of(g, node->in[scale]));
    if (node->in[scale] >= 0 && (factors == 0 || rows % factors)) {
        return bnn_node_fail(g, node, "%zu scales for %zu rows of bits", factors, rows);
    }
    return BNN_OK;
}

/* A product of bits is an integer. What has a backward keeps it for that, so in half the bytes, and
 * an input's scale is applied by a node of its own; else it is the scaled float, or what thresholds
 * make of it. */
static bnn_dtype result_type(const bnn_graph *g, const bnn_node *node, const bnn_conv *s) {
    int bits = bnn_dtype_of(g, node->in[X]) == BNN_B1;
    int fits = (double)s->kh * s->kw * s->c / s->groups <= INT16_MAX;
    if (node->in[THRESHOLD] >= 0) {
        return BNN_B1;
    }
    int backward = bnn_wants_grad(g, node->in[X]) || bnn_wants_grad(g, node->in[W]);
    return bits && fits && backward ? BNN_I16 : BNN_F32;
}

/* NULL if there are no bounds. */
static const float *clamp_of(const bnn_node *node) {
    const conv_attr *attr = node->attr;
    return attr->clamp[0] > -INFINITY || attr->clamp[1] < INFINITY ? attr->clamp : NULL;
}

/* What a folded conv does to its product. */
static bnn_code check_end(bnn_graph *g, bnn_node *node, bnn_shape y) {
    const conv_attr *attr = node->attr;
    int bits = bnn_dtype_of(g, node->in[X]) == BNN_B1;
    int floats = attr->sign || clamp_of(node) != NULL;
    for (int i = A; i <= THRESHOLD; i++) {
        bnn_shape s = bnn_shape_of(g, node->in[i]), want = i == ADD ? y : bnn_vector(y.c);
        if (node->in[i] >= 0 && !bnn_shape_equal(s, want)) {
            return bnn_node_fail(g, node, "%zu values for a result of %zu", bnn_shape_count(s),
                                 bnn_shape_count(want));
        }
        floats |= i < THRESHOLD && node->in[i] >= 0;
    }
    int gradient = bnn_wants_grad(g, node->in[X]) || bnn_wants_grad(g, node->in[W]);
    if (node->in[THRESHOLD] >= 0 && (!bits || node->in[X_SCALE] >= 0 || floats)) {
        return bnn_node_fail(g, node, "only a plain product of bits has thresholds");
    }
    if (attr->sign && !bits) {
        return bnn_node_fail(g, node, "only a product of bits gives signs");
    }
    if (gradient && (floats || node->in[THRESHOLD] >= 0)) {
        return bnn_node_fail(g, node, "a folded product has no gradient");
    }
    return BNN_OK;
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_conv s = bnn_conv_of(g, node);
    int cg = bnn_shape_of(g, node->in[W]).c;
    if (bnn_dtype_of(g, node->in[X]) != bnn_dtype_of(g, node->in[W])) {
        return bnn_node_fail(g, node, "one operand is bits, the other float");
    }
    if (s.groups < 1 || s.o % s.groups || (int64_t)cg * s.groups != s.c) {
        return bnn_node_fail(g, node, "%d input channels, %d filters of %d channels, %d groups",
                             s.c, s.o, cg, s.groups);
    }
    int right = s.pad_w + ((const conv_attr *)node->attr)->config.more_right;
    if (s.stride_h < 1 || s.stride_w < 1 || s.dil_h < 1 || s.dil_w < 1 || s.pad_h < 0 ||
        s.pad_w < 0 || right < 0) {
        return bnn_node_fail(g, node, "stride %dx%d, dilation %dx%d, padding %dx%d", s.stride_h,
                             s.stride_w, s.dil_h, s.dil_w, s.pad_h, s.pad_w);
    }
    if (s.oh < 1 || s.ow < 1) {
        return bnn_node_fail(g, node, "a %dx%d kernel does not fit an image of %dx%d", s.kh, s.kw,
                             s.h, s.w);
    }
    if (check_scale(g, node, X, X_SCALE)) {
        return BNN_ERR_SHAPE;
    }
    if (node->in[W_SCALE] >= 0 &&
        bnn_shape_count(bnn_shape_of(g, node->in[W_SCALE])) != (size_t)s.o) {
        return bnn_node_fail(g, node, "%zu scales for %d filters",
                             bnn_shape_count(bnn_shape_of(g, node->in[W_SCALE])), s.o);
    }
    bnn_shape y = {s.n, s.oh, s.ow, s.o};
    if (check_end(g, node, y)) {
        return BNN_ERR_SHAPE;
    }
    bnn_node_output(g, node, result_type(g, node, &s), y);
    if (((const conv_attr *)node->attr)->sign) {
        bnn_node_output(g, node, BNN_B1, y);
    }
    if (bnn_graph_status(g, NULL)) {
        return BNN_ERR_SHAPE;
    }
    if (bnn_wants_grad(g, node->in[X])) {
        node->saved_in |= BNN_SAVED(W) | BNN_SAVED(W_SCALE);
    }
    if (bnn_wants_grad(g, node->in[W])) {
        node->saved_in |= BNN_SAVED(X) | BNN_SAVED(X_SCALE);
    }
    int bits = bnn_dtype_of(g, node->in[X]) == BNN_B1;
    int gradients = bnn_wants_grad(g, node->in[X]) || bnn_wants_grad(g, node->in[W]);
    node->workspace =
        bnn_graph_kernels(g)->conv_workspace(bnn_graph_stream(g), &s, bits, gradients);
    if (bnn_role_of(g, node->in[W]) == BNN_ROLE_CONSTANT) {
        size_t bytes = bnn_graph_kernels(g)->conv_prepared_bytes(bnn_graph_stream(g), &s, bits);
        bnn_shape lines = {(int)((bytes + 63) / 64), 1, 1, 64};
        node->in[PREPARED] = bytes > 0 ? bnn_graph_constant(g, BNN_U8, lines) : BNN_NONE;
    }
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_conv s = bnn_conv_of(g, node);
    bnn_operand x = operand(g, node, X, X_SCALE), w = operand(g, node, W, W_SCALE);
    w.prepared = bnn_u8(g, node->in[PREPARED]);
    const conv_attr *attr = node->attr;
    bnn_result y = {.clamp = clamp_of(node)};
    if (bnn_dtype_of(g, node->out[Y]) == BNN_B1) {
        y.b1 = bnn_bits(g, node->out[Y]);
        y.threshold = bnn_i32(g, node->in[THRESHOLD]);
    } else if (bnn_dtype_of(g, node->out[Y]) == BNN_I16) {
        y.i16 = bnn_i16(g, node->out[Y]);
        x.scale = NULL;
    } else {
        y.f32 = bnn_f32(g, node->out[Y]);
        y.a = bnn_f32(g, node->in[A]);
        y.b = bnn_f32(g, node->in[B]);
        y.add = bnn_f32(g, node->in[ADD]);
        y.sign = attr->sign ? bnn_bits(g, node->out[SIGN]) : NULL;
    }
    bnn_graph_kernels(g)->conv_forward(bnn_graph_stream(g), &s, &x, &w, &y, node->ws);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_conv s = bnn_conv_of(g, node);
    const bnn_kernels *k = bnn_graph_kernels(g);
    const float *gy = bnn_grad(g, node->out[0]);
    if (node->want_grad[W]) {
        bnn_operand x = operand(g, node, X, X_SCALE);
        k->conv_backward_w(bnn_graph_stream(g), &s, gy, &x, bnn_grad(g, node->in[W]), node->acc[W],
                           node->ws_backward);
    }
    if (node->want_grad[X]) {
        bnn_operand w = operand(g, node, W, W_SCALE);
        k->conv_backward_x(bnn_graph_stream(g), &s, gy, &w, bnn_grad(g, node->in[X]), node->acc[X],
                           node->ws_backward);
    }
}

static double multiplications(const bnn_graph *g, const bnn_node *node) {
    bnn_conv s = bnn_conv_of(g, node);
    return bnn_dtype_of(g, node->in[X]) == BNN_F32 ? (double)s.kh * s.kw * s.c / s.groups : 0.0;
}

static bnn_t other_product(bnn_graph *g, const bnn_node *node, const bnn_t in[3],
                           const bnn_conv_end *end) {
    const conv_attr *attr = node->attr;
    return bnn_op_folded_conv(g, (bnn_value){in[X], in[X_SCALE]}, bnn_plain(in[W]), &attr->config,
                              end);
}

static const bnn_fold_rule fold = {.kind = BNN_FOLD_PRODUCT, .product = other_product};

static const bnn_op_field fields[] = {
    {"stride_h", BNN_FIELD_INT, offsetof(conv_attr, config.stride_h), 1, 0},
    {"stride_w", BNN_FIELD_INT, offsetof(conv_attr, config.stride_w), 1, 0},
    {"pad_h", BNN_FIELD_INT, offsetof(conv_attr, config.pad_h), 0, 0},
    {"pad_w", BNN_FIELD_INT, offsetof(conv_attr, config.pad_w), 0, 0},
    {"dil_h", BNN_FIELD_INT, offsetof(conv_attr, config.dil_h), 1, 0},
    {"dil_w", BNN_FIELD_INT, offsetof(conv_attr, config.dil_w), 1, 0},
    {"more_right", BNN_FIELD_INT, offsetof(conv_attr, config.more_right), 0, 0},
    {"groups", BNN_FIELD_INT, offsetof(conv_attr, config.groups), 1, 0},
    {"lo", BNN_FIELD_FLOAT, offsetof(conv_attr, clamp[0]), -INFINITY, 0},
    {"hi", BNN_FIELD_FLOAT, offsetof(conv_attr, clamp[1]), INFINITY, 0},
    {"sign", BNN_FIELD_INT, offsetof(conv_attr, sign), 0, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
#define OPERAND (BNN_BIT(BNN_F32) | BNN_BIT(BNN_B1))
static const bnn_form form = {.fields = fields,
                              .attr_bytes = sizeof(conv_attr),
                              .in_count = INPUTS,
                              .optional = ~(BNN_BIT(X) | BNN_BIT(W)),
                              .left_out_ones = BNN_BIT(A),
                              .in_types = {[X] = OPERAND,
                                           [W] = OPERAND,
                                           [X_SCALE] = BNN_BIT(BNN_F32),
                                           [A] = BNN_BIT(BNN_F32),
                                           [B] = BNN_BIT(BNN_F32),
                                           [ADD] = BNN_BIT(BNN_F32),
                                           [THRESHOLD] = BNN_BIT(BNN_I32)}};

const bnn_op bnn_conv_op = {.name = "conv",
                            .infer = infer,
                            .forward = forward,
                            .backward = backward,
                            .multiplications = multiplications,
                            .fold = &fold,
                            .form = &form};

bnn_t bnn_op_conv(bnn_graph *g, bnn_value x, bnn_value w, const bnn_conv_config *config) {
    bnn_t y = bnn_op_folded_conv(g, x, w, config, &bnn_conv_plain);
    if (y >= 0 && bnn_dtype_of(g, y) == BNN_I16 && x.scale >= 0) {
        y = bnn_op_unscale(g, y, BNN_NONE, x.scale);
    }
    bnn_defer_scale(g, y, w.scale);
    return y;
}

const bnn_conv_end bnn_conv_plain = {.a = BNN_NONE,
                                     .b = BNN_NONE,
                                     .add = BNN_NONE,
                                     .threshold = BNN_NONE,
                                     .clamp = {-INFINITY, INFINITY}};

bnn_t bnn_op_folded_conv(bnn_graph *g, bnn_value x, bnn_value w, const bnn_conv_config *config,
                         const bnn_conv_end *end) {
    conv_attr attr = {*config, {end->clamp.lo, end->clamp.hi}, end->sign};
    bnn_t in[INPUTS] = {x.t,    w.t,      x.scale,        w.scale, end->a,
                        end->b, end->add, end->threshold, BNN_NONE};
    return bnn_graph_add(g, &bnn_conv_op, &attr, sizeof attr, INPUTS, in);
}

const bnn_conv_config *bnn_conv_config_of(const bnn_node *node) {
    return &((const conv_attr *)node->attr)->config;
}

bnn_conv_end bnn_conv_end_of(const bnn_node *node) {
    const conv_attr *attr = node->attr;
    return (bnn_conv_end){.a = node->in[A],
                          .b = node->in[B],
                          .add = node->in[ADD],
                          .threshold = node->in[THRESHOLD],
                          .clamp = {attr->clamp[0], attr->clamp[1]},
                          .sign = attr->sign};
}

void bnn_conv_prepare_filters(const bnn_graph *g) {
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        const bnn_node *node = bnn_graph_node(g, i);
        if (node->op == &bnn_conv_op && node->in[PREPARED] >= 0) {
            bnn_conv s = bnn_conv_of(g, node);
            bnn_operand w = operand(g, node, W, W_SCALE);
            bnn_graph_kernels(g)->conv_prepare(bnn_graph_stream(g), &s, &w,
                                               bnn_u8(g, node->in[PREPARED]), node->ws);
        }
    }
}
