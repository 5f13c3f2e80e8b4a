/* The mixed product with NEON, without multiplications. Vectors of four floats are too short for
 * look-ups in a register (a multiply-add does as much), so here the rows lie in the lanes and the
 * look-up is a load: the sixteen signed sums of a quad, of 16 rows each, stand in memory, a code
 * says which of them a column adds, and four loads with four additions do 64 products. What a
 * driver builds as a table is just the four floats; the sums are made here, for a few quads at a
 * time, which stay in the first-level cache while all columns of the tile use them. */
#include "cpu/tiles/tiles.h"

#if defined(BNN_NEON) /* elsewhere this file is empty but for declarations */

#include <string.h>

#include "cpu/tiles/neon.h"

enum { MR = 16, NV = 4, LANES = 32, TABLE = 4, SUMS = 16 };
enum { QUADS = 16 /* whose sums are in memory */, RUN = 16 * QUADS };

/* Bit r of byte c becomes bit c of byte r, in both halves (Warren, Hacker's Delight, 7-3). */
static inline uint64x2_t transpose_bits(uint64x2_t x) {
    uint64x2_t t = vandq_u64(veorq_u64(x, vshrq_n_u64(x, 7)), vdupq_n_u64(0x00aa00aa00aa00aau));
    x = veorq_u64(x, veorq_u64(t, vshlq_n_u64(t, 7)));
    t = vandq_u64(veorq_u64(x, vshrq_n_u64(x, 14)), vdupq_n_u64(0x0000cccc0000ccccu));
    x = veorq_u64(x, veorq_u64(t, vshlq_n_u64(t, 14)));
    t = vandq_u64(veorq_u64(x, vshrq_n_u64(x, 28)), vdupq_n_u64(0x00000000f0f0f0f0u));
    return veorq_u64(x, veorq_u64(t, vshlq_n_u64(t, 28)));
}

void bnn_mix_codes_neon(size_t n, const uint32_t *rows, uint32_t *codes) {
    uint32_t all[32] = {0};
    memcpy(all, rows, n * sizeof(uint32_t));
    const uint8x16x4_t low = vld4q_u8((const uint8_t *)all);
    const uint8x16x4_t high = vld4q_u8((const uint8_t *)(all + 16));
    for (int byte = 0; byte < 4; byte++) {
        uint8x16_t v = vreinterpretq_u8_u64(transpose_bits(vreinterpretq_u64_u8(low.val[byte])));
        uint8x16_t w = vreinterpretq_u8_u64(transpose_bits(vreinterpretq_u64_u8(high.val[byte])));
        uint8x8x4_t bytes = {{vget_low_u8(v), vget_high_u8(v), vget_low_u8(w), vget_high_u8(w)}};
        vst4_u8((uint8_t *)(codes + 8 * byte), bytes);
    }
}

void bnn_mix_tables_neon(size_t n, const float *const v[4], size_t step, const float factor[4],
                         float *runs, size_t run_step, size_t quad, size_t plane) {
    (void)plane; /* of one term */
    runs += quad * TABLE;
    const float32x4_t factors = vld1q_f32(factor);
    const float *from[4];
    size_t steps[4];
    bnn_quad_from(v, step, from, steps);
    for (size_t i = 0; i < n; i++, runs += run_step) {
        float32x4_t four = {from[0][i * steps[0]], from[1][i * steps[1]], from[2][i * steps[2]],
                            from[3][i * steps[3]]};
        vst1q_f32(runs, vmulq_f32(four, factors));
    }
}

/* The sum of code `code` and, in the place of the opposite signs, its negative. */
static inline void put(float *sums, int code, float32x4_t sum) {
    vst1q_f32(sums + code * MR, sum);
    vst1q_f32(sums + (15 - code) * MR, vnegq_f32(sum));
}

/* sums[code][row] of the tables `offset` floats from where the rows' begin. */
static void build(const float *const *tables, ptrdiff_t offset, float *sums) {
    for (int i = 0; i < MR; i += 4) {
        float32x4_t v[4];
        for (int j = 0; j < 4; j++) {
            v[j] = vld1q_f32(tables[i + j] + offset);
        }
        bnn_transpose_neon(v);
        float32x4_t p01 = vaddq_f32(v[0], v[1]), m01 = vsubq_f32(v[0], v[1]);
        float32x4_t p23 = vaddq_f32(v[2], v[3]), m23 = vsubq_f32(v[3], v[2]);
        put(sums + i, 15, vaddq_f32(p23, p01));
        put(sums + i, 14, vsubq_f32(p23, m01));
        put(sums + i, 13, vaddq_f32(p23, m01));
        put(sums + i, 12, vsubq_f32(p23, p01));
        put(sums + i, 11, vaddq_f32(m23, p01));
        put(sums + i, 10, vsubq_f32(m23, m01));
        put(sums + i, 9, vaddq_f32(m23, m01));
        put(sums + i, 8, vsubq_f32(m23, p01));
    }
}

/* Quads of one word of codes: where a vector's word begins, the first one's place in it. */
typedef struct segment {
    size_t word, quads;
    uint32_t shift;
} segment;

/* The segments, in the order of all taps, whose quads' sums are in memory at a time. */
typedef struct chunk {
    size_t segments;
    segment segment[QUADS];
    float sums[QUADS][SUMS * MR];
} chunk;

/* total[0..2)[row] += what the codes of two columns pick. A total is added to once for a chunk: a
 * sum of sums loses less than a long one, so that a tile may take a long run. */
static inline void look_up(const chunk *c, const uint32_t *codes, float *total) {
    float32x4_t left[4], right[4];
    const float *sums = c->sums[0];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        left[i] = right[i] = vdupq_n_f32(0.0f);
    }
    for (const segment *p = c->segment; p < c->segment + c->segments; p++) {
        const uint32_t *code = codes + p->word;
        uint32_t left_code = code[0] >> p->shift, right_code = code[1] >> p->shift;
        for (size_t quads = p->quads; quads > 0; quads--, sums += SUMS * MR) {
            const float *l = sums + left_code % 16 * MR, *r = sums + right_code % 16 * MR;
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                left[i] = vaddq_f32(left[i], vld1q_f32(l + 4 * i));
                right[i] = vaddq_f32(right[i], vld1q_f32(r + 4 * i));
            }
            left_code >>= 4;
            right_code >>= 4;
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        vst1q_f32(total + 4 * i, vaddq_f32(vld1q_f32(total + 4 * i), left[i]));
        vst1q_f32(total + MR + 4 * i, vaddq_f32(vld1q_f32(total + MR + 4 * i), right[i]));
    }
}

static inline size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Fills the chunk from quad *quad of tap *tap on, and moves them to the first of the next. */
static void fill(const bnn_mix *m, size_t *tap, size_t *quad, chunk *c) {
    c->segments = 0;
    for (size_t used = 0; *tap < m->taps && used < QUADS;) {
        size_t place = m->skip + *quad;
        size_t here = least(least(8 - place % 8, m->quads - *quad), QUADS - used);
        ptrdiff_t offset = m->delta[*tap] + (ptrdiff_t)((m->first + *quad) * TABLE);
        for (size_t q = 0; q < here; q++, offset += TABLE) {
            build(m->tables, offset, c->sums[used++]);
        }
        c->segment[c->segments++] = (segment){.word = (*tap * m->words + place / 8) * LANES,
                                              .quads = here,
                                              .shift = (uint32_t)(place % 8 * 4)};
        *quad += here;
        if (*quad == m->quads) {
            *quad = 0, ++*tap;
        }
    }
}

static inline void store(const float32x4_t sum, size_t n, float *c, int acc) {
    if (n >= 4) {
        vst1q_f32(c, acc ? vaddq_f32(vld1q_f32(c), sum) : sum);
        return;
    }
    float row[4];
    vst1q_f32(row, sum);
    for (size_t j = 0; j < n; j++) {
        c[j] = acc ? c[j] + row[j] : row[j];
    }
}

/* From [lane][row] to a vector's columns of the rows. */
static void store_vector(const bnn_mix *m, size_t vector, const float *total) {
    for (size_t lane = 0; lane < m->lanes[vector]; lane += 4) {
        for (size_t row = 0; row < m->rows; row += 4) {
            float32x4_t v[4];
            for (size_t j = 0; j < 4; j++) {
                v[j] = vld1q_f32(total + (lane + j) * MR + row);
            }
            bnn_transpose_neon(v);
            for (size_t j = 0; j < 4 && row + j < m->rows; j++) {
                store(v[j], m->lanes[vector] - lane, m->out[row + j] + m->column[vector] + lane,
                      m->acc);
            }
        }
    }
}

void bnn_mix_tile_neon(const bnn_mix *m) {
    float total[NV][LANES * MR];
    chunk c;
    memset(total, 0, m->vectors * sizeof total[0]);
    for (size_t tap = 0, quad = 0; tap < m->taps;) {
        fill(m, &tap, &quad, &c);
        for (size_t v = 0; v < m->vectors; v++) {
            /* An odd last lane takes its neighbour along, whose total nobody reads. */
            for (size_t lane = 0; lane < m->lanes[v]; lane += 2) {
                look_up(&c, m->codes[v] + lane, total[v] + lane * MR);
            }
        }
    }
    for (size_t v = 0; v < m->vectors; v++) {
        store_vector(m, v, total[v]);
    }
}

const bnn_mixed bnn_mixed_neon = {
    .mr = MR,
    .nv = NV,
    .lanes = LANES,
    .terms = 1,
    .table = TABLE,
    .filled = 1,
    .row = 32,
    .run = RUN,
    .codes = bnn_mix_codes_neon,
    .tables = bnn_mix_tables_neon,
    .tile = bnn_mix_tile_neon,
};

#endif
