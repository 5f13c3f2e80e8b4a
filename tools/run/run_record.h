/* What a run's folder tells of the run, for those who report on it: its arguments, its curves, its
 * seconds a step. The files may have been edited, or be of another version. */
#ifndef BNN_TOOLS_RUN_RUN_RECORD_H
#define BNN_TOOLS_RUN_RUN_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/arena.h"
#include "models/tasks/task.h"

/* Of config.json; NULL or -1: not mentioned. */
typedef struct bnn_run_config {
    const char *algo, *arch, *data, *data_dir, *optimizer, *scheduler;
    int64_t epochs, batch_size, seed, limit_train;
    double lr;
    /* All that its result depends on but the seed, as one text; of weights that it began with, or a
     * teacher, only that there were some, as each seed may have its own. */
    const char *but_seed;
} bnn_run_config;

/* metrics.csv; the columns are those of the run's task. */
typedef struct bnn_metrics {
    const char *const *column; /* [columns], the names in the first line */
    size_t columns, count;
    double *value; /* [count][columns]; NAN: not measured. The first column, epoch, rises */
} bnn_metrics;

/* The number of the column of this name, or -1. */
int bnn_metrics_column(const bnn_metrics *metrics, const char *name);

/* `name` is for messages. algo, arch and data must be there. Texts and lists live in the arena. */
bnn_code bnn_run_config_parse(const char *name, const char *json, size_t bytes, bnn_arena *arena,
                              bnn_run_config *out, bnn_error *err);
bnn_code bnn_run_config_read(const char *folder, bnn_arena *arena, bnn_run_config *out,
                             bnn_error *err);
/* The first line must be that of the run's task. A last line without its end, as a kill leaves it,
 * is passed over. */
bnn_code bnn_metrics_parse(const char *name, const char *csv, size_t bytes, const bnn_task *task,
                           const char *const *losses, bnn_arena *arena, bnn_metrics *out,
                           bnn_error *err);
bnn_code bnn_metrics_read(const char *folder, const bnn_task *task, const char *const *losses,
                          bnn_arena *arena, bnn_metrics *out, bnn_error *err);
/* The steps' seconds in steps.jsonl; NAN where there is none. */
typedef struct bnn_step_seconds {
    double median, total;
} bnn_step_seconds;
bnn_code bnn_step_seconds_parse(const char *name, const char *lines, size_t bytes,
                                bnn_step_seconds *out, bnn_error *err);
bnn_code bnn_step_seconds_read(const char *folder, bnn_step_seconds *out, bnn_error *err);

#endif
