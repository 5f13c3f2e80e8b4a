/* A residual sum. Its gradient is the same for both sides: one takes it over, one gets a copy. */
#include "layers/ops.h"

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape a = bnn_shape_of(g, node->in[0]), b = bnn_shape_of(g, node->in[1]);
    if (!bnn_shape_equal(a, b)) {
        return bnn_node_fail(g, node, "[%d,%d,%d,%d] and [%d,%d,%d,%d] differ", a.n, a.h, a.w, a.c,
                             b.n, b.h, b.w, b.c);
    }
    bnn_node_output(g, node, BNN_F32, a);
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->add(bnn_graph_stream(b->graph), b->rows * b->c,
                                     bnn_block_f32(b, node->in[0]), bnn_block_f32(b, node->in[1]),
                                     bnn_block_f32(b, node->out[0]));
}

static void backward(const bnn_block *b, const bnn_node *node) {
    const bnn_kernels *k = bnn_graph_kernels(b->graph);
    const float *gy = bnn_block_grad(b, node->out[0]);
    for (int i = 0; i < 2; i++) {
        float *gx = node->want_grad[i] ? bnn_block_grad(b, node->in[i]) : NULL;
        if (gx && gx != gy) {
            k->copy(bnn_graph_stream(b->graph), b->rows * b->c, gy, gx, node->acc[i]);
        } else if (gx && i == 1) {
            k->add(bnn_graph_stream(b->graph), b->rows * b->c, gy, gy,
                   gx); /* x + x, its gradient in gy's place */
        }
    }
}

static const bnn_fold_rule fold = {.kind = BNN_FOLD_SUM};
static const bnn_form form = {.in_count = 2, .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)}};

const bnn_op bnn_add_op = {.name = "add",
                           .infer = infer,
                           .forward_rows = {.map = forward},
                           .backward_rows = {.map = backward},
                           .row_in = BNN_BIT(0) | BNN_BIT(1),
                           .row_out = BNN_BIT(0),
                           .in_place = 1,
                           .grad_in_place = 1,
                           .fold = &fold,
                           .form = &form};

bnn_t bnn_op_add(bnn_graph *g, bnn_t a, bnn_t b) {
    return bnn_graph_add(g, &bnn_add_op, NULL, 0, 2, (bnn_t[]){a, b});
}
