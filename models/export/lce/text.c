/* What networks of text add, for Larq Compute Engine. Tokens are pixels of one row, [1,1,T,C], and
 * masks and numbers of tokens inputs of their own, int32 [1,T]. Attention is products of floats, of
 * bits exact. */
#include "models/export/lce/private.h"

#include <float.h>
#include <math.h>

static bnn_shape shape_of(const bnn_lce *l, bnn_t t) {
    return bnn_shape_of(l->t.graph, t);
}

/* ---- tables ---- */

/* Rows of floats, or of bits of which only those that are read become floats: [1,T,C]. */
static int rows(bnn_lce *l, const bnn_node *node, int ids, int tokens) {
    const bnn_shape s = shape_of(l, node->in[0]);
    const bnn_tfl_shape table = {2, {(int)bnn_shape_rows(s), s.c}}, y = {3, {1, tokens, s.c}};
    const char *name = bnn_lce_name(l, node, "weight");
    if (bnn_dtype_of(l->t.graph, node->in[0]) == BNN_F32) {
        int floats = bnn_lce_floats(l, name, table, bnn_translation_floats(&l->t, node->in[0]));
        return bnn_lce_op_of(l, node, BNN_TFL_GATHER, floats, ids, BNN_TFL_FLOAT, y);
    }
    const int words = bnn_lce_words(s.c);
    int bits = bnn_lce_bits(l, name, node->in[0], (bnn_tfl_shape){2, {table.size[0], words}}, NULL);
    bits = bnn_lce_op_of(l, node, BNN_TFL_GATHER, bits, ids, BNN_TFL_INT,
                         (bnn_tfl_shape){3, {1, tokens, words}});
    return bnn_lce_dequantize(l, node, bits, y);
}

bnn_code bnn_lce_embedding(bnn_lce *l, const bnn_node *node) {
    const bnn_t scale = node->in[2];
    const bnn_shape to = shape_of(l, node->out[0]);
    bnn_code code = bnn_translation_check_embedding(&l->t, node);
    if (code != BNN_OK) {
        return code;
    }
    if (bnn_translation_int(node, "positions")) {
        const int table = bnn_lce_floats(l, bnn_lce_name(l, node, "weight"), bnn_lce_shape(to),
                                         bnn_translation_floats(&l->t, node->in[0]));
        bnn_lce_set(l, node->out[0], table, 1);
        return BNN_OK;
    }
    const int ids = bnn_lce_tensor(l, node->in[1]);
    int y = rows(l, node, ids, to.w);
    if (scale >= 0) {
        const bnn_tfl_shape of_rows = {2, {(int)bnn_shape_count(shape_of(l, scale)), 1}};
        int factors = bnn_lce_floats(l, bnn_lce_name(l, node, "factor"), of_rows,
                                     bnn_translation_floats(&l->t, scale));
        factors = bnn_lce_op_of(l, node, BNN_TFL_GATHER, factors, ids, BNN_TFL_FLOAT,
                                (bnn_tfl_shape){3, {1, to.w, 1}});
        y = bnn_lce_op(l, node, BNN_TFL_MUL, y, factors, (bnn_tfl_shape){3, {1, to.w, to.c}});
    }
    y = bnn_lce_reshape(l, node, y, (bnn_tfl_shape){3, {1, to.w, to.c}}, bnn_lce_shape(to));
    bnn_lce_set(l, node->out[0], y, 0);
    return BNN_OK;
}

/* ---- value by value, row by row ---- */

bnn_code bnn_lce_layer_norm(bnn_lce *l, const bnn_node *node) {
    static const int channels[] = {3};
    const bnn_shape s = shape_of(l, node->out[0]);
    const bnn_tfl_shape map = bnn_lce_shape(s), row = {4, {s.n, s.h, s.w, 1}};
    const int x = bnn_lce_tensor(l, node->in[0]);
    const int mean = bnn_lce_reduce(l, node, BNN_TFL_MEAN, x, 1, channels, row);
    const int away = bnn_lce_op(l, node, BNN_TFL_SUB, x, mean, map);
    int y = bnn_lce_op(l, node, BNN_TFL_MUL, away, away, map);
    y = bnn_lce_reduce(l, node, BNN_TFL_MEAN, y, 1, channels, row);
    y = bnn_lce_op(l, node, BNN_TFL_ADD, y,
                   bnn_lce_number(l, "eps", bnn_translation_float(node, "eps")), row);
    y = bnn_lce_op(l, node, BNN_TFL_SQRT, y, BNN_TFL_NONE, row);
    y = bnn_lce_op(l, node, BNN_TFL_DIV, away, y, map);
    y = bnn_lce_scaled(l, node, y, s, bnn_translation_floats(&l->t, node->in[1]),
                       bnn_translation_floats(&l->t, node->in[2]));
    bnn_lce_set(l, node->out[0], y, 1);
    return BNN_OK;
}

/* Of a negative number it is negative, however small: its sign may be what is read. So the least
 * normal float is taken away below -1, of a number above it less than counts. */
bnn_code bnn_lce_gelu(bnn_lce *l, const bnn_node *node) {
    const bnn_tfl_shape map = bnn_lce_shape(shape_of(l, node->out[0]));
    const int x = bnn_lce_tensor(l, node->in[0]);
    const int y = bnn_lce_op(l, node, BNN_TFL_GELU, x, BNN_TFL_NONE, map);
    int below = bnn_lce_op(l, node, BNN_TFL_MINIMUM, x, bnn_lce_number(l, "zero", 0.0f), map);
    below = bnn_lce_op(l, node, BNN_TFL_MAXIMUM, below, bnn_lce_number(l, "bound", -1.0f), map);
    below = bnn_lce_op(l, node, BNN_TFL_MUL, below, bnn_lce_number(l, "least", FLT_MIN), map);
    bnn_lce_set(l, node->out[0], bnn_lce_op(l, node, BNN_TFL_ADD, y, below, map), 0);
    return BNN_OK;
}

bnn_code bnn_lce_tanh(bnn_lce *l, const bnn_node *node) {
    const int y = bnn_lce_op(l, node, BNN_TFL_TANH, bnn_lce_tensor(l, node->in[0]), BNN_TFL_NONE,
                             bnn_lce_shape(shape_of(l, node->out[0])));
    bnn_lce_set(l, node->out[0], y, 0);
    return BNN_OK;
}

/* ---- attention ---- */

/* What both kinds compute with, [1,heads,T,channels]; scores [1,heads,T,T], a row one who looks. */
typedef struct heads {
    int v, scores;
    int seen; /* [1,1,1,T], 1 or 0 */
    bnn_tfl_shape split, scored;
} heads;

static int transpose(bnn_lce *l, const bnn_node *node, int x, bnn_tfl_shape shape) {
    static const int order[] = {0, 2, 1, 3};
    return bnn_lce_op(l, node, BNN_TFL_TRANSPOSE, x, bnn_lce_ints(l, "order", 4, order), shape);
}

/* Floats, of bits +1 and -1. */
static int operand(bnn_lce *l, const bnn_node *node, int k) {
    const int x = bnn_lce_tensor(l, node->in[k]);
    return bnn_dtype_of(l->t.graph, node->in[k]) == BNN_B1
               ? bnn_lce_dequantize(l, node, x, bnn_lce_shape(shape_of(l, node->in[k])))
               : x;
}

static int by_head(bnn_lce *l, const bnn_node *node, int k, const heads *h) {
    const bnn_tfl_shape s = h->split, joined = {4, {1, s.size[2], s.size[1], s.size[3]}};
    int x = bnn_lce_reshape(l, node, operand(l, node, k), bnn_lce_shape(shape_of(l, node->in[k])),
                            joined);
    return transpose(l, node, x, s);
}

static bnn_code start(bnn_lce *l, const bnn_node *node, heads *h) {
    const bnn_shape s = shape_of(l, node->in[0]);
    const int count = bnn_translation_int(node, "heads");
    const bnn_tfl_shape tokens = {2, {1, s.w}}, of_all = {4, {1, 1, 1, s.w}};
    bnn_code code = bnn_translation_check_integers(&l->t, node, node->in[3]);
    if (code != BNN_OK) {
        return code;
    }
    h->split = (bnn_tfl_shape){4, {1, count, s.w, s.c / count}};
    h->scored = (bnn_tfl_shape){4, {1, count, s.w, s.w}};
    int seen = bnn_lce_op_of(l, node, BNN_TFL_NOT_EQUAL, bnn_lce_tensor(l, node->in[3]),
                             bnn_lce_ints(l, "none", 1, (int[]){0}), BNN_TFL_BOOL, tokens);
    seen = bnn_lce_op_of(l, node, BNN_TFL_CAST, seen, BNN_TFL_NONE, BNN_TFL_FLOAT, tokens);
    h->seen = bnn_lce_reshape(l, node, seen, tokens, of_all);
    const int q = by_head(l, node, 0, h), k = by_head(l, node, 1, h);
    h->v = by_head(l, node, 2, h);
    h->scores = bnn_lce_matmul(l, node, q, k, 1, h->scored);
    return BNN_OK;
}

/* Values by the shares that tokens take of them, [1,1,T,C]. */
static int join(bnn_lce *l, const bnn_node *node, const heads *h, int shares) {
    const bnn_tfl_shape s = h->split, joined = {4, {1, s.size[2], s.size[1], s.size[3]}};
    const int y = transpose(l, node, bnn_lce_matmul(l, node, shares, h->v, 0, s), joined);
    return bnn_lce_reshape(l, node, y, joined, bnn_lce_shape(shape_of(l, node->out[0])));
}

bnn_code bnn_lce_attention(bnn_lce *l, const bnn_node *node) {
    const bnn_flat_field beta = {.id = 0, .bytes = 4, .value = 0x3f800000}; /* 1.0f */
    heads h;
    bnn_code code = start(l, node, &h);
    if (code != BNN_OK) {
        return code;
    }
    const bnn_tfl_shape of_all = {4, {1, 1, 1, h.split.size[2]}};
    const float factor = 1.0f / sqrtf((float)h.split.size[3]);
    int mask = bnn_lce_op(l, node, BNN_TFL_SUB, h.seen, bnn_lce_number(l, "one", 1.0f), of_all);
    mask = bnn_lce_op(l, node, BNN_TFL_MUL, mask, bnn_lce_number(l, "masked", -BNN_MASKED), of_all);
    int scores =
        bnn_lce_op(l, node, BNN_TFL_MUL, h.scores, bnn_lce_number(l, "factor", factor), h.scored);
    scores = bnn_lce_op(l, node, BNN_TFL_ADD, scores, mask, h.scored);
    const bnn_tfl_op op = {.code = BNN_TFL_SOFTMAX,
                           .in = {scores},
                           .in_count = 1,
                           .option_count = 1,
                           .options = {beta}};
    const int shares =
        bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), BNN_TFL_FLOAT, h.scored);
    bnn_lce_set(l, node->out[0], join(l, node, &h, shares), 0);
    return BNN_OK;
}

/* Sums of signs: exact. */
bnn_code bnn_lce_bi_attention(bnn_lce *l, const bnn_node *node) {
    const float own = bnn_translation_float(node, "own");
    const bnn_tfl_shape map = bnn_lce_shape(shape_of(l, node->out[0]));
    heads h;
    bnn_code code = start(l, node, &h);
    if (code != BNN_OK) {
        return code;
    }
    int shares = bnn_lce_op_of(l, node, BNN_TFL_GREATER, h.scores, bnn_lce_number(l, "zero", 0.0f),
                               BNN_TFL_BOOL, h.scored);
    shares = bnn_lce_op_of(l, node, BNN_TFL_CAST, shares, BNN_TFL_NONE, BNN_TFL_FLOAT, h.scored);
    shares = bnn_lce_op(l, node, BNN_TFL_MUL, shares, h.seen, h.scored);
    int y = join(l, node, &h, shares);
    if (own != 0.0f) {
        const int v = bnn_lce_op(l, node, BNN_TFL_MUL, operand(l, node, 2),
                                 bnn_lce_number(l, "own", own), map);
        y = bnn_lce_op(l, node, BNN_TFL_ADD, y, v, map);
    }
    bnn_lce_set(l, node->out[0], y, 0);
    return BNN_OK;
}
