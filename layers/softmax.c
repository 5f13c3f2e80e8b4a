/* Softmax of each row, of what is left where a mask was added: one row of it for each sample. */
#include "layers/ops.h"

enum { X, MASK };

static size_t per_mask(const bnn_graph *g, const bnn_node *node) {
    return node->in[MASK] < 0 ? 1
                              : bnn_shape_rows(bnn_shape_of(g, node->in[X])) /
                                    bnn_shape_rows(bnn_shape_of(g, node->in[MASK]));
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    if (node->in[MASK] >= 0) {
        bnn_shape m = bnn_shape_of(g, node->in[MASK]);
        if (m.n != s.n || m.h != 1 || m.w != 1 || m.c != s.c) {
            return bnn_node_fail(g, node, "a mask [%d,%d,%d,%d] for [%d,%d,%d,%d]", m.n, m.h, m.w,
                                 m.c, s.n, s.h, s.w, s.c);
        }
    }
    bnn_node_output(g, node, BNN_F32, s);
    node->saved_out = BNN_SAVED(0);
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->softmax(bnn_graph_stream(b->graph), b->first, b->rows, b->c,
                                         bnn_block_f32(b, node->in[X]), per_mask(b->graph, node),
                                         bnn_f32(b->graph, node->in[MASK]),
                                         bnn_block_f32(b, node->out[0]));
}

static void backward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->softmax_backward(
        bnn_graph_stream(b->graph), b->rows, b->c, bnn_block_grad(b, node->out[0]),
        bnn_block_f32(b, node->out[0]), bnn_block_grad(b, node->in[X]), node->acc[X]);
}

static const bnn_form form = {
    .in_count = 2, .optional = BNN_BIT(MASK), .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)}};

const bnn_op bnn_softmax_op = {.name = "softmax",
                               .infer = infer,
                               .forward_rows = {.map = forward},
                               .backward_rows = {.map = backward},
                               .row_in = BNN_BIT(X),
                               .row_out = BNN_BIT(0),
                               .detached_in = BNN_BIT(MASK),
                               .in_place = 1,
                               .grad_in_place = 1,
                               .form = &form};

bnn_t bnn_op_softmax(bnn_graph *g, bnn_t x, bnn_t mask) {
    return bnn_graph_add(g, &bnn_softmax_op, NULL, 0, 2, (bnn_t[]){x, mask});
}
