/* A stream on a GPU: what device.c keeps of it, for the files that call CUDA's libraries. */
#ifndef BNN_CUDA_QUEUE_H
#define BNN_CUDA_QUEUE_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "cuda/cuda.h"
#include "cuda/nccl.h"

/* Errors come later than the calls; the first of either kind is kept, and `finish` tells it. */
typedef struct bnn_cuda_queue {
    cudaStream_t stream;
    void *scratch;
    cublasHandle_t blas; /* NULL before the first matrix */
    bnn_nccl *nccl;      /* NULL before ranks join */
    cudaError_t error;
    cublasStatus_t blas_error;
} bnn_cuda_queue;

/* Of a stream, whose GPU the calling thread has chosen when this returns. */
bnn_cuda_queue *bnn_cuda_queue_of(const bnn_stream *stream);

/* matmul.c: bnn_cublas_multiply. */
bnn_code bnn_cuda_multiply(const bnn_stream *stream, const bnn_cublas_product *product,
                           const void *a, const void *b, void *c, bnn_error *err);

#endif
