/* The products of a convolution, by operands; kernels.h tells what they do. */
#ifndef BNN_CUDA_CONV_H
#define BNN_CUDA_CONV_H

#include "engine/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif
/* Bits times bits. */
size_t bnn_cuda_bits_bytes(const bnn_conv *s);
void bnn_cuda_bits_forward(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *x,
                           const bnn_operand *w, const bnn_result *y, void *ws);
/* Floats times bits, where these are enough to fill tiles. */
int bnn_cuda_mixed_fits(const bnn_conv *s);
size_t bnn_cuda_mixed_bytes(const bnn_conv *s);
void bnn_cuda_mixed_x(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                      const bnn_operand *w, float *gx, int acc);
void bnn_cuda_mixed_w(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                      const bnn_operand *x, float *gw, int acc, void *ws);
/* Floats times floats, or bits as floats. */
size_t bnn_cuda_float_bytes(const bnn_conv *s);
void bnn_cuda_float_forward(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *x,
                            const bnn_operand *w, const bnn_result *y);
void bnn_cuda_float_x(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                      const bnn_operand *w, float *gx, int acc);
void bnn_cuda_float_w(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                      const bnn_operand *x, float *gw, int acc, void *ws);
/* c[m][n] = or += a b, a is [m][k], or [k][m] if it is transposed;
 * b is [k][n]. A row's sums may be in an order that depends on m. */
void bnn_cuda_matmul(const bnn_stream *stream, int transposed, size_t m, size_t n, size_t k,
                     const float *a, const float *b, float *c, int acc);
#ifdef __cplusplus
}
#endif

#endif
