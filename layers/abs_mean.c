/* The scale of most algorithms: mean |x| over rows (a filter, a sample), a stop-gradient. */
#include "layers/ops.h"

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    int rows = *(const int *)node->attr;
    size_t n = bnn_shape_count(bnn_shape_of(g, node->in[0]));
    if (rows < 1 || n % (size_t)rows) {
        return bnn_node_fail(g, node, "%zu values do not make %d rows", n, rows);
    }
    bnn_node_output(g, node, BNN_F32, bnn_vector(rows));
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    size_t rows = (size_t)(*(const int *)node->attr);
    size_t n = bnn_shape_count(bnn_shape_of(g, node->in[0]));
    bnn_graph_kernels(g)->row_abs_mean(rows, n / rows, bnn_f32(g, node->in[0]),
                                       bnn_f32(g, node->out[0]));
}

const bnn_op bnn_abs_mean_op = {
    .name = "abs_mean", .infer = infer, .forward = forward, .detached = 1};

bnn_t bnn_op_abs_mean(bnn_graph *g, bnn_t x, int rows) {
    return bnn_graph_add(g, &bnn_abs_mean_op, &rows, sizeof rows, 1, &x);
}
