/* The float a product of bits stands for, where an op wants it: its integer times the scale of its
 * rows (a sample's) and, unless that stays deferred, of its channels. Scales get no gradient here:
 * they are stop-gradients, or have it from whoever deferred them. */
#include "engine/op.h"

enum { X, CHANNELS, ROWS };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    size_t channels = bnn_shape_count(bnn_shape_of(g, node->in[CHANNELS]));
    size_t rows = bnn_shape_count(bnn_shape_of(g, node->in[ROWS]));
    if (node->in[CHANNELS] >= 0 && channels != (size_t)s.c) {
        return bnn_node_fail(g, node, "%zu factors for %d channels", channels, s.c);
    }
    if (node->in[ROWS] >= 0 && bnn_shape_rows(s) % rows) {
        return bnn_node_fail(g, node, "%zu factors for %zu rows", rows, bnn_shape_rows(s));
    }
    bnn_node_output(g, node, BNN_F32, s);
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    const bnn_graph *g = b->graph;
    const bnn_kernels *k = bnn_graph_kernels(g);
    bnn_numbers x = bnn_block_numbers(b, node->in[X]);
    const float *channels = bnn_f32(g, node->in[CHANNELS]), *rows = bnn_f32(g, node->in[ROWS]);
    float *y = bnn_block_f32(b, node->out[0]);
    if (x.i16) {
        size_t all = bnn_shape_rows(bnn_shape_of(g, node->in[X]));
        size_t scales = rows ? bnn_shape_count(bnn_shape_of(g, node->in[ROWS])) : 1;
        k->to_float(bnn_graph_stream(g), b->first, b->rows, b->c, all / scales, x.i16, rows, y);
    }
    if (channels) {
        k->affine(bnn_graph_stream(g), b->rows, b->c, x.i16 ? (bnn_numbers){.f32 = y} : x, channels,
                  NULL, y, 0);
    }
}

static void backward(const bnn_block *b, const bnn_node *node) {
    const float *gy = bnn_block_grad(b, node->out[0]);
    float *gx = bnn_block_grad(b, node->in[X]);
    if (gx != gy) {
        bnn_graph_kernels(b->graph)->copy(bnn_graph_stream(b->graph), b->rows * b->c, gy, gx,
                                          node->acc[0]);
    }
}

static int compose(const bnn_graph *g, const bnn_node *node, double *a, double *b) {
    const float *scale = bnn_f32(g, node->in[CHANNELS]);
    if (node->in[ROWS] >= 0) {
        return 0;
    }
    for (int i = 0; a && scale && i < bnn_shape_of(g, node->in[X]).c; i++) {
        a[i] *= (double)scale[i];
        b[i] *= (double)scale[i];
    }
    return 1;
}

static const bnn_fold_rule fold = {.kind = BNN_FOLD_AFFINE, .compose = compose};

const bnn_op bnn_unscale_op = {.name = "unscale",
                               .infer = infer,
                               .forward_rows = {.map = forward},
                               .backward_rows = {.map = backward},
                               .row_in = BNN_BIT(X),
                               .row_out = BNN_BIT(0),
                               .takes_scale = 1,
                               .detached_in = BNN_BIT(CHANNELS) | BNN_BIT(ROWS),
                               .in_place = 1,
                               .grad_in_place = 1,
                               .fold = &fold};

bnn_t bnn_op_unscale(bnn_graph *g, bnn_t x, bnn_t channels, bnn_t rows) {
    return bnn_graph_add(g, &bnn_unscale_op, NULL, 0, 3, (bnn_t[]){x, channels, rows});
}
