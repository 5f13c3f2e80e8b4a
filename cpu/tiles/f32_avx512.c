/* The float tiles with AVX-512: 12 x 32 sums in 24 of the 32 registers. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <immintrin.h>

#define LANES 16
#define MR 12
#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

typedef __m512 vec;

#define zero _mm512_setzero_ps
#define load _mm512_load_ps
#define fma _mm512_fmadd_ps

static inline vec broadcast(const float *v) {
    return _mm512_set1_ps(*v);
}

static inline void store(float *to, vec v, size_t n, int acc) {
    __mmask16 mask = (__mmask16)(0xffffu >> (LANES - n));
    if (acc) {
        v = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), v);
    }
    _mm512_mask_storeu_ps(to, mask, v);
}

#define INDIRECT_NAME bnn_f32_indirect_avx512
#define OUTER_NAME bnn_f32_outer_avx512
#include "cpu/tiles/f32.inc"
#define DOTS_NAME bnn_f32_dots_avx512
#include "cpu/tiles/dots.inc"
#define NAME(what) bnn_f32_##what##_avx512
#include "cpu/tiles/winograd.inc"

void bnn_f32_rows_avx512(size_t k, size_t n, const float *const *rows, size_t first, size_t nr,
                         float *panel) {
    size_t wide = n > LANES, rest = wide ? n - LANES : n;
    __mmask16 mask = (__mmask16)(0xffffu >> (LANES - rest));
    for (size_t i = 0; i < k; i++, panel += nr) {
        const float *row = rows[i] + first;
        if (wide) {
            _mm512_storeu_ps(panel, _mm512_loadu_ps(row));
        }
        size_t j = wide ? LANES : 0;
        _mm512_mask_storeu_ps(panel + j, mask, _mm512_maskz_loadu_ps(mask, row + j));
    }
}

#endif
