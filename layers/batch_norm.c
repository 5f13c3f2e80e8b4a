/* Batch normalization, of an exact integer times a deferred scale too (op.h). In training it keeps
 * its input and four numbers a channel; in inference, or where it is fixed, it is a per-channel
 * affine, and says so to the folding. */
#include "engine/comm.h"
#include "layers/ops.h"

#include <math.h>
#include <string.h>

enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, X_SCALE };
enum { Y, STATE };

typedef struct batch_norm_attr {
    float eps, momentum;
    int fixed; /* by running statistics in training, too; only the input gets a gradient */
} batch_norm_attr;

/* By the statistics of what it sees? */
static int by_batch(const bnn_graph *g, const bnn_node *node) {
    return bnn_graph_training(g) && !((const batch_norm_attr *)node->attr)->fixed;
}

static size_t coefficient_bytes(size_t c) {
    return 4 * c * sizeof(float);
}

static void *sums_of(const bnn_graph *g, const bnn_node *node, void *ws, size_t piece) {
    size_t c = (size_t)bnn_shape_of(g, node->in[X]).c;
    return (char *)ws + coefficient_bytes(c) +
           piece * bnn_graph_kernels(g)->sums_bytes(bnn_graph_stream(g), c);
}

/* The pieces that there is room for. */
static size_t pieces_of(const bnn_graph *g) {
    const bnn_comm *comm = bnn_graph_statistics(g);
    return comm && comm->size > BNN_PIECES ? (size_t)comm->size : BNN_PIECES;
}

/* Where ranks share statistics, their sums take the place of the pieces that this one's are, in
 * their order. */
static size_t share(const bnn_graph *g, const bnn_node *node, void *ws, size_t pieces,
                    void (*merge)(const bnn_stream *, size_t, size_t, void *)) {
    const bnn_comm *comm = bnn_graph_statistics(g);
    if (!comm) {
        return pieces;
    }
    size_t c = (size_t)bnn_shape_of(g, node->in[X]).c;
    size_t bytes = bnn_graph_kernels(g)->sums_bytes(bnn_graph_stream(g), c);
    merge(bnn_graph_stream(g), c, pieces, sums_of(g, node, ws, 0));
    memmove(sums_of(g, node, ws, (size_t)comm->rank), sums_of(g, node, ws, 0), bytes);
    comm->gather(comm, sums_of(g, node, ws, 0), bytes);
    return (size_t)comm->size;
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    for (int i = WEIGHT; i <= X_SCALE; i++) {
        if (node->in[i] >= 0 && bnn_shape_count(bnn_shape_of(g, node->in[i])) != (size_t)s.c) {
            return bnn_node_fail(g, node, "parameters of %zu channels for %d",
                                 bnn_shape_count(bnn_shape_of(g, node->in[i])), s.c);
        }
    }
    const int fixed = ((const batch_norm_attr *)node->attr)->fixed;
    if (!bnn_graph_training(g) && !fixed && bnn_wants_grad(g, node->in[X])) {
        return bnn_node_fail(g, node, "has no gradient in evaluation mode");
    }
    if (fixed && (bnn_wants_grad(g, node->in[WEIGHT]) || bnn_wants_grad(g, node->in[BIAS]))) {
        return bnn_node_fail(g, node, "where it is fixed its parameters get no gradient");
    }
    bnn_node_output(g, node, BNN_F32, s);
    bnn_node_output(g, node, BNN_F64, bnn_vector(4 * s.c));
    node->saved_in = fixed ? BNN_SAVED(WEIGHT) | BNN_SAVED(RUNNING_VAR)
                           : BNN_SAVED(X) | BNN_SAVED(WEIGHT) | BNN_SAVED(X_SCALE);
    node->saved_out = fixed ? 0 : BNN_SAVED(STATE);
    /* Sums of pieces; in front, for the backward, four coefficients a channel. */
    node->workspace =
        coefficient_bytes((size_t)s.c) +
        pieces_of(g) * bnn_graph_kernels(g)->sums_bytes(bnn_graph_stream(g), (size_t)s.c);
    return BNN_OK;
}

static int compose(const bnn_graph *g, const bnn_node *node, double *a, double *b) {
    const batch_norm_attr *attr = node->attr;
    const float *weight = bnn_f32(g, node->in[WEIGHT]), *bias = bnn_f32(g, node->in[BIAS]);
    const float *mean = bnn_f32(g, node->in[RUNNING_MEAN]);
    const float *var = bnn_f32(g, node->in[RUNNING_VAR]), *scale = bnn_f32(g, node->in[X_SCALE]);
    if (by_batch(g, node)) {
        return 0;
    }
    for (int i = 0; a && i < bnn_shape_of(g, node->in[X]).c; i++) {
        double f = (double)weight[i] / sqrt((double)var[i] + (double)attr->eps);
        a[i] *= f * (scale ? (double)scale[i] : 1.0);
        b[i] = (b[i] * (scale ? (double)scale[i] : 1.0) - (double)mean[i]) * f + (double)bias[i];
    }
    return 2;
}

static const bnn_fold_rule fold = {.kind = BNN_FOLD_AFFINE, .compose = compose};

static void reduce(const bnn_block *b, const bnn_node *node) {
    if (by_batch(b->graph, node)) {
        bnn_graph_kernels(b->graph)->channel_moments(bnn_graph_stream(b->graph), b->rows, b->c,
                                                     bnn_block_numbers(b, node->in[X]), b->reset,
                                                     sums_of(b->graph, node, node->ws, b->piece));
    }
}

static void finish(const bnn_graph *g, const bnn_node *node, size_t pieces) {
    const batch_norm_attr *attr = node->attr;
    const bnn_kernels *k = bnn_graph_kernels(g);
    size_t c = (size_t)bnn_shape_of(g, node->in[X]).c;
    const float *scale = bnn_f32(g, node->in[X_SCALE]), *weight = bnn_f32(g, node->in[WEIGHT]);
    const float *bias = bnn_f32(g, node->in[BIAS]);
    float *mean = bnn_f32(g, node->in[RUNNING_MEAN]), *var = bnn_f32(g, node->in[RUNNING_VAR]);
    double *state = bnn_f64(g, node->out[STATE]);
    if (by_batch(g, node)) {
        pieces = share(g, node, node->ws, pieces, k->merge_moments);
        k->batch_norm_finish(bnn_graph_stream(g), c, pieces, sums_of(g, node, node->ws, 0), scale,
                             weight, bias, attr->eps, attr->momentum, mean, var, state);
    } else {
        k->batch_norm_fixed(bnn_graph_stream(g), c, scale, weight, bias, attr->eps, mean, var,
                            state);
    }
}

static void map(const bnn_block *b, const bnn_node *node) {
    bnn_graph_kernels(b->graph)->batch_norm(
        bnn_graph_stream(b->graph), b->rows, b->c, bnn_block_numbers(b, node->in[X]),
        bnn_f64(b->graph, node->out[STATE]), bnn_block_f32(b, node->out[Y]));
}

static void backward_reduce(const bnn_block *b, const bnn_node *node) {
    if (!by_batch(b->graph, node)) {
        return;
    }
    bnn_graph_kernels(b->graph)->channel_sums(
        bnn_graph_stream(b->graph), b->rows, b->c, bnn_block_grad(b, node->out[Y]),
        bnn_block_numbers(b, node->in[X]), bnn_f64(b->graph, node->out[STATE]) + 2 * b->c, b->reset,
        sums_of(b->graph, node, node->ws_backward, b->piece));
}

/* The parameters' gradients are this graph's share of all ranks', which add theirs; what the
 * input's are made of is the sum. */
static void backward_finish(const bnn_graph *g, const bnn_node *node, size_t pieces) {
    const bnn_kernels *k = bnn_graph_kernels(g);
    const bnn_stream *stream = bnn_graph_stream(g);
    const size_t c = (size_t)bnn_shape_of(g, node->in[X]).c;
    const float *weight = bnn_f32(g, node->in[WEIGHT]), *scale = bnn_f32(g, node->in[X_SCALE]);
    void *ws = node->ws_backward;
    if (!by_batch(g, node)) {
        k->batch_norm_fixed_backward(stream, c, weight, ((const batch_norm_attr *)node->attr)->eps,
                                     bnn_f32(g, node->in[RUNNING_VAR]), ws);
        return;
    }
    const double *state = bnn_f64(g, node->out[STATE]);
    k->batch_norm_backward_finish(stream, c, pieces, sums_of(g, node, ws, 0), scale, weight, state,
                                  bnn_grad(g, node->in[WEIGHT]), bnn_grad(g, node->in[BIAS]),
                                  node->acc[WEIGHT], ws);
    if (bnn_graph_statistics(g)) {
        pieces = share(g, node, ws, pieces, k->merge_sums);
        k->batch_norm_backward_finish(stream, c, pieces, sums_of(g, node, ws, 0), scale, weight,
                                      state, NULL, NULL, 0, ws);
    }
}

static void backward_map(const bnn_block *b, const bnn_node *node) {
    if (node->want_grad[X]) {
        /* Where the input does not count, whatever is at hand is as good. */
        bnn_numbers any = {.f32 = bnn_block_grad(b, node->out[Y])};
        bnn_graph_kernels(b->graph)->batch_norm_backward(
            bnn_graph_stream(b->graph), b->rows, b->c, bnn_block_grad(b, node->out[Y]),
            by_batch(b->graph, node) ? bnn_block_numbers(b, node->in[X]) : any, node->ws_backward,
            bnn_block_grad(b, node->in[X]), node->acc[X]);
    }
}

const bnn_op bnn_batch_norm_op = {
    .name = "batch_norm",
    .infer = infer,
    .forward_rows = {.reduce = reduce, .finish = finish, .map = map},
    .backward_rows = {.reduce = backward_reduce, .finish = backward_finish, .map = backward_map},
    .row_in = BNN_BIT(X),
    .row_out = BNN_BIT(Y),
    .grad_in_place = 1,
    .takes_scale = 1,
    .detached_in = BNN_BIT(X_SCALE),
    .fold = &fold};

static bnn_t add(bnn_graph *g, const batch_norm_attr *attr, bnn_t x, bnn_t weight, bnn_t bias,
                 bnn_t running_mean, bnn_t running_var) {
    return bnn_graph_add(
        g, &bnn_batch_norm_op, attr, sizeof *attr, 6,
        (bnn_t[]){x, weight, bias, running_mean, running_var, bnn_deferred_scale(g, x)});
}

bnn_t bnn_op_batch_norm(bnn_graph *g, bnn_t x, bnn_t weight, bnn_t bias, bnn_t running_mean,
                        bnn_t running_var, float eps, float momentum) {
    return add(g, &(batch_norm_attr){eps, momentum, 0}, x, weight, bias, running_mean, running_var);
}

bnn_t bnn_op_fixed_batch_norm(bnn_graph *g, bnn_t x, bnn_t weight, bnn_t bias, bnn_t running_mean,
                              bnn_t running_var, float eps) {
    return add(g, &(batch_norm_attr){eps, 0.0f, 1}, x, weight, bias, running_mean, running_var);
}
