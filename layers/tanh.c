/* The hyperbolic tangent. Its backward reads its result. */
#include "layers/ops.h"

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_node_output(g, node, BNN_F32, bnn_shape_of(g, node->in[0]));
    node->saved_out = BNN_SAVED(0);
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->tanh(bnn_graph_stream(b->graph), b->rows * b->c,
                                      bnn_block_f32(b, node->in[0]),
                                      bnn_block_f32(b, node->out[0]));
}

static void backward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->tanh_backward(
        bnn_graph_stream(b->graph), b->rows * b->c, bnn_block_grad(b, node->out[0]),
        bnn_block_f32(b, node->out[0]), bnn_block_grad(b, node->in[0]), node->acc[0]);
}

static const bnn_form form = {.in_count = 1, .in_types = {BNN_BIT(BNN_F32)}};

const bnn_op bnn_tanh_op = {.name = "tanh",
                            .infer = infer,
                            .forward_rows = {.map = forward},
                            .backward_rows = {.map = backward},
                            .row_in = BNN_BIT(0),
                            .row_out = BNN_BIT(0),
                            .in_place = 1,
                            .grad_in_place = 1,
                            .form = &form};

bnn_t bnn_op_tanh(bnn_graph *g, bnn_t x) {
    return bnn_graph_add(g, &bnn_tanh_op, NULL, 0, 1, &x);
}
