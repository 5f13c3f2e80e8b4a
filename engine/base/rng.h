/* Counter-based random numbers (Philox4x32-10; Salmon et al., "Parallel Random Numbers: As Easy as
 * 1, 2, 3", SC 2011). A number is a pure function of (seed, stream, index): no state to save, no
 * order of calls to keep, the same at any thread count. A stream is what the numbers are for. */
#ifndef BNN_ENGINE_BASE_RNG_H
#define BNN_ENGINE_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct bnn_rng {
    uint64_t seed;
    uint64_t stream;
    uint64_t index; /* the next block of four words */
    uint32_t word[4];
    int left; /* words not yet used */
} bnn_rng;

/* The four words of one counter. */
void bnn_philox(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4]);

/* A generator that walks through the counters of one stream from its first. */
bnn_rng bnn_rng_start(uint64_t seed, uint64_t stream);
uint32_t bnn_rng_u32(bnn_rng *rng);
/* Uniform integer in [0, bound), without modulo bias; bound >= 1. */
uint32_t bnn_rng_below(bnn_rng *rng, uint32_t bound);
/* Uniform in [0, 1), 24 bits. */
float bnn_rng_uniform(bnn_rng *rng);
/* Standard normal (Box-Muller). */
float bnn_rng_normal(bnn_rng *rng);
/* Fisher-Yates permutation of 0..n-1 into `out`. */
void bnn_rng_permutation(bnn_rng *rng, uint32_t n, uint32_t *out);

/* FNV-1a of a name: makes a stream id out of a parameter's name. */
uint64_t bnn_hash_name(const char *name);

#endif
