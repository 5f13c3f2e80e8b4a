/* w2^T max(w1 x, 0) in each row, with a few hidden values: one pass over rows where two products
 * would be four over memory. Both weights lie as [hidden, c]. */
#include "layers/ops.h"

enum { X, W1, W2 };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]), w = bnn_shape_of(g, node->in[W1]);
    if (!bnn_shape_equal(w, bnn_shape_of(g, node->in[W2])) || bnn_shape_rows(w) != (size_t)w.n ||
        w.c != s.c || w.n < 1 || w.n > BNN_BOTTLENECK_MOST) {
        return bnn_node_fail(g, node, "weights of %d hidden values and %d channels for %d channels",
                             w.n, w.c, s.c);
    }
    bnn_node_output(g, node, BNN_F32, s);
    int weights = bnn_wants_grad(g, node->in[W1]) || bnn_wants_grad(g, node->in[W2]);
    if (weights || bnn_wants_grad(g, node->in[X])) {
        node->saved_in = BNN_SAVED(X) | BNN_SAVED(W1) | BNN_SAVED(W2);
        node->workspace = BNN_PIECES * bnn_graph_kernels(g)->bottleneck_bytes(
                                           bnn_graph_stream(g), (size_t)w.c, (size_t)w.n);
    }
    return BNN_OK;
}

static size_t hidden(const bnn_graph *g, const bnn_node *node) {
    return (size_t)bnn_shape_of(g, node->in[W1]).n;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    const bnn_graph *g = b->graph;
    bnn_graph_kernels(g)->bottleneck(bnn_graph_stream(g), b->rows, b->c, hidden(g, node),
                                     bnn_block_f32(b, node->in[X]), bnn_f32(g, node->in[W1]),
                                     bnn_f32(g, node->in[W2]), bnn_block_f32(b, node->out[0]));
}

static void backward(const bnn_block *b, const bnn_node *node) {
    const bnn_graph *g = b->graph;
    const bnn_kernels *k = bnn_graph_kernels(g);
    const bnn_stream *stream = bnn_graph_stream(g);
    char *sums = node->ws_backward;
    k->bottleneck_backward(
        stream, b->rows, b->c, hidden(g, node), bnn_block_grad(b, node->out[0]),
        bnn_block_f32(b, node->in[X]), bnn_f32(g, node->in[W1]), bnn_f32(g, node->in[W2]), b->reset,
        sums + b->piece * k->bottleneck_bytes(stream, b->c, hidden(g, node)),
        node->want_grad[X] ? bnn_block_grad(b, node->in[X]) : NULL, node->acc[X]);
}

static void backward_finish(const bnn_graph *g, const bnn_node *node, size_t pieces) {
    bnn_graph_kernels(g)->bottleneck_finish(
        bnn_graph_stream(g), (size_t)bnn_shape_of(g, node->in[X]).c, hidden(g, node), pieces,
        node->ws_backward, node->want_grad[W1] ? bnn_grad(g, node->in[W1]) : NULL, node->acc[W1],
        node->want_grad[W2] ? bnn_grad(g, node->in[W2]) : NULL, node->acc[W2]);
}

const bnn_op bnn_bottleneck_op = {.name = "bottleneck",
                                  .infer = infer,
                                  .forward_rows = {.map = forward},
                                  .backward_rows = {.map = backward, .finish = backward_finish},
                                  .row_in = BNN_BIT(X),
                                  .row_out = BNN_BIT(0),
                                  .grad_in_place = 1};

bnn_t bnn_op_bottleneck(bnn_graph *g, bnn_t x, bnn_t w1, bnn_t w2) {
    return bnn_graph_add(g, &bnn_bottleneck_op, NULL, 0, 3, (bnn_t[]){x, w1, w2});
}
