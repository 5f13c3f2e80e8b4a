/* NEON on 32-bit and on 64-bit ARM. What only the latter has is made here, under its own name, of
 * what both have; so tiles are written once.
 *
 * One difference no name hides: on 32-bit ARM, float vectors take subnormal numbers for zeros.
 * Where a result must not depend on that, it is made by what is called bnn_.. here, which does the
 * same on both; b1_neon.c asks whether it happened. */
#ifndef BNN_CPU_TILES_NEON_H
#define BNN_CPU_TILES_NEON_H

#include <arm_neon.h>
#include <math.h>

/* Rows of a float tile of eight columns: half of the registers are sums. */
#if defined(__aarch64__)
enum { BNN_F32_ROWS = 8 };
#else
enum { BNN_F32_ROWS = 4 };
#endif

#if defined(__arm__)

#define vdupq_laneq_u32(v, lane)                                                                   \
    vdupq_lane_u32((lane) < 2 ? vget_low_u32(v) : vget_high_u32(v), (lane) % 2)

static inline uint8x16_t vpaddq_u8(uint8x16_t a, uint8x16_t b) {
    return vcombine_u8(vpadd_u8(vget_low_u8(a), vget_high_u8(a)),
                       vpadd_u8(vget_low_u8(b), vget_high_u8(b)));
}

static inline float32x4_t vpaddq_f32(float32x4_t a, float32x4_t b) {
    return vcombine_f32(vpadd_f32(vget_low_f32(a), vget_high_f32(a)),
                        vpadd_f32(vget_low_f32(b), vget_high_f32(b)));
}

static inline uint32_t vaddvq_u32(uint32x4_t v) {
    uint32x2_t sum = vadd_u32(vget_low_u32(v), vget_high_u32(v));
    return vget_lane_u32(vpadd_u32(sum, sum), 0);
}

static inline uint16x8_t vuzp1q_u16(uint16x8_t a, uint16x8_t b) {
    return vuzpq_u16(a, b).val[0];
}

static inline uint8x16_t vuzp1q_u8(uint8x16_t a, uint8x16_t b) {
    return vuzpq_u8(a, b).val[0];
}

/* The scalar unit rounds roots as sqrtf does; vectors only estimate them. */
static inline float32x4_t vsqrtq_f32(float32x4_t v) {
    for (int i = 0; i < 4; i++) {
        v[i] = sqrtf(v[i]);
    }
    return v;
}

static inline uint32x4_t vcgezq_f32(float32x4_t v) {
    return vcgeq_f32(v, vdupq_n_f32(0.0f));
}

/* Floats as integers in the same order: those below zero from zero down, both zeros 0. */
static inline int32x4_t bnn_order(float32x4_t v) {
    const int32x4_t bits = vreinterpretq_s32_f32(v), least = vdupq_n_s32(INT32_MIN);
    const uint32x4_t negative = vreinterpretq_u32_s32(vshrq_n_s32(bits, 31));
    return vbslq_s32(negative, vsubq_s32(least, bits), bits);
}

/* Neither is a NaN: these are unequal to themselves. */
static inline uint32x4_t bnn_ordered(float32x4_t a, float32x4_t b) {
    return vandq_u32(vceqq_f32(a, a), vceqq_f32(b, b));
}

static inline uint32x4_t bnn_ge(float32x4_t a, float32x4_t b) {
    return vandq_u32(vcgeq_s32(bnn_order(a), bnn_order(b)), bnn_ordered(a, b));
}

static inline uint32x4_t bnn_gt(float32x4_t a, float32x4_t b) {
    return vandq_u32(vcgtq_s32(bnn_order(a), bnn_order(b)), bnn_ordered(a, b));
}

/* By the scalar unit. */
static inline float32x4_t bnn_add(float32x4_t a, float32x4_t b) {
    for (int i = 0; i < 4; i++) {
        a[i] += b[i];
    }
    return a;
}

#else

#define bnn_ge vcgeq_f32
#define bnn_gt vcgtq_f32
#define bnn_add vaddq_f32

#endif

/* Four vectors of four, transposed in place: rows become columns. */
static inline void bnn_transpose_neon(float32x4_t v[4]) {
    const float32x4x2_t a = vtrnq_f32(v[0], v[1]), b = vtrnq_f32(v[2], v[3]);
    v[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    v[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    v[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    v[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

#endif
