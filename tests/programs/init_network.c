#include "tests/programs/init_network.h"

#include <stdio.h>
#include <stdlib.h>

#include "models/files/checkpoint.h"
#include "models/files/init_from.h"

static bnn_code start(const bnn_spec *spec, const char *weights, const char *out,
                      bnn_params *params, bnn_arena *arena, bnn_error *err) {
    const char *why;
    bnn_device device;
    bnn_net net = {0};
    bnn_init_result result = {0};
    bnn_code code = bnn_cpu_device(NULL, 1, &device, &why)
                        ? bnn_net_build(spec, &device, params, 1, 0, &net, err)
                        : bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s", why);
    bnn_graph_free(net.graph);
    if (code == BNN_OK && !(code = bnn_params_allocate(params, err))) {
        bnn_params_initialize(params, 1);
        code = bnn_init_from(weights, spec, &device, 0, params, arena, &result, err);
    }
    for (size_t i = 0; code == BNN_OK && i < result.note_count; i++) {
        printf("not taken: %s\n", result.notes[i]);
    }
    if (code == BNN_OK) {
        printf("took %zu of %zu tensors, %zu have no place\n", result.taken, params->count,
               result.unused);
        code = bnn_checkpoint_save(out, spec, params, NULL, NULL, NULL, 0, err);
    }
    return code;
}

int init_network(const char *arch, const char *algo, const char *input, const char *classes,
                 const char *weights, const char *out) {
    bnn_error err = {0};
    bnn_spec spec = {0};
    bnn_arena *arena = bnn_arena_create();
    bnn_params *params = bnn_params_create();
    bnn_code code = arena && params ? bnn_spec_find(&spec, arch, algo, &err)
                                    : bnn_fail(&err, BNN_ERR_MEMORY, "out of memory");
    if (code == BNN_OK) {
        spec.classes = atoi(classes);
        if (sscanf(input, "%dx%dx%d", &spec.channels, &spec.height, &spec.width) != 3) {
            code = bnn_fail(&err, BNN_ERR_ARGUMENT, "%s is no CxHxW", input);
        }
    }
    if (code == BNN_OK) {
        code = start(&spec, weights, out, params, arena, &err);
    }
    if (code != BNN_OK) {
        fprintf(stderr, "make_data: %s\n", err.text);
    }
    bnn_params_free(params);
    bnn_arena_free(arena);
    return code != BNN_OK;
}
