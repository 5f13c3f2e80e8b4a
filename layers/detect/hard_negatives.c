/* Of the background only what is hardest keeps its label (Liu et al., SSD 2016). */
#include "layers/detect/private.h"

enum { LOGITS, LABEL };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[LOGITS]), label = bnn_shape_of(g, node->in[LABEL]);
    if (s.n != label.n || bnn_shape_rows(s) != bnn_shape_count(label) || s.c < 2) {
        return bnn_node_fail(g, node, "[%d,%d,%d,%d] logits for %zu labels", s.n, s.h, s.w, s.c,
                             bnn_shape_count(label));
    }
    bnn_node_output(g, node, BNN_I32, label);
    node->workspace = bnn_boxes_scratch(g, bnn_shape_rows(s) / (size_t)s.n, 0);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[LOGITS]);
    bnn_graph_kernels(g)->hard_negatives(
        bnn_graph_stream(g), (size_t)s.n, bnn_shape_rows(s) / (size_t)s.n, s.c - 1,
        *(const int *)node->attr, bnn_f32(g, node->in[LOGITS]), bnn_i32(g, node->in[LABEL]),
        bnn_i32(g, node->out[0]), node->ws);
}

const bnn_op bnn_hard_negatives_op = {
    .name = "hard_negatives", .infer = infer, .forward = forward, .detached = 1};

bnn_t bnn_op_hard_negatives(bnn_graph *g, bnn_t logits, bnn_t label, int ratio) {
    return bnn_graph_add(g, &bnn_hard_negatives_op, &ratio, sizeof ratio, 2,
                         (bnn_t[]){logits, label});
}
