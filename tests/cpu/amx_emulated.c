/* AMX in C, after the operations' pseudo code in Intel's Software Developer's Manual. A thread has
 * tiles only between loadconfig and release: who forgets either is found out. */
#include "tests/cpu/amx_emulated.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TILES = 8, ROWS = 16, ROW = 64 };

static _Thread_local struct {
    int configured;
    int rows[TILES], row_bytes[TILES];
    _Alignas(64) uint8_t data[TILES][ROWS][ROW];
} amx;

static void need(int ok) {
    if (!ok) {
        abort();
    }
}

static void need_tile(int tile) {
    need(amx.configured && tile >= 0 && tile < TILES && amx.rows[tile] > 0);
}

void amx_loadconfig(const void *config) {
    const uint8_t *bytes = config;
    need(!amx.configured); /* which the processor would allow */
    need(bytes[0] == 1 && bytes[1] == 0);
    memset(&amx, 0, sizeof amx);
    amx.configured = 1;
    for (int i = 2; i < 16; i++) {
        need(bytes[i] == 0);
    }
    for (int i = 0; i < 16; i++) {
        int row_bytes = bytes[16 + 2 * i] + 256 * bytes[17 + 2 * i], rows = bytes[48 + i];
        need(i < TILES ? row_bytes <= ROW && rows <= ROWS && (rows == 0) == (row_bytes == 0)
                       : row_bytes == 0 && rows == 0);
        if (i < TILES) {
            amx.rows[i] = rows, amx.row_bytes[i] = row_bytes;
        }
    }
}

void amx_release(void) {
    need(amx.configured); /* which the processor would not mind */
    memset(&amx, 0, sizeof amx);
}

void amx_zero(int tile) {
    need_tile(tile);
    memset(amx.data[tile], 0, sizeof amx.data[tile]);
}

void amx_loadd(int tile, const void *from, size_t stride) {
    amx_zero(tile);
    for (int i = 0; i < amx.rows[tile]; i++) {
        memcpy(amx.data[tile][i], (const char *)from + (size_t)i * stride,
               (size_t)amx.row_bytes[tile]);
    }
}

void amx_stored(int tile, void *to, size_t stride) {
    need_tile(tile);
    for (int i = 0; i < amx.rows[tile]; i++) {
        memcpy((char *)to + (size_t)i * stride, amx.data[tile][i], (size_t)amx.row_bytes[tile]);
    }
}

/* What a product asks of the shapes: [m][n] += [m][k] * [k][n], in units of four bytes. */
static void need_product(int sum, int a, int b) {
    need_tile(sum), need_tile(a), need_tile(b);
    need(sum != a && sum != b && a != b);
    need(amx.rows[sum] == amx.rows[a] && amx.row_bytes[sum] == amx.row_bytes[b]);
    need(amx.row_bytes[a] == 4 * amx.rows[b] && amx.row_bytes[a] % 4 == 0);
    need(amx.row_bytes[b] % 4 == 0);
}

/* Half `odd` of each four bytes, as floats. */
static void widen(const uint8_t *row, int odd, float *values) {
    uint32_t bits[ROW / 4];
    memcpy(bits, row, sizeof bits);
    for (int n = 0; n < ROW / 4; n++) {
        bits[n] = odd ? bits[n] & 0xffff0000u : bits[n] << 16;
    }
    memcpy(values, bits, sizeof bits);
}

/* Even and odd halves are summed apart, then together, then to what was there. */
static __attribute__((noinline)) void sum_pairs(int sum, int a, int b) {
    for (int m = 0; m < amx.rows[sum]; m++) {
        float even[ROW / 4] = {0}, odd[ROW / 4] = {0}, left[2][ROW / 4], right[ROW / 4];
        widen(amx.data[a][m], 0, left[0]);
        widen(amx.data[a][m], 1, left[1]);
        for (int k = 0; k < amx.rows[b]; k++) {
            widen(amx.data[b][k], 0, right);
            for (int n = 0; n < ROW / 4; n++) {
                even[n] += left[0][k] * right[n];
            }
            widen(amx.data[b][k], 1, right);
            for (int n = 0; n < ROW / 4; n++) {
                odd[n] += left[1][k] * right[n];
            }
        }
        float sums[ROW / 4];
        memcpy(sums, amx.data[sum][m], sizeof sums);
        for (int n = 0; n < ROW / 4; n++) {
            sums[n] += even[n] + odd[n];
        }
        memcpy(amx.data[sum][m], sums, sizeof sums);
    }
}

/* Rounds to nearest even and takes denormal numbers for zeros, whatever MXCSR says. */
void amx_dpbf16ps(int sum, int a, int b) {
    enum { MASKED = 0x1f80, DAZ = 0x40, FTZ = 0x8000 };
    unsigned before = _mm_getcsr();
    need_product(sum, a, b);
    _mm_setcsr(MASKED | DAZ | FTZ);
    sum_pairs(sum, a, b);
    _mm_setcsr(before);
}
