/* Words of random numbers (engine/base/rng.h), those of dropout in the order in which it takes
 * them: word w of counter 64 b + j belongs to value 256 b + 64 w + j. */
#ifndef BNN_CUDA_PHILOX_CUH
#define BNN_CUDA_PHILOX_CUH

#include "cuda/launch.cuh"

/* The four words of a counter (bnn_philox). */
BNN_GPU void philox(bnn_random random, uint64_t counter, uint32_t c[4]) {
    c[0] = (uint32_t)counter, c[1] = (uint32_t)(counter >> 32);
    c[2] = (uint32_t)random.stream, c[3] = (uint32_t)(random.stream >> 32);
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
}

BNN_GPU uint32_t philox_word(bnn_random random, size_t value) {
    uint32_t c[4];
    philox(random, value / 256 * 64 + value % 64, c);
    size_t word = value % 256 / 64;
    return word == 0 ? c[0] : word == 1 ? c[1] : word == 2 ? c[2] : c[3];
}

/* Numbers one after another, as bnn_rng's: the last word of a counter first. */
struct philox_dice {
    bnn_random random;
    uint64_t index;
    uint32_t word[4];
    int left;
};

/* Uniform in [0, bound), bnn_rng_below. */
BNN_GPU uint32_t roll(philox_dice *dice, uint32_t bound) {
    uint32_t limit = 0xffffffffu - 0xffffffffu % bound, x;
    do {
        if (dice->left == 0) {
            philox(dice->random, dice->index++, dice->word);
            dice->left = 4;
        }
        x = dice->word[--dice->left];
    } while (x >= limit);
    return x % bound;
}

/* Dropout of value `value` with probability dropped / 2^32. */
BNN_GPU int kept(bnn_random random, size_t value, uint32_t dropped) {
    return philox_word(random, value) >= dropped;
}

BNN_BOTH uint32_t dropped_below(float p) {
    return (uint32_t)((double)p * 4294967296.0);
}

#endif
