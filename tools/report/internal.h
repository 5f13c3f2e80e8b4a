/* What the files of the report's pages share. */
#ifndef BNN_TOOLS_REPORT_INTERNAL_H
#define BNN_TOOLS_REPORT_INTERNAL_H

#include "tools/report/page.h"

/* Sections. */
bnn_code bnn_report_curves(FILE *out, const bnn_report_run *runs, size_t count, bnn_error *err);
bnn_code bnn_report_examples(FILE *out, const bnn_results *r, bnn_error *err); /* or nothing */
/* Of networks that find boxes: precision by recall of each class; or nothing. */
void bnn_report_precision(FILE *out, const bnn_results *r);
void bnn_report_heat_map(FILE *out, const bnn_report_run *run);
void bnn_report_corruption_means(FILE *out, const bnn_report_run *runs, size_t count);
void bnn_report_robustness(FILE *out, const bnn_robustness *r, const char *why_not);

/* Means of runs that differ by their seed; nothing if there are none. */
void bnn_report_seeds(FILE *out, const bnn_report_run *runs, size_t count);

/* A column's heading for each run. */
void bnn_report_run_columns(FILE *out, const bnn_report_run *runs, size_t count);
double bnn_report_best(const bnn_report_run *run); /* test top-1; NAN: none yet */

#endif
