/* Sums of channels by piece, as the kernels of normalization and of a learned slope keep them. */
#ifndef BNN_CUDA_SUMS_CUH
#define BNN_CUDA_SUMS_CUH

#include "cuda/launch.cuh"

/* Rows whose sum is a float; parts of a piece that are summed side by side. */
enum { RUN_ROWS = 128, PARTS = 128 };

/* A piece's sums. */
struct piece_sums {
    double *count; /* [1] */
    double *s, *q; /* [PARTS][c] */
    float *pivot;  /* [c], what moments are taken about: a row's values */
};

BNN_BOTH size_t piece_bytes(size_t c) {
    return (8 + (16 * PARTS + 4) * c + 63) / 64 * 64;
}

BNN_GPU piece_sums sums_at(const void *base, size_t c, size_t piece) {
    double *at = (double *)(void *)((char *)base + piece * piece_bytes(c));
    piece_sums p = {at, at + 1, at + 1 + PARTS * c, (float *)(void *)(at + 1 + 2 * PARTS * c)};
    return p;
}

/* What a team does before it adds rows of part `part`, their values about 0, to a piece. */
template <int THREADS>
BNN_GPU void open_part(team<THREADS> t, piece_sums p, size_t rows, size_t c, int reset,
                       size_t part) {
    t.each([&](int thread) {
        for (size_t j = (size_t)thread; reset && j < c; j += THREADS) {
            p.s[part * c + j] = p.q[part * c + j] = 0.0;
            if (part == 0) {
                p.pivot[j] = 0.0f;
            }
        }
        if (part == 0 && thread == 0) {
            *p.count = (reset ? 0.0 : *p.count) + (double)rows;
        }
    });
}

#endif
