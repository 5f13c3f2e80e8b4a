/* BiBench's six tracks of a sweep: its cells read, numbers put into tables, a page made of them.
 *
 * What the article leaves open, or could not be seen of it, is an option:
 *  - E of a group is the mean of ratios, or the ratio of means;
 *  - a spread is of a population, or estimated from a sample; seeds are configurations like others,
 *    or repetitions that are averaged first;
 *  - a corruption is a task with its severities averaged, or each severity is one; which
 * corruptions;
 *  - scales of channels are folded away, or multiplied;
 *  - an engine that has no way to deploy an algorithm counts 0, or not. */
#ifndef BNN_TOOLS_REPORT_BIBENCH_H
#define BNN_TOOLS_REPORT_BIBENCH_H

#include "tools/corrupt/corruption_list.h"
#include "tools/report/devices.h"
#include "tools/report/report_run.h"
#include "tools/report/track_table.h"
#include "tools/run/plan_counts.h"
#include "tools/sweep/state.h"
#include "tools/tracks/tracks.h"

typedef struct bnn_bibench_options {
    bnn_mean_kind mean; /* of accuracies, time and so on; gaps are always averaged first */
    int sample_spread, mean_seeds, severities_apart, scalings, count_emulated;
    bnn_corruption_list corruptions;
} bnn_bibench_options;

/* A cell that was trained and evaluated. */
typedef struct bnn_bibench_run {
    const bnn_cell *cell;
    bnn_report_run run;
    const char *link;              /* to its page */
    const bnn_plan_counts *counts; /* or NULL */
} bnn_bibench_run;

/* All seeds of one. */
typedef struct bnn_bibench_entry {
    const bnn_cell *cell;
    size_t algorithm; /* its column */
    const bnn_bibench_run **run;
    size_t runs, capacity;
    double score, seconds;                /* means */
    const struct bnn_bibench_entry *twin; /* or NULL; its own of a float network */
} bnn_bibench_entry;

typedef struct bnn_bibench {
    bnn_arena *arena;
    bnn_bibench_options options;
    bnn_plan plan;
    const char *folder;
    bnn_bibench_run *runs;
    bnn_bibench_entry *entries;
    size_t run_count, entry_count, cells;
    const char *algorithm[64];
    size_t algorithms;
    bnn_device_table *devices;
    bnn_track_table table[BNN_TRACKS], summary;
    bnn_overall *overall[BNN_TRACKS]; /* [algorithms] */
} bnn_bibench;

/* `link_base`: how the page leads to the sweep's folder: "" or "PATH/". Free it in any case. */
bnn_code bnn_bibench_read(bnn_bibench *b, const char *folder, const char *link_base,
                          bnn_error *err);
bnn_code bnn_bibench_compute(bnn_bibench *b, bnn_error *err);
/* The pages of the runs, where they are older than what they are of. */
bnn_code bnn_bibench_write_runs(const bnn_bibench *b, bnn_error *err);
bnn_code bnn_bibench_page(const bnn_bibench *b, FILE *out, bnn_error *err);
/* DIR/TRACK.csv, .json and .tex of each table, and of the overall metrics. */
bnn_code bnn_bibench_write_tables(const bnn_bibench *b, const char *dir, bnn_error *err);
json_t *bnn_bibench_json(const bnn_bibench *b); /* NULL when memory is out */
void bnn_bibench_free(bnn_bibench *b);

/* The task that a data set is of: GLUE's are one. */
const char *bnn_bibench_task(const char *data);
/* CNN, Transformer or MLP. */
const char *bnn_bibench_kind(const char *arch);

#endif
