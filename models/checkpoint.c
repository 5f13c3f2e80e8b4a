#include "models/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "engine/base/text.h"

size_t bnn_spec_meta(const bnn_spec *spec, bnn_arena *arena, bnn_meta meta[BNN_SPEC_META]) {
    size_t n = 0;
    meta[n++] = (bnn_meta){"arch", spec->arch->name};
    meta[n++] = (bnn_meta){"algo", bnn_spec_algorithm(spec)};
    meta[n++] = (bnn_meta){
        "input", bnn_arena_format(arena, "%dx%dx%d", spec->channels, spec->height, spec->width)};
    meta[n++] = (bnn_meta){"classes", bnn_arena_format(arena, "%d", spec->classes)};
    meta[n++] = (bnn_meta){"phase", bnn_arena_format(arena, "%d", spec->phase)};
    meta[n++] = (bnn_meta){"mean", bnn_arena_format(arena, "%.9g %.9g %.9g", (double)spec->mean[0],
                                                    (double)spec->mean[1], (double)spec->mean[2])};
    meta[n++] = (bnn_meta){"std", bnn_arena_format(arena, "%.9g %.9g %.9g", (double)spec->std[0],
                                                   (double)spec->std[1], (double)spec->std[2])};
    meta[n++] = (bnn_meta){"data", spec->dataset ? spec->dataset : ""};
    return n;
}

static const char *entry(const char *path, const bnn_st_file *file, const char *key,
                         bnn_error *err) {
    const char *text = bnn_st_metadata(file, key);
    if (!text) {
        bnn_fail(err, BNN_ERR_FORMAT, "%s: not a model of this program (no '%s' in its metadata)",
                 path, key);
    }
    return text;
}

/* `count` numbers, nothing behind them. */
static int read_numbers(const char *text, char separator, int count, double *out) {
    for (int i = 0; i < count; i++) {
        char *end;
        out[i] = bnn_text_to_double(text, &end);
        if (end == text || !isfinite(out[i]) || *end != (i + 1 < count ? separator : '\0')) {
            return 0;
        }
        text = end + 1;
    }
    return 1;
}

static bnn_code read_numbers_of(const char *path, const bnn_st_file *file, const char *key,
                                int count, double low, double high, double *out, bnn_error *err) {
    const char *text = entry(path, file, key, err);
    if (!text) {
        return BNN_ERR_FORMAT;
    }
    int ok = read_numbers(text, ' ', count, out);
    for (int i = 0; ok && i < count; i++) {
        ok = out[i] >= low && out[i] <= high;
    }
    return ok ? BNN_OK
              : bnn_fail(err, BNN_ERR_FORMAT, "%s: metadata '%s' is '%.64s'; the file is damaged",
                         path, key, text);
}

/* The same for whole numbers. */
static bnn_code read_integers_of(const char *path, const bnn_st_file *file, const char *key,
                                 int count, int low, int high, int *out, bnn_error *err) {
    double number[3];
    const char *text = entry(path, file, key, err);
    if (!text) {
        return BNN_ERR_FORMAT;
    }
    int ok = read_numbers(text, 'x', count, number);
    for (int i = 0; ok && i < count; i++) {
        ok = number[i] >= low && number[i] <= high && number[i] == floor(number[i]);
        out[i] = ok ? (int)number[i] : 0;
    }
    return ok ? BNN_OK
              : bnn_fail(err, BNN_ERR_FORMAT,
                         "%s: metadata '%s' is '%.64s', but may hold whole numbers from %d to %d; "
                         "the file is damaged",
                         path, key, text, low, high);
}

bnn_code bnn_spec_read(const char *path, const bnn_st_file *file, bnn_spec *spec, bnn_error *err) {
    int input[3];
    double mean[3], std[3];
    *spec = (bnn_spec){0};
    const char *arch = entry(path, file, "arch", err);
    const char *algo = arch ? entry(path, file, "algo", err) : NULL;
    spec->dataset = algo ? entry(path, file, "data", err) : NULL;
    if (!spec->dataset) {
        return BNN_ERR_FORMAT;
    }
    bnn_code code = bnn_spec_find(spec, arch, algo, err);
    if (code != BNN_OK) {
        return bnn_fail_in(err, code, "%s", path);
    }
    if ((code = read_integers_of(path, file, "input", 3, 1, BNN_MAX_SIDE, input, err)) ||
        (code =
             read_integers_of(path, file, "classes", 1, 1, BNN_MAX_CLASSES, &spec->classes, err)) ||
        (code = read_integers_of(path, file, "phase", 1, 0, 100, &spec->phase, err)) ||
        (code = read_numbers_of(path, file, "mean", 3, -1e6, 1e6, mean, err)) ||
        (code = read_numbers_of(path, file, "std", 3, 1e-6, 1e6, std, err))) {
        return code;
    }
    spec->channels = input[0];
    spec->height = input[1];
    spec->width = input[2];
    for (int i = 0; i < 3; i++) {
        spec->mean[i] = (float)mean[i];
        spec->std[i] = (float)std[i];
    }
    if (spec->phase >= (spec->binarizer ? spec->binarizer->phases : 1)) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: metadata 'phase' is %d", path, spec->phase);
    }
    return BNN_OK;
}

/* ---- writing ---- */

static int has_nan(const float *x, size_t count) {
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        found |= isnan(x[i]) != 0;
    }
    return found;
}

/* Adds one tensor in file order; the copy lives in `copies` until the file is written. */
static bnn_code add_tensor(bnn_st_writer *writer, const bnn_param *param, const char *name,
                           const float *memory, float **copy, bnn_error *err) {
    float *file = malloc(param->count * sizeof(float));
    if (!file) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving %s", name);
    }
    bnn_param_to_file(param, memory, file);
    *copy = file;
    /* Its sign would be taken as one bit or the other, silently. */
    if (has_nan(file, param->count)) {
        return bnn_fail(err, BNN_ERR_NUMERIC,
                        "%s holds a value that is not a number; the training has diverged, and is "
                        "not saved (try a lower --lr)",
                        name);
    }
    return bnn_st_add_tensor(writer, name, BNN_ST_F32, param->ndim, param->shape, file, err);
}

static bnn_code add_all(bnn_st_writer *writer, const bnn_params *params,
                        const bnn_optimizer *optimizer, bnn_arena *arena, float **copies,
                        bnn_error *err) {
    bnn_code code = BNN_OK;
    size_t n = 0;
    for (size_t i = 0; code == BNN_OK && i < params->count; i++) {
        const bnn_param *p = params->list[i];
        code = add_tensor(writer, p, p->name, bnn_param_data(params, p), &copies[n++], err);
    }
    for (int s = 0; optimizer && code == BNN_OK && optimizer->kind->slots[s]; s++) {
        for (size_t i = 0; code == BNN_OK && i < params->count; i++) {
            const bnn_param *p = params->list[i];
            if (p->trainable) {
                const char *name =
                    bnn_arena_format(arena, "optimizer.%s.%s", p->name, optimizer->kind->slots[s]);
                code = name ? add_tensor(writer, p, name, optimizer->slot[s] + p->offset,
                                         &copies[n++], err)
                            : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving");
            }
        }
    }
    return code;
}

bnn_code bnn_meta_add(bnn_st_writer *writer, const bnn_meta *meta, size_t count, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < count; i++) {
        code = meta[i].value
                   ? bnn_st_add_metadata(writer, meta[i].key, meta[i].value, err)
                   : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving '%s'", meta[i].key);
    }
    return code;
}

bnn_code bnn_checkpoint_save(const char *path, const bnn_spec *spec, const bnn_params *params,
                             const bnn_optimizer *optimizer, const bnn_meta *meta,
                             size_t meta_count, bnn_error *err) {
    bnn_meta of_spec[BNN_SPEC_META], kind = {"format", BNN_CHECKPOINT_FORMAT};
    bnn_arena *arena = bnn_arena_create();
    bnn_st_writer *writer = bnn_st_writer_create();
    float **copies = calloc(params->count * (1 + BNN_MAX_SLOTS) + 1, sizeof *copies);
    bnn_code code = arena && writer && copies
                        ? BNN_OK
                        : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for saving", path);
    if (code == BNN_OK && !(code = bnn_meta_add(writer, &kind, 1, err)) &&
        !(code = bnn_meta_add(writer, of_spec, bnn_spec_meta(spec, arena, of_spec), err)) &&
        !(code = bnn_meta_add(writer, meta, meta_count, err)) &&
        !(code = add_all(writer, params, optimizer, arena, copies, err))) {
        code = bnn_st_write(writer, path, err);
    }
    for (size_t i = 0; copies && i < params->count * (1 + BNN_MAX_SLOTS); i++) {
        free(copies[i]);
    }
    free(copies);
    bnn_st_writer_free(writer);
    bnn_arena_free(arena);
    return code;
}

/* ---- reading ---- */

static int same_shape(const bnn_st_tensor *t, const bnn_param *param) {
    int same = t->dtype == BNN_ST_F32 && t->ndim == param->ndim;
    for (int i = 0; same && i < t->ndim; i++) {
        same = t->shape[i] == param->shape[i];
    }
    return same;
}

static bnn_code find_tensor(const char *path, const bnn_st_file *file, const char *name,
                            const bnn_param *param, const bnn_st_tensor **out, bnn_error *err) {
    const bnn_st_tensor *t = *out = bnn_st_find(file, name);
    if (!t) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: tensor '%s' is missing; the file is of another network, or damaged",
                        path, name);
    }
    if (!same_shape(t, param)) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: tensor '%s' does not have the shape or type this network needs", path,
                        name);
    }
    return BNN_OK;
}

static bnn_code read_tensor(const char *path, const bnn_st_file *file, const char *name,
                            const bnn_param *param, float *memory, bnn_error *err) {
    const bnn_st_tensor *t;
    bnn_code code = find_tensor(path, file, name, param, &t, err);
    if (code != BNN_OK) {
        return code;
    }
    float *copy = malloc(t->bytes + 1);
    if (!copy) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for '%s'", path, name);
    }
    memcpy(copy, t->data, t->bytes);
    if (has_nan(copy, t->count)) {
        code = bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: tensor '%s' holds a value that is not a number; the file is damaged",
                        path, name);
    } else {
        bnn_param_to_memory(param, copy, memory);
    }
    free(copy);
    return code;
}

bnn_code bnn_checkpoint_check_params(const char *path, const bnn_st_file *file,
                                     const bnn_params *params, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < params->count; i++) {
        const bnn_st_tensor *t;
        code = find_tensor(path, file, params->list[i]->name, params->list[i], &t, err);
    }
    return code;
}

bnn_code bnn_checkpoint_read_params(const char *path, const bnn_st_file *file, bnn_params *params,
                                    bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < params->count; i++) {
        const bnn_param *p = params->list[i];
        code = read_tensor(path, file, p->name, p, bnn_param_data(params, p), err);
    }
    return code;
}

bnn_code bnn_checkpoint_read_optimizer(const char *path, const bnn_st_file *file,
                                       const bnn_params *params, bnn_optimizer *optimizer,
                                       bnn_error *err) {
    bnn_code code = BNN_OK;
    for (int s = 0; optimizer->kind->slots[s]; s++) {
        for (size_t i = 0; code == BNN_OK && i < params->count; i++) {
            const bnn_param *p = params->list[i];
            char name[320];
            snprintf(name, sizeof name, "optimizer.%s.%s", p->name, optimizer->kind->slots[s]);
            if (p->trainable) {
                code = read_tensor(path, file, name, p, optimizer->slot[s] + p->offset, err);
            }
        }
    }
    return code;
}

bnn_code bnn_checkpoint_init_from(const char *path, bnn_params *params, size_t *taken,
                                  bnn_error *err) {
    bnn_st_file *file;
    bnn_code code = bnn_st_open(path, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    const char *format = bnn_st_metadata(file, "format");
    if (format && strcmp(format, BNN_PACKED_FORMAT) == 0) {
        code =
            bnn_fail(err, BNN_ERR_FORMAT,
                     "%s: a packed model has no weights to train from; give its checkpoint", path);
    }
    *taken = 0;
    for (size_t i = 0; code == BNN_OK && i < params->count; i++) {
        const bnn_param *p = params->list[i];
        const bnn_st_tensor *t = bnn_st_find(file, p->name);
        if (t && same_shape(t, p)) {
            code = read_tensor(path, file, p->name, p, bnn_param_data(params, p), err);
            *taken += 1;
        }
    }
    if (code == BNN_OK && *taken == 0) {
        code = bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: no tensor has a name and shape of this network; is it of another one?",
                        path);
    }
    bnn_st_close(file);
    return code;
}
