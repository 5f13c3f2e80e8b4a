/* The six tracks on numbers small enough to be computed by hand. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tools/tracks/tracks.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define near(a, b) ck_assert_double_eq_tol(a, b, 1e-12)

/* Two networks on one set, one on the other: E = 0.8 and 0.5. */
START_TEST(learning_task) {
    const bnn_ratio ratio[] = {{"cifar10", 72, 80}, {"cifar10", 63, 90}, {"glue", 40, 80}};
    const bnn_overall o = bnn_overall_of(ratio, COUNT(ratio), BNN_MEAN_OF_RATIOS);
    near(bnn_mean_ratio(ratio, 3, "cifar10", BNN_MEAN_OF_RATIOS), 0.8);
    near(bnn_mean_ratio(ratio, 3, "cifar10", BNN_RATIO_OF_MEANS), 135.0 / 170.0);
    near(o.metric, sqrt((0.64 + 0.25) / 2.0));
    ck_assert_uint_eq(o.groups, 2);
    ck_assert_uint_eq(o.defined, 2);
    ck_assert_uint_eq(o.undefined, 0);
    near(bnn_overall_of(ratio, COUNT(ratio), BNN_RATIO_OF_MEANS).metric,
         sqrt((135.0 / 170.0 * 135.0 / 170.0 + 0.25) / 2.0));
}
END_TEST

/* Groups need not stand together, and parity is 1. */
START_TEST(architecture) {
    const bnn_ratio ratio[] = {{"CNN", 90, 100}, {"MLP", 60, 80}, {"CNN", 70, 100}};
    near(bnn_overall_of(ratio, COUNT(ratio), BNN_MEAN_OF_RATIOS).metric,
         sqrt((0.64 + 0.5625) / 2.0));
    const bnn_ratio parity[] = {{"CNN", 90, 90}, {"MLP", 60, 60}, {"Transformer", 1, 1}};
    near(bnn_overall_of(parity, COUNT(parity), BNN_MEAN_OF_RATIOS).metric, 1.0);
}
END_TEST

/* Gaps are averaged over architectures before they are divided: fog 10/20 and snow 30/15. */
START_TEST(robustness) {
    const bnn_ratio ratio[] = {{"fog", 8, 30}, {"fog", 12, 10}, {"snow", 30, 15}};
    const bnn_overall o = bnn_overall_of(ratio, COUNT(ratio), BNN_RATIO_OF_MEANS);
    near(bnn_mean_ratio(ratio, 3, "fog", BNN_RATIO_OF_MEANS), 0.5);
    near(o.metric, sqrt((0.25 + 4.0) / 2.0));
    /* A network that gains nothing to compare: snow says nothing any more. */
    const bnn_ratio gain[] = {{"fog", 10, 20}, {"snow", 5, -1}, {"frost", -5, 2}};
    const bnn_overall some = bnn_overall_of(gain, COUNT(gain), BNN_RATIO_OF_MEANS);
    ck_assert(isnan(some.metric));
    near(some.metric_of_defined, 0.5);
    ck_assert_uint_eq(some.defined, 1);
    ck_assert_uint_eq(some.groups, 3);
    /* Within a group the gaps are numbers of whatever sign. */
    const bnn_ratio mixed[] = {{"fog", 10, 22}, {"fog", 10, -2}};
    near(bnn_overall_of(mixed, COUNT(mixed), BNN_RATIO_OF_MEANS).metric, 1.0);
}
END_TEST

/* 100 s against 200, and a spread of 2 against 1. */
START_TEST(training) {
    const double of_float[] = {90, 94, 90, 94}, binary[] = {71, 73, 71, 73};
    near(bnn_deviation(of_float, 4, 0), 2.0);
    near(bnn_deviation(of_float, 4, 1), sqrt(16.0 / 3.0));
    near(bnn_deviation(binary, 4, 0), 1.0);
    const bnn_ratio ratio[] = {
        {"time", 100, 200}, {"spread", bnn_deviation(of_float, 4, 0), bnn_deviation(binary, 4, 0)}};
    near(bnn_overall_of(ratio, 2, BNN_MEAN_OF_RATIOS).metric, sqrt((0.25 + 4.0) / 2.0));
    /* Two seeds of two configurations: means 92 and 92 of the first, 91 and 93 of others. */
    const int by_seed[] = {0, 0, 1, 1};
    near(bnn_deviation_of_means(of_float, by_seed, 4, 0), 0.0);
    const double apart[] = {90, 92, 92, 94};
    near(bnn_deviation_of_means(apart, by_seed, 4, 0), 1.0);
    near(bnn_deviation_of_means(apart, by_seed, 4, 1), sqrt(2.0));
    ck_assert(isnan(bnn_deviation(apart, 1, 1)));
    ck_assert(isnan(bnn_deviation(apart, 0, 0)));
    near(bnn_deviation(apart, 1, 0), 0.0);
    ck_assert(isnan(bnn_deviation_of_means(apart, by_seed, 2, 1)));
    ck_assert(isnan(bnn_deviation_of_means(apart, by_seed, 0, 0)));
}
END_TEST

/* ResNet-18 on images of 32 pixels, as the specification has it, without and with what an
 * algorithm keeps and does in float. */
START_TEST(complexity) {
    const double all = 11173962, left = all - 10985472, macs = 555422720;
    const double float_macs = macs - 547356672;
    ck_assert_double_eq_tol(bnn_compression(all, left, 0), 21.012, 5e-4);
    ck_assert_double_eq_tol(bnn_speedup(macs, float_macs, 0), 33.422, 5e-4);
    ck_assert_double_eq_tol(bnn_compression(all, left, 3840), 20.862, 5e-4);
    ck_assert_double_eq_tol(bnn_compression(all, left, 3840 + 3392), 20.730, 5e-4);
    ck_assert_double_eq_tol(bnn_speedup(macs, float_macs, 548864), 32.353, 5e-4);
    ck_assert_double_eq_tol(bnn_speedup(macs, float_macs, 491520), 32.462, 5e-4);
    near(bnn_compression(64, 0, 0), 32.0);
    near(bnn_speedup(64, 64, 0), 1.0);
    const bnn_ratio ratio[] = {{"parameters", 20, 1}, {"parameters", 10, 1}, {"operations", 5, 1}};
    near(bnn_overall_of(ratio, 3, BNN_MEAN_OF_RATIOS).metric, sqrt((225.0 + 25.0) / 2.0));
}
END_TEST

/* Two devices, one of which has no way to deploy it: E = 5 and 10. */
START_TEST(inference) {
    const bnn_ratio ratio[] = {
        {"time", 10, 1}, {"time", 0, 1}, {"storage", 20, 1}, {"storage", 0, 1}};
    near(bnn_overall_of(ratio, 4, BNN_MEAN_OF_RATIOS).metric, sqrt((25.0 + 100.0) / 2.0));
}
END_TEST

START_TEST(nothing) {
    const bnn_overall none = bnn_overall_of(NULL, 0, BNN_MEAN_OF_RATIOS);
    ck_assert(isnan(none.metric) && isnan(none.metric_of_defined));
    const bnn_ratio unknown[] = {{"a", NAN, 1}, {"a", 1, 0}, {"a", 3, 2}, {"b", 1, NAN}};
    const bnn_overall some = bnn_overall_of(unknown, 4, BNN_MEAN_OF_RATIOS);
    ck_assert(isnan(some.metric));
    near(some.metric_of_defined, 1.5);
    ck_assert_uint_eq(some.undefined, 3);
    ck_assert(isnan(bnn_mean_ratio(unknown, 4, "b", BNN_RATIO_OF_MEANS)));
    ck_assert(isnan(bnn_mean_ratio(unknown, 4, "c", BNN_MEAN_OF_RATIOS)));
    /* A correlation below zero is a number. */
    const bnn_ratio below[] = {{"a", -2, 8}};
    near(bnn_mean_ratio(below, 1, "a", BNN_MEAN_OF_RATIOS), -0.25);
}
END_TEST

/* 1, 2 and 3: deviation 1, so 4.302653 / sqrt(3). */
START_TEST(confidence) {
    const double value[] = {1, 2, 3};
    ck_assert_double_eq_tol(bnn_confidence(value, 3), 2.484138, 1e-5);
    ck_assert(isnan(bnn_confidence(value, 1)));
    double many[200];
    for (int i = 0; i < 200; i++) {
        many[i] = i % 2;
    }
    ck_assert_double_eq_tol(bnn_confidence(many, 200), 1.97993 * sqrt(50.0 / 199.0 / 200.0), 1e-9);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tracks");
    TCase *cases = tcase_create("tracks");
    tcase_add_test(cases, learning_task);
    tcase_add_test(cases, architecture);
    tcase_add_test(cases, robustness);
    tcase_add_test(cases, training);
    tcase_add_test(cases, complexity);
    tcase_add_test(cases, inference);
    tcase_add_test(cases, nothing);
    tcase_add_test(cases, confidence);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
