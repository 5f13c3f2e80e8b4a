/* The file of a network's results: what bnn-eval writes, while it works and at its end, goes on
 * with when it was interrupted, and what bnn-report reads. A file that was read is written again
 * byte for byte. */
#ifndef BNN_TOOLS_RUN_RESULTS_H
#define BNN_TOOLS_RUN_RESULTS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "data_loaders/corruption/corruption.h"
#include "engine/base/arena.h"
#include "models/tasks/average_precision.h"
#include "models/tasks/task.h"
#include "tools/run/examples.h"

/* Its name in a run's folder. */
#define BNN_RESULTS_FILE "results.json"
#define BNN_NOT_DONE (-1)

/* One of the task's groups: a class, a category. */
typedef struct bnn_class_result {
    const char *name;
    int64_t samples;
    double value; /* percent; NAN where there are no samples */
    /* [BNN_CURVE_POINTS], precision by recall in thousandths (models/tasks/task.h), or NULL */
    int16_t *curve;
} bnn_class_result;

/* One corruption, a row of cells. */
typedef struct bnn_corruption_result {
    int kind; /* of bnn_corruption_names */
    /* What the images are ("seed 0", "file 1a2b3c4d"): rows of different sources do not compare. */
    const char *source;
    int64_t images;                  /* of each severity */
    int64_t correct[BNN_SEVERITIES]; /* BNN_NOT_DONE: not wanted, or not evaluated yet */
} bnn_corruption_result;

typedef struct bnn_results {
    bnn_arena *arena; /* of the texts and lists */
    const char *model, *checksum /* of its file */, *arch, *algo, *data, *isa;
    int packed;
    const bnn_task *task;
    int64_t samples; /* clean, as all up to the rows */
    double metric[BNN_MAX_METRICS], loss;
    size_t class_count;
    bnn_class_result *classes;
    int64_t *confusion;    /* [class_count][class_count], label by prediction, or NULL */
    bnn_examples examples; /* none in older files */
    int wanted[BNN_SEVERITIES];
    size_t row_count; /* 0: only the clean images were asked for */
    bnn_corruption_result rows[BNN_CORRUPTION_KINDS];
} bnn_results;

/* `name` is for messages; text from the file may be quoted. Free in any case. */
bnn_code bnn_results_parse(const char *name, const char *json, size_t bytes, bnn_results *out,
                           bnn_error *err);
bnn_code bnn_results_read(const char *path, bnn_results *out, bnn_error *err);
/* Atomic: the file is whole at any moment. */
bnn_code bnn_results_write(const char *path, const bnn_results *results, bnn_error *err);
void bnn_results_free(bnn_results *results);
/* Of the file `model`. */
bnn_code bnn_results_checksum(bnn_results *results, bnn_error *err);

/* Takes over from `old`, read from `path`, the cells that `now` is about to evaluate; if `now` has
 * no corruptions, all of them as they are. What is another evaluation's is refused, never mixed in
 * and never lost: another network, data set, instruction set, number of samples or source, or cells
 * that `now` does not want. `old` must outlive `now`. */
bnn_code bnn_results_continue(bnn_results *now, const bnn_results *old, const char *path,
                              bnn_error *err);
/* When the clean images have been evaluated: does `old`, if it had cells, say the same of them? */
bnn_code bnn_results_same_score(const bnn_results *now, const bnn_results *old, const char *path,
                                bnn_error *err);

/* A number as the file will say it, so that what follows from it is the same before and after. */
double bnn_results_as_written(double value);
/* Top-1 in percent; NAN where it is not done. */
double bnn_results_cell(const bnn_corruption_result *row, int severity);
/* Over the severities that are wanted; NAN while one of them is not done. */
double bnn_results_row_mean(const bnn_results *results, const bnn_corruption_result *row);
/* Mean of the rows; NAN while one is not done, or there are none. */
double bnn_results_mean(const bnn_results *results);
const bnn_corruption_result *bnn_results_row(const bnn_results *results, int kind); /* or NULL */
/* Cells that are wanted: all of them, and those done. */
size_t bnn_results_cells(const bnn_results *results, size_t *done);
/* Percent of `whole`; NAN if that is 0: nothing is known then. */
double bnn_percent(int64_t part, int64_t whole);

#endif
