#include "tools/predict/sample.h"

#include <stdlib.h>
#include <string.h>

#include "data_loaders/audio/audio.h"
#include "data_loaders/boxes/boxes.h"
#include "data_loaders/dataset.h"
#include "data_loaders/image/image.h"
#include "tools/run/data_spec.h"

static bnn_code read_image(bnn_sample *s, const char *path, const bnn_map *map, bnn_error *err) {
    const bnn_spec *spec = &s->model->spec;
    if (s->view) {
        return bnn_boxed_see(s->view, path, map->data, map->size, s->data[0], s->frame, err);
    }
    const size_t values = bnn_shape_count(s->field[0].shape);
    const bnn_dataset_info *info = bnn_dataset_find(spec->dataset);
    bnn_code code = info && info->show && bnn_shape_equal(spec->picture, info->picture)
                        ? info->show(path, map->data, map->size, s->pixels, err)
                        : bnn_image_file_read(path, map->data, map->size, spec->picture,
                                              spec->height, spec->width, s->pixels, err);
    float *input = s->data[0];
    for (size_t i = 0; code == BNN_OK && i < values; i++) {
        input[i] = ((float)s->pixels[i] - spec->mean[i % 3]) / spec->std[i % 3];
    }
    return code;
}

static bnn_code read_clip(bnn_sample *s, const char *path, const bnn_map *map, bnn_error *err) {
    return bnn_clip_features(path, map->data, map->size, s->data[0], err);
}

/* What its data set has to say of a cloud, it says of a test sample. */
static bnn_code read_cloud(bnn_sample *s, const char *path, const bnn_map *map, bnn_error *err) {
    const bnn_dataset_info *info = bnn_dataset_find(s->model->spec.dataset);
    if (!info || !info->draw) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: how its clouds are prepared is not known, as it was trained on '%s'",
                        s->model->path, s->model->spec.dataset);
    }
    bnn_cloud_free(&s->cloud);
    bnn_code code = bnn_cloud_parse(path, map->data, map->size, &s->cloud, err);
    return code == BNN_OK
               ? info->draw(path, &s->cloud, NULL, (size_t)s->field[0].shape.w, s->data[0], err)
               : code;
}

static const struct {
    const char *input;
    bnn_shape shape; /* that there is; 0: any */
    bnn_code (*read)(bnn_sample *s, const char *path, const bnn_map *map, bnn_error *err);
} readers[] = {{"image", {1, 0, 0, 3}, read_image},
               {"mel", {1, BNN_MELS, BNN_FRAMES, 1}, read_clip},
               {"points", {1, 1, 0, 6}, read_cloud}};

static bnn_code find_reader(bnn_sample *s, bnn_error *err) {
    const bnn_shape have = s->field[0].shape;
    for (int i = 0; i < (int)(sizeof readers / sizeof *readers); i++) {
        const bnn_shape r = readers[i].shape;
        if (strcmp(readers[i].input, s->field[0].name) == 0 && (!r.h || r.h == have.h) &&
            (!r.w || r.w == have.w) && r.c == have.c) {
            s->reader = i;
            return BNN_OK;
        }
    }
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "%s: sees '%s' of %dx%dx%d values, which no file is read as", s->model->path,
                    s->field[0].name, have.c, have.h, have.w);
}

bnn_code bnn_sample_of_file(bnn_sample *s, const char *path, const bnn_map *map, bnn_error *err) {
    return readers[s->reader].read(s, path, map, err);
}

bnn_code bnn_sample_of_text(bnn_sample *s, const char *name, const char *const text[2],
                            const size_t size[2], bnn_error *err) {
    const bnn_dataset_info *info = bnn_dataset_find(s->model->spec.dataset);
    bnn_code code = BNN_OK;
    s->unlike += info && info->pairs != (text[1] != NULL);
    for (int i = 0; i < 2; i++) {
        s->tokens[i].count = 0;
        if (code == BNN_OK && text[i]) {
            code = bnn_wordpiece(s->vocab, name, text[i], size[i], &s->tokens[i], err);
        }
    }
    if (code == BNN_OK) {
        bnn_text_features(s->vocab, &s->tokens[0], &s->tokens[1], (size_t)s->field[0].shape.w,
                          s->data[0], s->data[1], s->data[2]);
    }
    return code;
}

bnn_code bnn_sample_of_line(bnn_sample *s, const char *name, const char *line, size_t size,
                            bnn_error *err) {
    const char *tab = memchr(line, '\t', size);
    const size_t first = tab ? (size_t)(tab - line) : size;
    return bnn_sample_of_text(s, name, (const char *[2]){line, tab ? tab + 1 : NULL},
                              (size_t[2]){first, tab ? size - first - 1 : 0}, err);
}

int bnn_sample_is_text(const bnn_sample *s) {
    return s->vocab != NULL;
}

static bnn_code read_vocab(bnn_sample *s, bnn_error *err) {
    const char *vocab = s->model->spec.vocab;
    if (!*vocab) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: has no vocabulary with it", s->model->path);
    }
    return bnn_vocab_parse(s->model->path, (const unsigned char *)vocab, strlen(vocab), &s->vocab,
                           err);
}

/* As its data set shows photographs, with what travels with the model. */
static bnn_code plan_view(bnn_sample *s, bnn_error *err) {
    const bnn_spec *spec = &s->model->spec;
    const bnn_dataset_info *info = bnn_dataset_find(spec->dataset);
    if (!info || bnn_task_find(info->task)->boxes == 0) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: how its photographs are seen is not known, as it was trained on '%s'",
                        s->model->path, spec->dataset);
    }
    const bnn_dataset_options options = {.view = bnn_view_of(spec, info)};
    bnn_code code = bnn_dataset_plan(info, &options, &s->view, err);
    if (code == BNN_OK && !bnn_shape_equal(s->view->field[0].shape, s->field[0].shape)) {
        code = bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s: sees %dx%d pixels, which is no square",
                        s->model->path, spec->width, spec->height);
    }
    if (code == BNN_OK) {
        bnn_dataset_normalize(s->view, spec->mean, spec->std);
    }
    return code;
}

bnn_code bnn_sample_create(bnn_sample *s, const bnn_loaded *model, bnn_error *err) {
    *s = (bnn_sample){.model = model, .reader = -1};
    bnn_spec_fields(&model->spec, s->field, &s->inputs);
    s->pixels = malloc(bnn_shape_count(s->field[0].shape));
    int room = s->pixels != NULL;
    for (int i = 0; i < s->inputs; i++) {
        s->data[i] = malloc(bnn_field_bytes(&s->field[i]));
        room = room && s->data[i];
    }
    if (room && model->spec.task->boxes) {
        bnn_code code = plan_view(s, err);
        if (code != BNN_OK) {
            return code;
        }
    }
    return !room ? bnn_fail(err, BNN_ERR_MEMORY, "out of memory for a sample")
                 : (strcmp(s->field[0].name, "ids") == 0 ? read_vocab : find_reader)(s, err);
}

void bnn_sample_free(bnn_sample *s) {
    for (int i = 0; i < s->inputs; i++) {
        free(s->data[i]);
    }
    free(s->pixels);
    bnn_dataset_close(s->view);
    bnn_cloud_free(&s->cloud);
    bnn_vocab_free(s->vocab);
    free(s->tokens[0].id);
    free(s->tokens[1].id);
}
