/* Batch normalization, of an exact integer times a waiting scale too (op.h). In training it keeps
 * its input and two numbers a channel; in inference it is a per-channel affine, and says so to the
 * folding. */
#include "layers/ops.h"

#include <math.h>

enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, X_SCALE };
enum { Y, MEAN, RSTD };

typedef struct batch_norm_attr {
    float eps, momentum;
} batch_norm_attr;

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    for (int i = WEIGHT; i <= X_SCALE; i++) {
        if (node->in[i] >= 0 && bnn_shape_count(bnn_shape_of(g, node->in[i])) != (size_t)s.c) {
            return bnn_node_fail(g, node, "parameters of %zu channels for %d",
                                 bnn_shape_count(bnn_shape_of(g, node->in[i])), s.c);
        }
    }
    if (!bnn_graph_training(g) && bnn_wants_grad(g, node->in[X])) {
        return bnn_node_fail(g, node, "has no gradient in evaluation mode");
    }
    bnn_node_output(g, node, BNN_F32, s);
    /* Inference keeps its two coefficients a channel in the same places. */
    bnn_node_output(g, node, BNN_F32, bnn_vector(s.c));
    bnn_node_output(g, node, BNN_F32, bnn_vector(s.c));
    node->saved_in = BNN_SAVED(X) | BNN_SAVED(WEIGHT) | BNN_SAVED(X_SCALE);
    node->saved_out = BNN_SAVED(MEAN) | BNN_SAVED(RSTD);
    node->workspace = bnn_graph_kernels(g)->batch_norm_workspace(bnn_shape_rows(s), (size_t)s.c);
    return BNN_OK;
}

static int fold(const bnn_graph *g, const bnn_node *node, double *a, double *b) {
    const batch_norm_attr *attr = node->attr;
    const float *weight = bnn_f32(g, node->in[WEIGHT]), *bias = bnn_f32(g, node->in[BIAS]);
    const float *mean = bnn_f32(g, node->in[RUNNING_MEAN]);
    const float *var = bnn_f32(g, node->in[RUNNING_VAR]), *scale = bnn_f32(g, node->in[X_SCALE]);
    if (bnn_graph_training(g)) {
        return 0;
    }
    for (int i = 0; a && i < bnn_shape_of(g, node->in[X]).c; i++) {
        double f = (double)weight[i] / sqrt((double)var[i] + (double)attr->eps);
        a[i] *= f * (scale ? (double)scale[i] : 1.0);
        b[i] = (b[i] * (scale ? (double)scale[i] : 1.0) - (double)mean[i]) * f + (double)bias[i];
    }
    return 1;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const batch_norm_attr *attr = node->attr;
    const bnn_kernels *k = bnn_graph_kernels(g);
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    size_t rows = bnn_shape_rows(s), c = (size_t)s.c;
    const float *weight = bnn_f32(g, node->in[WEIGHT]), *bias = bnn_f32(g, node->in[BIAS]);
    float *running_mean = bnn_f32(g, node->in[RUNNING_MEAN]);
    float *running_var = bnn_f32(g, node->in[RUNNING_VAR]);
    const float *scale = bnn_f32(g, node->in[X_SCALE]);
    float *mean = bnn_f32(g, node->out[MEAN]), *rstd = bnn_f32(g, node->out[RSTD]);
    if (bnn_graph_training(g)) {
        k->batch_norm_forward(rows, c, bnn_f32(g, node->in[X]), scale, weight, bias, attr->eps,
                              attr->momentum, running_mean, running_var, mean, rstd,
                              bnn_f32(g, node->out[Y]), node->ws);
        return;
    }
    for (size_t i = 0; i < c; i++) {
        double f = (double)weight[i] / sqrt((double)running_var[i] + (double)attr->eps);
        rstd[i] = (float)(f * (scale ? (double)scale[i] : 1.0));
        mean[i] = (float)((double)bias[i] - (double)running_mean[i] * f);
    }
    k->affine(rows, c, bnn_f32(g, node->in[X]), rstd, mean, bnn_f32(g, node->out[Y]), 0);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    bnn_graph_kernels(g)->batch_norm_backward(
        bnn_shape_rows(s), (size_t)s.c, bnn_grad(g, node->out[Y]), bnn_f32(g, node->in[X]),
        bnn_f32(g, node->in[X_SCALE]), bnn_f32(g, node->in[WEIGHT]), bnn_f32(g, node->out[MEAN]),
        bnn_f32(g, node->out[RSTD]), node->want_grad[X] ? bnn_grad(g, node->in[X]) : NULL,
        node->acc[X], bnn_grad(g, node->in[WEIGHT]), bnn_grad(g, node->in[BIAS]), node->acc[WEIGHT],
        node->ws_backward);
}

const bnn_op bnn_batch_norm_op = {.name = "batch_norm",
                                  .infer = infer,
                                  .forward = forward,
                                  .backward = backward,
                                  .grad_in_place = 1,
                                  .takes_scale = 1,
                                  .fold = fold};

bnn_t bnn_op_batch_norm(bnn_graph *g, bnn_t x, bnn_t weight, bnn_t bias, bnn_t running_mean,
                        bnn_t running_var, float eps, float momentum) {
    batch_norm_attr attr = {eps, momentum};
    return bnn_graph_add(g, &bnn_batch_norm_op, &attr, sizeof attr, 6,
                         (bnn_t[]){x, weight, bias, running_mean, running_var, bnn_scale_of(g, x)});
}
