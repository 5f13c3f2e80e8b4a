/* Standardization over rows: XNOR-Net's centred linear weights, ReCU's weights and activations. */
#include "layers/ops.h"

enum { Y, MEAN, R };

typedef struct normalize_attr {
    int rows, center, scale;
    float gain, eps;
} normalize_attr;

static size_t per_group(const bnn_graph *g, const bnn_node *node) {
    const normalize_attr *a = node->attr;
    return bnn_shape_rows(bnn_shape_of(g, node->in[0])) / (size_t)a->rows;
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const normalize_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    size_t n = bnn_shape_count(s);
    if (!bnn_groups_fit(s, a->rows) || n / (size_t)a->rows < 2) {
        return bnn_node_fail(g, node, "%zu values do not make %d rows of at least 2", n, a->rows);
    }
    bnn_node_output(g, node, BNN_F32, s);
    bnn_node_output(g, node, BNN_F32, bnn_vector(a->rows));
    bnn_node_output(g, node, BNN_F32, bnn_vector(a->rows));
    node->saved_in = a->scale ? BNN_SAVED(0) : 0;
    node->saved_out = BNN_SAVED(MEAN) | BNN_SAVED(R);
    node->workspace = (size_t)a->rows * 3 * sizeof(double);
    return BNN_OK;
}

static void reduce(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->group_moments(bnn_graph_stream(b->graph), b->first, b->rows, b->c,
                                               per_group(b->graph, node),
                                               bnn_block_f32(b, node->in[0]), node->ws);
}

static void finish(const bnn_graph *g, const bnn_node *node, size_t pieces) {
    const normalize_attr *a = node->attr;
    size_t n = bnn_shape_count(bnn_shape_of(g, node->in[0]));
    (void)pieces;
    bnn_graph_kernels(g)->normalize_finish(bnn_graph_stream(g), (size_t)a->rows,
                                           n / (size_t)a->rows, node->ws, a->scale, a->eps,
                                           bnn_f32(g, node->out[MEAN]), bnn_f32(g, node->out[R]));
}

static void map(const bnn_block *b, const bnn_node *node) {
    const normalize_attr *a = node->attr;
    const bnn_graph *g = b->graph;
    bnn_graph_kernels(g)->normalize(bnn_graph_stream(g), b->first, b->rows, b->c,
                                    per_group(g, node), bnn_block_f32(b, node->in[0]), a->center,
                                    a->gain, bnn_f32(g, node->out[MEAN]), bnn_f32(g, node->out[R]),
                                    bnn_block_f32(b, node->out[Y]));
}

static const float *scaled_input(const bnn_block *b, const bnn_node *node) {
    return ((const normalize_attr *)node->attr)->scale ? bnn_block_f32(b, node->in[0]) : NULL;
}

static void backward_reduce(const bnn_block *b, const bnn_node *node) {
    const normalize_attr *a = node->attr;
    bnn_graph_kernels(b->graph)->group_dots(
        bnn_graph_stream(b->graph), b->first, b->rows, b->c, per_group(b->graph, node),
        bnn_block_grad(b, node->out[Y]), scaled_input(b, node), a->center,
        bnn_f32(b->graph, node->out[MEAN]), node->ws_backward);
}

static void backward_finish(const bnn_graph *g, const bnn_node *node, size_t pieces) {
    (void)g, (void)node, (void)pieces; /* the sums are complete as they are */
}

static void backward_map(const bnn_block *b, const bnn_node *node) {
    const normalize_attr *a = node->attr;
    const bnn_graph *g = b->graph;
    bnn_graph_kernels(g)->normalize_backward(
        bnn_graph_stream(g), b->first, b->rows, b->c, per_group(g, node),
        bnn_block_grad(b, node->out[Y]), scaled_input(b, node), a->center, a->gain,
        bnn_f32(g, node->out[MEAN]), bnn_f32(g, node->out[R]), node->ws_backward,
        bnn_block_grad(b, node->in[0]), node->acc[0]);
}

const bnn_op bnn_normalize_op = {
    .name = "normalize",
    .infer = infer,
    .forward_rows = {.reduce = reduce, .finish = finish, .map = map},
    .backward_rows = {.reduce = backward_reduce, .finish = backward_finish, .map = backward_map},
    .row_in = BNN_BIT(0),
    .row_out = BNN_BIT(Y),
    .by_sample = 1,
    .grad_in_place = 1};

bnn_t bnn_op_normalize(bnn_graph *g, bnn_t x, int rows, int center, int scale, float gain,
                       float eps) {
    normalize_attr attr = {rows, center, scale, gain, eps};
    return bnn_graph_add(g, &bnn_normalize_op, &attr, sizeof attr, 1, &x);
}
