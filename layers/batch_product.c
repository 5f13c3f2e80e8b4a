/* A product of matrices a sample: a linear layer whose filters are the sample's own, so it runs as
 * one, sample after sample. */
#include <limits.h>

#include "layers/ops.h"

enum { X, W };

/* One sample's. */
static bnn_conv sample(const bnn_graph *g, const bnn_node *node) {
    bnn_shape x = bnn_shape_of(g, node->in[X]), w = bnn_shape_of(g, node->in[W]);
    return (bnn_conv){.n = 1,
                      .h = 1,
                      .w = x.h * x.w,
                      .c = x.c,
                      .o = w.h * w.w,
                      .kh = 1,
                      .kw = 1,
                      .oh = 1,
                      .ow = x.h * x.w,
                      .stride_h = 1,
                      .stride_w = 1,
                      .dil_h = 1,
                      .dil_w = 1,
                      .groups = 1};
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape x = bnn_shape_of(g, node->in[X]), w = bnn_shape_of(g, node->in[W]);
    if (x.n != w.n || x.c != w.c || (double)x.h * x.w > INT_MAX || (double)w.h * w.w > INT_MAX) {
        return bnn_node_fail(g, node, "[%d,%d,%d,%d] times filters [%d,%d,%d,%d]", x.n, x.h, x.w,
                             x.c, w.n, w.h, w.w, w.c);
    }
    bnn_conv s = sample(g, node);
    bnn_node_output(g, node, BNN_F32, (bnn_shape){x.n, x.h, x.w, s.o});
    node->saved_in = (bnn_wants_grad(g, node->in[X]) ? BNN_SAVED(W) : 0) |
                     (bnn_wants_grad(g, node->in[W]) ? BNN_SAVED(X) : 0);
    node->workspace =
        bnn_graph_kernels(g)->conv_workspace(bnn_graph_stream(g), &s, 0, node->saved_in != 0);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_conv s = sample(g, node);
    size_t rows = (size_t)s.w, c = (size_t)s.c, o = (size_t)s.o;
    for (size_t i = 0; i < (size_t)bnn_shape_of(g, node->in[X]).n; i++) {
        bnn_operand x = {.f32 = bnn_f32(g, node->in[X]) + i * rows * c};
        bnn_operand w = {.f32 = bnn_f32(g, node->in[W]) + i * o * c};
        bnn_result y = {.f32 = bnn_f32(g, node->out[0]) + i * rows * o};
        bnn_graph_kernels(g)->conv_forward(bnn_graph_stream(g), &s, &x, &w, &y, node->ws);
    }
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const bnn_kernels *k = bnn_graph_kernels(g);
    bnn_conv s = sample(g, node);
    size_t rows = (size_t)s.w, c = (size_t)s.c, o = (size_t)s.o;
    for (size_t i = 0; i < (size_t)bnn_shape_of(g, node->in[X]).n; i++) {
        const float *gy = bnn_grad(g, node->out[0]) + i * rows * o;
        bnn_operand x = {.f32 = bnn_f32(g, node->in[X]) + i * rows * c};
        bnn_operand w = {.f32 = bnn_f32(g, node->in[W]) + i * o * c};
        if (node->want_grad[X]) {
            k->conv_backward_x(bnn_graph_stream(g), &s, gy, &w,
                               bnn_grad(g, node->in[X]) + i * rows * c, node->acc[X],
                               node->ws_backward);
        }
        if (node->want_grad[W]) { /* second: both operands may be one tensor */
            k->conv_backward_w(bnn_graph_stream(g), &s, gy, &x,
                               bnn_grad(g, node->in[W]) + i * o * c, node->acc[W],
                               node->ws_backward);
        }
    }
}

static const bnn_form form = {.in_count = 2, .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)}};

const bnn_op bnn_batch_product_op = {.name = "batch_product",
                                     .infer = infer,
                                     .forward = forward,
                                     .backward = backward,
                                     .form = &form};

bnn_t bnn_op_batch_product(bnn_graph *g, bnn_t x, bnn_t w) {
    return bnn_graph_add(g, &bnn_batch_product_op, NULL, 0, 2, (bnn_t[]){x, w});
}
