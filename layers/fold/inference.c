#include "layers/fold/inference.h"

#include <stdlib.h>
#include <string.h>

bnn_code bnn_inference_start(bnn_inference *inference, const bnn_device *device, int inputs,
                             int outputs, bnn_error *err) {
    *inference =
        (bnn_inference){.arena = bnn_arena_create(), .graph = bnn_graph_create(device, NULL, 0)};
    size_t lists = ((size_t)inputs + (size_t)outputs) * sizeof(bnn_t);
    inference->inputs = inference->graph ? bnn_arena_alloc(inference->arena, lists) : NULL;
    if (!inference->inputs) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the network");
    }
    inference->outputs = inference->inputs + inputs;
    return BNN_OK;
}

void bnn_inference_free(bnn_inference *inference) {
    bnn_graph_free(inference->graph);
    bnn_arena_free(inference->arena);
    free(inference->constants);
    *inference = (bnn_inference){0};
}

bnn_t bnn_inference_constant(bnn_inference *inference, bnn_dtype dtype, bnn_shape shape,
                             const char *name) {
    const char *copy = bnn_arena_format(inference->arena, "%s", name);
    if (inference->constant_count == inference->constant_capacity) {
        size_t larger = inference->constant_capacity ? 2 * inference->constant_capacity : 64;
        bnn_constant *p = realloc(inference->constants, larger * sizeof *p);
        if (p) {
            inference->constants = p;
            inference->constant_capacity = larger;
        }
    }
    if (!copy || inference->constant_count == inference->constant_capacity) {
        return bnn_graph_fail(inference->graph, BNN_ERR_MEMORY, "out of memory for the network");
    }
    bnn_t t = bnn_graph_constant(inference->graph, dtype, shape);
    inference->constants[inference->constant_count++] = (bnn_constant){t, copy};
    return t;
}

const bnn_constant *bnn_inference_constant_of(const bnn_inference *inference, bnn_t t) {
    for (size_t i = 0; t >= 0 && i < inference->constant_count; i++) {
        if (inference->constants[i].t == t) {
            return &inference->constants[i];
        }
    }
    return NULL;
}

size_t bnn_inference_find(const bnn_inference *inference, const char *name) {
    size_t i = 0;
    while (i < inference->constant_count && strcmp(inference->constants[i].name, name) != 0) {
        i++;
    }
    return i;
}
