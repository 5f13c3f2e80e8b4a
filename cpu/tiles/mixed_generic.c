/* The mixed product in portable C: floats times signs as plain additions and subtractions. A
 * "table" here is just its four floats. The reference of every other mixed tile. */
#include <string.h>

#include "cpu/tiles/tiles.h"

enum { MR = 4, NV = 2, LANES = 8, RUN = 32 /* quads; as f32_avx2.c says of pieces */ };

void bnn_mix_codes_generic(size_t n, const uint32_t *rows, uint32_t *codes) {
    for (size_t lane = 0; lane < LANES; lane++) {
        uint32_t v = 0;
        for (size_t j = 0; j < n; j++) {
            v |= (rows[j] >> lane & 1) << j;
        }
        codes[lane] = v;
    }
}

void bnn_mix_tables_generic(size_t n, const float *const v[4], size_t step, const float factor[4],
                            float *runs, size_t run_step, size_t quad, size_t plane) {
    (void)plane; /* of one term */
    runs += 4 * quad;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < 4; j++) {
            runs[i * run_step + j] = v[j] == NULL ? 0.0f : v[j][i * step] * factor[j];
        }
    }
}

static inline float with_sign(float v, uint32_t plus) {
    uint32_t u;
    memcpy(&u, &v, 4);
    u ^= ~plus << 31;
    memcpy(&v, &u, 4);
    return v;
}

static void one(const bnn_mix *m, size_t row, size_t vector) {
    float sum[LANES] = {0};
    for (size_t tap = 0; tap < m->taps; tap++) {
        const float *table = m->tables[row] + m->delta[tap] + 4 * m->first;
        const uint32_t *codes = m->codes[vector] + tap * m->words * LANES;
        for (size_t q = m->skip; q < m->skip + m->quads; q++, table += 4) {
            const uint32_t *code = codes + q / 8 * LANES;
            size_t shift = q % 8 * 4;
            for (size_t j = 0; j < 4; j++) {
                for (size_t lane = 0; lane < LANES; lane++) {
                    sum[lane] += with_sign(table[j], code[lane] >> (shift + j));
                }
            }
        }
    }
    float *c = m->out[row] + m->column[vector];
    for (size_t lane = 0; lane < m->lanes[vector]; lane++) {
        c[lane] = m->acc ? c[lane] + sum[lane] : sum[lane];
    }
}

void bnn_mix_tile_generic(const bnn_mix *m) {
    for (size_t i = 0; i < m->rows; i++) {
        for (size_t vector = 0; vector < m->vectors; vector++) {
            one(m, i, vector);
        }
    }
}

const bnn_mixed bnn_mixed_generic = {
    .mr = MR,
    .nv = NV,
    .lanes = LANES,
    .terms = 1,
    .table = 4,
    .filled = 1,
    .row = 32,
    .run = RUN,
    .codes = bnn_mix_codes_generic,
    .tables = bnn_mix_tables_generic,
    .tile = bnn_mix_tile_generic,
};
