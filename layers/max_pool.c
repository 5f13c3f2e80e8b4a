/* Max pooling; keeps the winning tap, a byte a value. */
#include "layers/ops.h"

enum { Y, INDEX };

typedef struct max_pool_attr {
    int kernel, stride, pad, ceil_mode;
} max_pool_attr;

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const max_pool_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_shape y = {s.n, 0, 0, s.c};
    if (a->kernel >= 1 && a->kernel <= 15 && a->stride >= 1 && a->pad >= 0 &&
        a->pad <= a->kernel / 2) {
        y.h = bnn_pooled(s.h, a->kernel, a->stride, a->pad, a->ceil_mode);
        y.w = bnn_pooled(s.w, a->kernel, a->stride, a->pad, a->ceil_mode);
    }
    if (y.h < 1 || y.w < 1) {
        return bnn_node_fail(g, node, "a %dx%d window does not fit an image of %dx%d", a->kernel,
                             a->kernel, s.h, s.w);
    }
    bnn_node_output(g, node, BNN_F32, y);
    if (bnn_wants_grad(g, node->in[0])) {
        bnn_node_output(g, node, BNN_U8, y);
        node->saved_out = BNN_SAVED(INDEX);
    }
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const max_pool_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_graph_kernels(g)->max_pool(bnn_graph_stream(g), s.n, s.h, s.w, s.c, a->kernel, a->stride,
                                   a->pad, a->ceil_mode, bnn_f32(g, node->in[0]),
                                   bnn_f32(g, node->out[Y]),
                                   node->out_count > INDEX ? bnn_u8(g, node->out[INDEX]) : NULL);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const max_pool_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_graph_kernels(g)->max_pool_backward(bnn_graph_stream(g), s.n, s.h, s.w, s.c, a->kernel,
                                            a->stride, a->pad, a->ceil_mode,
                                            bnn_grad(g, node->out[Y]), bnn_u8(g, node->out[INDEX]),
                                            bnn_grad(g, node->in[0]), node->acc[0]);
}

static const bnn_fold_rule fold = {.selects = 1};

static const bnn_op_field fields[] = {
    {"kernel", BNN_FIELD_INT, offsetof(max_pool_attr, kernel), 0, 0},
    {"stride", BNN_FIELD_INT, offsetof(max_pool_attr, stride), 1, 0},
    {"pad", BNN_FIELD_INT, offsetof(max_pool_attr, pad), 0, 0},
    {"ceil_mode", BNN_FIELD_INT, offsetof(max_pool_attr, ceil_mode), 0, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {.fields = fields,
                              .attr_bytes = sizeof(max_pool_attr),
                              .in_count = 1,
                              .in_types = {BNN_BIT(BNN_F32)}};

const bnn_op bnn_max_pool_op = {.name = "max_pool",
                                .infer = infer,
                                .forward = forward,
                                .backward = backward,
                                .passes_scale = 1,
                                .fold = &fold,
                                .form = &form};

bnn_t bnn_op_max_pool(bnn_graph *g, bnn_t x, int kernel, int stride, int pad, int ceil_mode) {
    max_pool_attr attr = {kernel, stride, pad, ceil_mode};
    return bnn_graph_add(g, &bnn_max_pool_op, &attr, sizeof attr, 1, &x);
}
