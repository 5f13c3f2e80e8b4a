/* FDA's operand while its noise lives: a sign plus alpha times a small network's output, which is
 * not +-1, so what it feeds is a float product by nature (Xu et al. 2021, sec. 3.3). */
#include "layers/ops.h"

enum { X, LIN, S, ALPHA, N };

static size_t scales_of(const bnn_graph *g, const bnn_node *node) {
    return node->in[S] < 0 ? 1 : bnn_shape_count(bnn_shape_of(g, node->in[S]));
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    size_t n = bnn_shape_count(s);
    if (bnn_shape_rows(s) % scales_of(g, node) ||
        (node->in[LIN] >= 0 && bnn_shape_count(bnn_shape_of(g, node->in[LIN])) != n)) {
        return bnn_node_fail(g, node, "noise or scale do not fit %zu values", n);
    }
    bnn_node_output(g, node, BNN_F32, s);
    node->saved_in = BNN_SAVED(X) | BNN_SAVED(S) | BNN_SAVED(ALPHA) | BNN_SAVED(N);
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    const bnn_graph *g = b->graph;
    size_t rows = bnn_shape_rows(bnn_shape_of(g, node->in[X]));
    bnn_graph_kernels(g)->noisy_sign(bnn_graph_stream(g), b->first, b->rows, b->c,
                                     rows / scales_of(g, node), bnn_block_f32(b, node->in[X]),
                                     bnn_block_f32(b, node->in[LIN]), bnn_f32(g, node->in[S]),
                                     bnn_f32(g, node->in[ALPHA]), bnn_block_f32(b, node->out[0]));
}

static void backward(const bnn_block *b, const bnn_node *node) {
    const bnn_graph *g = b->graph;
    size_t rows = bnn_shape_rows(bnn_shape_of(g, node->in[X]));
    bnn_graph_kernels(g)->noisy_sign_backward(
        bnn_graph_stream(g), b->first, b->rows, b->c, rows / scales_of(g, node),
        bnn_block_grad(b, node->out[0]), bnn_block_f32(b, node->in[X]), bnn_f32(g, node->in[S]),
        bnn_f32(g, node->in[ALPHA]), bnn_f32(g, node->in[N]),
        node->want_grad[X] ? bnn_block_grad(b, node->in[X]) : NULL, node->acc[X],
        node->want_grad[LIN] ? bnn_block_grad(b, node->in[LIN]) : NULL, node->acc[LIN]);
}

const bnn_op bnn_noisy_sign_op = {.name = "noisy_sign",
                                  .infer = infer,
                                  .forward_rows = {.map = forward},
                                  .backward_rows = {.map = backward},
                                  .row_in = BNN_BIT(X) | BNN_BIT(LIN),
                                  .row_out = BNN_BIT(0),
                                  .grad_in_place = 1};

bnn_t bnn_op_noisy_sign(bnn_graph *g, bnn_t x, bnn_t lin, bnn_t s, bnn_t alpha, bnn_t n) {
    return bnn_graph_add(g, &bnn_noisy_sign_op, NULL, 0, 5, (bnn_t[]){x, lin, s, alpha, n});
}
