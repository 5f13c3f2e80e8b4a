/* Bits as the floats they stand for, each row with its factor: what follows is float. The gradient
 * is that of the signs' value; a factor gets none. */
#include "layers/ops.h"

enum { BITS, SCALE };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[BITS]);
    size_t factors = bnn_shape_count(bnn_shape_of(g, node->in[SCALE]));
    if (node->in[SCALE] >= 0 && bnn_shape_rows(s) % factors) {
        return bnn_node_fail(g, node, "%zu scales for %zu rows", factors, bnn_shape_rows(s));
    }
    bnn_node_output(g, node, BNN_F32, s);
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    const bnn_graph *g = b->graph;
    const float *scale = bnn_f32(g, node->in[SCALE]);
    size_t rows = bnn_shape_rows(bnn_shape_of(g, node->in[BITS]));
    size_t factors = scale ? bnn_shape_count(bnn_shape_of(g, node->in[SCALE])) : 1;
    bnn_operand bits = {
        .b1 = bnn_block_bits(b, node->in[BITS]), .scale = scale, .rows_per_scale = rows / factors};
    bnn_graph_kernels(g)->sign_unpack(bnn_graph_stream(g), b->first, b->rows, b->c, &bits,
                                      bnn_block_f32(b, node->out[0]));
}

static void backward(const bnn_block *b, const bnn_node *node) {
    const float *gy = bnn_block_grad(b, node->out[0]);
    float *gx = bnn_block_grad(b, node->in[BITS]);
    if (gx != gy) {
        bnn_graph_kernels(b->graph)->copy(bnn_graph_stream(b->graph), b->rows * b->c, gy, gx,
                                          node->acc[BITS]);
    }
}

const bnn_op bnn_unpack_op = {.name = "unpack",
                              .infer = infer,
                              .forward_rows = {.map = forward},
                              .backward_rows = {.map = backward},
                              .row_in = BNN_BIT(BITS),
                              .row_out = BNN_BIT(0),
                              .detached_in = BNN_BIT(SCALE),
                              .grad_in_place = 1};

bnn_t bnn_op_unpack(bnn_graph *g, bnn_value bits) {
    return bnn_graph_add(g, &bnn_unpack_op, NULL, 0, 2, (bnn_t[]){bits.t, bits.scale});
}
