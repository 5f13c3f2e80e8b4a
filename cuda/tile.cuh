/* A tile of a product on tensor cores: 64 rows by 64 columns, of which each warp of a team of four
 * has a quarter, in fragments of the instruction. */
#ifndef BNN_CUDA_TILE_CUH
#define BNN_CUDA_TILE_CUH

#include "cuda/mma.cuh"

constexpr int TEAM = 128, TILE = 64;
/* Rows and columns of a warp, of which there are two by two; its fragments. */
constexpr int HALF = TILE / 2, ROWS = HALF / MMA_M, COLUMNS = HALF / MMA_N;
constexpr int FRAGMENTS = ROWS * COLUMNS;

/* A thread's share of its warp's fragments, to their places in the tile. */
template <class T>
BNN_GPU void lay_fragments(int thread, const T (&of)[FRAGMENTS][MMA_RESULTS],
                           T (&tile)[TILE][TILE]) {
    int first_row = thread / WARP / 2 * HALF, first_column = thread / WARP % 2 * HALF;
    BNN_UNROLL
    for (int i = 0; i < FRAGMENTS * MMA_RESULTS; i++) {
        int f = i / MMA_RESULTS, r = i % MMA_RESULTS, lane = thread % WARP;
        int row = first_row + f / COLUMNS * MMA_M + mma_row(lane, r);
        int column = first_column + f % COLUMNS * MMA_N + mma_column(lane, r);
        tile[row][column] = of[f][r];
    }
}

template <class T> BNN_GPU void clear_fragments(T (&of)[FRAGMENTS][MMA_RESULTS]) {
    BNN_UNROLL
    for (int i = 0; i < FRAGMENTS * MMA_RESULTS; i++) {
        of[i / MMA_RESULTS][i % MMA_RESULTS] = 0;
    }
}

#endif
