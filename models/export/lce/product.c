/* Products for Larq Compute Engine. One of bits waits for what alone reads it: a threshold, or with
 * --fuse an affine, becomes a part of the op.
 *
 * Zero padding is the engine's own where its rule (SAME: as little as an output of size / stride
 * takes, the odd one behind) pads like the network, maybe with rows behind the image that no window
 * reads; where it does not, +1 stands outside, and a map takes away what that adds. */
#include "models/export/lce/private.h"

#include "models/export/lce/flexbuffer.h"

static bnn_shape shape_of(const bnn_lce *l, bnn_t t) {
    return bnn_shape_of(l->t.graph, t);
}

static int is_bits(const bnn_lce *l, bnn_t t) {
    return bnn_dtype_of(l->t.graph, t) == BNN_B1;
}

/* ---- padding ---- */

/* One of an image's two axes. */
typedef struct axis {
    int size, kernel, stride, before, after, out; /* the kernel with its gaps */
} axis;

static void find_axes(const bnn_node *node, const bnn_conv *s, axis axes[2]) {
    const int right = s->pad_w + bnn_conv_config_of(node)->more_right;
    axes[0] = (axis){s->h, (s->kh - 1) * s->dil_h + 1, s->stride_h, s->pad_h, s->pad_h, s->oh};
    axes[1] = (axis){s->w, (s->kw - 1) * s->dil_w + 1, s->stride_w, s->pad_w, right, s->ow};
}

static int is_padded(const axis axes[2]) {
    return axes[0].before || axes[0].after || axes[1].before || axes[1].after;
}

/* How many rows behind the image make the engine's rule begin where the network does, so that all
 * windows of the network see zeros outside; -1: none do. The engine is right only about images that
 * are at least as large as the kernel. */
static int rows_behind(const axis *a) {
    const int reach = (a->out - 1) * a->stride - a->before + a->kernel; /* of the last window */
    for (int more = 0; more < 2 && (more == 0 || reach <= a->size); more++) {
        const int size = a->size + more, out = (size - 1) / a->stride + 1;
        int total = (out - 1) * a->stride + a->kernel - size;
        total = total > 0 ? total : 0;
        if (size >= a->kernel && total / 2 == a->before && out >= a->out &&
            (more || total - total / 2 >= reach - size)) {
            return more;
        }
    }
    return -1;
}

/* ---- binary products ---- */

/* What a product becomes on its way out; NULL, BNN_NONE: nothing. */
typedef struct ending {
    const float *factor, *shift;
    bnn_t threshold;
} ending;

static int filters(bnn_lce *l, const bnn_node *node, const int32_t *negate) {
    const bnn_shape s = shape_of(l, node->in[1]);
    return bnn_lce_bits(l, bnn_lce_name(l, node, "weight"), node->in[1],
                        (bnn_tfl_shape){4, {s.n, s.h, s.w, bnn_lce_words(s.c)}}, negate);
}

/* The engine counts differing bits p: its bit is negative where p is above this. Of a threshold
 * with flip the filters are negated. */
static int limits(bnn_lce *l, int count, int terms, const int32_t *threshold) {
    int32_t *limit = bnn_arena_alloc(l->t.arena, (size_t)count * sizeof *limit);
    for (int i = 0; limit && i < count; i++) {
        const int flip = threshold[i] & 1, t = (threshold[i] - flip) / 2;
        const int twice = flip ? terms - 1 + t : terms - t;
        limit[i] = twice < 0 ? -1 : twice < 2 * terms ? twice / 2 : terms;
    }
    return bnn_tfl_constant(&l->model, "threshold", BNN_TFL_INT, bnn_lce_list(count), limit);
}

/* Appends an LceBconv2d of map, filters, factors, shifts and limits, of which it has two or one. */
static int bconv(bnn_lce *l, const bnn_node *node, const int in[5], int padding, bnn_tfl_type type,
                 bnn_tfl_shape shape) {
    const bnn_conv s = bnn_conv_of(l->t.graph, node);
    const bnn_flex_entry options[] = {{"channels_in", s.c},
                                      {"dilation_height_factor", s.dil_h},
                                      {"dilation_width_factor", s.dil_w},
                                      {"fused_activation_function", BNN_TFL_NO_ACTIVATION},
                                      {"pad_values", 0},
                                      {"padding", padding},
                                      {"stride_height", s.stride_h},
                                      {"stride_width", s.stride_w}};
    bnn_tfl_op op = {.code = BNN_TFL_CUSTOM,
                     .custom = "LceBconv2d",
                     .in = {in[0], in[1], in[2], in[3], in[4]},
                     .in_count = 5};
    op.custom_options =
        bnn_flex_map(l->t.arena, sizeof options / sizeof *options, options, &op.custom_bytes);
    if (!op.custom_options) {
        l->model.failed = 1;
    }
    return bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), type, shape);
}

/* Takes the ones outside an image away again: factor times the sums of filters' taps there. */
static int without_border(bnn_lce *l, const bnn_node *node, int y, const float *factor) {
    const bnn_shape s = shape_of(l, node->out[0]);
    const size_t count = bnn_shape_count(s), c = (size_t)s.c;
    float *border = bnn_translation_border(&l->t, node, -1.0f);
    for (size_t i = 0; border && i < count; i++) {
        border[i] = border[i] * factor[i % c] + 0.0f;
    }
    int b = bnn_lce_floats(l, bnn_lce_name(l, node, "border"), bnn_lce_shape(s), border);
    const int of_halves = !l->model.failed && l->model.tensors[b].op != BNN_TFL_NONE;
    bnn_lce_count(l, &l->borders, node,
                  bnn_tfl_bytes(of_halves ? BNN_TFL_HALF : BNN_TFL_FLOAT, bnn_lce_shape(s)));
    return bnn_lce_op(l, node, BNN_TFL_ADD, y, b, bnn_lce_shape(s));
}

/* factor d + shift as floats; with d alone exact, and with factors of +-1 and half-integers. */
static int float_product(bnn_lce *l, const bnn_node *node, const float *factor,
                         const float *shift) {
    const bnn_conv s = bnn_conv_of(l->t.graph, node);
    const bnn_shape y = shape_of(l, node->out[0]);
    bnn_shape x = shape_of(l, node->in[0]), larger = y;
    axis axes[2];
    find_axes(node, &s, axes);
    const int behind[2] = {rows_behind(&axes[0]), rows_behind(&axes[1])};
    const int padded = is_padded(axes), same = padded && behind[0] >= 0 && behind[1] >= 0;
    const int before[2] = {same ? 0 : axes[0].before, same ? 0 : axes[1].before};
    const int after[2] = {same ? behind[0] : axes[0].after, same ? behind[1] : axes[1].after};
    x.c = (x.c + 31) / 32;
    int in[5] = {bnn_lce_tensor(l, node->in[0]), filters(l, node, NULL), 0, 0, BNN_TFL_NONE};
    in[0] = bnn_lce_pad(l, node, in[0], BNN_TFL_INT, &x, before, after, BNN_TFL_NONE);
    in[2] = bnn_lce_floats(l, "factor", bnn_lce_list(s.o), factor);
    in[3] = bnn_lce_floats(l, "shift", bnn_lce_list(s.o), shift);
    if (same) {
        larger.h = (x.h - 1) / s.stride_h + 1;
        larger.w = (x.w - 1) / s.stride_w + 1;
    }
    int t = bconv(l, node, in, same ? BNN_TFL_SAME : BNN_TFL_VALID, BNN_TFL_FLOAT,
                  bnn_lce_shape(larger));
    if (padded && !same) {
        return factor ? without_border(l, node, t, factor) : t;
    }
    if (!bnn_shape_equal(larger, y)) {
        const int none[4] = {0}, size[4] = {1, y.h, y.w, y.c};
        const bnn_tfl_op op = {
            .code = BNN_TFL_SLICE,
            .in = {t, bnn_lce_ints(l, "begin", 4, none), bnn_lce_ints(l, "size", 4, size)},
            .in_count = 3};
        t = bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), BNN_TFL_FLOAT,
                        bnn_lce_shape(y));
    }
    return t;
}

/* The engine compares the integers itself. */
static int thresholded_product(bnn_lce *l, const bnn_node *node, bnn_t threshold) {
    const bnn_conv s = bnn_conv_of(l->t.graph, node);
    const int32_t *at = bnn_translation_thresholds(&l->t, threshold);
    if (!at) {
        l->model.failed = 1;
        return 0;
    }
    const int in[5] = {bnn_lce_tensor(l, node->in[0]), filters(l, node, at), BNN_TFL_NONE,
                       BNN_TFL_NONE, limits(l, s.o, s.kh * s.kw * s.c, at)};
    bnn_shape words = shape_of(l, node->out[0]);
    words.c = (words.c + 31) / 32;
    return bconv(l, node, in, BNN_TFL_VALID, BNN_TFL_INT, bnn_lce_shape(words));
}

static void put_product(bnn_lce *l, const bnn_node *node, const ending *end, bnn_t result) {
    const bnn_conv s = bnn_conv_of(l->t.graph, node);
    axis axes[2];
    find_axes(node, &s, axes);
    if (end->threshold >= 0 && !is_padded(axes)) {
        bnn_lce_set(l, result, thresholded_product(l, node, end->threshold), 1);
        return;
    }
    const bnn_steps steps = bnn_translation_steps(&l->t, end->threshold, (size_t)s.o);
    int y = float_product(l, node, end->factor ? end->factor : steps.factor,
                          end->shift ? end->shift : steps.shift);
    if (end->threshold >= 0) {
        y = bnn_lce_quantize(l, node, y, shape_of(l, node->out[0]));
    }
    bnn_lce_set(l, result, y, 1);
}

/* ---- float products ---- */

/* Of groups of one channel: [O,KH,KW,1] -> [1,KH,KW,O]. */
static float *depthwise(const bnn_lce *l, const float *w, bnn_shape s) {
    const size_t taps = (size_t)s.h * (size_t)s.w, o = (size_t)s.n;
    float *turned = bnn_arena_alloc(l->t.arena, taps * o * sizeof *turned);
    for (size_t i = 0; turned && w && i < taps * o; i++) {
        turned[i % taps * o + i / taps] = w[i];
    }
    return w ? turned : NULL;
}

/* A layer of rows of vectors. */
static int is_linear(const bnn_conv *s, const axis axes[2]) {
    return s->h == 1 && s->kh * s->kw == 1 && s->stride_w == 1 && s->groups == 1 &&
           !is_padded(axes);
}

/* The op's options behind the padding, which is VALID. */
static void set_options(bnn_tfl_op *op, const bnn_conv *s) {
    const bnn_flat_field shared[] = {{.id = 0, .bytes = 1, .value = BNN_TFL_VALID},
                                     {.id = 1, .bytes = 4, .value = (uint64_t)s->stride_w},
                                     {.id = 2, .bytes = 4, .value = (uint64_t)s->stride_h}};
    const int deep = op->code == BNN_TFL_DEPTHWISE_CONV_2D;
    for (int i = 0; i < 3; i++) {
        op->options[op->option_count++] = shared[i];
    }
    if (deep) {
        op->options[op->option_count++] =
            (bnn_flat_field){.id = 3, .bytes = 4, .value = (uint64_t)(s->o / s->c)};
    }
    if (s->dil_h != 1 || s->dil_w != 1) {
        op->options[op->option_count++] =
            (bnn_flat_field){.id = 4 + deep, .bytes = 4, .value = (uint64_t)s->dil_w};
        op->options[op->option_count++] =
            (bnn_flat_field){.id = 5 + deep, .bytes = 4, .value = (uint64_t)s->dil_h};
    }
}

static void put_float_product(bnn_lce *l, const bnn_node *node, int x, const float *w) {
    const bnn_conv s = bnn_conv_of(l->t.graph, node);
    const bnn_shape f = shape_of(l, node->in[1]);
    const bnn_tfl_shape y = bnn_lce_shape(shape_of(l, node->out[0]));
    bnn_shape padded = shape_of(l, node->in[0]);
    axis axes[2];
    find_axes(node, &s, axes);
    bnn_tfl_op op = {.code = BNN_TFL_CONV_2D, .in_count = 3};
    bnn_tfl_shape shape = bnn_lce_shape(f);
    if (is_linear(&s, axes)) {
        op.code = BNN_TFL_FULLY_CONNECTED;
        op.options[op.option_count++] =
            (bnn_flat_field){.id = 2, .bytes = 1, .value = 1}; /* keep_num_dims */
        shape = (bnn_tfl_shape){2, {f.n, f.c}};
    } else if (s.groups > 1 && f.c == 1) {
        op.code = BNN_TFL_DEPTHWISE_CONV_2D;
        w = depthwise(l, w, f);
        shape = (bnn_tfl_shape){4, {1, f.h, f.w, f.n}};
    }
    if (op.code != BNN_TFL_FULLY_CONNECTED) {
        set_options(&op, &s);
    }
    op.in[0] =
        bnn_lce_pad(l, node, x, BNN_TFL_FLOAT, &padded, (int[]){axes[0].before, axes[1].before},
                    (int[]){axes[0].after, axes[1].after}, BNN_TFL_NONE);
    op.in[1] = bnn_lce_floats(l, bnn_lce_name(l, node, "weight"), shape, w);
    op.in[2] = bnn_lce_floats(l, "shift", bnn_lce_list(s.o),
                              bnn_translation_filled(&l->t, (size_t)s.o, 0.0f));
    int t = bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), BNN_TFL_FLOAT, y);
    bnn_lce_set(l, node->out[0], t, 0);
}

/* Bits whose groups the engine's product does not know, as floats. */
static void put_unpacked(bnn_lce *l, const bnn_node *node) {
    const bnn_shape x = shape_of(l, node->in[0]);
    const int8_t *signs = bnn_translation_signs(&l->t, node->in[1]);
    const size_t count = bnn_shape_count(shape_of(l, node->in[1]));
    float *w = bnn_arena_alloc(l->t.arena, count * sizeof *w);
    for (size_t i = 0; signs && w && i < count; i++) {
        w[i] = (float)signs[i];
    }
    int floats = bnn_lce_dequantize(l, node, bnn_lce_tensor(l, node->in[0]), bnn_lce_shape(x));
    put_float_product(l, node, floats, signs ? w : NULL);
    bnn_lce_count(l, &l->as_floats, node, 0);
}

/* ---- what the walk meets ---- */

/* Whether a product is left to its reader: which then is one of these. */
static int waits(const bnn_lce *l, const bnn_node *node) {
    const bnn_lce_reader *reader = &l->readers[node->out[0]];
    return node->op == &bnn_conv_op && is_bits(l, node->in[0]) && node->in[2] < 0 &&
           bnn_conv_of(l->t.graph, node).groups == 1 && reader->count == 1 &&
           (reader->last->op == &bnn_threshold_op ||
            (l->t.request->fuse && reader->last->op == &bnn_affine_op));
}

static const bnn_node *waiting(const bnn_lce *l, bnn_t t) {
    const bnn_node *node = bnn_graph_producer(l->t.graph, t);
    return node && waits(l, node) ? node : NULL;
}

bnn_code bnn_lce_conv(bnn_lce *l, const bnn_node *node) {
    const bnn_conv s = bnn_conv_of(l->t.graph, node);
    const bnn_t scale = node->in[2];
    if (!is_bits(l, node->in[0])) {
        put_float_product(l, node, bnn_lce_tensor(l, node->in[0]),
                          bnn_translation_floats(&l->t, node->in[1]));
        return BNN_OK;
    }
    bnn_code code = bnn_translation_check_terms(&l->t, node);
    if (code != BNN_OK) {
        return code;
    }
    if (scale >= 0 && !l->t.request->emulate) {
        return bnn_translation_refuse(&l->t, node,
                                      "%s scales by the mean of each image's input, " BNN_LCE_CURE,
                                      bnn_spec_algorithm(l->t.request->spec));
    }
    if (scale >= 0 && bnn_shape_count(shape_of(l, scale)) > 1 &&
        (s.kh * s.kw != 1 || s.oh != s.h || s.ow != s.w)) {
        return bnn_translation_refuse(&l->t, node,
                                      "scales of pixels in front of a convolution over several, "
                                      "which Larq Compute Engine has no op for; use the format "
                                      "packed");
    }
    if (waits(l, node)) {
        return BNN_OK;
    }
    if (s.groups > 1) {
        put_unpacked(l, node);
    } else {
        put_product(l, node, &(ending){NULL, NULL, BNN_NONE}, node->out[0]);
    }
    if (scale >= 0) {
        int y = bnn_lce_op(l, node, BNN_TFL_MUL, bnn_lce_tensor(l, node->out[0]),
                           bnn_lce_tensor(l, scale), bnn_lce_shape(shape_of(l, node->out[0])));
        bnn_lce_set(l, node->out[0], y, 0);
    }
    return BNN_OK;
}

bnn_code bnn_lce_affine(bnn_lce *l, const bnn_node *node) {
    const bnn_node *product = waiting(l, node->in[0]);
    const float *a = node->in[1] < 0 ? NULL : bnn_translation_floats(&l->t, node->in[1]);
    const float *b = node->in[2] < 0 ? NULL : bnn_translation_floats(&l->t, node->in[2]);
    if ((node->in[1] >= 0 && !a) || (node->in[2] >= 0 && !b)) {
        return bnn_translation_no_memory(&l->t);
    }
    if (product) {
        put_product(l, product, &(ending){a, b, BNN_NONE}, node->out[0]);
        return BNN_OK;
    }
    const bnn_lce_value x = l->values[node->in[0]];
    int y = bnn_lce_scaled(l, node, x.tensor, shape_of(l, node->out[0]), a, b);
    bnn_lce_set(l, node->out[0], y, b || (y == x.tensor && x.clean));
    l->values[node->out[0]].alone &= y != x.tensor || x.alone;
    return BNN_OK;
}

bnn_code bnn_lce_threshold(bnn_lce *l, const bnn_node *node) {
    const bnn_node *product = waiting(l, node->in[0]);
    const bnn_shape s = shape_of(l, node->out[0]);
    if (product) {
        put_product(l, product, &(ending){NULL, NULL, node->in[1]}, node->out[0]);
        return BNN_OK;
    }
    const bnn_steps steps = bnn_translation_steps(&l->t, node->in[1], (size_t)s.c);
    if (!steps.factor) {
        return bnn_translation_no_memory(&l->t);
    }
    int y = bnn_lce_scaled(l, node, bnn_lce_tensor(l, node->in[0]), s, steps.factor, steps.shift);
    bnn_lce_set(l, node->out[0], bnn_lce_quantize(l, node, y, s), 1);
    return BNN_OK;
}
