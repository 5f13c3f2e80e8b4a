/* ONNX: every kind of network computes the same, for any batch; what a file says of itself, and how
 * it says what is binary. */
#include <jansson.h>

#include "layers/fold/plain.h"
#include "models/export/heads.h"
#include "models/nets/detector.h"
#include "tests/fixtures/expect_error.h"
#include "tests/fixtures/onnx_fixture.h"
#include "tests/fixtures/text_network.h"

/* ---- every kind of network ---- */

static const char *const archs[] = {"resnet20",        "pointnet_vanilla", "fsmn",
                                    "deep_fsmn",       "vgg_small",        "pointnet",
                                    "pointnet_partseg"};
enum { SMALL = 4 }; /* the first ones, of which all algorithms are tried */

static bnn_shape input_of(const char *arch) {
    return strncmp(arch, "pointnet", 8) == 0 ? (bnn_shape){1, 1, 9, 6}
           : strstr(arch, "fsmn")            ? (bnn_shape){1, 16, 10, 1}
                                             : (bnn_shape){1, 8, 8, 3};
}

static void start(dyadic *d, const char *arch, const char *algorithm) {
    bnn_error err = {0};
    bnn_device device = one_thread();
    CK_CODE(dyadic_start(d, &device, arch, algorithm, input_of(arch), 5, &err));
}

/* Means and products of floats are rounded; their sums then are, too. */
static float tolerance(const char *algorithm) {
    return strncmp(algorithm, "xnor", 4) == 0 || strcmp(algorithm, "fp32") == 0 ? 1e-3f : 0.0f;
}

START_TEST(computes_the_same) {
    const char *arch = archs[_i];
    for (int a = -1; a < 0 || bnn_binarizers[a]; a++) {
        const char *algorithm = a < 0 ? BNN_FLOAT_ALGORITHM : bnn_binarizers[a]->name;
        if (_i >= SMALL && strcmp(algorithm, "bnn") != 0 && strcmp(algorithm, "xnor") != 0) {
            continue;
        }
        dyadic d;
        start(&d, arch, algorithm);
        const size_t values = bnn_shape_count(bnn_shape_of(d.network->graph, d.network->inputs[0]));
        float *x = malloc(SAMPLES * values * sizeof *x), scale = 1.0f;
        ck_assert_ptr_nonnull(x);
        for (int i = 0; i < SAMPLES; i++) {
            dyadic_sample(&d, (uint64_t)i, x + (size_t)i * values);
            const float *y = dyadic_run(&d, x + (size_t)i * values);
            for (size_t k = 0; k < bnn_spec_outputs(&d.spec); k++) {
                scale = fmaxf(scale, fabsf(y[k]));
            }
        }
        const float away = difference(&d.spec, d.network, SAMPLES, x);
        ck_assert_msg(away <= tolerance(algorithm) * scale, "%s %s: %g of %g", arch, algorithm,
                      (double)away, (double)scale);
        free(x);
        dyadic_stop(&d);
    }
}
END_TEST

/* Every op there is in a packed file. */
START_TEST(every_op) {
    bnn_spec spec = tiny_spec();
    bnn_device device = one_thread();
    bnn_inference network;
    float image[SAMPLES * TINY_PIXELS];
    tiny_network(&network, &device, 1);
    tiny_images(image, SAMPLES);
    ck_assert_float_le(difference(&spec, &network, SAMPLES, image), 5e-4f); /* of hundreds */
    bnn_inference_free(&network);
}
END_TEST

/* Every op of text; tokens, of which some are none, are integers, a row a sample. */
START_TEST(text) {
    static ox_run run;
    bnn_error err = {0};
    bnn_spec spec = tiny_spec();
    bnn_device device = one_thread();
    bnn_inference one, all;
    const int64_t dims[] = {3, TOKENS};
    ox in[] = {ox_new(2, dims), ox_new(2, dims)};
    int32_t number[2][SPOKEN];
    in[0].narrow = in[1].narrow = 1;
    for (int i = 0; i < SPOKEN; i++) {
        number[0][i] = i * 7 % WORDS;
        number[1][i] = i % 5 != 2;
        in[0].v[i] = (float)number[0][i];
        in[1].v[i] = (float)number[1][i];
    }
    text_network(&one, &device, 1);
    export_ok(&spec, &one);
    text_network(&all, &device, 3);
    bnn_graph_set(all.graph, all.inputs[0], number[0]);
    bnn_graph_set(all.graph, all.inputs[1], number[1]);
    bnn_graph_forward(all.graph);
    const float *wanted = bnn_f32(all.graph, all.outputs[0]);
    const ox y = ox_compute_all(&run, path, 2, in);
    ck_assert_int_eq(ox_count(&y), (int64_t)SPOKEN * WORD);
    for (int64_t i = 0; i < ox_count(&y); i++) {
        ck_assert(y.v[i] == wanted[i]); /* sums of signs */
    }
    ox_free(&run);
    bnn_inference_free(&all);
    const bnn_export_format *const others[] = {&bnn_export_dabnn, &bnn_export_c};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const bnn_export_request request = {.spec = &spec, .network = &one};
        bnn_export_report report;
        expect_error(others[i]->write(&request, path, &report, &err), BNN_ERR_UNSUPPORTED, &err,
                     "sees more than floats, which only the formats packed, onnx and lce know",
                     NULL);
    }
    bnn_inference_free(&one);
}
END_TEST

/* ---- detectors: what they say of their anchors, and what is beside it ---- */

static double real(const json_t *array, size_t i) {
    return json_real_value(json_array_get(array, i));
}

static void expect_described(const bnn_inference *heads, const char *beside) {
    json_error_t error;
    json_t *root = json_load_file(beside, 0, &error);
    ck_assert_msg(root != NULL, "%s: %s", beside, error.text);
    const json_t *h = json_object_get(root, "heads");
    ck_assert_str_eq(json_string_value(json_object_get(root, "arch")), "faster_rcnn_resnet18");
    for (int i = 0; i < BNN_HEADS; i++) {
        const json_t *size = json_object_get(h, bnn_head_names[i]);
        const bnn_shape s = bnn_shape_of(heads->graph, heads->outputs[i]);
        ck_assert_int_eq(json_integer_value(json_array_get(size, 0)), s.w);
        ck_assert_int_eq(json_integer_value(json_array_get(size, 1)), s.c);
    }
    const json_t *level = json_array_get(json_object_get(h, "anchors"), 0);
    const json_t *sizes = json_object_get(level, "sizes");
    const bnn_anchors anchors = bnn_rpn_anchors();
    ck_assert_uint_eq(json_array_size(sizes), (size_t)anchors.count);
    for (int i = 0; i < anchors.count; i++) {
        const json_t *size = json_array_get(sizes, (size_t)i);
        ck_assert((float)real(size, 0) == anchors.width[i]);
        ck_assert((float)real(size, 1) == anchors.height[i]);
    }
    ck_assert_int_eq(json_integer_value(json_object_get(level, "rows")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(level, "columns")), 3);
    ck_assert(json_real_value(json_object_get(level, "stride")) == 16.0);
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(h, "image"), 1)), 48);
    ck_assert_str_eq(json_string_value(json_object_get(h, "score")), "sigmoid");
    ck_assert(real(json_object_get(h, "std"), 3) == 1.0);
    ck_assert(!json_object_get(h, "background"));
    const json_t *nms = json_object_get(h, "nms");
    ck_assert(json_is_true(json_object_get(nms, "sized")) && !json_object_get(nms, "score"));
    ck_assert_int_eq(json_integer_value(json_object_get(nms, "most")), 6000);
    json_decref(root);
}

/* Of two stages the first, in any batch. */
START_TEST(heads_of_a_detector) {
    static const char *const algorithms[] = {"bnn", "reactnet", "fp32"};
    static ox_run run;
    bnn_device device = one_thread();
    bnn_error err = {0};
    bnn_export_report report;
    char beside[80];
    dyadic d;
    CK_CODE(dyadic_start(&d, &device, "faster_rcnn_resnet18", algorithms[_i],
                         (bnn_shape){1, 32, 48, 3}, 3, &err));
    bnn_export_request request = {.spec = &d.spec, .network = d.network};
    expect_error(bnn_export_onnx.write(&request, path, &report, &err), BNN_ERR_UNSUPPORTED, &err,
                 "its second stage looks at regions", "--part rpn exports the first", NULL);
    request.first_stage = 1;
    CK_CODE(bnn_export_onnx.write(&request, path, &report, &err));

    bnn_heads ends;
    bnn_inference heads;
    CK_CODE(bnn_heads_find(&request, &ends, &err));
    CK_CODE(bnn_inference_plain(d.network, &device, BNN_HEADS, ends.output, &heads, &err));
    CK_CODE(bnn_export_beside(&bnn_export_onnx, &d.spec, path, beside, sizeof beside, &err));
    expect_described(&heads, beside);
    remove(beside);

    const size_t values = (size_t)32 * 48 * 3;
    float *x = malloc(SAMPLES * values * sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (int i = 0; i < SAMPLES; i++) {
        dyadic_sample(&d, (uint64_t)i, x + (size_t)i * values);
    }
    ox_compute(&run, path, as_input(&d.spec, SAMPLES, x));
    for (int i = 0; i < SAMPLES; i++) {
        bnn_graph_set(heads.graph, heads.inputs[0], x + (size_t)i * values);
        bnn_graph_forward(heads.graph);
        for (int k = 0; k < BNN_HEADS; k++) {
            const float *wanted = bnn_f32(heads.graph, heads.outputs[k]);
            const ox y = ox_find(&run, bnn_head_names[k]);
            const int64_t count = ox_count(&y) / SAMPLES;
            float scale = 1.0f;
            ck_assert_int_eq(y.rank, 3);
            ck_assert_int_eq(count, (int64_t)2 * 3 * 15 * (k ? 4 : 1));
            for (int64_t j = 0; j < count; j++) {
                scale = fmaxf(scale, fabsf(wanted[j]));
            }
            for (int64_t j = 0; j < count; j++) {
                ck_assert_float_le(fabsf(y.v[i * count + j] - wanted[j]), 1e-3f * scale);
            }
        }
    }
    free(x);
    ox_free(&run);
    bnn_inference_free(&heads);
    dyadic_stop(&d);
}
END_TEST

/* ---- what is in a file ---- */

static const Onnx__NodeProto *find_node(const Onnx__ModelProto *m, const char *op, int nth) {
    for (size_t i = 0; i < m->graph->n_node; i++) {
        if (strcmp(m->graph->node[i]->op_type, op) == 0 && nth-- == 0) {
            return m->graph->node[i];
        }
    }
    return NULL;
}

static const Onnx__NodeProto *maker(const Onnx__ModelProto *m, const char *name) {
    for (size_t i = 0; i < m->graph->n_node; i++) {
        if (strcmp(m->graph->node[i]->output[0], name) == 0) {
            return m->graph->node[i];
        }
    }
    return NULL;
}

static const Onnx__NodeProto *reader(const Onnx__ModelProto *m, const Onnx__NodeProto *of) {
    for (size_t i = 0; i < m->graph->n_node; i++) {
        for (size_t k = 0; k < m->graph->node[i]->n_input; k++) {
            if (strcmp(m->graph->node[i]->input[k], of->output[0]) == 0) {
                return m->graph->node[i];
            }
        }
    }
    return NULL;
}

static const Onnx__TensorProto *constant(const Onnx__ModelProto *m, const char *name) {
    for (size_t i = 0; i < m->graph->n_initializer; i++) {
        if (strcmp(m->graph->initializer[i]->name, name) == 0) {
            return m->graph->initializer[i];
        }
    }
    return NULL;
}

static void expect_shape(const Onnx__ValueInfoProto *v, const char *name, size_t rank,
                         const int64_t *dim) {
    const Onnx__TypeProto__Tensor *t = v->type->tensor_type;
    ck_assert_str_eq(v->name, name);
    ck_assert_int_eq(t->elem_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    ck_assert_uint_eq(t->shape->n_dim, 1 + rank);
    ck_assert_str_eq(t->shape->dim[0]->dim_param, "N");
    ck_assert(!t->shape->dim[0]->has_dim_value);
    for (size_t i = 0; i < rank; i++) {
        ck_assert(t->shape->dim[1 + i]->has_dim_value);
        ck_assert_int_eq(t->shape->dim[1 + i]->dim_value, dim[i]);
    }
}

START_TEST(header) {
    static const struct {
        const char *arch;
        int64_t in[3], out[2];
        size_t in_rank, out_rank;
    } cases[] = {{"resnet20", {3, 8, 8}, {5}, 3, 1},
                 {"fsmn", {1, 16, 10}, {5}, 3, 1},
                 {"pointnet", {6, 9}, {5}, 2, 1},
                 {"pointnet_partseg", {6, 9}, {9, 5}, 2, 2}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        dyadic d;
        start(&d, cases[c].arch, "bnn");
        export_ok(&d.spec, d.network);
        Onnx__ModelProto *m = ox_read(path);
        ck_assert_int_eq(m->ir_version, 7);
        ck_assert_str_eq(m->producer_name, "bnn");
        ck_assert_str_eq(m->producer_version, BNN_VERSION);
        ck_assert_uint_eq(m->n_opset_import, 1);
        ck_assert_str_eq(m->opset_import[0]->domain, "");
        ck_assert_int_eq(m->opset_import[0]->version, 13);
        ck_assert(m->graph->n_input == 1 && m->graph->n_output == 1);
        expect_shape(m->graph->input[0], "input", cases[c].in_rank, cases[c].in);
        expect_shape(m->graph->output[0], "logits", cases[c].out_rank, cases[c].out);
        onnx__model_proto__free_unpacked(m, NULL);
        dyadic_stop(&d);
    }
}
END_TEST

/* What a packed file says of itself. */
START_TEST(metadata) {
    dyadic d;
    start(&d, "resnet20", "reactnet");
    d.spec.class_names = "cat\ndog";
    export_ok(&d.spec, d.network);
    Onnx__ModelProto *m = ox_read(path);
    bnn_arena *arena = bnn_arena_create();
    bnn_meta meta[BNN_SPEC_META];
    ck_assert_uint_eq(m->n_metadata_props, bnn_spec_meta(&d.spec, arena, meta));
    for (size_t i = 0; i < m->n_metadata_props; i++) {
        ck_assert_str_eq(m->metadata_props[i]->key, meta[i].key);
        ck_assert_str_eq(m->metadata_props[i]->value, meta[i].value);
    }
    bnn_arena_free(arena);
    onnx__model_proto__free_unpacked(m, NULL);
    dyadic_stop(&d);
}
END_TEST

/* What could be halves is, and is cast once. */
static void expect_halves(const Onnx__ModelProto *m) {
    int count = 0;
    for (size_t i = 0; i < m->graph->n_initializer; i++) {
        const Onnx__TensorProto *t = m->graph->initializer[i];
        ox x = ox_constant(t);
        const size_t n = (size_t)ox_count(&x);
        if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) {
            ck_assert(n < BNN_TRANSLATION_FEWEST_HALVES || !bnn_half_are(n, x.v));
        } else if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16) {
            int casts = 0;
            for (size_t k = 0; k < m->graph->n_node; k++) {
                casts += strcmp(m->graph->node[k]->input[0], t->name) == 0;
            }
            ck_assert(n >= BNN_TRANSLATION_FEWEST_HALVES && casts == 1);
            count++;
        }
        free(x.v);
    }
    ck_assert_int_gt(count, 0);
}

/* Filters of +-1 are bytes, and between their product and whatever follows stands a Clip that
 * changes nothing. */
START_TEST(binary_products) {
    for (size_t a = 0; a < sizeof archs / sizeof *archs; a++) {
        dyadic d;
        int casts = 0;
        start(&d, archs[a], "recu");
        export_ok(&d.spec, d.network);
        Onnx__ModelProto *m = ox_read(path);
        for (const Onnx__NodeProto *cast; (cast = find_node(m, "Cast", casts)); casts++) {
            const Onnx__TensorProto *w = constant(m, cast->input[0]);
            const Onnx__NodeProto *product = reader(m, cast), *clip = reader(m, product);
            ck_assert_int_eq(ox_int(cast, "to", 0), ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
            ck_assert_int_eq(w->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__INT8);
            int64_t most = 1;
            for (size_t i = 1; i < w->n_dims; i++) {
                most *= w->dims[i];
            }
            for (size_t i = 0; i < w->raw_data.len; i++) {
                ck_assert(w->raw_data.data[i] == 1 || w->raw_data.data[i] == 0xff);
            }
            ck_assert_str_eq(product->input[1], cast->output[0]);
            ck_assert_str_eq(clip->op_type, "Clip");
            ox lo = ox_constant(constant(m, clip->input[1]));
            ox hi = ox_constant(constant(m, clip->input[2]));
            ck_assert(lo.v[0] == -(float)most && hi.v[0] == (float)most);
            free(lo.v);
            free(hi.v);
        }
        int bits = 0;
        for (size_t i = 0; i < d.network->constant_count; i++) {
            bits += bnn_dtype_of(d.network->graph, d.network->constants[i].t) == BNN_B1;
        }
        ck_assert(casts > 0 && casts == bits);
        /* Of a sign there are two values, and who rounds a BatchNormalization how is not known. */
        ck_assert(!find_node(m, "Sign", 0) && !find_node(m, "BatchNormalization", 0));
        onnx__model_proto__free_unpacked(m, NULL);
        dyadic_stop(&d);
    }
}
END_TEST

/* Halves in the file, what they were rounded to where it runs. */
START_TEST(halves) {
    static const char *const algorithms[] = {"reactnet", "fda"};
    for (size_t a = 0; a < sizeof algorithms / sizeof *algorithms; a++) {
        bnn_error err = {0};
        dyadic d;
        start(&d, archs[_i], algorithms[a]);
        const size_t values = bnn_shape_count(bnn_shape_of(d.network->graph, d.network->inputs[0]));
        float *x = malloc(SAMPLES * values * sizeof *x);
        ck_assert_ptr_nonnull(x);
        for (int i = 0; i < SAMPLES; i++) {
            dyadic_sample(&d, (uint64_t)i, x + (size_t)i * values);
        }
        dyadic_blur(&d);
        CK_CODE(bnn_export_round(d.network, &err));
        export_ok(&d.spec, d.network);
        Onnx__ModelProto *whole = ox_read(path);
        float16 = 1;
        const float away = difference(&d.spec, d.network, SAMPLES, x);
        float16 = 0;
        ck_assert_float_eq(away, 0.0f);
        Onnx__ModelProto *m = ox_read(path);
        expect_halves(m);
        ck_assert_uint_lt(onnx__model_proto__get_packed_size(m),
                          onnx__model_proto__get_packed_size(whole));
        onnx__model_proto__free_unpacked(whole, NULL);
        onnx__model_proto__free_unpacked(m, NULL);
        free(x);
        dyadic_stop(&d);
    }
}
END_TEST

/* VGG's classifier sees its image as PyTorch's does: all of a channel's pixels, then the next. */
START_TEST(columns) {
    bnn_error err = {0};
    bnn_device device = one_thread();
    dyadic d;
    CK_CODE(dyadic_start(&d, &device, "vgg_small", "bnn", (bnn_shape){1, 16, 16, 3}, 5, &err));
    export_ok(&d.spec, d.network);
    Onnx__ModelProto *m = ox_read(path);
    const Onnx__NodeProto *gemm = find_node(m, "Gemm", 0);
    const bnn_constant *fc = &d.network->constants[bnn_inference_find(d.network, "fc.weight")];
    const float *own = bnn_f32(d.network->graph, fc->t);
    ck_assert_str_eq(maker(m, gemm->input[0])->op_type, "Flatten");
    ck_assert_int_eq(ox_int(gemm, "transB", 0), 1);
    ck_assert_str_eq(gemm->input[1], "fc.weight");
    ox w = ox_constant(constant(m, gemm->input[1]));
    const int64_t pixels = 4, channels = 512;
    ck_assert(w.dim[0] == 5 && w.dim[1] == pixels * channels);
    for (int64_t i = 0; i < ox_count(&w); i++) {
        const int64_t row = i / w.dim[1], c = i % w.dim[1] / pixels, p = i % pixels;
        ck_assert(w.v[i] == own[row * w.dim[1] + p * channels + c]);
    }
    free(w.v);
    onnx__model_proto__free_unpacked(m, NULL);
    dyadic_stop(&d);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("export_onnx");
    TCase *c = tcase_create("onnx");
    tcase_set_timeout(c, 300);
    tcase_add_loop_test(c, computes_the_same, 0, (int)(sizeof archs / sizeof *archs));
    tcase_add_test(c, every_op);
    tcase_add_test(c, text);
    tcase_add_loop_test(c, heads_of_a_detector, 0, 3);
    tcase_add_test(c, header);
    tcase_add_test(c, metadata);
    tcase_add_test(c, binary_products);
    tcase_add_loop_test(c, halves, 0, SMALL);
    tcase_add_test(c, columns);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
