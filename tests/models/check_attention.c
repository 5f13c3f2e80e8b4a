/* Where attention goes: what is told of the last layer is what its own op does, for a float network
 * and for binary ones, and padding is never looked at. */
#include "tests/fixtures/graph_fixture.h"

#include "models/attention.h"

enum { LENGTH = 24, TOKENS = 17, SHOWN = 20, SAMPLES = 2, WIDTH = 312, HEADS = 12 };
enum { HEAD = WIDTH / HEADS }; /* channels: one for each token, and one more */

static const bnn_field fields[] = {{"ids", BNN_I32, {1, 1, LENGTH, 1}},
                                   {"segment", BNN_I32, {1, 1, LENGTH, 1}},
                                   {"mask", BNN_I32, {1, 1, LENGTH, 1}}};
static int32_t value[3][SAMPLES][LENGTH];
static const bnn_batch batch = {
    .n = SAMPLES, .field_count = 3, .field = fields, .data = {value[0], value[1], value[2]}};

static void fill(void) {
    for (int n = 0; n < SAMPLES; n++) {
        for (int t = 0; t < LENGTH; t++) {
            value[0][n][t] = t < TOKENS ? 100 + 37 * t + 1000 * n : 0;
            value[1][n][t] = t >= 9 && t < TOKENS;
            value[2][n][t] = t < TOKENS;
        }
    }
}

static bnn_spec spec_of(const char *arch, const char *algorithm) {
    bnn_error err = {0};
    bnn_spec spec = {.height = 1, .width = LENGTH, .channels = 1, .classes = 2};
    ck_ok(bnn_spec_find(&spec, arch, algorithm, &err), err);
    spec.phase = spec.binarizer ? spec.binarizer->phases - 1 : 0;
    return spec;
}

/* A context of its own for each head and token that is looked at: its value is 1 in one channel
 * where all others' are -1, and so are all in the last channel. */
static void make_values(float *v) {
    for (int t = 0; t < LENGTH; t++) {
        for (int c = 0; c < WIDTH; c++) {
            v[t * WIDTH + c] = c % HEAD == t ? 1.0f : -1.0f;
        }
    }
}

/* The mean over heads, of the second sample, by the op of the layers. */
static void by_the_op(const bnn_spec *spec, bnn_params *params, double share[SHOWN][SHOWN]) {
    bnn_error err = {0};
    bnn_graph *g = bnn_graph_create(test_device(), params, 0);
    const bnn_build build = {.graph = g, .binarizer = spec->binarizer, .phase = spec->phase};
    bnn_t in[3];
    static float v[LENGTH * WIDTH], context[LENGTH * WIDTH];
    for (int f = 0; f < 3; f++) {
        in[f] = bnn_graph_input(g, fields[f].name, BNN_I32, fields[f].shape);
    }
    bnn_output out = spec->arch->build(&build, spec->arch, in, spec->classes);
    const int last = out.insides.layers - 1;
    bnn_t values = bnn_graph_input(g, "values", BNN_F32, (bnn_shape){1, 1, LENGTH, WIDTH});
    bnn_t y = bnn_self_attention(&build, "x", out.insides.query[last], out.insides.key[last],
                                 values, in[2], out.insides.heads);
    bnn_graph_keep(g, y);
    ck_ok(bnn_graph_compile(g, BNN_NONE, &err), err);
    ck_ok(bnn_params_allocate(params, &err), err);
    bnn_params_initialize(params, 5);
    bnn_apply_schedule(spec->binarizer, params, 9, 10);
    ck_ok(bnn_graph_bind(g, NULL, &err), err);
    make_values(v);
    for (int f = 0; f < 3; f++) {
        bnn_graph_set(g, in[f], value[f][1]);
    }
    bnn_graph_set(g, values, v);
    bnn_graph_forward(g);
    ck_ok(bnn_graph_get(g, y, context, &err), err);
    for (int q = 0; q < SHOWN; q++) {
        for (int k = 0; k < SHOWN; k++) {
            share[q][k] = 0.0;
            for (int head = 0; head < HEADS; head++) {
                const float *of = context + q * WIDTH + head * HEAD;
                share[q][k] += 0.5 * ((double)of[k] - (double)of[HEAD - 1]) / HEADS;
            }
        }
    }
    bnn_graph_free(g);
}

static const char *const algorithms[] = {BNN_FLOAT_ALGORITHM, "bnn", "reactnet"};

START_TEST(as_the_op) {
    bnn_error err = {0};
    const bnn_spec spec = spec_of("bert_tiny4", algorithms[_i]);
    bnn_params *params = bnn_params_create();
    static double expected[SHOWN][SHOWN];
    static float share[SHOWN * SHOWN];
    double all = 0.0;
    fill();
    by_the_op(&spec, params, expected);
    ck_ok(bnn_attention_shares(&spec, test_device(), params, &batch, 1, SHOWN, share, &err), err);
    for (int q = 0; q < SHOWN; q++) {
        for (int k = 0; k < SHOWN; k++) {
            const double got = (double)share[q * SHOWN + k];
            ck_assert_double_eq_tol(got, expected[q][k], 1e-5);
            ck_assert(k < TOKENS || got == 0.0);
            ck_assert(!spec.binarizer || fabs(got * HEADS - nearbyint(got * HEADS)) < 1e-4);
            all += got;
        }
    }
    ck_assert(spec.binarizer ? all > 0.0 : fabs(all - SHOWN) < 1e-3);
    bnn_params_free(params);
}
END_TEST

START_TEST(without_attention) {
    bnn_error err = {0};
    bnn_params *params = bnn_params_create();
    const bnn_spec spec = {.arch = bnn_arch_find("fsmn"),
                           .task = bnn_arch_find("fsmn")->task,
                           .height = 32,
                           .width = 32,
                           .channels = 1,
                           .classes = 4};
    float share[1];
    ck_assert_int_eq(bnn_attention_shares(&spec, test_device(), params, &batch, 0, 1, share, &err),
                     BNN_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.text, "fsmn has no attention");
    bnn_params_free(params);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("attention");
    TCase *cases = tcase_create("attention");
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, as_the_op, 0, sizeof algorithms / sizeof *algorithms);
    tcase_add_test(cases, without_attention);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
