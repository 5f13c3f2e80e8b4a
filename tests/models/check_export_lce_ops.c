/* Small networks for Larq Compute Engine: products, thresholds, padding, zeros and moves become the
 * ops that are exact, with the right operands and options. */
#include <math.h>

#include "tests/fixtures/lce_fixture.h"

static const char *op_name(const read_op *op) {
    static const struct {
        int code;
        const char *name;
    } names[] = {{0, "ADD"},
                 {2, "CONCATENATION"},
                 {3, "CONV_2D"},
                 {9, "LINEAR"},
                 {11, "L2_NORMALIZATION"},
                 {4, "DEPTHWISE_CONV_2D"},
                 {17, "MAX_POOL_2D"},
                 {18, "MUL"},
                 {19, "RELU"},
                 {20, "RELU_N1_TO_1"},
                 {22, "RESHAPE"},
                 {34, "PAD"},
                 {39, "TRANSPOSE"},
                 {40, "MEAN"},
                 {54, "PRELU"},
                 {55, "MAXIMUM"},
                 {57, "MINIMUM"},
                 {60, "PADV2"},
                 {65, "SLICE"},
                 {69, "TILE"},
                 {82, "REDUCE_MAX"},
                 {101, "ABS"},
                 {21, "RELU6"},
                 {126, "BATCH_MATMUL"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].code == op->code) {
            return names[i].name;
        }
    }
    return op->custom;
}

/* A network in the making; its values are drawn when it is finished. */
typedef struct small {
    bnn_inference network;
    bnn_graph *g;
    bnn_t x;
    bnn_export_report report;
    read_model model;
    char ops[512]; /* of the model, but the last one, which gives the logits their shape */
} small;

static void small_start(small *s, bnn_shape input) {
    const bnn_device device = one_thread();
    bnn_error err = {0};
    *s = (small){0};
    CK_CODE(bnn_inference_start(&s->network, &device, 1, 1, &err));
    s->network.input_count = s->network.output_count = 1;
    s->g = s->network.graph;
    s->x = s->network.inputs[0] = bnn_graph_input(s->g, "x", BNN_F32, input);
}

static bnn_t small_floats(small *s, const char *name, int count) {
    return bnn_inference_constant(&s->network, BNN_F32, bnn_vector(count), name);
}

static void small_sign(small *s) {
    s->x = bnn_op_sign(s->g, s->x, BNN_NONE, 0, (bnn_ste){BNN_STE_CLIP, 1.0f}, BNN_NONE).t;
}

static void small_conv(small *s, int out, int kh, int kw, bnn_conv_config config) {
    const bnn_shape w = {out, kh, kw, bnn_shape_of(s->g, s->x).c / config.groups};
    const bnn_t weight =
        bnn_inference_constant(&s->network, bnn_dtype_of(s->g, s->x), w, "layer.weight");
    s->x = bnn_op_folded_conv(s->g, bnn_plain(s->x), bnn_plain(weight), &config, &bnn_conv_plain);
}

static void small_threshold(small *s) {
    s->x = bnn_op_threshold(s->g, s->x,
                            bnn_inference_constant(&s->network, BNN_I32,
                                                   bnn_vector(bnn_shape_of(s->g, s->x).c),
                                                   "layer.threshold"));
}

/* Exports it, and reads that. */
static void small_export(small *s, int fuse) {
    bnn_error err = {0};
    bnn_spec spec = {.height = 1, .width = 1, .channels = 1, .classes = 1, .dataset = ""};
    spec.variant = spec.class_names = "";
    CK_CODE(bnn_spec_find(&spec, "resnet20", "bnn", &err));
    free_tflite(&s->model);
    s->ops[0] = '\0';
    CK_CODE(export_network(&spec, &s->network, 0, fuse, &s->report, &err));
    s->model = read_tflite(path);
    check_model(&s->model);
    ck_assert_uint_gt(s->model.op_count, 0);
    for (size_t i = 0; i + 1 < s->model.op_count; i++) {
        strcat(s->ops, i ? " " : "");
        strcat(s->ops, op_name(&s->model.ops[i]));
    }
}

/* Ends in x; its values are drawn, and it is exported. */
static void small_finish(small *s, int fuse) {
    bnn_error err = {0};
    s->network.outputs[0] = s->x;
    bnn_graph_keep(s->g, s->x);
    CK_CODE(bnn_graph_compile(s->g, BNN_NONE, &err));
    CK_CODE(bnn_graph_bind(s->g, NULL, &err));
    for (size_t i = 0; i < s->network.constant_count; i++) {
        dyadic_fill(s->g, &s->network.constants[i]);
    }
    bnn_conv_prepare_filters(s->g);
    small_export(s, fuse);
}

static void small_stop(small *s) {
    free_tflite(&s->model);
    bnn_inference_free(&s->network);
}

static const read_op *find_op(const small *s, const char *name) {
    for (size_t i = 0; i < s->model.op_count; i++) {
        if (strcmp(op_name(&s->model.ops[i]), name) == 0) {
            return &s->model.ops[i];
        }
    }
    ck_abort_msg("no %s in %s", name, s->ops);
}

static const read_tensor *operand(const small *s, const read_op *op, int k) {
    return &s->model.tensors[op->in[k]];
}

/* Value `k` of an LceBconv2d's options. */
static int conv_option(const read_op *op, int k) {
    return op->custom_options[152 + 4 * k];
}

/* ---- padding ---- */

START_TEST(padding) {
    enum { SAME, VALID };
    static const struct {
        int h, w, kh, kw;
        bnn_conv_config config;
        const char *ops;
        int padding;
    } cases[] = {
        {8, 8, 3, 3, {1, 1, 0, 0, 1, 1, 1, 0}, "LceBconv2d", VALID},
        {8, 8, 3, 3, {1, 1, 1, 1, 1, 1, 1, 0}, "LceBconv2d", SAME},
        {8, 8, 3, 3, {1, 1, 2, 2, 2, 2, 1, 0}, "LceBconv2d", SAME},
        {7, 7, 3, 3, {2, 2, 1, 1, 1, 1, 1, 0}, "LceBconv2d", SAME},
        {8, 8, 3, 3, {2, 2, 1, 1, 1, 1, 1, 0}, "PAD LceBconv2d SLICE", SAME},
        {7, 8, 3, 3, {2, 2, 1, 1, 1, 1, 1, 0}, "PAD LceBconv2d SLICE", SAME},
        {1, 9, 1, 5, {1, 1, 0, 2, 1, 1, 1, 0}, "LceBconv2d", SAME},
        {8, 8, 5, 5, {2, 2, 2, 2, 1, 1, 1, 0}, "PAD LceBconv2d ADD", VALID},
        {8, 8, 3, 3, {1, 1, 2, 2, 1, 1, 1, 0}, "PAD LceBconv2d ADD", VALID},
        {2, 2, 3, 3, {1, 1, 1, 1, 1, 1, 1, 0}, "PAD LceBconv2d ADD", VALID},
        {8, 2, 3, 3, {1, 1, 1, 1, 1, 1, 1, 0}, "PAD LceBconv2d ADD", VALID},
        {1, 9, 1, 5, {1, 1, 0, 1, 1, 1, 1, 2}, "PAD LceBconv2d ADD", VALID},
    };
    char expected[100];
    small s;
    small_start(&s, (bnn_shape){1, cases[_i].h, cases[_i].w, 40});
    small_sign(&s);
    small_conv(&s, 3, cases[_i].kh, cases[_i].kw, cases[_i].config);
    small_finish(&s, 0);
    snprintf(expected, sizeof expected, "ADD LceQuantize %s", cases[_i].ops);
    ck_assert_str_eq(s.ops, expected);
    const read_op *op = find_op(&s, "LceBconv2d");
    const int values[8] = {
        40, cases[_i].config.dil_h, cases[_i].config.dil_w,    0,
        0,  cases[_i].padding,      cases[_i].config.stride_h, cases[_i].config.stride_w};
    for (int k = 0; k < 8; k++) {
        ck_assert_int_eq(conv_option(op, k), values[k]);
    }
    ck_assert_int_eq(strstr(s.report.notes, "layer: zero padding") != NULL,
                     strstr(expected + 4, "ADD") != NULL);
    small_stop(&s);
}
END_TEST

/* ---- products and what follows them ---- */

static const bnn_conv_config one_by_one = {1, 1, 0, 0, 1, 1, 1, 0};

/* Filters [O,1,1,C]: a bit is set for -1, unless `flipped`; none behind the last channel. */
static int is_filter(const small *s, const read_tensor *w, size_t row, int flipped) {
    const bnn_t t = s->network.constants[bnn_inference_find(&s->network, "layer.weight")].t;
    const size_t c = (size_t)bnn_shape_of(s->g, t).c, words = (c + 31) / 32;
    const uint64_t *bits = bnn_bits(s->g, t) + row * bnn_words(c);
    int same = 1;
    for (size_t i = 0; i < 32 * words; i++) {
        const int got = w->data[4 * row * words + i / 8] >> (i % 8) & 1;
        const int minus = i < c && !(bits[i / 64] >> (i % 64) & 1);
        same &= got == (i < c ? minus != flipped : 0);
    }
    return same;
}

static int int_at(const read_tensor *t, size_t i) {
    int32_t value;
    memcpy(&value, t->data + 4 * i, 4);
    return value;
}

static float float_at(const read_tensor *t, size_t i) {
    float value;
    memcpy(&value, t->data + 4 * i, 4);
    return value;
}

/* Without padding bits come out: of p differing bits, -1 where p is above a limit. */
START_TEST(bits_of_thresholds) {
    enum { TERMS = 40, FILTERS = 200 };
    small s;
    small_start(&s, (bnn_shape){1, 1, 5, TERMS});
    small_sign(&s);
    small_conv(&s, FILTERS, 1, 1, one_by_one);
    small_threshold(&s);
    const bnn_t threshold = s.network.constants[1].t;
    small_conv(&s, 3, 1, 1, one_by_one);
    small_finish(&s, 0);
    ck_assert_str_eq(s.ops, "ADD LceQuantize LceBconv2d LceBconv2d");
    const read_op *op = find_op(&s, "LceBconv2d");
    for (size_t o = 0; o < FILTERS; o++) {
        const int t = bnn_i32(s.g, threshold)[o], flip = t & 1;
        ck_assert(is_filter(&s, operand(&s, op, 1), o, flip));
        for (int p = 0; p <= TERMS; p++) {
            const int expected = (2 * (TERMS - 2 * p) >= t - flip) != flip;
            const int counted = flip ? TERMS - p : p;
            READ_NEEDS((counted <= int_at(operand(&s, op, 4), o)) == expected);
        }
    }
    small_stop(&s);
}
END_TEST

/* Thresholds that no sum reaches are next to those that some do. */
START_TEST(far_thresholds) {
    small s;
    small_start(&s, (bnn_shape){1, 1, 5, 40});
    small_sign(&s);
    small_conv(&s, 4, 1, 1, one_by_one);
    small_threshold(&s);
    small_conv(&s, 3, 1, 1, one_by_one);
    small_finish(&s, 0);
    /* +1 always, twice; then never. */
    static const int32_t far[4] = {INT32_MAX, INT32_MIN, INT32_MAX - 1, INT32_MIN + 1};
    static const int32_t limits[4] = {40, 40, -1, -1};
    memcpy(bnn_i32(s.g, s.network.constants[1].t), far, sizeof far);
    small_export(&s, 0);
    ck_assert_mem_eq(operand(&s, find_op(&s, "LceBconv2d"), 4)->data, limits, sizeof limits);
    small_stop(&s);
}
END_TEST

/* With padding a half-integer that is never 0 comes out, and its sign. */
START_TEST(padded_thresholds) {
    enum { TERMS = 9 * 40, FILTERS = 60 };
    small s;
    small_start(&s, (bnn_shape){1, 5, 5, 40});
    small_sign(&s);
    small_conv(&s, FILTERS, 3, 3, (bnn_conv_config){1, 1, 1, 1, 1, 1, 1, 0});
    small_threshold(&s);
    const bnn_t threshold = s.network.constants[1].t;
    small_conv(&s, 3, 1, 1, one_by_one);
    small_finish(&s, 0);
    ck_assert_str_eq(s.ops, "ADD LceQuantize LceBconv2d LceQuantize LceBconv2d");
    const read_op *op = find_op(&s, "LceBconv2d");
    for (size_t o = 0; o < FILTERS; o++) {
        const int t = bnn_i32(s.g, threshold)[o], flip = t & 1;
        const float factor = float_at(operand(&s, op, 2), o);
        const float shift = float_at(operand(&s, op, 3), o);
        ck_assert(factor == (flip ? -1.0f : 1.0f));
        for (int d = -TERMS; d <= TERMS; d++) {
            const float y = factor * (float)d + shift;
            READ_NEEDS(fabsf(y) >= 0.5f && (y > 0.0f) == ((2 * d >= t - flip) != flip));
        }
    }
    small_stop(&s);
}
END_TEST

/* An affine is two ops, or with --fuse a part of the product that it alone reads. */
START_TEST(affine) {
    for (int fuse = 0; fuse < 2; fuse++) {
        for (int shared = 0; shared < 2; shared++) {
            small s;
            small_start(&s, (bnn_shape){1, 5, 5, 40});
            small_sign(&s);
            small_conv(&s, 7, 3, 3, (bnn_conv_config){1, 1, 1, 1, 1, 1, 1, 0});
            const bnn_t product = s.x;
            const bnn_t a = small_floats(&s, "layer.factor", 7);
            s.x = bnn_op_affine(s.g, s.x, a, small_floats(&s, "layer.shift", 7));
            s.x = shared ? bnn_op_add(s.g, s.x, product) : s.x;
            small_finish(&s, fuse);
            ck_assert_str_eq(s.ops, fuse && !shared ? "ADD LceQuantize LceBconv2d"
                                    : shared        ? "ADD LceQuantize LceBconv2d MUL ADD ADD"
                                                    : "ADD LceQuantize LceBconv2d MUL ADD");
            const read_op *op = find_op(&s, "LceBconv2d");
            for (size_t o = 0; o < 7; o++) {
                const float expected = fuse && !shared ? bnn_f32(s.g, a)[o] : 1.0f;
                ck_assert(float_at(operand(&s, op, 2), o) == expected);
            }
            small_stop(&s);
        }
    }
}
END_TEST

/* Groups go by way of floats, with true zeros outside. */
START_TEST(groups) {
    static const char *const expected[] = {
        "ADD LceQuantize LceDequantize PAD DEPTHWISE_CONV_2D",
        "ADD LceQuantize LceDequantize PAD CONV_2D",
    };
    for (int per = 1; per <= 2; per++) {
        small s;
        small_start(&s, (bnn_shape){1, 1, 9, 8});
        small_sign(&s);
        small_conv(&s, 16, 1, 5, (bnn_conv_config){1, 1, 0, 2, 1, 1, 8 / per, 0});
        small_finish(&s, 0);
        ck_assert_str_eq(s.ops, expected[per - 1]);
        const read_tensor *w = operand(&s, &s.model.ops[s.model.op_count - 2], 1);
        const int shape[2][4] = {{1, 1, 5, 16}, {16, 1, 5, 2}};
        ck_assert_mem_eq(w->shape, shape[per - 1], sizeof w->shape);
        ck_assert_ptr_nonnull(strstr(s.report.notes, "layer: "));
        small_stop(&s);
    }
}
END_TEST

/* ---- -0.0, whose sign engines do not agree upon ---- */

START_TEST(signs_of_zeros) {
    static const char *const expected[] = {
        "ADD LceQuantize LceDequantize DEPTHWISE_CONV_2D",       /* x + b */
        "MUL ADD LceQuantize LceDequantize DEPTHWISE_CONV_2D",   /* a x */
        "PRELU ADD LceQuantize LceDequantize DEPTHWISE_CONV_2D", /* one slope */
        "ADD RESHAPE LceQuantize LceDequantize DEPTHWISE_CONV_2D"};
    for (int kind = 0; kind < 4; kind++) {
        small s;
        small_start(&s, (bnn_shape){1, 2, 2, 8});
        const bnn_t vector = small_floats(&s, kind == 1 ? "layer.factor" : "layer.shift", 8);
        if (kind == 2) {
            s.x = bnn_op_prelu(s.g, s.x, small_floats(&s, "layer.weight", 1));
        } else {
            s.x = bnn_op_affine(s.g, s.x, kind == 1 ? vector : BNN_NONE,
                                kind == 1 ? BNN_NONE : vector);
        }
        s.x = kind == 3 ? bnn_op_reshape(s.g, s.x, (bnn_shape){1, 1, 4, 8}) : s.x;
        small_sign(&s);
        small_conv(&s, 8, 1, 1, (bnn_conv_config){1, 1, 0, 0, 1, 1, 8, 0});
        small_finish(&s, 0);
        ck_assert_str_eq(s.ops, expected[kind]);
        if (kind == 2) { /* the slope is there for every channel */
            const read_tensor *slope = operand(&s, find_op(&s, "PRELU"), 1);
            ck_assert(slope->rank == 3 && slope->shape[2] == 8 && float_at(slope, 7) == 0.25f);
        }
        small_stop(&s);
    }
}
END_TEST

/* ---- others ---- */

/* A clamp is an option of the sum in front of it, unless somebody else reads that. */
START_TEST(clamps) {
    static const struct {
        float lo, hi;
        const char *alone, *shared;
        int activation;
    } cases[] = {{0.0f, INFINITY, "ADD ADD", "ADD RELU ADD", 1},
                 {-1.0f, 1.0f, "ADD ADD", "ADD RELU_N1_TO_1 ADD", 2},
                 {0.0f, 6.0f, "ADD ADD", "ADD RELU6 ADD", 3},
                 {-2.0f, 1.5f, "ADD MAXIMUM MINIMUM ADD", "ADD MAXIMUM MINIMUM ADD", 0},
                 {-INFINITY, 1.5f, "ADD MINIMUM ADD", "ADD MINIMUM ADD", 0}};
    for (int shared = 0; shared < 2; shared++) {
        small s;
        small_start(&s, (bnn_shape){1, 2, 2, 8});
        const bnn_t input = s.x;
        const bnn_t sum = bnn_op_affine(s.g, s.x, BNN_NONE, small_floats(&s, "layer.shift", 8));
        s.x = bnn_op_clamp(s.g, sum, cases[_i].lo, cases[_i].hi);
        s.x = bnn_op_add(s.g, s.x, shared ? sum : input);
        small_finish(&s, 0);
        ck_assert_str_eq(s.ops, shared ? cases[_i].shared : cases[_i].alone);
        const size_t act = read_scalar(&s.model, s.model.ops[0].options, 0, 1);
        ck_assert_uint_eq(act, shared ? 0 : (size_t)cases[_i].activation);
        small_stop(&s);
    }
}
END_TEST

/* What multiplies by 1 is left out, and then a clamp behind it must not reach back. */
START_TEST(factors_of_one) {
    small s;
    small_start(&s, (bnn_shape){1, 2, 2, 8});
    const bnn_t sum = bnn_op_affine(s.g, s.x, BNN_NONE, small_floats(&s, "layer.shift", 8));
    const bnn_t factor = small_floats(&s, "layer.factor", 8); /* no product's: +-1 */
    s.x = bnn_op_clamp(s.g, bnn_op_affine(s.g, sum, factor, BNN_NONE), 0.0f, INFINITY);
    s.x = bnn_op_add(s.g, s.x, sum);
    small_finish(&s, 0);
    for (int i = 0; i < 8; i++) {
        bnn_f32(s.g, factor)[i] = 1.0f;
    }
    small_export(&s, 0);
    ck_assert_uint_eq(s.model.op_count, 4);
    ck_assert_str_eq(op_name(&s.model.ops[1]), "RELU");
    ck_assert_uint_eq(read_scalar(&s.model, s.model.ops[0].options, 0, 1), 0);
    small_stop(&s);
}
END_TEST

/* Values that change their places do it in as few ops as there are: out of an image, into another
 * order, into an image. */
START_TEST(moves) {
    static const char *const expected[] = {
        "ADD RESHAPE PAD RESHAPE", "ADD RESHAPE SLICE RESHAPE", "ADD RESHAPE SLICE RESHAPE",
        "ADD RESHAPE TRANSPOSE RESHAPE", "ADD RESHAPE TRANSPOSE RESHAPE"};
    small s;
    small_start(&s, (bnn_shape){1, 3, 4, 5});
    s.x = bnn_op_affine(s.g, s.x, BNN_NONE, small_floats(&s, "layer.shift", 5));
    s.x = _i == 0   ? bnn_op_pad(s.g, s.x, 1, 2)
          : _i == 1 ? bnn_op_crop(s.g, s.x, 1, 2)
          : _i == 2 ? bnn_op_channels(s.g, s.x, 2, 1)
          : _i == 3 ? bnn_op_columns(s.g, s.x)
                    : bnn_op_transpose(s.g, s.x);
    small_finish(&s, 0);
    ck_assert_str_eq(s.ops, expected[_i]);
    small_stop(&s);
}
END_TEST

/* Pools see nothing outside; the last window may hang over the end. */
/* Each pixel over its length, times a factor a channel. */
START_TEST(lengths) {
    small s;
    small_start(&s, (bnn_shape){1, 4, 4, 6});
    s.x = bnn_op_l2_norm(s.g, s.x, small_floats(&s, "neck.factor", 6), 1e-10f);
    small_finish(&s, 0);
    ck_assert_str_eq(s.ops, "L2_NORMALIZATION MUL");
    const read_op *op = find_op(&s, "L2_NORMALIZATION");
    ck_assert_uint_eq(op->options_type, 12); /* L2NormOptions */
    small_stop(&s);
}
END_TEST

START_TEST(pools) {
    static const struct {
        int size, kernel, stride, pad, ceil_mode, ends[2];
    } cases[] = {{8, 2, 2, 0, 0, {0, 0}},
                 {8, 3, 2, 1, 0, {1, 0}},
                 {7, 3, 2, 1, 0, {1, 1}},
                 {8, 3, 2, 0, 1, {0, 1}},
                 {8, 3, 2, 0, 0, {0, 0}}};
    small s;
    small_start(&s, (bnn_shape){1, cases[_i].size, cases[_i].size, 5});
    s.x = bnn_op_max_pool(s.g, s.x, cases[_i].kernel, cases[_i].stride, cases[_i].pad,
                          cases[_i].ceil_mode);
    small_finish(&s, 0);
    const int *ends = cases[_i].ends, padded = ends[0] || ends[1];
    ck_assert_str_eq(s.ops, padded ? "PADV2 MAX_POOL_2D" : "MAX_POOL_2D");
    if (padded) {
        const read_op *op = find_op(&s, "PADV2");
        const int sides[8] = {0, 0, ends[0], ends[1], ends[0], ends[1], 0, 0};
        ck_assert_mem_eq(operand(&s, op, 1)->data, sides, sizeof sides);
        ck_assert(float_at(operand(&s, op, 2), 0) == -INFINITY);
    }
    small_stop(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("export lce ops");
    TCase *tcase = tcase_create("ops");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, padding, 0, 12);
    tcase_add_test(tcase, bits_of_thresholds);
    tcase_add_test(tcase, far_thresholds);
    tcase_add_test(tcase, padded_thresholds);
    tcase_add_test(tcase, affine);
    tcase_add_test(tcase, groups);
    tcase_add_test(tcase, signs_of_zeros);
    tcase_add_loop_test(tcase, clamps, 0, 5);
    tcase_add_test(tcase, factors_of_one);
    tcase_add_loop_test(tcase, moves, 0, 5);
    tcase_add_loop_test(tcase, pools, 0, 5);
    tcase_add_test(tcase, lengths);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
