/* A GPU as a device: its memory, streams with their copies, and what went wrong on it. Errors of
 * kernels and copies come later than the calls; the first is kept, and `finish` tells it. */
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/library.h"
#include "cuda/queue.h"
#include "cuda/table.h"

enum { MOST_DEVICES = 64, SCRATCH = 4096 };

/* What a device owns; it lives as long as the library. */
typedef struct gpu {
    int index;
    char name[300];
    bnn_kernels kernels;
    bnn_device_ops ops;
} gpu;

void *bnn_cuda_stream(const bnn_stream *stream);
void *bnn_cuda_scratch(const bnn_stream *stream);

/* CUDA's calls are for the GPU that the calling thread has chosen. */
static void choose(const bnn_device *device) {
    (void)cudaSetDevice(((const gpu *)device->own)->index);
}

bnn_cuda_queue *bnn_cuda_queue_of(const bnn_stream *stream) {
    choose(&stream->device);
    return stream->queue;
}

static void keep_error(bnn_cuda_queue *q, cudaError_t error) {
    q->error = q->error == cudaSuccess ? error : q->error;
}

void *bnn_cuda_stream(const bnn_stream *stream) {
    bnn_cuda_queue *q = bnn_cuda_queue_of(stream);
    keep_error(q, cudaPeekAtLastError()); /* of the launch before */
    return q->stream;
}

void *bnn_cuda_scratch(const bnn_stream *stream) {
    return bnn_cuda_queue_of(stream)->scratch;
}

/* ---- memory ---- */

static void *take(const bnn_device *device, bnn_memory kind, size_t bytes) {
    void *memory = NULL;
    bytes = bytes ? bytes : 1;
    choose(device);
    if (kind == BNN_MEMORY_HOST) {
        if (cudaMallocHost(&memory, bytes) != cudaSuccess) {
            (void)cudaGetLastError(); /* it is told, not kept */
            return NULL;
        }
        memset(memory, 0, bytes);
        return memory;
    }
    if (cudaMalloc(&memory, bytes) != cudaSuccess) {
        (void)cudaGetLastError();
        return NULL;
    }
    /* Streams do not wait for the one that this is given to. */
    if (cudaMemset(memory, 0, bytes) != cudaSuccess || cudaStreamSynchronize(NULL) != cudaSuccess) {
        cudaFree(memory);
        return NULL;
    }
    return memory;
}

static void release(const bnn_device *device, bnn_memory kind, void *memory) {
    choose(device);
    if (!memory) {
        return;
    }
    if (kind == BNN_MEMORY_HOST) {
        (void)cudaFreeHost(memory);
    } else {
        (void)cudaFree(memory);
    }
}

static void room(const bnn_device *device, size_t *left, size_t *all) {
    choose(device);
    if (cudaMemGetInfo(left, all) != cudaSuccess) {
        *left = *all = 0;
    }
}

/* ---- streams ---- */

static void close_stream(bnn_stream *stream) {
    bnn_cuda_queue *q = bnn_cuda_queue_of(stream);
    (void)cudaStreamSynchronize(q->stream);
    if (q->blas) {
        (void)cublasDestroy(q->blas);
    }
    bnn_nccl_leave(q->nccl, &stream->device);
    (void)cudaStreamDestroy(q->stream);
    (void)cudaFree(q->scratch);
    free(q);
}

static int open_stream(bnn_stream *stream) {
    bnn_cuda_queue *q = calloc(1, sizeof *q);
    if (!q) {
        return 0;
    }
    choose(&stream->device);
    if (cudaStreamCreateWithFlags(&q->stream, cudaStreamNonBlocking) != cudaSuccess) {
        (void)cudaGetLastError();
        free(q);
        return 0;
    }
    stream->queue = q;
    if (cudaMalloc(&q->scratch, SCRATCH) != cudaSuccess) {
        (void)cudaGetLastError();
        close_stream(stream);
        return 0;
    }
    return 1;
}

static void transfer(const bnn_stream *stream, void *to, const void *from, size_t bytes,
                     enum cudaMemcpyKind kind) {
    bnn_cuda_queue *q = bnn_cuda_queue_of(stream);
    if (bytes > 0 && to != from) {
        keep_error(q, cudaMemcpyAsync(to, from, bytes, kind, q->stream));
    }
}

static void put(const bnn_stream *stream, void *to, const void *host, size_t bytes) {
    transfer(stream, to, host, bytes, cudaMemcpyHostToDevice);
}

static void get(const bnn_stream *stream, void *host, const void *from, size_t bytes) {
    transfer(stream, host, from, bytes, cudaMemcpyDeviceToHost);
}

static void copy(const bnn_stream *stream, void *to, const void *from, size_t bytes) {
    transfer(stream, to, from, bytes, cudaMemcpyDeviceToDevice);
}

static void follow(const bnn_stream *stream, const bnn_stream *other) {
    bnn_cuda_queue *q = bnn_cuda_queue_of(stream), *before = bnn_cuda_queue_of(other);
    cudaEvent_t event;
    cudaError_t error = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    if (error == cudaSuccess) {
        error = cudaEventRecord(event, before->stream);
        error = error == cudaSuccess ? cudaStreamWaitEvent(q->stream, event, 0) : error;
        (void)cudaEventDestroy(event); /* once it has happened */
    }
    keep_error(q, error);
}

static bnn_code finish(const bnn_stream *stream, bnn_error *err) {
    bnn_cuda_queue *q = bnn_cuda_queue_of(stream);
    keep_error(q, cudaStreamSynchronize(q->stream));
    keep_error(q, cudaGetLastError());
    const gpu *own = stream->device.own;
    if (q->error == cudaSuccess) {
        return q->blas_error == CUBLAS_STATUS_SUCCESS
                   ? bnn_nccl_check(q->nccl, err)
                   : bnn_fail(err,
                              q->blas_error == CUBLAS_STATUS_ALLOC_FAILED ? BNN_ERR_MEMORY
                                                                          : BNN_ERR_IO,
                              "GPU %d failed: a product of matrices by cuBLAS: %s", own->index,
                              cublasGetStatusString(q->blas_error));
    }
    return bnn_fail(err, q->error == cudaErrorMemoryAllocation ? BNN_ERR_MEMORY : BNN_ERR_IO,
                    "GPU %d failed: %s (%s)", own->index, cudaGetErrorString(q->error),
                    cudaGetErrorName(q->error));
}

static bnn_code join(bnn_stream *stream, const bnn_comm *comm, size_t most, bnn_error *err) {
    bnn_cuda_queue *q = bnn_cuda_queue_of(stream);
    const char *why = NULL;
    const bnn_nccl_calls *calls = bnn_nccl_load(&why);
    return bnn_nccl_join(calls, why, comm, stream, q->stream, most, &q->nccl, err);
}

static void sum(const bnn_stream *stream, float *x, size_t count) {
    bnn_nccl_sum(bnn_cuda_queue_of(stream)->nccl, stream, x, count);
}

/* ---- a GPU ---- */

static const char *lacking(int *count) {
    cudaError_t error = cudaGetDeviceCount(count);
    if (error == cudaErrorInsufficientDriver) {
        return "no NVIDIA driver, or one that is older than this program's CUDA";
    }
    if (error == cudaErrorNoDevice || (error == cudaSuccess && *count == 0)) {
        return "this machine has no NVIDIA GPU, or CUDA_VISIBLE_DEVICES hides it";
    }
    return error == cudaSuccess ? NULL : cudaGetErrorString(error);
}

/* The smallest of its kernels, of which a build for other GPUs has none. */
static bnn_code try_kernel(bnn_device *device, bnn_error *err) {
    bnn_stream stream;
    if (!bnn_stream_start(&stream, device)) {
        size_t left, all;
        room(device, &left, &all);
        return bnn_fail(err, BNN_ERR_MEMORY,
                        "GPU %d has no memory left for a stream: %zu of %zu MiB are free",
                        ((gpu *)device->own)->index, left >> 20, all >> 20);
    }
    device->kernels->fill(&stream, 1, 0.0f, bnn_cuda_scratch(&stream));
    bnn_code code = device->ops->finish(&stream, err);
    bnn_stream_end(&stream);
    return code;
}

static void name_it(gpu *own, const struct cudaDeviceProp *properties) {
    snprintf(own->name, sizeof own->name, "cuda sm_%d%d, %s", properties->major, properties->minor,
             properties->name);
    bnn_cuda_table(&own->kernels, own->name);
}

static bnn_code count_gpus(int *count, bnn_error *err) {
    const char *why = lacking(count);
    return why ? bnn_fail(err, BNN_ERR_UNSUPPORTED, "no GPU can be used: %s", why) : BNN_OK;
}

static bnn_code open_gpu(int index, const bnn_device_ops *host, bnn_device *device,
                         bnn_error *err) {
    static gpu gpus[MOST_DEVICES];
    struct cudaDeviceProp properties;
    int count = 0;
    bnn_code code = count_gpus(&count, err);
    if (code != BNN_OK) {
        return code;
    }
    if (index < 0 || index >= count || index >= MOST_DEVICES) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "there is no GPU %d: this machine's are 0 to %d",
                        index, count - 1);
    }
    cudaError_t error = cudaGetDeviceProperties(&properties, index);
    error = error == cudaSuccess ? cudaSetDevice(index) : error;
    if (error != cudaSuccess) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "GPU %d cannot be used: %s", index,
                        cudaGetErrorString(error));
    }
    if (properties.major < 8) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "GPU %d, %s, has compute capability %d.%d; 8.0 is the least", index,
                        properties.name, properties.major, properties.minor);
    }
    gpu *own = &gpus[index];
    own->index = index;
    own->ops = (bnn_device_ops){.alloc = take,
                                .release = release,
                                .room = room,
                                .open = open_stream,
                                .close = close_stream,
                                .put = put,
                                .get = get,
                                .copy = copy,
                                .follow = follow,
                                .finish = finish,
                                .join = join,
                                .sum = sum,
                                .enter = host->enter,
                                .leave = host->leave};
    name_it(own, &properties);
    *device = (bnn_device){.kernels = &own->kernels, .ops = &own->ops, .threads = 1, .own = own};
    return try_kernel(device, err);
}

extern const bnn_cuda_entry bnn_cuda_library;
__attribute__((visibility("default")))
const bnn_cuda_entry bnn_cuda_library = {.version = BNN_VERSION,
                                         .entry_bytes = sizeof(bnn_cuda_entry),
                                         .kernels_bytes = sizeof(bnn_kernels),
                                         .device_ops_bytes = sizeof(bnn_device_ops),
                                         .count = count_gpus,
                                         .open = open_gpu,
                                         .multiply = bnn_cuda_multiply};
