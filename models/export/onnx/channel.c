/* What works value by value or channel by channel, so that a sample's values may lie in any order
 * that they came in. Signs and thresholds are comparisons: ONNX's Sign has a third value. */
#include "models/export/onnx/ops.h"

#include <math.h>

static size_t channels_of(const bnn_onnx *o, bnn_t t) {
    return (size_t)bnn_shape_of(o->t->graph, t).c;
}

static int all_are(const float *values, size_t count, float value) {
    size_t i = 0;
    while (i < count && values[i] == value) {
        i++;
    }
    return i == count;
}

/* x and a constant's values a channel, unless all of them change nothing. */
static const char *by_channel(bnn_onnx *o, const char *op, bnn_onnx_value x, bnn_t constant,
                              float nothing) {
    if (constant < 0 || o->failed) {
        return x.name;
    }
    const size_t c = channels_of(o, constant);
    const float *values = bnn_translation_floats(o->t, constant);
    if (values && all_are(values, c, nothing)) {
        return x.name;
    }
    return BNN_ONNX_OP(o, op, x.name,
                       bnn_onnx_channels(o, bnn_onnx_name(o, constant), x.form, c, values));
}

bnn_code bnn_onnx_affine(bnn_onnx *o, const bnn_node *node) {
    bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    x.name = by_channel(o, "Mul", x, node->in[1], 1.0f);
    x.name = by_channel(o, "Add", x, node->in[2], 0.0f);
    bnn_onnx_put(o, node->out[0], x.name, x.form);
    return BNN_OK;
}

bnn_code bnn_onnx_add(bnn_onnx *o, const bnn_node *node) {
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const char *y = BNN_ONNX_OP(o, "Add", x.name, bnn_onnx_get_as(o, node->in[1], x.form));
    bnn_onnx_put(o, node->out[0], y, x.form);
    return BNN_OK;
}

bnn_code bnn_onnx_clamp(bnn_onnx *o, const bnn_node *node) {
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const bnn_clamp_bounds to = bnn_clamp_of(node);
    const char *y;
    if (to.lo == 0.0f && to.hi == INFINITY) {
        y = BNN_ONNX_OP(o, "Relu", x.name);
    } else {
        y = BNN_ONNX_OP(o, "Clip", x.name, bnn_onnx_number(o, to.lo), bnn_onnx_number(o, to.hi));
    }
    bnn_onnx_put(o, node->out[0], y, x.form);
    return BNN_OK;
}

bnn_code bnn_onnx_sign(bnn_onnx *o, const bnn_node *node) {
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const char *less = BNN_ONNX_OP(o, "Less", x.name, bnn_onnx_number(o, 0.0f));
    const char *y =
        BNN_ONNX_OP(o, "Where", less, bnn_onnx_number(o, -1.0f), bnn_onnx_number(o, 1.0f));
    bnn_onnx_put(o, node->out[0], y, x.form);
    return BNN_OK;
}

/* Three values a channel: what the integer is compared with, and what it is below and above. */
bnn_code bnn_onnx_threshold(bnn_onnx *o, const bnn_node *node) {
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const size_t c = channels_of(o, node->in[1]);
    const bnn_steps steps = bnn_translation_steps(o->t, node->in[1], c);
    float *above = steps.factor, *limit = steps.shift;
    float *below = bnn_translation_filled(o->t, c, 0.0f);
    if (!above || !below) {
        return bnn_translation_no_memory(o->t);
    }
    for (size_t i = 0; i < c; i++) {
        limit[i] *= -above[i];
        below[i] = -above[i];
    }
    const char *name = bnn_onnx_name(o, node->in[1]);
    const char *less = BNN_ONNX_OP(o, "Less", x.name, bnn_onnx_channels(o, name, x.form, c, limit));
    const char *y = BNN_ONNX_OP(o, "Where", less, bnn_onnx_channels(o, "below", x.form, c, below),
                                bnn_onnx_channels(o, "above", x.form, c, above));
    bnn_onnx_put(o, node->out[0], y, x.form);
    return BNN_OK;
}

bnn_code bnn_onnx_prelu(bnn_onnx *o, const bnn_node *node) {
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const size_t c = channels_of(o, node->in[1]);
    /* A single slope is of no order. */
    const bnn_onnx_form form = {x.form.flat, c == 1 ? 1 : x.form.pixels};
    const char *slope = bnn_onnx_channels(o, bnn_onnx_name(o, node->in[1]), form, c,
                                          bnn_translation_floats(o->t, node->in[1]));
    bnn_onnx_put(o, node->out[0], BNN_ONNX_OP(o, "PRelu", x.name, slope), x.form);
    return BNN_OK;
}

/* Each pixel's channels over their length. */
bnn_code bnn_onnx_l2_norm(bnn_onnx *o, const bnn_node *node) {
    static const int64_t channels[] = {1};
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const char *length = BNN_ONNX_OP(o, "ReduceL2", x.name);
    bnn_onnx_ints(o, "axes", 1, channels);
    bnn_onnx_int(o, "keepdims", 1);
    length = BNN_ONNX_OP(o, "Add", length, bnn_onnx_number(o, bnn_translation_float(node, "eps")));
    bnn_onnx_value y = {BNN_ONNX_OP(o, "Div", x.name, length), x.form};
    y.name = by_channel(o, "Mul", y, node->in[1], 1.0f);
    bnn_onnx_put(o, node->out[0], y.name, y.form);
    return BNN_OK;
}

/* The first values of a row's or a column's factors, along an axis of the image. */
static const char *factors(bnn_onnx *o, bnn_t constant, bnn_onnx_form form, int rows, int columns) {
    const int64_t image[] = {1, 1, rows, columns};
    return bnn_onnx_floats(o, bnn_onnx_name(o, constant), form.flat ? 2 : 4, image,
                           bnn_translation_floats(o->t, constant));
}

/* x (o (h v)): products of constants, which a runtime knows beforehand and the file need not say.
 */
bnn_code bnn_onnx_outer_scale(bnn_onnx *o, const bnn_node *node) {
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const bnn_shape s = bnn_shape_of(o->t->graph, node->in[0]);
    const char *by_pixel = factors(o, node->in[3], x.form, 1, s.w);
    if (node->in[2] >= 0) {
        by_pixel = BNN_ONNX_OP(o, "Mul", factors(o, node->in[2], x.form, s.h, 1), by_pixel);
    }
    const char *by_output = bnn_onnx_channels(o, bnn_onnx_name(o, node->in[1]), x.form, (size_t)s.c,
                                              bnn_translation_floats(o->t, node->in[1]));
    const char *y = BNN_ONNX_OP(o, "Mul", x.name, BNN_ONNX_OP(o, "Mul", by_output, by_pixel));
    bnn_onnx_put(o, node->out[0], y, x.form);
    return BNN_OK;
}
