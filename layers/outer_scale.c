/* XNOR-Net++'s output scale: three learned vectors, one along each of channel, row and column; a
 * 1-D layer has no rows and no vector for them. */
#include "layers/ops.h"

enum { X, O, H, V };

static size_t sums_bytes(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    return bnn_graph_kernels(g)->outer_sums_bytes(bnn_graph_stream(g), (size_t)s.h, (size_t)s.w,
                                                  (size_t)s.c);
}

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
    node->workspace = BNN_PIECES * sums_bytes(g, node);
    return BNN_OK;
}

static void scale_rows(const bnn_block *b, const bnn_node *node, bnn_numbers x, float *y, int acc) {
    const bnn_graph *g = b->graph;
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    bnn_graph_kernels(g)->outer_scale(bnn_graph_stream(g), b->first, b->rows, (size_t)s.h,
                                      (size_t)s.w, b->c, x, bnn_f32(g, node->in[O]),
                                      bnn_f32(g, node->in[H]), bnn_f32(g, node->in[V]), y, acc);
}

static void forward(const bnn_block *b, const bnn_node *node) {
    scale_rows(b, node, bnn_block_numbers(b, node->in[X]), bnn_block_f32(b, node->out[0]), 0);
}

/* Does any of the three vectors want a gradient? */
static int wants_scales(const bnn_node *node) {
    return node->want_grad[O] || node->want_grad[H] || node->want_grad[V];
}

static float *scale_grad(const bnn_graph *g, const bnn_node *node, int k) {
    return node->want_grad[k] ? bnn_grad(g, node->in[k]) : NULL;
}

static void backward(const bnn_block *b, const bnn_node *node) {
    const bnn_graph *g = b->graph;
    const bnn_kernels *k = bnn_graph_kernels(g);
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    const float *gy = bnn_block_grad(b, node->out[0]);
    if (wants_scales(node)) {
        k->outer_scale_sums(bnn_graph_stream(g), b->first, b->rows, (size_t)s.h, (size_t)s.w, b->c,
                            gy, bnn_block_numbers(b, node->in[X]), bnn_f32(g, node->in[O]),
                            bnn_f32(g, node->in[H]), bnn_f32(g, node->in[V]), b->reset,
                            (char *)node->ws_backward + b->piece * sums_bytes(g, node));
    }
    if (node->want_grad[X]) { /* last: it may overwrite gy */
        scale_rows(b, node, (bnn_numbers){.f32 = gy}, bnn_block_grad(b, node->in[X]), node->acc[X]);
    }
}

static void backward_finish(const bnn_graph *g, const bnn_node *node, size_t pieces) {
    const bnn_kernels *k = bnn_graph_kernels(g);
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    if (!wants_scales(node)) {
        return;
    }
    /* The three vectors are parameters of one layer, so their gradients begin together. What lies
     * behind the image's size has none. */
    for (int i = H; i <= V && !node->acc[O]; i++) {
        if (node->want_grad[i]) {
            k->fill(bnn_graph_stream(g), bnn_shape_count(bnn_shape_of(g, node->in[i])), 0.0f,
                    bnn_grad(g, node->in[i]));
        }
    }
    k->outer_scale_finish(bnn_graph_stream(g), (size_t)s.h, (size_t)s.w, (size_t)s.c, pieces,
                          node->ws_backward, scale_grad(g, node, O), scale_grad(g, node, H),
                          scale_grad(g, node, V), node->acc[O]);
}

/* Scales are trained for the longest of images; of those, this network's rows and columns. */
static int used(const bnn_graph *g, const bnn_node *node, int k) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    return k == H ? s.h : k == V ? s.w : s.c;
}

static const bnn_fold_rule fold = {.used = used};
static const bnn_form form = {
    .in_count = 4,
    .optional = BNN_BIT(H),
    .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32), BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)},
};

const bnn_op bnn_outer_scale_op = {.name = "outer_scale",
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

bnn_t bnn_op_outer_scale(bnn_graph *g, bnn_t x, bnn_t o, bnn_t h, bnn_t v) {
    return bnn_graph_add(g, &bnn_outer_scale_op, NULL, 0, 4, (bnn_t[]){x, o, h, v});
}
