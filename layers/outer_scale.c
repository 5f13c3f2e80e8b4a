/* XNOR-Net++'s output scale: three learned vectors, one along each of channel, row and column; a
 * 1-D layer has no rows and no vector for them. */
#include "layers/ops.h"

enum { X, O, H, V };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    size_t o = bnn_shape_count(bnn_shape_of(g, node->in[O]));
    size_t h = bnn_shape_count(bnn_shape_of(g, node->in[H]));
    size_t v = bnn_shape_count(bnn_shape_of(g, node->in[V]));
    if (node->in[H] == BNN_NONE) {
        h = 1;
    }
    if (o != (size_t)s.c || h < (size_t)s.h || v < (size_t)s.w) {
        return bnn_node_fail(g, node,
                             "scales of %zu channels, %zu rows and %zu columns for %dx%dx%d", o, h,
                             v, s.c, s.h, s.w);
    }
    bnn_node_output(g, node, BNN_F32, s);
    node->saved_in = BNN_SAVED(X) | BNN_SAVED(O) | BNN_SAVED(H) | BNN_SAVED(V);
    node->workspace = bnn_graph_kernels(g)->outer_scale_workspace((size_t)s.n, (size_t)s.h,
                                                                  (size_t)s.w, (size_t)s.c);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    bnn_graph_kernels(g)->outer_scale((size_t)s.n, (size_t)s.h, (size_t)s.w, (size_t)s.c,
                                      bnn_f32(g, node->in[X]), bnn_f32(g, node->in[O]),
                                      bnn_f32(g, node->in[H]), bnn_f32(g, node->in[V]),
                                      bnn_f32(g, node->out[0]), 0);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const bnn_kernels *k = bnn_graph_kernels(g);
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    size_t n = (size_t)s.n, h = (size_t)s.h, w = (size_t)s.w, c = (size_t)s.c;
    const float *gy = bnn_grad(g, node->out[0]), *x = bnn_f32(g, node->in[X]);
    const float *so = bnn_f32(g, node->in[O]), *sh = bnn_f32(g, node->in[H]);
    const float *sv = bnn_f32(g, node->in[V]);
    if (node->want_grad[O]) {
        /* The three vectors are parameters of one layer, so their gradients begin together. What
         * lies behind the image's size has none. */
        for (int i = H; i <= V && !node->acc[O]; i++) {
            if (node->in[i] == BNN_NONE) {
                continue;
            }
            k->fill(bnn_shape_count(bnn_shape_of(g, node->in[i])), 0.0f, bnn_grad(g, node->in[i]));
        }
        k->outer_scale_backward(n, h, w, c, gy, x, so, sh, sv, bnn_grad(g, node->in[O]),
                                bnn_grad(g, node->in[H]), bnn_grad(g, node->in[V]), node->acc[O],
                                node->ws_backward);
    }
    if (node->want_grad[X]) {
        k->outer_scale(n, h, w, c, gy, so, sh, sv, bnn_grad(g, node->in[X]), node->acc[X]);
    }
}

const bnn_op bnn_outer_scale_op = {.name = "outer_scale",
                                   .infer = infer,
                                   .forward = forward,
                                   .backward = backward,
                                   .grad_in_place = 1};

bnn_t bnn_op_outer_scale(bnn_graph *g, bnn_t x, bnn_t o, bnn_t h, bnn_t v) {
    return bnn_graph_add(g, &bnn_outer_scale_op, NULL, 0, 4, (bnn_t[]){x, o, h, v});
}
