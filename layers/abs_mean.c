/* The scale of most algorithms: mean |x| over rows (a filter, a sample), a stop-gradient. */
#include "layers/ops.h"

static size_t groups_of(const bnn_node *node) {
    return (size_t)(*(const int *)node->attr);
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    int groups = *(const int *)node->attr;
    if (!bnn_groups_fit(s, groups)) {
        return bnn_node_fail(g, node, "%d rows of a [%d,%d,%d,%d]", groups, s.n, s.h, s.w, s.c);
    }
    bnn_node_output(g, node, BNN_F32, bnn_vector(groups));
    node->workspace = groups_of(node) * sizeof(double);
    return BNN_OK;
}

static void reduce(const bnn_block *b, const bnn_node *node) {
    size_t rows = bnn_shape_rows(bnn_shape_of(b->graph, node->in[0]));
    bnn_graph_kernels(b->graph)->group_abs_sums(bnn_graph_stream(b->graph), b->first, b->rows, b->c,
                                                rows / groups_of(node),
                                                bnn_block_f32(b, node->in[0]), node->ws);
}

static void finish(const bnn_graph *g, const bnn_node *node, size_t pieces) {
    size_t groups = groups_of(node);
    (void)pieces;
    bnn_graph_kernels(g)->group_abs_mean(bnn_graph_stream(g), groups,
                                         bnn_shape_count(bnn_shape_of(g, node->in[0])) / groups,
                                         node->ws, bnn_f32(g, node->out[0]));
}

static const bnn_op_field fields[] = {
    {"rows", BNN_FIELD_INT, 0, 1, 1},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {
    .fields = fields, .attr_bytes = sizeof(int), .in_count = 1, .in_types = {BNN_BIT(BNN_F32)}};

const bnn_op bnn_abs_mean_op = {.name = "abs_mean",
                                .infer = infer,
                                .forward_rows = {.reduce = reduce, .finish = finish},
                                .row_in = BNN_BIT(0),
                                .by_sample = 1,
                                .detached = 1,
                                .form = &form};

bnn_t bnn_op_abs_mean(bnn_graph *g, bnn_t x, int rows) {
    return bnn_graph_add(g, &bnn_abs_mean_op, &rows, sizeof rows, 1, &x);
}
