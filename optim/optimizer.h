/* Optimizers over flat buffers: parameters and gradients in, parameters out, one pass a span.
 * Semantics of torch.optim. */
#ifndef BNN_OPTIM_OPTIMIZER_H
#define BNN_OPTIM_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "engine/device.h"

#define BNN_MAX_SLOTS 2

typedef struct bnn_optimizer bnn_optimizer;

/* Neighbouring floats of the buffers that are moved together. */
typedef struct bnn_optimizer_span {
    size_t first, count;
    float max_norm; /* 0, or a larger gradient is scaled down to this 2-norm */
} bnn_optimizer_span;

/* A kind of optimizer: one const struct, one file. */
typedef struct bnn_optimizer_kind {
    const char *name;
    const char *slots[BNN_MAX_SLOTS + 1]; /* PyTorch's names of its state, NULL-terminated */
    /* One span's; w and g are its own, at[i] its slots'. */
    void (*step)(const bnn_optimizer *o, size_t count, float *w, const float *g,
                 float *const at[BNN_MAX_SLOTS]);
} bnn_optimizer_kind;

struct bnn_optimizer {
    const bnn_optimizer_kind *kind;
    bnn_stream stream;          /* what a step is given to */
    size_t count;               /* floats in each flat buffer */
    float *slot[BNN_MAX_SLOTS]; /* the device's memory */
    float *host[BNN_MAX_SLOTS]; /* its mirror, or the same memory (engine/params.h) */
    bnn_optimizer_span *spans;  /* what is in none of them stays as it is */
    size_t span_count;
    uint64_t steps; /* taken so far */
    double lr, momentum, weight_decay;
    int nesterov;
    double beta1, beta2, eps;
};

extern const bnn_optimizer_kind *const bnn_optimizer_kinds[];   /* NULL-terminated */
const bnn_optimizer_kind *bnn_optimizer_find(const char *name); /* or NULL */

/* Zeroed state, one span of all; betas .9/.999 and eps 1e-8 preset, lr and the rest are the
 * caller's to set. */
bnn_code bnn_optimizer_init(bnn_optimizer *o, const bnn_optimizer_kind *kind,
                            const bnn_device *device, size_t count, bnn_error *err);
void bnn_optimizer_free(bnn_optimizer *o);
/* From now on only these are moved; copied. */
bnn_code bnn_optimizer_set_spans(bnn_optimizer *o, const bnn_optimizer_span *spans, size_t count,
                                 bnn_error *err);
/* One step, on the optimizer's stream; w and g are the device's. g is scaled where it is clipped.
 */
void bnn_optimizer_step(bnn_optimizer *o, float *w, float *g);
/* Between the state and its mirror, as bnn_params_to_host and _to_device, on the optimizer's own
 * stream. */
bnn_code bnn_optimizer_to_host(const bnn_optimizer *o, bnn_error *err);
bnn_code bnn_optimizer_to_device(const bnn_optimizer *o, bnn_error *err);

#endif
