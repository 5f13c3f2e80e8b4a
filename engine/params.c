#include "engine/params.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"

/* Slices start on cache lines, so that a kernel sees the same alignment for every parameter. */
#define ALIGN_FLOATS 16

bnn_params *bnn_params_create(void) {
    bnn_params *params = calloc(1, sizeof *params);
    if (params && !(params->arena = bnn_arena_create())) {
        free(params);
        return NULL;
    }
    return params;
}

static void release(const bnn_params *params, float *host, float *memory) {
    if (params->device.ops) {
        bnn_mirror_release(&params->device, memory, host);
    } else {
        free(memory);
    }
}

void bnn_params_free(bnn_params *params) {
    if (!params) {
        return;
    }
    free(params->list);
    release(params, params->host_values, params->values);
    release(params, params->host_buffers, params->buffers);
    if (params->device.ops) {
        params->device.ops->release(&params->device, BNN_MEMORY_DEVICE, params->grads);
    }
    bnn_stream_end(&params->stream);
    bnn_arena_free(params->arena);
    free(params);
}

const bnn_param *bnn_params_find(const bnn_params *params, const char *name) {
    for (size_t i = 0; i < params->count; i++) {
        if (strcmp(params->list[i]->name, name) == 0) {
            return params->list[i];
        }
    }
    return NULL;
}

/* ---- what stays as it is ---- */

bnn_code bnn_params_freeze(bnn_params *params, const char *modules, bnn_error *err) {
    params->frozen = bnn_arena_format(params->arena, "%s", modules);
    return params->frozen ? BNN_OK
                          : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the names of modules");
}

/* Is `name` that of the module [module, module + length), or of a part of it? */
static int lies_in(const char *name, const char *module, size_t length) {
    return length && strncmp(name, module, length) == 0 &&
           (name[length] == '.' || name[length] == '\0');
}

static int is_frozen(const bnn_params *params, const char *name) {
    for (const char *at = params->frozen ? params->frozen : ""; *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (lies_in(name, at, length)) {
            return 1;
        }
        at += length;
    }
    return 0;
}

bnn_code bnn_params_check_frozen(const bnn_params *params, bnn_error *err) {
    size_t frozen = 0, trainable = 0;
    for (size_t p = 0; p < params->count; p++) {
        trainable += params->list[p]->trainable != 0;
        frozen += params->list[p]->frozen != 0;
    }
    for (const char *at = params->frozen; at;) { /* an empty name is none, too */
        size_t length = strcspn(at, ","), found = 0;
        for (size_t p = 0; p < params->count; p++) {
            found += params->list[p]->frozen && lies_in(params->list[p]->name, at, length);
        }
        if (!found) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "no parameters lie in a module '%.*s'; the first is %s", (int)length,
                            at, params->count ? params->list[0]->name : "none");
        }
        at = at[length] ? at + length + 1 : NULL;
    }
    return frozen < trainable || !frozen
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_ARGUMENT,
                          "all parameters are frozen: nothing is left to train");
}

static bnn_code grow(bnn_params *params, bnn_error *err) {
    if (params->count < params->capacity) {
        return BNN_OK;
    }
    size_t capacity = params->capacity ? 2 * params->capacity : 64;
    bnn_param **list = realloc(params->list, capacity * sizeof *list);
    if (!list) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the list of parameters");
    }
    params->list = list;
    params->capacity = capacity;
    return BNN_OK;
}

const bnn_param *bnn_params_register(bnn_params *params, const bnn_param *desc, bnn_error *err) {
    const bnn_param *known = bnn_params_find(params, desc->name);
    if (known) {
        if (!bnn_shape_equal(known->memory, desc->memory) || known->trainable != desc->trainable) {
            bnn_fail(err, BNN_ERR_SHAPE, "parameter %s is used twice with different shapes",
                     desc->name);
            return NULL;
        }
        return known;
    }
    if (params->values) {
        bnn_fail(err, BNN_ERR_ARGUMENT, "parameter %s is new after the model was allocated",
                 desc->name);
        return NULL;
    }
    if (grow(params, err) != BNN_OK) {
        return NULL;
    }
    bnn_param *param = bnn_arena_alloc(params->arena, sizeof *param);
    char *name = bnn_arena_format(params->arena, "%s", desc->name);
    if (!param || !name) {
        bnn_fail(err, BNN_ERR_MEMORY, "out of memory for parameter %s", desc->name);
        return NULL;
    }
    *param = *desc;
    param->name = name;
    param->count = bnn_shape_count(desc->memory);
    param->frozen = desc->trainable && (desc->frozen || is_frozen(params, name));
    size_t *total = desc->trainable ? &params->value_count : &params->buffer_count;
    param->offset = *total;
    *total += (param->count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    params->list[params->count++] = param;
    return param;
}

/* Of a flat buffer, memory and mirror. */
static int take(const bnn_params *params, size_t count, float **host, float **memory) {
    if (params->device.ops) {
        return bnn_mirror_take(&params->device, count, memory, host);
    }
    *host = *memory = bnn_alloc_aligned(count * sizeof(float)); /* no graph has them */
    return *host != NULL;
}

bnn_code bnn_params_allocate(bnn_params *params, bnn_error *err) {
    if (params->device.ops && !bnn_stream_start(&params->stream, &params->device)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "no room for another stream on the device");
    }
    if (!take(params, params->value_count, &params->host_values, &params->values) ||
        !take(params, params->buffer_count, &params->host_buffers, &params->buffers)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory: %zu parameters need %zu MiB",
                        params->value_count, (params->value_count * 4) >> 20);
    }
    return BNN_OK;
}

/* Is there another memory than the mirror? */
static int is_mirrored(const bnn_params *p) {
    return p->values != p->host_values;
}

bnn_code bnn_params_to_host(const bnn_params *p, const bnn_stream *after, bnn_error *err) {
    const bnn_device_ops *ops = after->device.ops;
    if (!is_mirrored(p)) {
        return ops->finish(after, err);
    }
    ops->follow(&p->stream, after);
    bnn_mirror_get(&p->stream, p->host_values, p->values, p->value_count);
    bnn_mirror_get(&p->stream, p->host_buffers, p->buffers, p->buffer_count);
    return ops->finish(&p->stream, err);
}

bnn_code bnn_params_to_device(const bnn_params *p, bnn_error *err) {
    if (!is_mirrored(p)) {
        return BNN_OK;
    }
    bnn_mirror_put(&p->stream, p->values, p->host_values, p->value_count);
    bnn_mirror_put(&p->stream, p->buffers, p->host_buffers, p->buffer_count);
    return p->device.ops->finish(&p->stream, err);
}

void bnn_params_initialize(bnn_params *params, uint64_t seed) {
    for (size_t p = 0; p < params->count; p++) {
        const bnn_param *param = params->list[p];
        float *value = bnn_param_data(params, param);
        bnn_rng rng = bnn_rng_start(seed, bnn_hash_name(param->name));
        for (size_t i = 0; i < param->count; i++) {
            switch (param->init.kind) {
            case BNN_INIT_CONSTANT:
                value[i] = param->init.a;
                break;
            case BNN_INIT_NORMAL:
                value[i] = param->init.a * bnn_rng_normal(&rng);
                break;
            case BNN_INIT_UNIFORM:
                value[i] = param->init.a + (param->init.b - param->init.a) * bnn_rng_uniform(&rng);
                break;
            }
        }
    }
}

float *bnn_param_data(const bnn_params *params, const bnn_param *param) {
    float *base = param->trainable ? params->host_values : params->host_buffers;
    return base ? base + param->offset : NULL;
}

float *bnn_param_memory(const bnn_params *params, const bnn_param *param) {
    float *base = param->trainable ? params->values : params->buffers;
    return base ? base + param->offset : NULL;
}

float *bnn_param_grad(const bnn_params *params, const bnn_param *param) {
    return param->trainable && params->grads ? params->grads + param->offset : NULL;
}

/* Walks both orders at once; `to_file` tells which side is which. */
static void permute(const bnn_param *param, const float *from, float *to, int to_file) {
    size_t channels = param->channels, space = param->space, inner = param->inner;
    for (size_t o = 0; o < param->outer; o++) {
        for (size_t c = 0; c < channels; c++) {
            for (size_t s = 0; s < space; s++) {
                size_t file = ((o * channels + c) * space + s) * inner;
                size_t memory = ((o * space + s) * channels + c) * inner;
                memcpy(to + (to_file ? file : memory), from + (to_file ? memory : file),
                       inner * sizeof(float));
            }
        }
    }
}

void bnn_param_to_memory(const bnn_param *param, const float *from, float *to) {
    permute(param, from, to, 0);
}

void bnn_param_to_file(const bnn_param *param, const float *from, float *to) {
    permute(param, from, to, 1);
}

static size_t sum_counts(const bnn_params *params, int only_binary) {
    size_t sum = 0;
    for (size_t i = 0; i < params->count; i++) {
        const bnn_param *param = params->list[i];
        if (param->trainable && (param->binary || !only_binary)) {
            sum += param->count;
        }
    }
    return sum;
}

size_t bnn_params_total(const bnn_params *params) {
    return sum_counts(params, 0);
}

size_t bnn_params_binary(const bnn_params *params) {
    return sum_counts(params, 1);
}
