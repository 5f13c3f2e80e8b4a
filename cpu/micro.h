/* The machine kernels (as in BLIS): the few inner loops that an instruction set writes by hand,
 * behind function pointers, so that the drivers of the products (conv_*.c) are written once.
 * A tile is a block of `mr` pixels or channels times `nr` columns held in registers. What a driver
 * packs is zero-padded to whole tiles, so tiles read no memory of the caller out of bounds; they
 * write only the m x n results asked for. */
#ifndef BNN_CPU_MICRO_H
#define BNN_CPU_MICRO_H

#include <stddef.h>
#include <stdint.h>

#include "engine/kernels.h"

/* A tile of a mixed product, floats times signs. The floats come as tables, one for each quad,
 * which is four neighbours along the reduction; the signs as codes, the quad's four bits for each
 * lane of a vector of columns. A zero float is an exact zero whatever its sign bit says. */
typedef struct bnn_mix {
    size_t taps, quads;         /* a tap is a run of quads */
    const float *const *tables; /* [mr]: a row's place among the tables; all valid */
    const ptrdiff_t *delta;     /* [taps]: floats from there to a tap's first table */
    size_t vectors;             /* at most nv */
    const uint32_t *codes[4];   /* of a vector: [taps][words][lanes], 8 quads a word */
    size_t words, skip;         /* from one tap to the next; quads before its first */
    size_t column[4], lanes[4]; /* where in a row of the result a vector stands; how many count */
    size_t rows;                /* at most mr */
    float *const *out;          /* [rows] */
    int acc;
} bnn_mix;

/* An instruction set's mixed product; by itself, since every one lays tables out its own way. */
typedef struct bnn_mixed {
    size_t mr, nv, lanes; /* rows and vectors of a tile, columns of a vector */
    size_t table;         /* floats of a table; tables are aligned to their size */
    size_t run;           /* quads that a tile may sum in one register; bnn_mix_sum adds runs up */
    /* codes[lane] = the lane's bit of rows[0], rows[1], .. rows[n - 1], from bit 0 on; n <= 32. */
    void (*codes)(size_t n, const uint32_t *rows, uint32_t *codes);
    /* n tables, `table_step` floats apart: of factor[j] * v[j][i * step], j < 4, for the i-th. A
     * missing v[j] (NULL) counts as zeros. */
    void (*tables)(size_t n, const float *const v[4], size_t step, const float factor[4],
                   float *tables, size_t table_step);
    void (*tile)(const bnn_mix *m);
} bnn_mixed;

typedef struct bnn_micro {
    /* ---- float products ---- */
    size_t f32_mr, f32_nr;
    /* c[i][0..n) (+)= sum over t < taps, k < depth of a[t*mr + i][k] * b[t*depth + k][..], i < m.
     * All mr pointers of a tap are valid; b is [taps*depth][nr]. */
    void (*f32_indirect)(size_t taps, size_t depth, const float *const *a, const float *b, size_t m,
                         size_t n, float *const *c, int acc);
    /* c[i*ldc + 0..n) (+)= sum over k < depth of a[k*mr + i] * b[k*nr + ..], i < m. */
    void (*f32_outer)(size_t depth, const float *a, const float *b, size_t m, size_t n, float *c,
                      size_t ldc, int acc);
    /* out[i] = +-scale by bit first + i of `row`, i < n. Reads no word without a bit it needs. */
    void (*b1_expand)(size_t n, const uint64_t *row, size_t first, float scale, float *out);

    const bnn_mixed *mixed;

    /* ---- binary product over rows of kb bytes; kb is a multiple of 8 ---- */
    /* b1_mr pixels (at most 16) at a time; a packed tile of them takes b1_a_bytes a byte of K and
     * pixel. Panels are 16, 32 or 64 channels wide (`width`) and take kb * width bytes. */
    size_t b1_mr, b1_a_bytes;
    /* Channels: row j < n at w + j*kb; the rest of the width becomes zero. */
    void (*b1_pack_w)(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel);
    /* Pixels: b1_mr rows of kb bytes. */
    void (*b1_pack_a)(size_t kb, const uint8_t *rows, uint8_t *tile);
    /* count[i*width + j] = popcount(pixel i xor channel j). */
    void (*b1_tile)(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                    int32_t *count);
    /* y[j] = (xscale * wscale[j]) * (float)(offset[j] - 2 * count[j]), j < n. */
    void (*b1_finish)(size_t n, const int32_t *count, const int32_t *offset, float xscale,
                      const float *wscale, float *y);
} bnn_micro;

extern const bnn_micro bnn_micro_generic;
extern const bnn_mixed bnn_mixed_generic;
extern const bnn_kernels bnn_kernels_generic;
#if defined(__x86_64__)
extern const bnn_micro bnn_micro_avx2;
extern const bnn_mixed bnn_mixed_avx2;
extern const bnn_kernels bnn_kernels_avx2;
extern const bnn_micro bnn_micro_avx512;
extern const bnn_mixed bnn_mixed_avx512;
extern const bnn_kernels bnn_kernels_avx512;
#endif

/* The inner loops by file; each instruction set's bnn_micro picks from them. */
void bnn_f32_indirect_generic(size_t taps, size_t depth, const float *const *a, const float *b,
                              size_t m, size_t n, float *const *c, int acc);
void bnn_f32_outer_generic(size_t depth, const float *a, const float *b, size_t m, size_t n,
                           float *c, size_t ldc, int acc);
void bnn_b1_expand_generic(size_t n, const uint64_t *row, size_t first, float scale, float *out);
void bnn_b1_pack_w_generic(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel);
void bnn_b1_pack_a_generic(size_t kb, const uint8_t *rows, uint8_t *tile);
void bnn_b1_tile_generic(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                         int32_t *count);
void bnn_b1_finish_generic(size_t n, const int32_t *count, const int32_t *offset, float xscale,
                           const float *wscale, float *y);
void bnn_mix_codes_generic(size_t n, const uint32_t *rows, uint32_t *codes);
void bnn_mix_tables_generic(size_t n, const float *const v[4], size_t step, const float factor[4],
                            float *tables, size_t table_step);
void bnn_mix_tile_generic(const bnn_mix *m);
#if defined(__x86_64__)
void bnn_f32_indirect_avx2(size_t taps, size_t depth, const float *const *a, const float *b,
                           size_t m, size_t n, float *const *c, int acc);
void bnn_f32_outer_avx2(size_t depth, const float *a, const float *b, size_t m, size_t n, float *c,
                        size_t ldc, int acc);
void bnn_b1_expand_avx2(size_t n, const uint64_t *row, size_t first, float scale, float *out);
void bnn_b1_pack_w_avx2(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel);
void bnn_b1_pack_a_avx2(size_t kb, const uint8_t *rows, uint8_t *tile);
void bnn_b1_tile_avx2(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                      int32_t *count);
void bnn_b1_finish_avx2(size_t n, const int32_t *count, const int32_t *offset, float xscale,
                        const float *wscale, float *y);
void bnn_b1_expand_avx512(size_t n, const uint64_t *row, size_t first, float scale, float *out);
void bnn_b1_pack_w_avx512(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel);
void bnn_b1_pack_a_avx512(size_t kb, const uint8_t *rows, uint8_t *tile);
void bnn_b1_tile_avx512(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                        int32_t *count);
void bnn_b1_finish_avx512(size_t n, const int32_t *count, const int32_t *offset, float xscale,
                          const float *wscale, float *y);
void bnn_mix_codes_avx2(size_t n, const uint32_t *rows, uint32_t *codes);
void bnn_mix_tables_avx2(size_t n, const float *const v[4], size_t step, const float factor[4],
                         float *tables, size_t table_step);
void bnn_mix_tile_avx2(const bnn_mix *m);
void bnn_mix_codes_avx512(size_t n, const uint32_t *rows, uint32_t *codes);
void bnn_mix_tables_avx512(size_t n, const float *const v[4], size_t step, const float factor[4],
                           float *tables, size_t table_step);
void bnn_mix_tile_avx512(const bnn_mix *m);
#endif

#endif
