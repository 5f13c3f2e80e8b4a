/* The mixed product with AVX2: as with AVX-512, but a register holds only the eight sums in which
 * the fourth float counts positive. What is picked is multiplied by the sign as it is added. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <string.h>

#include "cpu/tiles/mixed_sums.h"

enum { MR = 8, NV = 1, LANES = 8, TABLE = 8, RUN = 144 /* quads: a 3x3 filter of 64 channels */ };

void bnn_mix_codes_avx2(size_t n, const uint32_t *rows, uint32_t *codes) {
    uint32_t all[32] = {0};
    memcpy(all, rows, n * sizeof(uint32_t));
    const __m256i byte = _mm256_set1_epi32(0xff);
    __m256i part[4];
    for (size_t i = 0; i < 4; i++) {
        part[i] = _mm256_loadu_si256((const __m256i *)(const void *)(all + 8 * i));
        part[i] = _mm256_and_si256(part[i], byte);
    }
    __m256i v = _mm256_packus_epi16(_mm256_packus_epi32(part[0], part[1]),
                                    _mm256_packus_epi32(part[2], part[3]));
    /* Packing interleaved the halves of the registers, four rows at a time. */
    v = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    const __m128i fourths = _mm_setr_epi8(3, 3, 3, 3, 7, 7, 7, 7, 11, 11, 11, 11, 15, 15, 15, 15);
    __m256i fourth = _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(fourths));
    v = _mm256_xor_si256(v, _mm256_andnot_si256(fourth, _mm256_set1_epi32(0xffffff)));
    for (size_t lane = LANES; lane-- > 0; v = _mm256_add_epi8(v, v)) {
        codes[lane] = (uint32_t)_mm256_movemask_epi8(v);
    }
}

void bnn_mix_tables_avx2(size_t n, const float *const v[4], size_t step, const float factor[4],
                         float *runs, size_t run_step, size_t quad, size_t plane) {
    (void)plane; /* of one term */
    runs += quad * TABLE;
    bnn_sums sums = bnn_sums_of(v, step, factor);
    for (size_t i = 0; i < n; i++, runs += run_step) {
        _mm256_store_ps(runs, bnn_sums_next(&sums));
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

/* +1 where the high bit of a lane's lowest code is set, else -1. */
static inline __m256 signs(__m256i code) {
    const __m256i sign = _mm256_set1_epi32(INT32_MIN);
    __m256i minus = _mm256_andnot_si256(_mm256_slli_epi32(code, 28), sign);
    return _mm256_or_ps(_mm256_castsi256_ps(minus), _mm256_set1_ps(1.0f));
}

static inline __m256 add_sum(__m256 sum, const float *table, __m256i code, __m256 sign) {
    return _mm256_fmadd_ps(_mm256_permutevar8x32_ps(_mm256_load_ps(table), code), sign, sum);
}

/* The sums have names, or gcc would keep them in memory. */
void bnn_mix_tile_avx2(const bnn_mix *m) {
    const float *a0 = m->tables[0], *a1 = m->tables[1], *a2 = m->tables[2], *a3 = m->tables[3];
    const float *a4 = m->tables[4], *a5 = m->tables[5], *a6 = m->tables[6], *a7 = m->tables[7];
    const __m256 zero = _mm256_setzero_ps();
    __m256 s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero, s7 = zero;
    for (size_t tap = 0; tap < m->taps; tap++) {
        ptrdiff_t offset = m->delta[tap] + (ptrdiff_t)(m->first * TABLE);
        const uint32_t *codes = m->codes[0] + (tap * m->words + m->skip / 8) * LANES;
        size_t skip = m->skip % 8;
        for (size_t left = m->quads; left > 0; codes += LANES, skip = 0) {
            size_t here = left < 8 - skip ? left : 8 - skip;
            __m256i code = _mm256_load_si256((const __m256i *)(const void *)codes);
            code = _mm256_srl_epi32(code, _mm_cvtsi32_si128((int)(4 * skip)));
            left -= here;
            for (; here > 0; here--, offset += TABLE) {
                __m256 sign = signs(code);
                s0 = add_sum(s0, a0 + offset, code, sign);
                s1 = add_sum(s1, a1 + offset, code, sign);
                s2 = add_sum(s2, a2 + offset, code, sign);
                s3 = add_sum(s3, a3 + offset, code, sign);
                s4 = add_sum(s4, a4 + offset, code, sign);
                s5 = add_sum(s5, a5 + offset, code, sign);
                s6 = add_sum(s6, a6 + offset, code, sign);
                s7 = add_sum(s7, a7 + offset, code, sign);
                code = _mm256_srli_epi32(code, 4);
            }
        }
    }
    const __m256 sum[MR] = {s0, s1, s2, s3, s4, s5, s6, s7};
    for (size_t i = 0; i < m->rows; i++) {
        store(sum[i], m->lanes[0], m->out[i] + m->column[0], m->acc);
    }
}

const bnn_mixed bnn_mixed_avx2 = {
    .mr = MR,
    .nv = NV,
    .lanes = LANES,
    .terms = 1,
    .table = TABLE,
    .filled = 1,
    .row = 32,
    .run = RUN,
    .codes = bnn_mix_codes_avx2,
    .tables = bnn_mix_tables_avx2,
    .tile = bnn_mix_tile_avx2,
};

#endif
