/* Folding: for every algorithm, whole networks with hard batch norms (negative, zero, huge factors)
 * give the same bits with thresholds as without, and what the unfolded evaluation gives; thresholds
 * are right for every integer; the list of constants does not depend on values. */
#include "tests/fixtures/graph_fixture.h"

#include <math.h>

#include "layers/fold/fold.h"
#include "layers/fold/plain.h"
#include "models/model.h"

typedef struct network {
    bnn_spec spec;
    bnn_params *params;
    bnn_net net;
    int batch;
    float *x;
} network;

static int ends(const char *name, const char *suffix) {
    size_t n = strlen(name), s = strlen(suffix);
    return n >= s && strcmp(name + n - s, suffix) == 0;
}

static int of_batch_norm(const bnn_params *params, const bnn_param *p) {
    char sibling[256];
    const char *dot = strrchr(p->name, '.');
    snprintf(sibling, sizeof sibling, "%.*s.running_mean", (int)(dot - p->name), p->name);
    return bnn_params_find(params, sibling) != NULL;
}

/* A batch norm's factor: some negative, some zero; variances from tiny to that of sums of a few
 * hundred signs. */
static float hard_value(bnn_rng *rng, const char *name, size_t i) {
    float u = 2.0f * bnn_rng_uniform(rng) - 1.0f;
    if (ends(name, "running_mean")) {
        return 6.0f * u;
    }
    if (ends(name, "running_var")) {
        return i % 11 == 3 ? 1e-12f : 40.0f * u * u + 0.1f;
    }
    if (ends(name, ".weight")) {
        return i % 13 == 5 ? 0.0f : 1.5f * u;
    }
    return i % 5 ? 0.5f * u : 0.0f; /* bias */
}

static void randomize(network *t) {
    bnn_rng rng = bnn_rng_start(21, 0);
    for (size_t k = 0; k < t->params->count; k++) {
        const bnn_param *p = t->params->list[k];
        float *value = bnn_param_data(t->params, p);
        int norm = of_batch_norm(t->params, p);
        int threshold = ends(p->name, ".channel_threshold");
        for (size_t i = 0; norm && i < p->count; i++) {
            value[i] = hard_value(&rng, p->name, i);
        }
        for (size_t i = 0; threshold && i < p->count; i++) {
            value[i] = 0.4f * bnn_rng_normal(&rng);
        }
    }
}

static void start(network *t, const char *arch, const bnn_binarizer *algo, int batch) {
    bnn_error err = {0};
    *t = (network){.spec = {.height = 32, .width = 32, .channels = 3, .classes = 10},
                   .params = bnn_params_create(),
                   .batch = batch};
    ck_ok(bnn_spec_find(&t->spec, arch, algo ? algo->name : BNN_FLOAT_ALGORITHM, &err), err);
    t->spec.phase = algo ? algo->phases - 1 : 0;
    ck_ok(bnn_net_build(&t->spec, test_device(), t->params, batch, 0, &t->net, &err), err);
}

static void fill(network *t) {
    bnn_error err = {0};
    ck_ok(bnn_params_allocate(t->params, &err), err);
    bnn_params_initialize(t->params, 3);
    bnn_apply_schedule(t->spec.binarizer, t->params, 9, 10);
    randomize(t);
    bnn_rng rng = bnn_rng_start(8, 8);
    t->x = random_floats(&rng, SHIFTED, (size_t)t->batch * 32 * 32 * 3);
}

static void stop(network *t) {
    bnn_graph_free(t->net.graph);
    bnn_params_free(t->params);
    free(t->x);
}

/* The same network in single steps computes the same bits. */
static void check_plain(const network *t, const bnn_inference *folded, const float *logits) {
    bnn_error err = {0};
    bnn_inference plain;
    ck_ok(bnn_inference_plain(folded, test_device(), 0, NULL, &plain, &err), err);
    bnn_graph_set(plain.graph, plain.inputs[0], t->x);
    bnn_graph_forward(plain.graph);
    ck_assert(memcmp(bnn_f32(plain.graph, plain.outputs[0]), logits,
                     (size_t)t->batch * 10 * sizeof(float)) == 0);
    for (size_t i = 0; i < bnn_graph_node_count(plain.graph); i++) {
        const bnn_node *node = bnn_graph_node(plain.graph, i);
        const bnn_conv_end end = node->op == &bnn_conv_op ? bnn_conv_end_of(node) : bnn_conv_plain;
        ck_assert(end.a < 0 && end.b < 0 && end.add < 0 && end.threshold < 0 && !end.sign &&
                  end.clamp.lo == -INFINITY && end.clamp.hi == INFINITY);
    }
    bnn_inference_free(&plain);
}

static void run_folded(network *t, int thresholds, float *logits) {
    bnn_error err = {0};
    bnn_fold *fold = NULL;
    ck_ok(
        bnn_fold_create(t->net.graph, 1, t->net.input, 1, &t->net.output, thresholds, &fold, &err),
        err);
    bnn_graph *g = bnn_fold_graph(fold);
    ck_ok(bnn_graph_bind(g, NULL, &err), err);
    ck_ok(bnn_fold_evaluate(fold, &err), err);
    bnn_graph_set(g, bnn_fold_result(fold)->inputs[0], t->x);
    bnn_graph_forward(g);
    memcpy(logits, bnn_f32(g, bnn_fold_result(fold)->outputs[0]),
           (size_t)t->batch * 10 * sizeof(float));
    check_plain(t, bnn_fold_result(fold), logits);
    int found = 0;
    for (size_t i = 0; i < bnn_fold_result(fold)->constant_count; i++) {
        found += bnn_dtype_of(g, bnn_fold_result(fold)->constants[i].t) == BNN_I32;
    }
    int expected = thresholds && t->spec.binarizer && !t->spec.binarizer->float_work &&
                   strcmp(t->spec.binarizer->name, "recu") != 0;
    ck_assert_msg(!expected || found >= 3, "only %d thresholds", found);
    ck_assert(thresholds || found == 0);
    bnn_fold_free(fold);
}

static void check_network(const char *arch, const bnn_binarizer *algo, int batch) {
    network t;
    bnn_error err = {0};
    float with[40], without[40], *unfolded;
    size_t n = (size_t)batch * 10;
    const char *name = algo ? algo->name : BNN_FLOAT_ALGORITHM;
    start(&t, arch, algo, batch);
    fill(&t);
    run_folded(&t, 1, with);
    run_folded(&t, 0, without);
    ck_assert_msg(memcmp(with, without, n * sizeof(float)) == 0, "%s %s: thresholds change logits",
                  arch, name);
    ck_ok(bnn_graph_compile(t.net.graph, BNN_NONE, &err), err);
    ck_ok(bnn_graph_bind(t.net.graph, NULL, &err), err);
    bnn_graph_set(t.net.graph, t.net.input[0], t.x);
    bnn_graph_forward(t.net.graph);
    unfolded = bnn_f32(t.net.graph, t.net.output);
    double largest = 0.0, worst = 0.0;
    for (size_t i = 0; i < n; i++) {
        double size = fabs((double)unfolded[i]);
        double error = fabs((double)unfolded[i] - (double)with[i]);
        largest = size > largest ? size : largest; /* fmax would crash gcc 12 for ARM */
        worst = error > worst ? error : worst;
    }
    ck_assert_msg(worst <= 1e-4 * largest && largest > 1e-3, "%s %s: logits of %g are off by %g",
                  arch, name, largest, worst);
    stop(&t);
}

static int readers(const bnn_graph *g, bnn_t t) {
    int count = 0;
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        const bnn_node *node = bnn_graph_node(g, i);
        for (int k = 0; k < node->in_count; k++) {
            count += node->in[k] == t;
        }
    }
    return count;
}

/* Nothing that a product could have done on its way out is left behind it; a shift behind a clamp
 * (ReActNet's) it could not. */
static void check_ends(const bnn_graph *g, int shifts, int bits) {
    int found = 0;
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        const bnn_node *node = bnn_graph_node(g, i);
        const bnn_node *before = bnn_graph_producer(g, node->in[0]);
        int behind = before && before->op == &bnn_conv_op && readers(g, node->in[0]) == 1;
        ck_assert(!behind ||
                  ((shifts || node->op != &bnn_affine_op) && node->op != &bnn_threshold_op &&
                   node->op != &bnn_clamp_op && node->op != &bnn_add_op));
        found += node->op == &bnn_conv_op && bnn_dtype_of(g, node->out[0]) == BNN_B1;
    }
    ck_assert_int_eq(found, bits);
}

START_TEST(test_ends) {
    const bnn_binarizer *algo = bnn_binarizers[_i];
    for (int thresholds = 0; thresholds < 2; thresholds++) {
        network t;
        bnn_error err = {0};
        bnn_fold *fold = NULL;
        start(&t, "resnet20", algo, 1);
        ck_ok(
            bnn_fold_create(t.net.graph, 1, t.net.input, 1, &t.net.output, thresholds, &fold, &err),
            err);
        check_ends(bnn_fold_graph(fold), strcmp(algo->name, "reactnet") == 0,
                   thresholds && !algo->float_work ? 9 : 0);
        bnn_fold_free(fold);
        stop(&t);
    }
}
END_TEST

START_TEST(test_resnet20) {
    check_network("resnet20", bnn_binarizers[_i], 2);
}
END_TEST

START_TEST(test_vgg_small) {
    check_network("vgg_small", bnn_binarizers[_i], 1);
}
END_TEST

/* ---- the list of constants ---- */

static void same_constants(const char *arch, const bnn_binarizer *algo, int thresholds) {
    network a, b;
    bnn_error err = {0};
    bnn_fold *fa = NULL, *fb = NULL;
    start(&a, arch, algo, 1);
    start(&b, arch, algo, 2);
    fill(&b);
    ck_ok(bnn_fold_create(a.net.graph, 1, a.net.input, 1, &a.net.output, thresholds, &fa, &err),
          err);
    ck_ok(bnn_fold_create(b.net.graph, 1, b.net.input, 1, &b.net.output, thresholds, &fb, &err),
          err);
    ck_assert_uint_gt(bnn_fold_result(fa)->constant_count, 0);
    ck_assert_uint_eq(bnn_fold_result(fa)->constant_count, bnn_fold_result(fb)->constant_count);
    for (size_t i = 0; i < bnn_fold_result(fa)->constant_count; i++) {
        bnn_t ta = bnn_fold_result(fa)->constants[i].t, tb = bnn_fold_result(fb)->constants[i].t;
        ck_assert_int_eq(bnn_dtype_of(bnn_fold_graph(fa), ta),
                         bnn_dtype_of(bnn_fold_graph(fb), tb));
        ck_assert(bnn_shape_equal(bnn_shape_of(bnn_fold_graph(fa), ta),
                                  bnn_shape_of(bnn_fold_graph(fb), tb)));
        ck_assert_str_eq(bnn_fold_result(fa)->constants[i].name,
                         bnn_fold_result(fb)->constants[i].name);
        ck_assert_uint_eq(
            bnn_inference_find(bnn_fold_result(fa), bnn_fold_result(fa)->constants[i].name),
            i); /* no name twice */
    }
    bnn_fold_free(fa);
    bnn_fold_free(fb);
    stop(&a);
    stop(&b);
}

START_TEST(test_constants) {
    same_constants("resnet20", bnn_binarizers[_i], 0);
    same_constants("resnet20", bnn_binarizers[_i], 1);
    same_constants("vgg_small", bnn_binarizers[_i], 1);
}
END_TEST

/* ---- thresholds, integer by integer ---- */

enum { IN = 13, OUT = 64, BOUND = 9 * IN };

typedef struct small {
    bnn_params *params;
    bnn_graph *graph;
    bnn_t x, y;
} small;

static void build_small(small *s, const bnn_binarizer *algo) {
    s->params = bnn_params_create();
    s->graph = bnn_graph_create(test_device(), s->params, 0);
    bnn_build b = {.graph = s->graph, .binarizer = algo};
    bnn_conv_layer conv = {.out = OUT, .kernel = 3, .stride = 1, .pad = 1};
    s->x = bnn_graph_input(s->graph, "x", BNN_F32, (bnn_shape){1, 4, 4, IN});
    bnn_t y = bnn_conv2d(&b, "conv1", s->x, &conv);
    y = bnn_activation(&b, bnn_batch_norm(&b, "bn", y, 1.0f));
    s->y = bnn_conv2d(&b, "conv2", y, &conv);
}

static const float *data_of(const small *s, const char *name) {
    const bnn_param *p = bnn_params_find(s->params, name);
    return p ? bnn_param_data(s->params, p) : NULL;
}

/* The unfolded chain's bit, in the folded graph's arithmetic: coefficients in double, rounded. */
static int bit_at(const small *s, int channel, int integer, float alpha) {
    double f = (double)data_of(s, "bn.weight")[channel] /
               sqrt((double)data_of(s, "bn.running_var")[channel] + (double)1e-5f);
    double h =
        (double)data_of(s, "bn.bias")[channel] - (double)data_of(s, "bn.running_mean")[channel] * f;
    float a = (float)((double)alpha * f), b = (float)h, x = (float)integer;
    float y = a * x;
    y = y + b;
    y = y < -1.0f ? -1.0f : y > 1.0f ? 1.0f : y;
    const float *t = data_of(s, "conv2.channel_threshold");
    return (t ? y + t[channel] : y) >= 0.0f;
}

static void check_thresholds(const bnn_binarizer *algo, int scaled) {
    small s;
    bnn_error err = {0};
    bnn_fold *fold = NULL;
    build_small(&s, algo);
    ck_ok(bnn_params_allocate(s.params, &err), err);
    bnn_params_initialize(s.params, 2);
    network hard = {.params = s.params};
    randomize(&hard);
    float alpha[OUT];
    double sums[OUT];
    test_kernels()->group_abs_sums(test_stream(), 0, OUT, BOUND, 1, data_of(&s, "conv1.weight"),
                                   sums);
    test_kernels()->group_abs_mean(test_stream(), OUT, BOUND, sums, alpha);
    ck_ok(bnn_fold_create(s.graph, 1, &s.x, 1, &s.y, 1, &fold, &err), err);
    ck_ok(bnn_graph_bind(bnn_fold_graph(fold), NULL, &err), err);
    ck_ok(bnn_fold_evaluate(fold, &err), err);
    int found = 0, changing = 0;
    for (size_t i = 0; i < bnn_fold_result(fold)->constant_count; i++) {
        bnn_t t = bnn_fold_result(fold)->constants[i].t;
        if (bnn_dtype_of(bnn_fold_graph(fold), t) != BNN_I32) {
            continue;
        }
        const int32_t *threshold = bnn_i32(bnn_fold_graph(fold), t);
        found++;
        for (int k = 0; k < OUT; k++) {
            int flip = threshold[k] & 1, at = (threshold[k] - flip) / 2, ones = 0;
            for (int v = -BOUND; v <= BOUND; v++) {
                int want = bit_at(&s, k, v, scaled ? alpha[k] : 1.0f), got = (v >= at) != flip;
                ones += want;
                if (got != want) {
                    ck_abort_msg("%s: channel %d at %d: bit %d", algo->name, k, v, got);
                }
            }
            changing += ones > 0 && ones < 2 * BOUND + 1;
        }
    }
    ck_assert_int_eq(found, 1);
    ck_assert_int_gt(changing, OUT / 2);
    ck_assert_int_lt(changing, OUT); /* and constant channels occur */
    bnn_fold_free(fold);
    bnn_graph_free(s.graph);
    bnn_params_free(s.params);
}

START_TEST(test_thresholds) {
    check_thresholds(bnn_binarizer_find("bnn"), 0);
    check_thresholds(bnn_binarizer_find("dorefa"), 1);
    check_thresholds(bnn_binarizer_find("reactnet"), 1);
}
END_TEST

/* ---- what an op states of itself ---- */

/* A PReLU of one slope a channel, of any sign, that exists in this test alone: folding knows of it
 * what it states. */
static bnn_code bent_infer(bnn_graph *g, bnn_node *node) {
    bnn_node_output(g, node, BNN_F32, bnn_shape_of(g, node->in[0]));
    return BNN_OK;
}

static float bent_value(const bnn_graph *g, const bnn_node *node, int channel, float x) {
    return x >= 0.0f ? x : bnn_f32(g, node->in[1])[channel] * x;
}

static void bent_forward(const bnn_block *b, const bnn_node *node) {
    const float *x = bnn_block_f32(b, node->in[0]);
    float *y = bnn_block_f32(b, node->out[0]);
    for (size_t i = 0; i < b->rows * b->c; i++) {
        y[i] = bent_value(b->graph, node, (int)(i % b->c), x[i]);
    }
}

static int bent_monotone(const bnn_graph *g, const bnn_node *node) {
    const float *slope = bnn_f32(g, node->in[1]);
    int monotone = slope != NULL;
    for (int i = 0; monotone && i < bnn_shape_of(g, node->in[1]).c; i++) {
        monotone = slope[i] >= 0.0f;
    }
    return monotone;
}

static const bnn_fold_rule bent_fold = {
    .kind = BNN_FOLD_CHANNEL, .value = bent_value, .monotone = bent_monotone};
static const bnn_op bent_op = {.name = "bent",
                               .infer = bent_infer,
                               .forward_rows = {.map = bent_forward},
                               .row_in = BNN_BIT(0),
                               .row_out = BNN_BIT(0),
                               .detached = 1,
                               .fold = &bent_fold};

/* Two inputs through layers with bent activations behind a product, a view, a pool and a sum; two
 * results: bits' next product, and the floats in between. */
typedef struct branchy {
    bnn_params *params;
    bnn_graph *graph;
    bnn_t in[2], out[2];
} branchy;

enum { SIDE = 6, WIDE = 24 };

static bnn_t bent(bnn_build *b, const char *name, bnn_t x) {
    bnn_binary_layer layer = {.build = b, .name = name};
    bnn_init first = {BNN_INIT_CONSTANT, 0.25f, 0.0f};
    bnn_t slope = bnn_layer_vector(&layer, "slope", bnn_shape_of(b->graph, x).c, 1, 0, 1, first);
    return bnn_graph_add(b->graph, &bent_op, NULL, 0, 2, (bnn_t[]){x, slope});
}

static void build_branchy(branchy *t) {
    t->params = bnn_params_create();
    t->graph = bnn_graph_create(test_device(), t->params, 0);
    bnn_build b = {.graph = t->graph, .binarizer = bnn_binarizer_find("bnn")};
    bnn_conv_layer conv = {.out = WIDE, .kernel = 3, .stride = 1, .pad = 1};
    t->in[0] = bnn_graph_input(t->graph, "left", BNN_F32, (bnn_shape){2, SIDE, SIDE, WIDE});
    t->in[1] = bnn_graph_input(t->graph, "right", BNN_F32, (bnn_shape){2, SIDE, SIDE, WIDE});
    bnn_t x = bnn_conv2d(&b, "conv1", t->in[0], &conv);
    x = bent(&b, "act1", bnn_batch_norm(&b, "bn1", x, 1.0f));
    x = bnn_conv2d(&b, "conv2", x, &conv);
    x = bnn_op_max_pool(t->graph, x, 3, 2, 0, 1);
    x = bnn_op_reshape(t->graph, x, (bnn_shape){2, 1, SIDE / 2 * (SIDE / 2), WIDE});
    x = bent(&b, "act2", bnn_batch_norm(&b, "bn2", x, 1.0f));
    t->out[0] = bnn_conv1d(&b, "conv3", x, &conv);
    bnn_t y = bnn_conv2d(&b, "conv4", t->in[1], &conv);
    y = bnn_op_add(t->graph, bnn_batch_norm(&b, "bn4", y, 1.0f), t->in[0]);
    t->out[1] = bent(&b, "act4", y);
}

static void set_slopes(branchy *t, float lowest) {
    bnn_rng rng = bnn_rng_start(4, 4);
    for (size_t i = 0; i < t->params->count; i++) {
        const bnn_param *p = t->params->list[i];
        for (size_t k = 0; ends(p->name, ".slope") && k < p->count; k++) {
            float u = bnn_rng_uniform(&rng);
            bnn_param_data(t->params, p)[k] = lowest + u * (1.0f - lowest);
        }
    }
}

/* Thresholds in the folded graph; its two results in y. */
static int run_branchy(branchy *t, int thresholds, const void *left, const void *right,
                       float *y[2]) {
    bnn_error err = {0};
    bnn_fold *fold = NULL;
    int found = 0;
    ck_ok(bnn_fold_create(t->graph, 2, t->in, 2, t->out, thresholds, &fold, &err), err);
    const bnn_inference *r = bnn_fold_result(fold);
    ck_assert_int_eq(r->input_count, 2);
    ck_assert_int_eq(r->output_count, 2);
    ck_assert_str_eq(bnn_graph_name_of(r->graph, r->inputs[1]), "right");
    ck_ok(bnn_graph_bind(r->graph, NULL, &err), err);
    ck_ok(bnn_fold_evaluate(fold, &err), err);
    bnn_graph_set(r->graph, r->inputs[0], left);
    bnn_graph_set(r->graph, r->inputs[1], right);
    bnn_graph_forward(r->graph);
    for (int i = 0; i < 2; i++) {
        size_t count = bnn_shape_count(bnn_shape_of(r->graph, r->outputs[i]));
        y[i] = malloc(count * sizeof(float));
        memcpy(y[i], bnn_f32(r->graph, r->outputs[i]), count * sizeof(float));
    }
    for (size_t i = 0; i < r->constant_count; i++) {
        found += bnn_dtype_of(r->graph, r->constants[i].t) == BNN_I32;
    }
    bnn_fold_free(fold);
    return found;
}

/* Slopes that only rise leave thresholds, through a view and a pool too; one that falls leaves
 * floats, and the same results. */
START_TEST(test_bent) {
    static const struct {
        float lowest;
        int thresholds;
    } cases[] = {{0.0f, 2}, {0.3f, 2}, {-0.5f, 0}};
    branchy t;
    bnn_error err = {0};
    float *with[2], *without[2];
    build_branchy(&t);
    size_t counts[2] = {bnn_shape_count(bnn_shape_of(t.graph, t.out[0])),
                        bnn_shape_count(bnn_shape_of(t.graph, t.out[1]))};
    ck_ok(bnn_params_allocate(t.params, &err), err);
    bnn_params_initialize(t.params, 5);
    network hard = {.params = t.params};
    randomize(&hard);
    set_slopes(&t, cases[_i].lowest);
    bnn_rng rng = bnn_rng_start(8, 9);
    float *left = random_floats(&rng, SHIFTED, 2 * SIDE * SIDE * WIDE);
    float *right = random_floats(&rng, SHIFTED, 2 * SIDE * SIDE * WIDE);
    ck_assert_int_eq(run_branchy(&t, 1, left, right, with), cases[_i].thresholds);
    ck_assert_int_eq(run_branchy(&t, 0, left, right, without), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert(memcmp(with[i], without[i], counts[i] * sizeof(float)) == 0);
        free(with[i]);
        free(without[i]);
    }
    free(left);
    free(right);
    bnn_graph_free(t.graph);
    bnn_params_free(t.params);
}
END_TEST

/* The slopes of an earlier answer do not stand for later ones. */
START_TEST(test_bent_later) {
    branchy t;
    bnn_error err = {0};
    bnn_fold *fold = NULL;
    build_branchy(&t);
    ck_ok(bnn_params_allocate(t.params, &err), err);
    bnn_params_initialize(t.params, 5);
    ck_ok(bnn_fold_create(t.graph, 2, t.in, 2, t.out, 1, &fold, &err), err);
    ck_ok(bnn_graph_bind(bnn_fold_graph(fold), NULL, &err), err);
    ck_ok(bnn_fold_evaluate(fold, &err), err);
    set_slopes(&t, -0.5f);
    ck_assert_int_eq(bnn_fold_evaluate(fold, &err), BNN_ERR_NUMERIC);
    bnn_fold_free(fold);
    bnn_graph_free(t.graph);
    bnn_params_free(t.params);
}
END_TEST

/* ---- attention on bits ---- */

enum { TOKENS = 10, WORD = 40, TOKEN_VALUES = 2 * TOKENS * WORD };

static void build_attention(branchy *t, const bnn_binarizer *algo, float own) {
    t->params = bnn_params_create();
    t->graph = bnn_graph_create(test_device(), t->params, 0);
    bnn_build b = {.graph = t->graph, .binarizer = algo, .phase = algo->phases - 1};
    bnn_linear_layer linear = {.out = WORD};
    bnn_t x = bnn_graph_input(t->graph, "left", BNN_F32, (bnn_shape){2, 1, TOKENS, WORD});
    bnn_t mask = bnn_graph_input(t->graph, "right", BNN_I32, (bnn_shape){2, 1, TOKENS, 1});
    bnn_t context = bnn_op_bi_attention(
        t->graph, bnn_linear(&b, "query", x, &linear), bnn_linear(&b, "key", x, &linear),
        bnn_linear(&b, "value", x, &linear), mask, 4, BNN_NONE, 0.0f, own);
    t->in[0] = x, t->in[1] = mask;
    bnn_t inner = bnn_op_gelu(t->graph, bnn_linear(&b, "dense", context, &linear));
    t->out[0] = bnn_graph_value(t->graph, bnn_linear(&b, "after", inner, &linear));
    t->out[1] = bnn_graph_value(t->graph, bnn_linear(&b, "beside", x, &linear));
}

static void check_unfolded(branchy *t, const float *x, const int32_t *mask, float *const y[2]) {
    bnn_error err = {0};
    bnn_graph_keep(t->graph, t->out[0]);
    ck_ok(bnn_graph_compile(t->graph, BNN_NONE, &err), err);
    ck_ok(bnn_graph_bind(t->graph, NULL, &err), err);
    bnn_graph_set(t->graph, t->in[0], x);
    bnn_graph_set(t->graph, t->in[1], mask);
    bnn_graph_forward(t->graph);
    for (int i = 0; i < TOKEN_VALUES; i++) {
        float want = bnn_f32(t->graph, t->out[0])[i];
        ck_assert(fabsf(y[0][i] - want) <= 1e-5f * (1.0f + fabsf(want)));
    }
}

/* Linear layers in front of it give it bits, by thresholds where their results are integers; its
 * own are integers, too, so a shift in front of the next sign is a threshold. And GELU keeps signs:
 * it is nothing in front of one, but where a shift comes between. */
START_TEST(test_attention) {
    const bnn_binarizer *algo = bnn_binarizers[_i / 2];
    const int own = _i % 2; /* of which half is added: no integers any more */
    branchy t;
    bnn_error err = {0};
    float *with[2], *without[2];
    int32_t mask[2 * TOKENS];
    build_attention(&t, algo, own ? 0.5f : 0.0f);
    ck_ok(bnn_params_allocate(t.params, &err), err);
    bnn_params_initialize(t.params, 5);
    bnn_apply_schedule(algo, t.params, 9, 10);
    network shifted = {.params = t.params};
    randomize(&shifted);
    bnn_rng rng = bnn_rng_start(8, 10);
    float *x = random_floats(&rng, SHIFTED, TOKEN_VALUES);
    for (int i = 0; i < 2 * TOKENS; i++) {
        mask[i] = i < TOKENS || i % 3;
    }
    int found = run_branchy(&t, 1, x, mask, with);
    ck_assert_int_eq(run_branchy(&t, 0, x, mask, without), 0);
    int scaled = strcmp(algo->name, "xnor") == 0; /* each row anew, in float */
    int shifted_context = own && strcmp(algo->name, "reactnet") == 0;
    ck_assert_int_eq(found, scaled ? 0 : shifted_context ? 3 : 4);
    ck_assert(memcmp(with[0], without[0], TOKEN_VALUES * sizeof(float)) == 0);
    check_unfolded(&t, x, mask, with);
    for (int i = 0; i < 2; i++) {
        free(with[i]);
        free(without[i]);
    }
    free(x);
    bnn_graph_free(t.graph);
    bnn_params_free(t.params);
}
END_TEST

/* Names say what the constants are, and whose. */
START_TEST(test_names) {
    static const struct {
        const char *name;
        bnn_dtype dtype;
    } want[] = {{"conv1.weight", BNN_F32},
                {"conv1.factor", BNN_F32},
                {"layer1.0.conv1.weight", BNN_B1},
                {"layer1.0.conv1.threshold", BNN_I32},
                {"layer1.0.conv2.shift", BNN_F32},
                {"layer2.0.downsample.0.weight", BNN_F32},
                {"fc.shift", BNN_F32}};
    network t;
    bnn_error err = {0};
    bnn_fold *fold = NULL;
    start(&t, "resnet20", bnn_binarizer_find("dorefa"), 1);
    ck_ok(bnn_fold_create(t.net.graph, 1, t.net.input, 1, &t.net.output, 1, &fold, &err), err);
    const bnn_inference *r = bnn_fold_result(fold);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        size_t at = bnn_inference_find(r, want[i].name);
        ck_assert_msg(at < r->constant_count, "%s", want[i].name);
        ck_assert_int_eq(bnn_dtype_of(r->graph, r->constants[at].t), want[i].dtype);
    }
    bnn_fold_free(fold);
    stop(&t);
}
END_TEST

/* A linear layer's weights have the file's order of the image that was flattened, whatever works
 * value by value in between. */
START_TEST(test_flatten) {
    bnn_params *params = bnn_params_create();
    bnn_graph *g = bnn_graph_create(test_device(), params, 0);
    bnn_build b = {.graph = g};
    bnn_conv_layer conv = {.out = 5, .kernel = 3, .stride = 1, .pad = 1};
    bnn_linear_layer fc = {.out = 2};
    bnn_t x = bnn_graph_input(g, "x", BNN_F32, (bnn_shape){1, 4, 3, 2});
    x = bnn_conv2d(&b, "conv", x, &conv);
    bnn_linear(&b, "plain", bnn_flatten(&b, x), &fc);
    bnn_linear(&b, "behind", bnn_activation(&b, bnn_flatten(&b, x)), &fc);
    bnn_linear(&b, "lies", bnn_op_reshape(g, x, (bnn_shape){1, 1, 1, 60}), &fc);
    ck_assert_int_eq((int)bnn_params_find(params, "plain.weight")->channels, 5);
    ck_assert_int_eq((int)bnn_params_find(params, "behind.weight")->channels, 5);
    ck_assert_int_eq((int)bnn_params_find(params, "lies.weight")->channels, 60);
    bnn_graph_free(g);
    bnn_params_free(params);
}
END_TEST

START_TEST(test_float_network) {
    check_network("resnet20", NULL, 2);
}
END_TEST

int main(void) {
    int algorithms = 0;
    while (bnn_binarizers[algorithms]) {
        algorithms++;
    }
    Suite *suite = suite_create("fold");
    TCase *tcase = tcase_create("fold");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_resnet20, 0, algorithms);
    tcase_add_loop_test(tcase, test_ends, 0, algorithms);
    tcase_add_loop_test(tcase, test_vgg_small, 0, algorithms);
    tcase_add_loop_test(tcase, test_constants, 0, algorithms);
    tcase_add_test(tcase, test_thresholds);
    tcase_add_loop_test(tcase, test_bent, 0, 3);
    tcase_add_test(tcase, test_bent_later);
    tcase_add_loop_test(tcase, test_attention, 0, 2 * algorithms);
    tcase_add_test(tcase, test_names);
    tcase_add_test(tcase, test_flatten);
    tcase_add_test(tcase, test_float_network);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
