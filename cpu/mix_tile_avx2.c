/* The mixed product with AVX2: as with AVX-512, but a register holds only the eight sums in which
 * the fourth float counts positive. The other eight are their negatives: where a code's high bit is
 * clear its low bits are inverted, and the sign of what they pick is flipped. */
#include "cpu/micro.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <immintrin.h>

enum { MR = 4, NV = 2, LANES = 8, TABLE = 8, RUN = 128 /* quads; see f32_tile_avx2.c */ };

void bnn_mix_codes_avx2(size_t n, const uint32_t *rows, uint32_t *codes) {
    const __m256i lane_bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    __m256i v = _mm256_setzero_si256(), bit = _mm256_set1_epi32(1);
    for (size_t j = 0; j < n; j++) {
        __m256i row = _mm256_and_si256(_mm256_set1_epi32((int)rows[j]), lane_bit);
        __m256i set = _mm256_cmpeq_epi32(row, lane_bit);
        v = _mm256_or_si256(v, _mm256_and_si256(set, bit));
        bit = _mm256_add_epi32(bit, bit);
    }
    _mm256_storeu_si256((__m256i *)(void *)codes, v);
}

void bnn_mix_tables_avx2(size_t n, const float *const v[4], size_t step, float factor,
                         float *tables, size_t table_step) {
    const float f = factor;
    const __m256 s0 = _mm256_setr_ps(-f, f, -f, f, -f, f, -f, f);
    const __m256 s1 = _mm256_setr_ps(-f, -f, f, f, -f, -f, f, f);
    const __m256 s2 = _mm256_setr_ps(-f, -f, -f, -f, f, f, f, f);
    const __m256 s3 = _mm256_set1_ps(f);
    const float *v0 = v[0], *v1 = v[1], *v2 = v[2], *v3 = v[3];
    for (size_t i = 0; i < n; i++, tables += table_step) {
        __m256 sum = _mm256_mul_ps(s0, _mm256_broadcast_ss(v0 + i * step));
        sum = _mm256_fmadd_ps(s1, _mm256_broadcast_ss(v1 + i * step), sum);
        sum = _mm256_fmadd_ps(s2, _mm256_broadcast_ss(v2 + i * step), sum);
        sum = _mm256_fmadd_ps(s3, _mm256_broadcast_ss(v3 + i * step), sum);
        _mm256_store_ps(tables, sum);
    }
}

static inline void store(__m256 sum, size_t n, float *c, int acc) {
    if (n == LANES) {
        _mm256_storeu_ps(c, acc ? _mm256_add_ps(_mm256_loadu_ps(c), sum) : sum);
        return;
    }
    float row[LANES];
    _mm256_storeu_ps(row, sum);
    for (size_t j = 0; j < n; j++) {
        c[j] = acc ? c[j] + row[j] : row[j];
    }
}

/* The sign bits of the lanes' codes, inverted: set where the high bit of the lowest code is clear.
 */
static inline __m256 flips(__m256i code) {
    const __m256i sign = _mm256_set1_epi32(INT32_MIN);
    return _mm256_castsi256_ps(_mm256_andnot_si256(_mm256_slli_epi32(code, 28), sign));
}

static inline __m256i load_codes(const uint32_t *p) {
    const __m256i high = _mm256_set1_epi32((int)0x88888888u);
    __m256i v = _mm256_load_si256((const __m256i *)(const void *)p);
    __m256i clear = _mm256_andnot_si256(v, high);
    /* 8 - 1 in each nibble that has its high bit clear */
    return _mm256_xor_si256(v, _mm256_sub_epi32(clear, _mm256_srli_epi32(clear, 3)));
}

static inline __m256 add_sum(__m256 sum, __m256 table, __m256i code, __m256 flip) {
    return _mm256_add_ps(sum, _mm256_xor_ps(_mm256_permutevar8x32_ps(table, code), flip));
}

/* With nv constant its tests vanish. The sums have names, or gcc would keep them in memory. */
static inline __attribute__((always_inline)) void
run(const bnn_mix *m, size_t t, size_t taps, size_t first, size_t count, const size_t nv, int acc) {
    size_t words = (m->quads + 7) / 8;
    const __m256 zero = _mm256_setzero_ps();
    __m256 s0l = zero, s0r = zero, s1l = zero, s1r = zero, s2l = zero, s2r = zero, s3l = zero,
           s3r = zero;
    for (size_t tap = t; tap < t + taps; tap++) {
        const float *const *a = m->tables + tap * MR;
        const float *a0 = a[0] + first * TABLE, *a1 = a[1] + first * TABLE;
        const float *a2 = a[2] + first * TABLE, *a3 = a[3] + first * TABLE;
        size_t at = (tap * words + first / 8) * LANES, offset = 0;
        for (size_t left = count; left > 0; at += LANES) {
            size_t here = left < 8 ? left : 8;
            __m256i left_code = load_codes(m->codes[0] + at), right_code = left_code;
            if (nv > 1) {
                right_code = load_codes(m->codes[1] + at);
            }
            left -= here;
            for (; here > 0; here--, offset += TABLE) {
                __m256 fl = flips(left_code), fr = flips(right_code), table;
                table = _mm256_load_ps(a0 + offset);
                s0l = add_sum(s0l, table, left_code, fl);
                s0r = nv > 1 ? add_sum(s0r, table, right_code, fr) : s0r;
                table = _mm256_load_ps(a1 + offset);
                s1l = add_sum(s1l, table, left_code, fl);
                s1r = nv > 1 ? add_sum(s1r, table, right_code, fr) : s1r;
                table = _mm256_load_ps(a2 + offset);
                s2l = add_sum(s2l, table, left_code, fl);
                s2r = nv > 1 ? add_sum(s2r, table, right_code, fr) : s2r;
                table = _mm256_load_ps(a3 + offset);
                s3l = add_sum(s3l, table, left_code, fl);
                s3r = nv > 1 ? add_sum(s3r, table, right_code, fr) : s3r;
                left_code = _mm256_srli_epi32(left_code, 4);
                right_code = _mm256_srli_epi32(right_code, 4);
            }
        }
    }
    const __m256 sum[MR][NV] = {{s0l, s0r}, {s1l, s1r}, {s2l, s2r}, {s3l, s3r}};
    for (size_t i = 0; i < m->rows; i++) {
        for (size_t v = 0; v < nv; v++) {
            store(sum[i][v], m->lanes[v], m->out[i] + m->column[v], acc);
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

void bnn_mix_tile_avx2(const bnn_mix *m) {
    if (m->vectors == 2) {
        tile(m, 2);
    } else {
        tile(m, 1);
    }
}

const bnn_mixed bnn_mixed_avx2 = {
    .mr = MR,
    .nv = NV,
    .lanes = LANES,
    .table = TABLE,
    .codes = bnn_mix_codes_avx2,
    .tables = bnn_mix_tables_avx2,
    .tile = bnn_mix_tile_avx2,
};

#endif
