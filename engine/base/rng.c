#include "engine/base/rng.h"

#include <math.h>

void bnn_philox(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4]) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)c0 * 0xD2511F53u;
        uint64_t p1 = (uint64_t)c2 * 0xCD9E8D57u;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c0 = n0;
        c1 = (uint32_t)p1;
        c2 = n2;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

bnn_rng bnn_rng_start(uint64_t seed, uint64_t stream) {
    return (bnn_rng){.seed = seed, .stream = stream};
}

uint32_t bnn_rng_u32(bnn_rng *rng) {
    if (rng->left == 0) {
        bnn_philox(rng->seed, rng->stream, rng->index++, rng->word);
        rng->left = 4;
    }
    return rng->word[--rng->left];
}

uint32_t bnn_rng_below(bnn_rng *rng, uint32_t bound) {
    /* Rejects the tail that would make small results likelier. */
    uint32_t limit = UINT32_MAX - UINT32_MAX % bound;
    uint32_t x;
    do {
        x = bnn_rng_u32(rng);
    } while (x >= limit);
    return x % bound;
}

float bnn_rng_uniform(bnn_rng *rng) {
    return (float)(bnn_rng_u32(rng) >> 8) * 0x1p-24f;
}

float bnn_rng_normal(bnn_rng *rng) {
    double u = ((double)bnn_rng_u32(rng) + 1.0) * 0x1p-32; /* (0, 1]: the log is finite */
    double v = (double)bnn_rng_u32(rng) * 0x1p-32;
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

void bnn_rng_permutation(bnn_rng *rng, uint32_t n, uint32_t *out) {
    for (uint32_t i = 0; i < n; i++) {
        out[i] = i;
    }
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = bnn_rng_below(rng, i);
        uint32_t swap = out[i - 1];
        out[i - 1] = out[j];
        out[j] = swap;
    }
}

uint64_t bnn_hash_name(const char *name) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++) {
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    }
    return hash;
}
