/* Products of tensor cores: a warp multiplies fragments, which are spread over its lanes as the PTX
 * ISA lays them out ("Matrix Fragments for mma"). `team.warps(f)` is a phase in which each warp
 * calls f(warp); what a lane brings is asked of functions of (lane, register), and its share of the
 * result is own. Without a GPU the matrices are put together from the lanes' registers and
 * multiplied plainly, so the layouts are tested as they are. */
#ifndef BNN_CUDA_MMA_CUH
#define BNN_CUDA_MMA_CUH

#include "cuda/launch.cuh"

/* Rows and columns of a result; a lane has four of its values. */
enum { MMA_M = 16, MMA_N = 8, MMA_RESULTS = 4 };

/* Where value i of a lane's results is. */
BNN_BOTH int mma_row(int lane, int i) {
    return lane / 4 + (i >= 2 ? 8 : 0);
}

BNN_BOTH int mma_column(int lane, int i) {
    return lane % 4 * 2 + i % 2;
}

#ifdef __CUDACC__

template <int THREADS, class F>
static __device__ __forceinline__ void each_warp(const team<THREADS> &, F f) {
    f((int)threadIdx.x / WARP);
    __syncthreads();
}

#define BNN_UNROLL _Pragma("unroll")

/* In a warp's phase: what its lanes do each for itself. */
template <class F> static __device__ __forceinline__ void each_lane(F f) {
    f((int)threadIdx.x % WARP);
}

/* c += popcounts of a & b: m16n8k256. a(lane, 0..3), b(lane, 0..1), c(lane) int[4]. */
template <class A, class B, class C>
static __device__ __forceinline__ void mma_bits(A a, B b, C c) {
    int lane = (int)threadIdx.x % WARP;
    int(&d)[MMA_RESULTS] = c(lane);
    asm volatile("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                 : "r"(a(lane, 0)), "r"(a(lane, 1)), "r"(a(lane, 2)), "r"(a(lane, 3)),
                   "r"(b(lane, 0)), "r"(b(lane, 1)));
}

/* c += a b of pairs of bf16: m16n8k16. c(lane) float[4]. */
template <class A, class B, class C>
static __device__ __forceinline__ void mma_bf16(A a, B b, C c) {
    int lane = (int)threadIdx.x % WARP;
    float(&d)[MMA_RESULTS] = c(lane);
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a(lane, 0)), "r"(a(lane, 1)), "r"(a(lane, 2)), "r"(a(lane, 3)),
                   "r"(b(lane, 0)), "r"(b(lane, 1)));
}

#else

template <int THREADS, class F> static void each_warp(const team<THREADS> &, F f) {
    in_order(THREADS / WARP, [&](size_t warp) { f((int)warp); });
}

#define BNN_UNROLL

template <class F> static void each_lane(F f) {
    in_order(WARP, [&](size_t lane) { f((int)lane); });
}

/* Register r of a's fragment has row lane / 4 (+ 8 where r is odd) and, counted in registers along
 * the reduction, place lane % 4 (+ 4 where r >= 2); b's has column lane / 4, place lane % 4 + 4 r.
 */
template <class A, class B>
static void gather(A a, B b, uint32_t (*rows)[8], uint32_t (*columns)[8]) {
    for (int lane = 0; lane < WARP; lane++) {
        for (int r = 0; r < 4; r++) {
            rows[lane / 4 + r % 2 * 8][lane % 4 + r / 2 * 4] = a(lane, r);
        }
        for (int r = 0; r < 2; r++) {
            columns[lane / 4][lane % 4 + r * 4] = b(lane, r);
        }
    }
}

template <class A, class B, class C> static void mma_bits(A a, B b, C c) {
    uint32_t rows[MMA_M][8], columns[MMA_N][8];
    gather(a, b, rows, columns);
    for (int lane = 0; lane < WARP; lane++) {
        for (int i = 0; i < MMA_RESULTS; i++) {
            int sum = 0;
            for (int k = 0; k < 8; k++) {
                sum += count_ones(rows[mma_row(lane, i)][k] & columns[mma_column(lane, i)][k]);
            }
            c(lane)[i] += sum;
        }
    }
}

static inline float float_of(uint32_t pair, int high) {
    uint32_t bits = high ? pair & 0xffff0000u : pair << 16;
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

template <class A, class B, class C> static void mma_bf16(A a, B b, C c) {
    uint32_t rows[MMA_M][8], columns[MMA_N][8];
    gather(a, b, rows, columns);
    for (int lane = 0; lane < WARP; lane++) {
        for (int i = 0; i < MMA_RESULTS; i++) {
            float sum = c(lane)[i];
            for (int k = 0; k < 16; k++) {
                sum += float_of(rows[mma_row(lane, i)][k / 2], k % 2) *
                       float_of(columns[mma_column(lane, i)][k / 2], k % 2);
            }
            c(lane)[i] = sum;
        }
    }
}

#endif

#endif
