/* What the drivers of the products share. A driver gets the machine kernels as its first argument;
 * its `..._layout` function places everything it needs in the workspace, and doubles as the
 * computation of the workspace's size when called with ws = NULL: the two cannot disagree. */
#ifndef BNN_CPU_CONV_H
#define BNN_CPU_CONV_H

#include <omp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cpu/micro.h"

static inline size_t bnn_ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

static inline size_t bnn_min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* The next `bytes` of a workspace, rounded up to whole cache lines. */
static inline void *bnn_take(void *ws, size_t *used, size_t bytes) {
    void *p = ws == NULL ? NULL : (char *)ws + *used;
    *used += (bytes + 63) & ~(size_t)63;
    return p;
}

/* This thread's contiguous share of `total` items; call inside a parallel region. */
static inline void bnn_share(size_t total, size_t *first, size_t *last) {
    size_t thread = (size_t)omp_get_thread_num(), threads = (size_t)omp_get_num_threads();
    *first = total * thread / threads;
    *last = total * (thread + 1) / threads;
}

/* The factor of row `row` of an operand held as bits. */
static inline float bnn_row_scale(const bnn_operand *v, size_t row) {
    return v->scale == NULL ? 1.0f : v->scale[row / v->rows_per_scale];
}

size_t bnn_conv_workspace(const bnn_micro *micro, const bnn_conv *s);
void bnn_conv_forward(const bnn_micro *micro, const bnn_conv *s, const bnn_operand *x,
                      const bnn_operand *w, float *y, void *ws);
void bnn_conv_backward_x(const bnn_micro *micro, const bnn_conv *s, const float *gy,
                         const bnn_operand *w, float *gx, int acc, void *ws);
void bnn_conv_backward_w(const bnn_micro *micro, const bnn_conv *s, const float *gy,
                         const bnn_operand *x, float *gw, int acc, void *ws);

/* conv_b1.c, and the sizes of the parts for bnn_conv_workspace. */
void bnn_conv_forward_b1(const bnn_micro *micro, const bnn_conv *s, const bnn_operand *x,
                         const bnn_operand *w, float *y, void *ws);
size_t bnn_conv_b1_bytes(const bnn_micro *micro, const bnn_conv *s);
size_t bnn_conv_f32_bytes(const bnn_micro *micro, const bnn_conv *s);
size_t bnn_conv_weights_bytes(const bnn_micro *micro, const bnn_conv *s);

#endif
