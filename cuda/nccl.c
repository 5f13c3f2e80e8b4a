#include "cuda/nccl.h"

#include <dlfcn.h>
#include <stdlib.h>

#define LIBRARY "libnccl.so.2"

enum { FLOAT32 = 7 }; /* ncclFloat32 */

struct bnn_nccl {
    const bnn_nccl_calls *calls;
    void *ranks; /* ncclComm_t */
    void *queue;
    int rank, size, error;
    float *parts; /* [size][the largest share] */
};

/* ---- the library ---- */

static const char *const names[] = {
    "ncclGetUniqueId", "ncclCommInitRank",      "ncclCommDestroy",
    "ncclGroupStart",  "ncclGroupEnd",          "ncclSend",
    "ncclRecv",        "ncclCommGetAsyncError", "ncclGetErrorString"};
enum { NAMES = sizeof names / sizeof *names };

typedef union loaded {
    bnn_nccl_calls calls;
    void *symbol[NAMES]; /* in the order of the members */
} loaded;

_Static_assert(sizeof(bnn_nccl_calls) == sizeof names, "a name for each call");

const bnn_nccl_calls *bnn_nccl_load(const char **why) {
    static loaded all;
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        *why = dlerror();
        return NULL;
    }
    for (size_t i = 0; i < NAMES; i++) {
        all.symbol[i] = dlsym(library, names[i]);
        if (!all.symbol[i]) {
            *why = LIBRARY " is too old: NCCL 2.7 is the first that sends from GPU to GPU";
            return NULL;
        }
    }
    return &all.calls;
}

/* ---- ranks ---- */

/* What this rank needs for itself. */
static bnn_nccl *prepare(const bnn_nccl_calls *calls, const bnn_comm *comm,
                         const bnn_stream *stream, void *queue, size_t most) {
    const bnn_device *device = &stream->device;
    const size_t largest_share = most / (size_t)comm->size + 1;
    bnn_nccl *n = calls ? calloc(1, sizeof *n) : NULL;
    if (!n) {
        return NULL;
    }
    *n = (bnn_nccl){.calls = calls, .queue = queue, .rank = comm->rank, .size = comm->size};
    n->parts = device->ops->alloc(device, BNN_MEMORY_DEVICE,
                                  (size_t)n->size * largest_share * sizeof *n->parts);
    if (!n->parts) {
        free(n);
        return NULL;
    }
    return n;
}

/* All ranks go the same way, so that none waits for one that went another. */
bnn_code bnn_nccl_join(const bnn_nccl_calls *calls, const char *why, const bnn_comm *comm,
                       const bnn_stream *stream, void *queue, size_t most, bnn_nccl **out,
                       bnn_error *err) {
    bnn_nccl *n = prepare(calls, comm, stream, queue, most);
    bnn_nccl_id id = {{0}};
    int error = 0;
    *out = NULL;
    if (n && comm->rank == 0) {
        error = calls->get_unique_id(&id);
    }
    if (bnn_comm_any(comm, !n || error)) {
        bnn_nccl_leave(n, &stream->device);
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s",
                        error   ? calls->error_string(error)
                        : n     ? "another rank has no NCCL"
                        : calls ? "out of memory on the GPU"
                                : why);
    }
    comm->broadcast(comm, 0, &id, sizeof id);
    error = calls->init_rank(&n->ranks, n->size, id, n->rank);
    if (bnn_comm_any(comm, error)) {
        n->ranks = error ? NULL : n->ranks;
        bnn_nccl_leave(n, &stream->device);
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "NCCL does not begin: %s",
                        error ? calls->error_string(error) : "another rank fails");
    }
    *out = n;
    return BNN_OK;
}

void bnn_nccl_leave(bnn_nccl *n, const bnn_device *device) {
    if (n && n->ranks) {
        (void)n->calls->destroy(n->ranks);
    }
    if (n) {
        device->ops->release(device, BNN_MEMORY_DEVICE, n->parts);
    }
    free(n);
}

/* ---- sums ---- */

static void keep_error(bnn_nccl *n, int error) {
    n->error = n->error ? n->error : error;
}

/* Where a rank has no share, neither side of it calls. */
static void send(bnn_nccl *n, const float *from, size_t count, int peer) {
    if (count > 0) {
        keep_error(n, n->calls->send(from, count, FLOAT32, peer, n->ranks, n->queue));
    }
}

static void receive(bnn_nccl *n, float *to, size_t count, int peer) {
    if (count > 0) {
        keep_error(n, n->calls->receive(to, count, FLOAT32, peer, n->ranks, n->queue));
    }
}

void bnn_nccl_sum(bnn_nccl *n, const bnn_stream *stream, float *x, size_t count) {
    const bnn_kernels *k = stream->device.kernels;
    size_t own_first, first;
    const size_t own = bnn_part_of(count, n->rank, n->size, &own_first);
    float *sum = x + own_first;
    keep_error(n, n->calls->group_start());
    for (int r = 0; r < n->size; r++) {
        if (r != n->rank) {
            const size_t share = bnn_part_of(count, r, n->size, &first);
            send(n, x + first, share, r);
            receive(n, n->parts + (size_t)r * own, own, r);
        }
    }
    keep_error(n, n->calls->group_end());
    if (own > 0) {
        k->copy(stream, own, sum, n->parts + (size_t)n->rank * own, 0);
    }
    for (int r = 0; r < n->size && own > 0; r++) {
        k->copy(stream, own, n->parts + (size_t)r * own, sum, r > 0);
    }
    keep_error(n, n->calls->group_start());
    for (int r = 0; r < n->size; r++) {
        if (r != n->rank) {
            const size_t share = bnn_part_of(count, r, n->size, &first);
            send(n, sum, own, r);
            receive(n, x + first, share, r);
        }
    }
    keep_error(n, n->calls->group_end());
}

bnn_code bnn_nccl_check(const bnn_nccl *n, bnn_error *err) {
    int error = n ? n->error : 0, late = 0;
    if (n && !error) {
        error = n->calls->async_error(n->ranks, &late);
        error = error ? error : late;
    }
    return error ? bnn_fail(err, BNN_ERR_IO, "sums of gradients over the GPUs: NCCL: %s",
                            n->calls->error_string(error))
                 : BNN_OK;
}
