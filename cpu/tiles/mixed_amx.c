/* The mixed product with AMX: a product of bf16 numbers. A sign is one, and a float is exactly the
 * sum of three: its 24 bits, eight at a time (unless it is so small that its bits end below the
 * least normal number, which these instructions take for zero). A quad's table is its three terms.
 * Eight quads of sixteen rows are a tile a term, which meet a tile of signs for each of up to four
 * vectors of columns. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include "cpu/tiles/amx.h"

enum { MR = 16, NV = 4, LANES = 16, TABLE = 6, RUN = 144, STEP = 8 /* quads */, PIECES = 3 };

static void tables(size_t n, const float *const v[4], size_t step, const float factor[4],
                   float *tables, size_t table_step) {
    const __m128 high = _mm_castsi128_ps(_mm_set1_epi32((int)0xffff0000));
    const __m128 factors = _mm_loadu_ps(factor);
    const float *from[4];
    size_t steps[4];
    bnn_quad_from(v, step, from, steps);
    for (size_t i = 0; i < n; i++, tables += table_step) {
        __m128 quad = _mm_setr_ps(*from[0], *from[1], *from[2], *from[3]);
        quad = _mm_mul_ps(quad, factors);
        __m128 first = _mm_and_ps(quad, high), rest = _mm_sub_ps(quad, first);
        __m128 second = _mm_and_ps(rest, high), third = _mm_sub_ps(rest, second);
        __m128i a = _mm_srli_epi32(_mm_castps_si128(first), 16);
        __m128i b = _mm_srli_epi32(_mm_castps_si128(second), 16);
        __m128i c = _mm_srli_epi32(_mm_castps_si128(third), 16);
        _mm_storeu_si128((__m128i *)(void *)tables, _mm_packus_epi32(a, b));
        _mm_storel_epi64((__m128i *)(void *)(tables + 4), _mm_packus_epi32(c, c));
        for (size_t j = 0; j < 4; j++) {
            from[j] += steps[j];
        }
    }
}

/* Of all rows, `here` quads from their tables + offset on, and zeros up to STEP: a tile a term. */
static inline void gather(const bnn_mix *m, ptrdiff_t offset, size_t here, uint8_t *numbers) {
    uint64_t in = ((uint64_t)1 << here * PIECES) - 1;
    const __m512i low[PIECES] = {_mm512_setr_epi64(0, 3, 6, 9, 12, 15, 0, 0),
                                 _mm512_setr_epi64(1, 4, 7, 10, 13, 0, 0, 0),
                                 _mm512_setr_epi64(2, 5, 8, 11, 14, 0, 0, 0)};
    const __m512i high[PIECES] = {_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 10, 13),
                                  _mm512_setr_epi64(0, 1, 2, 3, 4, 8, 11, 14),
                                  _mm512_setr_epi64(0, 1, 2, 3, 4, 9, 12, 15)};
    for (size_t i = 0; i < MR; i++, numbers += BNN_TILE_ROW) {
        const float *from = m->tables[i] + offset;
        __m512i a = _mm512_maskz_loadu_epi64((__mmask8)in, from);
        __m512i b = _mm512_maskz_loadu_epi64((__mmask8)(in >> 8), from + 16);
        __m512i c = _mm512_maskz_loadu_epi64((__mmask8)(in >> 16), from + 32);
        for (size_t k = 0; k < PIECES; k++) {
            __m512i term = _mm512_permutex2var_epi64(a, low[k], b);
            term = _mm512_permutex2var_epi64(term, high[k], c);
            _mm512_store_si512(numbers + k * BNN_TILE, term);
        }
    }
}

/* The signs of STEP quads of a vector as a tile: two rows a quad, of two signs a column. A code
 * says what mix_sums.h says. */
static inline void expand(const uint32_t *codes, size_t skip, uint8_t *signs) {
    enum { PP = 0x3f803f80, MP = 0x3f80bf80, PM = (int)0xbf803f80, MM = (int)0xbf80bf80 };
    const __m512i first =
        _mm512_setr_epi32(PP, MP, PM, MM, PP, MP, PM, MM, MM, PM, MP, PP, MM, PM, MP, PP);
    const __m512i second =
        _mm512_setr_epi32(PM, PM, PM, PM, MM, MM, MM, MM, MP, MP, MP, MP, PP, PP, PP, PP);
    __m512i code = _mm512_srl_epi32(_mm512_load_si512(codes), _mm_cvtsi32_si128((int)(4 * skip)));
    for (size_t quad = 0; quad < STEP; quad++, signs += 2 * BNN_TILE_ROW) {
        _mm512_store_si512(signs, _mm512_permutexvar_epi32(code, first));
        _mm512_store_si512(signs + BNN_TILE_ROW, _mm512_permutexvar_epi32(code, second));
        code = _mm512_srli_epi32(code, 4);
    }
}

/* Tiles 0 to 3 are sums, 4 to 6 the terms of the floats, 7 signs. */
#define MULTIPLY(sum, signs)                                                                       \
    do {                                                                                           \
        bnn_tile_load(7, signs, BNN_TILE_ROW);                                                     \
        _tile_dpbf16ps(sum, 4, 7);                                                                 \
        _tile_dpbf16ps(sum, 5, 7);                                                                 \
        _tile_dpbf16ps(sum, 6, 7);                                                                 \
    } while (0)

static inline void add_quads(const bnn_mix *m, ptrdiff_t offset, size_t at, size_t skip,
                             size_t here) {
    _Alignas(64) uint8_t numbers[PIECES * BNN_TILE], signs[BNN_TILE];
    gather(m, offset, here, numbers);
    bnn_tile_load(4, numbers, BNN_TILE_ROW);
    bnn_tile_load(5, numbers + BNN_TILE, BNN_TILE_ROW);
    bnn_tile_load(6, numbers + 2 * BNN_TILE, BNN_TILE_ROW);
    expand(m->codes[0] + at, skip, signs);
    MULTIPLY(0, signs);
    if (m->vectors > 1) {
        expand(m->codes[1] + at, skip, signs);
        MULTIPLY(1, signs);
    }
    if (m->vectors > 2) {
        expand(m->codes[2] + at, skip, signs);
        MULTIPLY(2, signs);
    }
    if (m->vectors > 3) {
        expand(m->codes[3] + at, skip, signs);
        MULTIPLY(3, signs);
    }
}

static void store(const bnn_mix *m) {
    _Alignas(64) float sums[NV][MR][LANES];
    _tile_stored(0, sums[0], BNN_TILE_ROW);
    _tile_stored(1, sums[1], BNN_TILE_ROW);
    _tile_stored(2, sums[2], BNN_TILE_ROW);
    _tile_stored(3, sums[3], BNN_TILE_ROW);
    for (size_t v = 0; v < m->vectors; v++) {
        __mmask16 in = (__mmask16)((1u << m->lanes[v]) - 1);
        for (size_t i = 0; i < m->rows; i++) {
            float *c = m->out[i] + m->column[v];
            __m512 sum = _mm512_load_ps(sums[v][i]);
            if (m->acc) {
                sum = _mm512_add_ps(_mm512_maskz_loadu_ps(in, c), sum);
            }
            _mm512_mask_storeu_ps(c, in, sum);
        }
    }
}

static void tile(const bnn_mix *m) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t tap = 0; tap < m->taps; tap++) {
        ptrdiff_t offset = m->delta[tap];
        size_t at = (tap * m->words + m->skip / STEP) * LANES, skip = m->skip % STEP, here;
        for (size_t left = m->quads; left > 0; left -= here, at += LANES, skip = 0) {
            here = left < STEP - skip ? left : STEP - skip;
            add_quads(m, offset, at, skip, here);
            offset += (ptrdiff_t)(here * TABLE);
        }
    }
    store(m);
}

const bnn_mixed bnn_mixed_amx = {
    .mr = MR,
    .nv = NV,
    .lanes = LANES,
    .table = TABLE,
    .run = RUN,
    .enter = bnn_amx_enter,
    .leave = bnn_amx_leave,
    .codes = bnn_mix_codes_avx512,
    .tables = tables,
    .tile = tile,
};

#endif
