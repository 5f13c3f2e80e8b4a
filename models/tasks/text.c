/* What sentences and pairs of them are scored by (Wang et al., GLUE, ICLR 2019). Correlations are
 * told times a hundred, as the benchmark's tables do. */
#include <math.h>
#include <stdlib.h>

#include "models/model.h"
#include "models/tasks/tables.h"

#define ACCURACY                                                                                   \
    {                                                                                              \
        .key = "accuracy", .label = "acc", .name = "accuracy", .title = "accuracy", .unit = "%",   \
        .digits = 2, .training = 1                                                                 \
    }

/* ---- classes ---- */
static const double *confusion(const bnn_score *score) {
    return score->samples > 0 && score->count > BNN_SUM_CONFUSION ? score->sum + BNN_SUM_CONFUSION
                                                                  : NULL;
}

static double accuracy_only(const bnn_spec *spec, const bnn_score *score, int metric) {
    (void)spec;
    (void)metric;
    return bnn_classify_accuracy(score);
}

static double matthews_first(const bnn_spec *spec, const bnn_score *score, int metric) {
    const double *of = confusion(score);
    return metric == 1 ? bnn_classify_accuracy(score)
           : of        ? 100.0 * bnn_matthews(of, spec->classes)
                       : NAN;
}

enum { F1, F1_ACCURACY, BOTH };

static double f1_first(const bnn_spec *spec, const bnn_score *score, int metric) {
    const double accuracy = bnn_classify_accuracy(score), *of = confusion(score);
    const double f1 = of ? 100.0 * bnn_f1(of, spec->classes) : NAN;
    return metric == F1 ? f1 : metric == F1_ACCURACY ? accuracy : 0.5 * (f1 + accuracy);
}

static const bnn_metric acceptability[] = {{.key = "matthews",
                                            .label = "MCC",
                                            .name = "Matthews",
                                            .title = "Matthews correlation",
                                            .unit = "",
                                            .below_zero = 1,
                                            .digits = 2},
                                           ACCURACY,
                                           {0}};
const bnn_task bnn_task_acceptability = {
    BNN_CLASSIFY, .name = "acceptability",       .metrics = acceptability, .value = matthews_first,
    .grouped = 1, .confusion = BNN_SUM_CONFUSION};

static const bnn_metric of_classes[] = {ACCURACY, {0}};
const bnn_task bnn_task_classify_text = {BNN_CLASSIFY, .name = "classify_text",
                                         .metrics = of_classes, .value = accuracy_only,
                                         .confusion = BNN_SUM_CONFUSION};

static const bnn_metric paraphrase[] = {
    [F1] = {.key = "f1", .label = "F1", .name = "F1", .title = "F1", .unit = "%", .digits = 2},
    [F1_ACCURACY] = ACCURACY,
    [BOTH] = {.key = "acc_and_f1",
              .label = "acc+F1",
              .name = "mean of both",
              .title = "mean of accuracy and F1",
              .unit = "%",
              .digits = 2},
    {0}};
const bnn_task bnn_task_paraphrase = {BNN_CLASSIFY,           .name = "paraphrase",
                                      .metrics = paraphrase,  .value = f1_first,
                                      .grouped = F1_ACCURACY, .confusion = BNN_SUM_CONFUSION};

/* ---- a score a pair ---- */
enum { X, Y, XX, YY, XY, SUMS };

static bnn_t squared_error(const bnn_build *b, bnn_output *output, const bnn_t *target) {
    return bnn_op_squared_error(b->graph, output->main, target[0]);
}

/* The teacher's output alone (BiBERT). */
static bnn_t similarity_distill(const bnn_build *b, const bnn_output *output, bnn_t teacher,
                                bnn_t target) {
    (void)target;
    return bnn_op_squared_error(b->graph, output->main, teacher);
}

static size_t similarity_sums(const bnn_spec *spec) {
    (void)spec;
    return SUMS;
}

static void add_pair(double *sum, double x, double y) {
    sum[X] += x;
    sum[Y] += y;
    sum[XX] += x * x;
    sum[YY] += y * y;
    sum[XY] += x * y;
}

static double correlation(const double *sum, size_t n) {
    return bnn_correlation((double)n, sum[X], sum[Y], sum[XX], sum[YY], sum[XY]);
}

/* Lists prediction and label of each sample. */
static bnn_code similarity_add(const bnn_spec *spec, const bnn_batch *batch, const float *output,
                               int with_loss, bnn_score *score, bnn_error *err) {
    const float *label =
        batch->data[bnn_field_find(batch->field, batch->field_count, spec->task->target[0].name)];
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < batch->n && code == BNN_OK; i++) {
        const double pair[] = {(double)output[i], (double)label[i]};
        const double off = pair[0] - pair[1];
        code = score->training ? BNN_OK : bnn_score_append(score, pair, 2, err);
        if (code == BNN_OK) {
            score->samples++;
            score->loss += with_loss ? off * off : 0.0;
            add_pair(score->sum, pair[0], pair[1]);
        }
    }
    return code;
}

/* NAN where memory is out, too. */
static double spearman(const bnn_score *score) {
    const size_t n = score->listed / 2;
    double *room = reallocarray(NULL, n + 1, 4 * sizeof *room), sum[SUMS] = {0.0};
    bnn_code code = room ? BNN_OK : BNN_ERR_MEMORY;
    for (size_t side = 0; side < 2 && code == BNN_OK; side++) {
        double *values = room + 2 * side * n;
        for (size_t i = 0; i < n; i++) {
            values[i] = score->list[2 * i + side];
        }
        code = bnn_average_ranks(n, values, values + n, NULL);
    }
    for (size_t i = 0; i < n && code == BNN_OK; i++) {
        add_pair(sum, room[n + i], room[3 * n + i]);
    }
    free(room);
    return code == BNN_OK ? correlation(sum, n) : NAN;
}

enum { CORR, PEARSON, SPEARMAN };

static double similarity_value(const bnn_spec *spec, const bnn_score *score, int metric) {
    (void)spec;
    const double pearson = metric != SPEARMAN ? correlation(score->sum, score->samples) : 0.0;
    const double ranks = metric != PEARSON ? spearman(score) : 0.0;
    return metric == CORR ? 50.0 * (pearson + ranks) : 100.0 * (pearson + ranks);
}

static const bnn_metric similarity[] = {[CORR] = {.key = "corr",
                                                  .label = "corr",
                                                  .name = "correlation",
                                                  .title = "mean of both correlations",
                                                  .unit = "",
                                                  .below_zero = 1,
                                                  .digits = 2},
                                        [PEARSON] = {.key = "pearson",
                                                     .label = "Pearson",
                                                     .name = "Pearson",
                                                     .title = "Pearson correlation",
                                                     .unit = "",
                                                     .below_zero = 1,
                                                     .digits = 2,
                                                     .training = 1},
                                        [SPEARMAN] = {.key = "spearman",
                                                      .label = "Spearman",
                                                      .name = "Spearman",
                                                      .title = "Spearman correlation",
                                                      .unit = "",
                                                      .below_zero = 1,
                                                      .digits = 2},
                                        {0}};
const bnn_task bnn_task_similarity = {.name = "similarity",
                                      .target = {{"score", BNN_F32, {1, 1, 1, 1}}},
                                      .real_target = 1,
                                      .listed = 1,
                                      .metrics = similarity,
                                      .loss = squared_error,
                                      .distill = similarity_distill,
                                      .sums = similarity_sums,
                                      .training_sums = SUMS,
                                      .add = similarity_add,
                                      .value = similarity_value};
