/* The binary tile with AVX-512: xor and vpopcntq. Eight channels lie in a vector, 64 bits of K of
 * each; 4 pixels times 32 channels are sixteen sums in registers. A sum is a 64-bit lane, so no
 * depth can overflow it. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <immintrin.h>
#include <math.h>
#include <string.h>

enum { MR = 4 };

/* A panel is [kb / 8][width]: 64 bits of K of all channels side by side. Eight channels at a time:
 * a line of the panel, and few enough lines of the filters to stay in the cache until read out. */
void bnn_b1_pack_w_avx512(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel) {
    for (size_t first = 0; first < width; first += 8) {
        size_t count = first >= n ? 0 : n - first < 8 ? n - first : 8;
        for (size_t k = 0; k < kb; k += 8) {
            uint8_t *to = panel + k * width + 8 * first;
            for (size_t j = 0; j < count; j++) {
                memcpy(to + 8 * j, w + (first + j) * kb + k, 8);
            }
            memset(to + 8 * count, 0, 8 * (8 - count));
        }
    }
}

static inline __m512i pixel_bits(const uint8_t *p) {
    long long v;
    memcpy(&v, p, 8);
    return _mm512_set1_epi64(v);
}

static inline __m512i add_count(__m512i sum, __m512i a, __m512i w) {
    return _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(a, w)));
}

static inline void store_counts(__m512i low, __m512i high, int32_t *count) {
    __m512i both = _mm512_castsi256_si512(_mm512_cvtepi64_epi32(low));
    both = _mm512_inserti64x4(both, _mm512_cvtepi64_epi32(high), 1);
    _mm512_storeu_si512(count, both);
}

/* Thirty-two channels of a panel `width` wide. Sums have names, or gcc would keep them in memory.
 */
static void tile32(size_t kb, size_t width, const uint8_t *tile, const uint8_t *w, int32_t *count) {
    const __m512i zero = _mm512_setzero_si512();
    __m512i s00 = zero, s01 = zero, s02 = zero, s03 = zero, s10 = zero, s11 = zero, s12 = zero,
            s13 = zero, s20 = zero, s21 = zero, s22 = zero, s23 = zero, s30 = zero, s31 = zero,
            s32 = zero, s33 = zero;
    for (size_t k = 0; k < kb; k += 8, w += 8 * width) {
        __m512i w0 = _mm512_loadu_si512(w), w1 = _mm512_loadu_si512(w + 64);
        __m512i w2 = _mm512_loadu_si512(w + 128), w3 = _mm512_loadu_si512(w + 192);
        __m512i a = pixel_bits(tile + k);
        s00 = add_count(s00, a, w0);
        s01 = add_count(s01, a, w1);
        s02 = add_count(s02, a, w2);
        s03 = add_count(s03, a, w3);
        a = pixel_bits(tile + kb + k);
        s10 = add_count(s10, a, w0);
        s11 = add_count(s11, a, w1);
        s12 = add_count(s12, a, w2);
        s13 = add_count(s13, a, w3);
        a = pixel_bits(tile + 2 * kb + k);
        s20 = add_count(s20, a, w0);
        s21 = add_count(s21, a, w1);
        s22 = add_count(s22, a, w2);
        s23 = add_count(s23, a, w3);
        a = pixel_bits(tile + 3 * kb + k);
        s30 = add_count(s30, a, w0);
        s31 = add_count(s31, a, w1);
        s32 = add_count(s32, a, w2);
        s33 = add_count(s33, a, w3);
    }
    store_counts(s00, s01, count);
    store_counts(s02, s03, count + 16);
    store_counts(s10, s11, count + width);
    store_counts(s12, s13, count + width + 16);
    store_counts(s20, s21, count + 2 * width);
    store_counts(s22, s23, count + 2 * width + 16);
    store_counts(s30, s31, count + 3 * width);
    store_counts(s32, s33, count + 3 * width + 16);
}

static void tile16(size_t kb, const uint8_t *tile, const uint8_t *w, int32_t *count) {
    const __m512i zero = _mm512_setzero_si512();
    __m512i s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero, s30 = zero,
            s31 = zero;
    for (size_t k = 0; k < kb; k += 8, w += 128) {
        __m512i w0 = _mm512_loadu_si512(w), w1 = _mm512_loadu_si512(w + 64);
        __m512i a = pixel_bits(tile + k);
        s00 = add_count(s00, a, w0);
        s01 = add_count(s01, a, w1);
        a = pixel_bits(tile + kb + k);
        s10 = add_count(s10, a, w0);
        s11 = add_count(s11, a, w1);
        a = pixel_bits(tile + 2 * kb + k);
        s20 = add_count(s20, a, w0);
        s21 = add_count(s21, a, w1);
        a = pixel_bits(tile + 3 * kb + k);
        s30 = add_count(s30, a, w0);
        s31 = add_count(s31, a, w1);
    }
    store_counts(s00, s01, count);
    store_counts(s10, s11, count + 16);
    store_counts(s20, s21, count + 32);
    store_counts(s30, s31, count + 48);
}

void bnn_b1_tile_avx512(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                        int32_t *count) {
    if (width == 16) {
        tile16(kb, tile, panel, count);
        return;
    }
    for (size_t j = 0; j < width; j += 32) {
        tile32(kb, width, tile, panel + 8 * j, count + j);
    }
}

/* ---- endings ---- */

#define LANES 16
#define MASKED 1
typedef __m512 vec;
typedef __m512i ivec;
typedef __mmask16 lanes;

static inline lanes some(size_t n) {
    return (lanes)(n >= LANES ? 0xffffu : (1u << n) - 1);
}
static inline vec set(float v) {
    return _mm512_set1_ps(v);
}
static inline vec load(const float *p, lanes in) {
    return _mm512_maskz_loadu_ps(in, p);
}
static inline void store(float *p, vec v, lanes in) {
    _mm512_mask_storeu_ps(p, in, v);
}
static inline ivec load_ints(const int32_t *p, lanes in) {
    return _mm512_maskz_loadu_epi32(in, p);
}
static inline vec mul(vec a, vec b) {
    return _mm512_mul_ps(a, b);
}
static inline vec add(vec a, vec b) {
    return _mm512_add_ps(a, b);
}
static inline vec bound(vec v, vec lo, vec hi) {
    return _mm512_min_ps(hi, _mm512_max_ps(lo, v));
}
static inline vec floats(ivec v) {
    return _mm512_cvtepi32_ps(v);
}
static inline ivec less_twice(ivec v, ivec count) {
    return _mm512_sub_epi32(v, _mm512_add_epi32(count, count));
}
static inline ivec halve(ivec v) {
    return _mm512_srai_epi32(v, 1);
}
static inline void store_i16(int16_t *p, ivec v, lanes in) {
    _mm256_mask_storeu_epi16(p, in, _mm512_cvtepi32_epi16(v));
}
static inline uint64_t not_negative(vec v, lanes in) {
    return _mm512_mask_cmp_ps_mask(in, v, _mm512_setzero_ps(), _CMP_GE_OQ);
}
static inline uint64_t not_less(ivec v, ivec than, lanes in) {
    return _mm512_mask_cmpge_epi32_mask(in, v, than);
}
static inline uint64_t odd(ivec v, lanes in) {
    return (uint64_t)(_mm512_movepi32_mask(_mm512_slli_epi32(v, 31)) & in);
}

#define F32_END_NAME bnn_f32_end_avx512
#define F32_END_REST bnn_f32_end_generic
#define B1_FINISH_NAME bnn_b1_finish_avx512
#define B1_FINISH_REST bnn_b1_finish_generic
#include "cpu/tiles/b1_finish.inc"

void bnn_b1_expand_avx512(size_t n, const uint64_t *row, size_t first, float scale, float *out) {
    const __m512 plus = _mm512_set1_ps(scale), minus = _mm512_set1_ps(-scale);
    for (size_t i = 0; i < n; i += 16) {
        size_t at = first + i, shift = at % 64, last = first + n - 1;
        uint64_t v = row[at / 64] >> shift;
        if (shift > 48 && last / 64 > at / 64) {
            v |= row[at / 64 + 1] << (64 - shift);
        }
        __m512 signs = _mm512_mask_blend_ps((__mmask16)v, minus, plus);
        _mm512_mask_storeu_ps(out + i, some(n - i), signs);
    }
}

const bnn_micro bnn_micro_avx512 = {
    .f32_mr = 12,
    .f32_nr = 32,
    .f32_indirect = bnn_f32_indirect_avx512,
    .f32_outer = bnn_f32_outer_avx512,
    .f32_dots = bnn_f32_dots_avx512,
    .f32_columns = bnn_f32_columns_avx2,
    .f32_rows = bnn_f32_rows_avx512,
    .f32_end = bnn_f32_end_avx512,
    .b1_expand = bnn_b1_expand_avx512,
    .mixed = &bnn_mixed_avx512,
    .b1_mr = MR,
    .b1_a_bytes = 1,
    .b1_w_bytes = 1,
    .b1_pack_w = bnn_b1_pack_w_avx512,
    .b1_tile = bnn_b1_tile_avx512,
    .b1_finish = bnn_b1_finish_avx512,
};

#endif
