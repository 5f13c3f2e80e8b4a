/* Everything but products and moves, for Larq Compute Engine: the plain ops of TensorFlow Lite. */
#include "models/export/lce/private.h"

#include <math.h>

static bnn_shape shape_of(const bnn_lce *l, bnn_t t) {
    return bnn_shape_of(l->t.graph, t);
}

bnn_code bnn_lce_sign(bnn_lce *l, const bnn_node *node) {
    const bnn_lce_value x = l->values[node->in[0]];
    const bnn_shape s = shape_of(l, node->in[0]);
    int y = x.tensor;
    if (!x.clean) { /* -0.0 + 0.0 is +0.0 */
        y = bnn_lce_op(l, node, BNN_TFL_ADD, y, bnn_lce_number(l, "zero", 0.0f), bnn_lce_shape(s));
    }
    bnn_lce_set(l, node->out[0], bnn_lce_quantize(l, node, y, s), 1);
    return BNN_OK;
}

bnn_code bnn_lce_add(bnn_lce *l, const bnn_node *node) {
    const bnn_lce_value a = l->values[node->in[0]], b = l->values[node->in[1]];
    int y = bnn_lce_op(l, node, BNN_TFL_ADD, a.tensor, b.tensor,
                       bnn_lce_shape(shape_of(l, node->out[0])));
    bnn_lce_set(l, node->out[0], y, a.clean || b.clean);
    return BNN_OK;
}

/* Of a sum that nobody else reads it is an option. */
static int is_activation_of(bnn_lce *l, const bnn_lce_value *x, int activation) {
    const bnn_tfl *m = &l->model;
    bnn_tfl_op *op = !m->failed && m->tensors[x->tensor].op != BNN_TFL_NONE
                         ? &m->ops[m->tensors[x->tensor].op]
                         : NULL;
    if (!x->alone || !op || op->code != BNN_TFL_ADD || op->option_count) {
        return 0;
    }
    op->options[op->option_count++] =
        (bnn_flat_field){.id = 0, .bytes = 1, .value = (uint64_t)activation};
    return 1;
}

bnn_code bnn_lce_clamp(bnn_lce *l, const bnn_node *node) {
    static const struct {
        float lo, hi;
        int activation;
        bnn_tfl_code code;
    } known[] = {{0.0f, INFINITY, BNN_TFL_ACT_RELU, BNN_TFL_RELU},
                 {-1.0f, 1.0f, BNN_TFL_ACT_RELU_N1_TO_1, BNN_TFL_RELU_N1_TO_1},
                 {0.0f, 6.0f, BNN_TFL_ACT_RELU6, BNN_TFL_RELU6}};
    const bnn_lce_value x = l->values[node->in[0]];
    const bnn_clamp_bounds bounds = bnn_clamp_of(node);
    const bnn_tfl_shape shape = bnn_lce_shape(shape_of(l, node->out[0]));
    int y = x.tensor;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].lo == bounds.lo && known[i].hi == bounds.hi) {
            y = is_activation_of(l, &x, known[i].activation)
                    ? y
                    : bnn_lce_op(l, node, known[i].code, y, BNN_TFL_NONE, shape);
            bnn_lce_set(l, node->out[0], y, x.clean);
            return BNN_OK;
        }
    }
    for (int upper = 0; upper < 2; upper++) {
        const float bound = upper ? bounds.hi : bounds.lo;
        if (isfinite(bound)) {
            y = bnn_lce_op(l, node, upper ? BNN_TFL_MINIMUM : BNN_TFL_MAXIMUM, y,
                           bnn_lce_number(l, "bound", bound), shape);
        }
    }
    bnn_lce_set(l, node->out[0], y, x.clean);
    l->values[node->out[0]].alone &= x.alone;
    return BNN_OK;
}

/* A single slope is repeated: with one value XNNPACK reads beyond it. */
bnn_code bnn_lce_prelu(bnn_lce *l, const bnn_node *node) {
    const bnn_shape s = shape_of(l, node->out[0]);
    const float *slope = bnn_translation_floats(&l->t, node->in[1]);
    if (slope && bnn_shape_count(shape_of(l, node->in[1])) == 1) {
        slope = bnn_translation_filled(&l->t, (size_t)s.c, slope[0]);
    }
    int slopes =
        bnn_lce_floats(l, bnn_lce_name(l, node, "slope"), (bnn_tfl_shape){3, {1, 1, s.c}}, slope);
    int y = bnn_lce_op(l, node, BNN_TFL_PRELU, bnn_lce_tensor(l, node->in[0]), slopes,
                       bnn_lce_shape(s));
    bnn_lce_set(l, node->out[0], y, 0);
    return BNN_OK;
}

/* The op's own least length, 1e-6, stands for eps, which must be no larger. */
bnn_code bnn_lce_l2_norm(bnn_lce *l, const bnn_node *node) {
    if (!(bnn_translation_float(node, "eps") <= 1e-6f)) {
        return bnn_translation_refuse(&l->t, node,
                                      "adds more than 1e-6 to lengths, which the format has no op "
                                      "for; use --format onnx or packed");
    }
    const bnn_shape s = shape_of(l, node->out[0]);
    int y = bnn_lce_op(l, node, BNN_TFL_L2_NORMALIZATION, bnn_lce_tensor(l, node->in[0]),
                       BNN_TFL_NONE, bnn_lce_shape(s));
    y = bnn_lce_scaled(l, node, y, s, bnn_translation_floats(&l->t, node->in[1]), NULL);
    bnn_lce_set(l, node->out[0], y, 0);
    return BNN_OK;
}

bnn_code bnn_lce_max_pool(bnn_lce *l, const bnn_node *node) {
    const int k = bnn_translation_int(node, "kernel"), stride = bnn_translation_int(node, "stride");
    const int pad = bnn_translation_int(node, "pad");
    bnn_shape x = shape_of(l, node->in[0]);
    const bnn_shape y = shape_of(l, node->out[0]);
    const int size[2] = {x.h, x.w}, out[2] = {y.h, y.w}, before[2] = {pad, pad};
    int after[2], low = BNN_TFL_NONE, t = bnn_lce_tensor(l, node->in[0]);
    for (int i = 0; i < 2; i++) { /* as far as the last window reaches */
        after[i] = (out[i] - 1) * stride + k - size[i] - pad;
        after[i] = after[i] > 0 ? after[i] : 0;
    }
    if (pad || after[0] || after[1]) {
        low = bnn_lce_number(l, "low", -INFINITY);
    }
    t = bnn_lce_pad(l, node, t, BNN_TFL_FLOAT, &x, before, after, low);
    const bnn_tfl_op op = {.code = BNN_TFL_MAX_POOL_2D,
                           .in = {t},
                           .in_count = 1,
                           .option_count = 5,
                           .options = {{.id = 0, .bytes = 1, .value = BNN_TFL_VALID},
                                       {.id = 1, .bytes = 4, .value = (uint64_t)stride},
                                       {.id = 2, .bytes = 4, .value = (uint64_t)stride},
                                       {.id = 3, .bytes = 4, .value = (uint64_t)k},
                                       {.id = 4, .bytes = 4, .value = (uint64_t)k}}};
    t = bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), BNN_TFL_FLOAT, bnn_lce_shape(y));
    bnn_lce_set(l, node->out[0], t, l->values[node->in[0]].clean);
    return BNN_OK;
}

bnn_code bnn_lce_avg_pool(bnn_lce *l, const bnn_node *node) {
    int y = bnn_lce_reduce(l, node, BNN_TFL_MEAN, bnn_lce_tensor(l, node->in[0]), 2, (int[]){1, 2},
                           bnn_lce_shape(shape_of(l, node->out[0])));
    bnn_lce_set(l, node->out[0], y, 0);
    return BNN_OK;
}

bnn_code bnn_lce_global_max(bnn_lce *l, const bnn_node *node) {
    const bnn_tfl_shape shape = bnn_lce_shape(shape_of(l, node->out[0]));
    const float shift = bnn_translation_float(node, "shift");
    const bnn_lce_value x = l->values[node->in[0]];
    int y = bnn_lce_reduce(l, node, BNN_TFL_REDUCE_MAX, x.tensor, 2, (int[]){1, 2}, shape);
    if (shift != 0.0f) {
        y = bnn_lce_op(l, node, BNN_TFL_ADD, y, bnn_lce_number(l, "shift", shift), shape);
    }
    bnn_lce_set(l, node->out[0], y, x.clean || shift != 0.0f);
    return BNN_OK;
}

bnn_code bnn_lce_same_values(bnn_lce *l, const bnn_node *node) {
    const bnn_lce_value x = l->values[node->in[0]];
    int y = bnn_lce_reshape(l, node, x.tensor, bnn_lce_shape(shape_of(l, node->in[0])),
                            bnn_lce_shape(shape_of(l, node->out[0])));
    bnn_lce_set(l, node->out[0], y, x.clean);
    l->values[node->out[0]].alone &= x.alone;
    return BNN_OK;
}

/* What has one pixel stands at every one. */
bnn_code bnn_lce_concat(bnn_lce *l, const bnn_node *node) {
    const bnn_shape y = shape_of(l, node->out[0]);
    bnn_tfl_op op = {.code = BNN_TFL_CONCATENATION,
                     .in_count = node->in_count,
                     .option_count = 1,
                     .options = {{.id = 0, .bytes = 4, .value = 3}}};
    int clean = 1;
    for (int k = 0; k < node->in_count; k++) {
        bnn_shape x = shape_of(l, node->in[k]);
        op.in[k] = bnn_lce_tensor(l, node->in[k]);
        clean &= l->values[node->in[k]].clean;
        if (x.h != y.h || x.w != y.w) {
            const int times[4] = {1, y.h, y.w, 1};
            x.h = y.h;
            x.w = y.w;
            op.in[k] = bnn_lce_op(l, node, BNN_TFL_TILE, op.in[k],
                                  bnn_lce_ints(l, "times", 4, times), bnn_lce_shape(x));
        }
    }
    int t =
        bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), BNN_TFL_FLOAT, bnn_lce_shape(y));
    bnn_lce_set(l, node->out[0], t, clean);
    return BNN_OK;
}

bnn_code bnn_lce_batch_product(bnn_lce *l, const bnn_node *node) {
    const bnn_shape y = shape_of(l, node->out[0]);
    int in[2];
    for (int k = 0; k < 2; k++) {
        const bnn_shape s = shape_of(l, node->in[k]);
        in[k] = bnn_lce_reshape(l, node, bnn_lce_tensor(l, node->in[k]), bnn_lce_shape(s),
                                (bnn_tfl_shape){4, {1, 1, s.h * s.w, s.c}});
    }
    const bnn_tfl_shape rows = {4, {1, 1, y.h * y.w, y.c}};
    int t = bnn_lce_matmul(l, node, in[0], in[1], 1, rows);
    bnn_lce_set(l, node->out[0], bnn_lce_reshape(l, node, t, rows, bnn_lce_shape(y)), 0);
    return BNN_OK;
}

bnn_code bnn_lce_diagonal(bnn_lce *l, const bnn_node *node) {
    const bnn_shape s = shape_of(l, node->out[0]);
    const size_t c = (size_t)s.c;
    float *matrix = bnn_translation_filled(&l->t, c * c, 0.0f);
    for (size_t i = 0; matrix && i < c; i++) {
        matrix[i * c + i] = bnn_translation_float(node, "value");
    }
    int diagonal = bnn_lce_floats(l, "diagonal", (bnn_tfl_shape){4, {1, 1, s.c, s.c}}, matrix);
    int y = bnn_lce_op(l, node, BNN_TFL_ADD, bnn_lce_tensor(l, node->in[0]), diagonal,
                       bnn_lce_shape(s));
    bnn_lce_set(l, node->out[0], y, 1);
    return BNN_OK;
}

/* Means over all values [1,1,1,1], or over each pixel's [1,H,W,1]; an axis at a time, as a float
 * that sums all of an image loses digits. The product that they scale asks whether they may be
 * there. */
bnn_code bnn_lce_abs_mean(bnn_lce *l, const bnn_node *node) {
    const bnn_shape s = shape_of(l, node->in[0]);
    const int rows = bnn_translation_int(node, "rows");
    if (rows != 1 && (int64_t)rows != (int64_t)s.h * s.w) {
        return bnn_translation_refuse(&l->t, node,
                                      "means of %d parts of an image, which Larq Compute Engine "
                                      "has no op for; use the format packed",
                                      rows);
    }
    bnn_tfl_shape shape = bnn_lce_shape(s);
    int y = bnn_lce_op(l, node, BNN_TFL_ABS, bnn_lce_tensor(l, node->in[0]), BNN_TFL_NONE, shape);
    for (int axis = rows == 1 ? 1 : 3; axis < 4; axis++) {
        if (shape.size[axis] > 1) {
            shape.size[axis] = 1;
            y = bnn_lce_reduce(l, node, BNN_TFL_MEAN, y, 1, &axis, shape);
        }
    }
    bnn_lce_set(l, node->out[0], y, 0);
    return BNN_OK;
}

/* x (o (h v)), each in brackets rounded. */
bnn_code bnn_lce_outer_scale(bnn_lce *l, const bnn_node *node) {
    const bnn_shape s = shape_of(l, node->out[0]);
    if (!l->t.request->emulate) {
        return bnn_translation_refuse(&l->t, node,
                                      "%s scales every pixel of the result, " BNN_LCE_CURE,
                                      bnn_spec_algorithm(l->t.request->spec));
    }
    const float *o = bnn_translation_floats(&l->t, node->in[1]);
    const float *v = bnn_translation_floats(&l->t, node->in[3]);
    const float *h = node->in[2] < 0 ? bnn_translation_filled(&l->t, 1, 1.0f)
                                     : bnn_translation_floats(&l->t, node->in[2]);
    const size_t width = (size_t)s.w, count = (size_t)s.h * width;
    float *pixels = bnn_translation_filled(&l->t, count, 0.0f);
    for (size_t i = 0; h && v && pixels && i < count; i++) {
        pixels[i] = h[i / width] * v[i % width] + 0.0f;
    }
    int a = bnn_lce_floats(l, bnn_lce_name(l, node, "pixels"), (bnn_tfl_shape){4, {1, s.h, s.w, 1}},
                           h && v ? pixels : NULL);
    int b = bnn_lce_floats(l, bnn_lce_name(l, node, "channels"), bnn_lce_list(s.c), o);
    int y = bnn_lce_op(l, node, BNN_TFL_MUL, a, b, bnn_lce_shape(s));
    y = bnn_lce_op(l, node, BNN_TFL_MUL, bnn_lce_tensor(l, node->in[0]), y, bnn_lce_shape(s));
    bnn_lce_set(l, node->out[0], y, 0);
    return BNN_OK;
}
