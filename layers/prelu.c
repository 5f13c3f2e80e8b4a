/* A rectifier whose slope below 0 is learned, one for all channels or one for each (He et al.
 * 2015). */
#include "layers/ops.h"

enum { X, SLOPE };

static size_t slopes(const bnn_graph *g, const bnn_node *node) {
    return bnn_shape_count(bnn_shape_of(g, node->in[SLOPE]));
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    if (slopes(g, node) != 1 && slopes(g, node) != (size_t)s.c) {
        return bnn_node_fail(g, node, "%zu slopes for %d channels", slopes(g, node), s.c);
    }
    bnn_node_output(g, node, BNN_F32, s);
    node->saved_in = BNN_SAVED(X) | (bnn_wants_grad(g, node->in[X]) ? BNN_SAVED(SLOPE) : 0);
    node->workspace =
        BNN_PIECES * bnn_graph_kernels(g)->sums_bytes(bnn_graph_stream(g), (size_t)s.c);
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->prelu(
        bnn_graph_stream(b->graph), b->rows, b->c, bnn_block_f32(b, node->in[X]),
        bnn_f32(b->graph, node->in[SLOPE]), slopes(b->graph, node), bnn_block_f32(b, node->out[0]));
}

static void backward(const bnn_block *b, const bnn_node *node) {
    const bnn_kernels *k = bnn_graph_kernels(b->graph);
    const float *gy = bnn_block_grad(b, node->out[0]), *x = bnn_block_f32(b, node->in[X]);
    if (node->want_grad[SLOPE]) {
        k->prelu_sums(bnn_graph_stream(b->graph), b->rows, b->c, gy, x, b->reset,
                      (char *)node->ws_backward +
                          b->piece * k->sums_bytes(bnn_graph_stream(b->graph), b->c));
    }
    if (node->want_grad[X]) { /* last: it may overwrite gy */
        k->prelu_backward(bnn_graph_stream(b->graph), b->rows, b->c, gy, x,
                          bnn_f32(b->graph, node->in[SLOPE]), slopes(b->graph, node),
                          bnn_block_grad(b, node->in[X]), node->acc[X]);
    }
}

static void backward_finish(const bnn_graph *g, const bnn_node *node, size_t pieces) {
    if (node->want_grad[SLOPE]) {
        bnn_graph_kernels(g)->prelu_finish(
            bnn_graph_stream(g), (size_t)bnn_shape_of(g, node->in[X]).c, pieces, node->ws_backward,
            slopes(g, node), bnn_grad(g, node->in[SLOPE]), node->acc[SLOPE]);
    }
}

static float value(const bnn_graph *g, const bnn_node *node, int channel, float x) {
    const float *slope = bnn_f32(g, node->in[SLOPE]);
    return x > 0.0f ? x : slope[slopes(g, node) == 1 ? 0 : channel] * x;
}

/* Where a slope is negative, both sides of 0 rise. */
static int monotone(const bnn_graph *g, const bnn_node *node) {
    const float *slope = bnn_f32(g, node->in[SLOPE]);
    int rises = slope != NULL;
    for (size_t i = 0; rises && i < slopes(g, node); i++) {
        rises = slope[i] >= 0.0f;
    }
    return rises;
}

static const bnn_fold_rule fold = {.kind = BNN_FOLD_CHANNEL, .value = value, .monotone = monotone};
static const bnn_form form = {.in_count = 2, .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)}};

const bnn_op bnn_prelu_op = {.name = "prelu",
                             .infer = infer,
                             .forward_rows = {.map = forward},
                             .backward_rows = {.map = backward, .finish = backward_finish},
                             .row_in = BNN_BIT(X),
                             .row_out = BNN_BIT(0),
                             .in_place = 1,
                             .grad_in_place = 1,
                             .fold = &fold,
                             .form = &form};

bnn_t bnn_op_prelu(bnn_graph *g, bnn_t x, bnn_t slope) {
    return bnn_graph_add(g, &bnn_prelu_op, NULL, 0, 2, (bnn_t[]){x, slope});
}
