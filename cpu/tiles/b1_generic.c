/* The binary tile in portable C: 64-bit words, xor, popcount by shifts and masks. Pixels and
 * channels stay rows of words; nothing is rearranged. The oracle of every other binary tile. */
#include <string.h>

#include "cpu/tiles/tiles.h"

enum { MR = 4 };

static inline uint64_t load64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static inline int32_t popcount64(uint64_t v) {
    v -= v >> 1 & 0x5555555555555555u;
    v = (v & 0x3333333333333333u) + (v >> 2 & 0x3333333333333333u);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int32_t)(v * 0x0101010101010101u >> 56);
}

void bnn_b1_pack_w_generic(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel) {
    memcpy(panel, w, n * kb);
    memset(panel + n * kb, 0, (width - n) * kb);
}

void bnn_b1_tile_generic(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                         int32_t *count) {
    for (size_t j = 0; j < width; j++) {
        const uint8_t *w = panel + j * kb;
        int32_t sum[MR] = {0};
        for (size_t k = 0; k < kb; k += 8) {
            uint64_t v = load64(w + k);
            for (size_t i = 0; i < MR; i++) {
                sum[i] += popcount64(v ^ load64(tile + i * kb + k));
            }
        }
        for (size_t i = 0; i < MR; i++) {
            count[i * width + j] = sum[i];
        }
    }
}

#define B1_INNER_NAME bnn_b1_inner_generic
#include "cpu/tiles/b1_inner.inc"

static inline float end_at(const bnn_result *y, float v, size_t column, size_t at) {
    v = y->a == NULL ? v : y->a[column] * v;
    v = y->b == NULL ? v : v + y->b[column];
    v = y->add == NULL ? v : v + y->add[at];
    if (y->clamp != NULL) {
        v = v < y->clamp[0] ? y->clamp[0] : v;
        v = v > y->clamp[1] ? y->clamp[1] : v;
    }
    return y->f32[at] = v;
}

void bnn_f32_end_generic(const bnn_result *y, size_t column, size_t m, size_t n, float *const *c) {
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            end_at(y, c[i][j], column + j, (size_t)(c[i] + j - y->f32));
        }
    }
}

static void finish_pixel(const bnn_finish *f, size_t i, const int32_t *integer) {
    const bnn_result *y = f->y;
    size_t at = (f->first + i) * f->channels + f->column;
    uint64_t bits = 0, *to = y->b1 != NULL ? y->b1 : y->sign;
    for (size_t j = 0; j < f->n; j++) {
        if (y->f32 != NULL) {
            float v = end_at(y, f->xscale[i] * (float)integer[j], f->column + j, at + j);
            bits |= (uint64_t)(v >= 0.0f) << j;
        } else if (y->i16 != NULL) {
            y->i16[at + j] = (int16_t)integer[j];
        } else {
            int32_t threshold = y->threshold[f->column + j], flip = threshold & 1;
            bits |= (uint64_t)((integer[j] >= (threshold - flip) / 2) != flip) << j;
        }
    }
    if (to != NULL) {
        bnn_put_bits(to + (f->first + i) * bnn_words(f->channels), f->column, f->n, bits);
    }
}

void bnn_b1_finish_generic(const bnn_finish *f) {
    for (size_t i = 0; i < f->pixels; i++) {
        const int32_t *count = f->count + i * f->width, *offset = f->offset + f->class_at[i];
        int32_t integer[64];
        for (size_t j = 0; j < f->n; j++) {
            integer[j] = offset[j] - 2 * count[j];
        }
        finish_pixel(f, i, integer);
    }
}

void bnn_b1_planes_generic(size_t planes, const uint64_t *plane, int32_t base, int32_t *integer) {
    for (size_t j = 0; j < 64; j++) {
        integer[j] = base;
    }
    for (size_t i = 0; i < planes; i++) {
        for (size_t j = 0; j < 64; j++) {
            integer[j] -= (int32_t)((uint32_t)(plane[i] >> j & 1) << (i + 1));
        }
    }
}

void bnn_b1_expand_generic(size_t n, const uint64_t *row, size_t first, float scale, float *out) {
    for (size_t i = 0; i < n; i++) {
        out[i] = row[(first + i) / 64] >> (first + i) % 64 & 1 ? scale : -scale;
    }
}

const bnn_micro bnn_micro_generic = {
    .f32_mr = 4,
    .f32_nr = 8,
    .f32_indirect = bnn_f32_indirect_generic,
    .f32_outer = bnn_f32_outer_generic,
    .f32_end = bnn_f32_end_generic,
    .f32_dots = bnn_f32_dots_generic,
    .winograd = bnn_winograd_generic,
    .f32_inner = bnn_f32_inner_generic,
    .f32_weighted = bnn_f32_weighted_generic,
    .b1_weighted = bnn_b1_weighted_generic,
    .f32_columns = bnn_f32_columns_generic,
    .f32_rows = bnn_f32_rows_generic,
    .b1_expand = bnn_b1_expand_generic,
    .mixed = &bnn_mixed_generic,
    .b1_mr = MR,
    .b1_nr = 64,
    .b1_a_bytes = 1,
    .b1_w_bytes = 1,
    .b1_pack_w = bnn_b1_pack_w_generic,
    .b1_tile = bnn_b1_tile_generic,
    .b1_inner = bnn_b1_inner_generic,
    .b1_finish = bnn_b1_finish_generic,
    .b1_planes = bnn_b1_planes_generic,
};
