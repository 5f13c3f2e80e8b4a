/* The mixed product with AMX: a product of bf16 numbers. A sign is one, and a float is exactly the
 * sum of three: its 24 bits, eight at a time (unless it is so small that its bits end below the
 * least normal number, which these instructions take for zero). The tables of eight quads of a term
 * are a row of a tile. Rows that are equally far apart are loaded as they lie. 32 rows by two
 * vectors of columns are four tiles of sums, which two tiles of signs and two of a term at a time
 * meet. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <immintrin.h>
#include <string.h>

enum { TILE_ROWS = 16, TILE_ROW = 64, TILE = TILE_ROWS * TILE_ROW };

/* gcc's intrinsic does not tell the compiler that it reads memory. Numbers of tiles are literals,
 * as the intrinsics want them. */
#define load_tile(tile, from, stride)                                                              \
    do {                                                                                           \
        __asm__ volatile("" ::: "memory");                                                         \
        _tile_loadd(tile, from, stride);                                                           \
    } while (0)

enum { MR = BNN_MIX_ROWS, NV = 2, LANES = 16, RUN = 144, TERMS = 3, TABLE = 2 };
enum { STEP = 8 }; /* quads of a tile's row */

/* All tiles are configured alike, once for a thread's share of a product: configuring costs more
 * than a small tile's work, and a thread that keeps tiles makes every switch to another thread
 * carry them. */
static void enter(void) {
    static const struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {
        .palette = 1,
        .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
        .rows = {16, 16, 16, 16, 16, 16, 16, 16},
    };
    _tile_loadconfig(&config);
}

static void leave(void) {
    _tile_release();
}

/* Of floats the first term; what the others have to say is left. */
static inline __m512i take_term(__m512 *v) {
    const __m512i high = _mm512_set1_epi32((int)0xffff0000);
    __m512i term = _mm512_and_si512(_mm512_castps_si512(*v), high);
    *v = _mm512_sub_ps(*v, _mm512_castsi512_ps(term));
    return term;
}

/* Terms of even columns and of odd ones to pairs. */
static inline __m512i pair(__m512i even, __m512i odd) {
    return _mm512_or_si512(_mm512_srli_epi32(even, 16), odd);
}

/* out[i] = lane i of the rows, of 64 bits, i < 8. */
static inline void transpose(const __m512i row[STEP], __m512i out[STEP]) {
    for (size_t odd = 0; odd < 2; odd++) {
        __m512i pair[4];
        for (size_t i = 0; i < 4; i++) {
            pair[i] = odd ? _mm512_unpackhi_epi64(row[2 * i], row[2 * i + 1])
                          : _mm512_unpacklo_epi64(row[2 * i], row[2 * i + 1]);
        }
        __m512i low = _mm512_shuffle_i64x2(pair[0], pair[1], 0x88);
        __m512i high = _mm512_shuffle_i64x2(pair[2], pair[3], 0x88);
        out[odd] = _mm512_shuffle_i64x2(low, high, 0x88);
        out[4 + odd] = _mm512_shuffle_i64x2(low, high, 0xdd);
        low = _mm512_shuffle_i64x2(pair[0], pair[1], 0xdd);
        high = _mm512_shuffle_i64x2(pair[2], pair[3], 0xdd);
        out[2 + odd] = _mm512_shuffle_i64x2(low, high, 0x88);
        out[6 + odd] = _mm512_shuffle_i64x2(low, high, 0xdd);
    }
}

/* Up to sixteen runs' tables of a term: left[q] and right[q] have halves of quad q's, a run a lane.
 */
static inline void put_term(const __m512i left[STEP], const __m512i right[STEP], size_t n,
                            float *runs, size_t run_step) {
    __m512i row[STEP], block[STEP];
    for (size_t upper = 0; upper < 2; upper++) { /* of each four runs, the last two */
        for (size_t q = 0; q < STEP; q++) {
            row[q] = upper ? _mm512_unpackhi_epi32(left[q], right[q])
                           : _mm512_unpacklo_epi32(left[q], right[q]);
        }
        transpose(row, block);
        for (size_t i = 0; i < STEP; i++) {
            size_t run = i / 2 * 4 + 2 * upper + i % 2;
            if (run < n) {
                _mm512_store_si512(runs + run * run_step, block[i]);
            }
        }
    }
}

static void tables(size_t n, const float *const *v, size_t step, const float *factor, float *runs,
                   size_t run_step, size_t quad, size_t plane) {
    (void)step; /* 1: pixels, whose channels are quads, have a function of their own */
    runs += quad * TABLE;
    for (size_t i = 0; i < n; i += LANES, runs += LANES * run_step) {
        const __mmask16 in = (__mmask16)(n - i >= LANES ? 0xffffu : (1u << (n - i)) - 1);
        __m512 x[STEP][4];
        __m512i left[STEP], right[STEP];
        for (size_t q = 0; q < STEP; q++) {
            for (size_t j = 0; j < 4; j++) {
                const float *from = v[4 * q + j];
                x[q][j] = from == NULL ? _mm512_setzero_ps()
                                       : _mm512_mul_ps(_mm512_maskz_loadu_ps(in, from + i),
                                                       _mm512_set1_ps(factor[4 * q + j]));
            }
        }
        for (size_t k = 0; k < TERMS; k++) {
            for (size_t q = 0; q < STEP; q++) {
                left[q] = pair(take_term(&x[q][0]), take_term(&x[q][1]));
                right[q] = pair(take_term(&x[q][2]), take_term(&x[q][3]));
            }
            put_term(left, right, n - i, runs + k * plane, run_step);
        }
    }
}

static void pixels(size_t n, size_t channels, const float *v, size_t step, const float *factors,
                   float *runs, size_t run_step, size_t plane) {
    const __m512i odd = _mm512_setr_epi32(
        0x00030001, 0x00070005, 0x000b0009, 0x000f000d, 0x00130011, 0x00170015, 0x001b0019,
        0x001f001d, 0x00230021, 0x00270025, 0x002b0029, 0x002f002d, 0x00330031, 0x00370035,
        0x003b0039, 0x003f003d); /* upper halves of two vectors */
    for (size_t c = 0; c < channels; c += 2 * LANES) {
        size_t here = channels - c < 2 * LANES ? channels - c : 2 * LANES;
        const uint32_t in = (uint32_t)(((uint64_t)1 << here) - 1);
        const __mmask16 low = (__mmask16)in, high = (__mmask16)(in >> LANES);
        const __mmask32 out = (uint32_t)(((uint64_t)1 << (here + 3) / 4 * 4) - 1);
        const __m512 factor0 = _mm512_maskz_loadu_ps(low, factors + c);
        const __m512 factor1 = _mm512_maskz_loadu_ps(high, factors + c + LANES);
        for (size_t i = 0; i < n; i++) {
            const float *from = v + i * step + c;
            float *to = runs + i * run_step + c / 2;
            __m512 x0 = _mm512_mul_ps(_mm512_maskz_loadu_ps(low, from), factor0);
            __m512 x1 = _mm512_mul_ps(_mm512_maskz_loadu_ps(high, from + LANES), factor1);
            for (size_t k = 0; k < TERMS; k++, to += plane) {
                __m512i term0 = take_term(&x0), term1 = take_term(&x1);
                _mm512_mask_storeu_epi16(to, out, _mm512_permutex2var_epi16(term0, odd, term1));
            }
        }
    }
}

/* The signs of a block's quads [from, to) of a vector as a tile, two rows a quad, of two signs a
 * column; zeros for its other quads. The first of them is quad `place` of the codes, which say what
 * mixed_sums.h says. */
static inline void expand(const uint32_t *codes, size_t place, size_t from, size_t to,
                          uint8_t *signs) {
    enum { PP = 0x3f803f80, MP = 0x3f80bf80, PM = (int)0xbf803f80, MM = (int)0xbf80bf80 };
    const __m512i first =
        _mm512_setr_epi32(PP, MP, PM, MM, PP, MP, PM, MM, MM, PM, MP, PP, MM, PM, MP, PP);
    const __m512i second =
        _mm512_setr_epi32(PM, PM, PM, PM, MM, MM, MM, MM, MP, MP, MP, MP, PP, PP, PP, PP);
    /* Of the words in which the first and the last lie, the block's codes. */
    const uint32_t *low = codes + place / STEP * LANES;
    const uint32_t *high = codes + (place + to - from - 1) / STEP * LANES;
    size_t shift = (place + STEP - from) % STEP;
    __m512i code = _mm512_srl_epi32(_mm512_load_si512(low), _mm_cvtsi32_si128((int)(4 * shift)));
    code = _mm512_or_si512(code, _mm512_sll_epi32(_mm512_load_si512(high),
                                                  _mm_cvtsi32_si128((int)(4 * (STEP - shift)))));
    for (size_t quad = 0; quad < STEP; quad++) {
        _mm512_store_si512(signs + 2 * quad * TILE_ROW, _mm512_permutexvar_epi32(code, first));
        _mm512_store_si512(signs + (2 * quad + 1) * TILE_ROW,
                           _mm512_permutexvar_epi32(code, second));
        code = _mm512_srli_epi32(code, 4);
    }
    for (size_t row = 0; from + STEP > to && row < 2 * STEP; row++) {
        if (row < 2 * from || row >= 2 * to) {
            _mm512_store_si512(signs + row * TILE_ROW, _mm512_setzero_si512());
        }
    }
}

/* Up to sixteen rows of tables: where they begin and how far apart all sixteen are, in bytes; no
 * distance if it varies, or if few of them count, which are then cheaper to gather. */
typedef struct rows {
    const float *const *tables;
    size_t count, step;
} rows;

static inline rows rows_of(const float *const *tables, size_t count) {
    ptrdiff_t step = tables[1] - tables[0];
    int even = count > TILE_ROWS / 2;
    for (size_t i = 2; i < TILE_ROWS; i++) {
        even &= tables[i] - tables[i - 1] == step;
    }
    count = count < TILE_ROWS ? count : TILE_ROWS;
    return (rows){tables, count, even ? (size_t)step * sizeof(float) : 0};
}

/* Blocks of each row, `offset` floats on, of all terms: where the first term's tile is and how far
 * its rows and the next term's tile are apart, in bytes; as they lie, or gathered. */
typedef struct blocks {
    const uint8_t *at;
    size_t row, term;
} blocks;

static inline blocks blocks_of(const rows *r, ptrdiff_t offset, size_t plane, uint8_t *gathered) {
    if (r->step != 0) {
        return (blocks){(const uint8_t *)(r->tables[0] + offset), r->step, plane * sizeof(float)};
    }
    for (size_t i = 0; i < r->count; i++) {
        const float *from = r->tables[i] + offset;
        uint8_t *to = gathered + i * TILE_ROW;
        for (size_t k = 0; k < TERMS; k++, from += plane, to += TILE) {
            memcpy(to, from, TILE_ROW);
        }
    }
    return (blocks){gathered, TILE_ROW, TILE};
}

/* A place in both operands: a block of tables, its quads [from, to), the first one's codes. */
typedef struct place {
    ptrdiff_t offset;
    size_t codes, code, from, to;
} place;

/* Of both vectors of columns, or of the only one. */
static inline __attribute__((always_inline)) void
expand_all(const bnn_mix *m, const place *p, uint8_t signs[NV][TILE], const int two) {
    expand(m->codes[0] + p->codes, p->code, p->from, p->to, signs[0]);
    if (two) {
        expand(m->codes[1] + p->codes, p->code, p->from, p->to, signs[1]);
    }
}

/* Tiles 0 to 3 are sums, 4 and 5 a term of the floats, 6 and 7 signs, which were expanded a block
 * ahead: a tile that has just been written takes long to load. Constants: `second`, whether there
 * are more than sixteen rows, and `two` vectors of columns. */
static inline __attribute__((always_inline)) void
add_blocks(const bnn_mix *m, size_t count, const place *p, const int second, const int two) {
    _Alignas(64) uint8_t signs[2][NV][TILE], gathered[2][TERMS * TILE];
    const rows r[2] = {rows_of(m->tables, m->rows),
                       rows_of(m->tables + TILE_ROWS, second ? m->rows - TILE_ROWS : 0)};
    expand_all(m, p, signs[0], two);
    for (size_t i = 0; i < count; i++, p++) {
        const blocks above = blocks_of(&r[0], p->offset, m->plane, gathered[0]);
        const blocks below = second ? blocks_of(&r[1], p->offset, m->plane, gathered[1]) : above;
        if (i + 1 < count) {
            expand_all(m, p + 1, signs[(i + 1) % 2], two);
        }
        load_tile(6, signs[i % 2][0], TILE_ROW);
        if (two) {
            load_tile(7, signs[i % 2][1], TILE_ROW);
        }
        for (size_t k = 0; k < TERMS; k++) {
            load_tile(4, above.at + k * above.term, above.row);
            _tile_dpbf16ps(0, 4, 6);
            if (two) {
                _tile_dpbf16ps(1, 4, 7);
            }
            if (second) {
                load_tile(5, below.at + k * below.term, below.row);
                _tile_dpbf16ps(2, 5, 6);
                if (two) {
                    _tile_dpbf16ps(3, 5, 7);
                }
            }
        }
    }
}

static void store(const bnn_mix *m) {
    _Alignas(64) float sums[MR][NV][LANES];
    size_t step = NV * LANES * sizeof(float);
    _tile_stored(0, sums[0][0], step);
    _tile_stored(1, sums[0][1], step);
    _tile_stored(2, sums[TILE_ROWS][0], step);
    _tile_stored(3, sums[TILE_ROWS][1], step);
    for (size_t v = 0; v < m->vectors; v++) {
        __mmask16 in = (__mmask16)((1u << m->lanes[v]) - 1);
        for (size_t i = 0; i < m->rows; i++) {
            float *c = m->out[i] + m->column[v];
            __m512 sum = _mm512_load_ps(sums[i][v]);
            if (m->acc) {
                sum = _mm512_add_ps(_mm512_maskz_loadu_ps(in, c), sum);
            }
            _mm512_mask_storeu_ps(c, in, sum);
        }
    }
}

/* Whether all sums are results as they are, in rows that are equally far apart; how far, in bytes.
 */
static size_t step_of_results(const bnn_mix *m) {
    int whole = !m->acc && m->rows % TILE_ROWS == 0;
    for (size_t v = 0; v < m->vectors; v++) {
        whole &= m->lanes[v] == LANES;
    }
    for (size_t i = 2; whole && i < m->rows; i++) {
        whole = m->out[i] - m->out[i - 1] == m->out[1] - m->out[0];
    }
    return whole ? (size_t)(m->out[1] - m->out[0]) * sizeof(float) : 0;
}

static void store_whole(const bnn_mix *m, size_t step) {
    _tile_stored(0, m->out[0] + m->column[0], step);
    if (m->vectors > 1) {
        _tile_stored(1, m->out[0] + m->column[1], step);
    }
    if (m->rows > TILE_ROWS) {
        _tile_stored(2, m->out[TILE_ROWS] + m->column[0], step);
        if (m->vectors > 1) {
            _tile_stored(3, m->out[TILE_ROWS] + m->column[1], step);
        }
    }
}

static void tile(const bnn_mix *m) {
    place places[RUN]; /* a tap has no more of them than quads */
    size_t end = m->first + m->quads, count = 0;
    for (size_t tap = 0; tap < m->taps; tap++) {
        for (size_t quad = m->first, block; quad < end; quad = block + STEP) {
            block = quad / STEP * STEP;
            places[count++] = (place){.offset = m->delta[tap] + (ptrdiff_t)(block * TABLE),
                                      .codes = tap * m->words * LANES,
                                      .code = m->skip + quad - m->first,
                                      .from = quad - block,
                                      .to = end - block < STEP ? end - block : STEP};
        }
    }
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (m->rows > TILE_ROWS && m->vectors > 1) {
        add_blocks(m, count, places, 1, 1);
    } else if (m->rows > TILE_ROWS) {
        add_blocks(m, count, places, 1, 0);
    } else if (m->vectors > 1) {
        add_blocks(m, count, places, 0, 1);
    } else {
        add_blocks(m, count, places, 0, 0);
    }
    size_t step = step_of_results(m);
    if (step != 0) {
        store_whole(m, step);
    } else {
        store(m);
    }
}

const bnn_mixed bnn_mixed_amx = {
    .mr = MR,
    .nv = NV,
    .lanes = LANES,
    .terms = TERMS,
    .table = TABLE,
    .filled = STEP,
    .row = 128,
    .run = RUN,
    .enter = enter,
    .leave = leave,
    .codes = bnn_mix_codes_avx512,
    .tables = tables,
    .pixels = pixels,
    .tile = tile,
};

#endif
