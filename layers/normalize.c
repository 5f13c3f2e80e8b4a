/* Standardization over rows: XNOR-Net's centred linear weights, ReCU's weights and activations. */
#include "layers/ops.h"

enum { Y, MEAN, R };

typedef struct normalize_attr {
    int rows, center, scale;
    float gain, eps;
} normalize_attr;

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const normalize_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    size_t n = bnn_shape_count(s);
    if (a->rows < 1 || n % (size_t)a->rows || n / (size_t)a->rows < 2) {
        return bnn_node_fail(g, node, "%zu values do not make %d rows of at least 2", n, a->rows);
    }
    bnn_node_output(g, node, BNN_F32, s);
    bnn_node_output(g, node, BNN_F32, bnn_vector(a->rows));
    bnn_node_output(g, node, BNN_F32, bnn_vector(a->rows));
    node->saved_in = a->scale ? BNN_SAVED(0) : 0;
    node->saved_out = BNN_SAVED(MEAN) | BNN_SAVED(R);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const normalize_attr *a = node->attr;
    size_t rows = (size_t)a->rows, n = bnn_shape_count(bnn_shape_of(g, node->in[0]));
    bnn_graph_kernels(g)->normalize_rows(rows, n / rows, bnn_f32(g, node->in[0]), a->center,
                                         a->scale, a->gain, a->eps, bnn_f32(g, node->out[MEAN]),
                                         bnn_f32(g, node->out[R]), bnn_f32(g, node->out[Y]));
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const normalize_attr *a = node->attr;
    size_t rows = (size_t)a->rows, n = bnn_shape_count(bnn_shape_of(g, node->in[0]));
    bnn_graph_kernels(g)->normalize_rows_backward(
        rows, n / rows, bnn_grad(g, node->out[Y]), bnn_f32(g, node->in[0]), a->center, a->scale,
        a->gain, bnn_f32(g, node->out[MEAN]), bnn_f32(g, node->out[R]), bnn_grad(g, node->in[0]),
        node->acc[0]);
}

const bnn_op bnn_normalize_op = {
    .name = "normalize", .infer = infer, .forward = forward, .backward = backward};

bnn_t bnn_op_normalize(bnn_graph *g, bnn_t x, int rows, int center, int scale, float gain,
                       float eps) {
    normalize_attr attr = {rows, center, scale, gain, eps};
    return bnn_graph_add(g, &bnn_normalize_op, &attr, sizeof attr, 1, &x);
}
