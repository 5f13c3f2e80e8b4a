/* One class a sample: images, shapes, spoken words. They differ in which metrics are told. */
#include <math.h>

#include "models/model.h"
#include "models/tasks/tables.h"

bnn_t bnn_classify_loss(const bnn_build *b, bnn_output *output, const bnn_t *target) {
    return bnn_op_cross_entropy(b->graph, output->main, target[0]);
}

bnn_t bnn_classify_distill(const bnn_build *b, const bnn_output *output, bnn_t teacher,
                           bnn_t target) {
    return bnn_distillation_loss(b->graph, output->main, teacher, target);
}

/* The last sums are a row a class, with a column a prediction; where no confusion is told, and
 * there may be thousands of classes, with one of what is wrong and one of what is right. */
static size_t columns(const bnn_spec *spec) {
    return spec->task->confusion ? (size_t)spec->classes : 2;
}

static size_t column(const bnn_spec *spec, int class, int predicted) {
    return spec->task->confusion ? (size_t)predicted : predicted == class;
}

size_t bnn_classify_sums(const bnn_spec *spec) {
    return BNN_SUM_CONFUSION + (size_t)spec->classes * columns(spec);
}

bnn_code bnn_classify_add(const bnn_spec *spec, const bnn_batch *batch, const float *output,
                          int with_loss, bnn_score *score, bnn_error *err) {
    const size_t classes = (size_t)spec->classes;
    const int32_t *label =
        batch->data[bnn_field_find(batch->field, batch->field_count, spec->task->target[0].name)];
    (void)err;
    for (size_t i = 0; i < batch->n; i++) {
        bnn_ranking r = bnn_rank(output + i * classes, spec->classes, label[i]);
        score->samples++;
        score->sum[BNN_SUM_TOP1] += r.rank == 0;
        score->sum[BNN_SUM_TOP5] += r.rank < 5;
        if (score->count > BNN_SUM_CONFUSION) {
            score->sum[BNN_SUM_CONFUSION + (size_t)label[i] * columns(spec) +
                       column(spec, label[i], r.predicted)] += 1.0;
        }
        score->loss += with_loss ? r.loss : 0.0;
    }
    return BNN_OK;
}

static double percent(double part, double whole) {
    return whole > 0.0 ? 100.0 * part / whole : NAN;
}

int bnn_classify_groups(const bnn_spec *spec) {
    return spec->classes;
}

double bnn_classify_group(const bnn_spec *spec, const bnn_score *score, int class,
                          const char **name, double *samples) {
    const double *row = score->sum + BNN_SUM_CONFUSION + (size_t) class * columns(spec);
    *name = bnn_class_name(spec, class);
    *samples = 0.0;
    for (size_t p = 0; p < columns(spec); p++) {
        *samples += row[p];
    }
    return percent(row[column(spec, class, class)], *samples);
}

/* The mean, over the classes that were seen, of the part of each that is right. */
static double mean_class(const bnn_spec *spec, const bnn_score *score) {
    double sum = 0.0, seen = 0.0, samples;
    const char *name;
    for (int c = 0; c < spec->classes; c++) {
        double right = bnn_classify_group(spec, score, c, &name, &samples);
        sum += samples > 0.0 ? right : 0.0;
        seen += samples > 0.0;
    }
    return seen > 0.0 ? sum / seen : NAN;
}

static double accuracy(const bnn_score *score, int which) {
    return percent(score->sum[which], (double)score->samples);
}

double bnn_classify_accuracy(const bnn_score *score) {
    return accuracy(score, BNN_SUM_TOP1);
}

static double image_value(const bnn_spec *spec, const bnn_score *score, int metric) {
    (void)spec;
    return accuracy(score, metric == 0 ? BNN_SUM_TOP1 : BNN_SUM_TOP5);
}

static double value_by_class(const bnn_spec *spec, const bnn_score *score, int metric) {
    return metric == 0 ? accuracy(score, BNN_SUM_TOP1) : mean_class(spec, score);
}

static const bnn_metric of_images[] = {
    {.key = "top1",
     .label = "acc",
     .name = "top-1",
     .title = "accuracy",
     .unit = "%",
     .digits = 2,
     .training = 1},
    {.key = "top5",
     .label = "top-5",
     .name = "top-5",
     .title = "accuracy among five",
     .unit = "%",
     .digits = 2},
    {0},
};
const bnn_task bnn_task_classify = {BNN_CLASSIFY, .name = "classify", .metrics = of_images,
                                    .value = image_value};

static const bnn_metric by_class[] = {
    {.key = "top1",
     .label = "acc",
     .name = "accuracy",
     .title = "accuracy",
     .unit = "%",
     .digits = 2,
     .training = 1},
    {.key = "mean_class",
     .label = "mAcc",
     .name = "mean-class",
     .title = "mean-class accuracy",
     .unit = "%",
     .digits = 2},
    {0},
};
const bnn_task bnn_task_classify_shapes = {BNN_CLASSIFY, .name = "classify_shapes",
                                           .metrics = by_class, .value = value_by_class,
                                           .confusion = BNN_SUM_CONFUSION};
const bnn_task bnn_task_keywords = {BNN_CLASSIFY, .name = "keywords", .metrics = by_class,
                                    .value = value_by_class, .confusion = BNN_SUM_CONFUSION};
