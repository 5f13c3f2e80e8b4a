/* Softmax cross-entropy against class indices, of samples, of all their points, or of boxes some of
 * which do not count: their mean, or their sum over a number that another node counts. */
#include "layers/ops.h"

enum { LOGITS, LABEL, DIVISOR };
enum { LOSS, PROBABILITY };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[LOGITS]), label = bnn_shape_of(g, node->in[LABEL]);
    if (bnn_shape_count(label) != bnn_shape_rows(s)) {
        return bnn_node_fail(g, node, "[%d,%d,%d,%d] logits for %zu labels", s.n, s.h, s.w, s.c,
                             bnn_shape_count(label));
    }
    bnn_node_output(g, node, BNN_F32, bnn_vector(1));
    bnn_node_output(g, node, BNN_F32, s);
    node->saved_in = BNN_SAVED(LABEL) | BNN_SAVED(DIVISOR);
    node->saved_out = BNN_SAVED(PROBABILITY);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[LOGITS]);
    bnn_graph_kernels(g)->cross_entropy(
        bnn_graph_stream(g), bnn_shape_rows(s), (size_t)s.c, bnn_f32(g, node->in[LOGITS]),
        bnn_i32(g, node->in[LABEL]), bnn_f32(g, node->in[DIVISOR]),
        bnn_f32(g, node->out[PROBABILITY]), bnn_f32(g, node->out[LOSS]));
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[LOGITS]);
    bnn_graph_kernels(g)->cross_entropy_backward(
        bnn_graph_stream(g), bnn_shape_rows(s), (size_t)s.c, bnn_f32(g, node->out[PROBABILITY]),
        bnn_i32(g, node->in[LABEL]), bnn_f32(g, node->in[DIVISOR]), bnn_grad(g, node->out[LOSS]),
        bnn_grad(g, node->in[LOGITS]), node->acc[LOGITS]);
}

const bnn_op bnn_cross_entropy_op = {.name = "cross_entropy",
                                     .infer = infer,
                                     .forward = forward,
                                     .backward = backward,
                                     .detached_in = BNN_BIT(DIVISOR)};

bnn_t bnn_op_cross_entropy(bnn_graph *g, bnn_t logits, bnn_t label) {
    return bnn_op_cross_entropy_over(g, logits, label, BNN_NONE);
}

bnn_t bnn_op_cross_entropy_over(bnn_graph *g, bnn_t logits, bnn_t label, bnn_t divisor) {
    return bnn_graph_add(g, &bnn_cross_entropy_op, NULL, 0, 3, (bnn_t[]){logits, label, divisor});
}
