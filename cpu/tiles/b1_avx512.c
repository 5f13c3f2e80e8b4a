/* The binary tile with AVX-512 of every processor that has it at all (F, BW, DQ, VL): carry-save
 * adders. Vectors are as wide as a panel, which costs narrow ones nothing where vectors of 256 bits
 * run on more ports. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <immintrin.h>
#include <math.h>
#include <string.h>

/* A tile is [kb / 4][MR][4][4], each byte of K four times, as a broadcast wants it; PIXEL bytes of
 * one pixel. No more than SPAN bytes of K make at most 255 of what is worth 32. */
enum { MR = 4, PIXEL = 16, SPAN = 31 * 32 };

#define RAW 0x00ff00ff00ff00ffu

/* Eight bytes of K: the second of each pair becomes the parity of all up to it. `parity` is that of
 * the bytes before, in each byte. */
static inline uint64_t with_parity(uint64_t v, uint64_t *parity) {
    uint64_t p = v ^ v << 8;
    p ^= p << 16;
    p ^= p << 32;
    p ^= *parity;
    *parity = (p >> 56) * 0x0101010101010101u;
    return (v & RAW) | (p & ~RAW);
}

/* Eight bytes of K of four channels, which are `quarter` apart; those behind the n-th are zeros. */
static inline void pack_four(size_t kb, size_t n, size_t quarter, const uint8_t *w, size_t j,
                             uint64_t parity[4], __m128i bytes[2]) {
    __m128i row[4];
    for (size_t q = 0; q < 4; q++, j += quarter) {
        uint64_t v = 0;
        if (j < n) {
            memcpy(&v, w + j * kb, 8);
        }
        row[q] = _mm_cvtsi64_si128((long long)with_parity(v, &parity[q]));
    }
    __m128i even = _mm_unpacklo_epi8(row[0], row[1]), odd = _mm_unpacklo_epi8(row[2], row[3]);
    bytes[0] = _mm_unpacklo_epi16(even, odd);
    bytes[1] = _mm_unpackhi_epi16(even, odd);
}

/* A panel is [kb][width]; its channels are where NAME(end) finds them in order. */
static void pack_w(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel) {
    size_t quarter = width / 4;
    for (size_t j = 0; j < quarter; j++) {
        uint64_t parity[4] = {0};
        for (size_t k = 0; k < kb; k += 8) {
            __m128i bytes[2];
            uint32_t four[8];
            pack_four(kb, n, quarter, w + k, j, parity, bytes);
            memcpy(four, bytes, sizeof four);
            for (size_t i = 0; i < 8; i++) {
                memcpy(panel + (k + i) * width + 4 * j, &four[i], 4);
            }
        }
    }
}

/* Sixteen bytes of each of four rows, or the last eight and zeros. */
static inline __m512i four_rows(size_t kb, const uint8_t *rows, size_t k) {
    __m128i row[MR];
    for (size_t i = 0; i < MR; i++, rows += kb) {
        const __m128i *at = (const __m128i *)(const void *)(rows + k);
        row[i] = kb - k >= 16 ? _mm_loadu_si128(at) : _mm_loadl_epi64(at);
    }
    __m512i v = _mm512_inserti32x4(_mm512_castsi128_si512(row[0]), row[1], 1);
    return _mm512_inserti32x4(_mm512_inserti32x4(v, row[2], 2), row[3], 3);
}

static void pack_a(size_t kb, const uint8_t *rows, uint8_t *tile) {
    const __m512i last_of_half = _mm512_broadcast_i32x4(
        _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 7, 7, 7, 7, 7, 7, 7, 7));
    const __m512i first_four =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
    __m512i parity = _mm512_setzero_si512();
    for (size_t k = 0; k < kb; k += 16) {
        __m512i v = four_rows(kb, rows, k), p = v ^ _mm512_slli_epi64(v, 8);
        p ^= _mm512_slli_epi64(p, 16);
        p ^= _mm512_slli_epi64(p, 32);
        p ^= _mm512_shuffle_epi8(p, last_of_half) ^ parity;
        parity = _mm512_shuffle_epi8(p, _mm512_set1_epi8(15));
        v = _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaau, v, p);
        for (size_t i = 0; i < 16 && k + i < kb; i += 4, tile += MR * PIXEL) {
            __m512i from = _mm512_add_epi8(first_four, _mm512_set1_epi8((char)i));
            _mm512_storeu_si512(tile, _mm512_shuffle_epi8(v, from));
        }
    }
}

/* Bits of a nibble, for each 128 bits of a vector. */
#define NIBBLE_COUNTS 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4
static const uint8_t nibble_counts[64] = {NIBBLE_COUNTS, NIBBLE_COUNTS, NIBBLE_COUNTS,
                                          NIBBLE_COUNTS};

#define WIDTH 64
#define VECTOR __m512i
#define OP(name) _mm512_##name
#define NAME(name) name##_64
#include "cpu/tiles/b1_adders.inc"

#define WIDTH 32
#define VECTOR __m256i
#define OP(name) _mm256_##name
#define NAME(name) name##_32
#include "cpu/tiles/b1_adders.inc"

#define WIDTH 16
#define VECTOR __m128i
#define OP(name) _mm_##name
#define NAME(name) name##_16
#include "cpu/tiles/b1_adders.inc"

static void multiply(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                     int32_t *count) {
    for (size_t i = 0; i < MR; i += 2, tile += 2 * PIXEL, count += 2 * width) {
        if (width == 64) {
            two_pixels_64(kb, tile, panel, count);
        } else if (width == 32) {
            two_pixels_32(kb, tile, panel, count);
        } else {
            two_pixels_16(kb, tile, panel, count);
        }
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
static inline ivec set_ints(int32_t v) {
    return _mm512_set1_epi32(v);
}
static inline void store_ints(int32_t *p, ivec v) {
    _mm512_storeu_si512(p, v);
}
static inline ivec plus(ivec a, ivec b) {
    return _mm512_add_epi32(a, b);
}
static inline ivec where(uint64_t bits, size_t j, ivec v) {
    return _mm512_maskz_mov_epi32((__mmask16)(bits >> j), v);
}

#define FLUSHED() 0
#define F32_END_NAME bnn_f32_end_avx512
#define F32_END_REST bnn_f32_end_generic
#define B1_FINISH_NAME bnn_b1_finish_avx512
#define B1_FINISH_REST bnn_b1_finish_generic
#define B1_PLANES_NAME bnn_b1_planes_avx512
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
        if (n - i >= 16) { /* what is stored by mask is slow to be read again */
            _mm512_storeu_ps(out + i, signs);
        } else {
            _mm512_mask_storeu_ps(out + i, some(n - i), signs);
        }
    }
}

const bnn_micro bnn_micro_avx512 = {
    BNN_AVX512_MICRO,    .mixed = &bnn_mixed_avx512, .b1_mr = MR,
    .b1_nr = 64,         .b1_a_bytes = PIXEL / 4,    .b1_w_bytes = 1,
    .b1_pack_w = pack_w, .b1_pack_a = pack_a,        .b1_tile = multiply,
};

#endif
