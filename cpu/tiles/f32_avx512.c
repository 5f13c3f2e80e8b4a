/* The float tiles with AVX-512: 12 x 32 sums in 24 of the 32 registers. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <immintrin.h>

#define LANES 16
#define MR 12
#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

typedef __m512 vec;

#define zero _mm512_setzero_ps
#define load _mm512_load_ps
#define fma _mm512_fmadd_ps

static inline vec broadcast(const float *v) {
    return _mm512_set1_ps(*v);
}

static inline void store(float *to, vec v, size_t n, int acc) {
    __mmask16 mask = (__mmask16)(0xffffu >> (LANES - n));
    if (acc) {
        v = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), v);
    }
    _mm512_mask_storeu_ps(to, mask, v);
}

#define INDIRECT_NAME bnn_f32_indirect_avx512
#define OUTER_NAME bnn_f32_outer_avx512
#include "cpu/tiles/f32.inc"
#define DOTS_NAME bnn_f32_dots_avx512
#include "cpu/tiles/dots.inc"
#define NAME(what) bnn_##what##_avx512
#include "cpu/tiles/winograd.inc"

#define load_any _mm512_loadu_ps

static inline vec load_some(const float *v, size_t n) {
    return _mm512_maskz_loadu_ps((__mmask16)(0xffffu >> (LANES - n)), v);
}

/* Quarters are added up first, then what is left of four vectors at once. */
static inline void four_sums(const vec v[4], float *to) {
    vec ab = _mm512_add_ps(_mm512_shuffle_f32x4(v[0], v[1], 0x44),
                           _mm512_shuffle_f32x4(v[0], v[1], 0xee));
    vec cd = _mm512_add_ps(_mm512_shuffle_f32x4(v[2], v[3], 0x44),
                           _mm512_shuffle_f32x4(v[2], v[3], 0xee));
    vec all = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    all = _mm512_add_ps(all, _mm512_permute_ps(all, 0x4e));
    all = _mm512_add_ps(all, _mm512_permute_ps(all, 0xb1));
    const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm_storeu_ps(to, _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, all)));
}

#define INNER_MR 4
#define INNER_NAME bnn_f32_inner_avx512
#include "cpu/tiles/inner.inc"

typedef __mmask16 plus;

static inline plus plus_of(uint64_t bits) {
    return (plus)bits;
}

static inline vec add_signed(vec sum, vec v, plus in) {
    const __m512i sign = _mm512_set1_epi32(INT32_MIN);
    __m512i bits = _mm512_castps_si512(v);
    return _mm512_sub_ps(sum, _mm512_castsi512_ps(_mm512_mask_xor_epi32(bits, in, bits, sign)));
}

#define SUMS 16
#define F32_WEIGHTED_NAME bnn_f32_weighted_avx512
#define B1_WEIGHTED_NAME bnn_b1_weighted_few_avx512
#include "cpu/tiles/weighted.inc"

void bnn_f32_rows_avx512(size_t k, size_t n, const float *const *rows, size_t first, size_t nr,
                         float *panel) {
    size_t wide = n > LANES, rest = wide ? n - LANES : n;
    __mmask16 mask = (__mmask16)(0xffffu >> (LANES - rest));
    for (size_t i = 0; i < k; i++, panel += nr) {
        const float *row = rows[i] + first;
        if (wide) {
            _mm512_storeu_ps(panel, _mm512_loadu_ps(row));
        }
        size_t j = wide ? LANES : 0;
        _mm512_mask_storeu_ps(panel + j, mask, _mm512_maskz_loadu_ps(mask, row + j));
    }
}

#endif
