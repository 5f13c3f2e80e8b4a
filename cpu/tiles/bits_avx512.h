/* Sixty-four values at a time, to and from one word: the primitives under bits.inc, with AVX-512,
 * whose comparisons give the bits themselves. Ordered compares: with a NaN they are false. */
#ifndef BNN_CPU_TILES_BITS_AVX512_H
#define BNN_CPU_TILES_BITS_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t bits_ge(const float *x, float t) {
    __m512 bound = _mm512_set1_ps(t);
    uint64_t word = 0;
    for (int i = 0; i < 4; i++) {
        __mmask16 hit = _mm512_cmp_ps_mask(_mm512_loadu_ps(x + 16 * i), bound, _CMP_GE_OQ);
        word |= (uint64_t)hit << (16 * i);
    }
    return word;
}

/* The same for the first n < 64 values; nothing behind them is read. */
static inline uint64_t bits_ge_some(const float *x, size_t n, float t) {
    __m512 bound = _mm512_set1_ps(t);
    uint64_t word = 0;
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 in = (__mmask16)(n - i >= 16 ? 0xffffu : (1u << (n - i)) - 1);
        __m512 v = _mm512_maskz_loadu_ps(in, x + i);
        word |= (uint64_t)_mm512_mask_cmp_ps_mask(in, v, bound, _CMP_GE_OQ) << i;
    }
    return word;
}

/* Square roots in place, as sqrtf rounds them. */
static inline void square_roots(size_t n, float *x) {
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 in = (__mmask16)(n - i >= 16 ? 0xffffu : (1u << (n - i)) - 1);
        _mm512_mask_storeu_ps(x + i, in, _mm512_sqrt_ps(_mm512_maskz_loadu_ps(in, x + i)));
    }
}

static inline uint64_t bits_between(const float *x, float lo, float hi) {
    __m512 low = _mm512_set1_ps(lo), high = _mm512_set1_ps(hi);
    uint64_t word = 0;
    for (int i = 0; i < 4; i++) {
        __m512 v = _mm512_loadu_ps(x + 16 * i);
        __mmask16 hit = _mm512_cmp_ps_mask(v, low, _CMP_GT_OQ);
        hit = _mm512_mask_cmp_ps_mask(hit, v, high, _CMP_LT_OQ);
        word |= (uint64_t)hit << (16 * i);
    }
    return word;
}

static inline uint64_t bits_within(const float *x, float lo, float hi) {
    __m512 low = _mm512_set1_ps(lo), high = _mm512_set1_ps(hi);
    uint64_t word = 0;
    for (int i = 0; i < 4; i++) {
        __m512 v = _mm512_loadu_ps(x + 16 * i);
        __mmask16 hit = _mm512_cmp_ps_mask(v, low, _CMP_GE_OQ);
        hit = _mm512_mask_cmp_ps_mask(hit, v, high, _CMP_LE_OQ);
        word |= (uint64_t)hit << (16 * i);
    }
    return word;
}

static inline uint64_t bits_threshold(const float *x, const int32_t *threshold) {
    uint64_t word = 0;
    for (int i = 0; i < 4; i++) {
        __m512i t = _mm512_loadu_si512(threshold + 16 * i);
        __m512 bound = _mm512_cvtepi32_ps(_mm512_srai_epi32(t, 1));
        __mmask16 flip = _mm512_movepi32_mask(_mm512_slli_epi32(t, 31));
        __mmask16 hit = _mm512_cmp_ps_mask(_mm512_loadu_ps(x + 16 * i), bound, _CMP_GE_OQ);
        word |= (uint64_t)(uint16_t)(hit ^ flip) << (16 * i);
    }
    return word;
}

static inline void bits_select(uint64_t word, const float *g, float *gx, int acc) {
    for (int i = 0; i < 4; i++) {
        __m512 v = _mm512_maskz_loadu_ps((__mmask16)(word >> (16 * i)), g + 16 * i);
        if (acc) {
            v = _mm512_add_ps(_mm512_loadu_ps(gx + 16 * i), v);
        }
        _mm512_storeu_ps(gx + 16 * i, v);
    }
}

static inline void bits_signs(uint64_t word, float scale, float *x) {
    __m512 plus = _mm512_set1_ps(scale), minus = _mm512_set1_ps(-scale);
    for (int i = 0; i < 4; i++) {
        __mmask16 set = (__mmask16)(word >> (16 * i));
        _mm512_storeu_ps(x + 16 * i, _mm512_mask_blend_ps(set, minus, plus));
    }
}

#endif
