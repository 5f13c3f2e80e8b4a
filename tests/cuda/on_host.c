/* cuda/ compiled for the host: what it needs beside its files (cuda/launch.cuh). */
#include <stdlib.h>

#include "cuda/conv.h"
#include "cuda/table.h"
#include "tests/cuda/test_device.h"
#include "tests/fixtures/far_device.h"

extern int bnn_cuda_backwards;
int bnn_cuda_backwards;

void *bnn_cuda_stream(const bnn_stream *stream);
void *bnn_cuda_scratch(const bnn_stream *stream);

void *bnn_cuda_stream(const bnn_stream *stream) {
    return stream->queue;
}

/* Kernels run on the thread that calls. */
void *bnn_cuda_scratch(const bnn_stream *stream) {
    static _Thread_local double scratch[4096 / sizeof(double)];
    (void)stream;
    return scratch;
}

/* Where a GPU has cuBLAS. */
void bnn_cuda_matmul(const bnn_stream *stream, int transposed, size_t m, size_t n, size_t k,
                     const float *a, const float *b, float *c, int acc) {
    (void)stream;
    for (size_t i = 0; i < m * n; i++) {
        double sum = 0.0;
        for (size_t j = 0; j < k; j++) {
            sum += (double)a[transposed ? j * m + i / n : i / n * k + j] * (double)b[j * n + i % n];
        }
        c[i] = (float)(acc ? (double)c[i] + sum : sum);
    }
}

int test_device_open(const char **why) {
    *why = NULL;
    return 1;
}

const bnn_kernels *kernel_table(size_t i) {
    static bnn_kernels table;
    if (!table.name) {
        bnn_cuda_table(&table, "cuda on the host");
    }
    return i == 0 ? &table : NULL;
}

bnn_device table_device(const bnn_kernels *table, int threads) {
    bnn_device device;
    ck_assert(bnn_cpu_device("generic", threads, &device, NULL));
    device.kernels = table;
    return device;
}

void *table_memory(size_t bytes) {
    return aligned_alloc(64, bytes);
}

void release_table_memory(void *memory) {
    free(memory);
}

bnn_device test_device(void) {
    bnn_device device;
    const char *why = NULL;
    ck_assert_msg(far_device_of(kernel_table(0), 1, &device, &why), "%s", why);
    return device;
}

enum fork_status test_device_forks(void) {
    return CK_FORK_GETENV;
}

int test_device_orders(void) {
    return 2;
}

void test_device_order(int backwards) {
    bnn_cuda_backwards = backwards;
}

size_t test_device_live(void) {
    return far_live();
}
