/* The float tiles in portable C: 4 x 8 sums, which a compiler keeps in sixteen 4-wide registers. */
#include "cpu/micro.h"

enum { MR = 4, NR = 8 };

static void store(float sum[MR][NR], size_t i, size_t n, float *c, int acc) {
    for (size_t j = 0; j < n; j++) {
        c[j] = acc ? c[j] + sum[i][j] : sum[i][j];
    }
}

void bnn_f32_indirect_generic(size_t taps, size_t depth, const float *const *a, const float *b,
                              size_t m, size_t n, float *const *c, int acc) {
    float sum[MR][NR] = {{0}};
    for (size_t t = 0; t < taps; t++, a += MR) {
        for (size_t k = 0; k < depth; k++, b += NR) {
            for (size_t i = 0; i < MR; i++) {
                for (size_t j = 0; j < NR; j++) {
                    sum[i][j] += a[i][k] * b[j];
                }
            }
        }
    }
    for (size_t i = 0; i < m; i++) {
        store(sum, i, n, c[i], acc);
    }
}

void bnn_f32_outer_generic(size_t depth, const float *a, const float *b, size_t m, size_t n,
                           float *c, size_t ldc, int acc) {
    float sum[MR][NR] = {{0}};
    for (size_t k = 0; k < depth; k++, a += MR, b += NR) {
        for (size_t i = 0; i < MR; i++) {
            for (size_t j = 0; j < NR; j++) {
                sum[i][j] += a[i] * b[j];
            }
        }
    }
    for (size_t i = 0; i < m; i++) {
        store(sum, i, n, c + i * ldc, acc);
    }
}
