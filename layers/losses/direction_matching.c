/* Direction matching (BiBERT: Qin et al. 2022): how far a student's activations, or the products of
 * its tokens with each other, point away from a teacher's. Lengths do not count, so neither do
 * constant factors. */
#include <math.h>

#include "layers/ops.h"

enum { STUDENT, TEACHER };
enum { LOSS, STATE };

typedef struct direction_attr {
    float floor;
} direction_attr;

static size_t count_of(const bnn_graph *g, const bnn_node *node) {
    return bnn_shape_count(bnn_shape_of(g, node->in[STUDENT]));
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[STUDENT]), t = bnn_shape_of(g, node->in[TEACHER]);
    if (!bnn_shape_equal(s, t)) {
        return bnn_node_fail(g, node, "[%d,%d,%d,%d] for a teacher's [%d,%d,%d,%d]", s.n, s.h, s.w,
                             s.c, t.n, t.h, t.w, t.c);
    }
    bnn_node_output(g, node, BNN_F32, bnn_vector(1));
    bnn_node_output(g, node, BNN_F64, bnn_vector(3));
    node->saved_in = BNN_SAVED(STUDENT) | BNN_SAVED(TEACHER);
    node->saved_out = BNN_SAVED(STATE);
    node->workspace = bnn_graph_kernels(g)->direction_bytes(bnn_graph_stream(g), count_of(g, node));
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const direction_attr *a = node->attr;
    bnn_graph_kernels(g)->direction_matching(
        bnn_graph_stream(g), count_of(g, node), a->floor, bnn_f32(g, node->in[STUDENT]),
        bnn_f32(g, node->in[TEACHER]), bnn_f64(g, node->out[STATE]), bnn_f32(g, node->out[LOSS]),
        node->ws);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const direction_attr *a = node->attr;
    bnn_graph_kernels(g)->direction_matching_backward(
        bnn_graph_stream(g), count_of(g, node), a->floor, bnn_grad(g, node->out[LOSS]),
        bnn_f32(g, node->in[STUDENT]), bnn_f32(g, node->in[TEACHER]), bnn_f64(g, node->out[STATE]),
        bnn_grad(g, node->in[STUDENT]), node->acc[STUDENT]);
}

const bnn_op bnn_direction_matching_op = {.name = "direction_matching",
                                          .infer = infer,
                                          .forward = forward,
                                          .backward = backward,
                                          .detached_in = BNN_BIT(TEACHER)};

bnn_t bnn_op_direction_matching(bnn_graph *g, bnn_t student, bnn_t teacher, float floor) {
    direction_attr attr = {floor};
    return bnn_graph_add(g, &bnn_direction_matching_op, &attr, sizeof attr, 2,
                         (bnn_t[]){student, teacher});
}

/* x x' of each head's tokens. */
static bnn_t token_products(bnn_graph *g, bnn_t x, int heads) {
    bnn_t split = bnn_op_split_heads(g, x, heads);
    return bnn_op_batch_product(g, split, split);
}

bnn_t bnn_score_matching(bnn_graph *g, bnn_t student, bnn_t teacher, int heads) {
    float depth = heads > 0 ? (float)bnn_shape_of(g, student).c / (float)heads : 1.0f;
    return bnn_op_direction_matching(g, token_products(g, student, heads),
                                     token_products(g, teacher, heads), -100.0f * sqrtf(depth));
}
