/* Words of random numbers (engine/base/rng.h, bnn_philox), in the order in which dropout takes
 * them: word w of counter 64 b + j belongs to value 256 b + 64 w + j. */
#ifndef BNN_CUDA_PHILOX_CUH
#define BNN_CUDA_PHILOX_CUH

#include "cuda/launch.cuh"

BNN_GPU uint32_t philox_word(bnn_random random, size_t value) {
    uint64_t counter = value / 256 * 64 + value % 64;
    uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)random.stream,
                     (uint32_t)(random.stream >> 32)};
    uint32_t k0 = (uint32_t)random.seed, k1 = (uint32_t)(random.seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)c[0] * 0xD2511F53u, p1 = (uint64_t)c[2] * 0xCD9E8D57u;
        c[0] = (uint32_t)(p1 >> 32) ^ c[1] ^ k0;
        c[2] = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[1] = (uint32_t)p1;
        c[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    size_t word = value % 256 / 64;
    return word == 0 ? c[0] : word == 1 ? c[1] : word == 2 ? c[2] : c[3];
}

/* Dropout of value `value` with probability dropped / 2^32. */
BNN_GPU int kept(bnn_random random, size_t value, uint32_t dropped) {
    return philox_word(random, value) >= dropped;
}

BNN_BOTH uint32_t dropped_below(float p) {
    return (uint32_t)((double)p * 4294967296.0);
}

#endif
