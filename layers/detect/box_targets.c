/* What a detector is to say of each box that belongs to a truth: how far that is, and how large. */
#include "layers/detect/private.h"

enum { BOXES, ASSIGNED, TRUTH, CLASS };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[ASSIGNED]), truth = bnn_shape_of(g, node->in[TRUTH]);
    if (!bnn_check_boxes(g, node, node->in[BOXES], truth.n) ||
        !bnn_check_ground_truth(g, node, node->in[TRUTH], node->in[CLASS], BNN_NONE)) {
        return BNN_ERR_SHAPE;
    }
    if (s.n != truth.n || (size_t)s.w != bnn_boxes_of(g, node->in[BOXES], s.n).count) {
        return bnn_node_fail(g, node, "%d boxes are assigned", s.w);
    }
    s.c = 4;
    bnn_node_output(g, node, BNN_F32, s);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_boxes boxes = bnn_boxes_of(g, node->in[BOXES], bnn_shape_of(g, node->in[ASSIGNED]).n);
    bnn_ground_truth truth =
        bnn_ground_truth_tensors(g, node->in[TRUTH], node->in[CLASS], BNN_NONE);
    bnn_graph_kernels(g)->box_targets(bnn_graph_stream(g), &boxes, &truth,
                                      bnn_i32(g, node->in[ASSIGNED]), node->attr,
                                      bnn_f32(g, node->out[0]));
}

const bnn_op bnn_box_targets_op = {
    .name = "box_targets", .infer = infer, .forward = forward, .detached = 1};

bnn_t bnn_op_box_targets(bnn_graph *g, bnn_t boxes, bnn_t assigned, bnn_t truth, bnn_t class,
                         const float std[4]) {
    return bnn_graph_add(g, &bnn_box_targets_op, std, 4 * sizeof *std, 4,
                         (bnn_t[]){boxes, assigned, truth, class});
}
