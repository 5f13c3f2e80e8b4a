/* report.html: what a run, or several side by side, have come to. */
#ifndef BNN_TOOLS_REPORT_PAGE_H
#define BNN_TOOLS_REPORT_PAGE_H

#include <stdio.h>

#include "tools/report/report_run.h"
#include "tools/report/robustness.h"

/* `robustness` is NULL where there is nothing to compare; `why_not`, one line, is shown instead. */
bnn_code bnn_report_page_run(FILE *out, const bnn_report_run *run, const bnn_robustness *robustness,
                             bnn_error *err);
bnn_code bnn_report_page_compare(FILE *out, const bnn_report_run *runs, size_t count,
                                 const bnn_robustness *robustness, const char *why_not,
                                 bnn_error *err);

#endif
