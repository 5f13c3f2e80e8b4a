/* The float tiles with NEON: 8 x 8 sums in 16 of the 32 registers. A value of A needs no broadcast:
 * it is loaded alone and its lane is an operand of the multiply-add. And the transpose of filters
 * into panels, by blocks of 4 x 4. */
#include "cpu/tiles/tiles.h"

#if defined(__aarch64__) /* elsewhere this file is empty but for declarations */

#include "cpu/tiles/transpose_neon.h"

#define LANES 4
#define MR 8
#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

typedef float32x4_t vec;

#define zero() vdupq_n_f32(0.0f)
#define load vld1q_f32
#define fma(a, b, sum) vfmaq_f32(sum, b, a)
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
#define NAME(what) bnn_f32_##what##_neon
#include "cpu/tiles/winograd.inc"

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
