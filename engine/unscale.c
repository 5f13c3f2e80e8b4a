/* The product a scaled tensor stands for, where an op wants it. The scale is a stop-gradient. */
#include "engine/op.h"

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    if (bnn_shape_count(bnn_shape_of(g, node->in[1])) != (size_t)s.c) {
        return bnn_node_fail(g, node, "%zu factors for %d channels",
                             bnn_shape_count(bnn_shape_of(g, node->in[1])), s.c);
    }
    bnn_node_output(g, node, BNN_F32, s);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_graph_kernels(g)->affine(bnn_shape_rows(s), (size_t)s.c, bnn_f32(g, node->in[0]),
                                 bnn_f32(g, node->in[1]), NULL, bnn_f32(g, node->out[0]), 0);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const float *gy = bnn_grad(g, node->out[0]);
    float *gx = bnn_grad(g, node->in[0]);
    if (gx != gy) {
        bnn_graph_kernels(g)->copy(bnn_shape_count(bnn_shape_of(g, node->in[0])), gy, gx,
                                   node->acc[0]);
    }
}

static int fold(const bnn_graph *g, const bnn_node *node, double *a, double *b) {
    const float *scale = bnn_f32(g, node->in[1]);
    for (int i = 0; a && i < bnn_shape_of(g, node->in[0]).c; i++) {
        a[i] *= (double)scale[i];
        b[i] *= (double)scale[i];
    }
    return 1;
}

const bnn_op bnn_unscale_op = {.name = "unscale",
                               .infer = infer,
                               .forward = forward,
                               .backward = backward,
                               .takes_scale = 1,
                               .in_place = 1,
                               .grad_in_place = 1,
                               .fold = fold};
