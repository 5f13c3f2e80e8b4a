/* Reference cases of the scores of part segmentation: the task is shown each shape with outputs
 * that say the prediction. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"
#include "tests/golden/golden.h"

#define TOLERANCE 1e-9
#define MOST_PARTS 1000

typedef struct part_case {
    const char *path;
    const bnn_st_file *file;
    int passed;
    const int32_t *offsets, *category, *pred, *label, *parts;
    size_t shapes, categories;
    bnn_spec spec;
    bnn_score score;
} part_case;

static const void *values(part_case *c, const char *name, bnn_st_dtype dtype, size_t *count) {
    const bnn_st_tensor *t = bnn_st_find(c->file, name);
    if (!t || t->dtype != dtype) {
        printf("FAIL %s: no %s\n", c->path, name);
        c->passed = 0;
        return NULL;
    }
    *count = t->count;
    return t->data;
}

static void compare(part_case *c, const char *name, size_t index, double got) {
    size_t count;
    double want;
    const char *data = values(c, name, BNN_ST_F64, &count);
    if (!data || index >= count) {
        c->passed = 0;
        return;
    }
    memcpy(&want, data + index * sizeof want, sizeof want);
    got = isnan(got) ? -1.0 : got;
    if (!(fabs(got - want) <= TOLERANCE)) {
        printf("FAIL %s: %s[%zu] is %.12g, expected %.12g\n", c->path, name, index, got, want);
        c->passed = 0;
    }
}

/* The first part of a category among those of all. */
static int first_part(const part_case *c, int category) {
    int first = 0;
    for (int i = 0; i < category; i++) {
        first += c->parts[i];
    }
    return first;
}

static int describe(part_case *c, char *names, size_t bytes) {
    size_t used = 0;
    for (size_t i = 0; i < c->categories; i++) {
        for (int p = 0; p < c->parts[i]; p++) {
            used +=
                (size_t)snprintf(names + used, bytes - used, "%s%zu:%d", used ? "\n" : "", i, p);
        }
        c->spec.classes += c->parts[i];
    }
    c->spec.arch = bnn_arch_find("pointnet_partseg");
    c->spec.task = c->spec.arch->task;
    c->spec.class_names = names;
    return c->spec.classes <= MOST_PARTS;
}

static void add_shape(part_case *c, size_t s) {
    const int first = first_part(c, c->category[s]);
    const size_t points = (size_t)(c->offsets[s + 1] - c->offsets[s]);
    const size_t classes = (size_t)c->spec.classes;
    float *output = calloc(points * classes, sizeof *output);
    int32_t *label = calloc(2 * points, sizeof *label), *predicted = label + points;
    const bnn_field field = {"part", BNN_I32, {1, 1, (int)points, 1}};
    const bnn_batch batch = {.n = 1, .field_count = 1, .field = &field, .data = {label}};
    bnn_error err;
    for (size_t i = 0; i < points; i++) {
        size_t at = (size_t)c->offsets[s] + i;
        label[i] = first + c->label[at];
        predicted[i] = first + c->pred[at];
        output[i * classes + (size_t)predicted[i]] = 1.0f;
    }
    compare(c, "shape_iou", s,
            bnn_part_iou(points, predicted, label, first, c->parts[c->category[s]]));
    c->passed &= c->spec.task->add(&c->spec, &batch, output, 0, &c->score, &err) == BNN_OK;
    free(output);
    free(label);
}

static void run(part_case *c) {
    const bnn_task *task = c->spec.task;
    bnn_error err;
    if (bnn_score_create(task, &c->spec, 0, &c->score, &err) != BNN_OK) {
        c->passed = 0;
        return;
    }
    for (size_t s = 0; s < c->shapes; s++) {
        add_shape(c, s);
    }
    compare(c, "instance_miou", 0, task->value(&c->spec, &c->score, 0) / 100.0);
    compare(c, "class_miou", 0, task->value(&c->spec, &c->score, 1) / 100.0);
    for (size_t i = 0; i < c->categories; i++) {
        const char *name;
        double samples;
        compare(c, "category_miou", i,
                task->group(&c->spec, &c->score, (int)i, &name, &samples) / 100.0);
    }
    bnn_score_free(&c->score);
}

golden_result golden_part_iou(const char *path, const bnn_st_file *file, const bnn_device *device) {
    static char names[16 * MOST_PARTS];
    part_case c = {.path = path, .file = file, .passed = 1};
    size_t offsets = 0, points = 0, labels = 0;
    (void)device;
    c.offsets = values(&c, "offsets", BNN_ST_I32, &offsets);
    c.category = values(&c, "category", BNN_ST_I32, &c.shapes);
    c.pred = values(&c, "pred", BNN_ST_I32, &points);
    c.label = values(&c, "label", BNN_ST_I32, &labels);
    c.parts = values(&c, "parts", BNN_ST_I32, &c.categories);
    if (!c.passed || offsets != c.shapes + 1 || points != labels ||
        c.offsets[c.shapes] != (int32_t)points || !describe(&c, names, sizeof names)) {
        printf("FAIL %s: not a case of part segmentation\n", path);
        return GOLDEN_FAILED;
    }
    run(&c);
    return c.passed ? GOLDEN_PASSED : GOLDEN_FAILED;
}
