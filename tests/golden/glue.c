/* Reference cases of the scores of texts: the tasks are shown each sample with outputs that say the
 * prediction. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"
#include "tests/golden/golden.h"

#define TOLERANCE 1e-9

/* What a kind of case is of: which tasks tell which numbers. */
static const struct {
    const char *kind, *task, *metric, *number;
    int classes;
} told[] = {
    {"binary", "acceptability", "matthews", "matthews", 2},
    {"binary", "acceptability", "accuracy", "accuracy", 2},
    {"binary", "paraphrase", "f1", "f1", 2},
    {"binary", "paraphrase", "accuracy", "accuracy", 2},
    {"binary", "paraphrase", "acc_and_f1", "acc_and_f1", 2},
    {"mnli", "classify_text", "accuracy", "accuracy", 3},
    {"regression", "similarity", "pearson", "pearson", 1},
    {"regression", "similarity", "spearman", "spearman", 1},
    {"regression", "similarity", "corr", "corr", 1},
};

static bnn_code add(const bnn_spec *spec, const bnn_st_tensor *pred, const bnn_st_tensor *label,
                    bnn_score *score, bnn_error *err) {
    const bnn_field field = {
        spec->task->target[0].name, spec->task->real_target ? BNN_F32 : BNN_I32, {1, 1, 1, 1}};
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < pred->count && code == BNN_OK; i++) {
        int32_t target, predicted;
        float output[3] = {0.0f};
        memcpy(&target, (const char *)label->data + 4 * i, 4);
        memcpy(&predicted, (const char *)pred->data + 4 * i, 4);
        if (spec->task->real_target) {
            memcpy(output, &predicted, 4);
        } else if (target < 0 || target >= 3 || predicted < 0 || predicted >= 3) {
            return bnn_fail(err, BNN_ERR_FORMAT, "class %d or %d", target, predicted);
        } else {
            output[predicted] = 1.0f;
        }
        const bnn_batch batch = {.n = 1, .field_count = 1, .field = &field, .data = {&target}};
        code = spec->task->add(spec, &batch, output, 0, score, err);
    }
    return code;
}

static int check(const char *path, const bnn_st_file *file, size_t which) {
    const bnn_st_tensor *pred = bnn_st_find(file, "pred"), *label = bnn_st_find(file, "label");
    const bnn_st_tensor *number = bnn_st_find(file, told[which].number);
    const bnn_spec spec = {.task = bnn_task_find(told[which].task), .classes = told[which].classes};
    const bnn_st_dtype dtype = spec.task->real_target ? BNN_ST_F32 : BNN_ST_I32;
    bnn_score score;
    bnn_error err = {0};
    double want, got = NAN;
    if (!pred || !label || !number || pred->dtype != dtype || label->dtype != dtype ||
        number->dtype != BNN_ST_F64 || pred->count != label->count) {
        printf("FAIL %s: no predictions, labels and %s\n", path, told[which].number);
        return 0;
    }
    memcpy(&want, number->data, sizeof want);
    bnn_code code = bnn_score_create(spec.task, &spec, 0, &score, &err);
    if (code == BNN_OK) {
        code = add(&spec, pred, label, &score, &err);
    }
    for (int i = 0; code == BNN_OK && spec.task->metrics[i].key; i++) {
        if (strcmp(spec.task->metrics[i].key, told[which].metric) == 0) {
            got = spec.task->value(&spec, &score, i) / 100.0;
        }
    }
    bnn_score_free(&score);
    if (!(fabs(got - want) <= TOLERANCE)) {
        printf("FAIL %s: %s of %s is %.12g, expected %.12g %s\n", path, told[which].metric,
               told[which].task, got, want, err.text);
        return 0;
    }
    return 1;
}

golden_result golden_glue(const char *path, const bnn_st_file *file, const bnn_device *device) {
    int checked = 0, passed = 1;
    (void)device;
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        if (strcmp(told[i].kind, golden_text(file, "kind", "")) == 0) {
            checked = 1;
            passed &= check(path, file, i);
        }
    }
    return !checked ? GOLDEN_SKIPPED : passed ? GOLDEN_PASSED : GOLDEN_FAILED;
}
