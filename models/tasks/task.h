/* A task: what a batch of samples means to a network. Which field holds what is to be found, how
 * outputs and targets become a loss, and which numbers score them. Training, evaluation, runs,
 * results and reports know tasks and metrics, never images and classes; a new task is one file here
 * and a line in the table. */
#ifndef BNN_MODELS_TASKS_TASK_H
#define BNN_MODELS_TASKS_TASK_H

#include "engine/base/batch.h"
#include "layers/layer.h"

typedef struct bnn_spec bnn_spec;

/* A number that scores a network. */
typedef struct bnn_metric {
    const char *key;   /* in files: "top1" */
    const char *label; /* for people, in few letters: "acc" */
    const char *name;  /* in tables: "top-1" */
    const char *title; /* in sentences: "accuracy" */
    const char *unit;  /* "%", or "" */
    int digits;        /* that are worth showing */
    int training;      /* it is followed through training, too */
    int lower_is_better;
    int below_zero; /* it may be: -100 to 100, else 0 to 100 */
    int minor;      /* behind all others; in files only, where older ones do not have it */
} bnn_metric;

#define BNN_MAX_METRICS 12
#define BNN_MAX_TARGETS 3

/* What a task has made of a list of this length: it may take long, and is asked for one by one. */
typedef struct bnn_score_memo {
    size_t listed, count;
    double *value; /* [count] */
} bnn_score_memo;

/* What has been seen so far: sums of which the metrics are functions. They add up over batches and
 * over machines, and are all that an exact resume needs. A metric that no sums tell, as of ranks,
 * has a list of numbers that grows with the samples; it is never followed through training. */
typedef struct bnn_score {
    size_t samples;
    double loss; /* sum over the samples */
    size_t count;
    double *sum;  /* [count] */
    int terms;    /* of the loss, where it has several: the last so many sums */
    int training; /* of what training follows only: nothing is listed */
    double *list; /* [listed], the task's own */
    size_t listed, list_capacity;
    bnn_score_memo *memo; /* the task's own, too */
} bnn_score;

typedef struct bnn_task {
    const char *name; /* "classify" */
    /* The fields that hold what is to be found, and the shape of each in a sample; the name of the
     * one behind the last is NULL. */
    bnn_field target[BNN_MAX_TARGETS + 1];
    int real_target;           /* it is a real number, F32 */
    int by_point;              /* of the input's rows, each has a target; not one a sample */
    int boxes;                 /* any number of boxes are to be found */
    int listed;                /* scores have lists, so samples are scored in one place */
    const bnn_metric *metrics; /* the main one first; ends with a key that is NULL */
    /* The mean loss, to be minimized. `output` is what the architecture's builder gave; a loss of
     * several terms leaves these there. */
    bnn_t (*loss)(const bnn_build *b, bnn_output *output, const bnn_t *target);
    /* How far the output is from a teacher's, and from the target; NULL: it has no teacher. */
    bnn_t (*distill)(const bnn_build *b, const bnn_output *output, bnn_t teacher, bnn_t target);
    /* How many sums a score has; of these, the first that training needs. */
    size_t (*sums)(const bnn_spec *spec);
    size_t training_sums;
    /* Adds batch->n samples with the network's main output; the loss, too, if `with_loss` (in
     * training the graph has it). */
    bnn_code (*add)(const bnn_spec *spec, const bnn_batch *batch, const float *output,
                    int with_loss, bnn_score *score, bnn_error *err);
    /* metrics[metric] of what has been added; NAN where there is nothing to say. */
    double (*value)(const bnn_spec *spec, const bnn_score *score, int metric);
    /* The kinds of samples that are told apart (classes, categories), and of each its samples and
     * the part of them that is right, in percent; NAN where there are none. A name ends at `:`, a
     * line's end or the text's. NULL: there are no kinds. */
    int (*groups)(const bnn_spec *spec);
    double (*group)(const bnn_spec *spec, const bnn_score *score, int group, const char **name,
                    double *samples);
    /* Of a group BNN_CURVE_POINTS values: what precision is left at a recall of 0, .01 ... 1
     * (average_precision.h); NULL where memory is out. The hook is NULL if there are no curves. */
    const double *(*curve)(const bnn_spec *spec, const bnn_score *score, int group);
    int grouped;   /* the number of the metric that `group` tells of each */
    int confusion; /* sums from this number on are [classes][classes], label by prediction; or 0 */
} bnn_task;

extern const bnn_task *const bnn_tasks[]; /* NULL-terminated */
const bnn_task *bnn_task_find(const char *name);
int bnn_metric_count(const bnn_task *task);
enum { BNN_METRIC_TEXT = 32 };
/* "12.34%"; "-" where there is nothing to say. Returns `text`. */
const char *bnn_metric_text(const bnn_metric *metric, double value, char text[BNN_METRIC_TEXT]);
/* Is `value` of this metric better than `than`? Never if it is NAN; always, if that is. */
int bnn_metric_better(const bnn_metric *metric, double value, double than);

/* An empty score, of what training follows or of all; free its sums with bnn_score_free. */
bnn_code bnn_score_create(const bnn_task *task, const bnn_spec *spec, int training,
                          bnn_score *score, bnn_error *err);
void bnn_score_reset(bnn_score *score);
/* Adds the terms of the mean loss of so many samples; the mean of one over all samples. */
void bnn_score_add_terms(bnn_score *score, const float *term, size_t samples);
double bnn_score_term(const bnn_score *score, int term);
/* Lists numbers; what is listed stays as it is if memory is out. */
bnn_code bnn_score_append(bnn_score *score, const double *values, size_t count, bnn_error *err);
void bnn_score_free(bnn_score *score);

/* Values of a detection: box (x1 y1 x2 y2, in pixels of the input), score, class (-1: none). */
enum { BNN_DETECTION = 6 };

/* What one row of outputs says about a label. */
typedef struct bnn_ranking {
    int predicted; /* the first largest */
    int rank;      /* of the label: 0 is best */
    double loss;   /* cross-entropy */
} bnn_ranking;
bnn_ranking bnn_rank(const float *logits, int classes, int label);

/* The first largest of `count` values from the one of class `first` on. */
int bnn_largest(const float *logits, int first, int count);
/* What a sample of this class is told apart from: how many classes, from *first on. Of points, the
 * parts of its category, which is given; of other samples, all classes. */
int bnn_parts_beside(const bnn_spec *spec, int class, int *first);

/* The correlation of `n` pairs of numbers by their sums (Pearson's); NAN where one of both does not
 * vary. */
double bnn_correlation(double n, double x, double y, double xx, double yy, double xy);
/* out[n]: the rank of each of x[n], from 1; equal values share the mean of their ranks. Pearson's
 * correlation of ranks is Spearman's. */
bnn_code bnn_average_ranks(size_t n, const double *x, double *out, bnn_error *err);
/* Matthews' correlation of labels and predictions, for any number of classes (Gorodkin, "Comparing
 * two K-category assignments by a K-category correlation coefficient", 2004); 0 where one of both
 * does not vary. confusion[classes][classes]: label by prediction. */
double bnn_matthews(const double *confusion, int classes);
/* The harmonic mean of precision and recall of class 1; 0 where nothing of it was found. */
double bnn_f1(const double *confusion, int classes);

/* The mean intersection over union of `parts` part numbers from `first` on, over the n points of
 * one shape; a part that is neither there nor predicted counts as 1 (Qi et al., PointNet, CVPR
 * 2017, 5.2). */
double bnn_part_iou(size_t n, const int32_t *predicted, const int32_t *label, int first, int parts);

#endif
