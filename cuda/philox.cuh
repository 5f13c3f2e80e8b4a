/* Random numbers (engine/base/rng.h): one after another, and in the order in which dropout takes
 * them, where word w of counter 64 b + j belongs to value 256 b + 64 w + j. */
#ifndef BNN_CUDA_PHILOX_CUH
#define BNN_CUDA_PHILOX_CUH

#include "cuda/launch.cuh"

/* The four words of one counter. */
struct philox_block {
    uint32_t word[4];
};

BNN_GPU philox_block philox_at(bnn_random random, uint64_t counter) {
    philox_block c = {{(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)random.stream,
                       (uint32_t)(random.stream >> 32)}};
    uint32_t k0 = (uint32_t)random.seed, k1 = (uint32_t)(random.seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)c.word[0] * 0xD2511F53u, p1 = (uint64_t)c.word[2] * 0xCD9E8D57u;
        c.word[0] = (uint32_t)(p1 >> 32) ^ c.word[1] ^ k0;
        c.word[2] = (uint32_t)(p0 >> 32) ^ c.word[3] ^ k1;
        c.word[1] = (uint32_t)p1;
        c.word[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

BNN_GPU uint32_t philox_word(bnn_random random, size_t value) {
    philox_block c = philox_at(random, value / 256 * 64 + value % 64);
    size_t word = value % 256 / 64;
    return word == 0 ? c.word[0] : word == 1 ? c.word[1] : word == 2 ? c.word[2] : c.word[3];
}

/* The numbers of bnn_rng, one after another. */
struct philox_dice {
    bnn_random random;
    uint64_t index;
    philox_block block;
    int left;

    BNN_INSIDE uint32_t next() {
        if (left == 0) {
            block = philox_at(random, index++);
            left = 4;
        }
        return block.word[--left];
    }

    BNN_INSIDE uint32_t below(uint32_t bound) {
        uint32_t limit = UINT32_MAX - UINT32_MAX % bound, x;
        do {
            x = next();
        } while (x >= limit);
        return x % bound;
    }
};

/* Dropout of value `value` with probability dropped / 2^32. */
BNN_GPU int kept(bnn_random random, size_t value, uint32_t dropped) {
    return philox_word(random, value) >= dropped;
}

BNN_BOTH uint32_t dropped_below(float p) {
    return (uint32_t)((double)p * 4294967296.0);
}

#endif
