/* Sixty-four values at a time, to and from one word: the primitives under bits.inc, with NEON.
 * A comparison with a NaN is false, as in bits_generic.h. */
#ifndef BNN_CPU_TILES_BITS_NEON_H
#define BNN_CPU_TILES_BITS_NEON_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/tiles/neon.h"

/* Bit i of the word is the comparison of value i, 16 vectors with all bits of a lane set or clear:
 * narrowed to bytes, each left with the bit it stands for, and added up eight at a time. */
static inline uint64_t bits_gather(const uint32x4_t hit[16]) {
    const uint8x16_t weight = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
    uint8x16_t bytes[4];
    for (int i = 0; i < 4; i++) {
        uint16x8_t low =
            vuzp1q_u16(vreinterpretq_u16_u32(hit[4 * i]), vreinterpretq_u16_u32(hit[4 * i + 1]));
        uint16x8_t high = vuzp1q_u16(vreinterpretq_u16_u32(hit[4 * i + 2]),
                                     vreinterpretq_u16_u32(hit[4 * i + 3]));
        bytes[i] = vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high));
        bytes[i] = vandq_u8(bytes[i], weight);
    }
    uint8x16_t sum = vpaddq_u8(vpaddq_u8(bytes[0], bytes[1]), vpaddq_u8(bytes[2], bytes[3]));
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

static inline uint64_t bits_ge(const float *x, float t) {
    const float32x4_t bound = vdupq_n_f32(t);
    uint32x4_t hit[16];
    for (int i = 0; i < 16; i++) {
        hit[i] = bnn_ge(vld1q_f32(x + 4 * i), bound);
    }
    return bits_gather(hit);
}

/* The same for the first n < 64 values; nothing behind them is read. */
static inline uint64_t bits_ge_some(const float *x, size_t n, float t) {
    const uint32x4_t weight = {1, 2, 4, 8};
    const float32x4_t bound = vdupq_n_f32(t);
    uint64_t word = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint32x4_t hit = bnn_ge(vld1q_f32(x + i), bound);
        word |= (uint64_t)vaddvq_u32(vandq_u32(hit, weight)) << i;
    }
    for (; i < n; i++) {
        word |= (uint64_t)(x[i] >= t) << i;
    }
    return word;
}

/* Square roots in place, as sqrtf rounds them. */
static inline void square_roots(size_t n, float *x) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        vst1q_f32(x + i, vsqrtq_f32(vld1q_f32(x + i)));
    }
    for (; i < n; i++) {
        x[i] = sqrtf(x[i]);
    }
}

static inline uint64_t bits_between(const float *x, float lo, float hi) {
    const float32x4_t low = vdupq_n_f32(lo), high = vdupq_n_f32(hi);
    uint32x4_t hit[16];
    for (int i = 0; i < 16; i++) {
        float32x4_t v = vld1q_f32(x + 4 * i);
        hit[i] = vandq_u32(bnn_gt(v, low), bnn_gt(high, v));
    }
    return bits_gather(hit);
}

static inline uint64_t bits_within(const float *x, float lo, float hi) {
    const float32x4_t low = vdupq_n_f32(lo), high = vdupq_n_f32(hi);
    uint32x4_t hit[16];
    for (int i = 0; i < 16; i++) {
        float32x4_t v = vld1q_f32(x + 4 * i);
        hit[i] = vandq_u32(bnn_ge(v, low), bnn_ge(high, v));
    }
    return bits_gather(hit);
}

static inline uint64_t bits_threshold(const float *x, const int32_t *threshold) {
    const int32x4_t one = vdupq_n_s32(1);
    uint32x4_t hit[16];
    for (int i = 0; i < 16; i++) {
        int32x4_t t = vld1q_s32(threshold + 4 * i);
        float32x4_t bound = vcvtq_f32_s32(vshrq_n_s32(t, 1));
        hit[i] = veorq_u32(bnn_ge(vld1q_f32(x + 4 * i), bound), vtstq_s32(t, one));
    }
    return bits_gather(hit);
}

/* All ones in lane j if bit j is set. */
static inline uint32x4_t bits_lanes(uint64_t bits) {
    const uint32x4_t weight = {1, 2, 4, 8};
    return vtstq_u32(vdupq_n_u32((uint32_t)bits), weight);
}

static inline void bits_select(uint64_t word, const float *g, float *gx, int acc) {
    for (int i = 0; i < 16; i++) {
        uint32x4_t bits = vreinterpretq_u32_f32(vld1q_f32(g + 4 * i));
        float32x4_t v = vreinterpretq_f32_u32(vandq_u32(bits, bits_lanes(word >> (4 * i))));
        if (acc) {
            v = bnn_add(vld1q_f32(gx + 4 * i), v);
        }
        vst1q_f32(gx + 4 * i, v);
    }
}

static inline void bits_signs(uint64_t word, float scale, float *x) {
    const float32x4_t plus = vdupq_n_f32(scale), minus = vnegq_f32(plus);
    for (int i = 0; i < 16; i++) {
        vst1q_f32(x + 4 * i, vbslq_f32(bits_lanes(word >> (4 * i)), plus, minus));
    }
}

#endif
