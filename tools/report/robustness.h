/* BiBench's robustness track: what binary networks lose on corrupted images, beside what their
 * float twins lose. A twin has the same architecture and data set. */
#ifndef BNN_TOOLS_REPORT_ROBUSTNESS_H
#define BNN_TOOLS_REPORT_ROBUSTNESS_H

#include <jansson.h>

#include "tools/report/report_run.h"
#include "tools/tracks/tracks.h"

#define BNN_MAX_RUNS 64

/* A run in percent, [the list's corruptions]. Without a twin (a float run) the errors are NAN. */
typedef struct bnn_robust_run {
    const bnn_report_run *run;
    const struct bnn_robust_run *twin;
    double clean;
    double gap[BNN_CORRUPTION_KINDS]; /* clean minus the mean over severities */
    double mean_gap;
    /* Of Hendrycks and Dietterich: the sum of the errors over severities, divided by the twin's;
     * in percent, NAN if the twin has none. */
    double error[BNN_CORRUPTION_KINDS];
    double mean_error;
} bnn_robust_run;

/* All runs of one algorithm on one data set: BiBench's overall metric is of an algorithm, from
 * accuracies averaged over architectures. */
typedef struct bnn_robust_algorithm {
    const char *algo, *data;
    size_t architectures;
    double gap[BNN_CORRUPTION_KINDS], float_gap[BNN_CORRUPTION_KINDS];
    double ratio[BNN_CORRUPTION_KINDS]; /* float / binary; NAN: a gap is not positive (below) */
    /* sqrt(mean of ratio^2). The ratio says nothing where the binary network loses no accuracy, or
     * its twin gains some: then there is no metric (NAN), only one over the other corruptions. */
    double metric, metric_of_defined;
    size_t defined;
} bnn_robust_algorithm;

typedef struct bnn_robustness {
    bnn_corruption_list list;
    size_t run_count, algorithm_count;
    bnn_robust_run runs[BNN_MAX_RUNS];
    bnn_robust_algorithm algorithms[BNN_MAX_RUNS];
} bnn_robustness;

/* Refuses runs that cannot be compared: without a twin (or with two), evaluated on other images. */
bnn_code bnn_robustness_compute(const bnn_report_run *runs, size_t count,
                                const bnn_corruption_list *list, bnn_robustness *out,
                                bnn_error *err);
void bnn_robustness_print(const bnn_robustness *r, FILE *out);
/* NULL when memory is out. */
json_t *bnn_robustness_json(const bnn_robustness *r);

#endif
