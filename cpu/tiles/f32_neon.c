/* The float tiles with NEON: 8 x 8 sums in 16 of the 32 registers, on 32-bit ARM half of both. A
 * value of A needs no broadcast: it is loaded alone and its lane is an operand of the multiply-add.
 * And the transpose of filters into panels, by blocks of 4 x 4. */
#include "cpu/tiles/tiles.h"

#if defined(BNN_NEON) /* elsewhere this file is empty but for declarations */

#include "cpu/tiles/neon.h"

#define LANES 4
#define MR BNN_F32_ROWS
#if defined(__aarch64__)
#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#else
#define ROWS(X) X(0) X(1) X(2) X(3)
#endif

typedef float32x4_t vec;

#define zero() vdupq_n_f32(0.0f)
#define load vld1q_f32
#if defined(__ARM_FEATURE_FMA)
#define fma(a, b, sum) vfmaq_f32(sum, b, a)
#else
#define fma(a, b, sum) vmlaq_f32(sum, b, a)
#endif
#define broadcast vld1q_dup_f32

static inline void store(float *to, vec v, size_t n, int acc) {
    if (n == LANES) {
        vst1q_f32(to, acc ? vaddq_f32(vld1q_f32(to), v) : v);
        return;
    }
    float row[LANES];
    vst1q_f32(row, v);
    for (size_t j = 0; j < n; j++) {
        to[j] = acc ? to[j] + row[j] : row[j];
    }
}

#define INDIRECT_NAME bnn_f32_indirect_neon
#define OUTER_NAME bnn_f32_outer_neon
#include "cpu/tiles/f32.inc"
#define DOTS_NAME bnn_f32_dots_neon
#include "cpu/tiles/dots.inc"
#define NAME(what) bnn_##what##_neon
#include "cpu/tiles/winograd.inc"

#define load_any vld1q_f32

static inline vec load_some(const float *v, size_t n) {
    float row[LANES] = {0};
    for (size_t j = 0; j < n; j++) {
        row[j] = v[j];
    }
    return vld1q_f32(row);
}

static inline void four_sums(const vec v[4], float *to) {
    vst1q_f32(to, vpaddq_f32(vpaddq_f32(v[0], v[1]), vpaddq_f32(v[2], v[3])));
}

#define INNER_MR 4
#define INNER_NAME bnn_f32_inner_neon
#include "cpu/tiles/inner.inc"

typedef uint32x4_t plus; /* the sign bit */

static inline plus plus_of(uint64_t bits) {
    const int32x4_t to_sign = {31, 30, 29, 28};
    return vandq_u32(vshlq_u32(vdupq_n_u32((uint32_t)bits), to_sign), vdupq_n_u32(0x80000000u));
}

static inline vec add_signed(vec sum, vec v, plus in) {
    return vsubq_f32(sum, vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(v), in)));
}

#define SUMS 16
#define F32_WEIGHTED_NAME bnn_f32_weighted_neon
#define B1_WEIGHTED_NAME bnn_b1_weighted_neon
#include "cpu/tiles/weighted.inc"

void bnn_f32_columns_neon(size_t k, size_t n, size_t ld, const float *rows, size_t nr,
                          float *panel) {
    size_t whole = n / 4 * 4, fours = k / 4 * 4;
    for (size_t j = 0; j < whole; j += 4) {
        for (size_t i = 0; i < fours; i += 4) {
            float32x4_t v[4];
            for (size_t r = 0; r < 4; r++) {
                v[r] = vld1q_f32(rows + (j + r) * ld + i);
            }
            bnn_transpose_neon(v);
            for (size_t r = 0; r < 4; r++) {
                vst1q_f32(panel + (i + r) * nr + j, v[r]);
            }
        }
    }
    bnn_f32_columns_generic(k - fours, whole, ld, rows + fours, nr, panel + fours * nr);
    bnn_f32_columns_generic(k, n - whole, ld, rows + whole * ld, nr, panel + whole);
}

#endif
