/* Which scores of an attention on bits stay (dropout): bits that are drawn anew in each run. */
#include "layers/ops.h"

typedef struct keep_attr {
    uint64_t site;
    int heads;
    float dropout;
} keep_attr;

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const keep_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[0]);
    if (a->heads < 1 || !(a->dropout >= 0.0f && a->dropout < 1.0f)) {
        return bnn_node_fail(g, node, "with probability %g", (double)a->dropout);
    }
    bnn_node_output(g, node, BNN_B1, (bnn_shape){s.n, a->heads, s.w, s.w});
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const keep_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->out[0]);
    bnn_graph_kernels(g)->keep(bnn_graph_stream(g), bnn_shape_rows(s), (size_t)s.c, a->dropout,
                               bnn_graph_random(g, a->site), bnn_bits(g, node->out[0]));
}

const bnn_op bnn_keep_op = {.name = "keep", .infer = infer, .forward = forward, .detached = 1};

bnn_t bnn_op_keep(bnn_graph *g, bnn_t like, int heads, float dropout, uint64_t site) {
    keep_attr attr = {site, heads, dropout};
    return dropout != 0.0f && bnn_graph_training(g)
               ? bnn_graph_add(g, &bnn_keep_op, &attr, sizeof attr, 1, &like)
               : BNN_NONE;
}
