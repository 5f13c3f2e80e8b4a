/* The mean of the samples' 2-norms, and PointNet's regulariser (Qi et al., CVPR 2017) as BiPointNet
 * has it: how far a feature transform A is from orthogonal, as the norm of A (A' - I). */
#include "layers/ops.h"

enum { MEAN, NORM };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_node_output(g, node, BNN_F32, bnn_vector(1));
    bnn_node_output(g, node, BNN_F32, bnn_vector(s.n));
    node->saved_in = BNN_SAVED(0);
    node->saved_out = BNN_SAVED(NORM);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_graph_kernels(g)->norm_mean(bnn_graph_stream(g), (size_t)s.n,
                                    bnn_shape_count(s) / (size_t)s.n, bnn_f32(g, node->in[0]),
                                    bnn_f32(g, node->out[NORM]), bnn_f32(g, node->out[MEAN]));
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_graph_kernels(g)->norm_mean_backward(
        bnn_graph_stream(g), (size_t)s.n, bnn_shape_count(s) / (size_t)s.n,
        bnn_grad(g, node->out[MEAN]), bnn_f32(g, node->in[0]), bnn_f32(g, node->out[NORM]),
        bnn_grad(g, node->in[0]), node->acc[0]);
}

const bnn_op bnn_norm_mean_op = {
    .name = "norm_mean", .infer = infer, .forward = forward, .backward = backward};

bnn_t bnn_op_norm_mean(bnn_graph *g, bnn_t x) {
    return bnn_graph_add(g, &bnn_norm_mean_op, NULL, 0, 1, &x);
}

bnn_t bnn_transform_regulariser(bnn_graph *g, bnn_t a) {
    /* A (A - I)', so that the filters of the product are rows. */
    return bnn_op_norm_mean(g, bnn_op_batch_product(g, a, bnn_op_diagonal(g, a, -1.0f)));
}
