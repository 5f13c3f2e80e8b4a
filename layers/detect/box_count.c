/* What losses of boxes are divided by. */
#include "layers/ops.h"

typedef struct box_count_attr {
    int background;
    bnn_box_count rule;
} box_count_attr;

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_node_output(g, node, BNN_F32, bnn_vector(1));
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const box_count_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_graph_kernels(g)->box_count(bnn_graph_stream(g), (size_t)s.n,
                                    bnn_shape_count(s) / (size_t)s.n, bnn_i32(g, node->in[0]),
                                    a->background, a->rule, bnn_f32(g, node->out[0]));
}

const bnn_op bnn_box_count_op = {
    .name = "box_count", .infer = infer, .forward = forward, .detached = 1};

bnn_t bnn_op_box_count(bnn_graph *g, bnn_t label, int background, bnn_box_count rule) {
    box_count_attr attr = {background, rule};
    return bnn_graph_add(g, &bnn_box_count_op, &attr, sizeof attr, 1, &label);
}
