/* The first GPU. Tests of kernels see its results at once: launches wait for what they launch, and
 * their memory is the host's, pinned, which a GPU reads where it is. */
#include <stdlib.h>

#include "cuda/cuda.h"
#include "tests/cuda/test_device.h"

/* One piece of memory, of which the tests take and give back like a stack. */
#define ROOM ((size_t)1 << 30)

static bnn_device device;
static unsigned char *base, *top;

int test_device_open(const char **why) {
    static bnn_error err;
    setenv("CUDA_LAUNCH_BLOCKING", "1", 1);
    *why = err.text;
    return bnn_cuda_device(0, &device, &err) == BNN_OK;
}

const bnn_kernels *kernel_table(size_t i) {
    return i == 0 ? device.kernels : NULL;
}

bnn_device table_device(const bnn_kernels *table, int threads) {
    (void)table;
    bnn_device same = device;
    same.threads = threads; /* which says nothing to it */
    return same;
}

void *table_memory(size_t bytes) {
    if (!base) {
        top = base = device.ops->alloc(&device, BNN_MEMORY_HOST, ROOM);
        ck_assert_ptr_nonnull(base);
    }
    ck_assert((size_t)(base + ROOM - top) >= bytes);
    top += bytes;
    return top - bytes;
}

void release_table_memory(void *memory) {
    top = memory;
}

bnn_device test_device(void) {
    return device;
}

/* What CUDA has begun in a process does not live on in its children. */
enum fork_status test_device_forks(void) {
    return CK_NOFORK;
}

int test_device_orders(void) {
    return 1;
}

void test_device_order(int backwards) {
    (void)backwards;
}

size_t test_device_live(void) {
    return 0;
}
