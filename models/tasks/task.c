/* The table of tasks, and what their scores have in common. */
#include "models/tasks/task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"
#include "models/tasks/tables.h"

const bnn_task *const bnn_tasks[] = {&bnn_task_classify,
                                     &bnn_task_classify_shapes,
                                     &bnn_task_keywords,
                                     &bnn_task_segment,
                                     &bnn_task_acceptability,
                                     &bnn_task_classify_text,
                                     &bnn_task_paraphrase,
                                     &bnn_task_similarity,
                                     &bnn_task_detect,
                                     &bnn_task_detect_coco,
                                     NULL};

const bnn_task *bnn_task_find(const char *name) {
    for (size_t i = 0; bnn_tasks[i]; i++) {
        if (strcmp(bnn_tasks[i]->name, name) == 0) {
            return bnn_tasks[i];
        }
    }
    return NULL;
}

int bnn_metric_count(const bnn_task *task) {
    int count = 0;
    while (task->metrics[count].key) {
        count++;
    }
    return count;
}

const char *bnn_metric_text(const bnn_metric *m, double value, char text[BNN_METRIC_TEXT]) {
    if (isnan(value)) {
        snprintf(text, BNN_METRIC_TEXT, "-");
    } else {
        snprintf(text, BNN_METRIC_TEXT, "%.*f%.4s", m->digits, value, m->unit);
    }
    return text;
}

int bnn_metric_better(const bnn_metric *metric, double value, double than) {
    return !isnan(value) &&
           (isnan(than) || (metric->lower_is_better ? value < than : value > than));
}

bnn_code bnn_score_create(const bnn_task *task, const bnn_spec *spec, int training,
                          bnn_score *score, bnn_error *err) {
    *score = (bnn_score){.count = training ? task->training_sums : task->sums(spec),
                         .training = training};
    for (; training && spec->arch && spec->arch->losses[score->terms]; score->terms++) {
        score->count++;
    }
    score->sum = calloc(score->count + 1, sizeof *score->sum);
    score->memo = calloc(1, sizeof *score->memo);
    return score->sum && score->memo
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the scores");
}

bnn_code bnn_score_append(bnn_score *score, const double *values, size_t count, bnn_error *err) {
    if (score->list_capacity - score->listed < count) {
        size_t larger = 2 * score->list_capacity + count + 256;
        double *list = reallocarray(score->list, larger, sizeof *list);
        if (!list) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the scores of the samples");
        }
        score->list = list;
        score->list_capacity = larger;
    }
    memcpy(score->list + score->listed, values, count * sizeof *values);
    score->listed += count;
    return BNN_OK;
}

void bnn_score_reset(bnn_score *score) {
    score->samples = 0;
    score->loss = 0.0;
    score->listed = 0;
    if (score->memo) {
        score->memo->count = 0;
    }
    memset(score->sum, 0, score->count * sizeof *score->sum);
}

void bnn_score_add_terms(bnn_score *score, const float *term, size_t samples) {
    for (int i = 0; i < score->terms; i++) {
        score->sum[score->count - (size_t)score->terms + (size_t)i] +=
            (double)term[i] * (double)samples;
    }
}

double bnn_score_term(const bnn_score *score, int term) {
    return score->sum[score->count - (size_t)score->terms + (size_t)term] / (double)score->samples;
}

void bnn_score_free(bnn_score *score) {
    free(score->sum);
    free(score->list);
    if (score->memo) {
        free(score->memo->value);
    }
    free(score->memo);
    *score = (bnn_score){0};
}

bnn_ranking bnn_rank(const float *logits, int classes, int label) {
    bnn_ranking r = {0, 0, 0.0};
    double sum = 0.0;
    for (int c = 1; c < classes; c++) {
        r.predicted = logits[c] > logits[r.predicted] ? c : r.predicted;
    }
    for (int c = 0; c < classes; c++) {
        sum += exp((double)logits[c] - (double)logits[r.predicted]);
        r.rank += logits[c] > logits[label] || (logits[c] == logits[label] && c < label);
    }
    r.loss = log(sum) + (double)logits[r.predicted] - (double)logits[label];
    return r;
}
