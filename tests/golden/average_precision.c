/* Reference cases of average precision, VOC's and COCO's. */
#include "models/tasks/average_precision.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/golden.h"

#define TOLERANCE 1e-6
#define MOST_CLASSES 100

typedef struct box_case {
    const char *path;
    const bnn_st_file *file;
    int passed, coco, classes;
    bnn_true_box *truth;
    bnn_found_box *found;
    size_t truths, founds;
} box_case;

/* The tensor of that name, of `count` values a row; NULL and a failure where it is not. */
static const void *values(box_case *c, const char *name, bnn_st_dtype dtype, size_t count) {
    const bnn_st_tensor *t = bnn_st_find(c->file, name);
    if (!t || t->dtype != dtype || t->count != count) {
        printf("FAIL %s: no %s, or of another shape\n", c->path, name);
        c->passed = 0;
        return NULL;
    }
    return t->data;
}

static void compare(box_case *c, const char *name, const double *got, size_t count) {
    const char *data = values(c, name, BNN_ST_F64, count);
    for (size_t i = 0; data && i < count; i++) {
        double want, have = isnan(got[i]) ? -1.0 : got[i];
        memcpy(&want, data + i * sizeof want, sizeof want);
        if (!(fabs(have - want) <= TOLERANCE)) {
            printf("FAIL %s: %s[%zu] is %.12g, expected %.12g\n", c->path, name, i, have, want);
            c->passed = 0;
        }
    }
}

/* COCO's boxes have a width and a height. */
static void read_box(const box_case *c, const float *from, size_t i, double *box) {
    float b[4];
    memcpy(b, from + 4 * i, sizeof b);
    for (int k = 0; k < 4; k++) {
        box[k] = (double)b[k] + (c->coco && k >= 2 ? (double)b[k - 2] : 0.0);
    }
}

static void read_truths(box_case *c) {
    const size_t n = c->truths;
    const int32_t *image = values(c, "gt.image", BNN_ST_I32, n);
    const int32_t *class = values(c, c->coco ? "gt.category" : "gt.class", BNN_ST_I32, n);
    const int32_t *ignore = values(c, c->coco ? "gt.iscrowd" : "gt.difficult", BNN_ST_I32, n);
    const float *box = values(c, "gt.box", BNN_ST_F32, 4 * n);
    const char *area = c->coco ? values(c, "gt.area", BNN_ST_F64, n) : NULL;
    for (size_t i = 0; c->passed && i < n; i++) {
        bnn_true_box *t = &c->truth[i];
        *t = (bnn_true_box){.image = image[i], .class = class[i], .ignore = ignore[i]};
        read_box(c, box, i, t->box);
        if (area) {
            memcpy(&t->area, area + i * sizeof t->area, sizeof t->area);
        }
    }
}

static void read_founds(box_case *c) {
    const size_t n = c->founds;
    const int32_t *image = values(c, "det.image", BNN_ST_I32, n);
    const int32_t *class = values(c, c->coco ? "det.category" : "det.class", BNN_ST_I32, n);
    const float *score = values(c, "det.score", BNN_ST_F32, n);
    const float *box = values(c, "det.box", BNN_ST_F32, 4 * n);
    for (size_t i = 0; c->passed && i < n; i++) {
        bnn_found_box *f = &c->found[i];
        *f = (bnn_found_box){.image = image[i], .class = class[i], .score = (double)score[i]};
        read_box(c, box, i, f->box);
    }
}

/* COCO's categories are numbers of any size; here they are classes from 0 on. */
static void number_categories(box_case *c) {
    const int32_t *category = values(c, "categories", BNN_ST_I32, (size_t)c->classes);
    for (size_t i = 0; category && i < c->truths + c->founds; i++) {
        int32_t *class = i < c->truths ? &c->truth[i].class : &c->found[i - c->truths].class;
        int k = 0;
        while (k < c->classes && category[k] != *class) {
            k++;
        }
        *class = k;
    }
}

static void run_voc(box_case *c) {
    for (int way = 0; way < 4; way++) {
        const bnn_voc_rule rule = {0.5, way % 2, way / 2};
        double ap[MOST_CLASSES], mean;
        char name[32];
        c->passed &= bnn_voc_ap(c->truth, c->truths, c->found, c->founds, c->classes, rule, ap,
                                &mean, NULL, NULL) == BNN_OK;
        snprintf(name, sizeof name, "%s%s", rule.eleven ? "ap11" : "ap_area",
                 rule.plus_one ? "_plus1" : "");
        compare(c, name, ap, (size_t)c->classes);
        snprintf(name, sizeof name, "%s%s", rule.eleven ? "map11" : "map_area",
                 rule.plus_one ? "_plus1" : "");
        compare(c, name, &mean, 1);
    }
}

static void run_coco(box_case *c) {
    double stats[BNN_COCO_STATS], ap[MOST_CLASSES];
    number_categories(c);
    c->passed &= c->passed && bnn_coco_ap(c->truth, c->truths, c->found, c->founds, c->classes,
                                          stats, ap, NULL, NULL) == BNN_OK;
    if (c->passed) {
        compare(c, "stats", stats, BNN_COCO_STATS);
        compare(c, "category_ap", ap, (size_t)c->classes);
    }
}

golden_result golden_average_precision(const char *path, const bnn_st_file *file,
                                       const bnn_device *device) {
    box_case c = {.path = path, .file = file, .passed = 1};
    (void)device;
    c.coco = strcmp(golden_text(file, "metric", ""), "coco_map") == 0;
    const bnn_st_tensor *truths = bnn_st_find(file, "gt.image");
    const bnn_st_tensor *founds = bnn_st_find(file, "det.image");
    const bnn_st_tensor *categories = bnn_st_find(file, "categories");
    c.classes = categories ? (int)categories->count : golden_integer(file, "classes", 0);
    if (!truths || !founds || c.classes < 1 || c.classes > MOST_CLASSES) {
        printf("FAIL %s: not a case of average precision\n", path);
        return GOLDEN_FAILED;
    }
    c.truths = truths->count;
    c.founds = founds->count;
    c.truth = calloc(c.truths + 1, sizeof *c.truth);
    c.found = calloc(c.founds + 1, sizeof *c.found);
    c.passed = c.truth && c.found;
    if (c.passed) {
        read_truths(&c);
        read_founds(&c);
    }
    if (c.passed && c.coco) {
        run_coco(&c);
    } else if (c.passed) {
        run_voc(&c);
    }
    free(c.truth);
    free(c.found);
    return c.passed ? GOLDEN_PASSED : GOLDEN_FAILED;
}
