/* The binary tile with AVX2: a look-up of nibbles instead of a popcount. Channels lie in the lanes,
 * a byte of a vector being eight input bits of one channel. For a nibble of a pixel the table row
 * T[nibble][w] = popcount(nibble xor w) is broadcast, and one shuffle looks 32 channels up. Sums
 * are bytes, widened for every 31 bytes of K (8 a byte at most); the bound is one shuffle and one
 * sum for 32 channels and four bits. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "cpu/tiles/bits_avx2.h"

/* Bytes of K that a byte can sum up, and how many such sums are added up at a time. */
enum { MR = 4, RUN = 31, RUNS = 16 };

/* popcount(nibble xor w) for w = 0 .. 15. */
#define ROW_0 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4
#define ROW_1 1, 0, 2, 1, 2, 1, 3, 2, 2, 1, 3, 2, 3, 2, 4, 3
#define ROW_2 1, 2, 0, 1, 2, 3, 1, 2, 2, 3, 1, 2, 3, 4, 2, 3
#define ROW_3 2, 1, 1, 0, 3, 2, 2, 1, 3, 2, 2, 1, 4, 3, 3, 2
#define ROW_4 1, 2, 2, 3, 0, 1, 1, 2, 2, 3, 3, 4, 1, 2, 2, 3
#define ROW_5 2, 1, 3, 2, 1, 0, 2, 1, 3, 2, 4, 3, 2, 1, 3, 2
#define ROW_6 2, 3, 1, 2, 1, 2, 0, 1, 3, 4, 2, 3, 2, 3, 1, 2
#define ROW_7 3, 2, 2, 1, 2, 1, 1, 0, 4, 3, 3, 2, 3, 2, 2, 1
#define ROW_8 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3
#define ROW_9 2, 1, 3, 2, 3, 2, 4, 3, 1, 0, 2, 1, 2, 1, 3, 2
#define ROW_a 2, 3, 1, 2, 3, 4, 2, 3, 1, 2, 0, 1, 2, 3, 1, 2
#define ROW_b 3, 2, 2, 1, 4, 3, 3, 2, 2, 1, 1, 0, 3, 2, 2, 1
#define ROW_c 2, 3, 3, 4, 1, 2, 2, 3, 1, 2, 2, 3, 0, 1, 1, 2
#define ROW_d 3, 2, 4, 3, 2, 1, 3, 2, 2, 1, 3, 2, 1, 0, 2, 1
#define ROW_e 3, 4, 2, 3, 2, 3, 1, 2, 2, 3, 1, 2, 1, 2, 0, 1
#define ROW_f 4, 3, 3, 2, 3, 2, 2, 1, 3, 2, 2, 1, 2, 1, 1, 0
#define WITH_HIGH(h)                                                                               \
    {ROW_0, ROW_##h}, {ROW_1, ROW_##h}, {ROW_2, ROW_##h}, {ROW_3, ROW_##h}, {ROW_4, ROW_##h},      \
        {ROW_5, ROW_##h}, {ROW_6, ROW_##h}, {ROW_7, ROW_##h}, {ROW_8, ROW_##h}, {ROW_9, ROW_##h},  \
        {ROW_a, ROW_##h}, {ROW_b, ROW_##h}, {ROW_c, ROW_##h}, {ROW_d, ROW_##h}, {ROW_e, ROW_##h},  \
    {                                                                                              \
        ROW_f, ROW_##h                                                                             \
    }

/* For a byte of a pixel the rows of its low and of its high nibble. */
static const uint8_t table[256][32] __attribute__((aligned(64))) = {
    WITH_HIGH(0), WITH_HIGH(1), WITH_HIGH(2), WITH_HIGH(3), WITH_HIGH(4), WITH_HIGH(5),
    WITH_HIGH(6), WITH_HIGH(7), WITH_HIGH(8), WITH_HIGH(9), WITH_HIGH(a), WITH_HIGH(b),
    WITH_HIGH(c), WITH_HIGH(d), WITH_HIGH(e), WITH_HIGH(f)};

static inline __m128i load8(const uint8_t *p) {
    return _mm_loadl_epi64((const __m128i *)(const void *)p);
}

/* Bytes 0 .. 7 of 16 rows become rows of 16: at each step the halves of the rows interleave. */
static inline void transpose(__m128i row[16]) {
    __m128i a[8], b[8];
    for (size_t i = 0; i < 8; i++) {
        a[i] = _mm_unpacklo_epi8(row[i], row[i + 8]);
    }
    for (size_t i = 0; i < 4; i++) {
        b[i] = _mm_unpacklo_epi8(a[i], a[i + 4]);
        b[i + 4] = _mm_unpackhi_epi8(a[i], a[i + 4]);
    }
    for (size_t i = 0; i < 8; i += 4) {
        for (size_t j = 0; j < 2; j++) {
            a[i + j] = _mm_unpacklo_epi8(b[i + j], b[i + j + 2]);
            a[i + j + 2] = _mm_unpackhi_epi8(b[i + j], b[i + j + 2]);
        }
    }
    for (size_t i = 0; i < 8; i += 2) {
        row[i] = _mm_unpacklo_epi8(a[i], a[i + 1]);
        row[i + 1] = _mm_unpackhi_epi8(a[i], a[i + 1]);
    }
}

/* A panel is [kb][2][width]: the low and the high nibble of a byte of K of all channels. */
void bnn_b1_pack_w_avx2(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel) {
    const __m128i nibble = _mm_set1_epi8(15);
    for (size_t first = 0; first < width; first += 16) {
        for (size_t k = 0; k < kb; k += 8) {
            __m128i row[16];
            for (size_t j = 0; j < 16; j++) {
                row[j] = first + j < n ? load8(w + (first + j) * kb + k) : _mm_setzero_si128();
            }
            transpose(row);
            for (size_t i = 0; i < 8; i++) {
                __m128i *to = (__m128i *)(void *)(panel + (k + i) * 2 * width + first);
                __m128i *high = (__m128i *)(void *)((uint8_t *)to + width);
                _mm_storeu_si128(to, _mm_and_si128(row[i], nibble));
                _mm_storeu_si128(high, _mm_and_si128(_mm_srli_epi16(row[i], 4), nibble));
            }
        }
    }
}

/* A tile is [kb][MR] of 16 bits: where in `table` a byte's rows begin. */
void bnn_b1_pack_a_avx2(size_t kb, const uint8_t *rows, uint8_t *tile) {
    const __m128i zero = _mm_setzero_si128();
    for (size_t k = 0; k < kb; k += 8) {
        __m128i r01 = _mm_unpacklo_epi8(load8(rows + k), load8(rows + kb + k));
        __m128i r23 = _mm_unpacklo_epi8(load8(rows + 2 * kb + k), load8(rows + 3 * kb + k));
        for (int half = 0; half < 2; half++, tile += 32) {
            __m128i v = half ? _mm_unpackhi_epi16(r01, r23) : _mm_unpacklo_epi16(r01, r23);
            __m128i *to = (__m128i *)(void *)tile;
            _mm_storeu_si128(to, _mm_slli_epi16(_mm_unpacklo_epi8(v, zero), 5));
            _mm_storeu_si128(to + 1, _mm_slli_epi16(_mm_unpackhi_epi8(v, zero), 5));
        }
    }
}

/* The rows of pixel `i`'s byte. */
static inline const __m128i *rows_of(const uint8_t *tile, size_t i) {
    uint16_t at;
    memcpy(&at, tile + 2 * i, 2);
    return (const __m128i *)(const void *)((const uint8_t *)table + at);
}

static inline __m256i twice(const __m128i *row) {
    return _mm256_broadcastsi128_si256(_mm_load_si128(row));
}

static inline __m256i both(const __m128i *low, const __m128i *high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_load_si128(low)),
                                   _mm_load_si128(high), 1);
}

static inline __m256i load32(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* Written out, as gcc would sum in another order, for which it lacks registers, and move sums about
 * in half as many instructions again. */
static inline void add_counts(__m256i *sum, __m256i row, __m256i nibbles) {
    __m256i counts = _mm256_shuffle_epi8(row, nibbles);
    __asm__("vpaddb %1, %0, %0" : "+x"(*sum) : "x"(counts));
}

/* A byte of one pixel with the low and the high nibbles of 64 channels. */
static inline void add_pixel(__m256i *left, __m256i *right, const __m128i *row, __m256i low0,
                             __m256i low1, __m256i high0, __m256i high1) {
    __m256i low = twice(row), high = twice(row + 1);
    add_counts(left, low, low0);
    add_counts(right, low, low1);
    add_counts(left, high, high0);
    add_counts(right, high, high1);
}

/* At most RUN bytes of K, one function for each width; `sum` follows [pixel][channel] in vectors of
 * 32 sums. */
static void run64(size_t kb, const uint8_t *tile, const uint8_t *w, __m256i sum[8]) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero, s30 = zero,
            s31 = zero;
    for (size_t k = 0; k < kb; k++, tile += 2 * MR, w += 128) {
        __m256i low0 = load32(w), low1 = load32(w + 32);
        __m256i high0 = load32(w + 64), high1 = load32(w + 96);
        /* In registers: else gcc would load them for every pixel. */
        __asm__("" : "+x"(low0), "+x"(low1), "+x"(high0), "+x"(high1));
        add_pixel(&s00, &s01, rows_of(tile, 0), low0, low1, high0, high1);
        add_pixel(&s10, &s11, rows_of(tile, 1), low0, low1, high0, high1);
        add_pixel(&s20, &s21, rows_of(tile, 2), low0, low1, high0, high1);
        add_pixel(&s30, &s31, rows_of(tile, 3), low0, low1, high0, high1);
    }
    sum[0] = s00;
    sum[1] = s01;
    sum[2] = s10;
    sum[3] = s11;
    sum[4] = s20;
    sum[5] = s21;
    sum[6] = s30;
    sum[7] = s31;
}

static void run32(size_t kb, const uint8_t *tile, const uint8_t *w, __m256i sum[8]) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i s0 = zero, s1 = zero, s2 = zero, s3 = zero;
    for (size_t k = 0; k < kb; k++, tile += 2 * MR, w += 64) {
        __m256i low = load32(w), high = load32(w + 32);
        const __m128i *row[MR] = {rows_of(tile, 0), rows_of(tile, 1), rows_of(tile, 2),
                                  rows_of(tile, 3)};
        add_counts(&s0, twice(row[0]), low);
        add_counts(&s1, twice(row[1]), low);
        add_counts(&s2, twice(row[2]), low);
        add_counts(&s3, twice(row[3]), low);
        add_counts(&s0, twice(row[0] + 1), high);
        add_counts(&s1, twice(row[1] + 1), high);
        add_counts(&s2, twice(row[2] + 1), high);
        add_counts(&s3, twice(row[3] + 1), high);
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
}

static void run16(size_t kb, const uint8_t *tile, const uint8_t *w, __m256i sum[8]) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    for (size_t k = 0; k < kb; k++, tile += 2 * MR, w += 32) {
        const __m128i *half = (const __m128i *)(const void *)w;
        __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128(half));
        __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128(half + 1));
        const __m128i *row[MR] = {rows_of(tile, 0), rows_of(tile, 1), rows_of(tile, 2),
                                  rows_of(tile, 3)};
        add_counts(&s0, both(row[0], row[1]), low);
        add_counts(&s1, both(row[2], row[3]), low);
        add_counts(&s0, both(row[0] + 1, row[1] + 1), high);
        add_counts(&s1, both(row[2] + 1, row[3] + 1), high);
    }
    sum[0] = s0;
    sum[1] = s1;
}

/* Adds up vector v of all runs and writes its 32 sums, in order of their lanes. */
static inline void drain(size_t runs, __m256i (*sum)[8], size_t v, int32_t *count, int add) {
    __m256i zero = _mm256_setzero_si256(), low = zero, high = zero;
    for (size_t r = 0; r < runs; r++) {
        low = _mm256_add_epi16(low, _mm256_unpacklo_epi8(sum[r][v], zero));
        high = _mm256_add_epi16(high, _mm256_unpackhi_epi8(sum[r][v], zero));
    }
    for (int half = 0; half < 4; half++) {
        __m256i from = half & 1 ? high : low;
        __m128i part = half < 2 ? _mm256_castsi256_si128(from) : _mm256_extracti128_si256(from, 1);
        __m256i wide = _mm256_cvtepu16_epi32(part);
        __m256i *to = (__m256i *)(void *)(count + 32 * v) + half;
        _mm256_storeu_si256(to, add ? _mm256_add_epi32(_mm256_loadu_si256(to), wide) : wide);
    }
}

void bnn_b1_tile_avx2(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                      int32_t *count) {
    for (size_t start = 0; start < kb; start += RUN * RUNS) {
        size_t end = kb - start < RUN * RUNS ? kb : start + RUN * RUNS, k = start, runs = 0;
        __m256i sum[RUNS][8];
        for (; k < end; k += RUN, runs++) {
            size_t here = end - k < RUN ? end - k : RUN;
            const uint8_t *a = tile + k * 2 * MR, *w = panel + k * 2 * width;
            if (width == 64) {
                run64(here, a, w, sum[runs]);
            } else if (width == 32) {
                run32(here, a, w, sum[runs]);
            } else {
                run16(here, a, w, sum[runs]);
            }
        }
        /* Vectors follow each other as [pixel][channel] at every width. */
        for (size_t v = 0; v < MR * width / 32; v++) {
            drain(runs, sum, v, count, start > 0);
        }
    }
}

/* ---- endings ---- */

#define LANES 8
#define MASKED 0
typedef __m256 vec;
typedef __m256i ivec;
typedef int lanes;

static inline lanes some(size_t n) {
    (void)n;
    return 0; /* all of them, always */
}
static inline vec set(float v) {
    return _mm256_set1_ps(v);
}
static inline vec load(const float *p, lanes in) {
    (void)in;
    return _mm256_loadu_ps(p);
}
static inline void store(float *p, vec v, lanes in) {
    (void)in;
    _mm256_storeu_ps(p, v);
}
static inline ivec load_ints(const int32_t *p, lanes in) {
    (void)in;
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
static inline vec mul(vec a, vec b) {
    return _mm256_mul_ps(a, b);
}
static inline vec add(vec a, vec b) {
    return _mm256_add_ps(a, b);
}
static inline vec bound(vec v, vec lo, vec hi) {
    return _mm256_min_ps(hi, _mm256_max_ps(lo, v));
}
static inline vec floats(ivec v) {
    return _mm256_cvtepi32_ps(v);
}
static inline ivec less_twice(ivec v, ivec count) {
    return _mm256_sub_epi32(v, _mm256_add_epi32(count, count));
}
static inline ivec halve(ivec v) {
    return _mm256_srai_epi32(v, 1);
}
static inline void store_i16(int16_t *p, ivec v, lanes in) {
    (void)in;
    v = _mm256_permute4x64_epi64(_mm256_packs_epi32(v, v), 0x08);
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(v));
}
/* The uppermost bits of the lanes. */
static inline uint64_t tops(ivec v) {
    return (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(v));
}
static inline uint64_t not_negative(vec v, lanes in) {
    (void)in;
    return tops(_mm256_castps_si256(_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_GE_OQ)));
}
static inline uint64_t not_less(ivec v, ivec than, lanes in) {
    (void)in;
    return tops(_mm256_cmpgt_epi32(than, v)) ^ 0xff;
}
static inline uint64_t odd(ivec v, lanes in) {
    (void)in;
    return tops(_mm256_slli_epi32(v, 31));
}
static inline ivec set_ints(int32_t v) {
    return _mm256_set1_epi32(v);
}
static inline void store_ints(int32_t *p, ivec v) {
    _mm256_storeu_si256((__m256i *)(void *)p, v);
}
static inline ivec plus(ivec a, ivec b) {
    return _mm256_add_epi32(a, b);
}
static inline ivec where(uint64_t bits, size_t j, ivec v) {
    const ivec bit = _mm256_slli_epi32(_mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128), (int)j % 32);
    ivec half = set_ints((int32_t)(uint32_t)(bits >> j / 32 * 32));
    return _mm256_and_si256(_mm256_cmpeq_epi32(_mm256_and_si256(half, bit), bit), v);
}

#define FLUSHED() 0
#define F32_END_NAME bnn_f32_end_avx2
#define F32_END_REST bnn_f32_end_generic
#define B1_FINISH_NAME bnn_b1_finish_avx2
#define B1_FINISH_REST bnn_b1_finish_generic
#define B1_PLANES_NAME bnn_b1_planes_avx2
#include "cpu/tiles/b1_finish.inc"

void bnn_b1_expand_avx2(size_t n, const uint64_t *row, size_t first, float scale, float *out) {
    const __m256 plus = _mm256_set1_ps(scale), minus = _mm256_set1_ps(-scale);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        size_t at = first + i, shift = at % 64;
        uint64_t v = row[at / 64] >> shift;
        if (shift > 56) {
            v |= row[at / 64 + 1] << (64 - shift);
        }
        __m256 mask = _mm256_castsi256_ps(bits_lanes(v));
        _mm256_storeu_ps(out + i, _mm256_blendv_ps(minus, plus, mask));
    }
    for (; i < n; i++) {
        out[i] = row[(first + i) / 64] >> (first + i) % 64 & 1 ? scale : -scale;
    }
}

static inline int32_t popcount64(uint64_t v) {
    return __builtin_popcountll(v);
}

#define B1_INNER_NAME bnn_b1_inner_avx2
#include "cpu/tiles/b1_inner.inc"

const bnn_micro bnn_micro_avx2 = {
    .f32_mr = 6,
    .f32_nr = 16,
    .f32_indirect = bnn_f32_indirect_avx2,
    .f32_outer = bnn_f32_outer_avx2,
    .f32_end = bnn_f32_end_avx2,
    .f32_dots = bnn_f32_dots_avx2,
    .winograd = bnn_winograd_avx2,
    .f32_inner = bnn_f32_inner_avx2,
    .f32_weighted = bnn_f32_weighted_avx2,
    .b1_weighted = bnn_b1_weighted_avx2,
    .f32_columns = bnn_f32_columns_avx2,
    .f32_rows = bnn_f32_rows_avx2,
    .b1_expand = bnn_b1_expand_avx2,
    .mixed = &bnn_mixed_avx2,
    .b1_mr = MR,
    .b1_nr = 64,
    .b1_a_bytes = 2,
    .b1_w_bytes = 2,
    .b1_pack_w = bnn_b1_pack_w_avx2,
    .b1_pack_a = bnn_b1_pack_a_avx2,
    .b1_tile = bnn_b1_tile_avx2,
    .b1_inner = bnn_b1_inner_avx2,
    .b1_finish = bnn_b1_finish_avx2,
    .b1_planes = bnn_b1_planes_avx2,
};

#endif
