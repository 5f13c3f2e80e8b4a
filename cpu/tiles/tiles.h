/* The machine kernels (as in BLIS): the few inner loops that an instruction set writes by hand,
 * behind function pointers, so that the drivers of the products (conv_*.c) are written once.
 * A tile is a block of `mr` pixels or channels times `nr` columns held in registers. What a driver
 * packs has room for whole tiles, so tiles read no memory of the caller out of bounds; they
 * write only the m x n results asked for. */
#ifndef BNN_CPU_TILES_TILES_H
#define BNN_CPU_TILES_TILES_H

#include <stddef.h>
#include <stdint.h>

#include "engine/device.h"

/* ARM, of either size. */
#if defined(__aarch64__) || defined(__arm__)
#define BNN_NEON
#endif

/* A tile of a mixed product, floats times signs. The floats come as tables, one for each quad,
 * which is four neighbours along the reduction; the signs as codes, the quad's four bits for each
 * lane of a vector of columns. A zero float is an exact zero whatever its sign bit says. Where a
 * float is kept as several terms, their tables lie in as many planes. */
typedef struct bnn_mix {
    size_t taps, quads;         /* a tap, or several whose tables are neighbours: a run of quads */
    const float *const *tables; /* [mr]: a row's place among the tables; all valid */
    size_t plane;               /* floats from a term's table to the next term's */
    const ptrdiff_t *delta;     /* [taps]: floats from there to a tap's run of tables */
    size_t first;               /* table of it that is the tap's first */
    size_t vectors;             /* at most nv */
    const uint32_t *codes[4];   /* of a vector: [taps][words][lanes], 8 quads a word */
    size_t words, skip;         /* from one tap to the next; quads before its first */
    size_t column[4], lanes[4]; /* where in a row of the result a vector stands; how many count */
    size_t rows;                /* at most mr */
    float *const *out;          /* [rows] */
    int acc;
} bnn_mix;

/* At most: a tile's rows; quads of bnn_mixed.row; of bnn_mixed.filled. */
enum { BNN_MIX_ROWS = 32, BNN_MIX_RUN = 128, BNN_MIX_FILLED = 8 };

/* An instruction set's mixed product; by itself, since every one lays tables out its own way. */
typedef struct bnn_mixed {
    size_t mr, nv, lanes; /* rows and vectors of a tile, columns of a vector */
    size_t terms;         /* a float is kept as the sum of so many */
    size_t table;         /* floats of a table; a power of two aligns tables to their size */
    size_t filled;        /* tables are made, and read, by so many, and must be finite there */
    size_t row;           /* quads of a row of dW at a time: tables of a tile stay in the cache */
    size_t run;           /* quads that a tile may sum in one register; bnn_mix_sum adds runs up */
    /* Around all tiles of a thread's share of a product. NULL if there is nothing to do. */
    void (*enter)(void), (*leave)(void);
    /* codes[lane] = the lane's bit of rows[0], rows[1], .. rows[n - 1], from bit 0 on; n <= 32. */
    void (*codes)(size_t n, const uint32_t *rows, uint32_t *codes);
    /* Table `quad` of n runs, `run_step` floats apart: of factor[j] * v[j][i * step], j < 4, for
     * the i-th, and so on for as many tables as are filled at a time. A missing v[j] (NULL) counts
     * as zeros. */
    void (*tables)(size_t n, const float *const *v, size_t step, const float *factor, float *runs,
                   size_t run_step, size_t quad, size_t plane);
    /* All tables of n runs, of factors[c] * v[i * step + c], c < channels. NULL: made one by one,
     * as they are then filled. */
    void (*pixels)(size_t n, size_t channels, const float *v, size_t step, const float *factors,
                   float *runs, size_t run_step, size_t plane);
    void (*tile)(const bnn_mix *m);
} bnn_mixed;

/* Where the floats of a quad begin and how far on the next quad's are; a missing one's are zeros.
 */
static inline void bnn_quad_from(const float *const v[4], size_t step, const float *from[4],
                                 size_t steps[4]) {
    static const float none = 0.0f;
    for (size_t j = 0; j < 4; j++) {
        from[j] = v[j] == NULL ? &none : v[j];
        steps[j] = v[j] == NULL ? 0 : step;
    }
}

/* The end of a binary product: counts of unequal bits become integers, offset - 2 * count, and
 * those the result. For n channels from `column` on, of `pixels` pixels from `first` on. */
typedef struct bnn_finish {
    size_t pixels, n, width; /* at most BNN_FINISH_PIXELS; n <= width <= 64 */
    const int32_t *count;    /* [pixels][width] */
    const int32_t *offset;   /* a channel's, from `column` on, for class 0 */
    const int32_t *class_at; /* [pixels]: how much further on a pixel's class stands */
    const float *xscale;     /* [pixels] */
    size_t first, column, channels;
    const bnn_result *y; /* of the whole product */
} bnn_finish;

#define BNN_FINISH_PIXELS 64

/* n <= 64 bits to a row, from bit `column` on; whoever writes a row writes it in ascending order,
 * so that a word's first bits also clear the rest of it. */
static inline void bnn_put_bits(uint64_t *row, size_t column, size_t n, uint64_t bits) {
    size_t shift = column % 64;
    row += column / 64;
    *row = shift == 0 ? bits : *row | bits << shift;
    if (shift + n > 64) {
        row[1] = bits >> (64 - shift);
    }
}

/* The bits of all pixels of a finish. */
static inline void bnn_finish_bits(const bnn_finish *f, uint64_t *to, const uint64_t *bits) {
    size_t words = bnn_words(f->channels);
    for (size_t i = 0; to != NULL && i < f->pixels; i++) {
        bnn_put_bits(to + (f->first + i) * words, f->column, f->n, bits[i]);
    }
}

/* A tile of a float product whose left operand lies in runs all over an image, and its share of the
 * reduction: values first .. first + depth of the run of each tap. */
typedef struct bnn_f32_runs {
    size_t taps, first, depth;
    const float *const *a; /* run of row i and tap t: a[t * lda + i] */
    size_t lda;
    const float *b;  /* [taps * depth][nr], columns from n on are anything */
    size_t m, n;     /* 1 <= m <= mr, 1 <= n <= nr */
    float *const *c; /* [m] */
    int acc;
} bnn_f32_runs;

/* Products of rows with rows, of operands as they lie. */
typedef struct bnn_inner {
    size_t m, n, depth;
    const float *a, *b; /* [m][lda], [n][ldb]: depth values of a row */
    size_t lda, ldb;
    float *c; /* [m][ldc] */
    size_t ldc;
    int acc;
} bnn_inner;

/* Weighted sums of rows, of operands as they lie; the rows are floats, or signs from the first bit
 * of a word on. */
typedef struct bnn_weighted {
    size_t m, n,
        count;      /* sums of `count` <= BNN_WEIGHTED_ROWS rows of n values, m sets of weights */
    const float *a; /* weight t of set i: a[i * a_row + t * a_step] */
    size_t a_row, a_step;
    const float *rows; /* one of these two */
    const uint64_t *signs;
    size_t step;     /* from a row to the next, in floats or words */
    float *const *c; /* [m] */
    int acc;
} bnn_weighted;

enum { BNN_WEIGHTED_ROWS = 256 };

/* The transforms of Winograd's products (winograd.c) of 3 by 3 filters, for squares of m by m
 * results that see patches of m + 2 by m + 2 pixels; of n channels. Values of an array are a step
 * of floats apart. */
typedef struct bnn_winograd {
    size_t m;
    /* v[0..(m + 2)^2) = of the pixels x of a patch, from channel `first` on. */
    void (*patch)(size_t n, const float *const *x, size_t first, float *v, size_t step);
    /* u[0..(m + 2)^2) = of the taps w[0..9) of a filter. */
    void (*filter)(size_t n, const float *w, size_t w_step, float *u, size_t u_step);
    /* y[0..m^2), the results, (+)= of the products v[0..(m + 2)^2). */
    void (*result)(size_t n, const float *v, size_t step, float *const *y, int acc);
    /* The gradient of v from that of y, and that of w, (+)=, from that of u. */
    void (*spread)(size_t n, const float *const *y, float *v, size_t step);
    void (*gather)(size_t n, const float *u, size_t u_step, float *w, size_t w_step, int acc);
} bnn_winograd;

typedef struct bnn_micro {
    /* ---- float products ---- */
    size_t f32_mr, f32_nr;
    /* c[i][0..n) (+)= sum over t < taps, k < depth of a[t*lda + i][first + k] * b[t*depth + k][..].
     */
    void (*f32_indirect)(const bnn_f32_runs *p);
    /* c[i*ldc + 0..n) (+)= sum over k < depth of a[k*lda + i] * b[k*nr + ..], i < m; a and b have
     * room for a whole tile, filled with anything. */
    void (*f32_outer)(size_t depth, const float *a, size_t lda, const float *b, size_t m, size_t n,
                      float *c, size_t ldc, int acc);
    /* The steps from sums to a float result (bnn_result), in place: rows c[0..m) of it, each n
     * columns from `column` on. */
    void (*f32_end)(const bnn_result *y, size_t column, size_t m, size_t n, float *const *c);

    /* c[i][j] (+)= sum over k < depth of a[i][k] * b[j][k]. */
    void (*f32_inner)(const bnn_inner *p);
    /* c[i][j] (+)= sum over t < count of weight t of set i times value j of row t, or +-1. */
    void (*f32_weighted)(const bnn_weighted *p);
    void (*b1_weighted)(const bnn_weighted *p);

    /* sum[j] (+)= over t < count of a[t][j] * b[t][j], j < n. */
    void (*f32_dots)(size_t count, const float *const *a, const float *const *b, size_t n,
                     float *sum, int acc);

    const bnn_winograd *winograd; /* [2]: of squares of 2 by 2 and of 4 by 4 results */

    /* panel[i*nr + j] = rows[j*ld + i], i < k, j < n <= nr = f32_nr. */
    void (*f32_columns)(size_t k, size_t n, size_t ld, const float *rows, size_t nr, float *panel);
    /* panel[i*nr + j] = rows[i][first + j], i < k, j < n <= nr. */
    void (*f32_rows)(size_t k, size_t n, const float *const *rows, size_t first, size_t nr,
                     float *panel);
    /* out[i] = +-scale by bit first + i of `row`, i < n. Reads no word without a bit it needs. */
    void (*b1_expand)(size_t n, const uint64_t *row, size_t first, float scale, float *out);

    const bnn_mixed *mixed;
    const bnn_mixed *small_mixed; /* for what is too small for that; NULL: nothing is */

    /* ---- binary product over rows of kb bytes; kb is a multiple of 8 ---- */
    /* b1_mr pixels (COUNTS / b1_nr of b1.c or a divisor) at a time; a packed tile of them takes
     * b1_a_bytes a byte of K and pixel. Panels are 16, 32 or 64 channels wide (`width`), at most
     * b1_nr, and take b1_w_bytes a byte of K and channel. */
    size_t b1_mr, b1_nr, b1_a_bytes, b1_w_bytes;
    /* Channels: row j < n at w + j*kb; the rest of the width becomes zero. */
    void (*b1_pack_w)(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel);
    /* Pixels: b1_mr rows of kb bytes. NULL if a tile is its rows as they are. */
    void (*b1_pack_a)(size_t kb, const uint8_t *rows, uint8_t *tile);
    /* count[i*width + j] = popcount(pixel i xor channel j). */
    void (*b1_tile)(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                    int32_t *count);
    /* The same of one pixel and channels that are not packed: of `words` words each, n of them side
     * by side. */
    void (*b1_inner)(size_t words, size_t n, const uint64_t *pixel, const uint64_t *w,
                     int32_t *count);
    void (*b1_finish)(const bnn_finish *f);
    /* integer[j] = base - 2 * sum of 2^i over the planes with bit j, j < 64, i < planes < 31. */
    void (*b1_planes)(size_t planes, const uint64_t *plane, int32_t base, int32_t *integer);
} bnn_micro;

extern const bnn_micro bnn_micro_generic;
extern const bnn_winograd bnn_winograd_generic[2];
extern const bnn_mixed bnn_mixed_generic;
extern const bnn_kernels bnn_kernels_generic;
#if defined(__x86_64__)
extern const bnn_micro bnn_micro_avx2;
extern const bnn_winograd bnn_winograd_avx2[2];
extern const bnn_mixed bnn_mixed_avx2;
extern const bnn_kernels bnn_kernels_avx2;
extern const bnn_micro bnn_micro_avx512;
extern const bnn_winograd bnn_winograd_avx512[2];
extern const bnn_mixed bnn_mixed_avx512;
extern const bnn_kernels bnn_kernels_avx512;
extern const bnn_micro bnn_micro_vpopcntdq;
extern const bnn_kernels bnn_kernels_vpopcntdq;
extern const bnn_micro bnn_micro_amx;
extern const bnn_mixed bnn_mixed_amx;
extern const bnn_kernels bnn_kernels_amx;
#elif defined(BNN_NEON)
extern const bnn_micro bnn_micro_neon;
extern const bnn_winograd bnn_winograd_neon[2];
extern const bnn_mixed bnn_mixed_neon;
extern const bnn_kernels bnn_kernels_neon;
#endif

/* The inner loops by file; each instruction set's bnn_micro picks from them. */
void bnn_f32_indirect_generic(const bnn_f32_runs *p);
void bnn_f32_outer_generic(size_t depth, const float *a, size_t lda, const float *b, size_t m,
                           size_t n, float *c, size_t ldc, int acc);
void bnn_f32_inner_generic(const bnn_inner *p);
void bnn_f32_weighted_generic(const bnn_weighted *p);
void bnn_b1_weighted_generic(const bnn_weighted *p);
void bnn_b1_inner_generic(size_t words, size_t n, const uint64_t *pixel, const uint64_t *w,
                          int32_t *count);
void bnn_f32_dots_generic(size_t count, const float *const *a, const float *const *b, size_t n,
                          float *sum, int acc);
void bnn_f32_end_generic(const bnn_result *y, size_t column, size_t m, size_t n, float *const *c);

void bnn_f32_columns_generic(size_t k, size_t n, size_t ld, const float *rows, size_t nr,
                             float *panel);
void bnn_f32_rows_generic(size_t k, size_t n, const float *const *rows, size_t first, size_t nr,
                          float *panel);
void bnn_b1_expand_generic(size_t n, const uint64_t *row, size_t first, float scale, float *out);
void bnn_b1_pack_w_generic(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel);
void bnn_b1_tile_generic(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                         int32_t *count);
void bnn_b1_finish_generic(const bnn_finish *f);
void bnn_b1_planes_generic(size_t planes, const uint64_t *plane, int32_t base, int32_t *integer);
void bnn_mix_codes_generic(size_t n, const uint32_t *rows, uint32_t *codes);
void bnn_mix_tables_generic(size_t n, const float *const v[4], size_t step, const float factor[4],
                            float *runs, size_t run_step, size_t quad, size_t plane);
void bnn_mix_tile_generic(const bnn_mix *m);
#if defined(__x86_64__)
void bnn_f32_indirect_avx2(const bnn_f32_runs *p);
void bnn_f32_outer_avx2(size_t depth, const float *a, size_t lda, const float *b, size_t m,
                        size_t n, float *c, size_t ldc, int acc);
void bnn_f32_inner_avx2(const bnn_inner *p);
void bnn_f32_weighted_avx2(const bnn_weighted *p);
void bnn_b1_weighted_avx2(const bnn_weighted *p);
void bnn_b1_inner_avx2(size_t words, size_t n, const uint64_t *pixel, const uint64_t *w,
                       int32_t *count);
void bnn_f32_dots_avx2(size_t count, const float *const *a, const float *const *b, size_t n,
                       float *sum, int acc);
void bnn_f32_end_avx2(const bnn_result *y, size_t column, size_t m, size_t n, float *const *c);

void bnn_f32_columns_avx2(size_t k, size_t n, size_t ld, const float *rows, size_t nr,
                          float *panel);
void bnn_f32_rows_avx2(size_t k, size_t n, const float *const *rows, size_t first, size_t nr,
                       float *panel);
void bnn_b1_expand_avx2(size_t n, const uint64_t *row, size_t first, float scale, float *out);
void bnn_b1_pack_w_avx2(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel);
void bnn_b1_pack_a_avx2(size_t kb, const uint8_t *rows, uint8_t *tile);
void bnn_b1_tile_avx2(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                      int32_t *count);
void bnn_b1_finish_avx2(const bnn_finish *f);
void bnn_b1_planes_avx2(size_t planes, const uint64_t *plane, int32_t base, int32_t *integer);
void bnn_f32_end_avx512(const bnn_result *y, size_t column, size_t m, size_t n, float *const *c);

void bnn_f32_indirect_avx512(const bnn_f32_runs *p);
void bnn_f32_outer_avx512(size_t depth, const float *a, size_t lda, const float *b, size_t m,
                          size_t n, float *c, size_t ldc, int acc);
void bnn_f32_inner_avx512(const bnn_inner *p);
void bnn_f32_weighted_avx512(const bnn_weighted *p);
void bnn_b1_weighted_few_avx512(const bnn_weighted *p); /* of less than a quad of rows */
void bnn_b1_weighted_avx512(const bnn_weighted *p);
void bnn_f32_dots_avx512(size_t count, const float *const *a, const float *const *b, size_t n,
                         float *sum, int acc);
void bnn_f32_rows_avx512(size_t k, size_t n, const float *const *rows, size_t first, size_t nr,
                         float *panel);
void bnn_b1_expand_avx512(size_t n, const uint64_t *row, size_t first, float scale, float *out);
void bnn_b1_finish_avx512(const bnn_finish *f);
void bnn_b1_planes_avx512(size_t planes, const uint64_t *plane, int32_t base, int32_t *integer);
void bnn_mix_codes_avx2(size_t n, const uint32_t *rows, uint32_t *codes);
void bnn_mix_tables_avx2(size_t n, const float *const v[4], size_t step, const float factor[4],
                         float *runs, size_t run_step, size_t quad, size_t plane);
void bnn_mix_tile_avx2(const bnn_mix *m);
void bnn_mix_codes_avx512(size_t n, const uint32_t *rows, uint32_t *codes);
void bnn_mix_tables_avx512(size_t n, const float *const v[4], size_t step, const float factor[4],
                           float *runs, size_t run_step, size_t quad, size_t plane);
void bnn_mix_tile_avx512(const bnn_mix *m);
/* What the machine kernels of AVX-512's levels share: all but mixed products and binary tiles. */
#define BNN_AVX512_MICRO                                                                           \
    .f32_mr = 12, .f32_nr = 32, .f32_indirect = bnn_f32_indirect_avx512,                           \
    .f32_outer = bnn_f32_outer_avx512, .f32_dots = bnn_f32_dots_avx512,                            \
    .winograd = bnn_winograd_avx512, .f32_inner = bnn_f32_inner_avx512,                            \
    .f32_weighted = bnn_f32_weighted_avx512, .b1_weighted = bnn_b1_weighted_avx512,                \
    .b1_inner = bnn_b1_inner_avx2, .f32_columns = bnn_f32_columns_avx2,                            \
    .f32_rows = bnn_f32_rows_avx512, .f32_end = bnn_f32_end_avx512,                                \
    .b1_expand = bnn_b1_expand_avx512, .b1_finish = bnn_b1_finish_avx512,                          \
    .b1_planes = bnn_b1_planes_avx512
#elif defined(BNN_NEON)
void bnn_f32_indirect_neon(const bnn_f32_runs *p);
void bnn_f32_outer_neon(size_t depth, const float *a, size_t lda, const float *b, size_t m,
                        size_t n, float *c, size_t ldc, int acc);
void bnn_f32_inner_neon(const bnn_inner *p);
void bnn_f32_weighted_neon(const bnn_weighted *p);
void bnn_b1_weighted_neon(const bnn_weighted *p);
void bnn_b1_inner_neon(size_t words, size_t n, const uint64_t *pixel, const uint64_t *w,
                       int32_t *count);
void bnn_f32_dots_neon(size_t count, const float *const *a, const float *const *b, size_t n,
                       float *sum, int acc);
void bnn_f32_end_neon(const bnn_result *y, size_t column, size_t m, size_t n, float *const *c);
void bnn_f32_columns_neon(size_t k, size_t n, size_t ld, const float *rows, size_t nr,
                          float *panel);
void bnn_b1_expand_neon(size_t n, const uint64_t *row, size_t first, float scale, float *out);
void bnn_b1_pack_w_neon(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel);
void bnn_b1_pack_a_neon(size_t kb, const uint8_t *rows, uint8_t *tile);
void bnn_b1_tile_neon(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                      int32_t *count);
void bnn_b1_finish_neon(const bnn_finish *f);
void bnn_b1_planes_neon(size_t planes, const uint64_t *plane, int32_t base, int32_t *integer);
void bnn_mix_codes_neon(size_t n, const uint32_t *rows, uint32_t *codes);
void bnn_mix_tables_neon(size_t n, const float *const v[4], size_t step, const float factor[4],
                         float *runs, size_t run_step, size_t quad, size_t plane);
void bnn_mix_tile_neon(const bnn_mix *m);
#endif

/* bnn_kernels.for_each, with OpenMP. */
void bnn_for_each(const bnn_stream *stream, size_t count,
                  void (*body)(void *context, size_t i, int worker), void *context);

/* Threads for a parallel region of the device's kernels: the caller alone where waking the others
 * would take longer than the work. That is counted in floats that pass through memory; in the time
 * of one, products do about BNN_F32_MACS multiply-adds of floats or BNN_B1_MACS of bits. threads.c.
 */
enum { BNN_F32_MACS = 16, BNN_B1_MACS = 256 };
int bnn_team(const bnn_device *device, size_t work);

#endif
