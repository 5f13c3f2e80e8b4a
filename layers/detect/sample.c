/* Which boxes are learned from: some of those that belong to a truth, and of those that do not. */
#include "layers/detect/private.h"

typedef struct sample_attr {
    bnn_sampling sampling; /* `random` is the run's */
    uint64_t site;
} sample_attr;

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const bnn_sampling *s = &((const sample_attr *)node->attr)->sampling;
    bnn_shape assigned = bnn_shape_of(g, node->in[0]);
    if (s->positives < 0 || s->count < s->positives) {
        return bnn_node_fail(g, node, "%d of %d", s->positives, s->count);
    }
    bnn_node_output(g, node, BNN_I32, assigned);
    node->workspace = bnn_boxes_scratch(g, (size_t)assigned.w, 0);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const sample_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    bnn_sampling sampling = a->sampling;
    sampling.random = bnn_graph_random(g, a->site);
    bnn_graph_kernels(g)->sample(bnn_graph_stream(g), (size_t)s.n, (size_t)s.w, &sampling,
                                 bnn_i32(g, node->in[0]), bnn_i32(g, node->out[0]), node->ws);
}

const bnn_op bnn_sample_op = {.name = "sample", .infer = infer, .forward = forward, .detached = 1};

bnn_t bnn_op_sample(bnn_graph *g, bnn_t assigned, const bnn_sampling *sampling, uint64_t site) {
    sample_attr attr = {*sampling, site};
    return bnn_graph_add(g, &bnn_sample_op, &attr, sizeof attr, 1, &assigned);
}
