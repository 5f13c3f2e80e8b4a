/* Classes of boxes: that of the truth, the background, or -1 for what does not count. */
#include "layers/detect/private.h"

enum { ASSIGNED, TRUTH, CLASS };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[ASSIGNED]);
    if (node->in[TRUTH] >= 0 &&
        !bnn_check_ground_truth(g, node, node->in[TRUTH], node->in[CLASS], BNN_NONE)) {
        return BNN_ERR_SHAPE;
    }
    if (node->in[TRUTH] >= 0 && bnn_shape_of(g, node->in[TRUTH]).n != s.n) {
        return bnn_node_fail(g, node, "truths of %d images for %d",
                             bnn_shape_of(g, node->in[TRUTH]).n, s.n);
    }
    bnn_node_output(g, node, BNN_I32, s);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[ASSIGNED]);
    bnn_ground_truth truth =
        bnn_ground_truth_tensors(g, node->in[TRUTH], node->in[CLASS], BNN_NONE);
    bnn_graph_kernels(g)->box_labels(
        bnn_graph_stream(g), (size_t)s.n, (size_t)s.w, node->in[TRUTH] < 0 ? NULL : &truth,
        bnn_i32(g, node->in[ASSIGNED]), *(const int *)node->attr, bnn_i32(g, node->out[0]));
}

const bnn_op bnn_box_labels_op = {
    .name = "box_labels", .infer = infer, .forward = forward, .detached = 1};

bnn_t bnn_op_box_labels(bnn_graph *g, bnn_t assigned, bnn_t truth, bnn_t class, int background) {
    return bnn_graph_add(g, &bnn_box_labels_op, &background, sizeof background, 3,
                         (bnn_t[]){assigned, truth, class});
}
