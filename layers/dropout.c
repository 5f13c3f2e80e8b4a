/* Dropout (Srivastava et al. 2014). What is dropped is a function of the graph's random numbers,
 * the site and the value's number (graph.h), so the backward knows it again and nothing is kept. */
#include "layers/ops.h"

typedef struct dropout_attr {
    uint64_t site;
    float p;
} dropout_attr;

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const dropout_attr *a = node->attr;
    if (!(a->p >= 0.0f && a->p < 1.0f)) {
        return bnn_node_fail(g, node, "with probability %g", (double)a->p);
    }
    bnn_node_output(g, node, BNN_F32, bnn_shape_of(g, node->in[0]));
    return BNN_OK;
}

static void drop(const bnn_block *b, const bnn_node *node, const float *x, float *y, int acc) {
    const dropout_attr *a = node->attr;
    bnn_graph_kernels(b->graph)->dropout(bnn_graph_stream(b->graph), b->first * b->c,
                                         b->rows * b->c, x, a->p,
                                         bnn_graph_random(b->graph, a->site), y, acc);
}

static void forward(const bnn_block *b, const bnn_node *node) {
    drop(b, node, bnn_block_f32(b, node->in[0]), bnn_block_f32(b, node->out[0]), 0);
}

static void backward(const bnn_block *b, const bnn_node *node) {
    drop(b, node, bnn_block_grad(b, node->out[0]), bnn_block_grad(b, node->in[0]), node->acc[0]);
}

const bnn_op bnn_dropout_op = {.name = "dropout",
                               .infer = infer,
                               .forward_rows = {.map = forward},
                               .backward_rows = {.map = backward},
                               .row_in = BNN_BIT(0),
                               .row_out = BNN_BIT(0),
                               .in_place = 1,
                               .grad_in_place = 1};

bnn_t bnn_op_dropout(bnn_graph *g, bnn_t x, float p, uint64_t site) {
    dropout_attr attr = {site, p};
    return p != 0.0f && bnn_graph_training(g)
               ? bnn_graph_add(g, &bnn_dropout_op, &attr, sizeof attr, 1, &x)
               : x;
}
