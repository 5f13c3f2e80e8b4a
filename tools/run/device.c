#include "tools/run/device.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cuda/cuda.h"

/* "cuda" and "cuda:I"; -1 if it is neither. */
static int gpu_of(const char *name) {
    if (strncmp(name, "cuda", 4) != 0 || (name[4] != '\0' && name[4] != ':')) {
        return -1;
    }
    int index = 0;
    for (const char *at = name + 5; name[4] == ':' && (*at != '\0' || at == name + 5); at++) {
        if (*at < '0' || *at > '9' || index > 1000) {
            return -1;
        }
        index = 10 * index + *at - '0';
    }
    return index;
}

const char *const bnn_precision_names[] = {"usual", "fp32", "tf32", "bf16", NULL};

static bnn_code set_precision(const char *name, bnn_device *device, bnn_error *err) {
    bnn_precision usual = device->ops->host ? BNN_PRECISION_FP32 : BNN_PRECISION_TF32;
    device->precision = strcmp(name, "fp32") == 0   ? BNN_PRECISION_FP32
                        : strcmp(name, "tf32") == 0 ? BNN_PRECISION_TF32
                        : strcmp(name, "bf16") == 0 ? BNN_PRECISION_BF16
                                                    : usual;
    return device->ops->host && device->precision != BNN_PRECISION_FP32
               ? bnn_fail(err, BNN_ERR_ARGUMENT,
                          "--precision %s is for GPUs (--device cuda); the CPU computes in fp32",
                          name)
               : BNN_OK;
}

/* GPUs are dealt out to ranks that name none. */
static bnn_code deal(int local_rank, int *index, bnn_error *err) {
    int count = 1;
    bnn_code code = local_rank > 0 ? bnn_cuda_count(&count, err) : BNN_OK;
    *index = local_rank % count;
    return code;
}

static bnn_code open_named(const bnn_device_choice *choice, int threads, bnn_device *device,
                           bnn_error *err) {
    const char *why, *name = choice->device;
    if (strcmp(name, "cpu") == 0) {
        return bnn_cpu_device(NULL, threads, device, &why)
                   ? BNN_OK
                   : bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s", why);
    }
    int index = gpu_of(name);
    if (index < 0) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--device is cpu, cuda or cuda:I, of the Ith GPU; not '%s'", name);
    }
    bnn_code code = strcmp(name, "cuda") == 0 ? deal(choice->local_rank, &index, err) : BNN_OK;
    return code == BNN_OK ? bnn_cuda_device(index, device, err) : code;
}

bnn_code bnn_device_chosen(const bnn_device_choice *choice, int threads, bnn_device *device,
                           bnn_error *err) {
    bnn_code code = open_named(choice, threads, device, err);
    return code == BNN_OK ? set_precision(choice->precision, device, err) : code;
}

int bnn_device_host_threads(const bnn_device *device, int threads) {
    return device->ops->host ? device->threads : threads < 1 ? bnn_cpu_threads() : threads;
}

int bnn_device_threads_beside(int beside) {
    const int threads = bnn_cpu_threads(), bound = omp_get_num_procs();
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (beside <= 1 || getenv("OMP_NUM_THREADS")) {
        return threads;
    }
    /* Bound ones may share their processors, too. */
    const int all = online > bound ? (int)online : threads, own = all / beside;
    return own < 1 ? 1 : own < threads ? own : threads;
}
