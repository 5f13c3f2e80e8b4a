/* What values are, and how many: dtypes and channels-last shapes. */
#ifndef BNN_ENGINE_BASE_SHAPE_H
#define BNN_ENGINE_BASE_SHAPE_H

#include <stddef.h>

typedef enum bnn_dtype {
    BNN_F32,
    BNN_F64, /* statistics that a rounding would harm */
    BNN_I16, /* what a product of bits comes to, at most 32767 in magnitude */
    BNN_I32,
    BNN_U8,
    BNN_B1,    /* sign bits, a row of words per pixel (kernels.h) */
    BNN_PLANE, /* one bit a value, no rows (kernels.h) */
} bnn_dtype;

/* [N,H,W,C]; a vector is [1,1,1,C]; filters are [O,KH,KW,C/groups]. */
typedef struct bnn_shape {
    int n, h, w, c;
} bnn_shape;

static inline size_t bnn_shape_count(bnn_shape s) {
    return (size_t)s.n * (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

/* Rows of C values: N*H*W. */
static inline size_t bnn_shape_rows(bnn_shape s) {
    return (size_t)s.n * (size_t)s.h * (size_t)s.w;
}

static inline int bnn_shape_equal(bnn_shape a, bnn_shape b) {
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

static inline bnn_shape bnn_vector(int c) {
    return (bnn_shape){1, 1, 1, c};
}

#endif
