/* OpenBLAS's sgemm as a baseline. It is no dependency: it is looked for at run time, in the process
 * that measures it. */
#ifndef BNN_TOOLS_BENCH_BLAS_H
#define BNN_TOOLS_BENCH_BLAS_H

#include "tools/bench/worker.h"

/* c[m][n] = a * b over k; a is [m][k], or [k][m] if transposed, b likewise [k][n] or [n][k]; as
 * many of them as the convolution has groups, one behind the other. */
typedef struct bnn_sgemm {
    int m, n, k, transpose_a, transpose_b, groups, threads;
} bnn_sgemm;

/* `product` must outlive the work. Absent where there is no OpenBLAS. */
bnn_work bnn_sgemm_work(bnn_sgemm *product);

#endif
