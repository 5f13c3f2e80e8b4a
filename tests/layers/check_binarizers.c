/* Every algorithm of the registry, as conv2d, conv1d and linear, in training and evaluation: the
 * forward's integers are exact, its floats and the gradients of the input and of every declared
 * parameter are those of an independent layer in double (binary_reference.inc), differentiated
 * numerically. */
#include "tests/fixtures/graph_fixture.h"

#include "models/model.h"

#include "tests/layers/binary_reference.inc"

typedef struct layer_shape {
    bnn_layer_kind kind;
    bnn_shape x;
    int out, kernel, stride, pad, dilation, groups, bias;
    int left, right; /* zeros that the binarization sees */
} layer_shape;

static const layer_shape shapes[] = {
    {BNN_CONV2D, {2, 5, 6, 9}, 5, 3, 1, 1, 1, 1, 0, 0, 0},
    {BNN_CONV2D, {1, 7, 6, 6}, 4, 3, 2, 1, 1, 1, 1, 0, 0},
    {BNN_CONV2D, {2, 5, 5, 6}, 4, 3, 1, 2, 2, 2, 1, 0, 0},
    {BNN_CONV2D, {2, 4, 5, 5}, 5, 3, 1, 1, 1, 5, 0, 0, 0},
    {BNN_CONV2D, {2, 3, 2, 67}, 6, 1, 1, 0, 1, 1, 1, 0, 0},
    {BNN_CONV1D, {2, 1, 11, 17}, 5, 5, 2, 2, 1, 1, 1, 0, 0},
    {BNN_CONV1D, {3, 1, 7, 66}, 4, 1, 1, 0, 1, 1, 0, 0, 0},
    {BNN_CONV1D, {2, 1, 9, 66}, 66, 5, 1, 0, 1, 66, 1, 2, 2},
    {BNN_CONV1D, {2, 1, 8, 12}, 24, 4, 1, 0, 1, 12, 0, 1, 3},
    {BNN_CONV1D, {2, 1, 9, 70}, 5, 3, 1, 1, 1, 1, 1, 2, 0},
    {BNN_LINEAR, {6, 1, 1, 131}, 9, 1, 1, 0, 1, 1, 1, 0, 0},
    {BNN_LINEAR, {2, 1, 4, 65}, 7, 1, 1, 0, 1, 1, 0, 0, 0},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, EPOCHS = 10 };

typedef struct layer_test {
    char what[96];
    bnn_params *params;
    bnn_graph *graph;
    bnn_t x, y;
    const bnn_node *conv;
    const float *leaf_grad[REF_LEAVES];
    const float *input;
    float *gy;
    ref_layer ref;
    bnn_rng rng;
} layer_test;

static const struct {
    const char *name;
    int leaf;
} leaf_names[] = {
    {"weight", REF_W},
    {"bias", REF_BIAS},
    {"alpha", REF_SCALE},
    {"o_scale", REF_SCALE},
    {"h_scale", REF_H},
    {"w_scale", REF_V},
    {"l_scale", REF_V},
    {"channel_threshold", REF_T},
    {"act_noise.fc1.weight", REF_ACT_FC1},
    {"act_noise.fc2.weight", REF_ACT_FC2},
    {"weight_noise.fc1.weight", REF_WEIGHT_FC1},
    {"weight_noise.fc2.weight", REF_WEIGHT_FC2},
};

/* ---- building ---- */

static void build(layer_test *t, const bnn_binarizer *algo, const layer_shape *s, int phase) {
    bnn_build b = {.graph = t->graph, .binarizer = algo, .phase = phase};
    t->x = bnn_graph_input(t->graph, "x", BNN_F32, s->x);
    bnn_graph_want_grad(t->graph, t->x);
    if (s->kind == BNN_LINEAR) {
        bnn_linear_layer l = {.out = s->out, .no_bias = !s->bias};
        t->y = bnn_linear(&b, "layer", t->x, &l);
    } else {
        bnn_conv_layer l = {.out = s->out,
                            .kernel = s->kernel,
                            .stride = s->stride,
                            .pad = s->pad,
                            .dilation = s->dilation,
                            .groups = s->groups,
                            .bias = s->bias,
                            .pad_left = s->left,
                            .pad_right = s->right};
        t->y = s->kind == BNN_CONV2D ? bnn_conv2d(&b, "layer", t->x, &l)
                                     : bnn_conv1d(&b, "layer", t->x, &l);
    }
    t->y = bnn_graph_value(t->graph, t->y);
    bnn_graph_keep(t->graph, t->y);
    for (size_t i = 0; i < bnn_graph_node_count(t->graph); i++) {
        const bnn_node *node = bnn_graph_node(t->graph, i);
        t->conv = node->op == &bnn_conv_op ? node : t->conv; /* the last; FDA's noise has others */
    }
    ck_assert_ptr_nonnull(t->conv);
    bnn_graph_keep(t->graph, t->conv->out[0]);
    bnn_graph_keep(t->graph, t->conv->in[2]);
}

static double *doubles(const float *from, size_t n) {
    double *to = malloc(n * sizeof *to);
    for (size_t i = 0; i < n; i++) {
        to[i] = (double)from[i];
    }
    return to;
}

static void take_leaf(layer_test *t, int leaf, const float *value, const float *grad, size_t n) {
    t->ref.leaf[leaf] = doubles(value, n);
    t->ref.count[leaf] = n;
    t->leaf_grad[leaf] = grad;
}

/* Random values, none with a mean of 0, weights beyond the surrogates' windows too. */
static void fill_param(layer_test *t, const bnn_param *p, int leaf) {
    float *value = bnn_param_data(t->params, p);
    float spread = leaf == REF_W ? 0.7f : 0.2f;
    for (size_t i = 0; i < p->count; i++) {
        int positive = leaf == REF_SCALE || leaf == REF_H || leaf == REF_V;
        value[i] =
            positive ? 0.5f + bnn_rng_uniform(&t->rng) : 0.15f + spread * bnn_rng_normal(&t->rng);
    }
    take_leaf(t, leaf, value, bnn_param_grad(t->params, p), p->count);
}

static void fill(layer_test *t, const layer_shape *s) {
    for (size_t k = 0; k < t->params->count; k++) {
        const bnn_param *p = t->params->list[k];
        int leaf = -1;
        for (size_t i = 0; i < sizeof leaf_names / sizeof *leaf_names; i++) {
            leaf = strcmp(p->name + strlen("layer."), leaf_names[i].name) == 0 ? leaf_names[i].leaf
                                                                               : leaf;
        }
        if (p->trainable) {
            ck_assert_msg(leaf >= 0, "%s: %s is unknown to the reference", t->what, p->name);
            fill_param(t, p, leaf);
        }
    }
    size_t n = bnn_shape_count(s->x);
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        x[i] = 0.3f + 0.8f * bnn_rng_normal(&t->rng);
    }
    t->input = x;
    bnn_graph_set(t->graph, t->x, x);
    take_leaf(t, REF_X, x, bnn_grad(t->graph, t->x), n);
}

static double buffer_value(const layer_test *t, const char *name, double missing) {
    const bnn_param *p = bnn_params_find(t->params, name);
    return p && !p->trainable ? (double)*bnn_param_data(t->params, p) : missing;
}

/* ---- comparing ---- */

static double loss(layer_test *t) {
    ref_run(&t->ref, 0);
    double sum = 0.0;
    for (size_t i = 0; i < bnn_shape_count(bnn_shape_of(t->graph, t->y)); i++) {
        sum += (double)t->gy[i] * t->ref.y[i];
    }
    return sum;
}

/* Binary products are integers, to the last bit (the input's scale is a factor of a float result;
 * the filters' waits on it, op.h). */
static void check_integers(const layer_test *t) {
    const bnn_graph *g = t->graph;
    if (t->ref.noisy) {
        ck_assert_int_eq(bnn_dtype_of(g, t->conv->in[0]), BNN_F32);
        return;
    }
    ck_assert_int_eq(bnn_dtype_of(g, t->conv->in[0]), BNN_B1);
    ck_assert_int_eq(bnn_dtype_of(g, t->conv->in[1]), BNN_B1);
    const float *xs = bnn_f32(g, t->conv->in[2]);
    bnn_shape y = bnn_shape_of(g, t->conv->out[0]);
    size_t n = bnn_shape_count(y),
           per_scale = xs ? n / bnn_shape_count(bnn_shape_of(g, t->conv->in[2])) : n;
    double *integers = malloc(n * sizeof *integers);
    ref_integers(&t->ref, integers);
    for (size_t i = 0; i < n; i++) {
        bnn_t product = t->conv->out[0];
        int plain = !xs || bnn_dtype_of(g, product) == BNN_I16;
        float scale = plain ? 1.0f : xs[i / per_scale];
        float want = scale * (float)integers[i];
        float got = bnn_dtype_of(g, product) == BNN_I16 ? (float)bnn_i16(g, product)[i]
                                                        : bnn_f32(g, product)[i];
        ck_assert_msg(got == want, "%s: product %zu is %.9g, not %g * %g", t->what, i, (double)got,
                      (double)scale, integers[i]);
    }
    free(integers);
}

static void check_forward(layer_test *t) {
    ref_run(&t->ref, 1);
    check_integers(t);
    size_t n = bnn_shape_count(bnn_shape_of(t->graph, t->y));
    double largest = 0.0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(t->ref.y[i]));
    }
    for (size_t i = 0; i < n; i++) {
        double got = (double)bnn_f32(t->graph, t->y)[i];
        ck_assert_msg(fabs(got - t->ref.y[i]) <= 1e-5 * largest, "%s: y[%zu] is %g, not %g",
                      t->what, i, got, t->ref.y[i]);
    }
}

/* The reference's slope along a direction (NULL: along value `at`). */
static double slope(layer_test *t, int leaf, const double *direction, size_t at) {
    const double h = 1e-6;
    size_t n = t->ref.count[leaf];
    double *value = t->ref.leaf[leaf], *start = malloc(n * sizeof *start), side[2];
    memcpy(start, value, n * sizeof *start);
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < n; i++) {
            double d = direction ? direction[i] : i == at;
            value[i] = start[i] + (k ? h : -h) * d;
        }
        side[k] = loss(t);
    }
    memcpy(value, start, n * sizeof *start);
    free(start);
    return (side[1] - side[0]) / (2.0 * h);
}

static void check_leaf(layer_test *t, int leaf) {
    size_t n = t->ref.count[leaf];
    const float *grad = t->leaf_grad[leaf];
    double *direction = malloc(n * sizeof *direction), largest = 0.0, steepest = 0.0;
    for (int k = 0; k < 4; k++) {
        double dot = 0.0, norm = 0.0;
        for (size_t i = 0; i < n; i++) {
            direction[i] = 2.0 * (double)bnn_rng_uniform(&t->rng) - 1.0;
            dot += direction[i] * (double)grad[i];
            norm += (double)grad[i] * (double)grad[i];
            largest = fmax(largest, fabs((double)grad[i]));
        }
        double want = slope(t, leaf, direction, 0);
        steepest = fmax(steepest, fabs(want));
        ck_assert_msg(fabs(want - dot) <= 1e-4 * sqrt(norm) + 1e-6, "%s: leaf %d: slope %g, not %g",
                      t->what, leaf, dot, want);
    }
    ck_assert_msg(steepest > 1e-3, "%s: leaf %d: its slope is %g", t->what, leaf, steepest);
    for (size_t k = 0; k < 12; k++) {
        size_t at = bnn_rng_below(&t->rng, (uint32_t)n);
        double want = slope(t, leaf, NULL, at);
        ck_assert_msg(fabs(want - (double)grad[at]) <= 1e-4 * largest + 1e-6,
                      "%s: leaf %d[%zu]: gradient %g, not %g", t->what, leaf, at, (double)grad[at],
                      want);
    }
    free(direction);
}

static void check_gradients(layer_test *t) {
    for (int leaf = 0; leaf < REF_LEAVES; leaf++) {
        int noise = leaf >= REF_ACT_FC1;
        if (t->ref.leaf[leaf] && (!noise || t->ref.noisy)) {
            check_leaf(t, leaf);
        }
        for (size_t i = 0; t->ref.leaf[leaf] && noise && !t->ref.noisy && i < t->ref.count[leaf];
             i++) {
            ck_assert(t->leaf_grad[leaf][i] == 0.0f); /* silent: declared, and at rest */
        }
    }
}

/* The convolution of the input as wide as binarization sees it. */
static bnn_conv padded_conv(const layer_test *t, const layer_shape *s) {
    bnn_conv c = bnn_conv_of(t->graph, t->conv);
    c.w = s->x.w + s->left + s->right;
    c.pad_w = s->pad;
    return c;
}

/* epoch -1: no schedule has run, buffers are what they start as. */
static void run_layer(const bnn_binarizer *algo, const layer_shape *s, int epoch, int training) {
    bnn_error err = {0};
    bnn_scheduled values[BNN_MAX_SCHEDULED];
    int phase = algo->schedule && epoch >= 0 ? algo->schedule(epoch, EPOCHS, values) : 0;
    layer_test t = {.params = bnn_params_create()};
    snprintf(t.what, sizeof t.what, "%s, shape %d, epoch %d, %s", algo->name, (int)(s - shapes),
             epoch, training ? "training" : "evaluation");
    t.rng = bnn_rng_start(3, bnn_hash_name(t.what));
    t.graph = bnn_graph_create(test_device(), t.params, training);
    bnn_graph_set_gradients(t.graph, 1);
    build(&t, algo, s, phase);
    ck_ok(bnn_graph_compile(t.graph, t.y, &err), err);
    ck_ok(bnn_params_allocate(t.params, &err), err);
    ck_ok(bnn_graph_bind(t.graph, NULL, &err), err);
    bnn_params_initialize(t.params, 1);
    if (epoch >= 0) {
        ck_assert_int_eq(bnn_apply_schedule(algo, t.params, epoch, EPOCHS), phase);
    }
    t.ref = (ref_layer){.algorithm = algo->name,
                        .kind = s->kind,
                        .conv = padded_conv(&t, s),
                        .left = s->left,
                        .right = s->right,
                        .training = training,
                        .tau = buffer_value(&t, "layer.tau", 1.0),
                        .n = buffer_value(&t, "layer.n", 9.0),
                        .alpha = buffer_value(&t, "layer.alpha", 0.0)};
    t.ref.noisy = t.ref.alpha > 0.0;
    fill(&t, s);
    ref_create(&t.ref);
    t.gy = random_floats(&t.rng, SHIFTED, bnn_shape_count(bnn_shape_of(t.graph, t.y)));
    bnn_graph_forward(t.graph);
    check_forward(&t);
    memcpy(bnn_grad(t.graph, t.y), t.gy, 4 * bnn_shape_count(bnn_shape_of(t.graph, t.y)));
    bnn_graph_backward(t.graph);
    check_gradients(&t);
    ref_free(&t.ref);
    free(t.gy);
    free((void *)(uintptr_t)t.input);
    bnn_graph_free(t.graph);
    bnn_params_free(t.params);
}

START_TEST(test_layers) {
    const bnn_binarizer *algo = bnn_binarizers[_i];
    for (int i = 0; i < SHAPES; i++) {
        for (int training = 0; training < 2; training++) {
            run_layer(algo, &shapes[i], 7, training);
        }
        if (algo->schedule) {
            static const int others[] = {0, EPOCHS - 1, -1};
            run_layer(algo, &shapes[i], others[i % 3], 1);
        }
    }
    run_layer(algo, &shapes[0], EPOCHS - 1, 0);
    run_layer(algo, &shapes[SHAPES - 1], EPOCHS - 1, 1);
}
END_TEST

/* ---- schedules ---- */

START_TEST(test_schedules) {
    bnn_scheduled v[BNN_MAX_SCHEDULED];
    for (int e = 0; e < 120; e++) {
        ck_assert_int_eq(bnn_binarizer_find("recu")->schedule(e, 120, v), 0);
        double tau = 0.0814767 * exp(e / 120.0) + 0.7685233;
        ck_assert_str_eq(v[0].name, "tau");
        ck_assert(fabs((double)v[0].value - tau) < 1e-6);
        int phase = bnn_binarizer_find("fda")->schedule(e, 120, v);
        ck_assert_int_eq(phase, e == 119);
        ck_assert(v[0].value == (float)(9 + floor(9.0 * e / 120.0)));
        ck_assert(fabs((double)v[1].value - 0.05 * (1.0 + cos(PI * (e + 1) / 120.0))) < 1e-7);
        ck_assert((v[1].value == 0.0f) == (e == 119));
    }
    for (int i = 0; bnn_binarizers[i]; i++) {
        ck_assert_ptr_eq(bnn_binarizer_find(bnn_binarizers[i]->name), bnn_binarizers[i]);
    }
    ck_assert_ptr_null(bnn_binarizer_find("xnor-net"));
}
END_TEST

int main(void) {
    int algorithms = 0;
    while (bnn_binarizers[algorithms]) {
        algorithms++;
    }
    Suite *suite = suite_create("binarizers");
    TCase *tcase = tcase_create("binarizers");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_layers, 0, algorithms);
    tcase_add_test(tcase, test_schedules);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
