/* Four vectors of four, transposed in place: rows become columns. */
#ifndef BNN_CPU_TILES_TRANSPOSE_NEON_H
#define BNN_CPU_TILES_TRANSPOSE_NEON_H

#include <arm_neon.h>

static inline void bnn_transpose_neon(float32x4_t v[4]) {
    float64x2_t even0 = vreinterpretq_f64_f32(vtrn1q_f32(v[0], v[1]));
    float64x2_t odd0 = vreinterpretq_f64_f32(vtrn2q_f32(v[0], v[1]));
    float64x2_t even1 = vreinterpretq_f64_f32(vtrn1q_f32(v[2], v[3]));
    float64x2_t odd1 = vreinterpretq_f64_f32(vtrn2q_f32(v[2], v[3]));
    v[0] = vreinterpretq_f32_f64(vtrn1q_f64(even0, even1));
    v[1] = vreinterpretq_f32_f64(vtrn1q_f64(odd0, odd1));
    v[2] = vreinterpretq_f32_f64(vtrn2q_f64(even0, even1));
    v[3] = vreinterpretq_f32_f64(vtrn2q_f64(odd0, odd1));
}

#endif
