/* Another shape for the same values: the plan gives both one place (op.h, view). */
#include "layers/ops.h"

typedef struct reshape_attr {
    bnn_shape shape;
    int flattens; /* the channels of an image whose pixels it puts one behind the other, or 0 */
} reshape_attr;

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const bnn_shape *shape = &((const reshape_attr *)node->attr)->shape;
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
        bnn_graph_kernels(g)->copy(bnn_graph_stream(g),
                                   bnn_shape_count(bnn_shape_of(g, node->in[0])), gy, gx,
                                   node->acc[0]);
    }
}

static const bnn_fold_rule fold = {.selects = 1};

static const bnn_op_field fields[] = {
    {"n", BNN_FIELD_INT, offsetof(reshape_attr, shape.n), 1, 1},
    {"h", BNN_FIELD_INT, offsetof(reshape_attr, shape.h), 1, 0},
    {"w", BNN_FIELD_INT, offsetof(reshape_attr, shape.w), 1, 0},
    {"c", BNN_FIELD_INT, offsetof(reshape_attr, shape.c), 1, 0},
    {"flattens", BNN_FIELD_INT, offsetof(reshape_attr, flattens), 0, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {.fields = fields,
                              .attr_bytes = sizeof(reshape_attr),
                              .in_count = 1,
                              .in_types = {BNN_BIT(BNN_F32)}};

const bnn_op bnn_reshape_op = {.name = "reshape",
                               .infer = infer,
                               .forward = forward,
                               .backward = backward,
                               .view = 1,
                               .grad_in_place = 1,
                               .fold = &fold,
                               .form = &form};

bnn_t bnn_op_reshape(bnn_graph *g, bnn_t x, bnn_shape shape) {
    reshape_attr attr = {.shape = shape};
    return bnn_graph_add(g, &bnn_reshape_op, &attr, sizeof attr, 1, &x);
}

bnn_t bnn_op_flatten(bnn_graph *g, bnn_t x) {
    bnn_shape s = bnn_shape_of(g, x);
    double values = (double)s.h * s.w * s.c;
    if (values > BNN_MAX_DIM) {
        return bnn_graph_fail(g, BNN_ERR_SHAPE,
                              "an image of %dx%d is too large for a classifier of all its pixels",
                              s.h, s.w);
    }
    reshape_attr attr = {{s.n, 1, 1, (int)values}, s.c};
    return bnn_graph_add(g, &bnn_reshape_op, &attr, sizeof attr, 1, &x);
}

int bnn_flattened_channels(const bnn_graph *g, bnn_t x) {
    const bnn_node *node;
    bnn_shape s = bnn_shape_of(g, x);
    while ((node = bnn_graph_producer(g, x)) && node->op != &bnn_reshape_op &&
           (node->op->row_in & BNN_BIT(0)) && bnn_shape_equal(bnn_shape_of(g, node->in[0]), s)) {
        x = node->in[0];
    }
    int flattens =
        node && node->op == &bnn_reshape_op ? ((const reshape_attr *)node->attr)->flattens : 0;
    return flattens ? flattens : s.c;
}
