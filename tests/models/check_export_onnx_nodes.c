/* ONNX, node by node: where values lie, how they move, and what is refused. */
#include "models/nets/detector.h"
#include "models/tasks/task.h"
#include "tests/fixtures/onnx_fixture.h"

/* Nothing is written, and the error says this. */
static void expect_refusal(const bnn_spec *spec, const bnn_inference *network, const char *text) {
    bnn_error err = {0};
    bnn_export_report report;
    remove(path);
    ck_assert_int_eq(export_to(spec, network, &report, &err), BNN_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, text) != NULL, "%s", err.text);
    ck_assert(access(path, F_OK) != 0);
}

/* ---- networks of a few nodes ---- */

typedef struct sketch {
    bnn_spec spec;
    bnn_inference network;
    bnn_graph *g;
    bnn_t x;
} sketch;

/* Of images of this shape. */
static void begin(sketch *s, bnn_shape shape) {
    bnn_error err = {0};
    bnn_device device = one_thread();
    s->spec = tiny_spec();
    s->spec.height = shape.h;
    s->spec.width = shape.w;
    s->spec.channels = shape.c;
    CK_CODE(bnn_inference_start(&s->network, &device, 1, 1, &err));
    s->g = s->network.graph;
    s->network.input_count = s->network.output_count = 1;
    s->x = s->network.inputs[0] = bnn_graph_input(s->g, "input", BNN_F32, shape);
}

static void end(sketch *s, bnn_t y) {
    bnn_error err = {0};
    s->network.outputs[0] = y;
    bnn_graph_keep(s->g, y);
    CK_CODE(bnn_graph_compile(s->g, BNN_NONE, &err));
    CK_CODE(bnn_graph_bind(s->g, NULL, &err));
    for (size_t i = 0; i < s->network.constant_count; i++) {
        const bnn_constant *c = &s->network.constants[i];
        dyadic_fill(s->g, c);
    }
    bnn_conv_prepare_filters(s->g);
}

/* One image of different values; whether the file makes the same of it. */
static void expect_same(sketch *s, bnn_t y) {
    float x[512];
    end(s, y);
    const size_t count = bnn_shape_count(bnn_shape_of(s->g, s->x));
    ck_assert_uint_le(SAMPLES * count, sizeof x / sizeof *x);
    for (size_t i = 0; i < SAMPLES * count; i++) {
        x[i] = (float)((i * 37) % 101) - 50.0f;
    }
    ck_assert_float_eq(difference(&s->spec, &s->network, SAMPLES, x), 0.0f);
    bnn_inference_free(&s->network);
}

static bnn_t linear(sketch *s, bnn_t x, int out) {
    return tiny_product(&s->network, "fc.weight", bnn_plain(x), 0, out, 1, &bnn_conv_plain);
}

/* An image that was flattened lies in ONNX's order until someone wants the network's. */
START_TEST(flattened) {
    for (int way = 0; way < 7; way++) {
        sketch s;
        begin(&s, (bnn_shape){1, 2, 3, 4});
        bnn_t x = bnn_op_clamp(s.g, s.x, -40.0f, INFINITY), y = bnn_op_flatten(s.g, x);
        bnn_t shift = bnn_inference_constant(&s.network, BNN_F32, bnn_vector(24), "a.shift");
        bnn_t slope = bnn_inference_constant(&s.network, BNN_F32, bnn_vector(24), "a.slope");
        bnn_t other = bnn_op_reshape(s.g, bnn_op_transpose(s.g, x), (bnn_shape){1, 1, 1, 24});
        bnn_t vector = linear(&s, y, 24);
        switch (way) {
        case 0:
            y = bnn_op_prelu(s.g, bnn_op_affine(s.g, y, slope, shift), slope);
            break;
        case 1:
            y = bnn_op_add(s.g, y, vector);
            break;
        case 2:
            y = bnn_op_add(s.g, vector, y);
            break;
        case 3:
            y = bnn_op_add(s.g, y, other);
            break;
        case 4:
            y = bnn_op_concat(s.g, 2, (bnn_t[]){vector, y});
            break;
        case 5:
            y = bnn_op_reshape(s.g, y, (bnn_shape){1, 4, 3, 2});
            break;
        default:
            y = bnn_op_flatten(s.g, bnn_op_affine(s.g, y, BNN_NONE, shift));
        }
        expect_same(&s, y);
    }
}
END_TEST

/* Each pixel over its length; of 3 and 4 the length is 5, but for the eps. */
START_TEST(lengths) {
    sketch s;
    begin(&s, (bnn_shape){1, 1, 2, 2});
    bnn_t factor = bnn_inference_constant(&s.network, BNN_F32, bnn_vector(2), "l2_norm.weight");
    end(&s, bnn_op_l2_norm(s.g, s.x, factor, 1e-10f));
    bnn_f32(s.g, factor)[0] = 2.0f;
    bnn_f32(s.g, factor)[1] = -0.5f;
    const float x[] = {3.0f, 4.0f, -8.0f, 6.0f, 1.0f, 0.0f, 0.0f, 0.0f};
    ck_assert_float_le(difference(&s.spec, &s.network, SAMPLES, x), 1e-6f);
    ck_assert(bnn_f32(s.g, s.network.outputs[0])[0] == 2.0f); /* of the last sample */
    bnn_inference_free(&s.network);
}
END_TEST

/* Values that change their place. */
START_TEST(moved) {
    for (int way = 0; way < 8; way++) {
        sketch s;
        begin(&s, way == 7 ? (bnn_shape){1, 3, 5, 1} : (bnn_shape){1, 2, 5, 4});
        bnn_t y;
        switch (way) {
        case 0:
            y = bnn_op_pad(s.g, s.x, 2, 1);
            break;
        case 1:
            y = bnn_op_crop(s.g, s.x, 1, 2);
            break;
        case 2:
            y = bnn_op_channels(s.g, s.x, 1, 2);
            break;
        case 3:
            y = bnn_op_transpose(s.g, s.x);
            break;
        case 4:
            y = bnn_op_concat(s.g, 2, (bnn_t[]){s.x, bnn_op_global_max_pool(s.g, s.x, -0.5f)});
            break;
        case 5:
            y = bnn_op_max_pool(s.g, s.x, 3, 2, 1, 1);
            break;
        case 6:
            y = bnn_op_max_pool(s.g, s.x, 2, 2, 0, 0);
            break;
        default:
            y = bnn_op_columns(s.g, s.x);
        }
        expect_same(&s, y);
    }
}
END_TEST

/* A convolution's own: padding on one side, strides, groups; a map of one pixel. */
START_TEST(convolutions) {
    static const struct {
        bnn_shape x, w;
        bnn_conv_config config;
    } cases[] = {{{1, 5, 6, 4}, {6, 3, 2, 2}, {2, 1, 1, 0, 1, 2, 2, 1}},
                 {{1, 1, 1, 4}, {6, 3, 3, 4}, {1, 1, 1, 1, 1, 1, 1, 0}},
                 {{1, 1, 1, 4}, {6, 1, 1, 4}, {3, 3, 1, 1, 1, 1, 1, 0}},
                 {{1, 1, 1, 4}, {4, 1, 1, 1}, {1, 1, 0, 0, 1, 1, 4, 0}}};
    for (size_t c = 0; c < 2 * sizeof cases / sizeof *cases; c++) {
        const int bits = (int)c % 2;
        sketch s;
        begin(&s, cases[c / 2].x);
        bnn_t x = bnn_op_global_avg_pool(s.g, s.x), y; /* flat, of one pixel */
        bnn_t w = bnn_inference_constant(&s.network, bits ? BNN_B1 : BNN_F32, cases[c / 2].w,
                                         "conv.weight");
        x = cases[c / 2].x.h > 1 ? s.x : x;
        if (bits) {
            x = bnn_op_sign(s.g, x, BNN_NONE, 0, (bnn_ste){BNN_STE_CLIP, 1.0f}, BNN_NONE).t;
        }
        y = bnn_op_folded_conv(s.g, bnn_plain(x), bnn_plain(w), &cases[c / 2].config,
                               &bnn_conv_plain);
        expect_same(&s, y);
    }
}
END_TEST

/* ---- what is refused ---- */

static bnn_t bits_of(sketch *s, bnn_t x, bnn_t scale) {
    return bnn_op_sign(s->g, x, scale, 0, (bnn_ste){BNN_STE_CLIP, 1.0f}, BNN_NONE).t;
}

START_TEST(refusals) {
    sketch s;
    /* Float sums of more than 2^24 are not exact. */
    begin(&s, (bnn_shape){1, 1, 1, 4});
    bnn_t many =
        bnn_op_pad(s.g, bnn_op_reshape(s.g, bnn_op_clamp(s.g, s.x, 0, 1), (bnn_shape){1, 1, 4, 1}),
                   1 << 22, 0);
    many = bnn_op_reshape(s.g, many, (bnn_shape){1, 1, 1, (1 << 22) + 4});
    end(&s, tiny_product(&s.network, "big.weight", bnn_plain(bits_of(&s, many, BNN_NONE)), 1, 1, 1,
                         &bnn_conv_plain));
    expect_refusal(&s.spec, &s.network, "big: sums of 4194308 products");
    bnn_inference_free(&s.network);
    /* Factors of some pixels each. */
    begin(&s, (bnn_shape){1, 2, 3, 4});
    bnn_value x = {BNN_NONE, bnn_op_abs_mean(s.g, s.x, 2)};
    x.t = bits_of(&s, s.x, x.scale);
    end(&s, tiny_product(&s.network, "conv.weight", x, 1, 4, 1, &bnn_conv_plain));
    expect_refusal(&s.spec, &s.network, "means over 2 runs of 6 pixels");
    bnn_inference_free(&s.network);
    /* A factor a pixel, where pixels meet. */
    begin(&s, (bnn_shape){1, 2, 3, 4});
    x.scale = bnn_op_abs_mean(s.g, s.x, 6);
    x.t = bits_of(&s, s.x, x.scale);
    end(&s, tiny_product(&s.network, "conv.weight", x, 1, 4, 3, &bnn_conv_plain));
    expect_refusal(&s.spec, &s.network, "conv: 6 factors for 6 pixels");
    bnn_inference_free(&s.network);
    /* Boxes that come from nowhere: the input's own, and deltas that are the input. */
    for (int way = 0; way < 2; way++) {
        const bnn_nms_attr nms = {.nms = {.most = 4, .keep = 4, .score = 0.1f, .overlap = 0.5f}};
        const bnn_anchors one = {.stride = 1.0f, .count = 1, .width = {2.0f}, .height = {2.0f}};
        begin(&s, (bnn_shape){1, 1, 6, 4});
        s.spec.task = bnn_task_find("detect");
        bnn_t score = bnn_op_softmax(s.g, bnn_op_clamp(s.g, s.x, 0.0f, 1.0f), BNN_NONE);
        bnn_t anchors = bnn_op_anchors(s.g, s.x, BNN_NONE, &one);
        bnn_t boxes = way ? bnn_op_decode_boxes(s.g, s.x, anchors, bnn_box_std, 8, 8, BNN_NONE)
                          : bnn_op_clamp(s.g, s.x, 0.0f, 8.0f);
        end(&s, bnn_op_nms(s.g, score, boxes, &nms));
        expect_refusal(&s.spec, &s.network, "its boxes do not come from anchors and deltas");
        bnn_inference_free(&s.network);
    }
    /* What no network of ours has. */
    begin(&s, (bnn_shape){1, 2, 3, 4});
    end(&s, bnn_op_normalize(s.g, s.x, 1, 1, 0, 1.0f, 1e-5f));
    expect_refusal(&s.spec, &s.network, "normalize is no work of ONNX's");
    bnn_inference_free(&s.network);
}
END_TEST

/* What no reader would take is not written. */
START_TEST(too_large) {
    static const int8_t some = 1;
    static const int64_t dims[] = {INT32_MAX};
    bnn_spec spec = tiny_spec();
    bnn_device device = one_thread();
    bnn_inference network;
    bnn_export_report report;
    bnn_error err = {0};
    bnn_translation t;
    bnn_onnx o;
    tiny_network(&network, &device, 1);
    const bnn_export_request request = {.spec = &spec, .network = &network};
    CK_CODE(bnn_translation_start(&request, 0, &report, &t, &err));
    bnn_onnx_start(&o, &t);
    bnn_onnx_int8s(&o, "weight", 1, dims, &some);
    const bnn_onnx_port port = {"x", 0, 1, {1}};
    ck_assert_int_eq(bnn_onnx_write(&o, path, 1, &port, 1, &port), BNN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "bytes would be too large for its readers"));
    bnn_translation_free(&t);
    bnn_inference_free(&network);
}
END_TEST

/* What is the same twice is one constant, cast once; what is no half, or a list too short, is not
 * cast. */
START_TEST(shared_halves) {
    enum { COUNT = BNN_TRANSLATION_FEWEST_HALVES };
    static const int64_t dims[] = {COUNT}, few[] = {COUNT - 1};
    float values[COUNT] = {0.5f}, same[COUNT] = {0.5f}, whole[COUNT] = {0.1f};
    bnn_spec spec = tiny_spec();
    bnn_device device = one_thread();
    bnn_inference network;
    bnn_export_report report;
    bnn_error err = {0};
    bnn_translation t;
    bnn_onnx o;
    tiny_network(&network, &device, 1);
    const bnn_export_request request = {.spec = &spec, .network = &network, .float16 = 1};
    CK_CODE(bnn_translation_start(&request, 0, &report, &t, &err));
    bnn_onnx_start(&o, &t);
    const char *name = bnn_onnx_floats(&o, "a", 1, dims, values);
    ck_assert_str_eq(bnn_onnx_floats(&o, "a", 1, dims, same), name);
    ck_assert(o.nodes == 1 && o.constants == 1 && strcmp(name, "a") != 0);
    ck_assert_str_eq(bnn_onnx_floats(&o, "whole", 1, dims, whole), "whole");
    ck_assert_str_eq(bnn_onnx_floats(&o, "few", 1, few, values), "few");
    ck_assert(o.nodes == 1 && o.constants == 3);
    bnn_translation_free(&t);
    bnn_inference_free(&network);
}
END_TEST

/* Every other pixel of a row: a move that is none of the builders'. */
START_TEST(strange_move) {
    const bnn_form *form = bnn_move_op.form;
    static const struct {
        const char *field;
        size_t value;
    } wanted[] = {{"n", 1},      {"h", 1},      {"w", 3},     {"c", 4},
                  {"size0", 1},  {"size1", 1},  {"size2", 3}, {"size3", 4},
                  {"from0", 24}, {"from1", 24}, {"from2", 8}, {"from3", 1},
                  {"to0", 12},   {"to1", 12},   {"to2", 4},   {"to3", 1}};
    sketch s;
    begin(&s, (bnn_shape){1, 1, 6, 4});
    char *attr = calloc(1, form->attr_bytes);
    ck_assert_ptr_nonnull(attr);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        for (const bnn_op_field *f = form->fields; f->name; f++) {
            if (strcmp(f->name, wanted[i].field) == 0 && f->type == BNN_FIELD_SIZE) {
                memcpy(attr + f->offset, &wanted[i].value, sizeof(size_t));
            } else if (strcmp(f->name, wanted[i].field) == 0) {
                int value = (int)wanted[i].value;
                memcpy(attr + f->offset, &value, sizeof value);
            }
        }
    }
    end(&s, bnn_graph_add(s.g, &bnn_move_op, attr, form->attr_bytes, 1, &s.x));
    expect_refusal(&s.spec, &s.network, "its values are moved as no slice");
    free(attr);
    bnn_inference_free(&s.network);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("export_onnx_nodes");
    TCase *c = tcase_create("onnx");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, flattened);
    tcase_add_test(c, lengths);
    tcase_add_test(c, moved);
    tcase_add_test(c, convolutions);
    tcase_add_test(c, refusals);
    tcase_add_test(c, strange_move);
    tcase_add_test(c, too_large);
    tcase_add_test(c, shared_halves);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
