/* Mean squared error of real targets, one for each value: of a regression. */
#include "layers/ops.h"

enum { X, TARGET };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]), target = bnn_shape_of(g, node->in[TARGET]);
    if (bnn_shape_count(target) != bnn_shape_count(s)) {
        return bnn_node_fail(g, node, "[%d,%d,%d,%d] values for %zu targets", s.n, s.h, s.w, s.c,
                             bnn_shape_count(target));
    }
    bnn_node_output(g, node, BNN_F32, bnn_vector(1));
    node->saved_in = BNN_SAVED(X) | BNN_SAVED(TARGET);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_graph_kernels(g)->squared_error(
        bnn_graph_stream(g), bnn_shape_count(bnn_shape_of(g, node->in[X])), bnn_f32(g, node->in[X]),
        bnn_f32(g, node->in[TARGET]), bnn_f32(g, node->out[0]));
}

/* The targets are data: they have no gradient. */
static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_graph_kernels(g)->squared_error_backward(
        bnn_graph_stream(g), bnn_shape_count(bnn_shape_of(g, node->in[X])), bnn_f32(g, node->in[X]),
        bnn_f32(g, node->in[TARGET]), bnn_grad(g, node->out[0]), bnn_grad(g, node->in[X]),
        node->acc[X]);
}

const bnn_op bnn_squared_error_op = {
    .name = "squared_error", .infer = infer, .forward = forward, .backward = backward};

bnn_t bnn_op_squared_error(bnn_graph *g, bnn_t x, bnn_t target) {
    return bnn_graph_add(g, &bnn_squared_error_op, NULL, 0, 2, (bnn_t[]){x, target});
}
