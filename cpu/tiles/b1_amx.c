/* The binary tile with AMX: a product of bytes. A pixel's bit is the byte 0 or 1, a channel's 1 or
 * -1, so that pixel times channel is the xor less the channel's bit; what is missing, the channel's
 * own bits, the driver has in its offsets. Sixteen pixels times up to 64 channels are four tiles of
 * sums; 64 bits of K are a tile of each operand. Everything but the product is AVX-512's. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <string.h>

#include "cpu/tiles/amx.h"

/* A panel is [kb / 8][width / 16] tiles: of 16 channels, four bits' bytes of each side by side. The
 * four bits of all 16 are looked up at once. */
static void pack_w(size_t kb, size_t n, size_t width, const uint8_t *w, uint8_t *panel) {
    const __m512i bytes = _mm512_setr_epi32(
        0x01010101, 0x010101ff, 0x0101ff01, 0x0101ffff, 0x01ff0101, 0x01ff01ff, 0x01ffff01,
        0x01ffffff, (int)0xff010101, (int)0xff0101ff, (int)0xff01ff01, (int)0xff01ffff,
        (int)0xffff0101, (int)0xffff01ff, (int)0xffffff01, (int)0xffffffff);
    for (size_t k = 0; k < kb; k += 8) {
        for (size_t first = 0; first < width; first += BNN_TILE_ROWS) {
            uint32_t half[2][BNN_TILE_ROWS] = {0};
            for (size_t j = 0; j < BNN_TILE_ROWS && first + j < n; j++) {
                memcpy(&half[0][j], w + (first + j) * kb + k, 4);
                memcpy(&half[1][j], w + (first + j) * kb + k + 4, 4);
            }
            for (size_t i = 0; i < 2; i++) {
                __m512i bits = _mm512_loadu_si512(half[i]);
                for (size_t row = 0; row < BNN_TILE_ROWS / 2; row++, panel += BNN_TILE_ROW) {
                    _mm512_storeu_si512(panel, _mm512_permutexvar_epi32(bits, bytes));
                    bits = _mm512_srli_epi32(bits, 4);
                }
            }
        }
    }
}

/* [kb / 8] tiles: a pixel's 64 bits are a row. */
static void pack_a(size_t kb, const uint8_t *rows, uint8_t *tile) {
    const __m512i one = _mm512_set1_epi8(1);
    for (size_t k = 0; k < kb; k += 8) {
        for (size_t i = 0; i < BNN_TILE_ROWS; i++, tile += BNN_TILE_ROW) {
            uint64_t bits;
            memcpy(&bits, rows + i * kb + k, 8);
            _mm512_storeu_si512(tile, _mm512_maskz_mov_epi8(bits, one));
        }
    }
}

/* Tiles 0 to 3 are sums, 4 pixels, 5 to 7 channels. */
static void multiply(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                     int32_t *count) {
    size_t step = width * BNN_TILE_ROW;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t k = 0; k < kb; k += 8, tile += BNN_TILE, panel += step) {
        bnn_tile_load(4, tile, BNN_TILE_ROW);
        bnn_tile_load(5, panel, BNN_TILE_ROW);
        _tile_dpbssd(0, 4, 5);
        if (width > 16) {
            bnn_tile_load(6, panel + BNN_TILE, BNN_TILE_ROW);
            _tile_dpbssd(1, 4, 6);
        }
        if (width > 32) {
            bnn_tile_load(7, panel + 2 * BNN_TILE, BNN_TILE_ROW);
            _tile_dpbssd(2, 4, 7);
            bnn_tile_load(5, panel + 3 * BNN_TILE, BNN_TILE_ROW);
            _tile_dpbssd(3, 4, 5);
        }
    }
    size_t row = width * sizeof *count;
    _tile_stored(0, count, row);
    if (width > 16) {
        _tile_stored(1, count + 16, row);
    }
    if (width > 32) {
        _tile_stored(2, count + 32, row);
        _tile_stored(3, count + 48, row);
    }
}

const bnn_micro bnn_micro_amx = {
    BNN_AVX512_MICRO,          .mixed = &bnn_mixed_amx, .b1_enter = bnn_amx_enter,
    .b1_leave = bnn_amx_leave, .b1_mr = BNN_TILE_ROWS,  .b1_a_bytes = 8,
    .b1_w_bytes = 8,           .b1_less_w = 1,          .b1_pack_w = pack_w,
    .b1_pack_a = pack_a,       .b1_tile = multiply,
};

#endif
