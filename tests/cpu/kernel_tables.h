/* The kernel tables that tests walk: the machine's, and those that it emulates. */
#ifndef BNN_TESTS_CPU_KERNEL_TABLES_H
#define BNN_TESTS_CPU_KERNEL_TABLES_H

#include <stddef.h>

#include "engine/device.h"

/* Table i, or NULL if this machine lacks it or BNN_ISA forbids it; i < KERNEL_TABLES. */
const bnn_kernels *kernel_table(size_t i);

enum { KERNEL_TABLES = 8 };

/* The device with that table: the CPU, where there is no other. */
bnn_device table_device(const bnn_kernels *table, int threads);

/* Memory that both the device and the tests can read, 64-byte aligned, whole cache lines. */
void *table_memory(size_t bytes);
void release_table_memory(void *memory); /* in the reverse order of taking */

#endif
