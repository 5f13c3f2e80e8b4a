/* Inference: batch norm, activation and sign behind a binary product, all as one integer
 * comparison a channel (layers/fold/fold.c finds the thresholds). */
#include "layers/ops.h"

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    if (bnn_shape_count(bnn_shape_of(g, node->in[1])) != (size_t)s.c) {
        return bnn_node_fail(g, node, "%zu thresholds for %d channels",
                             bnn_shape_count(bnn_shape_of(g, node->in[1])), s.c);
    }
    bnn_node_output(g, node, BNN_B1, s);
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->threshold_pack(
        bnn_graph_stream(b->graph), b->rows, b->c, bnn_block_f32(b, node->in[0]),
        bnn_i32(b->graph, node->in[1]), bnn_block_bits(b, node->out[0]));
}

static const bnn_form form = {.in_count = 2, .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_I32)}};

const bnn_op bnn_threshold_op = {.name = "threshold",
                                 .infer = infer,
                                 .forward_rows = {.map = forward},
                                 .row_in = BNN_BIT(0),
                                 .row_out = BNN_BIT(0),
                                 .detached = 1,
                                 .form = &form};

bnn_t bnn_op_threshold(bnn_graph *g, bnn_t x, bnn_t threshold) {
    return bnn_graph_add(g, &bnn_threshold_op, NULL, 0, 2, (bnn_t[]){x, threshold});
}
