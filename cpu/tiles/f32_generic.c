/* The float tiles in portable C: 4 x 8 sums, which a compiler keeps in sixteen 4-wide registers.
 * The indirect tile transposes short runs of its rows first: with four row pointers in the inner
 * loop gcc does not vectorize it, and that costs more than the copy. Runs are added up in double:
 * without a fused multiply-add this is the least exact of all tiles otherwise, and the one that the
 * others are measured against. */
#include <string.h>

#include "cpu/tiles/tiles.h"

enum { MR = 4, NR = 8, CHUNK = 64 };

/* sum += a[depth][lda]^T b[depth][NR] */
static void multiply(size_t depth, const float *a, size_t lda, const float *b,
                     double total[MR][NR]) {
    float sum[MR][NR] = {{0}};
    for (size_t k = 0; k < depth; k++, a += lda, b += NR) {
        for (size_t i = 0; i < MR; i++) {
            for (size_t j = 0; j < NR; j++) {
                sum[i][j] += a[i] * b[j];
            }
        }
    }
    for (size_t i = 0; i < MR; i++) {
        for (size_t j = 0; j < NR; j++) {
            total[i][j] += (double)sum[i][j];
        }
    }
}

#define LANES 4
#define DOTS_NAME bnn_f32_dots_generic
#include "cpu/tiles/dots.inc"
#define NAME(what) bnn_##what##_generic
#include "cpu/tiles/winograd.inc"

static void store_sums(const double *sum, size_t n, float *c, int acc) {
    for (size_t j = 0; j < n; j++) {
        c[j] = (float)(acc ? (double)c[j] + sum[j] : sum[j]);
    }
}

void bnn_f32_indirect_generic(const bnn_f32_runs *p) {
    const float *const *a = p->a, *b = p->b;
    double total[MR][NR] = {{0}};
    float run[CHUNK * MR] = {0};
    for (size_t t = 0; t < p->taps; t++, a += p->lda) {
        for (size_t done = 0; done < p->depth; done += CHUNK) {
            size_t count = p->depth - done < CHUNK ? p->depth - done : CHUNK;
            for (size_t k = 0; k < count; k++) {
                for (size_t i = 0; i < p->m; i++) {
                    run[k * MR + i] = a[i][p->first + done + k];
                }
            }
            multiply(count, run, MR, b, total);
            b += count * NR;
        }
    }
    for (size_t i = 0; i < p->m; i++) {
        store_sums(total[i], p->n, p->c[i], p->acc);
    }
}

void bnn_f32_outer_generic(size_t depth, const float *a, size_t lda, const float *b, size_t m,
                           size_t n, float *c, size_t ldc, int acc) {
    double total[MR][NR] = {{0}};
    multiply(depth, a, lda, b, total);
    for (size_t i = 0; i < m; i++) {
        store_sums(total[i], n, c + i * ldc, acc);
    }
}

void bnn_f32_columns_generic(size_t k, size_t n, size_t ld, const float *rows, size_t nr,
                             float *panel) {
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < n; j++) {
            panel[i * nr + j] = rows[j * ld + i];
        }
    }
}

void bnn_f32_rows_generic(size_t k, size_t n, const float *const *rows, size_t first, size_t nr,
                          float *panel) {
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < n; j++) {
            panel[i * nr + j] = rows[i][first + j];
        }
    }
}

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef uint32_t plus __attribute__((vector_size(4 * LANES))); /* the sign bit */

static inline vec zero(void) {
    return (vec){0};
}

static inline vec load_some(const float *v, size_t n) {
    vec all = {0};
    memcpy(&all, v, n * sizeof(float));
    return all;
}

static inline vec load_any(const float *v) {
    return load_some(v, LANES);
}

static inline vec broadcast(const float *v) {
    return (vec){*v, *v, *v, *v};
}

#define fma(a, b, sum) ((sum) + (a) * (b))

static inline void store(float *to, vec v, size_t n, int acc) {
    v = acc ? load_some(to, n) + v : v;
    memcpy(to, &v, n * sizeof(float));
}

static inline void four_sums(const vec v[4], float *to) {
    for (size_t i = 0; i < 4; i++) {
        to[i] = v[i][0] + v[i][1] + (v[i][2] + v[i][3]);
    }
}

#define INNER_MR 2
#define INNER_NAME bnn_f32_inner_generic
#include "cpu/tiles/inner.inc"

static inline plus plus_of(uint64_t bits) {
    uint32_t b = (uint32_t)bits;
    return (plus){b << 31, b << 30, b << 29, b << 28} & 0x80000000u;
}

static inline vec add_signed(vec sum, vec v, plus in) {
    return sum - (vec)((plus)v ^ in);
}

#define SUMS 8
#define F32_WEIGHTED_NAME bnn_f32_weighted_generic
#define B1_WEIGHTED_NAME bnn_b1_weighted_generic
#include "cpu/tiles/weighted.inc"
