/* A part of its shape for each point (Qi et al., PointNet, CVPR 2017, 5.2). A network may know the
 * parts of several categories; those of one category follow each other, and are named
 * "CATEGORY:PART". Which category a shape is of is given, so that only its parts are predicted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"
#include "models/tasks/tables.h"

/* Points that are right, points, then of each category its shapes and the sum of their IoU. */
enum { RIGHT, POINTS, CATEGORIES };

static bnn_t loss(const bnn_build *b, bnn_output *output, const bnn_t *target) {
    return bnn_op_cross_entropy(b->graph, output->main, target[0]);
}

/* What stands before the colon of a class's name: its length, 0 if there is none. */
static size_t prefix(const char *name) {
    size_t n = strcspn(name, ":\n");
    return name[n] == ':' ? n : 0;
}

static const char *next_name(const char *name) {
    name += strcspn(name, "\n");
    return *name ? name + 1 : name;
}

/* Classes of one category, which follow each other. */
typedef struct part_range {
    int category, first, count;
} part_range;

/* Those of class `part`; of all classes where there are no categories. */
static part_range parts_of(const bnn_spec *spec, int part) {
    const char *name = spec->class_names ? spec->class_names : "", *last = name;
    part_range p = {0, 0, 1};
    for (int c = 1; c < spec->classes; c++) {
        name = next_name(name);
        if (prefix(name) != prefix(last) || memcmp(name, last, prefix(name)) != 0) {
            if (c > part) {
                break;
            }
            p = (part_range){p.category + 1, c, 0};
        }
        p.count++;
        last = name;
    }
    return p;
}

int bnn_parts_beside(const bnn_spec *spec, int class, int *first) {
    part_range p =
        spec->task->by_point ? parts_of(spec, class) : (part_range){.count = spec->classes};
    *first = p.first;
    return p.count;
}

static int groups(const bnn_spec *spec) {
    return 1 + parts_of(spec, spec->classes - 1).category;
}

static size_t sums(const bnn_spec *spec) {
    return CATEGORIES + 2 * (size_t)groups(spec);
}

int bnn_largest(const float *logits, int first, int count) {
    int best = first;
    for (int c = first + 1; c < first + count; c++) {
        best = logits[c] > logits[best] ? c : best;
    }
    return best;
}

double bnn_part_iou(size_t n, const int32_t *predicted, const int32_t *label, int first,
                    int parts) {
    double sum = 0.0;
    for (int part = first; part < first + parts; part++) {
        size_t both = 0, either = 0;
        for (size_t i = 0; i < n; i++) {
            int p = predicted[i] == part, l = label[i] == part;
            both += (size_t)(p && l);
            either += (size_t)(p || l);
        }
        sum += either ? (double)both / (double)either : 1.0;
    }
    return sum / parts;
}

static bnn_code add(const bnn_spec *spec, const bnn_batch *batch, const float *output,
                    int with_loss, bnn_score *score, bnn_error *err) {
    int field = bnn_field_find(batch->field, batch->field_count, bnn_task_segment.target[0].name);
    const size_t points = bnn_shape_count(batch->field[field].shape);
    const int32_t *label = batch->data[field];
    int32_t *predicted = malloc(points * sizeof *predicted);
    if (!predicted) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the predictions");
    }
    for (size_t i = 0; i < batch->n; i++, label += points) {
        part_range p = parts_of(spec, label[0]);
        double loss_sum = 0.0;
        for (size_t k = 0; k < points; k++, output += spec->classes) {
            predicted[k] = bnn_largest(output, p.first, p.count);
            score->sum[RIGHT] += predicted[k] == label[k];
            loss_sum += with_loss ? bnn_rank(output, spec->classes, label[k]).loss : 0.0;
        }
        score->samples++;
        score->sum[POINTS] += (double)points;
        score->loss += loss_sum / (double)points;
        if (score->count > CATEGORIES) {
            double *of_category = score->sum + CATEGORIES + 2 * p.category;
            of_category[0] += 1.0;
            of_category[1] += bnn_part_iou(points, predicted, label, p.first, p.count);
        }
    }
    free(predicted);
    return BNN_OK;
}

enum { INSTANCE_MIOU, CLASS_MIOU, ACCURACY };

static double value(const bnn_spec *spec, const bnn_score *score, int metric) {
    double shapes = 0.0, iou = 0.0, seen = 0.0, mean = 0.0;
    (void)spec;
    if (metric == ACCURACY) {
        return score->sum[POINTS] > 0.0 ? 100.0 * score->sum[RIGHT] / score->sum[POINTS] : NAN;
    }
    for (size_t c = CATEGORIES; c + 1 < score->count; c += 2) {
        shapes += score->sum[c];
        iou += score->sum[c + 1];
        seen += score->sum[c] > 0.0;
        mean += score->sum[c] > 0.0 ? score->sum[c + 1] / score->sum[c] : 0.0;
    }
    if (seen == 0.0) {
        return NAN;
    }
    return 100.0 * (metric == INSTANCE_MIOU ? iou / shapes : mean / seen);
}

static double group(const bnn_spec *spec, const bnn_score *score, int category, const char **name,
                    double *samples) {
    const double *of_category = score->sum + CATEGORIES + 2 * category;
    part_range p = {0};
    for (int c = 0; c < spec->classes && (p = parts_of(spec, c)).category < category;) {
        c = p.first + p.count;
    }
    *name = bnn_class_name(spec, p.first);
    *samples = of_category[0];
    return *samples > 0.0 ? 100.0 * of_category[1] / *samples : NAN;
}

static const bnn_metric metrics[] = {
    {.key = "instance_miou",
     .label = "mIoU",
     .name = "instance mIoU",
     .title = "instance mIoU",
     .unit = "%",
     .digits = 2},
    {.key = "class_miou",
     .label = "class mIoU",
     .name = "class mIoU",
     .title = "class mIoU",
     .unit = "%",
     .digits = 2},
    {.key = "accuracy",
     .label = "acc",
     .name = "accuracy",
     .title = "accuracy",
     .unit = "%",
     .digits = 2,
     .training = 1},
    {0},
};
const bnn_task bnn_task_segment = {.name = "segment",
                                   .target = {{"part", BNN_I32, {1, 1, 1, 1}}},
                                   .by_point = 1,
                                   .metrics = metrics,
                                   .loss = loss,
                                   .sums = sums,
                                   .training_sums = CATEGORIES,
                                   .add = add,
                                   .value = value,
                                   .groups = groups,
                                   .group = group};
