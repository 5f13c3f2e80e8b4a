/* cuBLAS's products as baselines of a GPU's. */
#ifndef BNN_TOOLS_BENCH_CUBLAS_H
#define BNN_TOOLS_BENCH_CUBLAS_H

#include "cuda/cuda.h"
#include "tools/bench/worker.h"
#include "tools/run/device.h"

typedef struct bnn_cublas {
    const bnn_device_choice *where;
    bnn_cublas_product product;
} bnn_cublas;

extern const char *const bnn_cublas_names[BNN_CUBLAS_KINDS]; /* "cuBLAS int8", ... */

/* `product` must outlive the work. Absent where cuBLAS has no such product. */
bnn_work bnn_cublas_work(bnn_cublas *product);

#endif
