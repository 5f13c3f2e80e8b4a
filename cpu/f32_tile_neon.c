/* The float tiles with NEON: 8 x 8 sums in sixteen registers, two for a row of B; a lane of A is an
 * operand of the multiply-add itself. The bound is the vector pipes. */
#include "cpu/micro.h"

#if defined(__aarch64__) /* elsewhere this file is empty but for declarations */

#include <arm_neon.h>

/* RUN: see f32_tile_avx2.c. */
enum { MR = 8, NR = 8, RUN = 128 };

static inline void store_row(const float32x4_t sum[2], size_t n, float *c, int acc) {
    float row[NR];
    float *to = n == NR ? c : row;
    int add = acc && n == NR;
    vst1q_f32(to, add ? vaddq_f32(vld1q_f32(c), sum[0]) : sum[0]);
    vst1q_f32(to + 4, add ? vaddq_f32(vld1q_f32(c + 4), sum[1]) : sum[1]);
    for (size_t j = 0; n < NR && j < n; j++) {
        c[j] = acc ? c[j] + row[j] : row[j];
    }
}

/* The instruction wants a constant lane; with `lane` one, the choice vanishes. */
static inline __attribute__((always_inline)) float32x4_t add_lane(float32x4_t sum, float32x4_t b,
                                                                  float32x4_t a, const int lane) {
    switch (lane) {
    case 0:
        return vfmaq_laneq_f32(sum, b, a, 0);
    case 1:
        return vfmaq_laneq_f32(sum, b, a, 1);
    case 2:
        return vfmaq_laneq_f32(sum, b, a, 2);
    default:
        return vfmaq_laneq_f32(sum, b, a, 3);
    }
}

/* With all loops over rows, and over four steps of the depth, unrolled the sums become registers.
 */
static void run(size_t taps, size_t first, size_t depth, const float *const *a, const float *b,
                size_t m, size_t n, float *const *c, int acc) {
    float32x4_t sum[MR][2];
#pragma GCC unroll 8
    for (int i = 0; i < MR; i++) {
        sum[i][0] = sum[i][1] = vdupq_n_f32(0.0f);
    }
    for (size_t t = 0; t < taps; t++, a += MR) {
        const float *row[MR];
#pragma GCC unroll 8
        for (int i = 0; i < MR; i++) {
            row[i] = a[i] + first;
        }
        size_t k = 0;
        for (; k + 4 <= depth; k += 4, b += 4 * NR) {
            float32x4_t v[MR];
#pragma GCC unroll 8
            for (int i = 0; i < MR; i++) {
                v[i] = vld1q_f32(row[i] + k);
            }
#pragma GCC unroll 4
            for (int lane = 0; lane < 4; lane++) {
                float32x4_t left = vld1q_f32(b + lane * NR), right = vld1q_f32(b + lane * NR + 4);
#pragma GCC unroll 8
                for (int i = 0; i < MR; i++) {
                    sum[i][0] = add_lane(sum[i][0], left, v[i], lane);
                    sum[i][1] = add_lane(sum[i][1], right, v[i], lane);
                }
            }
        }
        for (; k < depth; k++, b += NR) {
            float32x4_t left = vld1q_f32(b), right = vld1q_f32(b + 4);
#pragma GCC unroll 8
            for (int i = 0; i < MR; i++) {
                sum[i][0] = vfmaq_n_f32(sum[i][0], left, row[i][k]);
                sum[i][1] = vfmaq_n_f32(sum[i][1], right, row[i][k]);
            }
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < MR; i++) {
        if (i < m) {
            store_row(sum[i], n, c[i], acc);
        }
    }
}

void bnn_f32_indirect_neon(size_t taps, size_t depth, const float *const *a, const float *b,
                           size_t m, size_t n, float *const *c, int acc) {
    size_t at_once = depth < RUN ? RUN / depth : 1;
    for (size_t t = 0; t < taps; t += at_once) {
        size_t here = taps - t < at_once ? taps - t : at_once;
        for (size_t first = 0; first < depth; first += RUN) {
            size_t count = depth - first < RUN ? depth - first : RUN;
            run(here, first, count, a + t * MR, b + (t * depth + first) * NR, m, n, c,
                acc || t + first > 0);
        }
    }
}

/* With `rows` constant, at least m, a tail of channels costs no more than half a tile. */
static inline __attribute__((always_inline)) void outer(size_t depth, const float *a,
                                                        const float *b, const int rows, size_t m,
                                                        size_t n, float *c, size_t ldc, int acc) {
    float32x4_t sum[MR][2];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        sum[i][0] = sum[i][1] = vdupq_n_f32(0.0f);
    }
    for (size_t k = 0; k < depth; k++, a += MR, b += NR) {
        float32x4_t left = vld1q_f32(b), right = vld1q_f32(b + 4);
        const float32x4_t v[2] = {vld1q_f32(a), vld1q_f32(a + 4)};
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            sum[i][0] = add_lane(sum[i][0], left, v[i / 4], i % 4);
            sum[i][1] = add_lane(sum[i][1], right, v[i / 4], i % 4);
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < (size_t)rows; i++) {
        if (i < m) {
            store_row(sum[i], n, c + i * ldc, acc);
        }
    }
}

void bnn_f32_outer_neon(size_t depth, const float *a, const float *b, size_t m, size_t n, float *c,
                        size_t ldc, int acc) {
    if (m <= 4) {
        outer(depth, a, b, 4, m, n, c, ldc, acc);
    } else {
        outer(depth, a, b, 8, m, n, c, ldc, acc);
    }
}

#endif
