/* GELU by the error function (Hendrycks & Gimpel 2016), as BERT has it. */
#include "layers/ops.h"

#include <float.h>
#include <math.h>

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_node_output(g, node, BNN_F32, bnn_shape_of(g, node->in[0]));
    node->saved_in = BNN_SAVED(0);
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->gelu(bnn_graph_stream(b->graph), b->rows * b->c,
                                      bnn_block_f32(b, node->in[0]),
                                      bnn_block_f32(b, node->out[0]));
}

static void backward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->gelu_backward(
        bnn_graph_stream(b->graph), b->rows * b->c, bnn_block_grad(b, node->out[0]),
        bnn_block_f32(b, node->in[0]), bnn_block_grad(b, node->in[0]), node->acc[0]);
}

/* To libm's accuracy, and of the kernel's sign. */
static float value(const bnn_graph *g, const bnn_node *node, int channel, float x) {
    float y = 0.5f * x * erfcf(-0.70710678f * x);
    (void)g;
    (void)node;
    (void)channel;
    return x < 0.0f && y > -FLT_MIN ? -FLT_MIN : y;
}

/* It falls before it rises. */
static int monotone(const bnn_graph *g, const bnn_node *node) {
    (void)g;
    (void)node;
    return 0;
}

static const bnn_fold_rule fold = {
    .kind = BNN_FOLD_CHANNEL, .value = value, .monotone = monotone, .keeps_sign = 1};
static const bnn_form form = {.in_count = 1, .in_types = {BNN_BIT(BNN_F32)}};

const bnn_op bnn_gelu_op = {.name = "gelu",
                            .infer = infer,
                            .forward_rows = {.map = forward},
                            .backward_rows = {.map = backward},
                            .row_in = BNN_BIT(0),
                            .row_out = BNN_BIT(0),
                            .in_place = 1,
                            .grad_in_place = 1,
                            .fold = &fold,
                            .form = &form};

bnn_t bnn_op_gelu(bnn_graph *g, bnn_t x) {
    return bnn_graph_add(g, &bnn_gelu_op, NULL, 0, 1, &x);
}
