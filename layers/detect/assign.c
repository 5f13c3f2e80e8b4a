/* Which truth each box is to find. */
#include "layers/detect/private.h"

enum { BOXES, TRUTH, CLASS, IGNORE };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    int n = bnn_shape_of(g, node->in[TRUTH]).n;
    if (!bnn_check_boxes(g, node, node->in[BOXES], n) ||
        !bnn_check_ground_truth(g, node, node->in[TRUTH], node->in[CLASS], node->in[IGNORE])) {
        return BNN_ERR_SHAPE;
    }
    bnn_boxes boxes = bnn_boxes_of(g, node->in[BOXES], n);
    bnn_node_output(g, node, BNN_I32, (bnn_shape){n, 1, (int)boxes.count, 1});
    node->workspace = bnn_boxes_scratch(g, (size_t)bnn_shape_of(g, node->in[TRUTH]).w, 0);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_boxes boxes = bnn_boxes_of(g, node->in[BOXES], bnn_shape_of(g, node->in[TRUTH]).n);
    bnn_ground_truth truth =
        bnn_ground_truth_tensors(g, node->in[TRUTH], node->in[CLASS], node->in[IGNORE]);
    bnn_graph_kernels(g)->assign(bnn_graph_stream(g), &boxes, &truth, node->attr,
                                 bnn_i32(g, node->out[0]), node->ws);
}

const bnn_op bnn_assign_op = {.name = "assign", .infer = infer, .forward = forward, .detached = 1};

bnn_t bnn_op_assign(bnn_graph *g, bnn_t boxes, bnn_t truth, bnn_t class, bnn_t ignore,
                    const bnn_matching *matching) {
    return bnn_graph_add(g, &bnn_assign_op, matching, sizeof *matching, 4,
                         (bnn_t[]){boxes, truth, class, ignore});
}
