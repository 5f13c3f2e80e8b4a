/* ReLU and Hardtanh: one op, and one bit a value kept for its backward. */
#include "layers/ops.h"

enum { Y, PLANE };

bnn_clamp_bounds bnn_clamp_of(const bnn_node *node) {
    return *(const bnn_clamp_bounds *)node->attr;
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_node_output(g, node, BNN_F32, s);
    if (bnn_wants_grad(g, node->in[0])) {
        bnn_node_output(g, node, BNN_PLANE, s);
        node->saved_out = BNN_SAVED(PLANE);
    }
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_clamp_bounds a = bnn_clamp_of(node);
    bnn_graph_kernels(g)->clamp(bnn_shape_count(bnn_shape_of(g, node->in[0])),
                                bnn_f32(g, node->in[0]), a.lo, a.hi, bnn_f32(g, node->out[Y]),
                                node->out_count > PLANE ? bnn_bits(g, node->out[PLANE]) : NULL);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_graph_kernels(g)->plane_backward(bnn_shape_count(bnn_shape_of(g, node->in[0])),
                                         bnn_grad(g, node->out[Y]), bnn_bits(g, node->out[PLANE]),
                                         bnn_grad(g, node->in[0]), node->acc[0]);
}

const bnn_op bnn_clamp_op = {.name = "clamp",
                             .infer = infer,
                             .forward = forward,
                             .backward = backward,
                             .in_place = 1,
                             .grad_in_place = 1};

bnn_t bnn_op_clamp(bnn_graph *g, bnn_t x, float lo, float hi) {
    bnn_clamp_bounds attr = {lo, hi};
    return bnn_graph_add(g, &bnn_clamp_op, &attr, sizeof attr, 1, &x);
}
