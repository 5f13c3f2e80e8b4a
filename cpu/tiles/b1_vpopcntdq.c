/* The binary tile with AVX-512 VPOPCNTDQ: xor and vpopcntq. Eight channels lie in a vector, 64 bits
 * of K of each; 4 pixels times 32 channels are sixteen sums in registers. A sum is a 64-bit lane,
 * so no depth can overflow it. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <immintrin.h>
#include <string.h>

enum { MR = 4 };

/* A panel is [kb / 8][width]: 64 bits of K of all channels side by side. Eight channels at a time:
 * a line of the panel, and few enough lines of the filters to stay in the cache until read out. */
static void pack_w(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel) {
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

static void multiply(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                     int32_t *count) {
    if (width == 16) {
        tile16(kb, tile, panel, count);
        return;
    }
    for (size_t j = 0; j < width; j += 32) {
        tile32(kb, width, tile, panel + 8 * j, count + j);
    }
}

#define VPOPCNTDQ_MICRO                                                                            \
    BNN_AVX512_MICRO, .b1_mr = MR, .b1_nr = 64, .b1_a_bytes = 1, .b1_w_bytes = 1,                  \
                      .b1_pack_w = pack_w, .b1_tile = multiply

const bnn_micro bnn_micro_vpopcntdq = {VPOPCNTDQ_MICRO, .mixed = &bnn_mixed_avx512};

/* A product of bits as one of bytes in tiles took as long on a quiet machine, and up to twice as
 * long where somebody else on the same core used its tiles. */
const bnn_micro bnn_micro_amx = {VPOPCNTDQ_MICRO, .mixed = &bnn_mixed_amx,
                                 .small_mixed = &bnn_mixed_avx512};

#endif
