/* The table's entries for products: which kernel computes a convolution. */
#include "cuda/conv.h"
#include "cuda/launch.cuh"
#include "cuda/table.h"

static size_t conv_workspace(const bnn_stream *, const bnn_conv *s, int bits, int gradients) {
    size_t integers = bits ? bnn_cuda_bits_bytes(s) : 0, floats = 0;
    if (gradients) {
        floats = bits && bnn_cuda_mixed_fits(s) ? bnn_cuda_mixed_bytes(s) : bnn_cuda_float_bytes(s);
    }
    return integers > floats ? integers : floats;
}

static void conv_forward(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *x,
                         const bnn_operand *w, const bnn_result *y, void *ws) {
    if (x->b1 != NULL) {
        bnn_cuda_bits_forward(stream, s, x, w, y, ws);
    } else {
        bnn_cuda_float_forward(stream, s, x, w, y);
    }
}

/* Filters are read as they are. */
static size_t conv_prepared_bytes(const bnn_stream *, const bnn_conv *, int) {
    return 0;
}

static void conv_prepare(const bnn_stream *, const bnn_conv *, const bnn_operand *, void *,
                         void *) {}

/* A linear layer, or a convolution that is one a pixel: its gradients are products of matrices. Its
 * forward is not given away, as what becomes of a sample must not depend on how many there are. */
static int is_linear(const bnn_conv *s) {
    return s->groups == 1 && s->kh == 1 && s->kw == 1 && s->stride_h == 1 && s->stride_w == 1 &&
           s->pad_h == 0 && s->pad_w == 0;
}

static size_t rows_of(const bnn_conv *s) {
    return (size_t)s->n * (size_t)s->h * (size_t)s->w;
}

static void conv_backward_x(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                            const bnn_operand *w, float *gx, int acc, void *) {
    if (w->b1 != NULL && bnn_cuda_mixed_fits(s)) {
        bnn_cuda_mixed_x(stream, s, gy, w, gx, acc);
    } else if (w->b1 == NULL && is_linear(s)) {
        bnn_cuda_matmul(stream, 0, rows_of(s), (size_t)s->c, (size_t)s->o, gy, w->f32, gx, acc);
    } else {
        bnn_cuda_float_x(stream, s, gy, w, gx, acc);
    }
}

static void conv_backward_w(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                            const bnn_operand *x, float *gw, int acc, void *ws) {
    if (x->b1 != NULL && bnn_cuda_mixed_fits(s)) {
        bnn_cuda_mixed_w(stream, s, gy, x, gw, acc, ws);
    } else if (x->b1 == NULL && is_linear(s)) {
        bnn_cuda_matmul(stream, 1, (size_t)s->o, (size_t)s->c, rows_of(s), gy, x->f32, gw, acc);
    } else {
        bnn_cuda_float_w(stream, s, gy, x, gw, acc, ws);
    }
}

void bnn_cuda_conv(bnn_kernels *k) {
    k->conv_workspace = conv_workspace;
    k->conv_forward = conv_forward;
    k->conv_prepared_bytes = conv_prepared_bytes;
    k->conv_prepare = conv_prepare;
    k->conv_backward_x = conv_backward_x;
    k->conv_backward_w = conv_backward_w;
}
