/* Of threads.c, for device.c and for tests. */
#ifndef BNN_CPU_THREADS_H
#define BNN_CPU_THREADS_H

#include "engine/device.h"

/* Processors that Linux's control groups leave to a process, rounded up; INT_MAX for no limit.
 * `groups` lists the process's groups, as /proc/self/cgroup does; the hierarchies are mounted at
 * `mount` (version 2) and `mount`/cpu (version 1). */
int bnn_cpu_quota(const char *groups, const char *mount);

/* Of so many threads those that can be had: at most BNN_MAX_THREADS and OMP_THREAD_LIMIT, and as
 * many as the system lets start. */
int bnn_threads_granted(int wanted);

/* More work than this wakes a kernel's other threads: see bnn_team. */
extern size_t bnn_worth_waking;

/* bnn_device_ops.enter and .leave. */
void bnn_threads_enter(const bnn_device *device);
void bnn_threads_leave(const bnn_device *device);

#endif
