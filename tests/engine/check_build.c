/* Building graphs: the first mistake is reported once and clearly, everything after it is BNN_NONE
 * and nothing crashes; a parameter is one tensor however often it is asked for. */
#include "tests/fixtures/graph_fixture.h"

#include "engine/gradcheck.h"
#include "models/model.h"

typedef struct bed {
    bnn_params *params;
    bnn_graph *graph;
    bnn_build build;
    bnn_t x; /* [2,5,6,12] */
} bed;

static bed start(void) {
    bed b = {.params = bnn_params_create()};
    b.graph = bnn_graph_create(test_device(), b.params, 1);
    b.build = (bnn_build){.graph = b.graph, .binarizer = bnn_binarizer_find("reactnet")};
    b.x = bnn_graph_input(b.graph, "x", BNN_F32, (bnn_shape){2, 5, 6, 12});
    return b;
}

static void stop(bed *b) {
    bnn_graph_free(b->graph);
    bnn_params_free(b->params);
}

/* ---- mistakes: each builder returns BNN_NONE and the error names `word` ---- */

static bnn_t conv(const bed *b, bnn_shape w, bnn_conv_config c) {
    return bnn_op_conv(b->graph, bnn_plain(b->x), bnn_plain(plain_param(b->graph, "w", w, 1)), &c);
}

static bnn_t channels(const bed *b) {
    return conv(b, (bnn_shape){4, 3, 3, 11}, (bnn_conv_config){1, 1, 1, 1, 1, 1, 1, 0});
}

static bnn_t folded(const bed *b, bnn_conv_end end) {
    bnn_conv_config c = {1, 1, 1, 1, 1, 1, 1, 0};
    bnn_t w = plain_param(b->graph, "w", (bnn_shape){4, 3, 3, 12}, 1);
    return bnn_op_folded_conv(b->graph, bnn_plain(b->x), bnn_plain(w), &c, &end);
}

static bnn_t float_thresholds(const bed *b) {
    bnn_conv_end end = bnn_conv_plain;
    end.threshold = bnn_graph_input(b->graph, "t", BNN_I32, bnn_vector(4));
    return folded(b, end);
}

static bnn_t float_signs(const bed *b) {
    bnn_conv_end end = bnn_conv_plain;
    end.sign = 1;
    return folded(b, end);
}

static bnn_t wide_shift(const bed *b) {
    bnn_conv_end end = bnn_conv_plain;
    end.b = bnn_graph_input(b->graph, "b", BNN_F32, bnn_vector(5));
    return folded(b, end);
}

static bnn_t small_sum(const bed *b) {
    bnn_conv_end end = bnn_conv_plain;
    end.add = bnn_graph_input(b->graph, "y", BNN_F32, (bnn_shape){2, 5, 5, 4});
    return folded(b, end);
}

static bnn_t folded_training(const bed *b) {
    bnn_conv_end end = bnn_conv_plain;
    end.clamp.lo = 0.0f;
    return folded(b, end);
}

static bnn_t groups(const bed *b) {
    return conv(b, (bnn_shape){4, 3, 3, 4}, (bnn_conv_config){1, 1, 1, 1, 1, 1, 3, 0});
}

static bnn_t no_groups(const bed *b) {
    return conv(b, (bnn_shape){4, 3, 3, 12}, (bnn_conv_config){1, 1, 1, 1, 1, 1, 0, 0});
}

static bnn_t no_stride(const bed *b) {
    return conv(b, (bnn_shape){4, 3, 3, 12}, (bnn_conv_config){0, 0, 1, 1, 1, 1, 1, 0});
}

static bnn_t too_large(const bed *b) {
    return conv(b, (bnn_shape){4, 7, 7, 12}, (bnn_conv_config){1, 1, 0, 0, 1, 1, 1, 0});
}

static bnn_t mixed(const bed *b) {
    bnn_conv_config c = {1, 1, 0, 0, 1, 1, 1, 0};
    bnn_value bits =
        bnn_op_sign(b->graph, b->x, BNN_NONE, 0, (bnn_ste){BNN_STE_CLIP, 1.0f}, BNN_NONE);
    bnn_t w = plain_param(b->graph, "w", (bnn_shape){4, 1, 1, 12}, 1);
    return bnn_op_conv(b->graph, bits, bnn_plain(w), &c);
}

static bnn_t layer_stride(const bed *b) {
    bnn_conv_layer l = {.out = 4, .kernel = 3};
    return bnn_conv2d(&b->build, "c", b->x, &l);
}

static bnn_t layer_groups(const bed *b) {
    bnn_conv_layer l = {.out = 32, .kernel = 3, .stride = 1, .groups = 16};
    return bnn_conv2d(&b->build, "c", b->x, &l);
}

static bnn_t layer_out(const bed *b) {
    bnn_conv_layer l = {.out = 0, .kernel = 3, .stride = 1};
    return bnn_conv2d(&b->build, "c", b->x, &l);
}

static bnn_t sums(const bed *b) {
    bnn_t v = plain_param(b->graph, "v", bnn_vector(12), 1);
    return bnn_op_add(b->graph, b->x, v);
}

static bnn_t factors(const bed *b) {
    return bnn_op_affine(b->graph, b->x, plain_param(b->graph, "v", bnn_vector(11), 1), BNN_NONE);
}

static bnn_t norms(const bed *b) {
    bnn_t v = plain_param(b->graph, "v", bnn_vector(11), 1);
    return bnn_op_batch_norm(b->graph, b->x, v, v, v, v, 1e-5f, 0.1f);
}

static bnn_t window(const bed *b) {
    return bnn_op_max_pool(b->graph, b->x, 9, 2, 0, 0);
}

static bnn_t pool_stride(const bed *b) {
    return bnn_op_max_pool(b->graph, b->x, 2, 0, 0, 0);
}

static bnn_t rows(const bed *b) {
    return bnn_op_abs_mean(b->graph, b->x, 7);
}

static bnn_t normal_rows(const bed *b) {
    return bnn_op_normalize(b->graph, b->x, 720, 1, 1, 1.0f, 0.0f);
}

static bnn_t shapes(const bed *b) {
    bnn_t y = bnn_op_affine(b->graph, b->x, BNN_NONE, BNN_NONE);
    return bnn_op_reshape(b->graph, y, (bnn_shape){2, 1, 1, 361});
}

static bnn_t view_of_input(const bed *b) {
    return bnn_flatten(&b->build, b->x);
}

static bnn_t outer(const bed *b) {
    bnn_t o = plain_param(b->graph, "o", bnn_vector(12), 1);
    bnn_t h = plain_param(b->graph, "h", bnn_vector(4), 1);
    return bnn_op_outer_scale(b->graph, b->x, o, h, o);
}

static bnn_t labels(const bed *b) {
    bnn_t label = bnn_graph_input(b->graph, "label", BNN_I32, (bnn_shape){3, 1, 1, 1});
    return bnn_op_cross_entropy(b->graph, bnn_op_global_avg_pool(b->graph, b->x), label);
}

static bnn_t twice(const bed *b) {
    plain_param(b->graph, "v", bnn_vector(12), 1);
    return bnn_op_affine(b->graph, b->x, plain_param(b->graph, "v", bnn_vector(13), 1), BNN_NONE);
}

static bnn_t empty(const bed *b) {
    return bnn_op_affine(b->graph, bnn_graph_input(b->graph, "z", BNN_F32, (bnn_shape){0, 1, 1, 1}),
                         BNN_NONE, BNN_NONE);
}

static const struct {
    const char *name, *word;
    bnn_t (*build)(const bed *b);
} mistakes[] = {
    {"channels", "12 input channels", channels},
    {"groups", "3 groups", groups},
    {"no groups", "0 groups", no_groups},
    {"no stride", "stride 0x0", no_stride},
    {"too large", "7x7", too_large},
    {"mixed", "bits", mixed},
    {"layer without a stride", "stride 0x0", layer_stride},
    {"more groups than channels", "16 groups", layer_groups},
    {"layer without filters", "c.weight", layer_out},
    {"float thresholds", "bits has thresholds", float_thresholds},
    {"float signs", "bits gives signs", float_signs},
    {"wide shift", "5 values for a result of 4", wide_shift},
    {"small sum", "200 values", small_sum},
    {"folded training", "no gradient", folded_training},
    {"sums", "add", sums},
    {"factors", "11", factors},
    {"norms", "11", norms},
    {"window", "9x9", window},
    {"pool stride", "max_pool", pool_stride},
    {"rows", "7 rows", rows},
    {"normal rows", "720 rows", normal_rows},
    {"shapes", "361", shapes},
    {"view of an input", "reshape", view_of_input},
    {"outer", "4 rows", outer},
    {"labels", "3 labels", labels},
    {"twice", "v", twice},
    {"empty", "z", empty},
};
enum { MISTAKES = sizeof mistakes / sizeof *mistakes };

/* Whatever is built on top of a mistake. */
static void build_on(const bed *b, bnn_t bad) {
    bnn_conv_layer conv_layer = {.out = 4, .kernel = 3, .stride = 1, .pad = 1};
    bnn_linear_layer linear = {.out = 3};
    bnn_t y = bnn_conv2d(&b->build, "after", bad, &conv_layer);
    ck_assert_int_eq(y, BNN_NONE);
    y = bnn_activation(&b->build, bnn_batch_norm(&b->build, "bn", y, 1.0f));
    ck_assert_int_eq(y, BNN_NONE);
    ck_assert_int_eq(bnn_op_add(b->graph, b->x, y), BNN_NONE);
    ck_assert_int_eq(bnn_linear(&b->build, "fc", bnn_flatten(&b->build, y), &linear), BNN_NONE);
    ck_assert_int_eq(bnn_op_clamp(b->graph, b->x, 0.0f, 1.0f), BNN_NONE); /* good input, too late */
    ck_assert_int_eq(bnn_graph_input(b->graph, "late", BNN_F32, bnn_vector(3)), BNN_NONE);
    ck_assert_int_eq(plain_param(b->graph, "late", bnn_vector(3), 1), BNN_NONE);
    ck_assert_int_eq(bnn_graph_value(b->graph, y), BNN_NONE);
    bnn_graph_keep(b->graph, y);
    bnn_graph_want_grad(b->graph, y);
}

START_TEST(test_mistakes) {
    bed b = start();
    bnn_error first = {0}, last = {0};
    ck_assert_int_eq(bnn_graph_status(b.graph, &first), BNN_OK);
    bnn_t bad = mistakes[_i].build(&b);
    ck_assert_msg(bad == BNN_NONE, "%s: no error", mistakes[_i].name);
    ck_assert_int_eq(bnn_graph_status(b.graph, &first), BNN_ERR_SHAPE);
    ck_assert_msg(strstr(first.text, mistakes[_i].word) != NULL, "%s: the error is '%s'",
                  mistakes[_i].name, first.text);
    build_on(&b, bad);
    ck_assert_int_eq(bnn_graph_compile(b.graph, bad, &last), BNN_ERR_SHAPE);
    ck_assert_str_eq(first.text, last.text);
    stop(&b);
}
END_TEST

/* ---- parameters asked for twice ---- */

/* The same layer at two places: its gradient is the sum of both. */
START_TEST(test_shared_weights) {
    bed b = start();
    bnn_conv_layer l = {
        .out = 12, .kernel = 3, .stride = 1, .pad = 1, .bias = 1, .full_precision = 1};
    bnn_error err = {0};
    bnn_t y = bnn_conv2d(&b.build, "c", bnn_conv2d(&b.build, "c", b.x, &l), &l);
    ck_ok(bnn_graph_compile(b.graph, y, &err), err);
    ck_ok(bnn_params_allocate(b.params, &err), err);
    ck_ok(bnn_graph_bind(b.graph, NULL, &err), err);
    ck_assert_uint_eq(b.params->count, 2);
    bnn_rng rng = bnn_rng_start(2, 2);
    float *x = random_floats(&rng, SHIFTED, 2 * 5 * 6 * 12);
    float *gy = random_floats(&rng, SHIFTED, 2 * 5 * 6 * 12);
    bnn_params_initialize(b.params, 1);
    bnn_graph_set(b.graph, b.x, x);
    for (size_t i = 0; i < b.params->count; i++) {
        const bnn_param *p = b.params->list[i];
        bnn_gradcheck_leaf leaf = {bnn_param_data(b.params, p), bnn_param_grad(b.params, p),
                                   p->count};
        bnn_gradcheck_result r;
        ck_ok(bnn_gradcheck(b.graph, gy, &leaf, 3, 1e-2, 1, &r, &err), err);
        ck_assert_msg(r.error < 3e-3 && r.slope > 1e-2, "%s: error %g, slope %g", p->name, r.error,
                      r.slope);
    }
    free(x);
    free(gy);
    stop(&b);
}
END_TEST

/* FDA's noise network is declared in every phase, and nothing moves it in the silent one: what an
 * optimizer sees after the change of graphs is 0, not the last noisy gradient. */
START_TEST(test_unused_parameters) {
    bnn_error err = {0};
    bnn_params *params = bnn_params_create();
    bnn_net net[2];
    float x[8 * 8 * 3];
    int32_t label = 1;
    bnn_rng rng = bnn_rng_start(3, 3);
    fill_random(&rng, SHIFTED, sizeof x / sizeof *x, x);
    for (int phase = 0; phase < 2; phase++) {
        bnn_spec spec = {.height = 8, .width = 8, .channels = 3, .classes = 10, .phase = phase};
        ck_ok(bnn_spec_find(&spec, "resnet20", "fda", &err), err);
        ck_ok(bnn_net_build(&spec, test_device(), params, 1, 1, &net[phase], &err), err);
    }
    ck_ok(bnn_params_allocate(params, &err), err);
    bnn_params_initialize(params, 1);
    const bnn_param *w = bnn_params_find(params, "layer2.2.conv2.weight_noise.fc2.weight");
    ck_assert_ptr_nonnull(w);
    for (size_t i = 0; i < params->value_count; i++) {
        params->values[i] = params->values[i] == 0.0f ? 0.1f : params->values[i];
    }
    for (int phase = 0; phase < 2; phase++) {
        double sum = 0.0;
        bnn_apply_schedule(bnn_binarizer_find("fda"), params, phase ? 9 : 0, 10);
        ck_ok(bnn_graph_bind(net[phase].graph, NULL, &err), err);
        bnn_graph_set(net[phase].graph, net[phase].input[0], x);
        bnn_graph_set(net[phase].graph, net[phase].input[1], &label);
        bnn_graph_forward(net[phase].graph);
        bnn_graph_backward(net[phase].graph);
        for (size_t i = 0; i < w->count; i++) {
            sum += fabs((double)bnn_param_grad(params, w)[i]);
        }
        ck_assert_msg(phase ? sum == 0.0 : sum > 0.0, "phase %d: gradients of %g", phase, sum);
        bnn_graph_free(net[phase].graph);
    }
    bnn_params_free(params);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("build");
    TCase *tcase = tcase_create("build");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_mistakes, 0, MISTAKES);
    tcase_add_test(tcase, test_shared_weights);
    tcase_add_test(tcase, test_unused_parameters);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
