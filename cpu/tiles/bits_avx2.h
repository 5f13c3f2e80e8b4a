/* Sixty-four values at a time, to and from one word: the primitives under bits.inc, with AVX2.
 * Compares are ordered, so a comparison with a NaN is false as in bits_generic.h. */
#ifndef BNN_CPU_TILES_BITS_AVX2_H
#define BNN_CPU_TILES_BITS_AVX2_H

#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t bits_ge(const float *x, float t) {
    __m256 bound = _mm256_set1_ps(t);
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) {
        __m256 hit = _mm256_cmp_ps(_mm256_loadu_ps(x + 8 * i), bound, _CMP_GE_OQ);
        word |= (uint64_t)(uint32_t)_mm256_movemask_ps(hit) << (8 * i);
    }
    return word;
}

/* The same for the first n < 64 values; nothing behind them is read. */
static inline uint64_t bits_ge_some(const float *x, size_t n, float t) {
    __m256 bound = _mm256_set1_ps(t);
    uint64_t word = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 hit = _mm256_cmp_ps(_mm256_loadu_ps(x + i), bound, _CMP_GE_OQ);
        word |= (uint64_t)(uint32_t)_mm256_movemask_ps(hit) << i;
    }
    for (; i < n; i++) {
        word |= (uint64_t)(x[i] >= t) << i;
    }
    return word;
}

/* Square roots in place, as sqrtf rounds them. */
static inline void square_roots(size_t n, float *x) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps(x + i, _mm256_sqrt_ps(_mm256_loadu_ps(x + i)));
    }
    for (; i < n; i++) {
        x[i] = sqrtf(x[i]);
    }
}

static inline uint64_t bits_between(const float *x, float lo, float hi) {
    __m256 low = _mm256_set1_ps(lo), high = _mm256_set1_ps(hi);
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) {
        __m256 v = _mm256_loadu_ps(x + 8 * i);
        __m256 hit =
            _mm256_and_ps(_mm256_cmp_ps(v, low, _CMP_GT_OQ), _mm256_cmp_ps(v, high, _CMP_LT_OQ));
        word |= (uint64_t)(uint32_t)_mm256_movemask_ps(hit) << (8 * i);
    }
    return word;
}

static inline uint64_t bits_within(const float *x, float lo, float hi) {
    __m256 low = _mm256_set1_ps(lo), high = _mm256_set1_ps(hi);
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) {
        __m256 v = _mm256_loadu_ps(x + 8 * i);
        __m256 hit =
            _mm256_and_ps(_mm256_cmp_ps(v, low, _CMP_GE_OQ), _mm256_cmp_ps(v, high, _CMP_LE_OQ));
        word |= (uint64_t)(uint32_t)_mm256_movemask_ps(hit) << (8 * i);
    }
    return word;
}

static inline uint64_t bits_threshold(const float *x, const int32_t *threshold) {
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) {
        __m256i t = _mm256_loadu_si256((const __m256i *)(const void *)(threshold + 8 * i));
        __m256 bound = _mm256_cvtepi32_ps(_mm256_srai_epi32(t, 1));
        __m256 flip = _mm256_castsi256_ps(_mm256_slli_epi32(t, 31));
        __m256 hit = _mm256_cmp_ps(_mm256_loadu_ps(x + 8 * i), bound, _CMP_GE_OQ);
        hit = _mm256_xor_ps(hit, flip);
        word |= (uint64_t)(uint32_t)_mm256_movemask_ps(hit) << (8 * i);
    }
    return word;
}

/* All ones in lane j if bit j of `byte` is set. */
static inline __m256i bits_lanes(uint64_t byte) {
    const __m256i one = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    __m256i v = _mm256_set1_epi32((int)(byte & 0xff));
    return _mm256_cmpeq_epi32(_mm256_and_si256(v, one), one);
}

static inline void bits_select(uint64_t word, const float *g, float *gx, int acc) {
    for (int i = 0; i < 8; i++) {
        __m256 mask = _mm256_castsi256_ps(bits_lanes(word >> (8 * i)));
        __m256 v = _mm256_and_ps(_mm256_loadu_ps(g + 8 * i), mask);
        if (acc) {
            v = _mm256_add_ps(_mm256_loadu_ps(gx + 8 * i), v);
        }
        _mm256_storeu_ps(gx + 8 * i, v);
    }
}

static inline void bits_signs(uint64_t word, float scale, float *x) {
    __m256 plus = _mm256_set1_ps(scale), minus = _mm256_set1_ps(-scale);
    for (int i = 0; i < 8; i++) {
        __m256 mask = _mm256_castsi256_ps(bits_lanes(word >> (8 * i)));
        _mm256_storeu_ps(x + 8 * i, _mm256_blendv_ps(minus, plus, mask));
    }
}

#endif
