/* The walk over kernel tables. That of AMX is there three times: as the machine has it; with tiles
 * of AMX whatever the size; and so, compiled from the same files over an emulation
 * (amx_emulated.h), which wants AVX-512 for all else. */
#include "tests/cpu/kernel_tables.h"

#include <check.h>
#include <stdlib.h>

#include "cpu/tiles/tiles.h"

#if defined(__x86_64__)
extern const bnn_mixed bnn_mixed_amx_emulated;

static const bnn_kernels *amx_emulated(void) {
    static bnn_kernels table;
    static bnn_micro micro;
    micro = *bnn_kernels_avx512.micro, micro.mixed = &bnn_mixed_amx_emulated;
    table = bnn_kernels_avx512, table.micro = &micro;
    table.name = "cpu amx (emulated)";
    return bnn_cpu_kernels("avx512", NULL) == NULL ? NULL : &table;
}

static const bnn_kernels *amx_alone(void) {
    static bnn_kernels table;
    static bnn_micro micro;
    micro = bnn_micro_amx, micro.small_mixed = NULL;
    table = bnn_kernels_amx, table.micro = &micro;
    table.name = "cpu amx (any size)";
    return bnn_cpu_kernels("amx", NULL) == NULL ? NULL : &table;
}
#else
static const bnn_kernels *amx_alone(void) {
    return NULL;
}
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
    if (i == KERNEL_TABLES - 2) {
        return amx_alone();
    }
    const bnn_kernels *found = bnn_cpu_kernels(names[i], &why);
    ck_assert((found == NULL) == (why != NULL));
    return found;
}

void *table_memory(size_t bytes) {
    return aligned_alloc(64, bytes);
}

void release_table_memory(void *memory) {
    free(memory);
}
