/* Optimizers over flat buffers: parameters and gradients in, parameters out. A step may move all of
 * them at once, or each as soon as its gradient is there. Semantics of torch.optim. */
#ifndef BNN_OPTIM_OPTIMIZER_H
#define BNN_OPTIM_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "engine/device.h"

#define BNN_MAX_SLOTS 2

typedef struct bnn_optimizer bnn_optimizer;

/* A kind of optimizer: one const struct, one file. */
typedef struct bnn_optimizer_kind {
    const char *name;
    const char *slots[BNN_MAX_SLOTS + 1]; /* PyTorch's names of its state, NULL-terminated */
    /* Some floats'; w and g are theirs, at[i] their slots'. */
    void (*step)(const bnn_optimizer *o, const bnn_stream *stream, size_t count, float *w,
                 const float *g, float *const at[BNN_MAX_SLOTS]);
    double eps, max_norm; /* its own, which init sets; 0: the usual ones */
} bnn_optimizer_kind;

struct bnn_optimizer {
    const bnn_optimizer_kind *kind;
    bnn_stream stream;          /* of copies, and of what is moved without another */
    size_t count;               /* floats in each flat buffer */
    float *slot[BNN_MAX_SLOTS]; /* the device's memory */
    float *host[BNN_MAX_SLOTS]; /* its mirror, or the same memory (engine/params.h) */
    uint64_t steps;             /* begun so far */
    double lr, momentum, weight_decay;
    double max_norm; /* 0, or a longer gradient, each as it is moved, is scaled down to this norm */
    int nesterov;
    double beta1, beta2, eps;
};

extern const bnn_optimizer_kind *const bnn_optimizer_kinds[];   /* NULL-terminated */
const bnn_optimizer_kind *bnn_optimizer_find(const char *name); /* or NULL */

/* Zeroed state; betas .9/.999, eps 1e-8 and no max_norm preset, or the kind's, lr and the rest are
 * the caller's to set. */
bnn_code bnn_optimizer_init(bnn_optimizer *o, const bnn_optimizer_kind *kind,
                            const bnn_device *device, size_t count, bnn_error *err);
void bnn_optimizer_free(bnn_optimizer *o);
/* One step begins; what it moves follows. */
void bnn_optimizer_begin(bnn_optimizer *o);
/* Moves w, floats [first, first + count) of the buffers, once a step; g is one gradient, and scaled
 * where it is clipped. w and g are the device's; the work is given to `stream`. */
void bnn_optimizer_move(const bnn_optimizer *o, const bnn_stream *stream, size_t first,
                        size_t count, float *w, float *g);
/* A step that moves all at once, on the optimizer's stream. */
void bnn_optimizer_step(bnn_optimizer *o, float *w, float *g);
/* Between the state and its mirror, as bnn_params_to_host and _to_device, on the optimizer's own
 * stream. */
bnn_code bnn_optimizer_to_host(const bnn_optimizer *o, bnn_error *err);
bnn_code bnn_optimizer_to_device(const bnn_optimizer *o, bnn_error *err);

#endif
