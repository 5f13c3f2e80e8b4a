/* How far boxes are from what they were to be, of those that belong to a truth (Girshick, Fast
 * R-CNN, ICCV 2015); beta 0: their absolute differences. */
#include "layers/ops.h"

enum { X, TARGET, LABEL, DIVISOR };

typedef struct smooth_l1_attr {
    float beta;
    int background;
} smooth_l1_attr;

static size_t rows_of(const bnn_graph *g, const bnn_node *node) {
    return bnn_shape_count(bnn_shape_of(g, node->in[LABEL]));
}

static int by_class(const bnn_graph *g, const bnn_node *node) {
    return bnn_shape_count(bnn_shape_of(g, node->in[X])) != 4 * rows_of(g, node);
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const smooth_l1_attr *a = node->attr;
    size_t rows = rows_of(g, node), values = bnn_shape_count(bnn_shape_of(g, node->in[X]));
    if (bnn_shape_count(bnn_shape_of(g, node->in[TARGET])) != 4 * rows || a->background < 1 ||
        (values != 4 * rows && values != 4 * rows * (size_t)a->background)) {
        return bnn_node_fail(g, node, "%zu values for %zu boxes", values, rows);
    }
    bnn_node_output(g, node, BNN_F32, bnn_vector(1));
    node->saved_in = BNN_SAVED(X) | BNN_SAVED(TARGET) | BNN_SAVED(LABEL) | BNN_SAVED(DIVISOR);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const smooth_l1_attr *a = node->attr;
    bnn_graph_kernels(g)->smooth_l1(bnn_graph_stream(g), rows_of(g, node), a->background,
                                    by_class(g, node), a->beta, bnn_f32(g, node->in[X]),
                                    bnn_f32(g, node->in[TARGET]), bnn_i32(g, node->in[LABEL]),
                                    bnn_f32(g, node->in[DIVISOR]), bnn_f32(g, node->out[0]));
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const smooth_l1_attr *a = node->attr;
    bnn_graph_kernels(g)->smooth_l1_backward(
        bnn_graph_stream(g), rows_of(g, node), a->background, by_class(g, node), a->beta,
        bnn_f32(g, node->in[X]), bnn_f32(g, node->in[TARGET]), bnn_i32(g, node->in[LABEL]),
        bnn_f32(g, node->in[DIVISOR]), bnn_grad(g, node->out[0]), bnn_grad(g, node->in[X]),
        node->acc[X]);
}

const bnn_op bnn_smooth_l1_op = {.name = "smooth_l1",
                                 .infer = infer,
                                 .forward = forward,
                                 .backward = backward,
                                 .detached_in = BNN_BIT(TARGET) | BNN_BIT(DIVISOR)};

bnn_t bnn_op_smooth_l1(bnn_graph *g, bnn_t x, bnn_t target, bnn_t label, bnn_t divisor,
                       int background, float beta) {
    smooth_l1_attr attr = {beta, background};
    return bnn_graph_add(g, &bnn_smooth_l1_op, &attr, sizeof attr, 4,
                         (bnn_t[]){x, target, label, divisor});
}
