/* Sums over the GPUs of several ranks, carried by NVIDIA's NCCL. It only carries: each GPU adds up
 * its share in the order of ranks, as hosts do, so gradients have the same bits whichever way they
 * go. The library, libnccl.so.2, is opened when ranks first need it. */
#ifndef BNN_CUDA_NCCL_H
#define BNN_CUDA_NCCL_H

#include "engine/comm.h"
#include "engine/device.h"

/* As nccl.h has them. Results are 0 where all is well. */
typedef struct bnn_nccl_id {
    char internal[128];
} bnn_nccl_id;

typedef struct bnn_nccl_calls {
    int (*get_unique_id)(bnn_nccl_id *id);
    int (*init_rank)(void **ranks, int size, bnn_nccl_id id, int rank);
    int (*destroy)(void *ranks);
    int (*group_start)(void);
    int (*group_end)(void);
    int (*send)(const void *from, size_t count, int type, int peer, void *ranks, void *queue);
    int (*receive)(void *to, size_t count, int type, int peer, void *ranks, void *queue);
    int (*async_error)(void *ranks, int *result);
    const char *(*error_string)(int result);
} bnn_nccl_calls;

/* The library's; NULL, and why, if it cannot be had. */
const bnn_nccl_calls *bnn_nccl_load(const char **why);

typedef struct bnn_nccl bnn_nccl;

/* device->ops->join. `queue` is the stream's cudaStream_t. Without `calls`, for the reason `why`,
 * this rank takes part so that the others hear of it. */
bnn_code bnn_nccl_join(const bnn_nccl_calls *calls, const char *why, const bnn_comm *comm,
                       const bnn_stream *stream, void *queue, size_t most, bnn_nccl **out,
                       bnn_error *err);
/* device->ops->sum; its error is kept. */
void bnn_nccl_sum(bnn_nccl *nccl, const bnn_stream *stream, float *x, size_t count);
/* The first error of any sum so far. NULL is fine, here and below. */
bnn_code bnn_nccl_check(const bnn_nccl *nccl, bnn_error *err);
void bnn_nccl_leave(bnn_nccl *nccl, const bnn_device *device);

#endif
