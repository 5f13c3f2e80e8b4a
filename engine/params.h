/* The parameters and buffers of a model, by PyTorch's names and in PyTorch's shapes, each kind in
 * one flat buffer, so that an optimizer is one loop and a checkpoint a list of slices. Graphs of
 * one model (training, last batch, evaluation) share them.
 *
 * In memory they are channels-last: a tensor [outer, channels, space, inner] of a file lies as
 * [outer, space, channels, inner]. A filter OIHW is (O, I, H*W, 1); everything that is flattened
 * from or multiplied with such a thing fits the same four numbers, so no tensor needs a map. */
#ifndef BNN_ENGINE_PARAMS_H
#define BNN_ENGINE_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/arena.h"
#include "engine/base/status.h"
#include "engine/tensor.h"

#define BNN_MAX_DIMS 4

typedef enum bnn_init_kind {
    BNN_INIT_CONSTANT, /* a */
    BNN_INIT_NORMAL,   /* N(0, a^2) */
    BNN_INIT_UNIFORM,  /* U[a, b) */
} bnn_init_kind;

typedef struct bnn_init {
    bnn_init_kind kind;
    float a, b;
} bnn_init;

typedef struct bnn_param {
    const char *name;
    int ndim;
    int64_t shape[BNN_MAX_DIMS]; /* as in PyTorch */
    size_t outer, channels, space, inner;
    bnn_shape memory; /* as the graph sees it */
    int trainable;    /* parameter, or else buffer */
    int frozen; /* a parameter that stays as it is: the network's own, or bnn_params_freeze's */
    int binary; /* a latent weight: 1 bit where it is deployed */
    /* LAYER.NAME holds a learned factor for each filter of LAYER.weight, whose signs are used. */
    int filter_scale;
    bnn_init init;
    size_t count;
    size_t offset; /* floats from the start of its flat buffer */
} bnn_param;

/* What becomes of a parameter's gradient. A backward calls it once for each parameter that is not
 * frozen, as soon as the gradient is complete and nobody reads the parameter's value any more:
 * `grad` is the device's, may be changed, and is gone when what `stream` is given here is done.
 * Where the graph has no gradient of a parameter, it is one of zeros. */
typedef void (*bnn_update)(void *self, const bnn_stream *stream, const bnn_param *param,
                           float *grad);

typedef struct bnn_params {
    bnn_arena *arena;
    bnn_param **list; /* in order of first use */
    size_t count, capacity;
    const char *frozen;               /* bnn_params_freeze's */
    size_t value_count, buffer_count; /* floats in the flat buffers, padding included */
    bnn_device device;                /* that of the first graph that uses them */
    bnn_stream stream;                /* of copies; open once there are values */
    float *values, *buffers;          /* the device's memory; NULL until allocated */
    /* The host's mirror: the same memory where the device's is the host's. */
    float *host_values, *host_buffers;
    bnn_update update; /* NULL: gradients are copied to `grads` */
    void *updater;     /* its first argument */
    /* The device's, as long as `values`: what the last backward left there. From the first graph on
     * that is bound without an update; NULL before. */
    float *grads;
} bnn_params;

bnn_params *bnn_params_create(void); /* NULL when memory is out */
void bnn_params_free(bnn_params *params);

/* Parameters that are registered from now on stay as they are if their name is, or lies in, one of
 * these modules: "layer1,conv1". Graphs have no gradient of them. */
bnn_code bnn_params_freeze(bnn_params *params, const char *modules, bnn_error *err);
/* When all are registered: an error if a module holds none of them, or nothing is left to train. */
bnn_code bnn_params_check_frozen(const bnn_params *params, bnn_error *err);

/* Finds `desc->name` or registers a copy of `desc` (the name is copied too; count and offset are
 * set here). NULL and an error if a registered one differs in shape or kind, or memory is out. */
const bnn_param *bnn_params_register(bnn_params *params, const bnn_param *desc, bnn_error *err);
const bnn_param *bnn_params_find(const bnn_params *params, const char *name); /* or NULL */

/* Allocates the flat buffers, zeroed. Once; nothing may be registered afterwards. */
bnn_code bnn_params_allocate(bnn_params *params, bnn_error *err);
/* Graphs and optimizers work on the device's memory, everybody else on the mirror. Whoever changed
 * the one, and hands on to those who look at the other, calls one of these; where both are one
 * memory they copy nothing. They are done when they return. `after`: the stream that changed them
 * last. */
bnn_code bnn_params_to_host(const bnn_params *params, const bnn_stream *after, bnn_error *err);
bnn_code bnn_params_to_device(const bnn_params *params, bnn_error *err);
/* Sets every value of the mirror from its init and (seed, name) alone. */
void bnn_params_initialize(bnn_params *params, uint64_t seed);

float *bnn_param_data(const bnn_params *params, const bnn_param *param);   /* in the mirror */
float *bnn_param_memory(const bnn_params *params, const bnn_param *param); /* the device's */
/* The device's; NULL for buffers. */
float *bnn_param_grad(const bnn_params *params, const bnn_param *param);

/* Between file order and memory order; `from` and `to` hold param->count floats. */
void bnn_param_to_memory(const bnn_param *param, const float *from, float *to);
void bnn_param_to_file(const bnn_param *param, const float *from, float *to);

/* Number of trainable parameters, and of those that are binary weights. */
size_t bnn_params_total(const bnn_params *params);
size_t bnn_params_binary(const bnn_params *params);

#endif
