/* Fuzz target: a model file, checkpoint or packed, opened as libbnn opens it, and run on one image.
 * Whatever the bytes: a refusal is one line, and what is accepted computes without a fault.
 *
 * Three decisions. A checkpoint is a megabyte, too much to mutate well, so the corpus' files end
 * behind the header (its length in the first 8 bytes, and 8): every input is also read with the
 * data that its header promises. What would only be slow is read, but not run: large images, many
 * classes, wide networks. And most inputs that are accepted differ in what no network computes
 * with: the same network of the same values is run once. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "models/files/checkpoint.h"
#include "models/files/loaded.h"
#include "models/files/packed.h"
#include "tests/fuzz/fuzz.h"

#define MAX_SIDE 40 /* beyond 32 a ResNet begins otherwise */
#define MAX_CLASSES 1000
#define MAX_WORK 1e8
#define MAX_PROMISED ((size_t)2 << 20)

static bnn_code predict(const bnn_loaded *model, bnn_error *err) {
    const bnn_spec *spec = &model->spec;
    bnn_field field[BNN_MAX_FIELDS];
    bnn_batch batch = {.n = 1, .field = field};
    int inputs;
    batch.field_count = bnn_spec_fields(spec, field, &inputs);
    size_t values = bnn_shape_count(field[0].shape);
    bnn_predictor *predictor = NULL;
    float *x = malloc(values * sizeof *x),
          *output = malloc(bnn_spec_outputs(spec) * sizeof *output);
    int32_t *ids = malloc(values * sizeof *ids);
    bnn_insist(x && ids && output);
    for (int i = 0; i < inputs; i++) {
        batch.data[i] = field[i].dtype == BNN_F32 ? (const void *)x : ids;
    }
    for (size_t i = 0; i < values; i++) {
        ids[i] = (int32_t)(i % 7) - 1; /* one is none */
        x[i] = (float)(i % 7) - 3.0f;
    }
    bnn_code code = bnn_loaded_predictor(model, &predictor, err);
    if (code == BNN_OK) {
        code = bnn_predictor_run(predictor, &batch, output, err);
    }
    bnn_predictor_free(predictor);
    free(x);
    free(ids);
    free(output);
    return code;
}

static uint64_t sum(uint64_t before, const void *data, size_t size) {
    return before * 0x100000001b3 ^ crc32_z(before & 0xffffffff, data, size);
}

/* Whether this network, with these values, was not met before (or long ago). */
static int is_new(const bnn_loaded *model) {
    static uint64_t met[1 << 16];
    const bnn_spec *s = &model->spec;
    const int numbers[] = {s->height, s->width, s->channels, s->classes, s->phase, model->packed};
    uint64_t key = sum(1, s->arch->name, strlen(s->arch->name));
    key = sum(key, bnn_spec_algorithm(s), strlen(bnn_spec_algorithm(s)));
    key = sum(key, numbers, sizeof numbers);
    static const char *const texts[] = {"network", "checksum"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = bnn_st_metadata(model->file, texts[i]);
        key = text ? sum(key, text, strlen(text)) : key;
    }
    for (size_t i = 0; i < bnn_st_count(model->file); i++) {
        const bnn_st_tensor *t = bnn_st_at(model->file, i);
        key = sum(sum(key, t->name, strlen(t->name)), t->data, t->bytes);
    }
    uint64_t *place = &met[key % (sizeof met / sizeof met[0])];
    int new = *place != key;
    *place = key;
    return new;
}

/* Multiplications of a network that the file describes, about; at least its values. */
static double work_of(const bnn_inference *network) {
    const bnn_graph *g = network->graph;
    double work = (double)bnn_graph_bytes(g);
    for (size_t i = 0; i < bnn_graph_node_count(g); i++) {
        const bnn_node *node = bnn_graph_node(g, i);
        bnn_shape y = bnn_shape_of(g, node->out[0]);
        bnn_shape w = node->in_count > 1 ? bnn_shape_of(g, node->in[1]) : (bnn_shape){0};
        work += (double)bnn_shape_count(y) * (1.0 + (double)w.h * w.w * w.c);
    }
    return work;
}

static int is_slow(const bnn_loaded *model) {
    const bnn_spec *spec = &model->spec;
    bnn_error err;
    bnn_inference network = {0};
    int slow = spec->height > MAX_SIDE || spec->width > MAX_SIDE || spec->channels > MAX_SIDE ||
               spec->classes > MAX_CLASSES;
    if (!slow && bnn_model_kind_of(model->file) == BNN_MODEL_PACKED) {
        slow =
            bnn_packed_build("input", model->file, &model->device, 1, &network, &err) == BNN_OK &&
            work_of(&network) > MAX_WORK;
    }
    bnn_inference_free(&network);
    return slow;
}

/* Of a file that does not say it. */
static const bnn_spec images = {.height = 8,
                                .width = 8,
                                .channels = 3,
                                .classes = 10,
                                .std = {60, 60, 60},
                                .dataset = "cifar10"};
static const bnn_spec_given described = {
    .arch = "resnet20", .algo = "recu", .samples = &images, .own_classes = 1};

/* Whether it could be opened. */
static int open_and_run(const uint8_t *data, size_t size, const bnn_spec_given *given) {
    bnn_error err = {0};
    bnn_st_file *file;
    bnn_loaded model;
    const char *why;
    bnn_device device;
    bnn_insist(bnn_cpu_device(NULL, 1, &device, &why));
    if (!bnn_accepted(bnn_st_parse("input", data, size, &file, &err), &err)) {
        return 0;
    }
    int opened =
        bnn_accepted(bnn_loaded_from_file("input", file, size, given, &device, &model, &err), &err);
    if (opened && !is_slow(&model) && is_new(&model)) {
        bnn_accepted(predict(&model, &err), &err);
    }
    bnn_loaded_close(&model);
    return opened;
}

/* As libbnn does, and as the programs do that are told what the file does not say. */
static void run(const uint8_t *data, size_t size) {
    if (!open_and_run(data, size, NULL)) {
        open_and_run(data, size, &described);
    }
}

/* As it is, and once more with a header length that fits the text and with as much data. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run(data, size);
    uint8_t *whole = bnn_completed(data, size, MAX_PROMISED, &size);
    if (whole) {
        run(whole, size);
        free(whole);
    }
    return 0;
}
