/* Average precision by cases small enough to be worked out by hand; the reference cases
 * (tests/golden) have the rest. */
#include "models/tasks/average_precision.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static const bnn_voc_rule area_rule = {0.5, 0, 0}, eleven_rule = {0.5, 1, 0};

static void near(double got, double want) {
    ck_assert_msg(fabs(got - want) < 1e-12, "%.15g, expected %.15g", got, want);
}

static bnn_true_box there(int image, int class, double x, double y, double side) {
    return (bnn_true_box){{x, y, x + side, y + side}, side * side, image, class, 0};
}

static bnn_found_box seen(int image, int class, double x, double y, double side, double score) {
    return (bnn_found_box){{x, y, x + side, y + side}, score, image, class};
}

/* Two objects; found: one right, one wrong, the other right. Precision 1 up to half the recall,
 * then 2/3. */
START_TEST(voc) {
    const bnn_true_box truth[] = {there(0, 0, 0, 0, 10), there(1, 0, 0, 0, 10)};
    const bnn_found_box found[] = {seen(1, 0, 1, 1, 10, .2), seen(0, 0, 0, 0, 10, .9),
                                   seen(0, 0, 50, 50, 10, .5)};
    double ap[2], mean;
    double curve[2][BNN_CURVE_POINTS];
    ck_assert(bnn_voc_ap(truth, 2, found, 3, 2, area_rule, ap, &mean, curve[0], NULL) == BNN_OK);
    near(ap[0], 0.5 + 0.5 * 2.0 / 3.0);
    ck_assert(isnan(ap[1]));
    for (int r = 0; r < BNN_CURVE_POINTS; r++) {
        near(curve[0][r], r <= 50 ? 1.0 : 2.0 / 3.0);
        ck_assert(isnan(curve[1][r]));
    }
    near(mean, ap[0]);
    ck_assert(bnn_voc_ap(truth, 2, found, 3, 2, eleven_rule, ap, &mean, NULL, NULL) == BNN_OK);
    near(ap[0], (6.0 + 5.0 * 2.0 / 3.0) / 11.0); /* 0 to .5, .6 to 1 */
}
END_TEST

/* The second box on one object is wrong; on a difficult one, neither; and nobody has to find it. */
START_TEST(voc_difficult) {
    bnn_true_box truth[] = {there(0, 0, 0, 0, 10), there(0, 0, 100, 0, 10)};
    const bnn_found_box found[] = {seen(0, 0, 100, 0, 10, .9), seen(0, 0, 100, 0, 10, .8),
                                   seen(0, 0, 0, 0, 10, .7), seen(0, 0, 0, 0, 10, .6)};
    double ap, mean;
    truth[1].ignore = 1;
    ck_assert(bnn_voc_ap(truth, 2, found, 4, 1, area_rule, &ap, &mean, NULL, NULL) == BNN_OK);
    near(ap, 1.0);
    truth[0].ignore = 1;
    ck_assert(bnn_voc_ap(truth, 2, found, 4, 1, area_rule, &ap, &mean, NULL, NULL) == BNN_OK);
    ck_assert(isnan(ap) && mean == 0.0);
    truth[0].ignore = truth[1].ignore = 0;
    ck_assert(bnn_voc_ap(truth, 2, found, 4, 1, area_rule, &ap, &mean, NULL, NULL) == BNN_OK);
    near(ap, 0.5 + 0.5 * 2.0 / 3.0);
}
END_TEST

/* 9 to 10 against 9 to 11: half without the convention, two thirds with it. */
START_TEST(voc_plus_one) {
    const bnn_true_box truth = {{0, 9, 10, 11}, 20, 0, 0, 0};
    const bnn_found_box found = {{0, 9, 10, 10}, 1.0, 0, 0};
    bnn_voc_rule rule = {0.6, 0, 0};
    double ap, mean;
    ck_assert(bnn_voc_ap(&truth, 1, &found, 1, 1, rule, &ap, &mean, NULL, NULL) == BNN_OK);
    near(ap, 0.0);
    rule.plus_one = 1;
    ck_assert(bnn_voc_ap(&truth, 1, &found, 1, 1, rule, &ap, &mean, NULL, NULL) == BNN_OK);
    near(ap, 1.0);
}
END_TEST

START_TEST(coco) {
    const bnn_true_box truth[] = {there(0, 1, 0, 0, 10), there(2, 1, 0, 0, 100)};
    const bnn_found_box found[] = {seen(0, 1, 0, 0, 10, .9), seen(1, 1, 0, 0, 200, .8),
                                   seen(2, 1, 0, 0, 90, .7)};
    double stats[BNN_COCO_STATS], ap[2];
    double curve[2][BNN_CURVE_POINTS];
    ck_assert(bnn_coco_ap(truth, 2, found, 3, 2, stats, ap, curve[0], NULL) == BNN_OK);
    for (int r = 0; r < BNN_CURVE_POINTS; r++) {
        near(curve[1][r], r <= 50 ? 1.0 : 2.0 / 3.0);
        ck_assert(isnan(curve[0][r]));
    }
    /* An overlap of .81 is enough up to .8: seven thresholds of ten. Precision 1 at the recalls 0
     * to .5, 51 of them, then 2/3 for 50. */
    const double both = (51.0 + 50.0 * 2.0 / 3.0) / 101.0, one = 51.0 / 101.0;
    near(stats[BNN_COCO_AP], (7.0 * both + 3.0 * one) / 10.0);
    near(stats[BNN_COCO_AP50], both);
    near(stats[BNN_COCO_AP75], both);
    near(stats[BNN_COCO_AP_SMALL], 1.0);
    ck_assert(isnan(stats[BNN_COCO_AP_MEDIUM]) && isnan(stats[BNN_COCO_AR_MEDIUM]));
    /* Where large ones are looked for, the wrong one is large, too, and comes before. */
    near(stats[BNN_COCO_AP_LARGE], 7.0 * 0.5 / 10.0);
    near(stats[BNN_COCO_AR1], 0.5 * (1.0 + 0.7));
    near(stats[BNN_COCO_AR100], 0.5 * (1.0 + 0.7));
    near(stats[BNN_COCO_AR_SMALL], 1.0);
    near(stats[BNN_COCO_AR_LARGE], 0.7);
    ck_assert(isnan(ap[0]));
    near(ap[1], stats[BNN_COCO_AP]);
}
END_TEST

/* A crowd takes any number of boxes by the part of them that lies in it, and none counts. */
START_TEST(coco_crowd) {
    bnn_true_box truth[] = {there(0, 0, 0, 0, 1000), there(0, 0, 2000, 0, 10)};
    const bnn_found_box found[] = {seen(0, 0, 10, 0, 10, .9), seen(0, 0, 20, 0, 10, .8),
                                   seen(0, 0, 2000, 0, 10, .7)};
    double stats[BNN_COCO_STATS], ap;
    truth[0].ignore = 1;
    ck_assert(bnn_coco_ap(truth, 2, found, 3, 1, stats, &ap, NULL, NULL) == BNN_OK);
    near(stats[BNN_COCO_AP], 1.0);
    near(stats[BNN_COCO_AR1], 0.0); /* the only box of the image that is looked at is the crowd's */
    near(stats[BNN_COCO_AR10], 1.0);
    truth[0].ignore = 0;
    ck_assert(bnn_coco_ap(truth, 2, found, 3, 1, stats, &ap, NULL, NULL) == BNN_OK);
    ck_assert(stats[BNN_COCO_AP] < 0.5);
}
END_TEST

/* Boxes beyond the hundredth of an image are not looked at. */
START_TEST(coco_many) {
    static bnn_found_box found[101];
    const bnn_true_box truth = there(0, 0, 0, 0, 10);
    double stats[BNN_COCO_STATS], ap;
    for (int i = 0; i < 101; i++) {
        found[i] = seen(0, 0, i == 100 ? 0 : 500 + 20 * i, 0, 10, 1.0 - i / 200.0);
    }
    ck_assert(bnn_coco_ap(&truth, 1, found, 101, 1, stats, &ap, NULL, NULL) == BNN_OK);
    near(stats[BNN_COCO_AR100], 0.0);
    found[100].score = 2.0;
    ck_assert(bnn_coco_ap(&truth, 1, found, 101, 1, stats, &ap, NULL, NULL) == BNN_OK);
    near(stats[BNN_COCO_AP], 1.0);
    near(stats[BNN_COCO_AR1], 1.0);
}
END_TEST

/* Nothing there, nothing found, classes that are none, scores that are no numbers. */
START_TEST(edges) {
    const bnn_true_box truth[] = {there(0, 0, 0, 0, 10), there(0, -1, 0, 0, 0),
                                  there(0, 7, 0, 0, 5)};
    const bnn_found_box found[] = {seen(0, -1, 0, 0, 10, 1.0), seen(0, 0, 5, 5, 10, (double)NAN),
                                   seen(0, 0, 0, 0, 10, .1), seen(0, 9, 0, 0, 10, .1)};
    double stats[BNN_COCO_STATS], ap, mean;
    for (int none = 0; none < 2; none++) {
        const size_t truths = none ? 0 : 3;
        ck_assert(bnn_voc_ap(truth, truths, found, 4, 1, area_rule, &ap, &mean, NULL, NULL) ==
                  BNN_OK);
        ck_assert(none ? isnan(ap) && mean == 0.0 : ap == 1.0);
        ck_assert(bnn_coco_ap(truth, truths, found, 4, 1, stats, &ap, NULL, NULL) == BNN_OK);
        ck_assert(none ? isnan(stats[0]) && isnan(ap) : fabs(stats[0] - 1.0) < 1e-12);
        ck_assert(bnn_voc_ap(truth, truths, NULL, 0, 1, area_rule, &ap, &mean, NULL, NULL) ==
                  BNN_OK);
        ck_assert(none ? isnan(ap) : ap == 0.0);
        ck_assert(bnn_coco_ap(truth, truths, NULL, 0, 1, stats, &ap, NULL, NULL) == BNN_OK);
        ck_assert(none ? isnan(stats[BNN_COCO_AR1]) : stats[BNN_COCO_AR1] == 0.0);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("average_precision");
    TCase *tcase = tcase_create("average_precision");
    tcase_add_test(tcase, voc);
    tcase_add_test(tcase, voc_difficult);
    tcase_add_test(tcase, voc_plus_one);
    tcase_add_test(tcase, coco);
    tcase_add_test(tcase, coco_crowd);
    tcase_add_test(tcase, coco_many);
    tcase_add_test(tcase, edges);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
