/* Every op of the registry: its backward against finite differences of its forward, with inputs
 * that are inputs, parameters and results of other nodes (which take different memory), used once
 * and twice (where gradients must add). (Signs have no such slope: check_signs.c.) */
#include "tests/fixtures/graph_fixture.h"

#include "engine/gradcheck.h"
#include "layers/ops.h"

enum { MOST_LEAVES = 5, ROLES = 3 };
typedef enum leaf_role { AN_INPUT, A_PARAMETER, A_RESULT } leaf_role;

typedef struct leaf_spec {
    bnn_shape shape;
    fill_kind fill;
    int fixed; /* wants no gradient */
} leaf_spec;

typedef struct bed {
    bnn_graph *graph;
    bnn_params *params;
    bnn_rng rng;
    bnn_t label, mask; /* inputs of integers, or BNN_NONE */
    int32_t labels[16], masks[16];
} bed;

typedef struct op_case {
    const bnn_op *op;
    bnn_t (*build)(bed *b, const bnn_t *in, const int *arg);
    leaf_spec leaf[MOST_LEAVES];
    int arg[8];
} op_case;

/* ---- builders ---- */

static bnn_t build_conv(bed *b, const bnn_t *in, const int *arg) {
    bnn_conv_config c = {arg[0], arg[1], arg[2], arg[3], arg[4], arg[5], arg[6], arg[7]};
    return bnn_op_conv(b->graph, bnn_plain(in[0]), bnn_plain(in[1]), &c);
}

static bnn_t build_normalize(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_normalize(b->graph, in[0], arg[0], arg[1], arg[2], 1.7f, 1e-5f);
}

static bnn_t build_clamp(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_clamp(b->graph, in[0], (float)arg[0], arg[1] ? 1.0f : INFINITY);
}

static bnn_t build_add(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_add(b->graph, in[0], in[arg[0]]);
}

static bnn_t build_affine(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_affine(b->graph, in[0], arg[0] ? in[1] : BNN_NONE, arg[1] ? in[2] : BNN_NONE);
}

static bnn_t build_batch_norm(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    bnn_shape c = bnn_vector(bnn_shape_of(b->graph, in[0]).c);
    bnn_t mean = plain_param(b->graph, "mean", c, 0), var = plain_param(b->graph, "var", c, 0);
    return bnn_op_batch_norm(b->graph, in[0], in[1], in[2], mean, var, 1e-5f, 0.1f);
}

static bnn_t build_fixed_batch_norm(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_fixed_batch_norm(b->graph, in[0], in[1], in[2], in[3], in[4], 1e-5f);
}

static bnn_t build_outer_scale(bed *b, const bnn_t *in, const int *arg) {
    return arg[0] ? bnn_op_outer_scale(b->graph, in[0], in[1], in[2], in[3])
                  : bnn_op_outer_scale(b->graph, in[0], in[1], BNN_NONE, in[2]);
}

static bnn_t build_noisy_sign(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_noisy_sign(b->graph, in[1], in[0], arg[0] ? in[4] : BNN_NONE, in[2], in[3]);
}

static bnn_t build_bottleneck(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_bottleneck(b->graph, in[0], in[1], in[2]);
}

static bnn_t build_max_pool(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_max_pool(b->graph, in[0], arg[0], arg[1], arg[2], arg[3]);
}

static bnn_t build_global_avg_pool(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_global_avg_pool(b->graph, in[0]);
}

static bnn_t build_reshape(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_reshape(b->graph, in[0], (bnn_shape){arg[0], arg[1], arg[2], arg[3]});
}

static bnn_t build_global_max_pool(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_global_max_pool(b->graph, in[0], 0.5f * (float)arg[0]);
}

static bnn_t build_prelu(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_prelu(b->graph, in[0], in[1]);
}

typedef enum move_kind { PAD, CROP, CHANNELS, COLUMNS, TRANSPOSE, HEADS } move_kind;

static bnn_t build_move(bed *b, const bnn_t *in, const int *arg) {
    switch ((move_kind)arg[0]) {
    case PAD:
        return bnn_op_pad(b->graph, in[0], arg[1], arg[2]);
    case CROP:
        return bnn_op_crop(b->graph, in[0], arg[1], arg[2]);
    case CHANNELS:
        return bnn_op_channels(b->graph, in[0], arg[1], arg[2]);
    case COLUMNS:
        return bnn_op_columns(b->graph, in[0]);
    case TRANSPOSE:
        return bnn_op_transpose(b->graph, in[0]);
    case HEADS:
        return bnn_op_split_heads(b->graph, in[0], arg[1]);
    }
    return BNN_NONE;
}

static bnn_t build_concat(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_concat(b->graph, arg[0], in);
}

static bnn_t build_batch_product(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_batch_product(b->graph, in[0], in[arg[0]]);
}

static bnn_t build_diagonal(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_diagonal(b->graph, in[0], (float)arg[0]);
}

static bnn_t build_norm_mean(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_norm_mean(b->graph, in[0]);
}

static bnn_t build_transform_regulariser(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_transform_regulariser(b->graph, in[0]);
}

static bnn_t build_soft_cross_entropy(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_soft_cross_entropy(b->graph, in[0], in[1]);
}

static bnn_t build_direction_matching(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_direction_matching(b->graph, in[0], in[1], arg[0] ? -1.0f : -INFINITY);
}

static bnn_t build_score_matching(bed *b, const bnn_t *in, const int *arg) {
    return bnn_score_matching(b->graph, in[0], in[1], arg[0]);
}

static bnn_t build_weighted_sum(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_weighted_sum(b->graph, 3, (bnn_t[]){in[0], in[1], in[0]},
                               (float[]){1.0f, -0.3f, 0.25f});
}

static bnn_t build_cross_entropy(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    bnn_shape s = bnn_shape_of(b->graph, in[0]);
    s.c = 1;
    if (b->label == BNN_NONE) {
        b->label = bnn_graph_input(b->graph, "label", BNN_I32, s);
    }
    return bnn_op_cross_entropy(b->graph, in[0], b->label);
}

static bnn_t labels_of(bed *b, int rows) {
    if (b->label == BNN_NONE) {
        b->label = bnn_graph_input(b->graph, "label", BNN_I32, (bnn_shape){rows, 1, 1, 1});
    }
    return b->label;
}

static bnn_t build_cross_entropy_over(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_cross_entropy_over(b->graph, in[0], labels_of(b, arg[0]), in[1]);
}

static bnn_t build_smooth_l1(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_smooth_l1(b->graph, in[0], in[1], labels_of(b, arg[0]), in[2], arg[1],
                            0.5f * (float)arg[2]);
}

static bnn_t build_objectness(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_objectness(b->graph, in[0], labels_of(b, arg[0]), in[1]);
}

static bnn_t build_l2_norm(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_l2_norm(b->graph, in[0], in[1], 1e-3f);
}

static bnn_t build_softmax(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_softmax(b->graph, in[0], arg[0] ? in[1] : BNN_NONE);
}

static bnn_t build_roi_align(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_roi_align(b->graph, in[0], in[1], arg[0], 4.0f);
}

static bnn_t build_squared_error(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_squared_error(b->graph, in[0], in[1]);
}

static bnn_t build_gelu(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_gelu(b->graph, in[0]);
}

static bnn_t build_tanh(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_tanh(b->graph, in[0]);
}

static bnn_t build_layer_norm(bed *b, const bnn_t *in, const int *arg) {
    (void)arg;
    return bnn_op_layer_norm(b->graph, in[0], in[1], in[2], 1e-12f);
}

static bnn_t build_dropout(bed *b, const bnn_t *in, const int *arg) {
    return bnn_op_dropout(b->graph, in[0], 0.01f * (float)arg[0], 77);
}

static bnn_t build_embedding(bed *b, const bnn_t *in, const int *arg) {
    if (b->label == BNN_NONE) {
        b->label = bnn_graph_input(b->graph, "ids", BNN_I32, (bnn_shape){2, 1, 4, 1});
    }
    return bnn_op_embedding(b->graph, bnn_plain(in[0]), b->label, arg[0], arg[1]);
}

static bnn_t build_attention(bed *b, const bnn_t *in, const int *arg) {
    if (b->mask == BNN_NONE) {
        bnn_shape s = bnn_shape_of(b->graph, in[0]);
        s.c = 1;
        b->mask = bnn_graph_input(b->graph, "mask", BNN_I32, s);
    }
    return bnn_op_attention(b->graph, in[0], in[1], in[2], b->mask, arg[0], 0.01f * (float)arg[1],
                            5);
}

#define V(c)                                                                                       \
    { {1, 1, 1, c}, POSITIVE, 0 }
#define FIXED(c)                                                                                   \
    { {1, 1, 1, c}, POSITIVE, 1 }
static const op_case cases[] = {
    {&bnn_conv_op,
     build_conv,
     {{{2, 5, 6, 3}, SHIFTED, 0}, {{5, 3, 3, 3}, SHIFTED, 0}},
     {1, 1, 1, 1, 1, 1, 1}},
    {&bnn_conv_op,
     build_conv,
     {{{1, 7, 9, 6}, SHIFTED, 0}, {{4, 3, 2, 3}, SHIFTED, 0}},
     {2, 1, 2, 1, 2, 3, 2}},
    {&bnn_conv_op,
     build_conv,
     {{{2, 5, 4, 5}, SHIFTED, 0}, {{5, 3, 3, 1}, SHIFTED, 0}},
     {1, 2, 1, 0, 1, 1, 5}},
    {&bnn_conv_op,
     build_conv,
     {{{3, 1, 11, 7}, SHIFTED, 0}, {{9, 1, 5, 7}, SHIFTED, 0}},
     {1, 2, 0, 2, 1, 1, 1}},
    {&bnn_conv_op,
     build_conv,
     {{{3, 1, 11, 7}, SHIFTED, 0}, {{9, 1, 5, 7}, SHIFTED, 0}},
     {1, 2, 0, 3, 1, 1, 1, -2}},
    {&bnn_conv_op,
     build_conv,
     {{{7, 1, 1, 33}, SHIFTED, 0}, {{17, 1, 1, 33}, SHIFTED, 0}},
     {1, 1, 0, 0, 1, 1, 1}},
    {&bnn_normalize_op, build_normalize, {{{3, 1, 1, 10}, SHIFTED, 0}}, {3, 1, 0}},
    {&bnn_normalize_op, build_normalize, {{{3, 2, 5, 3}, SHIFTED, 0}}, {3, 1, 1}},
    {&bnn_normalize_op, build_normalize, {{{2, 3, 5, 7}, SHIFTED, 0}}, {2, 0, 1}},
    {&bnn_clamp_op, build_clamp, {{{2, 3, 5, 7}, OFF_KINKS, 0}}, {-1, 1}},
    {&bnn_clamp_op, build_clamp, {{{1, 1, 3, 67}, OFF_KINKS, 0}}, {0, 0}},
    {&bnn_add_op, build_add, {{{2, 3, 5, 7}, SHIFTED, 0}, {{2, 3, 5, 7}, SHIFTED, 0}}, {1}},
    {&bnn_add_op, build_add, {{{2, 3, 5, 7}, SHIFTED, 0}}, {0}},
    {&bnn_affine_op, build_affine, {{{2, 3, 5, 7}, SHIFTED, 0}, V(7), V(7)}, {1, 1}},
    {&bnn_affine_op, build_affine, {{{2, 3, 5, 9}, SHIFTED, 0}, V(9)}, {1, 0}},
    {&bnn_affine_op, build_affine, {{{2, 3, 5, 1}, SHIFTED, 0}, V(1), V(1)}, {1, 1}},
    {&bnn_batch_norm_op, build_batch_norm, {{{4, 3, 5, 7}, SHIFTED, 0}, V(7), V(7)}, {0}},
    {&bnn_batch_norm_op, build_batch_norm, {{{9, 1, 1, 17}, SHIFTED, 0}, V(17), V(17)}, {0}},
    {&bnn_batch_norm_op,
     build_fixed_batch_norm,
     {{{4, 3, 5, 7}, SHIFTED, 0}, FIXED(7), FIXED(7), FIXED(7), FIXED(7)},
     {0}},
    {&bnn_outer_scale_op, build_outer_scale, {{{2, 3, 5, 7}, SHIFTED, 0}, V(7), V(3), V(5)}, {1}},
    {&bnn_outer_scale_op, build_outer_scale, {{{2, 3, 5, 7}, SHIFTED, 0}, V(7), V(9), V(11)}, {1}},
    {&bnn_outer_scale_op, build_outer_scale, {{{3, 1, 6, 5}, SHIFTED, 0}, V(5), V(8)}, {0}},
    {&bnn_noisy_sign_op,
     build_noisy_sign,
     {{{3, 2, 2, 5}, SHIFTED, 0},
      {{3, 2, 2, 5}, SHIFTED, 1},
      {{1, 1, 1, 1}, POSITIVE, 1},
      {{1, 1, 1, 1}, POSITIVE, 1},
      {{1, 1, 1, 3}, POSITIVE, 1}},
     {1}},
    {&bnn_bottleneck_op,
     build_bottleneck,
     {{{2, 3, 5, 7}, POSITIVE, 0}, {{3, 1, 1, 7}, SHIFTED, 1}, {{3, 1, 1, 7}, SHIFTED, 1}},
     {0}},
    {&bnn_max_pool_op, build_max_pool, {{{2, 6, 5, 3}, SPREAD, 0}}, {2, 2, 0}},
    {&bnn_max_pool_op, build_max_pool, {{{2, 7, 5, 3}, SPREAD, 0}}, {3, 2, 1}},
    {&bnn_max_pool_op, build_max_pool, {{{2, 7, 6, 3}, SPREAD, 0}}, {2, 2, 0, 1}},
    {&bnn_max_pool_op, build_max_pool, {{{2, 6, 8, 3}, SPREAD, 0}}, {3, 3, 1, 1}},
    {&bnn_global_avg_pool_op, build_global_avg_pool, {{{3, 3, 5, 7}, SHIFTED, 0}}, {0}},
    {&bnn_reshape_op, build_reshape, {{{2, 3, 5, 7}, SHIFTED, 0}}, {2, 1, 1, 105}},
    {&bnn_cross_entropy_op, build_cross_entropy, {{{5, 1, 1, 7}, SHIFTED, 0}}, {0}},
    {&bnn_cross_entropy_op, build_cross_entropy, {{{2, 2, 3, 7}, SHIFTED, 0}}, {0}},
    {&bnn_squared_error_op,
     build_squared_error,
     {{{5, 1, 1, 1}, SHIFTED, 0}, {{5, 1, 1, 1}, POSITIVE, 1}},
     {0}},
    {&bnn_cross_entropy_op,
     build_cross_entropy_over,
     {{{5, 1, 1, 7}, SHIFTED, 0}, {{1, 1, 1, 1}, POSITIVE, 1}},
     {5}},
    {&bnn_smooth_l1_op,
     build_smooth_l1,
     {{{5, 1, 1, 4}, SHIFTED, 0}, {{5, 1, 1, 4}, SPREAD, 1}, {{1, 1, 1, 1}, POSITIVE, 1}},
     {5, 6, 1}},
    {&bnn_smooth_l1_op,
     build_smooth_l1,
     {{{5, 1, 1, 24}, SPREAD, 0}, {{5, 1, 1, 4}, POSITIVE, 1}, {{1, 1, 1, 1}, POSITIVE, 1}},
     {5, 6, 0}},
    {&bnn_objectness_op,
     build_objectness,
     {{{7, 1, 1, 1}, SHIFTED, 0}, {{1, 1, 1, 1}, POSITIVE, 1}},
     {7}},
    {&bnn_l2_norm_op, build_l2_norm, {{{2, 3, 5, 7}, SHIFTED, 0}, V(7)}, {0}},
    {&bnn_softmax_op, build_softmax, {{{2, 3, 5, 7}, SHIFTED, 0}}, {0}},
    {&bnn_softmax_op, build_softmax, {{{2, 3, 5, 7}, SHIFTED, 0}, {{2, 1, 1, 7}, SHIFTED, 1}}, {1}},
    {&bnn_roi_align_op,
     build_roi_align,
     {{{2, 6, 5, 3}, SHIFTED, 0}, {{1, 1, 12, 5}, POSITIVE, 1}},
     {3}},
    {&bnn_global_max_pool_op, build_global_max_pool, {{{2, 3, 5, 7}, SPREAD, 0}}, {0}},
    {&bnn_global_max_pool_op, build_global_max_pool, {{{3, 1, 4, 67}, SPREAD, 0}}, {-3}},
    {&bnn_prelu_op, build_prelu, {{{2, 3, 5, 7}, OFF_KINKS, 0}, V(1)}, {0}},
    {&bnn_prelu_op, build_prelu, {{{2, 3, 5, 37}, OFF_KINKS, 0}, V(37)}, {0}},
    {&bnn_move_op, build_move, {{{2, 2, 5, 3}, SHIFTED, 0}}, {PAD, 2, 1}},
    {&bnn_move_op, build_move, {{{2, 2, 5, 3}, SHIFTED, 0}}, {PAD, 0, 0}},
    {&bnn_move_op, build_move, {{{2, 2, 5, 3}, SHIFTED, 0}}, {CROP, 1, 2}},
    {&bnn_move_op, build_move, {{{2, 3, 5, 6}, SHIFTED, 0}}, {CHANNELS, 1, 3}},
    {&bnn_move_op, build_move, {{{2, 4, 3, 5}, SHIFTED, 0}}, {COLUMNS}},
    {&bnn_move_op, build_move, {{{2, 2, 5, 3}, SHIFTED, 0}}, {TRANSPOSE}},
    {&bnn_move_op, build_move, {{{2, 1, 5, 6}, SHIFTED, 0}}, {HEADS, 3}},
    {&bnn_concat_op, build_concat, {{{2, 1, 5, 3}, SHIFTED, 0}}, {1}},
    {&bnn_concat_op,
     build_concat,
     {{{2, 1, 1, 4}, SHIFTED, 0}, {{2, 1, 5, 3}, SHIFTED, 0}, {{2, 1, 5, 2}, SHIFTED, 0}},
     {3}},
    {&bnn_batch_product_op,
     build_batch_product,
     {{{2, 3, 5, 7}, SHIFTED, 0}, {{2, 1, 4, 7}, SHIFTED, 0}},
     {1}},
    {&bnn_batch_product_op, build_batch_product, {{{2, 1, 5, 3}, SHIFTED, 0}}, {0}},
    {&bnn_diagonal_op, build_diagonal, {{{2, 3, 4, 4}, SHIFTED, 0}}, {-1}},
    {&bnn_norm_mean_op, build_norm_mean, {{{3, 1, 4, 5}, SHIFTED, 0}}, {0}},
    {&bnn_norm_mean_op, build_transform_regulariser, {{{2, 1, 5, 5}, SHIFTED, 0}}, {0}},
    {&bnn_weighted_sum_op, build_weighted_sum, {V(1), V(1)}, {0}},
    {&bnn_gelu_op, build_gelu, {{{2, 3, 5, 7}, OFF_KINKS, 0}}, {0}},
    {&bnn_tanh_op, build_tanh, {{{2, 3, 5, 7}, OFF_KINKS, 0}}, {0}},
    {&bnn_layer_norm_op, build_layer_norm, {{{2, 1, 5, 37}, SHIFTED, 0}, V(37), V(37)}, {0}},
    {&bnn_dropout_op, build_dropout, {{{2, 3, 35, 7}, SHIFTED, 0}}, {30}},
    {&bnn_embedding_op, build_embedding, {{{7, 1, 1, 5}, SHIFTED, 0}}, {0, -1}},
    {&bnn_embedding_op, build_embedding, {{{5, 1, 1, 67}, SHIFTED, 0}}, {1, -1}},
    {&bnn_attention_op,
     build_attention,
     {{{2, 1, 5, 6}, SHIFTED, 0}, {{2, 1, 5, 6}, SHIFTED, 0}, {{2, 1, 5, 6}, SHIFTED, 0}},
     {2, 0}},
    {&bnn_attention_op,
     build_attention,
     {{{1, 1, 6, 4}, SHIFTED, 0}, {{1, 1, 6, 4}, SHIFTED, 0}, {{1, 1, 6, 4}, SHIFTED, 0}},
     {1, 25}},
    {&bnn_soft_cross_entropy_op,
     build_soft_cross_entropy,
     {{{5, 1, 1, 7}, SHIFTED, 0}, {{5, 1, 1, 7}, SHIFTED, 1}},
     {0}},
    {&bnn_direction_matching_op,
     build_direction_matching,
     {{{2, 1, 5, 7}, OFF_KINKS, 0}, {{2, 1, 5, 7}, OFF_KINKS, 1}},
     {0}},
    {&bnn_direction_matching_op,
     build_direction_matching,
     {{{2, 1, 5, 7}, OFF_KINKS, 0}, {{2, 1, 5, 7}, OFF_KINKS, 1}},
     {1}},
    {&bnn_direction_matching_op,
     build_score_matching,
     {{{2, 1, 5, 6}, SHIFTED, 0}, {{2, 1, 5, 6}, SHIFTED, 1}},
     {3}},
};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- finite differences ---- */

static bnn_t make_leaf(bed *b, const leaf_spec *spec, int index, leaf_role role) {
    char name[16];
    snprintf(name, sizeof name, "leaf%d", index);
    if (role == A_PARAMETER) {
        return plain_param(b->graph, name, spec->shape, !spec->fixed);
    }
    bnn_t t = bnn_graph_input(b->graph, name, BNN_F32, spec->shape);
    if (!spec->fixed) {
        bnn_graph_want_grad(b->graph, t);
    }
    return t;
}

static bnn_t build_case(bed *b, const op_case *c, leaf_role role, int twice, bnn_t *leaf) {
    bnn_t in[MOST_LEAVES];
    for (int i = 0; i < MOST_LEAVES && c->leaf[i].shape.n; i++) {
        in[i] = leaf[i] = make_leaf(b, &c->leaf[i], i, role);
        if (role == A_RESULT) { /* a copy: memory of its own that a node may take over */
            in[i] = bnn_op_affine(b->graph, leaf[i], BNN_NONE, BNN_NONE);
        }
    }
    bnn_t y = c->build(b, in, c->arg);
    return twice ? bnn_op_add(b->graph, y, c->build(b, in, c->arg)) : y;
}

static int runs_backward(const bnn_graph *g, const bnn_op *op) {
    int count = 0;
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        count += bnn_graph_node(g, i)->op == op && bnn_graph_node(g, i)->backward;
    }
    return count;
}

/* Where the gradient of a leaf stays. */
static const float *grad_of(const bed *b, bnn_t leaf) {
    const bnn_param *param = bnn_graph_param_of(b->graph, leaf);
    return param ? bnn_param_grad(b->params, param) : bnn_grad(b->graph, leaf);
}

static void check_leaves(bed *b, const op_case *c, const bnn_t *leaf, const float *gy,
                         const char *what) {
    for (int i = 0; i < MOST_LEAVES && c->leaf[i].shape.n; i++) {
        if (c->leaf[i].fixed) {
            continue;
        }
        bnn_gradcheck_leaf l = {bnn_f32(b->graph, leaf[i]), grad_of(b, leaf[i]),
                                bnn_shape_count(c->leaf[i].shape)};
        bnn_gradcheck_result r;
        bnn_error err = {0};
        ck_assert_msg(l.grad != NULL, "%s: leaf %d has no gradient", what, i);
        ck_ok(bnn_gradcheck(b->graph, gy, &l, 3, 1e-2, 7, &r, &err), err);
        ck_assert_msg(r.error < 3e-3, "%s: leaf %d: error %g", what, i, r.error);
        ck_assert_msg(r.slope > 1e-3, "%s: leaf %d: slope %g", what, i, r.slope);
    }
}

/* What an op's backward reads of a parameter, it says (op.h): else this is NaN by then. */
static void check_early_updates(bed *b, bnn_t y, const float *gy, const char *what) {
    float *taken = spoiled_run(b->graph, b->params, y, gy);
    ck_assert_msg(memcmp(taken, b->params->grads, 4 * b->params->value_count) == 0,
                  "%s: parameters that are moved early change gradients", what);
    free(taken);
}

static void run_case(const op_case *c, leaf_role role, int twice) {
    char what[64];
    snprintf(what, sizeof what, "%s, case %d, role %d, %s", c->op->name, (int)(c - cases),
             (int)role, twice ? "twice" : "once");
    bed b = {.params = bnn_params_create(), .label = BNN_NONE, .mask = BNN_NONE};
    b.graph = bnn_graph_create(test_device(), b.params, 1);
    b.rng = bnn_rng_start(11, bnn_hash_name(what));
    bnn_t leaf[MOST_LEAVES];
    bnn_error err = {0};
    bnn_t y = build_case(&b, c, role, twice, leaf);
    ck_ok(bnn_graph_compile(b.graph, y, &err), err);
    ck_ok(bnn_params_allocate(b.params, &err), err);
    ck_ok(bnn_graph_bind(b.graph, NULL, &err), err);
    ck_assert_int_ge(runs_backward(b.graph, c->op), 1 + twice);
    float *memory[MOST_LEAVES] = {NULL};
    for (int i = 0; i < MOST_LEAVES && c->leaf[i].shape.n; i++) {
        memory[i] = random_floats(&b.rng, c->leaf[i].fill, bnn_shape_count(c->leaf[i].shape));
        if (role == A_PARAMETER) {
            memcpy(bnn_f32(b.graph, leaf[i]), memory[i], 4 * bnn_shape_count(c->leaf[i].shape));
        } else {
            bnn_graph_set(b.graph, leaf[i], memory[i]);
        }
    }
    if (b.label != BNN_NONE) {
        for (int i = 0; i < 16; i++) {
            b.labels[i] = 3 * i % 7;
        }
        bnn_graph_set(b.graph, b.label, b.labels);
    }
    if (b.mask != BNN_NONE) {
        for (int i = 0; i < 16; i++) {
            b.masks[i] = i % 5 != 3;
        }
        bnn_graph_set(b.graph, b.mask, b.masks);
    }
    size_t count = bnn_shape_count(bnn_shape_of(b.graph, y));
    float *gy = random_floats(&b.rng, SHIFTED, count);
    check_leaves(&b, c, leaf, count == 1 ? NULL : gy, what);
    if (role == A_PARAMETER) {
        check_early_updates(&b, y, count == 1 ? NULL : gy, what);
    }
    for (int i = 0; i < MOST_LEAVES; i++) {
        free(memory[i]);
    }
    free(gy);
    bnn_graph_free(b.graph);
    bnn_params_free(b.params);
}

START_TEST(test_finite_differences) {
    const op_case *c = &cases[_i];
    for (int role = 0; role < ROLES; role++) {
        if (role == AN_INPUT && c->op->view) {
            continue; /* no view of an input (op.h) */
        }
        run_case(c, (leaf_role)role, 0);
        run_case(c, (leaf_role)role, 1);
    }
}
END_TEST

/* ---- a scale that waits (op.h) ---- */

typedef struct scaled_run {
    float y[2 * 3 * 3 * 5], gx[2 * 6 * 6 * 5], gweight[5], running[5];
} scaled_run;

/* Integers, their scale waiting or multiplied by a node of its own, pooled, and normalized. */
static void run_scaled(int waiting, int training, scaled_run *r) {
    bnn_shape s = {2, 6, 6, 5}, c = bnn_vector(5);
    bnn_error err = {0};
    bnn_params *params = bnn_params_create();
    bnn_graph *g = bnn_graph_create(test_device(), params, training);
    bnn_graph_set_gradients(g, training);
    bnn_t input = bnn_graph_input(g, "x", BNN_F32, s), scale = plain_param(g, "scale", c, 0);
    bnn_t x = bnn_op_affine(g, input, BNN_NONE, BNN_NONE), value = x;
    if (waiting) {
        bnn_defer_scale(g, x, scale);
    } else {
        value = bnn_op_affine(g, x, scale, BNN_NONE);
    }
    if (training) {
        bnn_graph_want_grad(g, input);
        bnn_graph_want_grad(g, x);
        bnn_graph_want_grad(g, value);
    }
    bnn_t y = bnn_op_max_pool(g, value, 2, 2, 0, 0), mean = plain_param(g, "mean", c, 0);
    ck_assert_int_eq(bnn_deferred_scale(g, y), waiting ? scale : BNN_NONE);
    y = bnn_op_batch_norm(g, y, plain_param(g, "weight", c, 1), plain_param(g, "bias", c, 1), mean,
                          plain_param(g, "var", c, 0), 1e-5f, 0.1f);
    bnn_graph_keep(g, y);
    ck_ok(bnn_graph_compile(g, training ? y : BNN_NONE, &err), err);
    ck_ok(bnn_params_allocate(params, &err), err);
    ck_ok(bnn_graph_bind(g, NULL, &err), err);
    bnn_rng rng = bnn_rng_start(6, 6);
    for (size_t i = 0; i < params->count; i++) {
        fill_random(&rng, POSITIVE, 5, bnn_param_data(params, params->list[i]));
    }
    float integers[2 * 6 * 6 * 5], gy[2 * 3 * 3 * 5];
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        integers[i] = (float)bnn_rng_below(&rng, 60) - 20.0f;
    }
    fill_random(&rng, SHIFTED, sizeof gy / sizeof *gy, gy);
    bnn_graph_set(g, input, integers);
    bnn_graph_forward(g);
    memcpy(r->y, bnn_f32(g, y), sizeof r->y);
    memcpy(r->running, bnn_f32(g, mean), sizeof r->running);
    if (training) {
        memcpy(bnn_grad(g, y), gy, sizeof gy);
        bnn_graph_backward(g);
        memcpy(r->gx, bnn_grad(g, input), sizeof r->gx);
        memcpy(r->gweight, bnn_param_grad(params, bnn_params_find(params, "weight")),
               sizeof r->gweight);
        for (size_t i = 0; !waiting && i < sizeof r->gx / sizeof(float); i++) {
            r->gx[i] /= bnn_f32(g, scale)[i % 5]; /* the gradient of the value */
        }
    }
    bnn_graph_free(g);
    bnn_params_free(params);
}

static void check_close(const float *a, const float *b, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(a[i] - b[i]) <= 2e-5f * (1.0f + fabsf(b[i])))) {
            ck_abort_msg("%s[%zu]: %g waiting, %g multiplied", what, i, (double)a[i], (double)b[i]);
        }
    }
}

START_TEST(test_waiting_scale) {
    for (int training = 0; training < 2; training++) {
        static scaled_run a, b;
        run_scaled(1, training, &a);
        run_scaled(0, training, &b);
        check_close(a.y, b.y, sizeof a.y / sizeof(float), "y");
        check_close(a.running, b.running, 5, "running mean");
        check_close(a.gx, b.gx, sizeof a.gx / sizeof(float), "gradient");
        check_close(a.gweight, b.gweight, 5, "weight's gradient");
    }
}
END_TEST

/* ---- EMA-max ---- */

START_TEST(test_ema_max_shift) {
    /* BiPointNet's constants where it has them, and half of all maxima above 0 elsewhere. */
    ck_assert(bnn_ema_max_shift(1024) == -3.2041f);
    ck_assert(bnn_ema_max_shift(2048) == -3.4025f);
    ck_assert(bnn_ema_max_shift(4096) == -3.5836f);
    ck_assert(fabsf(bnn_ema_max_shift(1)) < 1e-6f);
    ck_assert(fabsf(bnn_ema_max_shift(256) - -2.78167673f) < 1e-6f);
    for (int n = 2; n < 2000000; n *= 3) {
        double below = 1.0 - 0.5 * erfc(-(double)bnn_ema_max_shift(n) / sqrt(2.0));
        ck_assert_msg(fabs(pow(below, n) - 0.5) < 1e-4, "%d", n);
    }
}
END_TEST

/* ---- what does not fit ---- */

static bnn_t bits_of(bnn_graph *g, bnn_t x) {
    return bnn_op_sign(g, x, BNN_NONE, 0, (bnn_ste){BNN_STE_CLIP, 1.0f}, BNN_NONE).t;
}

/* Each of these leaves an error that names the op. */
START_TEST(test_refusals) {
    for (int i = 0;; i++) {
        bnn_error err = {0};
        bnn_params *params = bnn_params_create();
        bnn_graph *g = bnn_graph_create(test_device(), params, 1);
        bnn_t x = bnn_graph_input(g, "x", BNN_F32, (bnn_shape){2, 3, 5, 4});
        bnn_t y = bnn_graph_input(g, "y", BNN_F32, (bnn_shape){2, 1, 5, 4});
        bnn_t three = plain_param(g, "three", bnn_vector(3), 1);
        bnn_t mask = bnn_graph_input(g, "mask", BNN_I32, (bnn_shape){2, 1, 5, 1});
        bnn_shape tokens = {1, 1, BNN_ATTENTION_MOST + 1, 4};
        bnn_t longer = bnn_graph_input(g, "longer", BNN_F32, tokens), unused;
        bnn_t anchors = bnn_graph_input(g, "anchors", BNN_F32, bnn_vector(12));
        bnn_t shared = bnn_graph_input(g, "shared", BNN_F32, bnn_vector(20));
        const bnn_matching matching = {.positive = 0.5f};
        const bnn_sampling sampling = {.count = 1, .positives = 2};
        const bnn_nms_attr nms = {.nms = {.most = 1}};
        static const float ones[4] = {1.0f, 1.0f, 1.0f, 1.0f};
        const struct {
            const char *name;
            bnn_t got;
        } refused[] = {
            {"pad", i == 0 ? bnn_op_pad(g, x, -1, 2) : BNN_NONE},
            {"pad", i == 1 ? bnn_op_pad(g, x, INT32_MAX, INT32_MAX) : BNN_NONE},
            {"crop", i == 2 ? bnn_op_crop(g, x, 3, 2) : BNN_NONE},
            {"crop", i == 3 ? bnn_op_crop(g, x, -1, 0) : BNN_NONE},
            {"channels", i == 4 ? bnn_op_channels(g, x, 2, 3) : BNN_NONE},
            {"channels", i == 5 ? bnn_op_channels(g, x, 0, 0) : BNN_NONE},
            {"concat", i == 6 ? bnn_op_concat(g, 2, (bnn_t[]){x, y}) : BNN_NONE},
            {"concat", i == 7 ? bnn_op_concat(g, BNN_MAX_IN + 1, &x) : BNN_NONE},
            {"prelu", i == 8 ? bnn_op_prelu(g, x, three) : BNN_NONE},
            {"batch_product", i == 9 ? bnn_op_batch_product(g, x, three) : BNN_NONE},
            {"diagonal", i == 10 ? bnn_op_diagonal(g, x, 1.0f) : BNN_NONE},
            {"weighted_sum", i == 11 ? bnn_op_weighted_sum(g, 1, &x, (float[]){1.0f}) : BNN_NONE},
            {"cross_entropy", i == 12 ? bnn_op_cross_entropy(g, x, y) : BNN_NONE},
            {"bottleneck", i == 13 ? bnn_op_bottleneck(g, x, three, three) : BNN_NONE},
            {"split_heads", i == 14 ? bnn_op_split_heads(g, y, 3) : BNN_NONE},
            {"soft_cross_entropy", i == 15 ? bnn_op_soft_cross_entropy(g, x, y) : BNN_NONE},
            {"direction_matching", i == 16 ? bnn_op_direction_matching(g, x, y, 0.0f) : BNN_NONE},
            {"bi_attention",
             i == 17 ? bnn_op_bi_attention(g, y, y, y, mask, 3, BNN_NONE, 0.0f, 0.0f) : BNN_NONE},
            {"bi_attention",
             i == 18 ? bnn_op_bi_attention(g, x, x, x, mask, 2, BNN_NONE, 0.0f, 0.0f) : BNN_NONE},
            {"bi_attention",
             i == 19 ? bnn_op_bi_attention(g, y, y, y, three, 2, BNN_NONE, 0.0f, 0.0f) : BNN_NONE},
            {"bi_attention",
             i == 20 ? bnn_op_bi_attention(g, y, y, y, mask, 2, bits_of(g, y), 0.1f, 0.0f)
                     : BNN_NONE},
            {"bi_attention", i == 21 ? bnn_op_bi_attention(g, longer, longer, longer, longer, 2,
                                                           BNN_NONE, 0.0f, 0.0f)
                                     : BNN_NONE},
            {"squared_error", i == 22 ? bnn_op_squared_error(g, x, y) : BNN_NONE},
            {"l2_norm", i == 23 ? bnn_op_l2_norm(g, x, three, 0.0f) : BNN_NONE},
            {"softmax", i == 24 ? bnn_op_softmax(g, x, y) : BNN_NONE},
            {"roi_align", i == 25 ? bnn_op_roi_align(g, x, y, 7, 1.0f) : BNN_NONE},
            {"smooth_l1", i == 26 ? bnn_op_smooth_l1(g, x, y, mask, three, 1, 1.0f) : BNN_NONE},
            {"objectness", i == 27 ? bnn_op_objectness(g, x, mask, three) : BNN_NONE},
            {"assign", i == 28 ? bnn_op_assign(g, x, y, mask, mask, &matching) : BNN_NONE},
            {"assign", i == 29 ? bnn_op_assign(g, anchors, x, mask, mask, &matching) : BNN_NONE},
            {"anchors",
             i == 30 ? bnn_op_anchors(g, x, BNN_NONE, &(bnn_anchors){.count = 17}) : BNN_NONE},
            {"sample", i == 31 ? bnn_op_sample(g, mask, &sampling, 0) : BNN_NONE},
            {"sample_rois", i == 32 ? bnn_op_sample_rois(g, anchors, y, mask, mask, &matching,
                                                         &sampling, 0, &unused)
                                    : BNN_NONE},
            {"box_targets",
             i == 33 ? bnn_op_box_targets(g, anchors, mask, y, mask, ones) : BNN_NONE},
            {"box_labels", i == 34 ? bnn_op_box_labels(g, mask, x, mask, 3) : BNN_NONE},
            {"hard_negatives", i == 35 ? bnn_op_hard_negatives(g, x, mask, 3) : BNN_NONE},
            {"decode_boxes",
             i == 36 ? bnn_op_decode_boxes(g, y, anchors, ones, 9, 9, BNN_NONE) : BNN_NONE},
            {"nms", i == 37 ? bnn_op_nms(g, x, y, &nms) : BNN_NONE},
            {"nms", i == 38 ? bnn_op_nms(g, y, y, &nms) : BNN_NONE},
            {"anchors", i == 39 ? bnn_op_anchors(g, x, y, &(bnn_anchors){.count = 1}) : BNN_NONE},
            {"decode_boxes",
             i == 40 ? bnn_op_decode_boxes(g, y, shared, ones, 0, 0, three) : BNN_NONE},
        };
        int count = sizeof refused / sizeof *refused;
        if (i < count) {
            ck_assert_int_eq(refused[i].got, BNN_NONE);
            ck_assert_int_ne(bnn_graph_status(g, &err), BNN_OK);
            ck_assert_msg(strstr(err.text, refused[i].name) == err.text, "%d: %s", i, err.text);
        }
        bnn_graph_free(g);
        bnn_params_free(params);
        if (i == count) {
            break;
        }
    }
}
END_TEST

/* ---- the registry ---- */

static int covered(const bnn_op *op) {
    int found = op == &bnn_sign_op || op == &bnn_unpack_op || op == &bnn_bi_attention_op;
    /* those in check_signs.c */
    for (int i = 0; i < CASES; i++) {
        found |= cases[i].op == op;
    }
    return found;
}

static void check_covered(const bnn_op *op, const char *listed) {
    ck_assert_str_eq(op->name, listed);
    int backward = op->backward != NULL || op->backward_rows.map != NULL;
    ck_assert_msg(op->detached ? !backward : backward && covered(op),
                  "%s has neither a gradient case nor `detached`", op->name);
}

START_TEST(test_registry) {
#define CHECK_COVERED(listed) check_covered(&bnn_##listed##_op, #listed);
    BNN_OPS(CHECK_COVERED)
#undef CHECK_COVERED
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops");
    TCase *tcase = tcase_create("ops");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_finite_differences, 0, CASES);
    tcase_add_test(tcase, test_waiting_scale);
    tcase_add_test(tcase, test_ema_max_shift);
    tcase_add_test(tcase, test_refusals);
    tcase_add_test(tcase, test_registry);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
