/* The binary tile with AVX-512: xor and vpopcntq. Eight channels lie in a vector, 64 bits of K of
 * each; 4 pixels times 32 channels are sixteen sums in registers. A sum is a 64-bit lane, so no
 * depth can overflow it. */
#include "cpu/micro.h"

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

static inline __mmask16 first_lanes(size_t n) {
    return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1);
}

/* Channels j .. j+16 of pixel i; what lies behind the last channel is anything. */
static inline __m512i integers(const bnn_finish *f, size_t i, size_t j, __mmask16 in) {
    __m512i count = _mm512_loadu_si512(f->count + i * f->width + j);
    __m512i offset = _mm512_maskz_loadu_epi32(in, f->offset + f->class_at[i] + j);
    return _mm512_sub_epi32(offset, _mm512_add_epi32(count, count));
}

/* What is done to sixteen columns of a float result. */
typedef struct ending {
    const bnn_result *y;
    __mmask16 in;
    __m512 a, b, lo, hi;
} ending;

/* A factor of one and infinite bounds change nothing; a term of zero would change -0. */
static inline ending ending_at(const bnn_result *y, size_t column, __mmask16 in) {
    ending e = {.y = y, .in = in, .a = _mm512_set1_ps(1.0f), .b = _mm512_setzero_ps()};
    e.a = y->a == NULL ? e.a : _mm512_maskz_loadu_ps(in, y->a + column);
    e.b = y->b == NULL ? e.b : _mm512_maskz_loadu_ps(in, y->b + column);
    e.lo = _mm512_set1_ps(y->clamp == NULL ? -INFINITY : y->clamp[0]);
    e.hi = _mm512_set1_ps(y->clamp == NULL ? INFINITY : y->clamp[1]);
    return e;
}

static inline __m512 end_at(const ending *e, __m512 v, size_t at) {
    v = _mm512_mul_ps(e->a, v);
    v = e->y->b == NULL ? v : _mm512_add_ps(v, e->b);
    v = e->y->add == NULL ? v : _mm512_add_ps(v, _mm512_maskz_loadu_ps(e->in, e->y->add + at));
    v = _mm512_min_ps(e->hi, _mm512_max_ps(e->lo, v)); /* a NaN stays */
    _mm512_mask_storeu_ps(e->y->f32 + at, e->in, v);
    return v;
}

void bnn_f32_end_avx512(const bnn_result *y, size_t column, size_t m, size_t n, float *const *c) {
    for (size_t j = 0; j < n; j += 16) {
        ending e = ending_at(y, column + j, first_lanes(n - j));
        for (size_t i = 0; i < m; i++) {
            end_at(&e, _mm512_maskz_loadu_ps(e.in, c[i] + j), (size_t)(c[i] + j - y->f32));
        }
    }
}

static void finish_f32(const bnn_finish *f) {
    uint64_t bits[BNN_FINISH_PIXELS] = {0};
    for (size_t j = 0; j < f->n; j += 16) {
        ending e = ending_at(f->y, f->column + j, first_lanes(f->n - j));
        size_t at = f->first * f->channels + f->column + j;
        for (size_t i = 0; i < f->pixels; i++, at += f->channels) {
            __m512 v = _mm512_cvtepi32_ps(integers(f, i, j, e.in));
            v = end_at(&e, _mm512_mul_ps(_mm512_set1_ps(f->xscale[i]), v), at);
            __mmask16 hit = _mm512_mask_cmp_ps_mask(e.in, v, _mm512_setzero_ps(), _CMP_GE_OQ);
            bits[i] |= (uint64_t)hit << j;
        }
    }
    bnn_finish_bits(f, f->y->sign, bits);
}

static void finish_i16(const bnn_finish *f) {
    for (size_t j = 0; j < f->n; j += 16) {
        __mmask16 in = first_lanes(f->n - j);
        int16_t *to = f->y->i16 + f->first * f->channels + f->column + j;
        for (size_t i = 0; i < f->pixels; i++, to += f->channels) {
            __m256i v = _mm512_cvtepi32_epi16(integers(f, i, j, in));
            _mm256_mask_storeu_epi16(to, in, v);
        }
    }
}

static void finish_b1(const bnn_finish *f) {
    uint64_t bits[BNN_FINISH_PIXELS] = {0};
    for (size_t j = 0; j < f->n; j += 16) {
        __mmask16 in = first_lanes(f->n - j);
        __m512i t = _mm512_maskz_loadu_epi32(in, f->y->threshold + f->column + j);
        __mmask16 flip = _mm512_movepi32_mask(_mm512_slli_epi32(t, 31));
        t = _mm512_srai_epi32(t, 1);
        for (size_t i = 0; i < f->pixels; i++) {
            __mmask16 hit = _mm512_cmpge_epi32_mask(integers(f, i, j, in), t);
            bits[i] |= (uint64_t)(uint16_t)((hit ^ flip) & in) << j;
        }
    }
    bnn_finish_bits(f, f->y->b1, bits);
}

void bnn_b1_finish_avx512(const bnn_finish *f) {
    if (f->y->f32 != NULL) {
        finish_f32(f);
    } else if (f->y->i16 != NULL) {
        finish_i16(f);
    } else {
        finish_b1(f);
    }
}

void bnn_b1_expand_avx512(size_t n, const uint64_t *row, size_t first, float scale, float *out) {
    const __m512 plus = _mm512_set1_ps(scale), minus = _mm512_set1_ps(-scale);
    for (size_t i = 0; i < n; i += 16) {
        size_t at = first + i, shift = at % 64, last = first + n - 1;
        uint64_t v = row[at / 64] >> shift;
        if (shift > 48 && last / 64 > at / 64) {
            v |= row[at / 64 + 1] << (64 - shift);
        }
        __m512 signs = _mm512_mask_blend_ps((__mmask16)v, minus, plus);
        _mm512_mask_storeu_ps(out + i, first_lanes(n - i), signs);
    }
}

const bnn_micro bnn_micro_avx512 = {
    .f32_mr = 12,
    .f32_nr = 32,
    .f32_indirect = bnn_f32_indirect_avx512,
    .f32_outer = bnn_f32_outer_avx512,
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
