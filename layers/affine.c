/* Per-channel scale and shift: a layer's bias, ReActNet's threshold, ReCU's alpha, and in inference
 * whatever batch norms and scales fold to. */
#include "layers/ops.h"

enum { X, A, B };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    for (int i = A; i <= B; i++) {
        if (node->in[i] >= 0 && bnn_shape_count(bnn_shape_of(g, node->in[i])) != (size_t)s.c) {
            return bnn_node_fail(g, node, "%zu factors for %d channels",
                                 bnn_shape_count(bnn_shape_of(g, node->in[i])), s.c);
        }
    }
    bnn_node_output(g, node, BNN_F32, s);
    node->saved_in = bnn_wants_grad(g, node->in[X]) ? BNN_SAVED(A) : 0;
    if (bnn_wants_grad(g, node->in[A])) {
        node->saved_in |= BNN_SAVED(X);
    }
    if (bnn_wants_grad(g, node->in[A]) || bnn_wants_grad(g, node->in[B])) {
        node->workspace =
            bnn_graph_kernels(g)->channel_sums_workspace(bnn_shape_rows(s), (size_t)s.c);
    }
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    bnn_graph_kernels(g)->affine(bnn_shape_rows(s), (size_t)s.c, bnn_f32(g, node->in[X]),
                                 bnn_f32(g, node->in[A]), bnn_f32(g, node->in[B]),
                                 bnn_f32(g, node->out[0]), 0);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const bnn_kernels *k = bnn_graph_kernels(g);
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    size_t rows = bnn_shape_rows(s), c = (size_t)s.c;
    const float *gy = bnn_grad(g, node->out[0]);
    if (node->want_grad[A]) {
        k->channel_sums(rows, c, gy, bnn_f32(g, node->in[X]), NULL, bnn_grad(g, node->in[A]),
                        node->acc[A], node->ws_backward);
    }
    if (node->want_grad[B]) {
        k->channel_sums(rows, c, gy, NULL, bnn_grad(g, node->in[B]), NULL, node->acc[B],
                        node->ws_backward);
    }
    /* Last: it may overwrite gy. */
    float *gx = bnn_grad(g, node->in[X]);
    if (node->want_grad[X] && (gx != gy || node->in[A] >= 0)) {
        k->affine(rows, c, gy, bnn_f32(g, node->in[A]), NULL, gx, node->acc[X]);
    }
}

static int fold(const bnn_graph *g, const bnn_node *node, double *a, double *b) {
    const float *f = bnn_f32(g, node->in[A]), *h = bnn_f32(g, node->in[B]);
    for (int i = 0; a && i < bnn_shape_of(g, node->in[X]).c; i++) {
        a[i] *= f ? f[i] : 1.0;
        b[i] = b[i] * (f ? f[i] : 1.0) + (h ? h[i] : 0.0);
    }
    return 1;
}

const bnn_op bnn_affine_op = {.name = "affine",
                              .infer = infer,
                              .forward = forward,
                              .backward = backward,
                              .in_place = 1,
                              .grad_in_place = 1,
                              .fold = fold};

bnn_t bnn_op_affine(bnn_graph *g, bnn_t x, bnn_t a, bnn_t b) {
    return bnn_graph_add(g, &bnn_affine_op, NULL, 0, 3, (bnn_t[]){x, a, b});
}
