/* The mixed product with AVX-512, without multiplications: the sixteen signed sums of four floats
 * are a table in one register, a lane of codes picks one of them, and a permutation and an addition
 * do what four multiply-adds would. Eight rows times up to two vectors of columns are summed in
 * registers; a row of tables serves all vectors, a vector of codes all rows. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include "cpu/tiles/mixed_sums.h"

enum { MR = 8, NV = 2, LANES = 16, TABLE = 16, RUN = 144 /* quads: a 3x3 filter of 64 channels */ };

void bnn_mix_codes_avx512(size_t n, const uint32_t *rows, uint32_t *codes) {
    const __mmask32 in = n >= 32 ? 0xffffffffu : (1u << n) - 1;
    __m256i low = _mm512_cvtepi32_epi16(_mm512_maskz_loadu_epi32((__mmask16)in, rows));
    __m256i high =
        _mm512_cvtepi32_epi16(_mm512_maskz_loadu_epi32((__mmask16)(in >> 16), rows + 16));
    __m512i v = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    __m512i fourth = _mm512_shufflehi_epi16(_mm512_shufflelo_epi16(v, 0xff), 0xff);
    v = _mm512_xor_si512(v, _mm512_andnot_si512(fourth, _mm512_set1_epi64(0xffffffffffff)));
    for (size_t lane = LANES; lane-- > 0; v = _mm512_add_epi16(v, v)) {
        codes[lane] = _mm512_movepi16_mask(v);
    }
}

void bnn_mix_tables_avx512(size_t n, const float *const v[4], size_t step, const float factor[4],
                           float *runs, size_t run_step, size_t quad, size_t plane) {
    (void)plane; /* of one term */
    runs += quad * TABLE;
    const __m256 sign = _mm256_set1_ps(-0.0f);
    bnn_sums sums = bnn_sums_of(v, step, factor);
    for (size_t i = 0; i < n; i++, runs += run_step) {
        __m256 eight = bnn_sums_next(&sums);
        _mm256_store_ps(runs, _mm256_xor_ps(eight, sign));
        _mm256_store_ps(runs + 8, eight);
    }
}

static inline void store(__m512 sum, size_t n, float *c, int acc) {
    __mmask16 in = (__mmask16)(n >= LANES ? 0xffffu : (1u << n) - 1);
    if (acc) {
        sum = _mm512_add_ps(_mm512_maskz_loadu_ps(in, c), sum);
    }
    _mm512_mask_storeu_ps(c, in, sum);
}

/* From quad `skip` of a word on. */
static inline __m512i load_codes(const uint32_t *codes, size_t skip) {
    return _mm512_srl_epi32(_mm512_load_si512(codes), _mm_cvtsi32_si128((int)(4 * skip)));
}

/* One quad of every row: picks a sum, adds it. */
static inline __attribute__((always_inline)) void
add_quad(const float *const *tables, ptrdiff_t offset, __m512i code, __m512 *sum) {
#pragma GCC unroll 8
    for (size_t i = 0; i < MR; i++) {
        __m512 picked = _mm512_permutexvar_ps(code, _mm512_load_ps(tables[i] + offset));
        sum[i] = _mm512_add_ps(sum[i], picked);
    }
}

/* The same by the multipliers, times 1: where additions have units of their own and share them with
 * permutations (Zen 4), every other quad finds these free. */
static inline __attribute__((always_inline)) void
fma_quad(const float *const *tables, ptrdiff_t offset, __m512i code, __m512 one, __m512 *sum) {
#pragma GCC unroll 8
    for (size_t i = 0; i < MR; i++) {
        __m512 picked = _mm512_permutexvar_ps(code, _mm512_load_ps(tables[i] + offset));
        sum[i] = _mm512_fmadd_ps(picked, one, sum[i]);
    }
}

static inline __attribute__((always_inline)) void store_all(const bnn_mix *m, size_t v,
                                                            const __m512 *sum) {
#pragma GCC unroll 8
    for (size_t i = 0; i < MR; i++) {
        if (i < m->rows) {
            store(sum[i], m->lanes[v], m->out[i] + m->column[v], m->acc);
        }
    }
}

/* With nv constant its tests vanish. One vector takes two quads at a time: codes are shifted before
 * they are waited for. */
static inline __attribute__((always_inline)) void tile(const bnn_mix *m, const size_t nv) {
    const float *const *t = m->tables;
    const float *const tables[MR] = {t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]};
    const __m512 zero = _mm512_setzero_ps();
    __m512 one = _mm512_set1_ps(1.0f);
    __asm__("" : "+v"(one)); /* or compilers make additions of multiplications by 1 */
    __m512 left_sum[MR] = {zero, zero, zero, zero, zero, zero, zero, zero};
    __m512 right_sum[MR] = {zero, zero, zero, zero, zero, zero, zero, zero};
    for (size_t tap = 0; tap < m->taps; tap++) {
        ptrdiff_t offset = m->delta[tap] + (ptrdiff_t)(m->first * TABLE);
        size_t at = (tap * m->words + m->skip / 8) * LANES, skip = m->skip % 8;
        for (size_t left = m->quads; left > 0; at += LANES, skip = 0) {
            size_t here = left < 8 - skip ? left : 8 - skip;
            __m512i code = load_codes(m->codes[0] + at, skip), second;
            left -= here;
            if (nv == 2) {
                second = load_codes(m->codes[1] + at, skip);
                for (; here > 0; here--, offset += TABLE) {
                    add_quad(tables, offset, code, left_sum);
                    code = _mm512_srli_epi32(code, 4);
                    fma_quad(tables, offset, second, one, right_sum);
                    second = _mm512_srli_epi32(second, 4);
                }
                continue;
            }
            second = _mm512_srli_epi32(code, 4);
            for (; here > 1; here -= 2, offset += 2 * TABLE) {
                add_quad(tables, offset, code, left_sum);
                code = _mm512_srli_epi32(code, 8);
                fma_quad(tables, offset + TABLE, second, one, left_sum);
                second = _mm512_srli_epi32(second, 8);
            }
            if (here > 0) {
                add_quad(tables, offset, code, left_sum);
                offset += TABLE;
            }
        }
    }
    store_all(m, 0, left_sum);
    if (nv == 2) {
        store_all(m, 1, right_sum);
    }
}

void bnn_mix_tile_avx512(const bnn_mix *m) {
    if (m->vectors == 2) {
        tile(m, 2);
    } else {
        tile(m, 1);
    }
}

/* ---- signs as they lie: codes are made in registers, for a few rows of results ---- */

/* Quads of weights that one call sums up, and vectors of sums in registers. */
enum { QUADS = 64, SUMS = 16 };

typedef uint32_t half __attribute__((may_alias)); /* of a word of signs */

/* What makes codes: bit j of a lane's code is what row j has at the lane's place in 32 bits. */
typedef struct places {
    __m512i row0, row1, row2, row3; /* rotations */
    __m512i bit1, bit2, bit3;
} places;

static inline places places_from(size_t bit) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i first = _mm512_add_epi32(lane, _mm512_set1_epi32((int)bit));
    return (places){.row0 = first,
                    .row1 = _mm512_sub_epi32(first, _mm512_set1_epi32(1)),
                    .row2 = _mm512_sub_epi32(first, _mm512_set1_epi32(2)),
                    .row3 = _mm512_sub_epi32(first, _mm512_set1_epi32(3)),
                    .bit1 = _mm512_set1_epi32(2),
                    .bit2 = _mm512_set1_epi32(4),
                    .bit3 = _mm512_set1_epi32(8)};
}

/* Picks bits of `b` where `bit` is set, else of `a`. */
static inline __m512i merge(__m512i bit, __m512i b, __m512i a) {
    return _mm512_ternarylogic_epi32(bit, b, a, 0xca);
}

static inline __m512i code_of(const places *at, const __m512i row[4]) {
    __m512i code = _mm512_rorv_epi32(row[0], at->row0);
    code = merge(at->bit1, _mm512_rorv_epi32(row[1], at->row1), code);
    code = merge(at->bit2, _mm512_rorv_epi32(row[2], at->row2), code);
    return merge(at->bit3, _mm512_rorv_epi32(row[3], at->row3), code);
}

/* A number with the signs that the codes 0 .. 15 have in bit `bit`. */
static inline __m512 by_code(float v, size_t bit) {
    static const uint16_t set[4] = {0xaaaa, 0xcccc, 0xf0f0, 0xff00};
    return _mm512_mask_blend_ps(set[bit], _mm512_set1_ps(-v), _mm512_set1_ps(v));
}

/* The sixteen signed sums of each quad of weights, by plain codes. */
static inline void sum_weights(const bnn_weighted *p, size_t i, float *tables) {
    const __m512 one0 = by_code(1.0f, 0), one1 = by_code(1.0f, 1), one2 = by_code(1.0f, 2),
                 one3 = by_code(1.0f, 3);
    const float *a = p->a + i * p->a_row;
    size_t step = p->a_step, t = 0;
    for (; t + 4 <= p->count; t += 4, a += 4 * step, tables += TABLE) {
        __m512 sum = _mm512_mul_ps(one0, _mm512_set1_ps(a[0]));
        sum = _mm512_fmadd_ps(one1, _mm512_set1_ps(a[step]), sum);
        sum = _mm512_fmadd_ps(one2, _mm512_set1_ps(a[2 * step]), sum);
        _mm512_store_ps(tables, _mm512_fmadd_ps(one3, _mm512_set1_ps(a[3 * step]), sum));
    }
    if (t < p->count) {
        __m512 sum = _mm512_mul_ps(one0, _mm512_set1_ps(a[0]));
        if (t + 1 < p->count) {
            sum = _mm512_fmadd_ps(one1, _mm512_set1_ps(a[step]), sum);
        }
        if (t + 2 < p->count) {
            sum = _mm512_fmadd_ps(one2, _mm512_set1_ps(a[2 * step]), sum);
        }
        _mm512_store_ps(tables, sum);
    }
}

/* `vectors` vectors of columns from `first` on, an even number or one, of m results from the i-th
 * on. */
static inline __attribute__((always_inline)) void weighted_block(const bnn_weighted *p, size_t i,
                                                                 size_t first, const size_t m,
                                                                 const size_t vectors,
                                                                 const float *tables) {
    const half *at = (const half *)p->signs + first / 32;
    const places low = places_from(first % 32), high = places_from(16);
    size_t count = p->count, step = 2 * p->step, left = p->n - first;
    const int acc = p->acc;
    __m512 sum[SUMS];
#pragma GCC unroll 16
    for (size_t v = 0; v < SUMS; v++) {
        sum[v] = _mm512_setzero_ps();
    }
    for (size_t t = 0; t < count; t += 4, at += 4 * step) {
        /* What is missing of a quad has a weight of zero. */
        const half *row[4] = {at, t + 1 < count ? at + step : at,
                              t + 2 < count ? at + 2 * step : at,
                              t + 3 < count ? at + 3 * step : at};
        __m512 table[4];
#pragma GCC unroll 4
        for (size_t r = 0; r < m; r++) {
            table[r] = _mm512_load_ps(tables + (r * QUADS + t / 4) * TABLE);
        }
#pragma GCC unroll 8
        for (size_t v = 0; v < vectors; v += 2) {
            __m512i bits[4];
#pragma GCC unroll 4
            for (size_t j = 0; j < 4; j++) {
                bits[j] = _mm512_set1_epi32((int)row[j][v / 2]);
            }
            __m512i even = code_of(&low, bits), odd = code_of(&high, bits);
#pragma GCC unroll 4
            for (size_t r = 0; r < m; r++) {
                __m512 *to = sum + r * vectors + v;
                to[0] = _mm512_add_ps(to[0], _mm512_permutexvar_ps(even, table[r]));
                if (vectors > 1) {
                    to[1] = _mm512_add_ps(to[1], _mm512_permutexvar_ps(odd, table[r]));
                }
            }
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < m; r++) {
        float *c = p->c[i + r] + first;
#pragma GCC unroll 16
        for (size_t v = 0; v < vectors; v++) {
            store(sum[r * vectors + v], vectors > 1 ? LANES : left, c + v * LANES, acc);
        }
    }
}

static inline __attribute__((always_inline)) void weighted_rows(const bnn_weighted *p, size_t i,
                                                                const size_t m) {
    const size_t wide = (m == 1 ? 8 : SUMS / m) * LANES; /* sixteen leave no room for `places` */
    float tables[4 * QUADS * TABLE] __attribute__((aligned(64)));
    size_t j = 0;
    for (size_t r = 0; r < m; r++) {
        sum_weights(p, i + r, tables + r * QUADS * TABLE);
    }
    for (; j + wide <= p->n; j += wide) {
        weighted_block(p, i, j, m, wide / LANES, tables);
    }
    for (; j + 64 <= p->n; j += 64) {
        weighted_block(p, i, j, m, 4, tables);
    }
    for (; j < p->n; j += LANES) {
        weighted_block(p, i, j, m, 1, tables);
    }
}

void bnn_b1_weighted_avx512(const bnn_weighted *p) {
    size_t i = 0;
    if (p->count < 3) {
        bnn_b1_weighted_few_avx512(p);
        return;
    }
    for (; i + 4 <= p->m; i += 4) {
        weighted_rows(p, i, 4);
    }
    for (; i < p->m; i++) {
        weighted_rows(p, i, 1);
    }
}

const bnn_mixed bnn_mixed_avx512 = {
    .mr = MR,
    .nv = NV,
    .lanes = LANES,
    .terms = 1,
    .table = TABLE,
    .filled = 1,
    .row = 32,
    .run = RUN,
    .codes = bnn_mix_codes_avx512,
    .tables = bnn_mix_tables_avx512,
    .tile = bnn_mix_tile_avx512,
};

#endif
