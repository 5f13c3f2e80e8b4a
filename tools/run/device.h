/* --device: where a program computes. */
#ifndef BNN_TOOLS_RUN_DEVICE_H
#define BNN_TOOLS_RUN_DEVICE_H

#include "engine/base/status.h"
#include "engine/device.h"

/* The option's help. */
#define BNN_DEVICE_HELP                                                                            \
    "Where to compute: cpu, or cuda or cuda:I, the first or Ith GPU of NVIDIA's. On a GPU, "       \
    "results of floats differ in their last digits."

/* "cpu" with so many threads (bnn_cpu_device), "cuda" or "cuda:I". */
bnn_code bnn_device_named(const char *name, int threads, bnn_device *device, bnn_error *err);

/* How many threads a process has by default where `beside` of the same work, this one among them,
 * are on this machine: bnn_cpu_threads() divided, unless each is bound to processors of its own. */
int bnn_device_threads_beside(int beside);

/* Threads of the host beside it, such as those that load data: `threads`, or with < 1 the CPU's. */
int bnn_device_host_threads(const bnn_device *device, int threads);

#endif
