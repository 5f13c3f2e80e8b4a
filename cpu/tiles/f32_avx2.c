/* The float tiles with AVX2 and FMA: 6 x 16 sums in 12 of the 16 registers; and the transpose of
 * filters into panels, by blocks of 8 x 8. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <immintrin.h>

#define LANES 8
#define MR 6
#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)

typedef __m256 vec;

#define zero _mm256_setzero_ps
#define load _mm256_load_ps
#define fma _mm256_fmadd_ps
#define broadcast _mm256_broadcast_ss

static inline __m256i first_lanes(size_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

/* A store by mask is slow on some machines: it is left to tails. */
static inline void store(float *to, vec v, size_t n, int acc) {
    if (n == LANES) {
        _mm256_storeu_ps(to, acc ? _mm256_add_ps(_mm256_loadu_ps(to), v) : v);
        return;
    }
    __m256i mask = first_lanes(n);
    if (acc) {
        v = _mm256_add_ps(_mm256_maskload_ps(to, mask), v);
    }
    _mm256_maskstore_ps(to, mask, v);
}

#define INDIRECT_NAME bnn_f32_indirect_avx2
#define OUTER_NAME bnn_f32_outer_avx2
#include "cpu/tiles/f32.inc"
#define DOTS_NAME bnn_f32_dots_avx2
#include "cpu/tiles/dots.inc"
#define NAME(what) bnn_##what##_avx2
#include "cpu/tiles/winograd.inc"

#define load_any _mm256_loadu_ps

static inline vec load_some(const float *v, size_t n) {
    return _mm256_maskload_ps(v, first_lanes(n));
}

static inline void four_sums(const vec v[4], float *to) {
    vec four = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1)));
}

#define INNER_MR 2
#define INNER_NAME bnn_f32_inner_avx2
#include "cpu/tiles/inner.inc"

typedef __m256 plus; /* the sign bit */

static inline plus plus_of(uint64_t bits) {
    const __m256i to_sign = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
    __m256i v = _mm256_sllv_epi32(_mm256_set1_epi32((int)(uint32_t)bits), to_sign);
    return _mm256_and_ps(_mm256_castsi256_ps(v), _mm256_set1_ps(-0.0f));
}

static inline vec add_signed(vec sum, vec v, plus in) {
    return _mm256_sub_ps(sum, _mm256_xor_ps(v, in));
}

#define SUMS 8
#define F32_WEIGHTED_NAME bnn_f32_weighted_avx2
#define B1_WEIGHTED_NAME bnn_b1_weighted_avx2
#include "cpu/tiles/weighted.inc"

static inline __m256 two_rows(const float *low, const float *high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}

/* Four columns of eight rows: rows i and i + 4 share a register, so no step crosses its halves. */
static inline void transpose4(size_t ld, const float *rows, size_t nr, float *panel) {
    __m256 a = two_rows(rows, rows + 4 * ld), b = two_rows(rows + ld, rows + 5 * ld);
    __m256 c = two_rows(rows + 2 * ld, rows + 6 * ld), d = two_rows(rows + 3 * ld, rows + 7 * ld);
    __m256 ab0 = _mm256_unpacklo_ps(a, b), ab2 = _mm256_unpackhi_ps(a, b);
    __m256 cd0 = _mm256_unpacklo_ps(c, d), cd2 = _mm256_unpackhi_ps(c, d);
    _mm256_store_ps(panel, _mm256_shuffle_ps(ab0, cd0, 0x44));
    _mm256_store_ps(panel + nr, _mm256_shuffle_ps(ab0, cd0, 0xee));
    _mm256_store_ps(panel + 2 * nr, _mm256_shuffle_ps(ab2, cd2, 0x44));
    _mm256_store_ps(panel + 3 * nr, _mm256_shuffle_ps(ab2, cd2, 0xee));
}

void bnn_f32_columns_avx2(size_t k, size_t n, size_t ld, const float *rows, size_t nr,
                          float *panel) {
    size_t whole = n / 8 * 8, fours = k / 4 * 4;
    for (size_t j = 0; j < whole; j += 8) {
        for (size_t i = 0; i < fours; i += 4) {
            transpose4(ld, rows + j * ld + i, nr, panel + i * nr + j);
        }
    }
    bnn_f32_columns_generic(k - fours, whole, ld, rows + fours, nr, panel + fours * nr);
    bnn_f32_columns_generic(k, n - whole, ld, rows + whole * ld, nr, panel + whole);
}

/* n >= 4 values by 4s or 8s; the last few are written twice where n is no multiple. */
static inline void copy_row(size_t n, const float *from, float *to) {
    if (n < LANES) {
        __m128 left = _mm_loadu_ps(from), right = _mm_loadu_ps(from + n - 4);
        _mm_storeu_ps(to, left);
        _mm_storeu_ps(to + n - 4, right);
        return;
    }
    for (size_t j = 0; j + LANES < n; j += LANES) {
        _mm256_storeu_ps(to + j, _mm256_loadu_ps(from + j));
    }
    _mm256_storeu_ps(to + n - LANES, _mm256_loadu_ps(from + n - LANES));
}

void bnn_f32_rows_avx2(size_t k, size_t n, const float *const *rows, size_t first, size_t nr,
                       float *panel) {
    if (n < 4) {
        bnn_f32_rows_generic(k, n, rows, first, nr, panel);
        return;
    }
    for (size_t i = 0; i < k; i++) {
        copy_row(n, rows[i] + first, panel + i * nr);
    }
}

#endif
