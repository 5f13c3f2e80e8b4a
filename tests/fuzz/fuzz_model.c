/* Fuzz target: a model file, checkpoint or packed, opened as libbnn opens it, and run on one image.
 * Whatever the bytes: a refusal is one line, and what is accepted computes without a fault.
 *
 * Two decisions. A checkpoint is a megabyte, too much to mutate well, so there are seeds that end
 * behind the header: every input is also run with the data that its header promises. And inputs
 * that would only be slow are skipped: large images, many classes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/checkpoint.h"
#include "models/loaded.h"
#include "models/packed.h"
#include "tests/fuzz/fuzz.h"

#define LENGTH_BYTES 8
#define MAX_SIDE 64
#define MAX_CLASSES 1000
#define MAX_PROMISED ((size_t)2 << 20)

static void require(int condition) {
    if (!condition) {
        abort();
    }
}

static void require_one_line(const bnn_error *err, bnn_code code) {
    require(err->code == code && err->text[0] && !strpbrk(err->text, "\n\r\033"));
}

static bnn_code predict(const bnn_loaded *model, bnn_error *err) {
    const bnn_spec *spec = &model->spec;
    size_t values = (size_t)spec->height * (size_t)spec->width * (size_t)spec->channels;
    bnn_predictor *predictor = NULL;
    float *x = malloc(values * sizeof *x), *logits = malloc((size_t)spec->classes * sizeof *logits);
    require(x && logits);
    for (size_t i = 0; i < values; i++) {
        x[i] = (float)(i % 7) - 3.0f;
    }
    bnn_code code = bnn_loaded_predictor(model, &predictor, err);
    if (code == BNN_OK) {
        code = bnn_predictor_run(predictor, 1, x, logits, err);
    }
    bnn_predictor_free(predictor);
    free(x);
    free(logits);
    return code;
}

static int is_slow(const bnn_spec *spec) {
    return spec->height > MAX_SIDE || spec->width > MAX_SIDE || spec->channels > MAX_SIDE ||
           spec->classes > MAX_CLASSES;
}

static void run(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_st_file *file;
    bnn_spec spec;
    bnn_loaded model;
    const char *why;
    bnn_device device;
    require(bnn_cpu_device(NULL, 1, &device, &why));
    bnn_code code = bnn_st_parse("input", data, size, &file, &err);
    if (code != BNN_OK) {
        require_one_line(&err, code);
        return;
    }
    if (bnn_spec_read("input", file, &spec, &err) == BNN_OK && is_slow(&spec)) {
        bnn_st_close(file);
        return;
    }
    err = (bnn_error){0};
    code = bnn_loaded_from_file("input", file, size, &device, &model, &err);
    if (code == BNN_OK) {
        code = predict(&model, &err);
    }
    if (code != BNN_OK) {
        require_one_line(&err, code);
    }
    bnn_loaded_close(&model);
}

/* The largest number in the header, within reason: where its last tensor ends. */
static size_t promised(const uint8_t *text, size_t size) {
    size_t most = 0, number = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            number = 0;
        } else if (number <= MAX_PROMISED) { /* beyond it, it stays too large to its end */
            number = number * 10 + text[i] - '0';
        }
        most = number > most && number <= MAX_PROMISED ? number : most;
    }
    return most;
}

/* As it is, and once more with a header length that fits the text and with as much data. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run(data, size);
    size_t header = 0;
    for (int i = LENGTH_BYTES; size >= LENGTH_BYTES && i-- > 0;) {
        header = header << 8 | data[i];
    }
    size_t end = header <= size && size - header >= LENGTH_BYTES ? LENGTH_BYTES + header : size;
    while (end > LENGTH_BYTES && data[end - 1] != '}') {
        end--;
    }
    size_t body = end > LENGTH_BYTES ? promised(data + LENGTH_BYTES, end - LENGTH_BYTES) : 0;
    uint8_t *whole = end > LENGTH_BYTES ? malloc(end + body) : NULL;
    if (whole) {
        memcpy(whole, data, end);
        for (int i = 0; i < LENGTH_BYTES; i++) {
            whole[i] = (uint8_t)((uint64_t)(end - LENGTH_BYTES) >> (8 * i));
        }
        memset(whole + end, 0x3c, body); /* 0.0115 as float: neither zero nor damaged */
        memcpy(whole + end, data + end, size - end < body ? size - end : body);
        run(whole, end + body);
        free(whole);
    }
    return 0;
}

/* ---- seeds ---- */

static const struct {
    const char *arch, *algorithm;
    int side, channels, classes, phase, packed, whole;
} samples[] = {
    {"resnet20", "bnn", 8, 3, 10, 0, 1, 1},      {"resnet20", "bnn", 8, 3, 10, 0, 1, 0},
    {"resnet20", "bnn", 8, 3, 10, 0, 0, 0},      {"resnet20", "xnorpp", 4, 1, 3, 0, 1, 0},
    {"resnet20", "reactnet", 33, 1, 2, 0, 1, 0}, {"resnet20", "fda", 5, 2, 4, 0, 0, 0},
    {"resnet20", "recu", 1, 1, 1, 0, 0, 0},      {"resnet20", "fp32", 8, 3, 10, 0, 1, 0},
    {"vgg_small", "xnor", 8, 3, 2, 0, 1, 0},     {"resnet18", "dorefa", 16, 3, 10, 0, 1, 0},
};

static bnn_code save_packed(const char *path, const bnn_spec *spec, const bnn_net *net,
                            bnn_error *err) {
    bnn_fold *fold = NULL;
    size_t bytes;
    bnn_code code = bnn_fold_create(net->graph, net->input, net->logits, 1, &fold, err);
    if (code == BNN_OK && !(code = bnn_graph_bind(bnn_fold_graph(fold), NULL, err)) &&
        !(code = bnn_fold_evaluate(fold, err))) {
        code = bnn_packed_save(path, spec, fold, &bytes, err);
    }
    bnn_fold_free(fold);
    return code;
}

static bnn_code save(const char *path, int index, bnn_error *err) {
    const char *why;
    bnn_device device;
    require(bnn_cpu_device(NULL, 1, &device, &why));
    bnn_spec spec = {.height = samples[index].side,
                     .width = samples[index].side,
                     .channels = samples[index].channels,
                     .classes = samples[index].classes,
                     .phase = samples[index].phase,
                     .mean = {120, 120, 120},
                     .std = {60, 60, 60},
                     .dataset = "cifar10"};
    bnn_net net = {0};
    bnn_params *params = bnn_params_create();
    require(params != NULL);
    bnn_code code = bnn_spec_find(&spec, samples[index].arch, samples[index].algorithm, err);
    if (code == BNN_OK && !(code = bnn_net_build(&spec, &device, params, 1, 0, &net, err)) &&
        !(code = bnn_params_allocate(params, err))) {
        bnn_params_initialize(params, 1);
        code = samples[index].packed ? save_packed(path, &spec, &net, err)
                                     : bnn_checkpoint_save(path, &spec, params, NULL, NULL, 0, err);
    }
    bnn_graph_free(net.graph);
    bnn_params_free(params);
    return code;
}

size_t bnn_fuzz_seed(int index, uint8_t *out, size_t max) {
    char path[] = "/tmp/fuzz_model.XXXXXX";
    bnn_error err = {0};
    if (index < 0 || (size_t)index >= sizeof samples / sizeof samples[0]) {
        return 0;
    }
    int fd = mkstemp(path);
    require(fd >= 0);
    close(fd);
    if (save(path, index, &err) != BNN_OK) {
        fprintf(stderr, "fuzz_model: seed %d: %s\n", index, err.text);
        abort();
    }
    FILE *file = fopen(path, "rb");
    require(file != NULL);
    size_t size = fread(out, 1, max, file), header = 0;
    fclose(file);
    remove(path);
    for (int i = LENGTH_BYTES; i-- > 0;) {
        header = header << 8 | out[i];
    }
    require(LENGTH_BYTES + header <= size && (!samples[index].whole || size < max));
    return samples[index].whole ? size : LENGTH_BYTES + header;
}
