/* The robustness metric on numbers computed by hand, and which runs it refuses to compare. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report/robustness.h"

enum { NOISE, FOG = 9, SPATTER = 17, RUNS = 6 };

static bnn_report_run runs[RUNS];
static bnn_robustness result;
static bnn_error err;
static const bnn_corruption_list both = {.kind = {NOISE, FOG}, .count = 2};

/* A row whose severities are all the same, of 100 images. */
static void set_row(bnn_report_run *run, int kind, int64_t percent) {
    bnn_corruption_result *row = &run->results.rows[run->results.row_count++];
    *row = (bnn_corruption_result){.kind = kind, .source = "seed 0", .images = 100};
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        row->correct[s] = percent;
    }
}

static bnn_report_run *set_run(size_t i, const char *path, const char *algo, const char *arch,
                               int64_t clean, int64_t noise, int64_t fog) {
    bnn_report_run *run = &runs[i];
    *run = (bnn_report_run){.path = path, .evaluated = 1};
    run->config = (bnn_run_config){.algo = algo, .arch = arch, .data = "cifar10"};
    run->results = (bnn_results){.algo = algo,
                                 .arch = arch,
                                 .data = "cifar10",
                                 .task = bnn_task_find("classify"),
                                 .samples = 100,
                                 .metric = {(double)clean},
                                 .wanted = {1, 1, 1, 1, 1}};
    set_row(run, NOISE, noise);
    set_row(run, FOG, fog);
    return run;
}

/* bnn loses 20 and 4, its float twin 10 and 8. */
static void set_pair(void) {
    static const int64_t noise[] = {70, 70, 60, 50, 50};
    bnn_report_run *binary = set_run(0, "B", "bnn", "resnet20", 80, 0, 76);
    memcpy(binary->results.rows[0].correct, noise, sizeof noise);
    set_run(1, "F", "fp32", "resnet20", 90, 80, 82);
}

static void compute(size_t count) {
    err = (bnn_error){0};
    bnn_code code = bnn_robustness_compute(runs, count, &both, &result, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
}

static void refused(size_t count, const char *part) {
    err = (bnn_error){0};
    ck_assert_int_ne(bnn_robustness_compute(runs, count, &both, &result, &err), BNN_OK);
    ck_assert_msg(strstr(err.text, part) != NULL, "no '%s' in '%s'", part, err.text);
}

START_TEST(one_pair) {
    set_pair();
    compute(2);
    const bnn_robust_run *binary = &result.runs[0], *twin = &result.runs[1];
    ck_assert_ptr_eq(binary->twin, twin);
    ck_assert_ptr_null(twin->twin);
    ck_assert_double_eq_tol(binary->gap[0], 20, 1e-12);
    ck_assert_double_eq_tol(binary->gap[1], 4, 1e-12);
    ck_assert_double_eq_tol(binary->mean_gap, 12, 1e-12);
    ck_assert_double_eq_tol(twin->mean_gap, 9, 1e-12);
    /* Errors 40 of 20, 24 of 18. */
    ck_assert_double_eq_tol(binary->error[0], 200, 1e-9);
    ck_assert_double_eq_tol(binary->error[1], 400.0 / 3, 1e-9);
    ck_assert_double_eq_tol(binary->mean_error, 500.0 / 3, 1e-9);
    ck_assert_uint_eq(result.algorithm_count, 1);
    const bnn_robust_algorithm *a = &result.algorithms[0];
    ck_assert_double_eq_tol(a->ratio[0], 0.5, 1e-12);
    ck_assert_double_eq_tol(a->ratio[1], 2.0, 1e-12);
    ck_assert_double_eq_tol(a->metric, 1.4577379737113252, 1e-12); /* sqrt((1/4 + 4) / 2) */
    ck_assert_double_eq(a->metric_of_defined, a->metric);
    ck_assert_uint_eq(a->defined, 2);
}
END_TEST

/* Accuracies are averaged over networks first: (8/12, 6/4), where ratios averaged would be
 * (1, 1.5).
 */
START_TEST(two_networks) {
    set_pair();
    set_run(2, "B18", "bnn", "resnet18", 85, 81, 81);
    set_run(3, "F18", "fp32", "resnet18", 95, 89, 91);
    compute(4);
    ck_assert_uint_eq(result.algorithm_count, 1);
    const bnn_robust_algorithm *a = &result.algorithms[0];
    ck_assert_uint_eq(a->architectures, 2);
    ck_assert_double_eq_tol(a->gap[0], 12, 1e-12);
    ck_assert_double_eq_tol(a->float_gap[0], 8, 1e-12);
    ck_assert_double_eq_tol(a->metric, 1.1606990230986767, 1e-12); /* sqrt((4/9 + 9/4) / 2) */
    /* Another algorithm is another metric, beside the same twin. */
    set_run(4, "R", "reactnet", "resnet20", 90, 80, 82);
    compute(5);
    ck_assert_uint_eq(result.algorithm_count, 2);
    ck_assert_str_eq(result.algorithms[1].algo, "reactnet");
    ck_assert_double_eq_tol(result.algorithms[1].metric, 1.0, 1e-12);
    ck_assert_double_eq_tol(result.runs[4].mean_error, 100.0, 1e-12);
}
END_TEST

START_TEST(gaps_that_are_not_positive) {
    set_pair();
    set_run(0, "B", "bnn", "resnet20", 76, 56, 76); /* gaps 20 and 0 */
    compute(2);
    const bnn_robust_algorithm *a = &result.algorithms[0];
    ck_assert(isnan(a->metric) && isnan(a->ratio[1]));
    ck_assert_uint_eq(a->defined, 1);
    ck_assert_double_eq_tol(a->metric_of_defined, 0.5, 1e-12);
    set_run(0, "B", "bnn", "resnet20", 76, 76, 80); /* 0 and -4: nothing is defined */
    compute(2);
    ck_assert(isnan(a->metric) && isnan(a->metric_of_defined));
    ck_assert_uint_eq(a->defined, 0);
    set_run(0, "B", "bnn", "resnet20", 80, 60, 76);
    set_run(1, "F", "fp32", "resnet20", 80, 70, 84); /* the twin gains on fog */
    compute(2);
    ck_assert(isnan(a->metric) && isnan(a->ratio[1]));
    set_run(1, "F", "fp32", "resnet20", 80, 70, 80); /* the twin loses nothing: a ratio of 0 */
    compute(2);
    ck_assert_double_eq_tol(a->metric, 0.5 / sqrt(2.0), 1e-12);
}
END_TEST

/* Thirds are not exact: that their mean is a little less than they are is no gap. */
START_TEST(rounding_is_no_gap) {
    for (int64_t images = 3; images < 100; images++) {
        set_pair();
        for (size_t i = 0; i < 2; i++) {
            bnn_results *r = &runs[i].results;
            r->samples = images;
            r->metric[0] = bnn_percent(1, images);
            for (size_t row = 0; row < 2; row++) {
                r->rows[row].images = images;
                for (int s = 0; s < BNN_SEVERITIES; s++) {
                    r->rows[row].correct[s] = 1;
                }
            }
        }
        compute(2);
        ck_assert_uint_eq(result.algorithms[0].defined, 0);
    }
}
END_TEST

START_TEST(a_perfect_twin_has_no_error) {
    set_pair();
    set_run(1, "F", "fp32", "resnet20", 100, 100, 90);
    compute(2);
    ck_assert(isnan(result.runs[0].error[0]) && isnan(result.runs[0].mean_error));
    ck_assert_double_eq_tol(result.runs[0].error[1], 240, 1e-9);
}
END_TEST

START_TEST(twins) {
    set_pair();
    refused(1, "B has no float twin among the runs; train one (bnn-train --algo fp32 --arch "
               "resnet20 --data cifar10)");
    runs[1].config.arch = "resnet18";
    refused(2, "B has no float twin");
    set_pair();
    runs[1].config.data = "mnist";
    refused(2, "B has no float twin");
    set_pair();
    set_run(2, "F2", "fp32", "resnet20", 90, 80, 82);
    refused(3, "F and F2 are both fp32 resnet20 on cifar10; name one of them");
    runs[0] = runs[1];
    refused(1, "no binary network among the runs");
}
END_TEST

START_TEST(missing_results) {
    set_pair();
    runs[1].evaluated = 0;
    runs[1].results = (bnn_results){0};
    refused(2, "F was not evaluated on corruptions; run bnn-eval F --corruptions make first");
    set_pair();
    runs[0].results.row_count = 0;
    refused(2, "B was not evaluated on corruptions; run bnn-eval B --corruptions make first");
    set_pair();
    runs[0].results.rows[1].correct[4] = BNN_NOT_DONE;
    refused(2, "B: fog is not evaluated to its end; run bnn-eval B --corruptions make "
               "--limit-test 100 first");
    set_pair();
    runs[0].results.rows[0].source = runs[0].results.rows[1].source = "seed 7";
    runs[0].results.rows[1].kind = SPATTER;
    refused(2, "B: fog is not among its results; run bnn-eval B --corruptions make --seed 7 "
               "--limit-test 100 first");
    bnn_corruption_list all = {.kind = {NOISE, SPATTER}, .count = 2};
    set_pair();
    err = (bnn_error){0};
    ck_assert_int_ne(bnn_report_run_need(&runs[0], &all, &err), BNN_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "make --corruption all"));
    runs[0].results.rows[0].source = "file 01234567";
    ck_assert_int_ne(bnn_report_run_need(&runs[0], &all, &err), BNN_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "--corruptions DIR --corruption all"));
}
END_TEST

START_TEST(other_images) {
    set_pair();
    runs[1].results.samples = 50;
    runs[1].results.metric[0] = 90;
    refused(2, "B and F do not compare: the images of the one 100, of the other 50");
    set_pair();
    runs[1].results.rows[1].source = "seed 1";
    refused(2, "fog of the one seed 0, of the other seed 1");
    set_pair();
    runs[1].results.rows[1].images = 99;
    refused(2, "fog of the one 100, of the other 99");
    set_pair();
    runs[1].results.wanted[0] = 0;
    refused(2, "severity 1 of the one is there, of the other is missing");
    set_pair();
    runs[1].results.data = "mnist";
    refused(2, "the data set of the one cifar10, of the other mnist");
}
END_TEST

START_TEST(json_and_print) {
    set_pair();
    runs[0].results.rows[1].correct[0] = 96; /* fog: a mean of 80, a gap of 0 */
    compute(2);
    json_t *root = bnn_robustness_json(&result);
    const char *algo;
    json_t *metric, *undefined;
    double defined, gap, fog_gap, top1;
    ck_assert_ptr_nonnull(root);
    ck_assert_int_eq(json_unpack(root, "{s:[{s:s, s:o, s:F, s:o}]}", "algorithms", "algo", &algo,
                                 "metric", &metric, "metric_of_defined", &defined, "undefined",
                                 &undefined),
                     0);
    ck_assert_str_eq(algo, "bnn");
    ck_assert(json_is_null(metric));
    ck_assert_double_eq_tol(defined, 0.5, 1e-12);
    ck_assert_uint_eq(json_array_size(undefined), 1);
    ck_assert_str_eq(json_string_value(json_array_get(undefined, 0)), "fog");
    ck_assert_int_eq(json_unpack(root, "{s:[{s:[{s:F, s:[F]}, {s:F, s:[F]}]}]}", "runs", "rows",
                                 "mean_gap", &gap, "top1", &top1, "mean_gap", &fog_gap, "gap",
                                 &defined),
                     0);
    ck_assert_double_eq_tol(gap, 20, 1e-12);
    ck_assert_double_eq_tol(top1, 70, 1e-12);
    ck_assert_double_eq_tol(fog_gap, 0, 1e-12);
    ck_assert_double_eq_tol(defined, -16, 1e-12);
    json_decref(root);
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    bnn_robustness_print(&result, out);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "(over 1 of 2 corruptions: 0.5000; a gap is not positive "
                                       "in fog)"));
    free(text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("robustness");
    TCase *cases = tcase_create("robustness");
    tcase_add_test(cases, one_pair);
    tcase_add_test(cases, two_networks);
    tcase_add_test(cases, gaps_that_are_not_positive);
    tcase_add_test(cases, rounding_is_no_gap);
    tcase_add_test(cases, a_perfect_twin_has_no_error);
    tcase_add_test(cases, twins);
    tcase_add_test(cases, missing_results);
    tcase_add_test(cases, other_images);
    tcase_add_test(cases, json_and_print);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
