/* How much of its input each image takes: networks that see photographs of many proportions get
 * them at the top left, and zeros beside them. */
#include "layers/ops.h"

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_node_output(g, node, BNN_F32, (bnn_shape){s.n, 1, 1, 2});
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_graph_kernels(g)->frame(bnn_graph_stream(g), (size_t)s.n, (size_t)s.h, (size_t)s.w,
                                (size_t)s.c, bnn_f32(g, node->in[0]), bnn_f32(g, node->out[0]));
}

static const bnn_form form = {.in_count = 1, .in_types = {BNN_BIT(BNN_F32)}};

const bnn_op bnn_frame_op = {
    .name = "frame", .infer = infer, .forward = forward, .detached = 1, .form = &form};

bnn_t bnn_op_frame(bnn_graph *g, bnn_t x) {
    return bnn_graph_add(g, &bnn_frame_op, NULL, 0, 1, &x);
}
