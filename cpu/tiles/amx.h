/* What the products on AMX tiles share. All tiles are configured alike, 16 rows of 64 bytes, once
 * for a thread's share of a product: configuring costs more than a small tile's work, and a thread
 * that keeps tiles makes every switch to another thread carry them. Tile numbers are literals, as
 * the intrinsics want them. Include only from files that are compiled for AMX. */
#ifndef BNN_CPU_TILES_AMX_H
#define BNN_CPU_TILES_AMX_H

#include <immintrin.h>
#include <stdint.h>

enum { BNN_TILE_ROWS = 16, BNN_TILE_ROW = 64, BNN_TILE = BNN_TILE_ROWS * BNN_TILE_ROW };

/* gcc's intrinsic does not tell the compiler that it reads memory. */
#define bnn_tile_load(tile, from, stride)                                                          \
    do {                                                                                           \
        __asm__ volatile("" ::: "memory");                                                         \
        _tile_loadd(tile, from, stride);                                                           \
    } while (0)

static inline void bnn_amx_enter(void) {
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

static inline void bnn_amx_leave(void) {
    _tile_release();
}

#endif
