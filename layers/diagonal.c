/* A multiple of the identity added to each sample's matrix. */
#include "layers/ops.h"

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    if (s.w != s.c) {
        return bnn_node_fail(g, node, "of matrices of %d by %d", s.w, s.c);
    }
    bnn_node_output(g, node, BNN_F32, s);
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->add_diagonal(
        bnn_graph_stream(b->graph), b->first, b->rows, b->c, *(const float *)node->attr,
        bnn_block_f32(b, node->in[0]), bnn_block_f32(b, node->out[0]));
}

static void backward(const bnn_block *b, const bnn_node *node) {
    const float *gy = bnn_block_grad(b, node->out[0]);
    float *gx = bnn_block_grad(b, node->in[0]);
    if (gx != gy) {
        bnn_graph_kernels(b->graph)->copy(bnn_graph_stream(b->graph), b->rows * b->c, gy, gx,
                                          node->acc[0]);
    }
}

static const bnn_op_field fields[] = {
    {"value", BNN_FIELD_FLOAT, 0, 0, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {
    .fields = fields, .attr_bytes = sizeof(float), .in_count = 1, .in_types = {BNN_BIT(BNN_F32)}};

const bnn_op bnn_diagonal_op = {.name = "diagonal",
                                .infer = infer,
                                .forward_rows = {.map = forward},
                                .backward_rows = {.map = backward},
                                .row_in = BNN_BIT(0),
                                .row_out = BNN_BIT(0),
                                .in_place = 1,
                                .grad_in_place = 1,
                                .form = &form};

bnn_t bnn_op_diagonal(bnn_graph *g, bnn_t x, float value) {
    return bnn_graph_add(g, &bnn_diagonal_op, &value, sizeof value, 1, &x);
}
