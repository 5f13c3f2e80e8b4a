/* A small network as a file, for tests of those who load one. Nothing is trained: every layer has
 * its initial values, and the last batch norms of blocks some that let the blocks count. */
#ifndef BNN_TESTS_MODEL_FIXTURE_H
#define BNN_TESTS_MODEL_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/bnn.h"
#include "models/checkpoint.h"
#include "models/loaded.h"
#include "tools/pack.h"

enum { FIXTURE_SIDE = 12, FIXTURE_PIXELS = 12 * 12 * 3, FIXTURE_CLASSES = 10 };

static inline bnn_device one_thread(void) {
    bnn_device device;
    const char *why;
    ck_assert_msg(bnn_cpu_device(NULL, 1, &device, &why), "%s", why);
    return device;
}

/* Writes a checkpoint of a ResNet-20 to `path`. */
static inline void write_checkpoint(const char *path, const char *algorithm) {
    bnn_error err = {0};
    bnn_net net;
    bnn_device device = one_thread();
    bnn_spec spec = {.height = FIXTURE_SIDE,
                     .width = FIXTURE_SIDE,
                     .channels = 3,
                     .classes = FIXTURE_CLASSES,
                     .mean = {125.307f, 122.961f, 113.8575f},
                     .std = {51.5865f, 50.847f, 51.255f},
                     .dataset = "cifar10"};
    bnn_params *params = bnn_params_create();
    ck_assert(params && bnn_spec_find(&spec, "resnet20", algorithm, &err) == BNN_OK);
    spec.phase = spec.binarizer ? spec.binarizer->phases - 1 : 0;
    ck_assert(bnn_net_build(&spec, &device, params, 1, 0, &net, &err) == BNN_OK);
    bnn_graph_free(net.graph);
    ck_assert(bnn_params_allocate(params, &err) == BNN_OK);
    bnn_params_initialize(params, 1);
    bnn_apply_schedule(spec.binarizer, params, 9, 10);
    for (size_t i = 0; i < params->count; i++) {
        const bnn_param *p = params->list[i];
        float *value = bnn_param_data(params, p);
        for (size_t k = 0; strstr(p->name, "bn2.weight") && k < p->count; k++) {
            value[k] = 0.5f;
        }
    }
    ck_assert_msg(bnn_checkpoint_save(path, &spec, params, NULL, NULL, 0, &err) == BNN_OK, "%s",
                  err.text);
    bnn_params_free(params);
}

/* Packs the checkpoint `from`. */
static inline void write_packed(const char *from, const char *path) {
    bnn_error err = {0};
    bnn_loaded model;
    bnn_device device = one_thread();
    size_t bytes;
    ck_assert_msg(bnn_loaded_open(from, &device, &model, &err) == BNN_OK &&
                      bnn_pack(&model, path, &bytes, &err) == BNN_OK,
                  "%s", err.text);
    bnn_loaded_close(&model);
}

/* `count` images of bytes, the same everywhere. malloc'd. */
static inline uint8_t *fixture_images(size_t count) {
    uint8_t *pixels = malloc(count * FIXTURE_PIXELS);
    ck_assert_ptr_nonnull(pixels);
    for (size_t i = 0; i < count * FIXTURE_PIXELS; i++) {
        pixels[i] = (uint8_t)((uint32_t)i * 2654435761u >> 24);
    }
    return pixels;
}

#endif
