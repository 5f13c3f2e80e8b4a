#include "models/model.h"

#include <string.h>

const char *bnn_spec_algorithm(const bnn_spec *spec) {
    return spec->binarizer ? spec->binarizer->name : BNN_FLOAT_ALGORITHM;
}

bnn_code bnn_spec_find(bnn_spec *spec, const char *arch, const char *algorithm, bnn_error *err) {
    spec->arch = bnn_arch_find(arch);
    if (!spec->arch) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "no architecture is called '%.64s'", arch);
    }
    spec->binarizer = bnn_binarizer_find(algorithm);
    if (!spec->binarizer && strcmp(algorithm, BNN_FLOAT_ALGORITHM) != 0) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "no algorithm is called '%.64s'", algorithm);
    }
    return BNN_OK;
}

bnn_code bnn_net_build(const bnn_spec *spec, const bnn_device *device, bnn_params *params,
                       int batch, int training, bnn_net *net, bnn_error *err) {
    bnn_graph *g = bnn_graph_create(device, params, training);
    *net = (bnn_net){
        .graph = g, .label = BNN_NONE, .loss = BNN_NONE, .nll = BNN_NONE, .regulariser = BNN_NONE};
    if (!g) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the graph");
    }
    bnn_t transform = BNN_NONE;
    bnn_build build = {.graph = g,
                       .binarizer = spec->binarizer,
                       .phase = spec->phase,
                       .pool = spec->pool,
                       .extra = &transform};
    net->input = bnn_graph_input(g, "input", BNN_F32,
                                 (bnn_shape){batch, spec->height, spec->width, spec->channels});
    net->logits =
        bnn_graph_value(g, spec->arch->build(&build, spec->arch, net->input, spec->classes));
    bnn_graph_keep(g, net->logits);
    bnn_code code;
    if (training) {
        bnn_shape label = bnn_shape_of(g, net->logits);
        label.c = 1;
        net->label = bnn_graph_input(g, "label", BNN_I32, label);
        net->loss = bnn_op_cross_entropy(g, net->logits, net->label);
        if (transform != BNN_NONE) {
            net->nll = net->loss;
            net->regulariser = bnn_transform_regulariser(g, transform);
            bnn_graph_keep(g, net->nll);
            bnn_graph_keep(g, net->regulariser);
            net->loss = bnn_op_weighted_sum(g, 2, (bnn_t[]){net->loss, net->regulariser},
                                            (float[]){1.0f, 0.001f});
        }
        bnn_graph_keep(g, net->loss);
        code = bnn_graph_compile(g, net->loss, err);
    } else {
        code = bnn_graph_status(g, err);
    }
    if (code != BNN_OK) {
        bnn_graph_free(g);
        net->graph = NULL;
    }
    return code;
}

/* The scheduled value that is the buffer's, or NULL. */
static const bnn_scheduled *value_of(const bnn_scheduled values[BNN_MAX_SCHEDULED],
                                     const bnn_param *param) {
    const char *last = strrchr(param->name, '.');
    for (int v = 0; v < BNN_MAX_SCHEDULED && last && !param->trainable; v++) {
        if (values[v].name && strcmp(last + 1, values[v].name) == 0) {
            return &values[v];
        }
    }
    return NULL;
}

int bnn_apply_schedule(const bnn_binarizer *binarizer, bnn_params *params, int epoch, int epochs) {
    if (!binarizer || !binarizer->schedule) {
        return 0;
    }
    bnn_scheduled values[BNN_MAX_SCHEDULED] = {{NULL, 0.0f}};
    int phase = binarizer->schedule(epoch, epochs, values);
    for (size_t i = 0; i < params->count && params->buffers; i++) {
        const bnn_scheduled *value = value_of(values, params->list[i]);
        if (value) {
            *bnn_param_data(params, params->list[i]) = value->value;
        }
    }
    return phase;
}

int bnn_is_scheduled(const bnn_binarizer *binarizer, const bnn_param *param) {
    bnn_scheduled values[BNN_MAX_SCHEDULED] = {{NULL, 0.0f}};
    if (!binarizer || !binarizer->schedule) {
        return 0;
    }
    binarizer->schedule(0, 1, values);
    return value_of(values, param) != NULL;
}
