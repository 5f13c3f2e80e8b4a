/* A run as the reports need it: its folder read and checked. */
#ifndef BNN_TOOLS_REPORT_REPORT_RUN_H
#define BNN_TOOLS_REPORT_REPORT_RUN_H

#include "tools/corrupt/corruption_list.h"
#include "tools/run/results.h"
#include "tools/run/run_record.h"

typedef struct bnn_report_run {
    const char *path; /* the folder */
    bnn_arena *arena;
    bnn_run_config config;
    const bnn_task *task;
    bnn_metrics metrics;
    bnn_step_seconds step; /* NAN: unknown */
    int evaluated;         /* there are results */
    bnn_results results;
} bnn_report_run;

/* Missing curves and results are none; damaged ones, or of another network, are an error. Close it
 * in any case. */
bnn_code bnn_report_run_open(const char *path, bnn_report_run *out, bnn_error *err);
void bnn_report_run_close(bnn_report_run *run);
int bnn_report_run_is_float(const bnn_report_run *run);
/* Is it of images, which can be corrupted? */
int bnn_report_run_has_corruptions(const bnn_report_run *run);
/* An error with the command that evaluates them, unless the run's results hold these corruptions,
 * whole. */
bnn_code bnn_report_run_need(const bnn_report_run *run, const bnn_corruption_list *list,
                             bnn_error *err);

#endif
