/* NVIDIA GPUs as devices: the kernels of this folder are a library of their own, libbnn-cuda.so,
 * which is opened when a GPU is first asked for. */
#ifndef BNN_CUDA_CUDA_H
#define BNN_CUDA_CUDA_H

#include "engine/base/status.h"
#include "engine/device.h"

/* GPU `index` as CUDA counts them. Fails with one line that says what is missing: the library, the
 * driver, the GPU. Streams of it may be used by one thread at a time. */
bnn_code bnn_cuda_device(int index, bnn_device *device, bnn_error *err);

/* GPUs of this machine, at least one; fails likewise. */
bnn_code bnn_cuda_count(int *count, bnn_error *err);

/* What products of bits are compared with. */
typedef enum bnn_cublas_kind {
    BNN_CUBLAS_INT8, /* sums are int32 */
    BNN_CUBLAS_FP16, /* sums are float, results fp16 */
    BNN_CUBLAS_TF32, /* of floats */
    BNN_CUBLAS_KINDS
} bnn_cublas_kind;

typedef struct bnn_cublas_product {
    bnn_cublas_kind kind;
    size_t m, n, k;
} bnn_cublas_product;

/* c[m][n] = a b' by cuBLAS, where a is [m][k] and b [n][k], on a stream of a GPU, whose memory they
 * are. UNSUPPORTED where cuBLAS has no such product (of int8 n and k are to be multiples of four).
 */
bnn_code bnn_cublas_multiply(const bnn_stream *stream, const bnn_cublas_product *product,
                             const void *a, const void *b, void *c, bnn_error *err);

#endif
