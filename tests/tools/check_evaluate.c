/* What an evaluation tells beside the score: the predictions are those that were scored. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tests/fixtures/made_up.h"
#include "tools/train/evaluate.h"

enum { SAMPLES = 7, POINTS = 24, PARTS = 7 };

static const char *const names =
    "Bag:handle\nBag:body\nCup:handle\nCup:side\nCup:floor\nMug:a\nMug:b";

/* All points of a sample are of one category. */
static bnn_code make_shape(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                           void *const *out, bnn_error *err) {
    static const int first[] = {0, 2, 5}, parts[] = {2, 3, 2};
    bnn_code code = make_sample(dataset, index, draw, out, err);
    int32_t *part = out[1];
    for (int i = 0; code == BNN_OK && i < POINTS; i++) {
        part[i] = first[index % 3] + i % parts[index % 3];
    }
    return code;
}

/* Of a task with real targets the predictions are values. */
static void evaluate(const char *arch, const char *class_names, int classes, void *prediction,
                     bnn_score *score, made_up *m, bnn_spec *spec) {
    bnn_error err = {0};
    bnn_device device;
    const char *why;
    bnn_net net;
    bnn_predictor *predictor;
    int stopped, points = strcmp(arch, "pointnet_partseg") == 0;
    ck_assert(bnn_cpu_device(NULL, 1, &device, &why));
    *spec = made_up_spec(arch, "bnn", 1, POINTS, 6);
    spec->classes = classes;
    spec->class_names = class_names;
    if (classes == 1) {
        spec->task = bnn_task_find("similarity");
    }
    make_up(m, spec, SAMPLES);
    m->dataset.sample = points ? make_shape : make_sample;
    bnn_params *params = bnn_params_create();
    ck_assert(bnn_net_build(spec, &device, params, 1, 0, &net, &err) == BNN_OK);
    bnn_graph_free(net.graph);
    ck_assert(bnn_params_allocate(params, &err) == BNN_OK);
    bnn_params_initialize(params, 3);
    ck_assert(bnn_predictor_create(spec, &device, params, NULL, NULL, &predictor, &err) == BNN_OK);
    ck_assert(bnn_score_create(spec->task, spec, 0, score, &err) == BNN_OK);
    bnn_evaluation how = {.batch_size = 3, .loader_threads = 1};
    if (spec->task->real_target) {
        how.value = prediction;
    } else {
        how.prediction = prediction;
    }
    bnn_code code = bnn_evaluate(predictor, spec, &m->dataset, &how, score, &stopped, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    bnn_predictor_free(predictor);
    bnn_params_free(params);
}

/* The parts of a shape are looked for among those of its category. */
START_TEST(parts) {
    int prediction[SAMPLES * POINTS];
    made_up m;
    bnn_spec spec;
    bnn_score score;
    size_t right = 0;
    evaluate("pointnet_partseg", names, PARTS, prediction, &score, &m, &spec);
    for (int i = 0; i < SAMPLES; i++) {
        float points[POINTS * 6];
        int32_t label[POINTS];
        int first, count = bnn_parts_beside(&spec, (const int[]){0, 2, 5}[i % 3], &first);
        make_shape(&m.dataset, (size_t)i, NULL, (void *[]){points, label}, NULL);
        for (int k = 0; k < POINTS; k++) {
            int p = prediction[i * POINTS + k];
            ck_assert_msg(p >= first && p < first + count, "sample %d: part %d", i, p);
            right += p == label[k];
        }
    }
    const double accuracy = spec.task->value(&spec, &score, 2);
    ck_assert_msg(fabs(accuracy - 100.0 * (double)right / (SAMPLES * POINTS)) < 1e-9, "%g",
                  accuracy);
    bnn_score_free(&score);
}
END_TEST

/* Classes are told apart whatever their names look like. */
START_TEST(classes) {
    int prediction[SAMPLES];
    made_up m;
    bnn_spec spec;
    bnn_score score;
    size_t right = 0, others = 0;
    evaluate("pointnet", names, PARTS, prediction, &score, &m, &spec);
    for (size_t i = 0; i < SAMPLES; i++) {
        float points[POINTS * 6];
        int32_t label;
        int first;
        make_sample(&m.dataset, i, NULL, (void *[]){points, &label}, NULL);
        ck_assert(bnn_parts_beside(&spec, label, &first) == PARTS && first == 0);
        right += prediction[i] == label;
        others += prediction[i] != label;
    }
    ck_assert_uint_gt(others, 0);
    const double accuracy = spec.task->value(&spec, &score, 0);
    ck_assert_msg(fabs(accuracy - 100.0 * (double)right / SAMPLES) < 1e-9, "%g", accuracy);
    bnn_score_free(&score);
}
END_TEST

/* Of a regression: its outputs, and what they say of the targets. */
START_TEST(values) {
    float value[SAMPLES];
    double loss = 0.0;
    made_up m;
    bnn_spec spec;
    bnn_score score;
    evaluate("pointnet", "similarity", 1, value, &score, &m, &spec);
    for (size_t i = 0; i < SAMPLES; i++) {
        float points[POINTS * 6], target;
        make_sample(&m.dataset, i, NULL, (void *[]){points, &target}, NULL);
        ck_assert(score.list[2 * i] == (double)value[i]);
        ck_assert(score.list[2 * i + 1] == (double)target);
        loss += ((double)value[i] - (double)target) * ((double)value[i] - (double)target);
    }
    ck_assert_uint_eq(score.listed, 2 * SAMPLES);
    ck_assert_msg(fabs(score.loss - loss) < 1e-9, "%g, expected %g", score.loss, loss);
    bnn_score_free(&score);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("evaluate");
    TCase *tcase = tcase_create("predictions");
    tcase_add_test(tcase, parts);
    tcase_add_test(tcase, classes);
    tcase_add_test(tcase, values);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
