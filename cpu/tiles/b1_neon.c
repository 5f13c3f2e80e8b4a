/* The binary tile with NEON: xor, a popcount of bytes, an addition. Channels lie in the lanes, 32
 * bits of K of each, so that 4 pixels times 16 channels are sixteen sums in registers, one pass
 * serves every width, and what adds up a lane's bytes leaves the counts in their order. Sums are
 * bytes, widened every 31 steps (8 a step at most); the bound is the vector pipes, three operations
 * for 128 products. */
#include "cpu/tiles/tiles.h"

#if defined(BNN_NEON) /* elsewhere this file is empty but for declarations */

#include <math.h>
#include <string.h>

#include "cpu/tiles/bits_neon.h"

/* A step is 4 bytes of K. */
enum { MR = 4, PASS = 16 /* channels */, WIDEN = 31 /* steps */ };

/* A panel is [width / PASS][kb / 4][PASS]: the steps of a pass follow each other. */
void bnn_b1_pack_w_neon(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel) {
    for (size_t j = 0; j < width; j += PASS) {
        for (size_t k = 0; k < kb; k += 4) {
            for (size_t lane = j; lane < j + PASS; lane++, panel += 4) {
                uint32_t v = 0;
                if (lane < n) {
                    memcpy(&v, w + lane * kb + k, 4);
                }
                memcpy(panel, &v, 4);
            }
        }
    }
}

/* A tile is [kb / 4][MR], so that one load fetches a step of all pixels. */
void bnn_b1_pack_a_neon(size_t kb, const uint8_t *rows, uint8_t *tile) {
    for (size_t k = 0; k < kb; k += 8) {
        uint32x2x4_t v;
        for (int i = 0; i < MR; i++) {
            v.val[i] = vreinterpret_u32_u8(vld1_u8(rows + (size_t)i * kb + k));
        }
        vst4_u32((uint32_t *)(void *)(tile + k * MR), v);
    }
}

static inline uint8x16_t add_count(uint8x16_t sum, uint8x16_t a, uint8x16_t w) {
    return vaddq_u8(sum, vcntq_u8(veorq_u8(a, w)));
}

/* The four byte sums of each channel, added to its count. */
static inline void widen(uint8x16_t sum, int32_t *count, int add) {
    int32x4_t wide = vreinterpretq_s32_u32(vpaddlq_u16(vpaddlq_u8(sum)));
    vst1q_s32(count, add ? vaddq_s32(vld1q_s32(count), wide) : wide);
}

/* At most WIDEN steps of a pass. With all loops over pixels and vectors unrolled the sums become
 * registers. */
static void run(size_t steps, const uint8_t *tile, const uint8_t *w, size_t width, int32_t *count,
                int add) {
    uint8x16_t sum[MR][4];
#pragma GCC unroll 4
    for (int i = 0; i < MR; i++) {
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            sum[i][v] = vdupq_n_u8(0);
        }
    }
    for (; steps > 0; steps--, tile += 4 * MR, w += 4 * PASS) {
        uint32x4_t pixels = vreinterpretq_u32_u8(vld1q_u8(tile));
        const uint8x16_t a[MR] = {vreinterpretq_u8_u32(vdupq_laneq_u32(pixels, 0)),
                                  vreinterpretq_u8_u32(vdupq_laneq_u32(pixels, 1)),
                                  vreinterpretq_u8_u32(vdupq_laneq_u32(pixels, 2)),
                                  vreinterpretq_u8_u32(vdupq_laneq_u32(pixels, 3))};
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            uint8x16_t channels = vld1q_u8(w + 16 * v);
#pragma GCC unroll 4
            for (int i = 0; i < MR; i++) {
                sum[i][v] = add_count(sum[i][v], a[i], channels);
            }
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < MR; i++) {
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            widen(sum[i][v], count + (size_t)i * width + 4 * v, add);
        }
    }
}

void bnn_b1_tile_neon(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                      int32_t *count) {
    size_t steps = kb / 4;
    for (size_t j = 0; j < width; j += PASS) {
        for (size_t first = 0; first < steps; first += WIDEN) {
            size_t here = steps - first < WIDEN ? steps - first : WIDEN;
            run(here, tile + first * 4 * MR, panel + j * kb + first * 4 * PASS, width, count + j,
                first > 0);
        }
    }
}

/* ---- endings ---- */

#define LANES 4
#define MASKED 0
typedef float32x4_t vec;
typedef int32x4_t ivec;
typedef int lanes;

static inline lanes some(size_t n) {
    (void)n;
    return 0; /* all of them, always */
}
static inline vec set(float v) {
    return vdupq_n_f32(v);
}
static inline vec load(const float *p, lanes in) {
    (void)in;
    return vld1q_f32(p);
}
static inline void store(float *p, vec v, lanes in) {
    (void)in;
    vst1q_f32(p, v);
}
static inline ivec load_ints(const int32_t *p, lanes in) {
    (void)in;
    return vld1q_s32(p);
}
static inline vec mul(vec a, vec b) {
    return vmulq_f32(a, b);
}
static inline vec add(vec a, vec b) {
    return vaddq_f32(a, b);
}
/* By choice: NEON's minimum and maximum order zeros by their signs. */
static inline vec bound(vec v, vec lo, vec hi) {
    v = vbslq_f32(vcltq_f32(v, lo), lo, v);
    return vbslq_f32(vcgtq_f32(v, hi), hi, v);
}
static inline vec floats(ivec v) {
    return vcvtq_f32_s32(v);
}
static inline ivec less_twice(ivec v, ivec count) {
    return vmlsq_n_s32(v, count, 2);
}
static inline ivec halve(ivec v) {
    return vshrq_n_s32(v, 1);
}
static inline void store_i16(int16_t *p, ivec v, lanes in) {
    (void)in;
    vst1_s16(p, vmovn_s32(v));
}
/* Bit j is lane j, which has all bits set or clear. */
static inline uint64_t bits_of(uint32x4_t hit) {
    const uint32x4_t weight = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(hit, weight));
}
static inline uint64_t not_negative(vec v, lanes in) {
    (void)in;
    return bits_of(vcgezq_f32(v));
}
static inline uint64_t not_less(ivec v, ivec than, lanes in) {
    (void)in;
    return bits_of(vcgeq_s32(v, than));
}
static inline uint64_t odd(ivec v, lanes in) {
    (void)in;
    return bits_of(vtstq_s32(v, vdupq_n_s32(1)));
}
static inline ivec set_ints(int32_t v) {
    return vdupq_n_s32(v);
}
static inline void store_ints(int32_t *p, ivec v) {
    vst1q_s32(p, v);
}
static inline ivec plus(ivec a, ivec b) {
    return vaddq_s32(a, b);
}
static inline ivec where(uint64_t bits, size_t j, ivec v) {
    return vandq_s32(vreinterpretq_s32_u32(bits_lanes(bits >> j)), v);
}

#if defined(__arm__)
/* The flags of underflow and of subnormal operands are there for vectors, too. */
static inline int flushed(void) {
    const uint32_t flags = 1u << 3 | 1u << 7;
    uint32_t status;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(status) : : "memory");
    if (status & flags) {
        __asm__ volatile("vmsr fpscr, %0" : : "r"(status & ~flags) : "memory");
    }
    return (status & flags) != 0;
}
#define FLUSHED flushed
#define F32_END bnn_f32_end_generic /* in place: there is no second time */
#else
#define FLUSHED() 0
#define F32_END bnn_f32_end_neon
#define F32_END_NAME bnn_f32_end_neon
#define F32_END_REST bnn_f32_end_generic
#endif
#define B1_FINISH_NAME bnn_b1_finish_neon
#define B1_FINISH_REST bnn_b1_finish_generic
#define B1_PLANES_NAME bnn_b1_planes_neon
#include "cpu/tiles/b1_finish.inc"

void bnn_b1_expand_neon(size_t n, const uint64_t *row, size_t first, float scale, float *out) {
    const float32x4_t plus = vdupq_n_f32(scale), minus = vnegq_f32(plus);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        size_t at = first + i, shift = at % 64;
        uint64_t v = row[at / 64] >> shift;
        if (shift > 60) {
            v |= row[at / 64 + 1] << (64 - shift);
        }
        vst1q_f32(out + i, vbslq_f32(bits_lanes(v), plus, minus));
    }
    for (; i < n; i++) {
        out[i] = row[(first + i) / 64] >> (first + i) % 64 & 1 ? scale : -scale;
    }
}

static inline int32_t popcount64(uint64_t v) {
    return __builtin_popcountll(v);
}

#define B1_INNER_NAME bnn_b1_inner_neon
#include "cpu/tiles/b1_inner.inc"

const bnn_micro bnn_micro_neon = {
    .f32_mr = 8,
    .f32_nr = 8,
    .f32_indirect = bnn_f32_indirect_neon,
    .f32_outer = bnn_f32_outer_neon,
    .f32_end = F32_END,
    .f32_dots = bnn_f32_dots_neon,
    .f32_patch = bnn_f32_patch_neon,
    .f32_filter = bnn_f32_filter_neon,
    .f32_result = bnn_f32_result_neon,
    .f32_spread = bnn_f32_spread_neon,
    .f32_gather = bnn_f32_gather_neon,
    .f32_inner = bnn_f32_inner_neon,
    .f32_weighted = bnn_f32_weighted_neon,
    .b1_weighted = bnn_b1_weighted_neon,
    .f32_columns = bnn_f32_columns_neon,
    .f32_rows = bnn_f32_rows_generic,
    .b1_expand = bnn_b1_expand_neon,
    .mixed = &bnn_mixed_neon,
    .b1_mr = MR,
    .b1_a_bytes = 1,
    .b1_w_bytes = 1,
    .b1_pack_w = bnn_b1_pack_w_neon,
    .b1_pack_a = bnn_b1_pack_a_neon,
    .b1_tile = bnn_b1_tile_neon,
    .b1_inner = bnn_b1_inner_neon,
    .b1_finish = bnn_b1_finish_neon,
    .b1_planes = bnn_b1_planes_neon,
};

#endif
