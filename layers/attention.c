/* Attention of several heads over the tokens of a sample (Vaswani et al. 2017). Its backward
 * computes the probabilities again, which takes a quarter of its time and keeps no square of
 * tokens. */
#include "layers/ops.h"

enum { Q, K, V, MASK };

typedef struct attention_attr {
    uint64_t site;
    int heads;
    float dropout;
} attention_attr;

static bnn_soft_attention shape_of(const bnn_graph *g, const bnn_node *node) {
    const attention_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[Q]);
    return (bnn_soft_attention){.n = s.n,
                                .t = s.w,
                                .heads = a->heads,
                                .d = s.c / a->heads,
                                .dropout = a->dropout,
                                .random = bnn_graph_random(g, a->site)};
}

/* More than the workspace of all threads. */
static double most_bytes(const bnn_graph *g, bnn_shape s) {
    double t = (double)s.w + 16.0, c = (double)s.c + 16.0;
    return 4.0 * bnn_graph_device(g)->threads * (3.0 * t * t + 7.0 * t * c);
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const attention_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[Q]), mask = bnn_shape_of(g, node->in[MASK]);
    if (s.h != 1 || !bnn_shape_equal(bnn_shape_of(g, node->in[K]), s) ||
        !bnn_shape_equal(bnn_shape_of(g, node->in[V]), s)) {
        return bnn_node_fail(g, node, "queries [%d,%d,%d,%d], and keys or values of other shape",
                             s.n, s.h, s.w, s.c);
    }
    if (a->heads < 1 || s.c % a->heads) {
        return bnn_node_fail(g, node, "%d channels do not make %d heads", s.c, a->heads);
    }
    if (mask.n != s.n || mask.h != 1 || mask.w != s.w || mask.c != 1) {
        return bnn_node_fail(g, node, "a mask [%d,%d,%d,%d] for %d samples of %d tokens", mask.n,
                             mask.h, mask.w, mask.c, s.n, s.w);
    }
    if (!(a->dropout >= 0.0f && a->dropout < 1.0f)) {
        return bnn_node_fail(g, node, "with dropout %g", (double)a->dropout);
    }
    if (s.w > BNN_ATTENTION_MOST || most_bytes(g, s) > (double)(SIZE_MAX / 8)) {
        return bnn_node_fail(g, node, "%d tokens are too many", s.w);
    }
    bnn_node_output(g, node, BNN_F32, s);
    node->saved_in = BNN_SAVED(Q) | BNN_SAVED(K) | BNN_SAVED(V) | BNN_SAVED(MASK);
    bnn_soft_attention shape = shape_of(g, node);
    node->workspace = bnn_graph_kernels(g)->attention_workspace(bnn_graph_stream(g), &shape);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_soft_attention s = shape_of(g, node);
    bnn_graph_kernels(g)->attention(bnn_graph_stream(g), &s, bnn_f32(g, node->in[Q]),
                                    bnn_f32(g, node->in[K]), bnn_f32(g, node->in[V]),
                                    bnn_i32(g, node->in[MASK]), bnn_f32(g, node->out[0]), node->ws);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_soft_attention s = shape_of(g, node);
    float *to[3];
    for (int i = Q; i <= V; i++) {
        to[i] = node->want_grad[i] ? bnn_grad(g, node->in[i]) : NULL;
    }
    bnn_graph_kernels(g)->attention_backward(
        bnn_graph_stream(g), &s, bnn_grad(g, node->out[0]), bnn_f32(g, node->in[Q]),
        bnn_f32(g, node->in[K]), bnn_f32(g, node->in[V]), bnn_i32(g, node->in[MASK]), to[Q],
        node->acc[Q], to[K], node->acc[K], to[V], node->acc[V], node->ws_backward);
}

static double multiplications(const bnn_graph *g, const bnn_node *node) {
    return 2.0 * bnn_shape_of(g, node->in[Q]).w;
}

static const bnn_op_field fields[] = {
    {"heads", BNN_FIELD_INT, offsetof(attention_attr, heads), 1, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {
    .fields = fields,
    .attr_bytes = sizeof(attention_attr),
    .in_count = 4,
    .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32), BNN_BIT(BNN_F32), BNN_BIT(BNN_I32)},
};

const bnn_op bnn_attention_op = {.name = "attention",
                                 .infer = infer,
                                 .forward = forward,
                                 .backward = backward,
                                 .multiplications = multiplications,
                                 .form = &form};

bnn_t bnn_op_attention(bnn_graph *g, bnn_t q, bnn_t k, bnn_t v, bnn_t mask, int heads,
                       float dropout, uint64_t site) {
    attention_attr attr = {site, heads, bnn_graph_training(g) ? dropout : 0.0f};
    return bnn_graph_add(g, &bnn_attention_op, &attr, sizeof attr, 4, (bnn_t[]){q, k, v, mask});
}
