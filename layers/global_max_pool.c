/* The maximum over all rows of a sample, and BiPointNet's EMA-max (Qin et al., ICLR 2021, sec.
 * 3.2): the maximum of many normalized values lies far above 0, so its sign would say nothing; a
 * constant takes it back to where half of the signs are positive. */
#include <limits.h>
#include <math.h>

#include "layers/ops.h"

enum { Y, INDEX };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]), y = {s.n, 1, 1, s.c};
    if ((double)s.h * s.w > INT_MAX) {
        return bnn_node_fail(g, node, "over %d by %d rows", s.h, s.w);
    }
    bnn_node_output(g, node, BNN_F32, y);
    if (bnn_wants_grad(g, node->in[0])) {
        bnn_node_output(g, node, BNN_I32, y);
        node->saved_out = BNN_SAVED(INDEX);
    }
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_graph_kernels(g)->global_max_pool(
        bnn_graph_stream(g), (size_t)s.n, (size_t)s.h * (size_t)s.w, (size_t)s.c,
        *(const float *)node->attr, bnn_f32(g, node->in[0]), bnn_f32(g, node->out[Y]),
        node->out_count > INDEX ? bnn_i32(g, node->out[INDEX]) : NULL);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_graph_kernels(g)->global_max_pool_backward(
        bnn_graph_stream(g), (size_t)s.n, (size_t)s.h * (size_t)s.w, (size_t)s.c,
        bnn_grad(g, node->out[Y]), bnn_i32(g, node->out[INDEX]), bnn_grad(g, node->in[0]),
        node->acc[0]);
}

static const bnn_op_field fields[] = {
    {"shift", BNN_FIELD_FLOAT, 0, 0, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {
    .fields = fields, .attr_bytes = sizeof(float), .in_count = 1, .in_types = {BNN_BIT(BNN_F32)}};

const bnn_op bnn_global_max_pool_op = {.name = "global_max_pool",
                                       .infer = infer,
                                       .forward = forward,
                                       .backward = backward,
                                       .form = &form};

bnn_t bnn_op_global_max_pool(bnn_graph *g, bnn_t x, float shift) {
    return bnn_graph_add(g, &bnn_global_max_pool_op, &shift, sizeof shift, 1, &x);
}

/* BiPointNet's constants are sampled means; elsewhere it is the median of the maximum of n standard
 * normal numbers, P(max < z) = P(one < z)^n = 1/2. */
float bnn_ema_max_shift(int n) {
    static const struct {
        int n;
        float shift;
    } sampled[] = {{1024, -3.2041f}, {2048, -3.4025f}, {4096, -3.5836f}};
    for (size_t i = 0; i < sizeof sampled / sizeof *sampled; i++) {
        if (sampled[i].n == n) {
            return sampled[i].shift;
        }
    }
    double above = -expm1(-log(2.0) / (double)n), low = 0.0, high = 40.0;
    for (int i = 0; i < 100; i++) {
        double middle = 0.5 * (low + high);
        if (0.5 * erfc(middle / sqrt(2.0)) > above) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (float)-low;
}
