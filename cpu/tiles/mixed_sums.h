/* What the mixed products of AVX2 and AVX-512 share. Of the sixteen signed sums of a quad only the
 * eight in which the fourth float counts positive are computed; the others are their negatives. So
 * a code with a clear high bit, as kept, has its low bits inverted: they say which sum to negate.
 * Include only from files that are compiled for AVX2. */
#ifndef BNN_CPU_TILES_MIXED_SUMS_H
#define BNN_CPU_TILES_MIXED_SUMS_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bnn_sums {
    const float *v0, *v1, *v2, *v3;
    size_t step0, step1, step2, step3;
    __m256 sign0, sign1, sign2, sign3;
} bnn_sums;

static inline bnn_sums bnn_sums_of(const float *const v[4], size_t step, const float factor[4]) {
    static const float none = 0.0f;
    const __m256 one0 = _mm256_setr_ps(-1, 1, -1, 1, -1, 1, -1, 1);
    const __m256 one1 = _mm256_setr_ps(-1, -1, 1, 1, -1, -1, 1, 1);
    const __m256 one2 = _mm256_setr_ps(-1, -1, -1, -1, 1, 1, 1, 1);
    bnn_sums s = {
        .v0 = v[0] == NULL ? &none : v[0],
        .v1 = v[1] == NULL ? &none : v[1],
        .v2 = v[2] == NULL ? &none : v[2],
        .v3 = v[3] == NULL ? &none : v[3],
        .step0 = v[0] == NULL ? 0 : step,
        .step1 = v[1] == NULL ? 0 : step,
        .step2 = v[2] == NULL ? 0 : step,
        .step3 = v[3] == NULL ? 0 : step,
        .sign0 = _mm256_mul_ps(one0, _mm256_set1_ps(factor[0])),
        .sign1 = _mm256_mul_ps(one1, _mm256_set1_ps(factor[1])),
        .sign2 = _mm256_mul_ps(one2, _mm256_set1_ps(factor[2])),
        .sign3 = _mm256_set1_ps(factor[3]),
    };
    return s;
}

/* Of the next four floats. */
static inline __m256 bnn_sums_next(bnn_sums *s) {
    __m256 sum = _mm256_mul_ps(s->sign0, _mm256_broadcast_ss(s->v0));
    sum = _mm256_fmadd_ps(s->sign1, _mm256_broadcast_ss(s->v1), sum);
    sum = _mm256_fmadd_ps(s->sign2, _mm256_broadcast_ss(s->v2), sum);
    sum = _mm256_fmadd_ps(s->sign3, _mm256_broadcast_ss(s->v3), sum);
    s->v0 += s->step0, s->v1 += s->step1, s->v2 += s->step2, s->v3 += s->step3;
    return sum;
}

#endif
