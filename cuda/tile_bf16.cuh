/* Floats in a tile of tensor cores. A bf16 has 8 bits of a float's 24; a float is the sum of as
 * many bf16 as are wanted, its pieces, each the rounding of what the ones before left. Products of
 * pieces that are too small to count are left out, so one piece gives a product of bf16, two one
 * that is finer than TF32 (16 bits for 11), and three a float's. */
#ifndef BNN_CUDA_TILE_BF16_CUH
#define BNN_CUDA_TILE_BF16_CUH

#include "cuda/tile.cuh"

enum {
    STEP = 32, /* terms at a time: two products of 16 */
    LINE =
        STEP / 2 + 4, /* registers (pairs) from row to row, so that lanes do not meet in a bank */
    JOIN = 8,         /* steps until a sum joins the sum of such sums */
};

BNN_GPU uint32_t bits_of(float v) {
#ifdef __CUDA_ARCH__
    return __float_as_uint(v);
#else
    uint32_t bits = 0;
    __builtin_memcpy(&bits, &v, sizeof bits);
    return bits;
#endif
}

BNN_GPU float of_bits(uint32_t bits) {
#ifdef __CUDA_ARCH__
    return __uint_as_float(bits);
#else
    float v = 0.0f;
    __builtin_memcpy(&v, &bits, sizeof v);
    return v;
#endif
}

/* v as a bf16, to nearest even; what is not finite stays so. */
BNN_GPU uint32_t rounded(float v) {
    uint32_t bits = bits_of(v);
    if ((bits & 0x7f800000u) == 0x7f800000u) {
        return bits >> 16 | ((bits & 0x007fffffu) != 0 ? 0x40u : 0u);
    }
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

/* Pieces of 64 rows, in pairs of terms. */
template <int PIECES> struct tile_pieces {
    uint32_t pair[PIECES][TILE][LINE];

    /* Terms 2 p and 2 p + 1 of a row. */
    BNN_INSIDE void put(int row, int p, float low, float high) {
        for (int piece = 0; piece < PIECES; piece++) {
            uint32_t a = rounded(low), b = rounded(high);
            pair[piece][row][p] = b << 16 | a;
            low -= of_bits(a << 16);
            high -= of_bits(b << 16);
        }
    }
};

/* Results of a thread. */
struct tile_sums {
    float of[FRAGMENTS][MMA_RESULTS];

    /* A tensor core cuts off what it adds: after some terms its sum joins one that is rounded. */
    BNN_INSIDE void take(tile_sums &part) {
        BNN_UNROLL
        for (int i = 0; i < FRAGMENTS * MMA_RESULTS; i++) {
            of[i / MMA_RESULTS][i % MMA_RESULTS] += part.of[i / MMA_RESULTS][i % MMA_RESULTS];
        }
        clear_fragments(part.of);
    }
};

/* A warp's quarter of a step. Pieces of columns are asked for: b(piece, first term, column). */
template <int PIECES, int B_PIECES, class B>
BNN_GPU void multiply_step(const tile_pieces<PIECES> &a, B b, int warp, own<tile_sums, TEAM> &sum) {
    int first_row = warp / 2 * HALF, first_column = warp % 2 * HALF;
    for (int k = 0; k < STEP; k += 16) {
        BNN_UNROLL
        for (int i = 0; i < FRAGMENTS; i++) {
            int row = first_row + i / COLUMNS * MMA_M;
            int column = first_column + i % COLUMNS * MMA_N;
            BNN_UNROLL
            for (int n = PIECES * B_PIECES - 1; n >= 0; n--) { /* the small ones first */
                int pa = n / B_PIECES, pb = n % B_PIECES;
                if (pa + pb >= PIECES) {
                    continue;
                }
                mma_bf16(
                    [&](int lane, int r) {
                        return a.pair[pa][row + lane / 4 + r % 2 * 8][k / 2 + lane % 4 + r / 2 * 4];
                    },
                    [&](int lane, int r) {
                        return b(pb, k + lane % 4 * 2 + r * 8, column + lane / 4);
                    },
                    [&](int lane) -> float(&)[MMA_RESULTS] {
                        return sum[warp * WARP + lane].of[i];
                    });
            }
        }
    }
}

/* The end of a product: put(row, column, sum) of all of the tile, neighbours of a row by
 * neighbouring threads. */
template <class F>
BNN_GPU void put_tile(const team<TEAM> &t, own<tile_sums, TEAM> &part, own<tile_sums, TEAM> &sum,
                      float (&tile)[TILE][TILE], F put) {
    t.each([&](int thread) { sum[thread].take(part[thread]); });
    t.each([&](int thread) { lay_fragments(thread, sum[thread].of, tile); });
    t.each([&](int thread) {
        for (int i = thread; i < TILE * TILE; i += TEAM) {
            put((size_t)(i / TILE), (size_t)(i % TILE), tile[i / TILE][i % TILE]);
        }
    });
}

#endif
