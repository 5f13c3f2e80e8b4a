/* The statistics of a benchmark. */
#ifndef BNN_TOOLS_BENCH_STATS_H
#define BNN_TOOLS_BENCH_STATS_H

#include <stddef.h>

/* Of n >= 1 values, which it sorts; the mean of the middle two where n is even. */
double bnn_median(double *values, size_t n);
/* Of n >= 1 values. */
double bnn_least(const double *values, size_t n);
/* Of n >= 1 positive values. */
double bnn_geometric_mean(const double *values, size_t n);

#endif
