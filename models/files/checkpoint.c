#include "models/files/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "engine/base/text.h"

#define TRAINED "trained" /* the slot of what is averaged */

/* Other samples are prepared in one way only. */
static int sees_images(const bnn_arch *arch) {
    return !arch || strcmp(arch->inputs[0], "image") == 0;
}

/* Whether such a picture can stand within the input. */
static int is_part(const bnn_shape *picture, const bnn_spec *spec) {
    return picture->h >= 1 && picture->h <= spec->height && picture->w >= 1 &&
           picture->w <= spec->width && (picture->c == 1 || picture->c == spec->channels);
}

/* The spec's; where it says nothing, or the input is of another size than its, all of that. */
static bnn_shape picture_of(const bnn_spec *spec) {
    return is_part(&spec->picture, spec)
               ? spec->picture
               : (bnn_shape){1, spec->height, spec->width, spec->channels};
}

/* For which boxes a detector's anchors are. */
static const char *const anchor_names[] = {"voc", "coco", NULL};

size_t bnn_spec_meta(const bnn_spec *spec, bnn_arena *arena, bnn_meta meta[BNN_SPEC_META]) {
    size_t n = 0;
    meta[n++] = (bnn_meta){"arch", spec->arch->name};
    meta[n++] = (bnn_meta){"algo", bnn_spec_algorithm(spec)};
    meta[n++] = (bnn_meta){
        "input", bnn_arena_format(arena, "%dx%dx%d", spec->channels, spec->height, spec->width)};
    meta[n++] = (bnn_meta){"classes", bnn_arena_format(arena, "%d", spec->classes)};
    meta[n++] = (bnn_meta){"phase", bnn_arena_format(arena, "%d", spec->phase)};
    if (sees_images(spec->arch)) {
        meta[n++] =
            (bnn_meta){"mean", bnn_arena_format(arena, "%.9g %.9g %.9g", (double)spec->mean[0],
                                                (double)spec->mean[1], (double)spec->mean[2])};
        meta[n++] =
            (bnn_meta){"std", bnn_arena_format(arena, "%.9g %.9g %.9g", (double)spec->std[0],
                                               (double)spec->std[1], (double)spec->std[2])};
        const bnn_shape picture = picture_of(spec);
        meta[n++] = (bnn_meta){
            "picture", bnn_arena_format(arena, "%dx%dx%d", picture.c, picture.h, picture.w)};
    }
    meta[n++] = (bnn_meta){"data", spec->dataset ? spec->dataset : ""};
    meta[n++] = (bnn_meta){"pool", bnn_pool_names[spec->pool]};
    if (spec->arch->heads && spec->binarizer) {
        meta[n++] = (bnn_meta){"ties", bnn_ties_names[spec->ties]};
    }
    if (spec->arch->detections) {
        meta[n++] = (bnn_meta){"anchors", anchor_names[spec->small_boxes != 0]};
    }
    meta[n++] = (bnn_meta){"variant", spec->variant ? spec->variant : ""};
    if (spec->task != spec->arch->task) {
        meta[n++] = (bnn_meta){"task", spec->task->name};
    }
    if (spec->vocab && *spec->vocab) {
        meta[n++] = (bnn_meta){"vocab", spec->vocab};
    }
    meta[n++] = (bnn_meta){"class_names", spec->class_names ? spec->class_names : ""};
    if (spec->class_ids && *spec->class_ids) {
        meta[n++] = (bnn_meta){"class_ids", spec->class_ids};
    }
    return n;
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

/* The numbers of an entry; without one, `out` stays as it is. */
static bnn_code read_numbers_of(const char *path, const bnn_st_file *file, const char *key,
                                double low, double high, float out[3], bnn_error *err) {
    double number[3];
    const char *text = bnn_st_metadata(file, key);
    if (!text) {
        return BNN_OK;
    }
    int ok = read_numbers(text, ' ', 3, number);
    for (int i = 0; ok && i < 3; i++) {
        ok = number[i] >= low && number[i] <= high;
        out[i] = ok ? (float)number[i] : 0.0f;
    }
    return ok ? BNN_OK
              : bnn_fail(err, BNN_ERR_FORMAT, "%s: metadata '%s' is '%.64s'; the file is damaged",
                         path, key, text);
}

/* The same for whole numbers. */
static bnn_code read_integers_of(const char *path, const bnn_st_file *file, const char *key,
                                 int count, int low, int high, int *out, bnn_error *err) {
    double number[3];
    const char *text = bnn_st_metadata(file, key);
    if (!text) {
        return BNN_OK;
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

/* "A", "A and B", "A, B and C". */
static void append(char *list, size_t bytes, const char *what, int last) {
    size_t used = strlen(list);
    snprintf(list + used, bytes - used, "%s%s", !used ? "" : last ? " and " : ", ", what);
}

/* Names the entries that neither the file nor `given` has, and what would supply them. */
static bnn_code refuse_lacking(const char *path, const bnn_spec_given *given,
                               const char *const lacking[3], bnn_error *err) {
    static const char *const options[3] = {"--arch", "--algo", "--data"};
    char entries[64] = "", cure[64] = "";
    int last = 2;
    while (!lacking[last]) {
        last--;
    }
    for (int i = 0; i <= last; i++) {
        if (lacking[i]) {
            append(entries, sizeof entries, lacking[i], i == last);
            append(cure, sizeof cure, options[i], 0);
        }
    }
    return bnn_fail(err, BNN_ERR_FORMAT,
                    given ? "%s: its metadata lacks %s; give %s"
                          : "%s: its metadata lacks %s; bnn-export with %s makes a model of it",
                    path, entries, cure);
}

/* Of the samples' entries the first that the file lacks; NULL if it has them all. */
static const char *lacking_of_samples(const bnn_st_file *file, int images) {
    const char *const keys[] = {"data", "input", "classes", images ? "mean" : NULL, "std", NULL};
    size_t i = 0;
    while (keys[i] && bnn_st_metadata(file, keys[i])) {
        i++;
    }
    return keys[i];
}

/* Older files say nothing of it. */
static bnn_code read_picture(const char *path, const bnn_st_file *file, bnn_spec *spec,
                             bnn_error *err) {
    bnn_shape *p = &spec->picture;
    *p = picture_of(spec);
    int size[3] = {p->c, p->h, p->w};
    bnn_code code = read_integers_of(path, file, "picture", 3, 1, BNN_MAX_SIDE, size, err);
    *p = (bnn_shape){1, size[1], size[2], size[0]};
    if (code == BNN_OK && !is_part(p, spec)) {
        code = bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: metadata 'picture' is %dx%dx%d, which is no part of the input "
                        "%dx%dx%d; the file is damaged",
                        path, p->c, p->h, p->w, spec->channels, spec->height, spec->width);
    }
    return code;
}

/* A network of text sees rows of tokens, each with a place and a row of the table. */
static bnn_code check_text(const char *path, const bnn_spec *spec, bnn_error *err) {
    size_t tokens = 0;
    for (const char *at = spec->vocab; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        tokens++;
    }
    if (spec->height != 1 || spec->channels != 1 || spec->width < BNN_TEXT_LEAST ||
        spec->width > spec->arch->positions) {
        return bnn_fail(
            err, BNN_ERR_FORMAT,
            "%s: metadata 'input' is %dx%dx%d, but %s sees rows of %d to %d tokens; the "
            "file is damaged",
            path, spec->channels, spec->height, spec->width, spec->arch->name, BNN_TEXT_LEAST,
            spec->arch->positions);
    }
    return tokens <= (size_t)spec->arch->vocabulary
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_FORMAT,
                          "%s: metadata 'vocab' has %zu tokens, %s has room for %d; the file is "
                          "damaged",
                          path, tokens, spec->arch->name, spec->arch->vocabulary);
}

/* What an entry chooses of these names; without one, `out` stays as it is. */
static bnn_code read_choice(const char *path, const bnn_st_file *file, const char *key,
                            const char *const *names, int *out, bnn_error *err) {
    const char *text = bnn_st_metadata(file, key);
    const int number = text ? bnn_name_find(names, text) : *out;
    if (number < 0) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: metadata '%s' is '%.64s'; the file is damaged",
                        path, key, text);
    }
    *out = number;
    return BNN_OK;
}

static bnn_code read_choices(const char *path, const bnn_st_file *file, bnn_spec *spec,
                             bnn_error *err) {
    int pool = BNN_POOL_USUAL, ties = BNN_TIES_PLUS;
    bnn_code code = read_choice(path, file, "pool", bnn_pool_names, &pool, err);
    code = code == BNN_OK ? read_choice(path, file, "ties", bnn_ties_names, &ties, err) : code;
    code = code == BNN_OK
               ? read_choice(path, file, "anchors", anchor_names, &spec->small_boxes, err)
               : code;
    spec->pool = (bnn_pool)pool;
    spec->ties = (bnn_ties)ties;
    return code;
}

bnn_code bnn_spec_read(const char *path, const bnn_st_file *file, const bnn_spec_given *given,
                       bnn_spec *spec, bnn_error *err) {
    const char *arch = bnn_st_metadata(file, "arch"), *algo = bnn_st_metadata(file, "algo");
    const char *data = bnn_st_metadata(file, "data");
    const bnn_spec *samples = given ? given->samples : NULL;
    if (samples && data && strcmp(data, samples->dataset) != 0) {
        samples = NULL; /* of other samples than this network's */
    }
    arch = arch || !given ? arch : given->arch;
    algo = algo || !given ? algo : given->algo;
    const int images = sees_images(arch ? bnn_arch_find(arch) : NULL);
    const char *const lacking[3] = {arch ? NULL : "arch", algo ? NULL : "algo",
                                    samples ? NULL : lacking_of_samples(file, images)};
    *spec = samples ? *samples : (bnn_spec){0};
    if (lacking[0] || lacking[1] || lacking[2]) {
        return refuse_lacking(path, given, lacking, err);
    }
    bnn_code code = bnn_spec_find(spec, arch, algo, err);
    if (code != BNN_OK) {
        return bnn_fail_in(err, code, "%s", path);
    }
    const char *task = bnn_st_metadata(file, "task");
    spec->task = task ? bnn_task_find(task) : spec->task;
    if (!bnn_arch_serves(spec->arch, spec->task)) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: metadata 'task' is '%.64s', which is none of %s",
                        path, task, spec->arch->name);
    }
    int phases = spec->binarizer ? spec->binarizer->phases : 1;
    int input[3] = {spec->channels, spec->height, spec->width};
    if ((code = read_choices(path, file, spec, err)) != BNN_OK) {
        return code;
    }
    const char *variant = bnn_st_metadata(file, "variant");
    const char *names = bnn_st_metadata(file, "class_names");
    const char *ids = bnn_st_metadata(file, "class_ids");
    const char *vocab = bnn_st_metadata(file, "vocab");
    spec->dataset = data ? data : spec->dataset;
    spec->variant = variant ? variant : spec->variant;
    spec->class_names = names ? names : spec->class_names;
    spec->class_ids = ids ? ids : "";
    spec->vocab = vocab ? vocab : "";
    spec->variant = spec->variant ? spec->variant : "";
    spec->class_names = spec->class_names ? spec->class_names : "";
    spec->phase = phases - 1;
    if ((code = read_integers_of(path, file, "input", 3, 1, BNN_MAX_SIDE, input, err)) ||
        (code =
             read_integers_of(path, file, "classes", 1, 1, BNN_MAX_CLASSES, &spec->classes, err)) ||
        (code = read_integers_of(path, file, "phase", 1, 0, 100, &spec->phase, err)) ||
        (images && ((code = read_numbers_of(path, file, "mean", -1e6, 1e6, spec->mean, err)) ||
                    (code = read_numbers_of(path, file, "std", 1e-6, 1e6, spec->std, err))))) {
        return code;
    }
    spec->channels = input[0];
    spec->height = input[1];
    spec->width = input[2];
    if (images && (code = read_picture(path, file, spec, err)) != BNN_OK) {
        return code;
    }
    if (spec->phase >= phases) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: metadata 'phase' is %d", path, spec->phase);
    }
    if (spec->task->real_target && spec->classes != 1) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: metadata 'classes' is %d, but a regression has one value; the file is "
                        "damaged",
                        path, spec->classes);
    }
    return spec->arch->vocabulary ? check_text(path, spec, err) : BNN_OK;
}

/* ---- writing ---- */

/* Adds one tensor in file order; the copy lives in `copies` until the file is written. */
static bnn_code add_tensor(bnn_st_writer *writer, const bnn_param *param, const char *name,
                           const float *memory, float **copy, bnn_error *err) {
    float *file = malloc(param->count * sizeof(float));
    if (!file) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving %s", name);
    }
    bnn_param_to_file(param, memory, file);
    *copy = file;
    /* No file is written that could not be read. */
    const char *flaw = bnn_weights_flaw(name, file, param->count);
    if (flaw) {
        return bnn_fail(err, BNN_ERR_NUMERIC,
                        "%s holds %s; the training has diverged, and is not saved (try a lower "
                        "--lr)",
                        name, flaw);
    }
    return bnn_st_add_tensor(writer, name, BNN_ST_F32, param->ndim, param->shape, file, err);
}

/* What a training keeps of a parameter beside its value. */
static bnn_code add_state(bnn_st_writer *writer, const bnn_param *param, const char *slot,
                          const float *memory, bnn_arena *arena, float **copy, bnn_error *err) {
    const char *name = bnn_arena_format(arena, "optimizer.%s.%s", param->name, slot);
    return name ? add_tensor(writer, param, name, memory, copy, err)
                : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for saving");
}

static bnn_code add_all(bnn_st_writer *writer, const bnn_params *params, const bnn_params *trained,
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
                code = add_state(writer, p, optimizer->kind->slots[s],
                                 optimizer->host[s] + p->offset, arena, &copies[n++], err);
            }
        }
    }
    for (size_t i = 0; trained && code == BNN_OK && i < params->count; i++) {
        const bnn_param *p = params->list[i];
        code = add_state(writer, p, TRAINED, bnn_param_data(trained, p), arena, &copies[n++], err);
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
                             const bnn_params *trained, const bnn_optimizer *optimizer,
                             const bnn_meta *meta, size_t meta_count, bnn_error *err) {
    bnn_meta of_spec[BNN_SPEC_META], kind = {"format", BNN_CHECKPOINT_FORMAT};
    bnn_arena *arena = bnn_arena_create();
    bnn_st_writer *writer = bnn_st_writer_create();
    float **copies = calloc(params->count * (2 + BNN_MAX_SLOTS) + 1, sizeof *copies);
    bnn_code code = arena && writer && copies
                        ? BNN_OK
                        : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for saving", path);
    if (code == BNN_OK && !(code = bnn_meta_add(writer, &kind, 1, err)) &&
        !(code = bnn_meta_add(writer, of_spec, bnn_spec_meta(spec, arena, of_spec), err)) &&
        !(code = bnn_meta_add(writer, meta, meta_count, err)) &&
        !(code = add_all(writer, params, trained, optimizer, arena, copies, err))) {
        code = bnn_st_write(writer, path, err);
    }
    for (size_t i = 0; copies && i < params->count * (2 + BNN_MAX_SLOTS); i++) {
        free(copies[i]);
    }
    free(copies);
    bnn_st_writer_free(writer);
    bnn_arena_free(arena);
    return code;
}

/* ---- reading ---- */

static bnn_code read_state(const bnn_weights *weights, const bnn_param *param, const char *slot,
                           float *memory, bnn_error *err) {
    char name[320];
    snprintf(name, sizeof name, "optimizer.%s.%s", param->name, slot);
    return bnn_weights_read(weights, name, param, memory, err);
}

bnn_code bnn_checkpoint_read_optimizer(const bnn_weights *weights, const bnn_params *params,
                                       bnn_optimizer *optimizer, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (int s = 0; optimizer->kind->slots[s]; s++) {
        for (size_t i = 0; code == BNN_OK && i < params->count; i++) {
            const bnn_param *p = params->list[i];
            if (p->trainable) {
                code = read_state(weights, p, optimizer->kind->slots[s],
                                  optimizer->host[s] + p->offset, err);
            }
        }
    }
    return code;
}

bnn_code bnn_checkpoint_read_trained(const bnn_weights *weights, bnn_params *trained,
                                     bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < trained->count; i++) {
        const bnn_param *p = trained->list[i];
        code = read_state(weights, p, TRAINED, bnn_param_data(trained, p), err);
    }
    return code;
}
