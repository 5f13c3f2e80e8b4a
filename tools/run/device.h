/* --device and --precision: where a program computes, and how exactly. */
#ifndef BNN_TOOLS_RUN_DEVICE_H
#define BNN_TOOLS_RUN_DEVICE_H

#include "engine/base/status.h"
#include "engine/device.h"

/* The option's help. */
#define BNN_DEVICE_HELP                                                                            \
    "Where to compute: cpu, or cuda or cuda:I, the first or Ith GPU of NVIDIA's (cuda is under "   \
    "mpirun another one for each rank). On a GPU, results of floats differ in their last digits."

#define BNN_PRECISION_HELP                                                                         \
    "How exact a GPU's products of floats are: at least as those of fp32, tf32 or bf16; usual is " \
    "tf32 on a GPU, and fp32 on the CPU, which has no other."
extern const char *const bnn_precision_names[]; /* "usual" first; ends with NULL */

/* What a user chooses. */
typedef struct bnn_device_choice {
    const char *device;    /* "cpu", "cuda" or "cuda:I" */
    const char *precision; /* one of the names */
    int local_rank;        /* of this process (engine/comm.h): "cuda" is its GPU, in turns */
} bnn_device_choice;

/* The CPU with so many threads (bnn_cpu_device), or a GPU. */
bnn_code bnn_device_chosen(const bnn_device_choice *choice, int threads, bnn_device *device,
                           bnn_error *err);

/* How many threads a process has by default where `beside` of the same work, this one among them,
 * are on this machine: bnn_cpu_threads() divided, unless each is bound to processors of its own. */
int bnn_device_threads_beside(int beside);

/* Threads of the host beside it, such as those that load data: `threads`, or with < 1 the CPU's. */
int bnn_device_host_threads(const bnn_device *device, int threads);

#endif
