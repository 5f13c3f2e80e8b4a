#include "engine/gradcheck.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/graph_private.h"

typedef struct check {
    bnn_graph *graph;
    const float *gy;
    const bnn_gradcheck_leaf *leaf;
    float *start; /* the leaf's values before */
    float *direction;
    float *grad;
} check;

static size_t root_count(const bnn_graph *graph) {
    return bnn_shape_count(graph->tensors[graph->root].shape);
}

/* sum(gy * root) at start + t * direction. */
static double value_at(const check *c, double t) {
    for (size_t i = 0; i < c->leaf->count; i++) {
        c->leaf->value[i] = (float)((double)c->start[i] + t * (double)c->direction[i]);
    }
    bnn_graph_forward(c->graph);
    const float *y = c->graph->tensors[c->graph->root].data;
    double sum = 0.0;
    for (size_t i = 0; i < root_count(c->graph); i++) {
        sum += (c->gy ? (double)c->gy[i] : 1.0) * (double)y[i];
    }
    return sum;
}

static double slope_at_start(const check *c, double step) {
    double near = (value_at(c, step) - value_at(c, -step)) / (2.0 * step);
    double far = (value_at(c, 2.0 * step) - value_at(c, -2.0 * step)) / (4.0 * step);
    return (4.0 * near - far) / 3.0; /* Richardson: the step^2 term cancels */
}

static void run_backward(const check *c) {
    bnn_graph_forward(c->graph);
    if (c->gy) {
        memcpy(c->graph->tensors[c->graph->root].grad, c->gy, root_count(c->graph) * sizeof(float));
    }
    bnn_graph_backward(c->graph);
    memcpy(c->grad, c->leaf->grad, c->leaf->count * sizeof(float));
}

static void one_direction(const check *c, double step, bnn_rng *rng, bnn_gradcheck_result *r) {
    double dot = 0.0, norm = 0.0, length = 0.0;
    for (size_t i = 0; i < c->leaf->count; i++) {
        /* Away from 0, so that every value moves. */
        float magnitude = 0.5f + 0.5f * bnn_rng_uniform(rng);
        c->direction[i] = bnn_rng_u32(rng) & 1 ? magnitude : -magnitude;
        dot += (double)c->grad[i] * (double)c->direction[i];
        norm += (double)c->grad[i] * (double)c->grad[i];
        length += (double)c->direction[i] * (double)c->direction[i];
    }
    double slope = slope_at_start(c, step);
    double typical = sqrt(norm * length / (double)c->leaf->count);
    double error = fabs(slope - dot) / fmax(fmax(typical, fabs(slope)), 1e-30);
    r->error = error > r->error || isnan(error) ? error : r->error;
    r->slope = fmax(r->slope, fabs(slope));
}

bnn_code bnn_gradcheck(bnn_graph *graph, const float *gy, const bnn_gradcheck_leaf *leaf,
                       int directions, double step, uint64_t seed, bnn_gradcheck_result *result,
                       bnn_error *err) {
    *result = (bnn_gradcheck_result){0.0, 0.0};
    if (graph->root < 0 || (!gy && root_count(graph) != 1)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "gradcheck: no root, or none of its many values has an upstream gradient");
    }
    if (!graph->stream.device.ops->host) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "gradcheck: moves values that the host can see");
    }
    size_t bytes = leaf->count * sizeof(float);
    float *memory = malloc(3 * bytes + 1);
    if (!memory) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for gradcheck");
    }
    check c = {.graph = graph,
               .gy = gy,
               .leaf = leaf,
               .start = memory,
               .direction = memory + leaf->count,
               .grad = memory + 2 * leaf->count};
    memcpy(c.start, leaf->value, bytes);
    run_backward(&c);
    bnn_rng rng = bnn_rng_start(seed, bnn_hash_name("gradcheck"));
    for (int i = 0; i < directions; i++) {
        one_direction(&c, step, &rng, result);
    }
    memcpy(leaf->value, c.start, bytes);
    bnn_graph_forward(graph);
    free(memory);
    return BNN_OK;
}
