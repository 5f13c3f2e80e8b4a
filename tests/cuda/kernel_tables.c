/* The table that the tests of kernels walk here: that of cuda/, compiled for the host, whose items
 * and threads come one after another. */
#include "tests/cpu/kernel_tables.h"

#include <check.h>

#include "cuda/table.h"
#include "tests/cuda/shim.h"

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
