/* A run's folder: config.json, metrics.csv (a row an epoch), steps.jsonl (a line a step),
 * sessions.jsonl (a line a start), last.safetensors, best.safetensors, and on demand events for
 * TensorBoard (events.h). What was logged behind the
 * checkpoint that is resumed from is cut off, so that a resumed run's files continue as if it had
 * never stopped. */
#ifndef BNN_TOOLS_RUN_RUN_FOLDER_H
#define BNN_TOOLS_RUN_RUN_FOLDER_H

#include <stdint.h>
#include <stdio.h>

#include "models/tasks/task.h"
#include "tools/cli/lock.h"
#include "tools/run/run_data.h"

/* What one epoch came to; the metrics in the task's order. */
typedef struct bnn_epoch_scores {
    double lr, train_loss, test_loss, best;
    double terms[BNN_MAX_TERMS];   /* of the training's loss, where it has several */
    double train[BNN_MAX_METRICS]; /* of those that are followed in training */
    double test[BNN_MAX_METRICS];
} bnn_epoch_scores;

typedef struct bnn_run_folder {
    char path[4096];
    const bnn_task *task;
    const char *const *losses; /* what the terms of its loss are called, NULL behind the last */
    FILE *metrics, *steps;
    uint64_t lost; /* of a run that was opened again: epochs of which metrics.csv told nothing */
    int unflushed; /* lines of steps.jsonl still in memory, and since when */
    double flushed;
    bnn_lock lock;
} bnn_run_folder;

/* The names of its files, NULL-terminated. */
extern const char *const bnn_run_files[];

/* A run's folder belongs to one process: taken before anything in it is read, removed or written.
 * `path` must exist. */
bnn_code bnn_run_lock(bnn_lock *lock, const char *path, bnn_error *err);

/* PATH/NAME into out; an error if it does not fit. */
bnn_code bnn_run_file(const bnn_run_folder *run, const char *name, char *out, size_t bytes,
                      bnn_error *err);
/* Makes the folder and new log files, and config.json (atomic). Refuses a folder that already holds
 * a run (last.safetensors, or the best), with a message that names --resume and --overwrite, unless
 * `overwrite`. Locks it, and checks that it can be written to, before any training. */
bnn_code bnn_run_create(bnn_run_folder *run, const char *path, const bnn_task *task,
                        const char *const *losses, const char *config_json, int overwrite,
                        bnn_error *err);
/* Opens the logs of an existing folder, which the caller has locked, to append, first cutting
 * metrics.csv to its header and the rows of epochs < `epochs`, and steps.jsonl to the lines of
 * steps < `steps` (its "step" field counts from 0). The logs end at the first line that is damaged
 * or does not follow the one before it; missing logs are started anew. */
bnn_code bnn_run_reopen(bnn_run_folder *run, const char *path, const bnn_task *task,
                        const char *const *losses, uint64_t epochs, uint64_t steps, bnn_error *err);
/* Writes config.json (atomic) anew. */
bnn_code bnn_run_configure(const bnn_run_folder *run, const char *config_json, bnn_error *err);
/* The first line of metrics.csv: epoch,lr,train_loss,train_loss_TERM...,train_METRIC...,test_loss,
 * test_METRIC...,best_METRIC of the main one. `losses`, here and above: the names of its loss's
 * terms (bnn_arch), or NULL. */
#define BNN_METRICS_HEADER_BYTES 512
/* Without minor metrics, as in older runs, if `older`. */
void bnn_metrics_header(const bnn_task *task, const char *const *losses, int older,
                        char header[BNN_METRICS_HEADER_BYTES]);
/* One row; `epoch` counts from 0 and is the first column. Flushed. No times here: the file of a
 * resumed run equals that of an uninterrupted one byte for byte. */
bnn_code bnn_run_log_epoch(bnn_run_folder *run, uint64_t epoch, const bnn_epoch_scores *scores,
                           bnn_error *err);
/* {"step":..,"epoch":..,"loss":..,"loss_TERM":..,METRIC:..,"lr":..,"seconds":..,"SAMPLES_per_second":..};
 * of the metrics those that are followed in training. */
bnn_code bnn_run_log_step(bnn_run_folder *run, uint64_t step, uint64_t epoch, double loss,
                          const double terms[BNN_MAX_TERMS], const double metrics[BNN_MAX_METRICS],
                          double lr, double seconds, const char *samples, double per_second,
                          bnn_error *err);
/* Appends to sessions.jsonl: from step `step` on the run goes on this machine, with these kernels,
 * threads and data; of several ranks there is their number, too.
 * {"step":..,"isa":..,"threads":..,"ranks":..,"cpu":..,"train_data":..,"test_data":..} */
bnn_code bnn_run_log_session(const bnn_run_folder *run, uint64_t step, const char *isa, int threads,
                             int ranks, const bnn_run_data *data, bnn_error *err);
/* Brings the logs to the disk. Called before a checkpoint is written, so that no log lags behind
 * the checkpoint a killed run is resumed from. */
bnn_code bnn_run_flush(bnn_run_folder *run, bnn_error *err);
void bnn_run_close(bnn_run_folder *run);

#endif
