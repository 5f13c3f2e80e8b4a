/* What libbnn-cuda.so offers: one struct, `bnn_cuda_library`. It is opened by the program it was
 * built with, or not at all. */
#ifndef BNN_CUDA_LIBRARY_H
#define BNN_CUDA_LIBRARY_H

#include "cuda/cuda.h"

typedef struct bnn_cuda_entry {
    const char *version; /* BNN_VERSION */
    /* Sizes of this, and of the tables it was built with. */
    size_t entry_bytes, kernels_bytes, device_ops_bytes;
    bnn_code (*count)(int *count, bnn_error *err); /* bnn_cuda_count */
    /* `enter` and `leave` are those of `host`. */
    bnn_code (*open)(int index, const bnn_device_ops *host, bnn_device *device, bnn_error *err);
    bnn_code (*multiply)(const bnn_stream *stream, const bnn_cublas_product *product, const void *a,
                         const void *b, void *c, bnn_error *err); /* bnn_cublas_multiply */
} bnn_cuda_entry;

#define BNN_CUDA_ENTRY "bnn_cuda_library"

#endif
