/* What networks of text add. Tokens are pixels of one row, [N,C,1,T], so that what a head of the
 * attention sees is a shape: [N,heads,C/heads,T]. Masks and numbers of tokens are the network's own
 * inputs, [N,T]. */
#include <float.h>
#include <math.h>

#include "models/export/onnx/ops.h"

static const bnn_onnx_form image = {0, 1};

/* ---- tables ---- */

/* [1,C,1,T], the same for each sample. */
static const char *positions(bnn_onnx *o, const bnn_node *node) {
    const bnn_shape y = bnn_shape_of(o->t->graph, node->out[0]);
    const int64_t dims[] = {1, y.c, 1, y.w};
    return bnn_onnx_floats(o, bnn_onnx_name(o, node->in[0]), 4, dims,
                           bnn_onnx_channels_first(o, 1, (size_t)y.w, (size_t)y.c, sizeof(float),
                                                   bnn_translation_floats(o->t, node->in[0])));
}

/* [N,T,C] rows of floats, or of bytes of which only those that are read become floats. */
static const char *rows(bnn_onnx *o, const bnn_node *node, const char *ids) {
    const bnn_t table = node->in[0];
    const bnn_shape s = bnn_shape_of(o->t->graph, table);
    const int64_t dims[] = {(int64_t)bnn_shape_rows(s), s.c};
    const char *name = bnn_onnx_name(o, table);
    if (bnn_dtype_of(o->t->graph, table) == BNN_F32) {
        name = bnn_onnx_floats(o, name, 2, dims, bnn_translation_floats(o->t, table));
        return BNN_ONNX_OP(o, "Gather", name, ids);
    }
    name = bnn_onnx_bytes(o, name, 2, dims, bnn_translation_signs(o->t, table));
    const char *y = BNN_ONNX_OP(o, "Cast", BNN_ONNX_OP(o, "Gather", name, ids));
    bnn_onnx_int(o, "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    return y;
}

bnn_code bnn_onnx_embedding(bnn_onnx *o, const bnn_node *node) {
    const bnn_t scale = node->in[2];
    const bnn_shape to = bnn_shape_of(o->t->graph, node->out[0]);
    bnn_code code = bnn_translation_check_embedding(o->t, node);
    if (code != BNN_OK) {
        return code;
    }
    if (bnn_translation_int(node, "positions")) {
        bnn_onnx_put(o, node->out[0], positions(o, node), image);
        return BNN_OK;
    }
    const char *ids = bnn_onnx_any(o, node->in[1]).name;
    const char *y = rows(o, node, ids);
    if (scale >= 0) {
        const int64_t dims[] = {(int64_t)bnn_shape_count(bnn_shape_of(o->t->graph, scale)), 1};
        const char *factors = bnn_onnx_floats(o, bnn_onnx_name(o, scale), 2, dims,
                                              bnn_translation_floats(o->t, scale));
        y = BNN_ONNX_OP(o, "Mul", y, BNN_ONNX_OP(o, "Gather", factors, ids));
    }
    y = bnn_onnx_transpose(o, y, 3, (const int64_t[]){0, 2, 1});
    bnn_onnx_put(o, node->out[0], bnn_onnx_reshape(o, y, 4, (const int64_t[]){0, to.c, 1, to.w}),
                 image);
    return BNN_OK;
}

/* ---- value by value, row by row ---- */

static const char *mean(bnn_onnx *o, const char *x) {
    static const int64_t channels[] = {1};
    const char *y = BNN_ONNX_OP(o, "ReduceMean", x);
    bnn_onnx_ints(o, "axes", 1, channels);
    bnn_onnx_int(o, "keepdims", 1);
    return y;
}

bnn_code bnn_onnx_layer_norm(bnn_onnx *o, const bnn_node *node) {
    static const char *const ops[] = {NULL, "Mul", "Add"};
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const size_t c = (size_t)bnn_shape_of(o->t->graph, node->in[0]).c;
    const char *away = BNN_ONNX_OP(o, "Sub", x.name, mean(o, x.name));
    const char *variance = mean(o, BNN_ONNX_OP(o, "Mul", away, away));
    const char *eps = bnn_onnx_number(o, bnn_translation_float(node, "eps"));
    const char *deviation = BNN_ONNX_OP(o, "Sqrt", BNN_ONNX_OP(o, "Add", variance, eps));
    const char *y = BNN_ONNX_OP(o, "Div", away, deviation);
    for (int k = 1; k <= 2; k++) {
        y = BNN_ONNX_OP(o, ops[k], y,
                        bnn_onnx_channels(o, bnn_onnx_name(o, node->in[k]), x.form, c,
                                          bnn_translation_floats(o->t, node->in[k])));
    }
    bnn_onnx_put(o, node->out[0], y, x.form);
    return BNN_OK;
}

/* Of a negative number it is negative, however small: its sign may be what is read. */
bnn_code bnn_onnx_gelu(bnn_onnx *o, const bnn_node *node) {
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const char *root = bnn_onnx_number(o, 0.70710678118654752440f);
    const char *erf = BNN_ONNX_OP(o, "Erf", BNN_ONNX_OP(o, "Mul", x.name, root));
    const char *y = BNN_ONNX_OP(o, "Mul", BNN_ONNX_OP(o, "Mul", x.name, bnn_onnx_number(o, 0.5f)),
                                BNN_ONNX_OP(o, "Add", erf, bnn_onnx_number(o, 1.0f)));
    const char *below = BNN_ONNX_OP(o, "Min", y, bnn_onnx_number(o, -FLT_MIN));
    const char *less = BNN_ONNX_OP(o, "Less", x.name, bnn_onnx_number(o, 0.0f));
    bnn_onnx_put(o, node->out[0], BNN_ONNX_OP(o, "Where", less, below, y), x.form);
    return BNN_OK;
}

bnn_code bnn_onnx_tanh(bnn_onnx *o, const bnn_node *node) {
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    bnn_onnx_put(o, node->out[0], BNN_ONNX_OP(o, "Tanh", x.name), x.form);
    return BNN_OK;
}

/* ---- attention ---- */

/* What both kinds compute with, [N,heads,channels,T]; scores [N,heads,T,T], a column one who looks.
 */
typedef struct heads {
    const char *q, *v, *scores;
    const char *seen; /* booleans [N,1,T,1] */
    int channels;
} heads;

static bnn_code split(bnn_onnx *o, const bnn_node *node, heads *h) {
    const bnn_shape s = bnn_shape_of(o->t->graph, node->in[0]);
    const int count = bnn_translation_int(node, "heads");
    const int64_t dims[] = {0, count, s.c / count, s.w};
    bnn_code code = bnn_translation_check_integers(o->t, node, node->in[3]);
    if (code != BNN_OK) {
        return code;
    }
    const char *mask = bnn_onnx_any(o, node->in[3]).name;
    mask = bnn_onnx_reshape(o, mask, 4, (const int64_t[]){0, 1, s.w, 1});
    h->seen = BNN_ONNX_OP(o, "Cast", mask);
    bnn_onnx_int(o, "to", ONNX__TENSOR_PROTO__DATA_TYPE__BOOL);
    h->channels = s.c / count;
    h->q = bnn_onnx_reshape(o, bnn_onnx_get_as(o, node->in[0], image), 4, dims);
    h->v = bnn_onnx_reshape(o, bnn_onnx_get_as(o, node->in[2], image), 4, dims);
    const char *k = bnn_onnx_reshape(o, bnn_onnx_get_as(o, node->in[1], image), 4, dims);
    k = bnn_onnx_transpose(o, k, 4, (const int64_t[]){0, 1, 3, 2});
    h->scores = BNN_ONNX_OP(o, "MatMul", k, h->q);
    return BNN_OK;
}

/* Values by the shares that tokens take of them. */
static const char *join(bnn_onnx *o, const bnn_node *node, const heads *h, const char *shares) {
    const bnn_shape s = bnn_shape_of(o->t->graph, node->in[0]);
    return bnn_onnx_reshape(o, BNN_ONNX_OP(o, "MatMul", h->v, shares), 4,
                            (const int64_t[]){0, s.c, 1, s.w});
}

bnn_code bnn_onnx_attention(bnn_onnx *o, const bnn_node *node) {
    heads h;
    bnn_code code = split(o, node, &h);
    if (code != BNN_OK) {
        return code;
    }
    const char *scores =
        BNN_ONNX_OP(o, "Mul", h.scores, bnn_onnx_number(o, 1.0f / sqrtf((float)h.channels)));
    const char *masked =
        BNN_ONNX_OP(o, "Where", h.seen, bnn_onnx_number(o, 0.0f), bnn_onnx_number(o, BNN_MASKED));
    const char *shares = BNN_ONNX_OP(o, "Softmax", BNN_ONNX_OP(o, "Add", scores, masked));
    bnn_onnx_int(o, "axis", 2);
    bnn_onnx_put(o, node->out[0], join(o, node, &h, shares), image);
    return BNN_OK;
}

/* Sums of signs: exact. */
bnn_code bnn_onnx_bi_attention(bnn_onnx *o, const bnn_node *node) {
    const float own = bnn_translation_float(node, "own");
    heads h;
    bnn_code code = split(o, node, &h);
    if (code != BNN_OK) {
        return code;
    }
    const char *zero = bnn_onnx_number(o, 0.0f);
    const char *taken = BNN_ONNX_OP(o, "And", BNN_ONNX_OP(o, "Greater", h.scores, zero), h.seen);
    const char *shares = BNN_ONNX_OP(o, "Where", taken, bnn_onnx_number(o, 1.0f), zero);
    const char *y = join(o, node, &h, shares);
    if (own != 0.0f) {
        const char *v = bnn_onnx_get_as(o, node->in[2], image);
        y = BNN_ONNX_OP(o, "Add", y, BNN_ONNX_OP(o, "Mul", v, bnn_onnx_number(o, own)));
    }
    bnn_onnx_put(o, node->out[0], y, image);
    return BNN_OK;
}
