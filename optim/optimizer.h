/* Optimizers over flat buffers: parameters and gradients in, parameters out, one pass. Semantics of
 * torch.optim; all parameters alike (BiBench has no parameter groups). */
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
    void (*step)(bnn_optimizer *o, float *w, const float *g);
} bnn_optimizer_kind;

struct bnn_optimizer {
    const bnn_optimizer_kind *kind;
    bnn_stream stream;          /* what a step is given to */
    size_t count;               /* floats in each flat buffer */
    float *slot[BNN_MAX_SLOTS]; /* the device's memory */
    float *host[BNN_MAX_SLOTS]; /* its mirror, or the same memory (engine/params.h) */
    uint64_t steps;             /* taken so far */
    double lr, momentum, weight_decay;
    int nesterov;
    double beta1, beta2, eps;
};

extern const bnn_optimizer_kind *const bnn_optimizer_kinds[];   /* NULL-terminated */
const bnn_optimizer_kind *bnn_optimizer_find(const char *name); /* or NULL */

/* Zeroed state; betas .9/.999 and eps 1e-8 preset, lr and the rest are the caller's to set. */
bnn_code bnn_optimizer_init(bnn_optimizer *o, const bnn_optimizer_kind *kind,
                            const bnn_device *device, size_t count, bnn_error *err);
void bnn_optimizer_free(bnn_optimizer *o);
/* One step, on the optimizer's stream; w and g are the device's. */
void bnn_optimizer_step(bnn_optimizer *o, float *w, const float *g);
/* Between the state and its mirror, as bnn_params_to_host and _to_device, on the optimizer's own
 * stream. */
bnn_code bnn_optimizer_to_host(const bnn_optimizer *o, bnn_error *err);
bnn_code bnn_optimizer_to_device(const bnn_optimizer *o, bnn_error *err);

#endif
