/* The CPU as a device: its memory is the host's, and a stream is the thread that calls, so a copy
 * is a copy and nothing is ever left to wait for. */
#include <stdlib.h>
#include <string.h>

#include "cpu/threads.h"
#include "engine/base/arena.h"

static void *take(const bnn_device *device, bnn_memory kind, size_t bytes) {
    (void)device;
    (void)kind;
    return bnn_alloc_aligned(bytes);
}

static void release(const bnn_device *device, bnn_memory kind, void *memory) {
    (void)device;
    (void)kind;
    free(memory);
}

static int open_stream(bnn_stream *stream) {
    stream->queue = NULL;
    return 1;
}

static void close_stream(bnn_stream *stream) {
    (void)stream;
}

static void copy(const bnn_stream *stream, void *to, const void *from, size_t bytes) {
    (void)stream;
    if (to != from) {
        memcpy(to, from, bytes);
    }
}

static void follow(const bnn_stream *stream, const bnn_stream *other) {
    (void)stream;
    (void)other;
}

static bnn_code finish(const bnn_stream *stream, bnn_error *err) {
    (void)stream;
    (void)err;
    return BNN_OK;
}

static const bnn_device_ops ops = {.host = 1,
                                   .alloc = take,
                                   .release = release,
                                   .open = open_stream,
                                   .close = close_stream,
                                   .put = copy,
                                   .get = copy,
                                   .copy = copy,
                                   .follow = follow,
                                   .finish = finish,
                                   .enter = bnn_threads_enter,
                                   .leave = bnn_threads_leave};

int bnn_cpu_device(const char *name, int threads, bnn_device *device, const char **why) {
    const bnn_kernels *kernels = bnn_cpu_kernels(name, why);
    threads = threads < 1 ? bnn_cpu_threads() : threads;
    *device = (bnn_device){
        .kernels = kernels, .ops = &ops, .threads = kernels ? bnn_threads_granted(threads) : 1};
    return kernels != NULL;
}
