/* The rows of the table of tasks. */
#ifndef BNN_MODELS_TASKS_TABLES_H
#define BNN_MODELS_TASKS_TABLES_H

#include "models/tasks/task.h"

extern const bnn_task bnn_task_classify, bnn_task_classify_shapes, bnn_task_keywords,
    bnn_task_segment;

/* The sums of the classifying tasks: right, right among five, then the confusion matrix, a row a
 * class. */
enum { BNN_SUM_TOP1, BNN_SUM_TOP5, BNN_SUM_CONFUSION };

#endif
