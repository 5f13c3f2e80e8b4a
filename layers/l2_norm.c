/* Each pixel's channels over their length, times a factor a channel (Liu et al., ParseNet 2015),
 * which brings an early map to the size of later ones. */
#include "layers/ops.h"

enum { X, WEIGHT };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    size_t count = bnn_shape_count(bnn_shape_of(g, node->in[WEIGHT]));
    if (count != (size_t)s.c) {
        return bnn_node_fail(g, node, "%zu factors for %d channels", count, s.c);
    }
    bnn_node_output(g, node, BNN_F32, s);
    node->saved_in = BNN_SAVED(X) | (bnn_wants_grad(g, node->in[X]) ? BNN_SAVED(WEIGHT) : 0);
    if (bnn_wants_grad(g, node->in[WEIGHT])) {
        node->workspace =
            BNN_PIECES * bnn_graph_kernels(g)->sums_bytes(bnn_graph_stream(g), (size_t)s.c);
    }
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->l2_norm(
        bnn_graph_stream(b->graph), b->rows, b->c, bnn_block_f32(b, node->in[X]),
        bnn_f32(b->graph, node->in[WEIGHT]), *(const float *)node->attr,
        bnn_block_f32(b, node->out[0]));
}

static void backward(const bnn_block *b, const bnn_node *node) {
    const bnn_kernels *k = bnn_graph_kernels(b->graph);
    const bnn_stream *stream = bnn_graph_stream(b->graph);
    k->l2_norm_backward(
        stream, b->rows, b->c, bnn_block_grad(b, node->out[0]), bnn_block_f32(b, node->in[X]),
        bnn_f32(b->graph, node->in[WEIGHT]), *(const float *)node->attr, b->reset,
        node->want_grad[WEIGHT] ? (char *)node->ws_backward + b->piece * k->sums_bytes(stream, b->c)
                                : NULL,
        node->want_grad[X] ? bnn_block_grad(b, node->in[X]) : NULL, node->acc[X]);
}

static void backward_finish(const bnn_graph *g, const bnn_node *node, size_t pieces) {
    if (node->want_grad[WEIGHT]) {
        bnn_graph_kernels(g)->channel_sums_finish(
            bnn_graph_stream(g), (size_t)bnn_shape_of(g, node->in[X]).c, pieces, node->ws_backward,
            NULL, bnn_grad(g, node->in[WEIGHT]), node->acc[WEIGHT]);
    }
}

static const bnn_op_field fields[] = {
    {"eps", BNN_FIELD_FLOAT, 0, 0, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {
    .fields = fields,
    .attr_bytes = sizeof(float),
    .in_count = 2,
    .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)},
};

const bnn_op bnn_l2_norm_op = {.name = "l2_norm",
                               .infer = infer,
                               .forward_rows = {.map = forward},
                               .backward_rows = {.map = backward, .finish = backward_finish},
                               .row_in = BNN_BIT(X),
                               .row_out = BNN_BIT(0),
                               .in_place = 1,
                               .grad_in_place = 1,
                               .form = &form};

bnn_t bnn_op_l2_norm(bnn_graph *g, bnn_t x, bnn_t weight, float eps) {
    return bnn_graph_add(g, &bnn_l2_norm_op, &eps, sizeof eps, 2, (bnn_t[]){x, weight});
}
