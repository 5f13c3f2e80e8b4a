/* The binary tile with AMX: a product of bytes. A pixel's bit is the byte 0 or 1, a channel's 1 or
 * -1, so that pixel times channel is the xor less the channel's bit; what is missing, the channel's
 * own bits, the driver has in its offsets. 32 pixels times 32 channels are four tiles of sums, so
 * that two tiles of each operand, 64 bits of K, make four products. Filters stay bits, an eighth of
 * the memory, until a panel meets a block of pixels. All but the product is AVX-512's. */
#include "cpu/tiles/tiles.h"

#if defined(__x86_64__) /* elsewhere this file is empty but for declarations */

#include <string.h>

#include "cpu/tiles/amx.h"

enum { MR = 2 * BNN_TILE_ROWS };

/* [kb / 8][width / 16] tiles, of words of 64 bits of all channels side by side: of 16 channels,
 * four bits' bytes of each. The four bits of all 16 are looked up at once. */
static void open_w(size_t kb, size_t width, const uint8_t *panel, uint8_t *opened) {
    const __m512i bytes = _mm512_setr_epi32(
        0x01010101, 0x010101ff, 0x0101ff01, 0x0101ffff, 0x01ff0101, 0x01ff01ff, 0x01ffff01,
        0x01ffffff, (int)0xff010101, (int)0xff0101ff, (int)0xff01ff01, (int)0xff01ffff,
        (int)0xffff0101, (int)0xffff01ff, (int)0xffffff01, (int)0xffffffff);
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    for (size_t tiles = kb / 8 * (width / BNN_TILE_ROWS); tiles-- > 0; panel += 128) {
        __m512i a = _mm512_loadu_si512(panel), b = _mm512_loadu_si512(panel + 64);
        __m512i low = _mm512_permutex2var_epi32(a, even, b);
        __m512i high = _mm512_permutex2var_epi32(a, odd, b);
        for (size_t row = 0; row < BNN_TILE_ROWS / 2; row++, opened += BNN_TILE_ROW) {
            _mm512_storeu_si512(opened, _mm512_permutexvar_epi32(low, bytes));
            _mm512_storeu_si512(opened + BNN_TILE / 2, _mm512_permutexvar_epi32(high, bytes));
            low = _mm512_srli_epi32(low, 4), high = _mm512_srli_epi32(high, 4);
        }
        opened += BNN_TILE / 2;
    }
}

/* [kb / 8][2] tiles: a pixel's 64 bits are a row. */
static void pack_a(size_t kb, const uint8_t *rows, uint8_t *tile) {
    const __m512i one = _mm512_set1_epi8(1);
    for (size_t k = 0; k < kb; k += 8) {
        for (size_t i = 0; i < MR; i++, tile += BNN_TILE_ROW) {
            uint64_t bits;
            memcpy(&bits, rows + i * kb + k, 8);
            _mm512_storeu_si512(tile, _mm512_maskz_mov_epi8(bits, one));
        }
    }
}

/* Thirty-two channels: tiles 0 to 3 are sums, 4 and 5 pixels, 6 and 7
 * channels. */
static void multiply32(size_t kb, const uint8_t *tile, const uint8_t *panel, int32_t *count) {
    size_t row = 32 * sizeof *count;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t k = 0; k < kb; k += 8, tile += 2 * BNN_TILE, panel += 2 * BNN_TILE) {
        bnn_tile_load(4, tile, BNN_TILE_ROW);
        bnn_tile_load(6, panel, BNN_TILE_ROW);
        _tile_dpbssd(0, 4, 6);
        bnn_tile_load(7, panel + BNN_TILE, BNN_TILE_ROW);
        _tile_dpbssd(1, 4, 7);
        bnn_tile_load(5, tile + BNN_TILE, BNN_TILE_ROW);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_stored(0, count, row);
    _tile_stored(1, count + 16, row);
    _tile_stored(2, count + 512, row);
    _tile_stored(3, count + 512 + 16, row);
}

static void multiply16(size_t kb, const uint8_t *tile, const uint8_t *panel, int32_t *count) {
    _tile_zero(0);
    _tile_zero(2);
    for (size_t k = 0; k < kb; k += 8, tile += 2 * BNN_TILE, panel += BNN_TILE) {
        bnn_tile_load(6, panel, BNN_TILE_ROW);
        bnn_tile_load(4, tile, BNN_TILE_ROW);
        _tile_dpbssd(0, 4, 6);
        bnn_tile_load(5, tile + BNN_TILE, BNN_TILE_ROW);
        _tile_dpbssd(2, 5, 6);
    }
    _tile_stored(0, count, 16 * sizeof *count);
    _tile_stored(2, count + 256, 16 * sizeof *count);
}

static void multiply(size_t kb, size_t width, const uint8_t *tile, const uint8_t *panel,
                     int32_t *count) {
    if (width == 16) {
        multiply16(kb, tile, panel, count);
    } else {
        multiply32(kb, tile, panel, count);
    }
}

const bnn_micro bnn_micro_amx = {
    BNN_AVX512_MICRO,
    .small = &bnn_micro_vpopcntdq,
    .heads = &bnn_micro_vpopcntdq,
    .mixed = &bnn_mixed_amx,
    .b1_enter = bnn_amx_enter,
    .b1_leave = bnn_amx_leave,
    .b1_mr = MR,
    .b1_block = 131072,
    .b1_nr = 32,
    .b1_a_bytes = 8,
    .b1_w_bytes = 1,
    .b1_open_bytes = 8,
    .b1_less_w = 1,
    .b1_pack_w = bnn_b1_pack_w_avx512,
    .b1_open_w = open_w,
    .b1_pack_a = pack_a,
    .b1_tile = multiply,
};

#endif
