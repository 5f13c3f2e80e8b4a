/* The binary tile with NEON. Channels lie in the lanes, 32 bits of K of each, a step; so one pass
 * serves every width, and what adds up a lane's bytes leaves the counts in their order.
 *
 * To count every step would cost three operations for 128 products: xor, a popcount of bytes, an
 * addition. Here every second one is counted. Packing puts in the place of a step the parity of all
 * steps up to it, of pixels and of channels alike, so that their xor is the parity of all products
 * up to there. Let that be p before two steps, q between them and r behind them. The two add to
 * what p has kept; r keeps one of it, and there is a carry of two if p and both bits have a
 * majority of ones: with q clear both or neither of p and the first are set, and with q set one of
 * them is, so that the second decides. The carry is q ? not r : p, one selection of bits: two steps
 * are two xor, a selection, a popcount and an addition, and the bound is five operations for 256
 * products on the vector pipes, or six where a selection is two, as on Cortex-A72. (Adders of the
 * carries, as in b1_adders.inc, would cost three operations here for each two that they save.)
 *
 * As r is wanted inverted now, and as it is for the next two steps, packing inverts it for every
 * second pair. The next pair's carries are inverted by that, and are taken away from all there
 * could be. */
#include "cpu/tiles/tiles.h"

#if defined(BNN_NEON) /* elsewhere this file is empty but for declarations */

#include <math.h>
#include <string.h>

#include "cpu/tiles/bits_neon.h"

/* Pixels of a tile, and at once; vectors of channels at once, for sums and parities of all of which
 * there are registers; pairs of steps that a byte can count, an even number. */
#if defined(__aarch64__)
enum { MR = 4, PIXELS = 2, NV = 4, PAIRS = 30 };
#else
enum { MR = 4, PIXELS = 2, NV = 2, PAIRS = 30 };
#endif
enum { PASS = 4 * NV /* channels */, PAIR = 8 /* bytes of K */ };

/* A panel is [width / PASS][kb / 4][PASS]: the steps of a pass follow each other. */
void bnn_b1_pack_w_neon(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel) {
    for (size_t j = 0; j < width; j += PASS) {
        uint32_t parity[PASS] = {0};
        for (size_t k = 0; k < kb; k += 4) {
            uint32_t invert = k % (2 * PAIR) == 4 ? ~(uint32_t)0 : 0;
            for (size_t lane = 0; lane < PASS; lane++, panel += 4) {
                uint32_t v = 0;
                if (j + lane < n) {
                    memcpy(&v, w + (j + lane) * kb + k, 4);
                }
                parity[lane] ^= v;
                v = parity[lane] ^ invert;
                memcpy(panel, &v, 4);
            }
        }
    }
}

/* The parities of a pair of steps, from that of all before it on. */
static inline uint32x2_t parities(const uint8_t *row, uint32x2_t *before) {
    uint32x2_t v = vreinterpret_u32_u8(vld1_u8(row));
    v = veor_u32(v, vreinterpret_u32_u64(vshl_n_u64(vreinterpret_u64_u32(v), 32)));
    v = veor_u32(v, *before);
    *before = vdup_lane_u32(v, 1);
    return v;
}

/* A tile is [MR / PIXELS][kb / 8][2][PIXELS], so that one load fetches a pair of steps. */
void bnn_b1_pack_a_neon(size_t kb, const uint8_t *rows, uint8_t *tile) {
    for (int i = 0; i < MR; i += PIXELS, rows += PIXELS * kb) {
        uint32x2_t left = vdup_n_u32(0), right = left;
        for (size_t k = 0; k < kb; k += PAIR, tile += PIXELS * PAIR) {
            uint32x2x2_t v = vzip_u32(parities(rows + k, &left), parities(rows + kb + k, &right));
            vst1q_u32((uint32_t *)(void *)tile, vcombine_u32(v.val[0], v.val[1]));
        }
    }
}

typedef struct counter {
    uint8x16_t parity, sum;
} counter;

/* Where a value becomes an operand of its own: gcc would load every lane of a vector alone and copy
 * it all the same, and sum in another order, in more operations. */
#define PIN(x) __asm__("" : "+w"(x))
/* What gcc does not reorder across: it would begin so much at once that registers lack. */
#define BARRIER() __asm__ volatile("")

/* A pair of steps; `inverted`, a constant, if its bits are. */
static inline __attribute__((always_inline)) void
count_pair(counter c[NV][PIXELS], const uint8_t *tile, const uint8_t *w, int inverted) {
    uint32x4_t pixels = vld1q_u32((const uint32_t *)(const void *)tile);
    PIN(pixels);
    const uint8x16_t a[2][PIXELS] = {{vreinterpretq_u8_u32(vdupq_laneq_u32(pixels, 0)),
                                      vreinterpretq_u8_u32(vdupq_laneq_u32(pixels, 1))},
                                     {vreinterpretq_u8_u32(vdupq_laneq_u32(pixels, 2)),
                                      vreinterpretq_u8_u32(vdupq_laneq_u32(pixels, 3))}};
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) {
        const uint8x16_t first = vld1q_u8(w + 16 * v), second = vld1q_u8(w + 4 * PASS + 16 * v);
#pragma GCC unroll 2
        for (int i = 0; i < PIXELS; i++) {
            uint8x16_t parity = veorq_u8(a[1][i], second);
            uint8x16_t twos = vbslq_u8(veorq_u8(a[0][i], first), parity, c[v][i].parity);
            c[v][i].parity = parity;
            twos = vcntq_u8(twos);
            c[v][i].sum = inverted ? vsubq_u8(c[v][i].sum, twos) : vaddq_u8(c[v][i].sum, twos);
            PIN(c[v][i].sum);
        }
        if ((v + 1) % (NV / 2) == 0) {
            BARRIER();
        }
    }
}

/* The sums of each channel's bytes, worth two each, and of what there is beside. */
static inline void widen(uint8x16_t twos, uint16x8_t ones, int32_t *count, int add) {
    uint16x8_t all = vpadalq_u8(vpadalq_u8(ones, twos), twos);
    int32x4_t wide = vreinterpretq_s32_u32(vpaddlq_u16(all));
    vst1q_s32(count, add ? vaddq_s32(vld1q_s32(count), wide) : wide);
}

/* PIXELS times a pass. With all loops over pixels and vectors unrolled the counters become
 * registers. */
static void run(size_t pairs, const uint8_t *tile, const uint8_t *w, size_t width, int32_t *count) {
    const size_t a = PIXELS * PAIR, b = PASS * PAIR;
    counter c[NV][PIXELS];
#pragma GCC unroll 8
    for (int i = 0; i < PIXELS * NV; i++) {
        c[i % NV][i / NV].parity = vdupq_n_u8(0);
    }
    for (size_t first = 0; first < pairs; first += PAIRS) {
        size_t here = pairs - first < PAIRS ? pairs - first : PAIRS, left = here / 2;
        int last = first + here == pairs;
#pragma GCC unroll 8
        for (int i = 0; i < PIXELS * NV; i++) {
            c[i % NV][i / NV].sum = vdupq_n_u8((uint8_t)(8 * left));
        }
        for (; left > 0; left--, tile += 2 * a, w += 2 * b) {
            count_pair(c, tile, w, 0);
            count_pair(c, tile + a, w + b, 1);
        }
        if (here % 2) {
            count_pair(c, tile, w, 0);
        }
        const uint8x16_t invert = vdupq_n_u8(here % 2 ? 255 : 0);
#pragma GCC unroll 8
        for (int i = 0; i < PIXELS * NV; i++) {
            const counter *s = &c[i % NV][i / NV];
            uint16x8_t ones =
                last ? vpaddlq_u8(vcntq_u8(veorq_u8(s->parity, invert))) : vdupq_n_u16(0);
            widen(s->sum, ones, count + (size_t)(i / NV) * width + 4 * (i % NV), first > 0);
        }
    }
}

void bnn_b1_tile_neon(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                      int32_t *count) {
    for (size_t j = 0; j < width; j += PASS) {
        for (size_t i = 0; i < MR; i += PIXELS) {
            run(kb / PAIR, tile + i * kb, panel + j * kb, width, count + i * width + j);
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
    .f32_mr = BNN_F32_ROWS,
    .f32_nr = 8,
    .f32_indirect = bnn_f32_indirect_neon,
    .f32_outer = bnn_f32_outer_neon,
    .f32_end = F32_END,
    .f32_dots = bnn_f32_dots_neon,
    .winograd = bnn_winograd_neon,
    .f32_inner = bnn_f32_inner_neon,
    .f32_weighted = bnn_f32_weighted_neon,
    .b1_weighted = bnn_b1_weighted_neon,
    .f32_columns = bnn_f32_columns_neon,
    .f32_rows = bnn_f32_rows_generic,
    .b1_expand = bnn_b1_expand_neon,
    .mixed = &bnn_mixed_neon,
    .b1_mr = MR,
    .b1_nr = 64,
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
