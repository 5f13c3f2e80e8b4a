/* ReCU's clamp: the quantile of a Laplace distribution fitted to a layer's standardized weights
 * (Xu et al. 2021, eq. 10), as the window of the sign's surrogate. */
#include "layers/ops.h"

#include <math.h>

enum { Q, ROW_MEAN };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_node_output(g, node, BNN_F32, bnn_vector(1));
    bnn_node_output(g, node, BNN_F32, bnn_vector(bnn_shape_of(g, node->in[0]).n));
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    size_t rows = (size_t)s.n;
    float *row_mean = bnn_f32(g, node->out[ROW_MEAN]);
    /* A filter at a time: parallel, and the mean of equal rows' means is the mean of all. */
    bnn_graph_kernels(g)->row_abs_mean(rows, bnn_shape_count(s) / rows, bnn_f32(g, node->in[0]),
                                       row_mean);
    double sum = 0.0;
    for (size_t i = 0; i < rows; i++) {
        sum += (double)row_mean[i];
    }
    double tau = (double)*bnn_f32(g, node->in[1]);
    *bnn_f32(g, node->out[Q]) =
        tau < 1.0 ? (float)(-sum / (double)rows * log(2.0 - 2.0 * tau)) : INFINITY;
}

const bnn_op bnn_recu_bound_op = {
    .name = "recu_bound", .infer = infer, .forward = forward, .detached = 1};

bnn_t bnn_op_recu_bound(bnn_graph *g, bnn_t w1, bnn_t tau) {
    return bnn_graph_add(g, &bnn_recu_bound_op, NULL, 0, 2, (bnn_t[]){w1, tau});
}
