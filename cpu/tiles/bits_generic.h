/* Sixty-four values at a time, to and from one word: the primitives under bits.inc, in portable C.
 * A comparison with a NaN is false. */
#ifndef BNN_CPU_TILES_BITS_GENERIC_H
#define BNN_CPU_TILES_BITS_GENERIC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t bits_ge(const float *x, float t) {
    uint64_t word = 0;
    for (int i = 0; i < 64; i++) {
        word |= (uint64_t)(x[i] >= t) << i;
    }
    return word;
}

/* The same for the first n < 64 values; nothing behind them is read. */
static inline uint64_t bits_ge_some(const float *x, size_t n, float t) {
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++) {
        word |= (uint64_t)(x[i] >= t) << i;
    }
    return word;
}

/* Square roots in place. Here because sqrtf may set errno, which keeps compilers from vectorizing
 * it. */
static inline void square_roots(size_t n, float *x) {
    for (size_t i = 0; i < n; i++) {
        x[i] = sqrtf(x[i]);
    }
}

/* lo < x && x < hi */
static inline uint64_t bits_between(const float *x, float lo, float hi) {
    uint64_t word = 0;
    for (int i = 0; i < 64; i++) {
        word |= (uint64_t)((x[i] > lo) & (x[i] < hi)) << i;
    }
    return word;
}

/* lo <= x && x <= hi */
static inline uint64_t bits_within(const float *x, float lo, float hi) {
    uint64_t word = 0;
    for (int i = 0; i < 64; i++) {
        word |= (uint64_t)((x[i] >= lo) & (x[i] <= hi)) << i;
    }
    return word;
}

/* (x >= t) != flip with threshold = 2t + flip */
static inline uint64_t bits_threshold(const float *x, const int32_t *threshold) {
    uint64_t word = 0;
    for (int i = 0; i < 64; i++) {
        int flip = threshold[i] & 1;
        float t = (float)((threshold[i] - flip) / 2);
        word |= (uint64_t)((x[i] >= t) != flip) << i;
    }
    return word;
}

/* gx = bit ? g : 0, or gx += that */
static inline void bits_select(uint64_t word, const float *g, float *gx, int acc) {
    for (int i = 0; i < 64; i++) {
        float v = word >> i & 1 ? g[i] : 0.0f;
        gx[i] = acc ? gx[i] + v : v;
    }
}

/* x = bit ? scale : -scale */
static inline void bits_signs(uint64_t word, float scale, float *x) {
    for (int i = 0; i < 64; i++) {
        x[i] = word >> i & 1 ? scale : -scale;
    }
}

#endif
