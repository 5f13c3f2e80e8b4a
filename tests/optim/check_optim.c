/* Optimizers against their papers' formulas in double, in the form torch.optim gives them, and
 * learning-rate schedules against their values. */
#include "engine/base/text.h"
#include "tests/fixtures/graph_fixture.h"

#include <limits.h>

#include "optim/average.h"
#include "optim/optimizer.h"
#include "optim/lr_schedule.h"

enum { MOST = 1003, STEPS = 7 };

typedef struct settings {
    const char *kind;
    double lr, momentum, weight_decay;
    int nesterov;
} settings;

typedef struct state {
    double w[MOST], m[MOST], v[MOST];
} state;

static void reference_step(state *s, const settings *o, const float *gradient, size_t n, int step) {
    int bert = strcmp(o->kind, "bert_adam") == 0;
    int adam = bert || strncmp(o->kind, "adam", 4) == 0;
    int decoupled = bert || strcmp(o->kind, "adamw") == 0;
    const double beta1 = 0.9, beta2 = 0.999, eps = bert ? 1e-6 : 1e-8;
    double square = 0.0, factor = 1.0;
    for (size_t i = 0; bert && i < n; i++) {
        square += (double)gradient[i] * (double)gradient[i];
    }
    factor = bert && sqrt(square) > 1.0 ? 1.0 / (sqrt(square) + 1e-6) : 1.0;
    step = bert ? INT_MAX : step;
    for (size_t i = 0; i < n; i++) {
        double g = factor * (double)gradient[i] + (decoupled ? 0.0 : o->weight_decay * s->w[i]);
        if (adam) {
            s->w[i] -= decoupled ? o->lr * o->weight_decay * s->w[i] : 0.0;
            s->m[i] = beta1 * s->m[i] + (1.0 - beta1) * g;
            s->v[i] = beta2 * s->v[i] + (1.0 - beta2) * g * g;
            double m = s->m[i] / (1.0 - pow(beta1, step)), v = s->v[i] / (1.0 - pow(beta2, step));
            s->w[i] -= o->lr * m / (sqrt(v) + eps);
        } else {
            s->m[i] = step == 1 ? g : o->momentum * s->m[i] + g;
            s->w[i] -= o->lr * (o->nesterov ? g + o->momentum * s->m[i] : s->m[i]);
        }
    }
}

static void compare_optimizer(const settings *set, size_t n, int threads) {
    static state s;
    memset(&s, 0, sizeof s);
    bnn_error err = {0};
    bnn_optimizer o;
    bnn_device device = *test_device();
    device.threads = threads;
    ck_ok(bnn_optimizer_init(&o, bnn_optimizer_find(set->kind), &device, n, &err), err);
    o.lr = set->lr;
    o.momentum = set->momentum;
    o.weight_decay = set->weight_decay;
    o.nesterov = set->nesterov;
    bnn_rng rng = bnn_rng_start(4, n);
    float *w = random_floats(&rng, SHIFTED, n), *g = random_floats(&rng, SHIFTED, n);
    for (size_t i = 0; i < n; i++) {
        s.w[i] = (double)w[i];
    }
    for (int step = 1; step <= STEPS; step++) {
        fill_random(&rng, SHIFTED, n, g);
        reference_step(&s, set, g, n, step); /* first: g may be clipped */
        bnn_optimizer_step(&o, w, g);
        ck_assert_uint_eq(o.steps, (uint64_t)step);
        for (size_t i = 0; i < n; i++) {
            ck_assert_msg(fabs((double)w[i] - s.w[i]) <= 3e-6 * (1.0 + fabs(s.w[i])),
                          "%s, %zu values, step %d: w[%zu] is %.9g, not %.9g", set->kind, n, step,
                          i, (double)w[i], s.w[i]);
        }
    }
    bnn_optimizer_free(&o);
    free(w);
    free(g);
}

static const settings all[] = {
    {"sgd", 0.1, 0.0, 0.0, 0},         {"sgd", 0.1, 0.0, 0.05, 0},
    {"sgd", 0.05, 0.9, 0.0, 0},        {"sgd", 0.05, 0.9, 0.01, 0},
    {"sgd", 0.05, 0.9, 0.01, 1},       {"adam", 1e-2, 0.0, 0.0, 0},
    {"adam", 1e-2, 0.0, 0.03, 0},      {"adamw", 1e-2, 0.0, 0.0, 0},
    {"adamw", 1e-2, 0.0, 0.3, 0},      {"bert_adam", 1e-2, 0.0, 0.0, 0},
    {"bert_adam", 1e-2, 0.0, 0.01, 0},
};

START_TEST(test_optimizers) {
    static const size_t sizes[] = {1, 7, 33, MOST};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        compare_optimizer(&all[_i], sizes[k], 1 + (int)k % 3);
    }
}
END_TEST

/* Moved part by part, each as its gradient comes, with norms of their own. */
START_TEST(test_parts) {
    enum { N = 700, CUT = 301 };
    bnn_rng rng = bnn_rng_start(6, 1);
    bnn_error err = {0};
    float w[2][N], g[N], halves[N];
    bnn_optimizer o[2];
    fill_random(&rng, SHIFTED, N, w[0]);
    memcpy(w[1], w[0], sizeof w[0]);
    for (int i = 0; i < 2; i++) {
        ck_ok(bnn_optimizer_init(&o[i], bnn_optimizer_find(all[_i].kind), test_device(), N, &err),
              err);
        o[i].max_norm = 0.0; /* of what is moved at once */
        o[i].lr = all[_i].lr;
        o[i].momentum = all[_i].momentum;
        o[i].weight_decay = all[_i].weight_decay;
        o[i].nesterov = all[_i].nesterov;
    }
    for (int step = 0; step < STEPS; step++) {
        fill_random(&rng, SHIFTED, N, g);
        memcpy(halves, g, sizeof g);
        bnn_optimizer_step(&o[0], w[0], g);
        bnn_optimizer_begin(&o[1]);
        bnn_optimizer_move(&o[1], test_stream(), CUT, N - CUT, w[1] + CUT, halves + CUT);
        bnn_optimizer_move(&o[1], test_stream(), 0, CUT, w[1], halves);
        ck_assert_msg(memcmp(w[0], w[1], sizeof w[0]) == 0, "%s: parts move elsewhere",
                      all[_i].kind);
    }
    o[1].max_norm = 0.5;
    bnn_optimizer_move(&o[1], test_stream(), CUT, N - CUT, w[1] + CUT, halves + CUT);
    double square = 0.0;
    for (int i = CUT; i < N; i++) {
        square += (double)halves[i] * (double)halves[i];
    }
    ck_assert(fabs(sqrt(square) - 0.5) < 1e-4);
    ck_assert(memcmp(halves, g, CUT * sizeof(float)) == 0); /* not the other's */
    bnn_optimizer_free(&o[0]);
    bnn_optimizer_free(&o[1]);
}
END_TEST

START_TEST(test_registry) {
    for (int i = 0; bnn_optimizer_kinds[i]; i++) {
        const char *name = bnn_optimizer_kinds[i]->name;
        int tested = 0;
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
            tested |= strcmp(all[k].kind, name) == 0;
        }
        ck_assert_msg(tested, "%s is not tested", name);
        ck_assert_ptr_eq(bnn_optimizer_find(name), bnn_optimizer_kinds[i]);
    }
    ck_assert_ptr_null(bnn_optimizer_find("rmsprop"));
}
END_TEST

/* Part by part; the first step copies. */
START_TEST(test_average) {
    enum { N = 700, CUT = 301 };
    const double decay = 0.9;
    bnn_rng rng = bnn_rng_start(7, 1);
    bnn_error err = {0};
    bnn_average average;
    float w[N];
    double want[N];
    ck_ok(bnn_average_init(&average, test_device(), N, decay, &err), err);
    for (int step = 0; step < STEPS; step++) {
        fill_random(&rng, SHIFTED, N, w);
        bnn_average_move(&average, test_stream(), CUT, N - CUT, w + CUT);
        bnn_average_move(&average, test_stream(), 0, CUT, w);
        average.begun = 1;
        ck_ok(bnn_average_to_host(&average, test_stream(), &err), err);
        for (size_t i = 0; i < N; i++) {
            want[i] = step ? decay * want[i] + (1.0 - decay) * (double)w[i] : (double)w[i];
            ck_assert_msg(fabs((double)average.host[i] - want[i]) <= 1e-6 * (1.0 + fabs(want[i])),
                          "step %d: %.9g, not %.9g", step, (double)average.host[i], want[i]);
        }
    }
    bnn_average_free(&average);
    ck_assert_ptr_null(average.memory);
}
END_TEST

/* ---- schedules ---- */

static void expect(const bnn_lr_schedule *s, int epoch, uint64_t step, double want) {
    double got = bnn_lr_at(s, epoch, step);
    ck_assert_msg(fabs(got - want) < 1e-12, "epoch %d, step %d: %.15g, not %.15g", epoch, (int)step,
                  got, want);
}

START_TEST(test_cosine) {
    bnn_lr_schedule s = {.kind = BNN_LR_COSINE, .lr = 0.4, .epochs = 120};
    expect(&s, 0, 0, 0.4);
    expect(&s, 30, 99, 0.2 * (1.0 + sqrt(0.5)));
    expect(&s, 60, 1, 0.2);
    expect(&s, 60, 1000, 0.2); /* constant inside an epoch */
    expect(&s, 90, 1, 0.2 * (1.0 - sqrt(0.5)));
    expect(&s, 120, 1, 0.0);
    for (int e = 0; e < 120; e++) {
        ck_assert(bnn_lr_at(&s, e, 0) > bnn_lr_at(&s, e + 1, 0));
    }
}
END_TEST

START_TEST(test_step) {
    bnn_lr_schedule s = {.kind = BNN_LR_STEP,
                         .lr = 1.0,
                         .epochs = 100,
                         .milestones = {40, 80},
                         .milestone_count = 2};
    expect(&s, 39, 0, 1.0);
    expect(&s, 40, 0, 0.1);
    expect(&s, 79, 0, 0.1);
    expect(&s, 80, 0, 0.01);
    expect(&s, 99, 0, 0.01);
    s.milestone_count = 0;
    expect(&s, 99, 0, 1.0);
}
END_TEST

/* From step to step, whatever the epoch. */
START_TEST(test_linear) {
    bnn_lr_schedule s = {.kind = BNN_LR_LINEAR, .lr = 0.4, .epochs = 2, .steps = 8};
    expect(&s, 0, 0, 0.4);
    expect(&s, 0, 3, 0.25);
    expect(&s, 1, 4, 0.2);
    expect(&s, 1, 7, 0.05);
    expect(&s, 2, 8, 0.0);
    s.warmup_steps = 4;
    expect(&s, 0, 0, 0.0);
    expect(&s, 0, 2, 0.3 * 0.5);
}
END_TEST

START_TEST(test_warmup) {
    bnn_lr_schedule s = {
        .kind = BNN_LR_CONSTANT, .lr = 0.2, .epochs = 10, .warmup_steps = 5, .warmup_ratio = 0.25};
    expect(&s, 0, 0, 0.2 * 0.25);
    expect(&s, 0, 1, 0.2 * 0.40);
    expect(&s, 0, 4, 0.2 * 0.85);
    expect(&s, 0, 5, 0.2);
    expect(&s, 9, 5000, 0.2);
    s.kind = BNN_LR_COSINE; /* of the regular rate of its epoch */
    expect(&s, 5, 1, 0.1 * 0.40);
    s.warmup_steps = 0;
    expect(&s, 5, 0, 0.1);
}
END_TEST

START_TEST(test_warmup_linear) {
    bnn_lr_schedule s = {.kind = BNN_LR_WARMUP_LINEAR, .lr = 0.2, .epochs = 1, .steps = 50};
    expect(&s, 0, 0, 0.0);
    expect(&s, 0, 4, 0.2 * 0.8);
    expect(&s, 0, 5, 0.2);
    expect(&s, 0, 14, 0.2 * 0.8);
    expect(&s, 0, 50, 0.0);
    expect(&s, 1, 51, 0.0);
    s.warmup_steps = 20;
    s.warmup_ratio = 0.01; /* of other kinds */
    expect(&s, 0, 10, 0.1);
    expect(&s, 0, 35, 0.1);
}
END_TEST

START_TEST(test_schedule_names) {
    ck_assert_int_eq(bnn_name_find(bnn_lr_schedule_names, "cosine"), BNN_LR_COSINE);
    ck_assert_int_eq(bnn_name_find(bnn_lr_schedule_names, "step"), BNN_LR_STEP);
    ck_assert_int_eq(bnn_name_find(bnn_lr_schedule_names, "constant"), BNN_LR_CONSTANT);
    ck_assert_int_eq(bnn_name_find(bnn_lr_schedule_names, "linear"), BNN_LR_LINEAR);
    ck_assert_int_eq(bnn_name_find(bnn_lr_schedule_names, "warmup-linear"), BNN_LR_WARMUP_LINEAR);
    ck_assert_int_eq(bnn_name_find(bnn_lr_schedule_names, "cosines"), -1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("optim");
    TCase *tcase = tcase_create("optim");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_optimizers, 0, sizeof all / sizeof *all);
    tcase_add_loop_test(tcase, test_parts, 0, sizeof all / sizeof *all);
    tcase_add_test(tcase, test_average);
    tcase_add_test(tcase, test_registry);
    tcase_add_test(tcase, test_cosine);
    tcase_add_test(tcase, test_step);
    tcase_add_test(tcase, test_linear);
    tcase_add_test(tcase, test_warmup);
    tcase_add_test(tcase, test_warmup_linear);
    tcase_add_test(tcase, test_schedule_names);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
