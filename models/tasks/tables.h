/* The rows of the table of tasks. */
#ifndef BNN_MODELS_TASKS_TABLES_H
#define BNN_MODELS_TASKS_TABLES_H

#include "models/tasks/task.h"

extern const bnn_task bnn_task_classify, bnn_task_classify_shapes, bnn_task_keywords,
    bnn_task_segment, bnn_task_acceptability, bnn_task_classify_text, bnn_task_paraphrase,
    bnn_task_similarity, bnn_task_detect, bnn_task_detect_coco;

/* The sums of the classifying tasks: right, right among five, then a row a class: of the confusion
 * matrix, or, where the task tells none, how many are wrong and how many right. */
enum { BNN_SUM_TOP1, BNN_SUM_TOP5, BNN_SUM_CONFUSION };

/* The sum of the terms that a detector's builder makes of boxes, classes, and which to ignore. */
bnn_t bnn_detect_loss(const bnn_build *b, bnn_output *output, const bnn_t *target);

/* What they have in common. */
bnn_t bnn_classify_loss(const bnn_build *b, bnn_output *output, const bnn_t *target);
bnn_t bnn_classify_distill(const bnn_build *b, const bnn_output *output, bnn_t teacher,
                           bnn_t target);
size_t bnn_classify_sums(const bnn_spec *spec);
bnn_code bnn_classify_add(const bnn_spec *spec, const bnn_batch *batch, const float *output,
                          int with_loss, bnn_score *score, bnn_error *err);
int bnn_classify_groups(const bnn_spec *spec);
double bnn_classify_group(const bnn_spec *spec, const bnn_score *score, int class,
                          const char **name, double *samples);
double bnn_classify_accuracy(const bnn_score *score); /* percent */
#define BNN_TARGET_CLASS                                                                           \
    {                                                                                              \
        "class", BNN_I32, {                                                                        \
            1, 1, 1, 1                                                                             \
        }                                                                                          \
    }
#define BNN_CLASSIFY                                                                               \
    .target = {BNN_TARGET_CLASS}, .loss = bnn_classify_loss, .distill = bnn_classify_distill,      \
    .sums = bnn_classify_sums, .training_sums = BNN_SUM_CONFUSION, .add = bnn_classify_add,        \
    .groups = bnn_classify_groups, .group = bnn_classify_group

#endif
