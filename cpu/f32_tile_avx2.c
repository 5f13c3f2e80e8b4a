/* The float tiles with AVX2 and FMA: 6 x 16 sums in twelve registers, two for a row of B, one for a
 * value of A broadcast from where it lies. The bound is then the two FMA ports. */
#include "cpu/micro.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <immintrin.h>
#include <string.h>

/* A sum of floats loses about a bit every time it grows fourfold, so no run of a register is longer
 * than RUN products; runs are added up in the result, which costs two percent. */
enum { MR = 6, NR = 16, RUN = 128 };

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

/* The sums have names instead of an array: gcc keeps an array of vectors in memory and stores every
 * sum in every step. */
static void run(size_t taps, size_t first, size_t depth, const float *const *a, const float *b,
                size_t m, size_t n, float *const *c, int acc) {
    const __m256 zero = _mm256_setzero_ps();
    __m256 s0l = zero, s0r = zero, s1l = zero, s1r = zero, s2l = zero, s2r = zero, s3l = zero,
           s3r = zero, s4l = zero, s4r = zero, s5l = zero, s5r = zero;
    for (size_t t = 0; t < taps; t++, a += MR) {
        const float *a0 = a[0] + first, *a1 = a[1] + first, *a2 = a[2] + first;
        const float *a3 = a[3] + first, *a4 = a[4] + first, *a5 = a[5] + first;
        for (size_t k = 0; k < depth; k++, b += NR) {
            __m256 bl = _mm256_load_ps(b), br = _mm256_load_ps(b + 8), v;
            v = _mm256_broadcast_ss(a0 + k);
            s0l = _mm256_fmadd_ps(v, bl, s0l);
            s0r = _mm256_fmadd_ps(v, br, s0r);
            v = _mm256_broadcast_ss(a1 + k);
            s1l = _mm256_fmadd_ps(v, bl, s1l);
            s1r = _mm256_fmadd_ps(v, br, s1r);
            v = _mm256_broadcast_ss(a2 + k);
            s2l = _mm256_fmadd_ps(v, bl, s2l);
            s2r = _mm256_fmadd_ps(v, br, s2r);
            v = _mm256_broadcast_ss(a3 + k);
            s3l = _mm256_fmadd_ps(v, bl, s3l);
            s3r = _mm256_fmadd_ps(v, br, s3r);
            v = _mm256_broadcast_ss(a4 + k);
            s4l = _mm256_fmadd_ps(v, bl, s4l);
            s4r = _mm256_fmadd_ps(v, br, s4r);
            v = _mm256_broadcast_ss(a5 + k);
            s5l = _mm256_fmadd_ps(v, bl, s5l);
            s5r = _mm256_fmadd_ps(v, br, s5r);
        }
    }
    store_row(s0l, s0r, n, c[0], acc);
    if (m > 1) {
        store_row(s1l, s1r, n, c[1], acc);
    }
    if (m > 2) {
        store_row(s2l, s2r, n, c[2], acc);
    }
    if (m > 3) {
        store_row(s3l, s3r, n, c[3], acc);
    }
    if (m > 4) {
        store_row(s4l, s4r, n, c[4], acc);
    }
    if (m > 5) {
        store_row(s5l, s5r, n, c[5], acc);
    }
}

void bnn_f32_indirect_avx2(size_t taps, size_t depth, const float *const *a, const float *b,
                           size_t m, size_t n, float *const *c, int acc) {
    size_t at_once = depth < RUN ? RUN / depth : 1;
    for (size_t t = 0; t < taps; t += at_once) {
        size_t here = taps - t < at_once ? taps - t : at_once;
        for (size_t first = 0; first < depth; first += RUN) {
            size_t count = depth - first < RUN ? depth - first : RUN;
            run(here, first, count, a + t * MR, b + (t * depth + first) * NR, m, n, c,
                acc || t + first > 0);
        }
    }
}

/* With m constant its tests vanish, and a tail of channels costs only what it needs. */
static inline __attribute__((always_inline)) void outer(size_t depth, const float *a,
                                                        const float *b, const size_t m, size_t n,
                                                        float *c, size_t ldc, int acc) {
    const __m256 zero = _mm256_setzero_ps();
    __m256 s0l = zero, s0r = zero, s1l = zero, s1r = zero, s2l = zero, s2r = zero, s3l = zero,
           s3r = zero, s4l = zero, s4r = zero, s5l = zero, s5r = zero;
    for (size_t k = 0; k < depth; k++, a += MR, b += NR) {
        __m256 bl = _mm256_load_ps(b), br = _mm256_load_ps(b + 8), v;
        v = _mm256_broadcast_ss(a);
        s0l = _mm256_fmadd_ps(v, bl, s0l);
        s0r = _mm256_fmadd_ps(v, br, s0r);
        if (m > 1) {
            v = _mm256_broadcast_ss(a + 1);
            s1l = _mm256_fmadd_ps(v, bl, s1l);
            s1r = _mm256_fmadd_ps(v, br, s1r);
        }
        if (m > 2) {
            v = _mm256_broadcast_ss(a + 2);
            s2l = _mm256_fmadd_ps(v, bl, s2l);
            s2r = _mm256_fmadd_ps(v, br, s2r);
        }
        if (m > 3) {
            v = _mm256_broadcast_ss(a + 3);
            s3l = _mm256_fmadd_ps(v, bl, s3l);
            s3r = _mm256_fmadd_ps(v, br, s3r);
        }
        if (m > 4) {
            v = _mm256_broadcast_ss(a + 4);
            s4l = _mm256_fmadd_ps(v, bl, s4l);
            s4r = _mm256_fmadd_ps(v, br, s4r);
        }
        if (m > 5) {
            v = _mm256_broadcast_ss(a + 5);
            s5l = _mm256_fmadd_ps(v, bl, s5l);
            s5r = _mm256_fmadd_ps(v, br, s5r);
        }
    }
    store_row(s0l, s0r, n, c, acc);
    if (m > 1) {
        store_row(s1l, s1r, n, c + 1 * ldc, acc);
    }
    if (m > 2) {
        store_row(s2l, s2r, n, c + 2 * ldc, acc);
    }
    if (m > 3) {
        store_row(s3l, s3r, n, c + 3 * ldc, acc);
    }
    if (m > 4) {
        store_row(s4l, s4r, n, c + 4 * ldc, acc);
    }
    if (m > 5) {
        store_row(s5l, s5r, n, c + 5 * ldc, acc);
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

#endif
