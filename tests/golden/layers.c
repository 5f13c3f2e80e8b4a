/* Reference cases of one binary layer, computed with BiBench's own code. */
#include <stdio.h>
#include <string.h>

#include "tests/golden/single.h"

static const bnn_st_tensor *weight_of(const golden_single *c) {
    return bnn_st_find(c->file, "param.weight");
}

static bnn_conv_layer convolution(const golden_single *c) {
    return (bnn_conv_layer){.out = (int)weight_of(c)->shape[0],
                            .kernel = golden_integer(c->file, "kernel", 1),
                            .stride = golden_integer(c->file, "stride", 1),
                            .pad = golden_integer(c->file, "padding", 0),
                            .dilation = golden_integer(c->file, "dilation", 1),
                            .groups = golden_integer(c->file, "groups", 1),
                            .bias = bnn_st_find(c->file, "param.bias") != NULL};
}

static bnn_t conv2d(golden_single *c) {
    bnn_conv_layer conv = convolution(c);
    bnn_t x = golden_single_input(c, "x", GOLDEN_CHANNELS_FIRST);
    return bnn_conv2d(&c->build, GOLDEN_LAYER, x, &conv);
}

static bnn_t conv1d(golden_single *c) {
    bnn_conv_layer conv = convolution(c);
    bnn_t x = golden_single_input(c, "x", GOLDEN_CHANNELS_FIRST);
    return bnn_conv1d(&c->build, GOLDEN_LAYER, x, &conv);
}

static bnn_t linear(golden_single *c) {
    bnn_linear_layer layer = {.out = (int)weight_of(c)->shape[0],
                              .no_bias = bnn_st_find(c->file, "param.bias") == NULL};
    return bnn_linear(&c->build, GOLDEN_LAYER, golden_single_input(c, "x", GOLDEN_ROWS), &layer);
}

golden_result golden_layer(const char *path, const bnn_st_file *file, const bnn_device *device) {
    static const struct {
        const char *name;
        golden_builder *build;
        golden_order order;
    } layers[] = {{"conv2d", conv2d, GOLDEN_CHANNELS_FIRST},
                  {"conv1d", conv1d, GOLDEN_CHANNELS_FIRST},
                  {"linear", linear, GOLDEN_ROWS}};
    const bnn_st_tensor *weight = bnn_st_find(file, "param.weight");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        if (weight && weight->ndim &&
            bnn_binarizer_find(golden_text(file, "algorithm", "")) != NULL &&
            strcmp(layers[i].name, golden_text(file, "layer", "")) == 0) {
            return golden_run_single(path, file, device, layers[i].build, layers[i].order);
        }
    }
    printf("FAIL %s: not a layer case\n", path);
    return GOLDEN_FAILED;
}
