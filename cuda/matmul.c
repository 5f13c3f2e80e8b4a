/* Products of float matrices, by cuBLAS. */
#include "cuda/conv.h"
#include "cuda/queue.h"

/* Made when it is first needed: networks of bits alone never do. */
static cublasStatus_t open_blas(bnn_cuda_queue *q) {
    if (q->blas) {
        return CUBLAS_STATUS_SUCCESS;
    }
    cublasStatus_t status = cublasCreate(&q->blas);
    return status == CUBLAS_STATUS_SUCCESS ? cublasSetStream(q->blas, q->stream) : status;
}

static cublasComputeType_t compute_of(bnn_precision precision) {
    switch (precision) {
    case BNN_PRECISION_BF16:
        return CUBLAS_COMPUTE_32F_FAST_16BF;
    case BNN_PRECISION_TF32:
        return CUBLAS_COMPUTE_32F_FAST_TF32;
    case BNN_PRECISION_FP32:
        break;
    }
    return CUBLAS_COMPUTE_32F;
}

/* cuBLAS has columns side by side where we have rows: it sees all three matrices transposed, and
 * their product in the other order. */
void bnn_cuda_matmul(const bnn_stream *stream, int transposed, size_t m, size_t n, size_t k,
                     const float *a, const float *b, float *c, int acc) {
    bnn_cuda_queue *q = bnn_cuda_queue_of(stream);
    const float one = 1.0f, before = acc ? 1.0f : 0.0f;
    const int64_t rows = (int64_t)m, columns = (int64_t)n, terms = (int64_t)k;
    cublasStatus_t status = open_blas(q);
    if (status == CUBLAS_STATUS_SUCCESS) {
        status = cublasGemmEx_64(q->blas, CUBLAS_OP_N, transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                                 columns, rows, terms, &one, b, CUDA_R_32F, columns, a, CUDA_R_32F,
                                 transposed ? rows : terms, &before, c, CUDA_R_32F, columns,
                                 compute_of(stream->device.precision), CUBLAS_GEMM_DEFAULT);
    }
    q->blas_error = q->blas_error == CUBLAS_STATUS_SUCCESS ? status : q->blas_error;
}

/* ---- for comparisons ---- */

bnn_code bnn_cuda_multiply(const bnn_stream *stream, const bnn_cublas_product *product,
                           const void *a, const void *b, void *c, bnn_error *err) {
    static const int32_t whole[2] = {1, 0};
    static const float real[2] = {1.0f, 0.0f};
    static const struct {
        cudaDataType_t operand, result;
        cublasComputeType_t compute;
        const void *one, *zero;
    } kinds[] = {
        [BNN_CUBLAS_INT8] = {CUDA_R_8I, CUDA_R_32I, CUBLAS_COMPUTE_32I, &whole[0], &whole[1]},
        [BNN_CUBLAS_FP16] = {CUDA_R_16F, CUDA_R_16F, CUBLAS_COMPUTE_32F, &real[0], &real[1]},
        [BNN_CUBLAS_TF32] = {CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32, &real[0],
                             &real[1]}};
    bnn_cuda_queue *q = bnn_cuda_queue_of(stream);
    const int64_t m = (int64_t)product->m, n = (int64_t)product->n, k = (int64_t)product->k;
    cublasStatus_t status = open_blas(q);
    if (status == CUBLAS_STATUS_SUCCESS) {
        status =
            cublasGemmEx_64(q->blas, CUBLAS_OP_T, CUBLAS_OP_N, n, m, k, kinds[product->kind].one, b,
                            kinds[product->kind].operand, k, a, kinds[product->kind].operand, k,
                            kinds[product->kind].zero, c, kinds[product->kind].result, n,
                            kinds[product->kind].compute, CUBLAS_GEMM_DEFAULT);
    }
    return status == CUBLAS_STATUS_SUCCESS
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_UNSUPPORTED, "cuBLAS has no product of %zu x %zu x %zu: %s",
                          product->m, product->n, product->k, cublasGetStatusString(status));
}
