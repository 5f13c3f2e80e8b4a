/* The public library on top of the predictor. */
#include "models/bnn.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "models/files/checkpoint.h"
#include "models/files/loaded.h"
#include "models/predictor.h"

/* Images computed at once: enough to fill the machine, few enough to stay in cache; of large ones
 * fewer, at most this many values. */
#define CHUNK 64
#define CHUNK_VALUES ((size_t)1 << 24)

/* Of models that are loaded from now on; 0: bnn_cpu_threads. */
static atomic_int threads_wanted;

struct bnn_model {
    atomic_flag busy; /* some thread is in it */
    bnn_loaded loaded;
    bnn_predictor *predictor;
    size_t chunk;
    float *normalized; /* [chunk] images */
};

static int report(char *error, const bnn_error *err) {
    if (error) {
        snprintf(error, BNN_ERROR_BYTES, "%s", err->text);
    }
    return (int)err->code;
}

static int refuse(char *error, bnn_code code, const char *text) {
    bnn_error err = {0};
    bnn_fail(&err, code, "%s", text);
    return report(error, &err);
}

static const char no_model[] = "the model is NULL; did it load?";

const char *bnn_algorithm_name(size_t index) {
    size_t count = 0;
    while (bnn_binarizers[count]) {
        count++;
    }
    return index < count    ? bnn_binarizers[index]->name
           : index == count ? BNN_FLOAT_ALGORITHM
                            : NULL;
}

const char *bnn_architecture_name(size_t index) {
    size_t count = 0;
    while (bnn_archs[count]) {
        count++;
    }
    return index < count ? bnn_archs[index]->name : NULL;
}

static size_t input_values(const bnn_model *model) {
    const bnn_spec *s = &model->loaded.spec;
    return (size_t)s->height * (size_t)s->width * (size_t)s->channels;
}

static bnn_code open_model(bnn_model *model, const char *path, const bnn_device *device,
                           bnn_error *err) {
    bnn_code code = bnn_loaded_open(path, device, &model->loaded, err);
    if (code == BNN_OK) {
        code = bnn_loaded_predictor(&model->loaded, &model->predictor, err);
    }
    if (code == BNN_OK) {
        const bnn_inference *network;
        size_t values = input_values(model), most = CHUNK_VALUES / values;
        model->chunk = most < 1 ? 1 : most < CHUNK ? most : CHUNK;
        /* Plans and fills the network now, so that what is wrong with a file is said at loading. */
        code = bnn_predictor_network(model->predictor, 1, &network, err);
        model->normalized = code == BNN_OK ? bnn_alloc_aligned(model->chunk * values * 4) : NULL;
        if (code == BNN_OK && !model->normalized) {
            code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
        }
    }
    return code;
}

bnn_model *bnn_model_load(const char *path, char *error) {
    bnn_error err = {0};
    const char *why;
    bnn_device device;
    int usable = bnn_cpu_device(NULL, atomic_load(&threads_wanted), &device, &why);
    if (!path || !usable) {
        refuse(error, path ? BNN_ERR_UNSUPPORTED : BNN_ERR_ARGUMENT,
               path ? why : "the path of the model is NULL");
        return NULL;
    }
    bnn_model *model = calloc(1, sizeof *model);
    if (!model) {
        refuse(error, BNN_ERR_MEMORY, "out of memory");
        return NULL;
    }
    atomic_flag_clear(&model->busy);
    device.ops->enter(&device);
    bnn_code code = open_model(model, path, &device, &err);
    device.ops->leave(&device);
    if (code != BNN_OK) {
        report(error, &err);
        bnn_model_free(model);
        return NULL;
    }
    return model;
}

void bnn_model_free(bnn_model *model) {
    if (model) {
        bnn_predictor_free(model->predictor);
        bnn_loaded_close(&model->loaded);
        free(model->normalized);
        free(model);
    }
}

void bnn_model_describe_sized(const bnn_model *model, bnn_model_info *info, size_t bytes) {
    if (!model) {
        memset(info, 0, bytes);
        return;
    }
    const bnn_loaded *l = &model->loaded;
    const bnn_model_info all = {.task = l->spec.task->name,
                                .input = l->spec.arch->inputs[0],
                                .outputs = bnn_spec_outputs(&l->spec),
                                .architecture = l->spec.arch->name,
                                .algorithm = bnn_spec_algorithm(&l->spec),
                                .dataset = l->spec.dataset,
                                .height = l->spec.height,
                                .width = l->spec.width,
                                .channels = l->spec.channels,
                                .classes = l->spec.classes,
                                .packed = l->packed,
                                .binary_weights = l->binary_weights,
                                .file_bytes = l->file_bytes,
                                .instruction_set = l->device.kernels->name,
                                .threads = l->device.threads,
                                .vocabulary = l->spec.vocab ? l->spec.vocab : ""};
    memset(info, 0, bytes);
    memcpy(info, &all, bytes < sizeof all ? bytes : sizeof all);
}

/* `count` images of bytes, as the training saw them. */
static const float *normalize(const bnn_model *model, size_t count, const uint8_t *pixels) {
    const bnn_spec *s = &model->loaded.spec;
    size_t values = input_values(model), channels = (size_t)s->channels;
    for (size_t k = 0; k < count * values; k++) {
        size_t c = k % channels < 3 ? k % channels : 2;
        model->normalized[k] = ((float)pixels[k] - s->mean[c]) / s->std[c];
    }
    return model->normalized;
}

/* The first sample that holds a value that is none, or n. */
static size_t first_not_finite(const float *input, size_t n, size_t values) {
    for (size_t i = 0; i < n; i++, input += values) {
        unsigned odd = 0;
        for (size_t k = 0; k < values; k++) {
            uint32_t bits;
            memcpy(&bits, &input[k], sizeof bits);
            odd |= (bits & 0x7f800000u) == 0x7f800000u;
        }
        if (odd) {
            return i;
        }
    }
    return n;
}

/* What a model is given: one of these. */
typedef struct given {
    const float *floats;
    const uint8_t *pixels;
    const int32_t *tokens[BNN_MAX_INPUTS]; /* in the order of the network's inputs */
} given;

enum { IDS, SEGMENT, MASK, TEXT_INPUTS };
static const char *const text_inputs[] = {[IDS] = "ids", [SEGMENT] = "segment", [MASK] = "mask"};

static int sees_text(const bnn_model *model) {
    int same = 0;
    while (same < TEXT_INPUTS && model->loaded.spec.arch->inputs[same] &&
           strcmp(model->loaded.spec.arch->inputs[same], text_inputs[same]) == 0) {
        same++;
    }
    return same == TEXT_INPUTS;
}

/* Segments and masks are 0 or 1. */
static bnn_code check_tokens(const bnn_model *model, size_t n, const given *from, bnn_error *err) {
    const size_t values = input_values(model);
    for (int f = 0; f < TEXT_INPUTS; f++) {
        const int32_t most = f == IDS ? model->loaded.spec.arch->vocabulary : 2;
        for (size_t i = 0; i < n * values; i++) {
            if (from->tokens[f][i] < 0 || from->tokens[f][i] >= most) {
                return bnn_fail(err, BNN_ERR_ARGUMENT,
                                "sample %zu: its '%s' hold %d, and are to be 0 to %d", i / values,
                                text_inputs[f], (int)from->tokens[f][i], (int)most - 1);
            }
        }
    }
    return BNN_OK;
}

static bnn_code check_call(const bnn_model *model, size_t n, const given *from, const float *output,
                           bnn_error *err) {
    const size_t values = input_values(model), outputs = bnn_spec_outputs(&model->loaded.spec);
    const int text = sees_text(model);
    const int there = text ? from->tokens[IDS] && from->tokens[SEGMENT] && from->tokens[MASK]
                           : from->floats || from->pixels;
    if (n && (!output || !there)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "the %s of %zu samples: a pointer is NULL",
                        output ? "input" : "output", n);
    }
    if (n > PTRDIFF_MAX / sizeof(float) / (values > outputs ? values : outputs)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%zu samples are more than memory can hold", n);
    }
    size_t odd = from->floats ? first_not_finite(from->floats, n, values) : n;
    if (odd < n) {
        return bnn_fail(err, BNN_ERR_NUMERIC,
                        "the input's sample %zu holds a value that is not finite", odd);
    }
    return text && n ? check_tokens(model, n, from, err) : BNN_OK;
}

/* Where samples from number `i` on are. */
static void feed(const bnn_model *model, const given *from, size_t i, bnn_batch *batch) {
    const size_t values = input_values(model);
    if (from->pixels) {
        batch->data[0] = normalize(model, batch->n, from->pixels + i * values);
    } else if (from->floats) {
        batch->data[0] = from->floats + i * values;
    } else {
        for (int f = 0; f < TEXT_INPUTS; f++) {
            batch->data[f] = from->tokens[f] + i * values;
        }
    }
}

/* A second thread is turned away rather than kept waiting: in a child of fork() the first may not
 * exist. */
static int run(bnn_model *model, size_t n, const given *from, float *output, char *error) {
    bnn_error err = {0};
    const bnn_spec *s = &model->loaded.spec;
    size_t outputs = bnn_spec_outputs(s);
    bnn_field field[BNN_MAX_FIELDS];
    bnn_batch batch = {.field = field};
    bnn_spec_fields(s, field, &batch.field_count);
    bnn_code code = check_call(model, n, from, output, &err);
    if (code != BNN_OK) {
        return report(error, &err);
    }
    if (atomic_flag_test_and_set(&model->busy)) {
        return refuse(error, BNN_ERR_ARGUMENT,
                      "the model is in use by another thread; load one for each thread");
    }
    model->loaded.device.ops->enter(&model->loaded.device);
    for (size_t i = 0; code == BNN_OK && i < n; i += model->chunk) {
        batch.n = n - i < model->chunk ? n - i : model->chunk;
        feed(model, from, i, &batch);
        code = bnn_predictor_run(model->predictor, &batch, output + i * outputs, &err);
    }
    model->loaded.device.ops->leave(&model->loaded.device);
    atomic_flag_clear(&model->busy);
    return code == BNN_OK ? 0 : report(error, &err);
}

static const char *seen_by(const bnn_model *model) {
    static const char *const seen[][2] = {
        {"image", "images"}, {"points", "points"}, {"mel", "sound"}, {"ids", "texts"}};
    const char *input = model->loaded.spec.arch->inputs[0];
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        if (strcmp(input, seen[i][0]) == 0) {
            return seen[i][1];
        }
    }
    return input;
}

/* The model sees something else, or there is none. */
static int refuse_kind(const bnn_model *model, const char *what, char *error) {
    bnn_error err = {0};
    if (!model) {
        return refuse(error, BNN_ERR_ARGUMENT, no_model);
    }
    bnn_fail(&err, BNN_ERR_ARGUMENT, "the model sees %s, not %s; give it %s", seen_by(model), what,
             sees_text(model) ? "tokens (bnn_model_run_tokens)" : "floats (bnn_model_run)");
    return report(error, &err);
}

int bnn_model_run(bnn_model *model, size_t n, const float *input, float *output, char *error) {
    return model && !sees_text(model) ? run(model, n, &(given){.floats = input}, output, error)
                                      : refuse_kind(model, "floats", error);
}

int bnn_model_run_pixels(bnn_model *model, size_t n, const uint8_t *pixels, float *output,
                         char *error) {
    return model && strcmp(model->loaded.spec.arch->inputs[0], "image") == 0
               ? run(model, n, &(given){.pixels = pixels}, output, error)
               : refuse_kind(model, "images", error);
}

int bnn_model_run_tokens(bnn_model *model, size_t n, const int32_t *ids, const int32_t *segment,
                         const int32_t *mask, float *output, char *error) {
    const given from = {.tokens = {[IDS] = ids, [SEGMENT] = segment, [MASK] = mask}};
    return model && sees_text(model) ? run(model, n, &from, output, error)
                                     : refuse_kind(model, "texts", error);
}

const char *bnn_model_class_name(const bnn_model *model, int class_index) {
    return model && class_index >= 0 && class_index < model->loaded.spec.classes
               ? bnn_class_name(&model->loaded.spec, class_index)
               : "";
}

int bnn_version(void) {
    return BNN_API_VERSION;
}

int bnn_model_set_threads(int n) {
    n = n < BNN_MAX_THREADS ? n : BNN_MAX_THREADS;
    atomic_store(&threads_wanted, n < 1 ? 0 : n);
    return n < 1 ? bnn_cpu_threads() : n;
}
