/* The device that the tests of this folder are about: the kernels of cuda/ compiled for the host
 * (on_host.c), or a GPU (on_gpu.c), for which the same files are linked once more. It also has the
 * table of tests/cpu/kernel_tables.h. */
#ifndef BNN_TESTS_TEST_DEVICE_H
#define BNN_TESTS_TEST_DEVICE_H

#include <check.h>

#include "engine/device.h"
#include "tests/cpu/kernel_tables.h"

/* 0, and why, where there is none. Before everything else. */
int test_device_open(const char **why);
/* Whose memory only kernels and copies can read, for what the tests of kernels do not. */
bnn_device test_device(void);
/* How tests run; where Check must not fork, and how many orders of threads there are to choose. */
enum fork_status test_device_forks(void);
int test_device_orders(void);
/* 0: items, and threads of a phase, from the first to the last; 1: from the last to the first. */
void test_device_order(int backwards);
/* Allocations of its memory that were not released, where that is known. */
size_t test_device_live(void);

#endif
