/* The mixed product with AMX: a product of bf16 numbers. A sign is one, and a float is exactly the
 * sum of three: its 24 bits, eight at a time (unless it is so small that its bits end below the
 * least normal number, which these instructions take for zero). The tables of eight quads lie
 * together: all first terms, all second and all third ones, each a row of a tile. Rows that are
 * equally far apart are loaded as they lie. 32 rows by two vectors of columns are four tiles of
 * sums, which two tiles of signs and two of a term at a time meet. */
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

enum { MR = BNN_MIX_ROWS, NV = 2, LANES = 16, TABLE = 6, RUN = 144, STEP = 8 /* quads */ };
enum { TERMS = 3, BLOCK = STEP * TABLE, ROW = TILE_ROW / 4 /* in floats */ };

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

/* Four rows' quads to their terms, each a row of a block. */
static inline void put_quads(__m512 quads, float *to, size_t step) {
    const __m512 high = _mm512_castsi512_ps(_mm512_set1_epi32((int)0xffff0000));
    for (size_t k = 0; k < TERMS; k++, to += ROW) {
        __m512 term = _mm512_and_ps(quads, high);
        __m256i v = _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(term), 16));
        __m128d low = _mm_castsi128_pd(_mm256_castsi256_si128(v));
        __m128d up = _mm_castsi128_pd(_mm256_extracti128_si256(v, 1));
        _mm_storel_pd((double *)(void *)to, low);
        _mm_storeh_pd((double *)(void *)(to + step), low);
        _mm_storel_pd((double *)(void *)(to + 2 * step), up);
        _mm_storeh_pd((double *)(void *)(to + 3 * step), up);
        quads = _mm512_sub_ps(quads, term);
    }
}

static inline __m512 join(__m128 a, __m128 b, __m128 c, __m128 d) {
    __m512 v = _mm512_insertf32x4(_mm512_castps128_ps512(a), b, 1);
    return _mm512_insertf32x4(_mm512_insertf32x4(v, c, 2), d, 3);
}

static inline __m128 load_or_zero(const float *v, size_t at) {
    return v == NULL ? _mm_setzero_ps() : _mm_loadu_ps(v + at);
}

/* Four runs at a time, whose quads are rows of memory or, where runs are neighbours, columns. */
static void tables(size_t n, const float *const v[4], size_t step, const float factor[4],
                   float *runs, size_t run_step, size_t quad) {
    const __m512 factors = _mm512_broadcast_f32x4(_mm_loadu_ps(factor));
    int rows = v[0] != NULL && v[1] == v[0] + 1 && v[2] == v[0] + 2 && v[3] == v[0] + 3;
    const float *from[4];
    size_t steps[4], i = 0;
    runs += quad / STEP * BLOCK + quad % STEP * 2;
    for (; (rows || step == 1) && i + 4 <= n; i += 4, runs += 4 * run_step) {
        const float *at = rows ? v[0] + i * step : NULL;
        __m128 a = rows ? _mm_loadu_ps(at) : load_or_zero(v[0], i);
        __m128 b = rows ? _mm_loadu_ps(at + step) : load_or_zero(v[1], i);
        __m128 c = rows ? _mm_loadu_ps(at + 2 * step) : load_or_zero(v[2], i);
        __m128 d = rows ? _mm_loadu_ps(at + 3 * step) : load_or_zero(v[3], i);
        if (!rows) {
            _MM_TRANSPOSE4_PS(a, b, c, d);
        }
        put_quads(_mm512_mul_ps(join(a, b, c, d), factors), runs, run_step);
    }
    bnn_quad_from(v, step, from, steps);
    for (; i < n; i++, runs += run_step) {
        __m128 a = _mm_setr_ps(from[0][i * steps[0]], from[1][i * steps[1]], from[2][i * steps[2]],
                               from[3][i * steps[3]]);
        put_quads(_mm512_mul_ps(_mm512_broadcast_f32x4(a), factors), runs, 0);
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

/* Sixteen rows of tables: where they begin and how far apart they are; no distance if it varies. */
typedef struct rows {
    const float *const *tables;
    size_t step; /* in bytes */
} rows;

static inline rows rows_of(const float *const *tables) {
    ptrdiff_t step = tables[1] - tables[0];
    int even = 1;
    for (size_t i = 2; i < TILE_ROWS; i++) {
        even &= tables[i] - tables[i - 1] == step;
    }
    return (rows){tables, even ? (size_t)step * sizeof(float) : 0};
}

/* A block of each row, `offset` floats on, as one tile a term: as it lies, or gathered. */
static inline const uint8_t *block_of(const rows *r, ptrdiff_t offset, uint8_t *gathered,
                                      size_t *step) {
    if (r->step != 0) {
        *step = r->step;
        return (const uint8_t *)(r->tables[0] + offset);
    }
    for (size_t i = 0; i < TILE_ROWS; i++) {
        memcpy(gathered + i * BLOCK * sizeof(float), r->tables[i] + offset, BLOCK * sizeof(float));
    }
    *step = BLOCK * sizeof(float);
    return gathered;
}

/* A place in both operands: a block of tables, its quads [from, to), the first one's codes. */
typedef struct place {
    ptrdiff_t offset;
    size_t codes, code, from, to;
} place;

static inline void expand_both(const bnn_mix *m, const place *p, uint8_t signs[NV][TILE]) {
    expand(m->codes[0] + p->codes, p->code, p->from, p->to, signs[0]);
    expand(m->codes[m->vectors - 1] + p->codes, p->code, p->from, p->to, signs[1]);
}

/* Tiles 0 to 3 are sums, 4 and 5 a term of the floats, 6 and 7 signs, which were expanded a block
 * ahead: a tile that has just been written takes long to load. `second`, a constant: whether there
 * are more than sixteen rows. */
static inline __attribute__((always_inline)) void add_blocks(const bnn_mix *m, size_t count,
                                                             const place *p, const int second) {
    _Alignas(64) uint8_t signs[2][NV][TILE], gathered[2][TERMS * TILE];
    const rows r[2] = {rows_of(m->tables), rows_of(m->tables + TILE_ROWS)};
    expand_both(m, p, signs[0]);
    for (size_t i = 0; i < count; i++, p++) {
        const uint8_t *below = NULL, *above;
        size_t above_step, below_step = 0;
        above = block_of(&r[0], p->offset, gathered[0], &above_step);
        if (second) {
            below = block_of(&r[1], p->offset, gathered[1], &below_step);
        }
        if (i + 1 < count) {
            expand_both(m, p + 1, signs[(i + 1) % 2]);
        }
        load_tile(6, signs[i % 2][0], TILE_ROW);
        load_tile(7, signs[i % 2][1], TILE_ROW);
        for (size_t k = 0; k < TERMS; k++) {
            load_tile(4, above + k * TILE_ROW, above_step);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            if (second) {
                load_tile(5, below + k * TILE_ROW, below_step);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
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
    if (m->rows > TILE_ROWS) {
        add_blocks(m, count, places, 1);
    } else {
        add_blocks(m, count, places, 0);
    }
    store(m);
}

const bnn_mixed bnn_mixed_amx = {
    .mr = MR,
    .nv = NV,
    .lanes = LANES,
    .table = TABLE,
    .filled = STEP,
    .row = 64,
    .run = RUN,
    .enter = enter,
    .leave = leave,
    .codes = bnn_mix_codes_avx512,
    .tables = tables,
    .tile = tile,
};

#endif
