/* ReLU and Hardtanh: one op, and one bit a value kept for its backward. */
#include "layers/ops.h"

#include <math.h>

enum { Y, PLANE };

bnn_clamp_bounds bnn_clamp_of(const bnn_node *node) {
    return *(const bnn_clamp_bounds *)node->attr;
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_node_output(g, node, BNN_F32, s);
    if (bnn_wants_grad(g, node->in[0])) {
        bnn_node_output(g, node, BNN_PLANE, s);
        node->saved_out = BNN_SAVED(PLANE);
    }
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    bnn_clamp_bounds a = bnn_clamp_of(node);
    int plane = node->out_count > PLANE && !b->recomputed;
    bnn_graph_kernels(b->graph)->clamp(
        bnn_graph_stream(b->graph), b->rows * b->c, bnn_block_f32(b, node->in[0]), a.lo, a.hi,
        bnn_block_f32(b, node->out[Y]), plane ? bnn_block_bits(b, node->out[PLANE]) : NULL);
}

static void backward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->plane_backward(
        bnn_graph_stream(b->graph), b->rows * b->c, bnn_block_grad(b, node->out[Y]),
        bnn_block_bits(b, node->out[PLANE]), bnn_block_grad(b, node->in[0]), node->acc[0]);
}

static float value(const bnn_graph *g, const bnn_node *node, int channel, float x) {
    bnn_clamp_bounds a = bnn_clamp_of(node);
    (void)g;
    (void)channel;
    return x < a.lo ? a.lo : x > a.hi ? a.hi : x;
}

static int end(const bnn_node *node, bnn_conv_end *of) {
    of->clamp = bnn_clamp_of(node);
    return 1;
}

static const bnn_fold_rule fold = {.kind = BNN_FOLD_CHANNEL, .value = value, .end = end};

static const bnn_op_field fields[] = {
    {"lo", BNN_FIELD_FLOAT, offsetof(bnn_clamp_bounds, lo), -INFINITY, 0},
    {"hi", BNN_FIELD_FLOAT, offsetof(bnn_clamp_bounds, hi), INFINITY, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {.fields = fields,
                              .attr_bytes = sizeof(bnn_clamp_bounds),
                              .in_count = 1,
                              .in_types = {BNN_BIT(BNN_F32)}};

const bnn_op bnn_clamp_op = {.name = "clamp",
                             .infer = infer,
                             .forward_rows = {.map = forward},
                             .backward_rows = {.map = backward},
                             .row_in = BNN_BIT(0),
                             .row_out = BNN_BIT(Y) | BNN_BIT(PLANE),
                             .in_place = 1,
                             .grad_in_place = 1,
                             .fold = &fold,
                             .form = &form};

bnn_t bnn_op_clamp(bnn_graph *g, bnn_t x, float lo, float hi) {
    bnn_clamp_bounds attr = {lo, hi};
    return bnn_graph_add(g, &bnn_clamp_op, &attr, sizeof attr, 1, &x);
}
