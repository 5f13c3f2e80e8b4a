/* A device: kernels and what they run on. Whoever computes (a graph, an optimizer, a loaded model)
 * keeps a copy, so nothing that another part of the process sets, or another thread, changes how it
 * works or how much room it needs. */
#ifndef BNN_ENGINE_DEVICE_H
#define BNN_ENGINE_DEVICE_H

#include "engine/kernels.h"

/* More threads are never used; workspaces have room for each. */
#define BNN_MAX_THREADS 1024

struct bnn_device {
    const bnn_kernels *kernels;
    int threads; /* of every parallel region, at most; 1 to BNN_MAX_THREADS */
};

/* The CPU with the instruction set `isa` (bnn_cpu_kernels) and so many threads; < 1:
 * bnn_cpu_threads(). Returns 0, and why, if it cannot be had. Fewer threads if the system does not
 * give so many (OpenMP would end the process), or OMP_THREAD_LIMIT. A child of fork() has one, as
 * OpenMP's others do not live there. */
int bnn_cpu_device(const char *isa, int threads, bnn_device *device, const char **why);

/* The caller, and the threads that help it, compute as C's default floating-point environment says
 * (rounding to nearest, denormal numbers kept) until it leaves; then each has its own again. */
void bnn_cpu_enter(const bnn_device *device);
void bnn_cpu_leave(const bnn_device *device);

/* How many threads are best by default, at least 1: as many as OpenMP would take (OMP_NUM_THREADS,
 * or the processors this process may run on), less where OMP_THREAD_LIMIT or, unless the user has
 * named a number, a control group's CPU quota says so. */
int bnn_cpu_threads(void);

#endif
