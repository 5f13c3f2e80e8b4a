/* The float tiles with AVX2 and FMA: 6 x 16 sums in twelve registers, two for a row of B, one for a
 * value of A broadcast from where it lies. The bound is then the two FMA ports. */
#include <immintrin.h>
#include <string.h>

#include "cpu/micro.h"

enum { MR = 6, NR = 16 };

static inline void store_row(__m256 s0, __m256 s1, size_t n, float *c, int acc) {
    if (n == NR) {
        if (acc) {
            s0 = _mm256_add_ps(_mm256_loadu_ps(c), s0);
            s1 = _mm256_add_ps(_mm256_loadu_ps(c + 8), s1);
        }
        _mm256_storeu_ps(c, s0);
        _mm256_storeu_ps(c + 8, s1);
        return;
    }
    float row[NR];
    _mm256_storeu_ps(row, s0);
    _mm256_storeu_ps(row + 8, s1);
    for (size_t j = 0; j < n; j++) {
        c[j] = acc ? c[j] + row[j] : row[j];
    }
}

void bnn_f32_indirect_avx2(size_t taps, size_t depth, const float *const *a, const float *b,
                           size_t m, size_t n, float *const *c, int acc) {
    __m256 s[MR][2];
    for (size_t i = 0; i < MR; i++) {
        s[i][0] = s[i][1] = _mm256_setzero_ps();
    }
    for (size_t t = 0; t < taps; t++, a += MR) {
        const float *a0 = a[0], *a1 = a[1], *a2 = a[2], *a3 = a[3], *a4 = a[4], *a5 = a[5];
        for (size_t k = 0; k < depth; k++, b += NR) {
            __m256 b0 = _mm256_load_ps(b), b1 = _mm256_load_ps(b + 8), v;
            v = _mm256_broadcast_ss(a0 + k);
            s[0][0] = _mm256_fmadd_ps(v, b0, s[0][0]);
            s[0][1] = _mm256_fmadd_ps(v, b1, s[0][1]);
            v = _mm256_broadcast_ss(a1 + k);
            s[1][0] = _mm256_fmadd_ps(v, b0, s[1][0]);
            s[1][1] = _mm256_fmadd_ps(v, b1, s[1][1]);
            v = _mm256_broadcast_ss(a2 + k);
            s[2][0] = _mm256_fmadd_ps(v, b0, s[2][0]);
            s[2][1] = _mm256_fmadd_ps(v, b1, s[2][1]);
            v = _mm256_broadcast_ss(a3 + k);
            s[3][0] = _mm256_fmadd_ps(v, b0, s[3][0]);
            s[3][1] = _mm256_fmadd_ps(v, b1, s[3][1]);
            v = _mm256_broadcast_ss(a4 + k);
            s[4][0] = _mm256_fmadd_ps(v, b0, s[4][0]);
            s[4][1] = _mm256_fmadd_ps(v, b1, s[4][1]);
            v = _mm256_broadcast_ss(a5 + k);
            s[5][0] = _mm256_fmadd_ps(v, b0, s[5][0]);
            s[5][1] = _mm256_fmadd_ps(v, b1, s[5][1]);
        }
    }
    switch (m) { /* every case also stores the rows before it */
    default:
        store_row(s[5][0], s[5][1], n, c[5], acc);
        /* fall through */
    case 5:
        store_row(s[4][0], s[4][1], n, c[4], acc);
        /* fall through */
    case 4:
        store_row(s[3][0], s[3][1], n, c[3], acc);
        /* fall through */
    case 3:
        store_row(s[2][0], s[2][1], n, c[2], acc);
        /* fall through */
    case 2:
        store_row(s[1][0], s[1][1], n, c[1], acc);
        /* fall through */
    case 1:
        store_row(s[0][0], s[0][1], n, c[0], acc);
    }
}

/* With m constant the loops over rows unroll and a tail of channels costs only what it needs. */
static inline __attribute__((always_inline)) void outer(size_t depth, const float *a,
                                                        const float *b, const size_t m, size_t n,
                                                        float *c, size_t ldc, int acc) {
    __m256 s[MR][2];
    for (size_t i = 0; i < m; i++) {
        s[i][0] = s[i][1] = _mm256_setzero_ps();
    }
    for (size_t k = 0; k < depth; k++, a += MR, b += NR) {
        __m256 b0 = _mm256_load_ps(b), b1 = _mm256_load_ps(b + 8);
        for (size_t i = 0; i < m; i++) {
            __m256 v = _mm256_broadcast_ss(a + i);
            s[i][0] = _mm256_fmadd_ps(v, b0, s[i][0]);
            s[i][1] = _mm256_fmadd_ps(v, b1, s[i][1]);
        }
    }
    for (size_t i = 0; i < m; i++) {
        store_row(s[i][0], s[i][1], n, c + i * ldc, acc);
    }
}

void bnn_f32_outer_avx2(size_t depth, const float *a, const float *b, size_t m, size_t n, float *c,
                        size_t ldc, int acc) {
    switch (m) {
    case 1:
        outer(depth, a, b, 1, n, c, ldc, acc);
        break;
    case 2:
        outer(depth, a, b, 2, n, c, ldc, acc);
        break;
    case 3:
        outer(depth, a, b, 3, n, c, ldc, acc);
        break;
    case 4:
        outer(depth, a, b, 4, n, c, ldc, acc);
        break;
    case 5:
        outer(depth, a, b, 5, n, c, ldc, acc);
        break;
    default:
        outer(depth, a, b, 6, n, c, ldc, acc);
        break;
    }
}
