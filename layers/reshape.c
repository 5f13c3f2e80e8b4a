/* Another shape for the same values: the plan gives both one place (op.h, view). */
#include "layers/ops.h"

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const bnn_shape *shape = node->attr;
    if (bnn_shape_count(*shape) != bnn_shape_count(bnn_shape_of(g, node->in[0]))) {
        return bnn_node_fail(g, node, "%zu values do not fill [%d,%d,%d,%d]",
                             bnn_shape_count(bnn_shape_of(g, node->in[0])), shape->n, shape->h,
                             shape->w, shape->c);
    }
    if (bnn_role_of(g, node->in[0]) == BNN_ROLE_INPUT) {
        return bnn_node_fail(g, node, "of an input of the graph; give the input this shape");
    }
    bnn_node_output(g, node, BNN_F32, *shape);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    (void)g;
    (void)node;
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const float *gy = bnn_grad(g, node->out[0]);
    float *gx = bnn_grad(g, node->in[0]);
    if (gx != gy) {
        bnn_graph_kernels(g)->copy(bnn_shape_count(bnn_shape_of(g, node->in[0])), gy, gx,
                                   node->acc[0]);
    }
}

const bnn_op bnn_reshape_op = {.name = "reshape",
                               .infer = infer,
                               .forward = forward,
                               .backward = backward,
                               .view = 1,
                               .grad_in_place = 1};

bnn_t bnn_op_reshape(bnn_graph *g, bnn_t x, bnn_shape shape) {
    return bnn_graph_add(g, &bnn_reshape_op, &shape, sizeof shape, 1, &x);
}
