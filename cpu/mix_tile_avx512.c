/* The mixed product with AVX-512, without multiplications: the sixteen signed sums of four floats
 * are a table in one register, a lane of codes picks one of them, and a permutation and an addition
 * do what four multiply-adds would. Eight rows times up to three vectors of columns are summed in
 * registers; a row of tables serves all vectors, a vector of codes all rows. */
#include "cpu/micro.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <immintrin.h>

enum { MR = 8, NV = 3, LANES = 16, TABLE = 16, RUN = 128 /* quads; see f32_tile_avx2.c */ };

void bnn_mix_codes_avx512(size_t n, const uint32_t *rows, uint32_t *codes) {
    __m512i v = _mm512_setzero_si512(), bit = _mm512_set1_epi32(1);
    for (size_t j = 0; j < n; j++) {
        v = _mm512_mask_or_epi32(v, (__mmask16)rows[j], v, bit);
        bit = _mm512_add_epi32(bit, bit);
    }
    _mm512_storeu_si512(codes, v);
}

/* +factor in the lanes whose number has bit j, -factor elsewhere. */
static inline __m512 signs(int bit, float factor) {
    static const uint16_t set[4] = {0xaaaa, 0xcccc, 0xf0f0, 0xff00};
    return _mm512_mask_blend_ps((__mmask16)set[bit], _mm512_set1_ps(-factor),
                                _mm512_set1_ps(factor));
}

void bnn_mix_tables_avx512(size_t n, const float *const v[4], size_t step, float factor,
                           float *tables, size_t table_step) {
    const __m512 s0 = signs(0, factor), s1 = signs(1, factor);
    const __m512 s2 = signs(2, factor), s3 = signs(3, factor);
    const float *v0 = v[0], *v1 = v[1], *v2 = v[2], *v3 = v[3];
    for (size_t i = 0; i < n; i++, tables += table_step) {
        __m512 sum = _mm512_mul_ps(s0, _mm512_set1_ps(v0[i * step]));
        sum = _mm512_fmadd_ps(s1, _mm512_set1_ps(v1[i * step]), sum);
        sum = _mm512_fmadd_ps(s2, _mm512_set1_ps(v2[i * step]), sum);
        sum = _mm512_fmadd_ps(s3, _mm512_set1_ps(v3[i * step]), sum);
        _mm512_store_ps(tables, sum);
    }
}

static inline void store(__m512 sum, size_t n, float *c, int acc) {
    __mmask16 in = (__mmask16)(n >= LANES ? 0xffffu : (1u << n) - 1);
    if (acc) {
        sum = _mm512_add_ps(_mm512_maskz_loadu_ps(in, c), sum);
    }
    _mm512_mask_storeu_ps(c, in, sum);
}

/* With nv constant all loops over rows and vectors vanish, and the sums become registers. */
static inline __attribute__((always_inline)) void
run(const bnn_mix *m, size_t t, size_t taps, size_t first, size_t count, const size_t nv, int acc) {
    size_t words = (m->quads + 7) / 8;
    __m512 sum[MR][NV];
#pragma GCC unroll 8
    for (size_t i = 0; i < MR; i++) {
#pragma GCC unroll 3
        for (size_t v = 0; v < nv; v++) {
            sum[i][v] = _mm512_setzero_ps();
        }
    }
    for (size_t tap = t; tap < t + taps; tap++) {
        const float *const *a = m->tables + tap * MR;
        const float *a0 = a[0] + first * TABLE, *a1 = a[1] + first * TABLE;
        const float *a2 = a[2] + first * TABLE, *a3 = a[3] + first * TABLE;
        const float *a4 = a[4] + first * TABLE, *a5 = a[5] + first * TABLE;
        const float *a6 = a[6] + first * TABLE, *a7 = a[7] + first * TABLE;
        size_t at = (tap * words + first / 8) * LANES, offset = 0;
        for (size_t left = count; left > 0; at += LANES) {
            size_t here = left < 8 ? left : 8;
            __m512i code[NV];
#pragma GCC unroll 3
            for (size_t v = 0; v < nv; v++) {
                code[v] = _mm512_load_si512(m->codes[v] + at);
            }
            left -= here;
            for (; here > 0; here--, offset += TABLE) {
                const float *table[MR] = {a0, a1, a2, a3, a4, a5, a6, a7};
#pragma GCC unroll 8
                for (size_t i = 0; i < MR; i++) {
                    __m512 sums = _mm512_load_ps(table[i] + offset);
#pragma GCC unroll 3
                    for (size_t v = 0; v < nv; v++) {
                        sum[i][v] = _mm512_add_ps(sum[i][v], _mm512_permutexvar_ps(code[v], sums));
                    }
                }
#pragma GCC unroll 3
                for (size_t v = 0; v < nv; v++) {
                    code[v] = _mm512_srli_epi32(code[v], 4);
                }
            }
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < MR; i++) {
#pragma GCC unroll 3
        for (size_t v = 0; v < nv; v++) {
            if (i < m->rows) {
                store(sum[i][v], m->lanes[v], m->out[i] + m->column[v], acc);
            }
        }
    }
}

static inline __attribute__((always_inline)) void tile(const bnn_mix *m, const size_t nv) {
    size_t at_once = m->quads < RUN ? RUN / m->quads : 1;
    for (size_t t = 0; t < m->taps; t += at_once) {
        size_t taps = m->taps - t < at_once ? m->taps - t : at_once;
        for (size_t first = 0; first < m->quads; first += RUN) {
            size_t count = m->quads - first < RUN ? m->quads - first : RUN;
            run(m, t, taps, first, count, nv, m->acc || t + first > 0);
        }
    }
}

void bnn_mix_tile_avx512(const bnn_mix *m) {
    if (m->vectors == 3) {
        tile(m, 3);
    } else if (m->vectors == 2) {
        tile(m, 2);
    } else {
        tile(m, 1);
    }
}

const bnn_mixed bnn_mixed_avx512 = {
    .mr = MR,
    .nv = NV,
    .lanes = LANES,
    .table = TABLE,
    .codes = bnn_mix_codes_avx512,
    .tables = bnn_mix_tables_avx512,
    .tile = bnn_mix_tile_avx512,
};

#endif
