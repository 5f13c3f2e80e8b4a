/* The binary tile in portable C: 64-bit words, xor, popcount by shifts and masks. Pixels and
 * channels stay rows of words; nothing is rearranged. The oracle of every other binary tile. */
#include <string.h>

#include "cpu/micro.h"

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

void bnn_b1_pack_a_generic(size_t kb, const uint8_t *rows, uint8_t *tile) {
    memcpy(tile, rows, MR * kb);
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

void bnn_b1_finish_generic(size_t n, const int32_t *count, const int32_t *offset, float xscale,
                           const float *wscale, float *y) {
    for (size_t j = 0; j < n; j++) {
        y[j] = (xscale * wscale[j]) * (float)(offset[j] - 2 * count[j]);
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
    .f32_columns = bnn_f32_columns_generic,
    .f32_rows = bnn_f32_rows_generic,
    .b1_expand = bnn_b1_expand_generic,
    .mixed = &bnn_mixed_generic,
    .b1_mr = MR,
    .b1_a_bytes = 1,
    .b1_pack_w = bnn_b1_pack_w_generic,
    .b1_pack_a = bnn_b1_pack_a_generic,
    .b1_tile = bnn_b1_tile_generic,
    .b1_finish = bnn_b1_finish_generic,
};
