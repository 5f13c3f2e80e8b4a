/* Channels of several inputs side by side. One that has a single row a sample (what was pooled of
 * it) stands at every pixel; its gradient is the sum over them. */
#include <limits.h>

#include "layers/ops.h"

/* Where input k's channels are: x among themselves, y in the result. */
static bnn_move part(const bnn_graph *g, const bnn_node *node, int k, size_t *first) {
    bnn_shape x = bnn_shape_of(g, node->in[k]), y = bnn_shape_of(g, node->out[0]);
    size_t rows = (size_t)y.h * (size_t)y.w, c = (size_t)x.c;
    int repeats = bnn_shape_rows(x) < bnn_shape_rows(y);
    *first = 0;
    for (int i = 0; i < k; i++) {
        *first += (size_t)bnn_shape_of(g, node->in[i]).c;
    }
    return (bnn_move){.size = {(size_t)y.n, 1, rows, c},
                      .from = {repeats ? c : rows * c, 0, repeats ? 0 : c, 1},
                      .to = {rows * (size_t)y.c, 0, (size_t)y.c, 1}};
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape y = bnn_shape_of(g, node->in[0]);
    double c = 0.0;
    for (int k = 0; k < node->in_count; k++) {
        bnn_shape s = bnn_shape_of(g, node->in[k]);
        if (bnn_shape_rows(s) > bnn_shape_rows(y)) {
            y = s;
        }
        c += s.c;
    }
    for (int k = 0; k < node->in_count; k++) {
        bnn_shape s = bnn_shape_of(g, node->in[k]);
        int whole = s.h == y.h && s.w == y.w;
        if (s.n != y.n || (!whole && (s.h != 1 || s.w != 1)) || c > INT_MAX) {
            return bnn_node_fail(g, node, "[%d,%d,%d,%d] beside [%d,%d,%d,%d]", s.n, s.h, s.w, s.c,
                                 y.n, y.h, y.w, y.c);
        }
    }
    y.c = (int)c;
    bnn_node_output(g, node, BNN_F32, y);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    for (int k = 0; k < node->in_count; k++) {
        size_t first;
        bnn_move m = part(g, node, k, &first);
        bnn_graph_kernels(g)->move(bnn_graph_stream(g), &m, 1.0f, bnn_f32(g, node->in[k]),
                                   bnn_f32(g, node->out[0]) + first, 0);
    }
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const bnn_kernels *kernels = bnn_graph_kernels(g);
    for (int k = 0; k < node->in_count; k++) {
        size_t first, count = bnn_shape_count(bnn_shape_of(g, node->in[k]));
        bnn_move m = part(g, node, k, &first), back = m;
        for (int i = 0; i < 4; i++) {
            back.from[i] = m.to[i];
            back.to[i] = m.from[i];
        }
        int sums = m.from[2] == 0;
        if (node->want_grad[k] && sums && !node->acc[k]) {
            kernels->fill(bnn_graph_stream(g), count, 0.0f, bnn_grad(g, node->in[k]));
        }
        if (node->want_grad[k]) {
            kernels->move(bnn_graph_stream(g), &back, 1.0f, bnn_grad(g, node->out[0]) + first,
                          bnn_grad(g, node->in[k]), sums || node->acc[k]);
        }
    }
}

static const bnn_fold_rule fold = {.selects = 1};

#define FLOATS BNN_BIT(BNN_F32)
static const bnn_form form = {
    .in_count = BNN_MAX_IN,
    .any_count = 1,
    .in_types = {FLOATS, FLOATS, FLOATS, FLOATS, FLOATS, FLOATS, FLOATS, FLOATS, FLOATS}};

const bnn_op bnn_concat_op = {.name = "concat",
                              .infer = infer,
                              .forward = forward,
                              .backward = backward,
                              .fold = &fold,
                              .form = &form};

bnn_t bnn_op_concat(bnn_graph *g, int count, const bnn_t *in) {
    if (count < 1 || count > BNN_MAX_IN) {
        return bnn_graph_fail(g, BNN_ERR_SHAPE, "concat: of %d inputs", count);
    }
    return bnn_graph_add(g, &bnn_concat_op, NULL, 0, count, in);
}
