/* A median, since other programs only ever make a repetition slower and a mean would keep that; the
 * least, which they touch last; a geometric mean, since it is the one mean of ratios that is the
 * ratio of the means. */
#include "tools/bench/stats.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bnn_median(double *values, size_t n) {
    qsort(values, n, sizeof *values, ascending);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2.0;
}

double bnn_least(const double *values, size_t n) {
    double least = values[0];
    for (size_t i = 1; i < n; i++) {
        least = values[i] < least ? values[i] : least;
    }
    return least;
}

double bnn_geometric_mean(const double *values, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += log(values[i]);
    }
    return exp(sum / (double)n);
}
