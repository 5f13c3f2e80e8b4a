/* Binary cross-entropy of whether there is anything, of the boxes that count. */
#include "layers/ops.h"

enum { X, LABEL, DIVISOR };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    size_t values = bnn_shape_count(bnn_shape_of(g, node->in[X]));
    size_t labels = bnn_shape_count(bnn_shape_of(g, node->in[LABEL]));
    if (values != labels) {
        return bnn_node_fail(g, node, "%zu values for %zu labels", values, labels);
    }
    bnn_node_output(g, node, BNN_F32, bnn_vector(1));
    node->saved_in = BNN_SAVED(X) | BNN_SAVED(LABEL) | BNN_SAVED(DIVISOR);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_graph_kernels(g)->objectness(
        bnn_graph_stream(g), bnn_shape_count(bnn_shape_of(g, node->in[X])), bnn_f32(g, node->in[X]),
        bnn_i32(g, node->in[LABEL]), bnn_f32(g, node->in[DIVISOR]), bnn_f32(g, node->out[0]));
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_graph_kernels(g)->objectness_backward(
        bnn_graph_stream(g), bnn_shape_count(bnn_shape_of(g, node->in[X])), bnn_f32(g, node->in[X]),
        bnn_i32(g, node->in[LABEL]), bnn_f32(g, node->in[DIVISOR]), bnn_grad(g, node->out[0]),
        bnn_grad(g, node->in[X]), node->acc[X]);
}

const bnn_op bnn_objectness_op = {.name = "objectness",
                                  .infer = infer,
                                  .forward = forward,
                                  .backward = backward,
                                  .detached_in = BNN_BIT(DIVISOR)};

bnn_t bnn_op_objectness(bnn_graph *g, bnn_t x, bnn_t label, bnn_t divisor) {
    return bnn_graph_add(g, &bnn_objectness_op, NULL, 0, 3, (bnn_t[]){x, label, divisor});
}
