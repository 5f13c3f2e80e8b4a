/* The walk over kernel tables. That of AMX is there twice: as the machine has it, and compiled from
 * the same files over an emulation (amx_emulated.h), which wants AVX-512 for all else. */
#include "tests/cpu/kernel_tables.h"

#include <check.h>

#include "cpu/tiles/tiles.h"

#if defined(__x86_64__)
extern const bnn_micro bnn_micro_amx_emulated;

static const bnn_kernels *amx_emulated(void) {
    static bnn_kernels table;
    table = bnn_kernels_avx512;
    table.micro = &bnn_micro_amx_emulated;
    table.name = "cpu amx (emulated)";
    return bnn_cpu_kernels("avx512", NULL) == NULL ? NULL : &table;
}
#else
static const bnn_kernels *amx_emulated(void) {
    return NULL;
}
#endif

bnn_device table_device(const bnn_kernels *table, int threads) {
    bnn_device device;
    ck_assert(bnn_cpu_device("generic", threads, &device, NULL));
    device.kernels = table;
    return device;
}

const bnn_kernels *kernel_table(size_t i) {
    static const char *const names[] = {"generic",          "neon", "avx2", "avx512",
                                        "avx512_vpopcntdq", "amx"};
    const char *why = NULL;
    if (i == KERNEL_TABLES - 1) {
        return amx_emulated();
    }
    const bnn_kernels *found = bnn_cpu_kernels(names[i], &why);
    ck_assert((found == NULL) == (why != NULL));
    return found;
}
