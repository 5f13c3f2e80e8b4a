/* The binary tile with NEON: xor, a popcount of bytes, an addition. Channels lie in the lanes, 32
 * bits of K of each, so that 4 pixels times 16 channels are sixteen sums in registers, one pass
 * serves every width, and what adds up a lane's bytes leaves the counts in their order. Sums are
 * bytes, widened every 31 steps (8 a step at most); the bound is the vector pipes, three operations
 * for 128 products. */
#include "cpu/micro.h"

#if defined(__aarch64__) /* elsewhere this file is empty but for declarations */

#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "cpu/bits_neon.h"

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

/* Channels j .. j+4 of pixel i. */
static inline int32x4_t integers(const bnn_finish *f, size_t i, size_t j) {
    const int32_t *count = f->count + i * f->width + j, *offset = f->offset + f->class_at[i] + j;
    return vmlsq_n_s32(vld1q_s32(offset), vld1q_s32(count), 2);
}

/* Bit j is lane j, which has all bits set or clear. */
static inline uint64_t bits_of(uint32x4_t hit) {
    const uint32x4_t weight = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(hit, weight));
}

/* What is done to four columns of a float result. */
typedef struct ending {
    const bnn_result *y;
    float32x4_t a, b, lo, hi;
} ending;

/* A factor of one and infinite bounds change nothing; a term of zero would change -0. */
static inline ending ending_at(const bnn_result *y, size_t column) {
    ending e = {.y = y, .a = vdupq_n_f32(1.0f), .b = vdupq_n_f32(0.0f)};
    e.a = y->a == NULL ? e.a : vld1q_f32(y->a + column);
    e.b = y->b == NULL ? e.b : vld1q_f32(y->b + column);
    e.lo = vdupq_n_f32(y->clamp == NULL ? -INFINITY : y->clamp[0]);
    e.hi = vdupq_n_f32(y->clamp == NULL ? INFINITY : y->clamp[1]);
    return e;
}

/* Bounds by choice: NEON's minimum and maximum order zeros by their signs. */
static inline float32x4_t end_at(const ending *e, float32x4_t v, size_t at) {
    v = vmulq_f32(e->a, v);
    v = e->y->b == NULL ? v : vaddq_f32(v, e->b);
    v = e->y->add == NULL ? v : vaddq_f32(v, vld1q_f32(e->y->add + at));
    v = vbslq_f32(vcltq_f32(v, e->lo), e->lo, v);
    v = vbslq_f32(vcgtq_f32(v, e->hi), e->hi, v);
    vst1q_f32(e->y->f32 + at, v);
    return v;
}

/* Vectors, if they come out even; else as in portable C. */
void bnn_f32_end_neon(const bnn_result *y, size_t column, size_t m, size_t n, float *const *c) {
    if (n % 4 != 0) {
        bnn_f32_end_generic(y, column, m, n, c);
        return;
    }
    for (size_t j = 0; j < n; j += 4) {
        ending e = ending_at(y, column + j);
        for (size_t i = 0; i < m; i++) {
            end_at(&e, vld1q_f32(c[i] + j), (size_t)(c[i] + j - y->f32));
        }
    }
}

static void finish_f32(const bnn_finish *f) {
    uint64_t bits[BNN_FINISH_PIXELS] = {0};
    for (size_t j = 0; j < f->n; j += 4) {
        ending e = ending_at(f->y, f->column + j);
        size_t at = f->first * f->channels + f->column + j;
        for (size_t i = 0; i < f->pixels; i++, at += f->channels) {
            float32x4_t v = vmulq_n_f32(vcvtq_f32_s32(integers(f, i, j)), f->xscale[i]);
            bits[i] |= bits_of(vcgezq_f32(end_at(&e, v, at))) << j;
        }
    }
    bnn_finish_bits(f, f->y->sign, bits);
}

static void finish_i16(const bnn_finish *f) {
    for (size_t j = 0; j < f->n; j += 4) {
        int16_t *to = f->y->i16 + f->first * f->channels + f->column + j;
        for (size_t i = 0; i < f->pixels; i++, to += f->channels) {
            vst1_s16(to, vmovn_s32(integers(f, i, j)));
        }
    }
}

static void finish_b1(const bnn_finish *f) {
    uint64_t bits[BNN_FINISH_PIXELS] = {0};
    for (size_t j = 0; j < f->n; j += 4) {
        int32x4_t t = vld1q_s32(f->y->threshold + f->column + j);
        uint32x4_t flip = vtstq_s32(t, vdupq_n_s32(1));
        t = vshrq_n_s32(t, 1);
        for (size_t i = 0; i < f->pixels; i++) {
            bits[i] |= bits_of(veorq_u32(vcgeq_s32(integers(f, i, j), t), flip)) << j;
        }
    }
    bnn_finish_bits(f, f->y->b1, bits);
}

/* The same rule. */
void bnn_b1_finish_neon(const bnn_finish *f) {
    if (f->n % 4 != 0) {
        bnn_b1_finish_generic(f);
    } else if (f->y->f32 != NULL) {
        finish_f32(f);
    } else if (f->y->i16 != NULL) {
        finish_i16(f);
    } else {
        finish_b1(f);
    }
}

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

const bnn_micro bnn_micro_neon = {
    .f32_mr = 8,
    .f32_nr = 8,
    .f32_indirect = bnn_f32_indirect_neon,
    .f32_outer = bnn_f32_outer_neon,
    .f32_end = bnn_f32_end_neon,
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
    .b1_finish = bnn_b1_finish_neon,
};

#endif
