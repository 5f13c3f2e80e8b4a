/* How kernels of this folder are written: as what a thread, a warp or a team of threads does with
 * its item, given to one of the launches below. The same source then runs on two machines: nvcc
 * makes a grid of it; a C++ compiler makes loops, one item after another, so that indices, packing,
 * padding and ends run in tests, with sanitizers, where there is no GPU.
 *
 * What threads do together is cut into phases at its barriers: `team.each(f)` has every thread call
 * f(thread), and all of them wait. What a thread keeps from one phase to the next is `own`, what
 * the team has in common a struct `shared`. Without a GPU the threads of a phase come one after
 * another, forwards or backwards as a test wants it, so a result that depends on who comes first
 * is seen. */
#ifndef BNN_CUDA_LAUNCH_CUH
#define BNN_CUDA_LAUNCH_CUH

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define BNN_GPU static __device__ __forceinline__
#define BNN_EACH __device__   /* of a lambda that is an item's work */
#define BNN_INSIDE __device__ /* of a member function */
#define BNN_BOTH static inline __host__ __device__
#else
#define BNN_GPU static inline
#define BNN_EACH
#define BNN_INSIDE
#define BNN_BOTH static inline
#endif

/* Headers of C whose functions are to run on both sides. */
#ifdef __CUDACC__
#define inline __host__ __device__ inline
#endif
extern "C" {
#include "engine/kernels.h"
#include "engine/boxes.h"
#include "engine/exp.h"
#include "engine/sincos.h"
#ifdef __CUDACC__
#undef inline
#endif

/* A stream's queue on the GPU (device.c). */
void *bnn_cuda_stream(const bnn_stream *stream);
/* Device memory of a stream, of BNN_CUDA_SCRATCH bytes, for kernels that have no workspace. */
void *bnn_cuda_scratch(const bnn_stream *stream);
/* How exact products of floats are to be (table.c). */
bnn_precision bnn_cuda_precision(const bnn_stream *stream);
}

enum { BNN_CUDA_SCRATCH = 4096 };

/* Threads of a warp, and of a block where nothing else is said. */
enum { WARP = 32, BLOCK = 256 };

#ifdef __CUDACC__

static inline unsigned grid_of(size_t blocks) {
    const size_t most = 1u << 16; /* and round again: loops go in steps of the grid */
    return (unsigned)(blocks < most ? blocks : most);
}

static inline cudaStream_t queue_of(const bnn_stream *stream) {
    return (cudaStream_t)bnn_cuda_stream(stream);
}

/* ---- f(i), i < n ---- */

template <class F> __global__ void __launch_bounds__(BLOCK) each_kernel(size_t n, F f) {
    size_t step = (size_t)gridDim.x * BLOCK;
    for (size_t i = (size_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step) {
        f(i);
    }
}

template <class F> static void each(const bnn_stream *stream, size_t n, F f) {
    if (n > 0) {
        each_kernel<<<grid_of((n + BLOCK - 1) / BLOCK), BLOCK, 0, queue_of(stream)>>>(n, f);
    }
}

/* ---- f(r, j), r < rows, j < c: neighbours of a row side by side ---- */

template <class F>
__global__ void __launch_bounds__(BLOCK) rows_kernel(size_t rows, size_t c, F f) {
    for (size_t r = (size_t)blockIdx.x * blockDim.y + threadIdx.y; r < rows;
         r += (size_t)gridDim.x * blockDim.y) {
        for (size_t j = (size_t)blockIdx.y * blockDim.x + threadIdx.x; j < c;
             j += (size_t)gridDim.y * blockDim.x) {
            f(r, j);
        }
    }
}

template <class F> static void each_row(const bnn_stream *stream, size_t rows, size_t c, F f) {
    if (rows == 0 || c == 0) {
        return;
    }
    unsigned x = 1;
    while (x < c && x < BLOCK) {
        x *= 2;
    }
    size_t y = BLOCK / x, across = (c + x - 1) / x;
    dim3 grid(grid_of((rows + y - 1) / y), (unsigned)(across < 64 ? across : 64));
    rows_kernel<<<grid, dim3(x, (unsigned)y), 0, queue_of(stream)>>>(rows, c, f);
}

/* ---- teams ---- */

template <class T, int THREADS> struct own {
    T value;
    __device__ __forceinline__ T &operator[](int) { return value; }
};

template <int THREADS> struct team {
    template <class F> __device__ __forceinline__ void each(F f) const {
        f((int)threadIdx.x);
        __syncthreads();
    }
};

/* F has a `shared`, THREADS, and operator()(team, shared, item). */
template <class F> __global__ void __launch_bounds__(F::THREADS) teams_kernel(size_t count, F f) {
    __shared__ typename F::shared memory;
    for (size_t i = blockIdx.x; i < count; i += gridDim.x) {
        f(team<F::THREADS>(), memory, i);
        __syncthreads();
    }
}

template <class F> static void teams(const bnn_stream *stream, size_t count, F f) {
    if (count > 0) {
        teams_kernel<<<grid_of(count), F::THREADS, 0, queue_of(stream)>>>(count, f);
    }
}

/* ---- rows of bits ---- */

/* Bit j of row r is test(r, j): a warp has a word, by two votes. */
template <class F>
__global__ void __launch_bounds__(BLOCK)
    pack_kernel(size_t rows, size_t c, uint64_t *bits, F test) {
    size_t words = (c + 63) / 64, lane = threadIdx.x % WARP;
    for (size_t i = ((size_t)blockIdx.x * BLOCK + threadIdx.x) / WARP; i < rows * words;
         i += (size_t)gridDim.x * BLOCK / WARP) {
        size_t r = i / words, j = i % words * 64 + lane;
        unsigned low = __ballot_sync(0xffffffffu, j < c && test(r, j));
        unsigned high = __ballot_sync(0xffffffffu, j + WARP < c && test(r, j + WARP));
        if (lane == 0) {
            bits[i] = (uint64_t)high << 32 | low;
        }
    }
}

template <class F>
static void pack(const bnn_stream *stream, size_t rows, size_t c, uint64_t *bits, F test) {
    size_t words = rows * bnn_words(c);
    if (words > 0) {
        pack_kernel<<<grid_of((words * WARP + BLOCK - 1) / BLOCK), BLOCK, 0, queue_of(stream)>>>(
            rows, c, bits, test);
    }
}

#define count_ones(word) ((int)__popcll(word))

#else /* one item after another */

extern int bnn_cuda_backwards; /* the order of items and of a phase's threads */

template <class F> static void in_order(size_t n, F f) {
    for (size_t i = 0; i < n; i++) {
        f(bnn_cuda_backwards ? n - 1 - i : i);
    }
}

template <class F> static void each(const bnn_stream *, size_t n, F f) {
    in_order(n, f);
}

template <class F> static void each_row(const bnn_stream *, size_t rows, size_t c, F f) {
    in_order(rows, [&](size_t r) { in_order(c, [&](size_t j) { f(r, j); }); });
}

template <class T, int THREADS> struct own {
    T value[THREADS];
    T &operator[](int thread) { return value[thread]; }
};

template <int THREADS> struct team {
    template <class F> void each(F f) const {
        in_order(THREADS, [&](size_t thread) { f((int)thread); });
    }
};

template <class F> static void teams(const bnn_stream *, size_t count, F f) {
    in_order(count, [&](size_t i) {
        typename F::shared memory; /* what no phase has written is not read: sanitizers see it */
        f(team<F::THREADS>(), memory, i);
    });
}

template <class F>
static void pack(const bnn_stream *, size_t rows, size_t c, uint64_t *bits, F test) {
    size_t words = (c + 63) / 64;
    in_order(rows * words, [&](size_t i) {
        uint64_t word = 0;
        for (size_t j = i % words * 64; j < c && j < (i % words + 1) * 64; j++) {
            word |= (uint64_t)(test(i / words, j) ? 1 : 0) << j % 64;
        }
        bits[i] = word;
    });
}

#define count_ones(word) ((int)__builtin_popcountll(word))
#endif

/* ---- what kernels share ---- */

/* A value of an operand that is floats or integers. */
BNN_GPU float number(bnn_numbers x, size_t i) {
    return x.f32 != NULL ? x.f32[i] : (float)x.i16[i];
}

BNN_GPU void put(float *to, size_t i, float v, int acc) {
    to[i] = acc ? to[i] + v : v;
}

BNN_GPU int bit_at(const uint64_t *bits, size_t i) {
    return (int)(bits[i / 64] >> i % 64 & 1);
}

/* n <= 64 bits of a row from `first` on; the bits above them are 0. */
BNN_GPU uint64_t bits_at(const uint64_t *row, size_t first, size_t n) {
    size_t shift = first % 64;
    uint64_t v = row[first / 64] >> shift;
    if (shift + n > 64) {
        v |= row[first / 64 + 1] << (64 - shift);
    }
    return n < 64 ? v & (((uint64_t)1 << n) - 1) : v;
}

BNN_GPU float scale_of(const float *scale, size_t row, size_t per_scale) {
    return scale == NULL ? 1.0f : scale[row / per_scale];
}

#endif
