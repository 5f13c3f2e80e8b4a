/* A device: kernels, the memory they work on, and streams that put their work in an order. Whoever
 * computes (a graph, an optimizer, a loaded model) keeps a copy, so nothing that another part of
 * the process sets, or another thread, changes how it works or how much room it needs.
 *
 * Memory of tensors is the device's. Only its kernels and copies touch it; all others hold pointers
 * into it and never look. What a host must read or write it has a mirror of, or puts and gets. */
#ifndef BNN_ENGINE_DEVICE_H
#define BNN_ENGINE_DEVICE_H

#include "engine/base/status.h"
#include "engine/comm.h"
#include "engine/kernels.h"

/* More threads are never used; workspaces have room for each. */
#define BNN_MAX_THREADS 1024

typedef enum bnn_memory {
    BNN_MEMORY_DEVICE, /* of tensors */
    BNN_MEMORY_HOST,   /* of the host, where copies to and from the device are fast */
} bnn_memory;

/* What a device does beside its kernels. Only `alloc`, `open` and `finish` can fail. */
typedef struct bnn_device_ops {
    /* Memory of tensors is the host's as well: a mirror is that memory itself, an input is read
     * where it lies. */
    int host;
    /* Zeroed, 64-byte aligned; NULL where memory is out. No bytes give a valid pointer. */
    void *(*alloc)(const bnn_device *device, bnn_memory kind, size_t bytes);
    void (*release)(const bnn_device *device, bnn_memory kind, void *memory); /* NULL is fine */
    /* Bytes of tensors' memory that are left, and all there are; NULL where nobody knows. */
    void (*room)(const bnn_device *device, size_t *left, size_t *all);
    /* Sets `queue` of a stream whose device is set; 0 where it cannot be had. */
    int (*open)(bnn_stream *stream);
    void (*close)(bnn_stream *stream);
    /* In the order of the stream, but perhaps later: the host's side stays as it is until then. */
    void (*put)(const bnn_stream *stream, void *to, const void *host, size_t bytes);
    void (*get)(const bnn_stream *stream, void *host, const void *from, size_t bytes);
    void (*copy)(const bnn_stream *stream, void *to, const void *from, size_t bytes);
    /* What `stream` is given from now on waits for what `other` was given so far. */
    void (*follow)(const bnn_stream *stream, const bnn_stream *other);
    /* Waits for all that the stream was given. The first error of any of it, from then on. */
    bnn_code (*finish)(const bnn_stream *stream, bnn_error *err);
    /* All ranks join with a stream of their own, whose `sum` then adds up what lies in the memory
     * of their devices, up to `most` floats at once. All fail alike; hosts can add up instead.
     * NULL: they have to. */
    bnn_code (*join)(bnn_stream *stream, const bnn_comm *comm, size_t most, bnn_error *err);
    /* In the order of the stream: x[i] becomes the sum of all ranks' x[i], in the order of ranks.
     */
    void (*sum)(const bnn_stream *stream, float *x, size_t count);
    /* The caller, and the threads that help it, compute as C's default floating-point environment
     * says (rounding to nearest, denormal numbers kept) until it leaves; then each has its own
     * again. */
    void (*enter)(const bnn_device *device);
    void (*leave)(const bnn_device *device);
} bnn_device_ops;

struct bnn_device {
    const bnn_kernels *kernels;
    const bnn_device_ops *ops;
    int threads; /* of every parallel region, at most; 1 to BNN_MAX_THREADS */
    bnn_precision precision;
    void *own; /* the ops' */
};

/* The first argument of every kernel. Work given to one stream is done in that order; kernels may
 * return before. The CPU's is the thread that calls. Its address must not change while it is open.
 */
struct bnn_stream {
    bnn_device device;
    void *queue; /* the device's */
};

static inline int bnn_stream_start(bnn_stream *stream, const bnn_device *device) {
    *stream = (bnn_stream){.device = *device};
    int open = device->ops->open(stream);
    if (!open) {
        *stream = (bnn_stream){0};
    }
    return open;
}

/* One that was never opened is fine, if it is zeroed. */
static inline void bnn_stream_end(bnn_stream *stream) {
    if (stream->device.ops) {
        stream->device.ops->close(stream);
    }
    *stream = (bnn_stream){0};
}

/* ---- floats of a device, with a mirror on the host: one memory where the device's is its ---- */

/* Zeroed; 0 where memory is out (what there is of them is to be released). */
static inline int bnn_mirror_take(const bnn_device *device, size_t count, float **memory,
                                  float **host) {
    const bnn_device_ops *ops = device->ops;
    *memory = ops->alloc(device, BNN_MEMORY_DEVICE, count * sizeof(float));
    *host = ops->host ? *memory : ops->alloc(device, BNN_MEMORY_HOST, count * sizeof(float));
    return *memory && *host;
}

static inline void bnn_mirror_release(const bnn_device *device, float *memory, float *host) {
    if (host != memory) {
        device->ops->release(device, BNN_MEMORY_HOST, host);
    }
    device->ops->release(device, BNN_MEMORY_DEVICE, memory);
}

/* To the mirror, and from it, as `get` and `put`. */
static inline void bnn_mirror_get(const bnn_stream *stream, float *host, const float *memory,
                                  size_t count) {
    if (host != memory) {
        stream->device.ops->get(stream, host, memory, count * sizeof(float));
    }
}

static inline void bnn_mirror_put(const bnn_stream *stream, float *memory, const float *host,
                                  size_t count) {
    if (host != memory) {
        stream->device.ops->put(stream, memory, host, count * sizeof(float));
    }
}

/* ---- the CPU ---- */

/* The CPU with the instruction set `isa` (bnn_cpu_kernels) and so many threads; < 1:
 * bnn_cpu_threads(). Returns 0, and why, if it cannot be had. Fewer threads if the system does not
 * give so many (OpenMP would end the process), or OMP_THREAD_LIMIT. A child of fork() has one, as
 * OpenMP's others do not live there. */
int bnn_cpu_device(const char *isa, int threads, bnn_device *device, const char **why);

/* How many threads are best by default, at least 1: as many as OpenMP would take (OMP_NUM_THREADS,
 * or the processors this process may run on), less where OMP_THREAD_LIMIT or, unless the user has
 * named a number, a control group's CPU quota says so. */
int bnn_cpu_threads(void);

#endif
