/* What texts are scored by, where the reference cases (tests/golden) have nothing: edges, batches,
 * what training keeps. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"

static void near(double got, double want) {
    ck_assert_msg(fabs(got - want) < 1e-12, "%.15g, expected %.15g", got, want);
}

START_TEST(ranks) {
    const double x[] = {3.0, 1.0, 3.0, -2.0, 3.0, 1.0}, want[] = {5.0, 2.5, 5.0, 1.0, 5.0, 2.5};
    double got[6];
    ck_assert(bnn_average_ranks(6, x, got, NULL) == BNN_OK);
    for (int i = 0; i < 6; i++) {
        ck_assert(got[i] == want[i]);
    }
    ck_assert(bnn_average_ranks(0, x, got, NULL) == BNN_OK);
}
END_TEST

START_TEST(matthews) {
    near(bnn_matthews((double[]){5, 0, 0, 3}, 2), 1.0);
    near(bnn_matthews((double[]){0, 5, 3, 0}, 2), -1.0);
    near(bnn_matthews((double[]){6, 2, 1, 3}, 2), (6.0 * 3.0 - 2.0 * 1.0) / sqrt(8.0 * 4 * 7 * 5));
    near(bnn_matthews((double[]){4, 0, 3, 0}, 2), 0.0); /* one prediction only */
    near(bnn_matthews((double[]){0, 0, 3, 2}, 2), 0.0); /* one label only */
    near(bnn_matthews((double[]){0, 0, 0, 0}, 2), 0.0);
    near(bnn_matthews((double[]){2, 0, 0, 0, 3, 0, 0, 0, 4}, 3), 1.0);
    near(bnn_matthews((double[]){7}, 1), 0.0);
}
END_TEST

START_TEST(f1) {
    near(bnn_f1((double[]){6, 2, 1, 3}, 2), 2.0 * 3.0 / (2.0 * 3.0 + 2.0 + 1.0));
    near(bnn_f1((double[]){6, 0, 4, 0}, 2), 0.0);
    near(bnn_f1((double[]){6, 0, 0, 0}, 2), 0.0);
    near(bnn_f1((double[]){6}, 1), 0.0);
}
END_TEST

/* One of both does not vary: there is nothing to say, whatever rounding leaves of it. */
START_TEST(constants) {
    double x = 0.0, y = 0.0, xx = 0.0, yy = 0.0, xy = 0.0;
    for (int i = 0; i < 1000; i++) {
        const double a = (double)2.3f, b = 0.001 * i;
        x += a, y += b, xx += a * a, yy += b * b, xy += a * b;
    }
    ck_assert(isnan(bnn_correlation(1000.0, x, y, xx, yy, xy)));
    ck_assert(isnan(bnn_correlation(1000.0, y, x, yy, xx, xy)));
    ck_assert(isnan(bnn_correlation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)));
    near(bnn_correlation(3.0, 6.0, -6.0, 14.0, 14.0, -14.0), -1.0);
}
END_TEST

static int metric_of(const bnn_task *task, const char *key) {
    int i = 0;
    while (strcmp(task->metrics[i].key, key) != 0) {
        i++;
    }
    return i;
}

enum { SAMPLES = 600 };

static void add_scores(const bnn_spec *spec, size_t batch_size, bnn_score *score) {
    static float output[SAMPLES], label[SAMPLES];
    const bnn_field field = {"score", BNN_F32, {1, 1, 1, 1}};
    for (int i = 0; i < SAMPLES; i++) {
        label[i] = (float)(i % 26) / 5.0f;
        output[i] = expf(label[i]) + (float)(i % 7); /* goes up with it, but on no line */
    }
    for (size_t i = 0; i < SAMPLES; i += batch_size) {
        const bnn_batch batch = {
            .n = batch_size, .field_count = 1, .field = &field, .data = {label + i}};
        ck_assert(spec->task->add(spec, &batch, output + i, 1, score, NULL) == BNN_OK);
    }
}

/* The same numbers from batches of any size, from scores that are used again, and in training. */
START_TEST(similarity) {
    const bnn_spec spec = {.task = bnn_task_find("similarity"), .classes = 1};
    const int pearson = metric_of(spec.task, "pearson"),
              spearman = metric_of(spec.task, "spearman");
    double value[2] = {0.0, 0.0}, corr = 0.0;
    ck_assert(spec.task->real_target && !spec.task->groups);
    for (int training = 0; training < 2; training++) {
        bnn_score score;
        ck_assert(bnn_score_create(spec.task, &spec, training, &score, NULL) == BNN_OK);
        ck_assert(isnan(spec.task->value(&spec, &score, pearson)));
        ck_assert(isnan(spec.task->value(&spec, &score, spearman)));
        for (int k = 0; k < 3; k++) {
            static const size_t sizes[] = {SAMPLES, 1, 30};
            bnn_score_reset(&score);
            add_scores(&spec, sizes[k], &score);
            ck_assert_uint_eq(score.samples, SAMPLES);
            ck_assert_uint_eq(score.listed, training ? 0 : 2 * SAMPLES);
            ck_assert(score.loss > 0.0);
            if (k == 0 && !training) {
                value[0] = spec.task->value(&spec, &score, pearson);
                value[1] = spec.task->value(&spec, &score, spearman);
                corr = spec.task->value(&spec, &score, 0);
            }
            ck_assert(spec.task->value(&spec, &score, pearson) == value[0]);
            if (!training) {
                ck_assert(spec.task->value(&spec, &score, spearman) == value[1]);
                near(corr, 0.5 * (value[0] + value[1]));
            }
        }
        bnn_score_free(&score);
    }
    ck_assert(value[0] > 50.0 && value[1] > value[0] && value[1] < 100.0);
    ck_assert(spec.task->metrics[pearson].training && !spec.task->metrics[spearman].training);
}
END_TEST

/* In training accuracy only; every metric has a place in every file that tasks know. */
START_TEST(tasks) {
    for (size_t t = 0; bnn_tasks[t]; t++) {
        const bnn_task *task = bnn_tasks[t];
        ck_assert_ptr_eq(bnn_task_find(task->name), task);
        char text[BNN_METRIC_TEXT];
        const bnn_metric *m = &task->metrics[0];
        ck_assert_str_eq(bnn_metric_text(m, NAN, text), "-");
        ck_assert_ptr_nonnull(strstr(bnn_metric_text(m, 12.5, text), m->unit));
        ck_assert(strncmp(text, "12.5", 4) == 0);
        ck_assert_int_le(bnn_metric_count(task), BNN_MAX_METRICS);
        ck_assert_int_lt(task->grouped, bnn_metric_count(task));
        ck_assert((task->groups != NULL) == (task->group != NULL));
    }
    static const char *const names[] = {"acceptability", "paraphrase", "classify_text"};
    for (int t = 0; t < 3; t++) {
        const bnn_spec spec = {.task = bnn_task_find(names[t]), .classes = 2};
        bnn_score score;
        ck_assert(bnn_score_create(spec.task, &spec, 1, &score, NULL) == BNN_OK);
        score.samples = 4;
        score.sum[0] = 3.0;
        for (int i = 0; spec.task->metrics[i].key; i++) {
            const int accuracy = strcmp(spec.task->metrics[i].key, "accuracy") == 0;
            const double value = spec.task->value(&spec, &score, i);
            ck_assert(accuracy ? value == 75.0 : isnan(value));
            ck_assert_int_eq(spec.task->metrics[i].training, accuracy);
            ck_assert(!accuracy || spec.task->grouped == i);
        }
        bnn_score_free(&score);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("text_tasks");
    TCase *tcase = tcase_create("text_tasks");
    tcase_add_test(tcase, ranks);
    tcase_add_test(tcase, matthews);
    tcase_add_test(tcase, f1);
    tcase_add_test(tcase, constants);
    tcase_add_test(tcase, similarity);
    tcase_add_test(tcase, tasks);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
