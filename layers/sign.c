/* The sign, and the one decision about its backward: a mask-like surrogate of an activation keeps
 * one bit a value, everything else reads x again (a latent weight is there anyway). */
#include "layers/ops.h"

enum { X, SCALE, STE_P };
enum { BITS, PLANE };

typedef struct sign_attr {
    bnn_ste ste;
    int scale_in_grad;
} sign_attr;

static int keeps_plane(const bnn_graph *g, const bnn_node *node) {
    const sign_attr *a = node->attr;
    return bnn_ste_is_mask(a->ste.kind) && !a->scale_in_grad &&
           bnn_role_of(g, node->in[X]) == BNN_ROLE_ACTIVATION;
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const sign_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    size_t factors = bnn_shape_count(bnn_shape_of(g, node->in[SCALE]));
    if (node->in[SCALE] >= 0 && bnn_shape_rows(s) % factors) {
        return bnn_node_fail(g, node, "%zu scales for %zu rows", factors, bnn_shape_rows(s));
    }
    bnn_node_output(g, node, BNN_B1, s);
    if (!bnn_wants_grad(g, node->in[X])) {
        return BNN_OK;
    }
    if (keeps_plane(g, node)) {
        bnn_node_output(g, node, BNN_PLANE, s);
        node->saved_out = BNN_SAVED(PLANE);
    } else {
        node->saved_in = BNN_SAVED(X) | BNN_SAVED(STE_P);
        node->saved_in |= a->scale_in_grad ? BNN_SAVED(SCALE) : 0;
    }
    return BNN_OK;
}

static void forward(const bnn_block *b, const bnn_node *node) {
    const bnn_kernels *k = bnn_graph_kernels(b->graph);
    const sign_attr *a = node->attr;
    const float *x = bnn_block_f32(b, node->in[X]);
    k->sign_pack(bnn_graph_stream(b->graph), b->rows, b->c, x, bnn_block_bits(b, node->out[BITS]));
    if (node->out_count > PLANE) {
        k->ste_plane(bnn_graph_stream(b->graph), b->rows * b->c, x, a->ste,
                     bnn_f32(b->graph, node->in[STE_P]), bnn_block_bits(b, node->out[PLANE]));
    }
}

static void backward(const bnn_block *b, const bnn_node *node) {
    const bnn_graph *g = b->graph;
    const bnn_kernels *k = bnn_graph_kernels(g);
    const sign_attr *a = node->attr;
    const float *gy = bnn_block_grad(b, node->out[BITS]);
    float *gx = bnn_block_grad(b, node->in[X]);
    if (node->out_count > PLANE) {
        k->plane_backward(bnn_graph_stream(g), b->rows * b->c, gy,
                          bnn_block_bits(b, node->out[PLANE]), gx, node->acc[X]);
        return;
    }
    const float *scale = a->scale_in_grad ? bnn_f32(g, node->in[SCALE]) : NULL;
    size_t rows = bnn_shape_rows(bnn_shape_of(g, node->in[X]));
    size_t scales = scale ? bnn_shape_count(bnn_shape_of(g, node->in[SCALE])) : 1;
    k->ste_backward(bnn_graph_stream(g), b->first, b->rows, b->c, rows / scales, gy,
                    bnn_block_f32(b, node->in[X]), a->ste, bnn_f32(g, node->in[STE_P]), scale, gx,
                    node->acc[X]);
}

static const bnn_fold_rule fold = {.kind = BNN_FOLD_SIGN};

/* Surrogate and scale are the backward's alone. */
static const bnn_form form = {
    .attr_bytes = sizeof(sign_attr),
    .in_count = 3,
    .optional = BNN_BIT(SCALE) | BNN_BIT(STE_P),
    .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)},
};

const bnn_op bnn_sign_op = {.name = "sign",
                            .infer = infer,
                            .forward_rows = {.map = forward},
                            .backward_rows = {.map = backward},
                            .row_in = BNN_BIT(X),
                            .row_out = BNN_BIT(BITS) | BNN_BIT(PLANE),
                            .grad_in_place = 1,
                            .fold = &fold,
                            .form = &form};

bnn_value bnn_op_sign(bnn_graph *g, bnn_t x, bnn_t scale, int scale_in_grad, bnn_ste ste,
                      bnn_t ste_p) {
    sign_attr attr = {ste, scale_in_grad};
    bnn_t bits = bnn_graph_add(g, &bnn_sign_op, &attr, sizeof attr, 3, (bnn_t[]){x, scale, ste_p});
    return (bnn_value){bits, scale};
}
