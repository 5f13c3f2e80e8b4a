/* The public library on top of the predictor. */
#include "models/bnn.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "models/checkpoint.h"
#include "models/loaded.h"
#include "models/predictor.h"

/* Images computed at once: enough to fill the machine, few enough to stay in cache; of large ones
 * fewer, at most this many values. */
#define CHUNK 64
#define CHUNK_VALUES ((size_t)1 << 24)

/* Models that are loaded; see bnn_model_set_threads. */
static atomic_int models;

struct bnn_model {
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

static size_t image_values(const bnn_model *model) {
    const bnn_spec *s = &model->loaded.spec;
    return (size_t)s->height * (size_t)s->width * (size_t)s->channels;
}

bnn_model *bnn_model_load(const char *path, char *error) {
    bnn_error err = {0};
    const char *why;
    const bnn_kernels *kernels = bnn_cpu_kernels(NULL, &why);
    bnn_model *model = calloc(1, sizeof *model);
    if (!kernels || !model) {
        bnn_fail(&err, BNN_ERR_UNSUPPORTED, "%s", kernels ? "out of memory" : why);
        report(error, &err);
        free(model);
        return NULL;
    }
    atomic_fetch_add(&models, 1);
    bnn_code code = bnn_loaded_open(path, kernels, &model->loaded, &err);
    if (code == BNN_OK) {
        code = bnn_loaded_predictor(&model->loaded, &model->predictor, &err);
    }
    if (code == BNN_OK) {
        const bnn_fold *fold;
        size_t values = image_values(model), most = CHUNK_VALUES / values;
        model->chunk = most < 1 ? 1 : most < CHUNK ? most : CHUNK;
        /* Plans and fills the network now, so that what is wrong with a file is said at loading. */
        code = bnn_predictor_fold(model->predictor, 1, &fold, &err);
        model->normalized = code == BNN_OK ? bnn_alloc_aligned(model->chunk * values * 4) : NULL;
        if (code == BNN_OK && !model->normalized) {
            code = bnn_fail(&err, BNN_ERR_MEMORY, "%s: out of memory", path);
        }
    }
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
        atomic_fetch_sub(&models, 1);
    }
}

void bnn_model_describe(const bnn_model *model, bnn_model_info *info) {
    const bnn_loaded *l = &model->loaded;
    *info = (bnn_model_info){.architecture = l->spec.arch->name,
                             .algorithm = bnn_spec_algorithm(&l->spec),
                             .dataset = l->spec.dataset,
                             .height = l->spec.height,
                             .width = l->spec.width,
                             .channels = l->spec.channels,
                             .classes = l->spec.classes,
                             .packed = l->packed,
                             .binary_weights = l->binary_weights,
                             .file_bytes = l->file_bytes,
                             .instruction_set = l->kernels->name};
}

int bnn_model_run(bnn_model *model, size_t n, const float *images, float *logits, char *error) {
    bnn_error err = {0};
    size_t classes = (size_t)model->loaded.spec.classes;
    for (size_t i = 0; i < n; i += model->chunk) {
        int count = (int)(n - i < model->chunk ? n - i : model->chunk);
        if (bnn_predictor_run(model->predictor, count, images + i * image_values(model),
                              logits + i * classes, &err) != BNN_OK) {
            return report(error, &err);
        }
    }
    return 0;
}

int bnn_model_run_pixels(bnn_model *model, size_t n, const uint8_t *pixels, float *logits,
                         char *error) {
    const bnn_spec *s = &model->loaded.spec;
    size_t values = image_values(model), channels = (size_t)s->channels;
    for (size_t i = 0; i < n; i += model->chunk) {
        size_t count = n - i < model->chunk ? n - i : model->chunk;
        for (size_t k = 0; k < count * values; k++) {
            size_t c = k % channels < 3 ? k % channels : 2;
            model->normalized[k] = ((float)pixels[i * values + k] - s->mean[c]) / s->std[c];
        }
        int code =
            bnn_model_run(model, count, model->normalized, logits + i * (size_t)s->classes, error);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

int bnn_model_set_threads(int n) {
    int now = bnn_threads();
    return atomic_load(&models) > 0 && (n < 1 || n > now) ? now : bnn_set_threads(n);
}
