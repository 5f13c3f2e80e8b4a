/* Per-channel scale and shift: a layer's bias, ReActNet's threshold, ReCU's alpha, and in inference
 * whatever batch norms and scales fold to. */
#include "layers/ops.h"

enum { X, A, B };

static bnn_code infer_as(bnn_graph *g, bnn_node *node, bnn_dtype dtype) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    for (int i = A; i <= B; i++) {
        if (node->in[i] >= 0 && bnn_shape_count(bnn_shape_of(g, node->in[i])) != (size_t)s.c) {
            return bnn_node_fail(g, node, "%zu factors for %d channels",
                                 bnn_shape_count(bnn_shape_of(g, node->in[i])), s.c);
        }
    }
    bnn_node_output(g, node, dtype, s);
    node->saved_in = bnn_wants_grad(g, node->in[X]) ? BNN_SAVED(A) : 0;
    if (bnn_wants_grad(g, node->in[A])) {
        node->saved_in |= BNN_SAVED(X);
    }
    if (bnn_wants_grad(g, node->in[A]) || bnn_wants_grad(g, node->in[B])) {
        node->workspace =
            BNN_PIECES * bnn_graph_kernels(g)->sums_bytes(bnn_graph_stream(g), (size_t)s.c);
    }
    return BNN_OK;
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    return infer_as(g, node, BNN_F32);
}

static void forward(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->affine(
        bnn_graph_stream(b->graph), b->rows, b->c, bnn_block_numbers(b, node->in[X]),
        bnn_f32(b->graph, node->in[A]), bnn_f32(b->graph, node->in[B]),
        bnn_block_f32(b, node->out[0]), 0);
}

static void backward(const bnn_block *b, const bnn_node *node) {
    const bnn_kernels *k = bnn_graph_kernels(b->graph);
    const float *gy = bnn_block_grad(b, node->out[0]);
    if (node->want_grad[A] || node->want_grad[B]) {
        bnn_numbers none = {0}, x = node->want_grad[A] ? bnn_block_numbers(b, node->in[X]) : none;
        k->channel_sums(bnn_graph_stream(b->graph), b->rows, b->c, gy, x, NULL, b->reset,
                        (char *)node->ws_backward +
                            b->piece * k->sums_bytes(bnn_graph_stream(b->graph), b->c));
    }
    /* Last: it may overwrite gy. */
    float *gx = node->want_grad[X] ? bnn_block_grad(b, node->in[X]) : NULL;
    if (gx && (gx != gy || node->in[A] >= 0)) {
        k->affine(bnn_graph_stream(b->graph), b->rows, b->c, (bnn_numbers){.f32 = gy},
                  bnn_f32(b->graph, node->in[A]), NULL, gx, node->acc[X]);
    }
}

static void backward_finish(const bnn_graph *g, const bnn_node *node, size_t pieces) {
    for (int i = A; i <= B; i++) {
        float *gp = node->want_grad[i] ? bnn_grad(g, node->in[i]) : NULL;
        if (gp) {
            bnn_graph_kernels(g)->channel_sums_finish(
                bnn_graph_stream(g), (size_t)bnn_shape_of(g, node->in[X]).c, pieces,
                node->ws_backward, i == B ? gp : NULL, i == A ? gp : NULL, node->acc[i]);
        }
    }
}

static int compose(const bnn_graph *g, const bnn_node *node, double *a, double *b) {
    const float *f = bnn_f32(g, node->in[A]), *h = bnn_f32(g, node->in[B]);
    for (int i = 0; a && i < bnn_shape_of(g, node->in[X]).c; i++) {
        a[i] *= f ? f[i] : 1.0;
        b[i] = b[i] * (f ? f[i] : 1.0) + (h ? h[i] : 0.0);
    }
    return node->in[B] >= 0 ? 2 : 1;
}

static const bnn_fold_rule fold = {.kind = BNN_FOLD_AFFINE, .compose = compose};

static const bnn_form form = {
    .in_count = 3,
    .optional = BNN_BIT(A) | BNN_BIT(B),
    .left_out_ones = BNN_BIT(A),
    .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)},
};

const bnn_op bnn_affine_op = {.name = "affine",
                              .infer = infer,
                              .forward_rows = {.map = forward},
                              .backward_rows = {.map = backward, .finish = backward_finish},
                              .row_in = BNN_BIT(X),
                              .row_out = BNN_BIT(0),
                              .takes_integers = 1,
                              .in_place = 1,
                              .grad_in_place = 1,
                              .fold = &fold,
                              .form = &form};

static bnn_code infer_scale(bnn_graph *g, bnn_node *node) {
    return infer_as(g, node, BNN_I16);
}

/* In training, factors of an integer alone are not multiplied but deferred (op.h): whoever takes
 * them leaves their gradient to this node. */
static const bnn_op scale_op = {.name = "scale",
                                .infer = infer_scale,
                                .backward_rows = {.map = backward, .finish = backward_finish},
                                .row_in = BNN_BIT(X),
                                .row_out = BNN_BIT(0),
                                .view = 1,
                                .takes_integers = 1,
                                .grad_in_place = 1};

bnn_t bnn_op_affine(bnn_graph *g, bnn_t x, bnn_t a, bnn_t b) {
    if (bnn_graph_training(g) && x >= 0 && bnn_dtype_of(g, x) == BNN_I16 && a >= 0 && b < 0 &&
        bnn_deferred_scale(g, x) == BNN_NONE) {
        bnn_t y = bnn_graph_add(g, &scale_op, NULL, 0, 3, (bnn_t[]){x, a, b});
        bnn_defer_scale(g, y, a);
        return y;
    }
    return bnn_graph_add(g, &bnn_affine_op, NULL, 0, 3, (bnn_t[]){x, a, b});
}
