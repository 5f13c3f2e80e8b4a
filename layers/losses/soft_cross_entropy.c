/* The cross-entropy of a student's classes against a teacher's, and distillation as BiBench has it:
 * with half the loss of the labels. The mean is over classes, too. */
#include "layers/ops.h"

enum { STUDENT, TEACHER };
enum { LOSS, DIFFERENCE };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[STUDENT]), t = bnn_shape_of(g, node->in[TEACHER]);
    if (!bnn_shape_equal(s, t)) {
        return bnn_node_fail(g, node, "[%d,%d,%d,%d] logits for a teacher's [%d,%d,%d,%d]", s.n,
                             s.h, s.w, s.c, t.n, t.h, t.w, t.c);
    }
    bnn_node_output(g, node, BNN_F32, bnn_vector(1));
    bnn_node_output(g, node, BNN_F32, s);
    node->saved_out = BNN_SAVED(DIFFERENCE);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[STUDENT]);
    bnn_graph_kernels(g)->soft_cross_entropy(
        bnn_graph_stream(g), bnn_shape_rows(s), (size_t)s.c, bnn_f32(g, node->in[STUDENT]),
        bnn_f32(g, node->in[TEACHER]), bnn_f32(g, node->out[DIFFERENCE]),
        bnn_f32(g, node->out[LOSS]));
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_graph_kernels(g)->soft_cross_entropy_backward(
        bnn_graph_stream(g), bnn_shape_count(bnn_shape_of(g, node->in[STUDENT])),
        bnn_f32(g, node->out[DIFFERENCE]), bnn_grad(g, node->out[LOSS]),
        bnn_grad(g, node->in[STUDENT]), node->acc[STUDENT]);
}

const bnn_op bnn_soft_cross_entropy_op = {.name = "soft_cross_entropy",
                                          .infer = infer,
                                          .forward = forward,
                                          .backward = backward,
                                          .detached_in = BNN_BIT(TEACHER)};

bnn_t bnn_op_soft_cross_entropy(bnn_graph *g, bnn_t student, bnn_t teacher) {
    return bnn_graph_add(g, &bnn_soft_cross_entropy_op, NULL, 0, 2, (bnn_t[]){student, teacher});
}

bnn_t bnn_distillation_loss(bnn_graph *g, bnn_t student, bnn_t teacher, bnn_t label) {
    bnn_t terms[] = {bnn_op_soft_cross_entropy(g, student, teacher),
                     bnn_op_cross_entropy(g, student, label)};
    return bnn_op_weighted_sum(g, 2, terms, (float[]){1.0f, 0.5f});
}
