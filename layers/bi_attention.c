/* Bi-attention (BiBERT: Qin et al. 2022): no softmax, since what it makes has no sign worth a bit.
 * A score is a product of signs, the attention is 1 where it is positive and not masked, else 0,
 * and the context is sums of the signs of v, to which a token may add its own by a half: an even
 * number of signs then never sums up to 0, whose sign would be that of nothing. The surrogate of
 * the attention passes where a score's magnitude is less than 1, which is a bound of the integer in
 * front of the scale. What the backward keeps are the attention and where that is, as bits. */
#include <math.h>

#include "layers/ops.h"

enum { Q, K, V, MASK, KEEP };
enum { CONTEXT, ATTENTION, WINDOW };

typedef struct bi_attention_attr {
    int heads;
    float dropout; /* of scores, where KEEP is given */
    float own;
} bi_attention_attr;

/* With dropout the scores that stay are larger. */
static bnn_attention attention(const bnn_graph *g, const bnn_node *node) {
    const bi_attention_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[Q]);
    double stay = node->in[KEEP] < 0 ? 1.0 : 1.0 - (double)a->dropout;
    double squared = stay * stay * s.c / a->heads;
    return (bnn_attention){.n = (size_t)s.n,
                           .t = (size_t)s.w,
                           .c = (size_t)s.c,
                           .heads = (size_t)a->heads,
                           .reach = (int)ceil(sqrt(squared)) - 1,
                           .factor = (float)(1.0 / sqrt(squared)),
                           .own = a->own};
}

static int wants_gradient(const bnn_graph *g, const bnn_node *node) {
    return bnn_wants_grad(g, node->in[Q]) || bnn_wants_grad(g, node->in[K]) ||
           bnn_wants_grad(g, node->in[V]);
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const bi_attention_attr *a = node->attr;
    bnn_shape q = bnn_shape_of(g, node->in[Q]), k = bnn_shape_of(g, node->in[K]),
              v = bnn_shape_of(g, node->in[V]), mask = bnn_shape_of(g, node->in[MASK]);
    if (q.h != 1 || !bnn_shape_equal(q, k) || !bnn_shape_equal(q, v)) {
        return bnn_node_fail(g, node, "q [%d,%d,%d,%d], k [%d,%d,%d,%d], v [%d,%d,%d,%d]", q.n, q.h,
                             q.w, q.c, k.n, k.h, k.w, k.c, v.n, v.h, v.w, v.c);
    }
    if (a->heads < 1 || q.c % a->heads || q.w > BNN_ATTENTION_MOST ||
        q.c / a->heads > BNN_ATTENTION_MOST || bnn_shape_count(mask) != bnn_shape_rows(q)) {
        return bnn_node_fail(g, node, "%d heads of %d channels, %d tokens, %zu values of masks",
                             a->heads, q.c, q.w, bnn_shape_count(mask));
    }
    bnn_shape scores = {q.n, a->heads, q.w, q.w};
    if (!(a->own >= 0.0f && a->own < 1.0f)) {
        return bnn_node_fail(g, node, "%g of a token's own value", (double)a->own);
    }
    if (node->in[KEEP] >= 0 && (!bnn_shape_equal(bnn_shape_of(g, node->in[KEEP]), scores) ||
                                !(a->dropout >= 0.0f && a->dropout < 1.0f))) {
        return bnn_node_fail(g, node, "dropout of %g with bits of another shape",
                             (double)a->dropout);
    }
    int backward = wants_gradient(g, node);
    bnn_node_output(g, node, BNN_F32, q);
    if (backward) {
        bnn_node_output(g, node, BNN_B1, scores);
        bnn_node_output(g, node, BNN_B1, scores);
        node->saved_in = BNN_SAVED(Q) | BNN_SAVED(K) | BNN_SAVED(V);
        node->saved_out = BNN_SAVED(ATTENTION) | BNN_SAVED(WINDOW);
    }
    bnn_attention s = attention(g, node);
    node->workspace =
        bnn_graph_kernels(g)->bi_attention_workspace(bnn_graph_stream(g), &s, backward);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_attention s = attention(g, node);
    int backward = node->out_count > CONTEXT + 1;
    bnn_graph_kernels(g)->bi_attention(
        bnn_graph_stream(g), &s, bnn_bits(g, node->in[Q]), bnn_bits(g, node->in[K]),
        bnn_bits(g, node->in[V]), bnn_i32(g, node->in[MASK]), bnn_bits(g, node->in[KEEP]),
        bnn_f32(g, node->out[CONTEXT]), backward ? bnn_bits(g, node->out[ATTENTION]) : NULL,
        backward ? bnn_bits(g, node->out[WINDOW]) : NULL, node->ws);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_attention s = attention(g, node);
    float *grad[3];
    for (int i = Q; i <= V; i++) {
        grad[i] = node->want_grad[i] ? bnn_grad(g, node->in[i]) : NULL;
    }
    bnn_graph_kernels(g)->bi_attention_backward(
        bnn_graph_stream(g), &s, bnn_grad(g, node->out[CONTEXT]), bnn_bits(g, node->in[Q]),
        bnn_bits(g, node->in[K]), bnn_bits(g, node->in[V]), bnn_bits(g, node->out[ATTENTION]),
        bnn_bits(g, node->out[WINDOW]), grad[Q], node->acc[Q], grad[K], node->acc[K], grad[V],
        node->acc[V], node->ws_backward);
}

static const bnn_op_field fields[] = {
    {"heads", BNN_FIELD_INT, offsetof(bi_attention_attr, heads), 1, 0},
    {"own", BNN_FIELD_FLOAT, offsetof(bi_attention_attr, own), 0, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};

/* As many signs as there are tokens; halves are no integers. */
static int integers(const bnn_graph *g, const bnn_node *node) {
    const bi_attention_attr *a = node->attr;
    return a->own == 0.0f ? bnn_shape_of(g, node->in[Q]).w : 0;
}

static const bnn_fold_rule fold = {.integers = integers};

/* Dropout is training's alone. */
static const bnn_form form = {
    .fields = fields,
    .attr_bytes = sizeof(bi_attention_attr),
    .in_count = 5,
    .optional = BNN_BIT(KEEP),
    .in_types = {BNN_BIT(BNN_B1), BNN_BIT(BNN_B1), BNN_BIT(BNN_B1), BNN_BIT(BNN_I32)},
};

const bnn_op bnn_bi_attention_op = {.name = "bi_attention",
                                    .infer = infer,
                                    .forward = forward,
                                    .backward = backward,
                                    .fold = &fold,
                                    .form = &form};

bnn_t bnn_op_bi_attention(bnn_graph *g, bnn_t q, bnn_t k, bnn_t v, bnn_t mask, int heads,
                          bnn_t keep, float dropout, float own) {
    const bnn_ste window = {BNN_STE_CLIP_OPEN, 1.0f};
    bi_attention_attr attr = {heads, dropout, own};
    bnn_t in[] = {bnn_op_sign(g, q, BNN_NONE, 0, window, BNN_NONE).t,
                  bnn_op_sign(g, k, BNN_NONE, 0, window, BNN_NONE).t,
                  bnn_op_sign(g, v, BNN_NONE, 0, window, BNN_NONE).t, mask, keep};
    return bnn_graph_add(g, &bnn_bi_attention_op, &attr, sizeof attr, 5, in);
}
