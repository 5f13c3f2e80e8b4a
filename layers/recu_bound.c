/* ReCU's clamp: the quantile of a Laplace distribution fitted to a layer's standardized weights
 * (Xu et al. 2021, eq. 10), as the window of the sign's surrogate. */
#include "layers/ops.h"

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_node_output(g, node, BNN_F32, bnn_vector(1));
    node->workspace = (size_t)bnn_shape_of(g, node->in[0]).n * sizeof(double);
    return BNN_OK;
}

/* A filter at a time: its sum lies in one piece. */
static void reduce(const bnn_block *b, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(b->graph, node->in[0]);
    bnn_graph_kernels(b->graph)->group_abs_sums(bnn_graph_stream(b->graph), b->first, b->rows, b->c,
                                                (size_t)s.h * (size_t)s.w,
                                                bnn_block_f32(b, node->in[0]), node->ws);
}

static void finish(const bnn_graph *g, const bnn_node *node, size_t pieces) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    (void)pieces;
    bnn_graph_kernels(g)->recu_bound(bnn_graph_stream(g), (size_t)s.n, bnn_shape_count(s), node->ws,
                                     bnn_f32(g, node->in[1]), bnn_f32(g, node->out[0]));
}

const bnn_op bnn_recu_bound_op = {.name = "recu_bound",
                                  .infer = infer,
                                  .forward_rows = {.reduce = reduce, .finish = finish},
                                  .row_in = BNN_BIT(0),
                                  .by_sample = 1,
                                  .detached = 1};

bnn_t bnn_op_recu_bound(bnn_graph *g, bnn_t w1, bnn_t tau) {
    return bnn_graph_add(g, &bnn_recu_bound_op, NULL, 0, 2, (bnn_t[]){w1, tau});
}
