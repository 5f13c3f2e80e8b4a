/* A loss of several terms. */
#include "layers/ops.h"

static const bnn_move one = {.size = {1, 1, 1, 1}};

static float weight_of(const bnn_node *node, int term) {
    return ((const float *)node->attr)[term];
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    for (int k = 0; k < node->in_count; k++) {
        size_t count = bnn_shape_count(bnn_shape_of(g, node->in[k]));
        if (count != 1) {
            return bnn_node_fail(g, node, "term %d has %zu values", k, count);
        }
    }
    bnn_node_output(g, node, BNN_F32, bnn_vector(1));
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    for (int k = 0; k < node->in_count; k++) {
        bnn_graph_kernels(g)->move(bnn_graph_stream(g), &one, weight_of(node, k),
                                   bnn_f32(g, node->in[k]), bnn_f32(g, node->out[0]), k > 0);
    }
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    for (int k = 0; k < node->in_count; k++) {
        if (node->want_grad[k]) {
            bnn_graph_kernels(g)->move(bnn_graph_stream(g), &one, weight_of(node, k),
                                       bnn_grad(g, node->out[0]), bnn_grad(g, node->in[k]),
                                       node->acc[k]);
        }
    }
}

const bnn_op bnn_weighted_sum_op = {
    .name = "weighted_sum", .infer = infer, .forward = forward, .backward = backward};

bnn_t bnn_op_weighted_sum(bnn_graph *g, int count, const bnn_t *terms, const float *weights) {
    if (count < 1 || count > BNN_MAX_IN) {
        return bnn_graph_fail(g, BNN_ERR_SHAPE, "weighted_sum: of %d terms", count);
    }
    return bnn_graph_add(g, &bnn_weighted_sum_op, weights, (size_t)count * sizeof *weights, count,
                         terms);
}
