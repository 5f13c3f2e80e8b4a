#include "tools/run/examples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text.h"
#include "models/attention.h"
#include "tools/run/example_boxes.h"
#include "tools/run/numbers.h"

enum { LONGEST_NAME = 256 };

static const char *const fields[] = {"image", "points", "mel", "ids"};

/* Of those above, or NULL. */
static const char *known_field(const char *name) {
    for (size_t i = 0; name && i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(name, fields[i]) == 0) {
            return fields[i];
        }
    }
    return NULL;
}

/* ---- choosing ----------------------------------------------------------------------------- */
static int16_t rounded(double value, int least, int most) {
    return (int16_t)fmin(fmax(nearbyint(value), least), most);
}

/* What a sample loses so that it is small: points behind the first, which are as good as any;
 * channels that are no coordinates; every second pixel, or more. */
static void keep_shape(bnn_example *x, const bnn_field *field, int *step) {
    const int points = strcmp(field->name, "points") == 0;
    const int side = field->shape.h > field->shape.w ? field->shape.h : field->shape.w;
    *step = points ? 1 : (side + BNN_EXAMPLE_SIDE - 1) / BNN_EXAMPLE_SIDE;
    x->field = known_field(field->name);
    x->height = (field->shape.h + *step - 1) / *step;
    x->width = (field->shape.w + *step - 1) / *step;
    x->width = points && x->width > BNN_EXAMPLE_POINTS ? BNN_EXAMPLE_POINTS : x->width;
    x->channels = field->shape.c < 3 ? 1 : 3;
}

/* An image's bytes as they were; the values of another picture, from its least to its largest. */
static void keep_values(bnn_example *x, const bnn_spec *spec, const bnn_shape *shape, int step,
                        const float *from) {
    const int image = strcmp(x->field, "image") == 0, points = strcmp(x->field, "points") == 0;
    const size_t all = bnn_shape_count(*shape);
    float least = from[0], most = from[0];
    for (size_t i = 0; i < all; i++) {
        least = fminf(least, from[i]);
        most = fmaxf(most, from[i]);
    }
    const double range = most > least ? (double)most - (double)least : 1.0;
    int16_t *to = x->value;
    for (int y = 0; y < x->height; y++) {
        for (int w = 0; w < x->width; w++) {
            for (int c = 0; c < x->channels; c++) {
                const size_t pixel = (size_t)(y * step) * (size_t)shape->w + (size_t)(w * step);
                const double v = (double)from[pixel * (size_t)shape->c + (size_t)c];
                *to++ = points  ? rounded(v * BNN_EXAMPLE_LARGEST, -BNN_EXAMPLE_LARGEST,
                                          BNN_EXAMPLE_LARGEST)
                        : image ? rounded(v * (double)spec->std[c] + (double)spec->mean[c], 0, 255)
                                : rounded((v - (double)least) / range * 255.0, 0, 255);
            }
        }
    }
}

static const char *name_of(bnn_arena *arena, const bnn_spec *spec, int class) {
    const char *name = bnn_class_name(spec, class);
    const size_t length = strcspn(name, "\n");
    return length && length <= LONGEST_NAME ? bnn_arena_format(arena, "%.*s", (int)length, name)
                                            : bnn_arena_format(arena, "class %d", class);
}

static bnn_code fail_memory(bnn_error *err) {
    return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the examples");
}

static int is_text(const bnn_example *x) {
    return strcmp(x->field, "ids") == 0;
}

/* Room for all that has a size by now. */
static int allocate(bnn_example *x, bnn_arena *arena) {
    const size_t values = (size_t)x->height * (size_t)x->width * (size_t)x->channels;
    x->value = bnn_arena_alloc(arena, values * sizeof *x->value);
    x->truth = bnn_arena_alloc(arena, (size_t)x->labels * sizeof *x->truth);
    x->predicted = bnn_arena_alloc(arena, (size_t)x->labels * sizeof *x->predicted);
    x->name = bnn_arena_alloc(arena, (size_t)x->classes * sizeof *x->name);
    x->token = is_text(x) ? bnn_arena_alloc(arena, (size_t)x->width * sizeof *x->token) : NULL;
    return x->value && x->truth && x->predicted && x->name && (x->token || !is_text(x));
}

/* A sample whose label and prediction are looked at. */
typedef struct candidate {
    const bnn_spec *spec;
    const bnn_batch *batch;
    size_t index; /* in the batch */
    const bnn_field *field;
    const void *input;
    const float *output, *real; /* real: the target where it is no label */
    const int32_t *label;
    int labels, first, count; /* the classes that it may be of */
} candidate;

static int predict(const candidate *s, int i) {
    return bnn_largest(s->output + (size_t)i * (size_t)s->spec->classes, s->first, s->count);
}

static int is_wrong(const candidate *s) {
    for (int i = 0; s->label && i < s->labels; i++) {
        if (predict(s, i) != s->label[i]) {
            return 1;
        }
    }
    return 0;
}

/* Parts are named with all of their category; else there are two classes to name, or one. */
static int keep_labels(bnn_example *x, const candidate *s, bnn_arena *arena) {
    const int parts = s->spec->task->by_point, truth = s->label ? s->label[0] : 0;
    for (int c = 0; c < x->classes; c++) {
        x->name[c] = s->real ? bnn_arena_format(arena, "%.2f", (double)(c ? s->output : s->real)[0])
                             : name_of(arena, s->spec,
                                       parts ? s->first + c
                                       : c   ? predict(s, 0)
                                             : truth);
        if (!x->name[c]) {
            return 0;
        }
    }
    for (int i = 0; i < x->labels; i++) {
        x->truth[i] = parts ? s->label[i] - s->first : 0;
        x->predicted[i] = parts ? predict(s, i) - s->first : x->classes - 1;
    }
    return 1;
}

/* ---- texts ---- */
/* As many tokens as are no padding; without parameters nothing of their attention. */
static void keep_text_shape(bnn_example *x, const candidate *s, int attention) {
    const int mask = bnn_field_find(s->batch->field, s->batch->field_count, "mask");
    const int length = s->field->shape.w;
    const int32_t *of = mask < 0 ? NULL : s->batch->data[mask];
    x->field = known_field(s->field->name);
    for (x->width = 0; x->width < BNN_EXAMPLE_TOKENS && x->width < length; x->width++) {
        if (of && !of[s->index * (size_t)length + (size_t)x->width]) {
            break;
        }
    }
    x->height = attention ? x->width : 0;
    x->channels = 1;
}

/* A line of the vocabulary; its number where that is no text, or not short. */
static const char *token_of(bnn_arena *arena, const char *vocab, int32_t id) {
    const char *line = vocab ? vocab : "";
    for (int32_t i = 0; i < id && *line; i++) {
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    size_t length = strcspn(line, "\r\n"), sound = 0;
    for (size_t n = 1; n && sound < length; sound += n) {
        n = bnn_utf8_length(line + sound, length - sound);
    }
    return length && length <= LONGEST_NAME && sound == length
               ? bnn_arena_format(arena, "%.*s", (int)length, line)
               : bnn_arena_format(arena, "#%d", (int)id);
}

static bnn_code keep_text(bnn_examples *e, bnn_example *x, const candidate *s, bnn_error *err) {
    const int32_t *id = s->input;
    float share[BNN_EXAMPLE_TOKENS * BNN_EXAMPLE_TOKENS];
    for (int t = 0; t < x->width; t++) {
        x->token[t] = token_of(e->arena, s->spec->vocab, id[t]);
        if (!x->token[t]) {
            return fail_memory(err);
        }
    }
    bnn_code code = x->height ? bnn_attention_shares(s->spec, e->device, e->params, s->batch,
                                                     s->index, x->width, share, err)
                              : BNN_OK;
    for (int v = 0; code == BNN_OK && v < x->height * x->width; v++) {
        x->value[v] = rounded((double)share[v] * BNN_EXAMPLE_LARGEST, 0, BNN_EXAMPLE_LARGEST);
    }
    return code;
}

/* ---- pictures in which boxes are found ---- */
static int keep_names(bnn_example *x, const bnn_spec *spec, const bnn_scene *s, bnn_arena *arena) {
    x->box = bnn_arena_alloc(arena, (size_t)s->boxes * sizeof *x->box);
    for (int c = 0; x->box && c < s->classes; c++) {
        x->name[c] = name_of(arena, spec, s->class[c]);
        if (!x->name[c]) {
            return 0;
        }
    }
    x->boxes = s->boxes;
    return x->box != NULL;
}

/* Of the input, what the picture takes of it. */
static bnn_code keep_scene(bnn_examples *e, const bnn_spec *spec, const bnn_field *field,
                           const float *input, const bnn_scene *s, bnn_error *err) {
    bnn_example *x = &e->example[e->count];
    const int height = (int)s->frame[0] < field->shape.h ? (int)s->frame[0] : field->shape.h;
    const int width = (int)s->frame[1] < field->shape.w ? (int)s->frame[1] : field->shape.w;
    const int longer = height > width ? height : width;
    const int step = (longer + BNN_EXAMPLE_SCENE - 1) / BNN_EXAMPLE_SCENE;
    *x = (bnn_example){.field = known_field(field->name),
                       .height = (height + step - 1) / step,
                       .width = (width + step - 1) / step,
                       .channels = 3,
                       .classes = s->classes};
    if (!allocate(x, e->arena) || !keep_names(x, spec, s, e->arena)) {
        return fail_memory(err);
    }
    keep_values(x, spec, &field->shape, step, input);
    memcpy(x->box, s->box, (size_t)s->boxes * sizeof *x->box);
    e->count++;
    return BNN_OK;
}

/* The first that has something of a class that was not the first there before. */
static bnn_code offer_scene(bnn_examples *e, const bnn_spec *spec, const bnn_batch *batch, size_t i,
                            const float *output, bnn_error *err) {
    const int input = bnn_field_find(batch->field, batch->field_count, spec->arch->inputs[0]);
    bnn_scene s;
    if (input < 0 || e->count == BNN_EXAMPLES || batch->field[input].shape.c != 3 ||
        !bnn_scene_take(&s, spec, batch, i, output)) {
        return BNN_OK;
    }
    int first = s.boxes;
    while (first > 0 && s.box[first - 1].score < 0) {
        first--; /* those that are there stand last */
    }
    const int32_t kind = s.class[s.box[first].class];
    for (int k = 0; k < e->kinds; k++) {
        if (e->kind[k] == kind) {
            return BNN_OK;
        }
    }
    const bnn_field *field = &batch->field[input];
    e->kind[e->kinds++] = kind;
    return keep_scene(e, spec, field,
                      (const float *)batch->data[input] + i * bnn_shape_count(field->shape), &s,
                      err);
}

static bnn_code keep(bnn_examples *e, const candidate *s, int wrong, bnn_error *err) {
    bnn_example *x = &e->example[e->count];
    const int text = s->field->dtype == BNN_I32;
    int step = 1;
    if (text) {
        keep_text_shape(x, s, e->params != NULL);
    } else {
        keep_shape(x, s->field, &step);
    }
    x->labels = s->labels;
    x->classes = s->spec->task->by_point ? s->count : 1 + (wrong || s->real);
    if (!allocate(x, e->arena) || !keep_labels(x, s, e->arena)) {
        return fail_memory(err);
    }
    bnn_code code = text ? keep_text(e, x, s, err) : BNN_OK;
    if (!text) {
        keep_values(x, s->spec, &s->field->shape, step, s->input);
    }
    e->count += code == BNN_OK;
    return code;
}

static int is_new(const bnn_examples *e, int32_t kind) {
    for (int i = 0; i < e->kinds; i++) {
        if (e->kind[i] == kind) {
            return 0;
        }
    }
    return e->kinds < BNN_EXAMPLES - 1;
}

bnn_code bnn_examples_offer(bnn_examples *e, const bnn_spec *spec, const bnn_batch *batch, size_t i,
                            const float *output, bnn_error *err) {
    const bnn_task *task = spec->task;
    const int input = bnn_field_find(batch->field, batch->field_count, spec->arch->inputs[0]);
    const int target = bnn_field_find(batch->field, batch->field_count, task->target[0].name);
    if (task->boxes) {
        return offer_scene(e, spec, batch, i, output, err);
    }
    if (input < 0 || target < 0 || !batch->data[target] || !known_field(spec->arch->inputs[0])) {
        return BNN_OK;
    }
    const bnn_field *field = &batch->field[input];
    const size_t labels = bnn_shape_count(batch->field[target].shape);
    const void *truth =
        (const char *)batch->data[target] + i * bnn_field_bytes(&batch->field[target]);
    candidate s = {.spec = spec,
                   .batch = batch,
                   .index = i,
                   .field = field,
                   .input = (const char *)batch->data[input] + i * bnn_field_bytes(field),
                   .output = output,
                   .real = task->real_target ? truth : NULL,
                   .label = task->real_target ? NULL : truth,
                   .labels = labels < BNN_EXAMPLE_POINTS ? (int)labels : BNN_EXAMPLE_POINTS};
    int32_t kind = 0;
    if (s.label) {
        s.count = bnn_parts_beside(spec, s.label[0], &s.first);
        kind = task->by_point ? s.first : s.label[0];
    } else if (s.real) {
        kind = (int32_t)nearbyintf(s.real[0]);
    }
    const int new = is_new(e, kind);
    if ((!new && e->wrong) || (task->by_point && s.count > BNN_EXAMPLE_CLASSES)) {
        return BNN_OK;
    }
    const int wrong = is_wrong(&s);
    if (!new && !wrong) {
        return BNN_OK;
    }
    if (new) {
        e->kind[e->kinds++] = kind;
    }
    e->wrong |= wrong;
    return keep(e, &s, wrong, err);
}

/* ---- the file ----------------------------------------------------------------------------- */
static json_t *strings_json(const char *const *string, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        json_array_append_new(list, json_string(string[i]));
    }
    return list;
}

static json_t *example_json(const bnn_example *x) {
    const size_t values = (size_t)x->height * (size_t)x->width * (size_t)x->channels;
    const size_t labels = (size_t)x->labels;
    return json_pack(
        "{s:s, s:[i, i, i], s:o*, s:o*, s:o, s:o, s:o, s:o}", "field", x->field, "shape", x->height,
        x->width, x->channels, "tokens", x->token ? strings_json(x->token, x->width) : NULL,
        "boxes", x->box ? bnn_example_boxes_json(x) : NULL, "values",
        bnn_numbers_json(x->value, NULL, values), "classes", strings_json(x->name, x->classes),
        "truth", bnn_numbers_json(NULL, x->truth, labels), "predicted",
        bnn_numbers_json(NULL, x->predicted, labels));
}

json_t *bnn_examples_json(const bnn_examples *e) {
    json_t *list = json_array();
    for (size_t i = 0; i < e->count; i++) {
        if (json_array_append_new(list, example_json(&e->example[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static int read_strings(const json_t *list, bnn_arena *arena, int count, const char **out) {
    for (int i = 0; i < count; i++) {
        const char *string = json_string_value(json_array_get(list, (size_t)i));
        if (!string || strlen(string) > LONGEST_NAME) {
            return 0;
        }
        out[i] = bnn_arena_format(arena, "%s", string);
        if (!out[i]) {
            return 0;
        }
    }
    return json_array_size(list) == (size_t)count;
}

/* A side's size, or -1. */
static int side(const json_t *shape, size_t i, int least, int most) {
    const json_t *size = json_array_get(shape, i);
    const json_int_t value = json_is_integer(size) ? json_integer_value(size) : -1;
    return json_array_size(shape) == 3 && value >= least && value <= most ? (int)value : -1;
}

/* The shape, which must be one of its field's. */
static int read_shape(const json_t *shape, int scene, bnn_example *x) {
    const int points = strcmp(x->field, "points") == 0, text = is_text(x);
    const int most = text ? BNN_EXAMPLE_TOKENS : scene ? BNN_EXAMPLE_SCENE : BNN_EXAMPLE_SIDE;
    x->height = side(shape, 0, text ? 0 : 1, points ? 1 : most);
    x->width = side(shape, 1, 1, points ? BNN_EXAMPLE_POINTS : most);
    x->channels = side(shape, 2, 1, 3);
    return x->height >= 0 && x->width > 0 && (!text || !x->height || x->height == x->width) &&
           (points ? x->channels == 3 : x->channels == 1 || (x->channels == 3 && !text));
}

static bnn_code read_example(const json_t *json, bnn_arena *arena, bnn_example *x) {
    const json_t *names = json_object_get(json, "classes");
    const size_t classes = json_array_size(names);
    const json_t *truth = json_object_get(json, "truth");
    x->field = known_field(json_string_value(json_object_get(json, "field")));
    if (!x->field || classes == 0 || classes > BNN_EXAMPLE_CLASSES) {
        return BNN_ERR_FORMAT;
    }
    const json_t *boxes = json_object_get(json, "boxes");
    if (!read_shape(json_object_get(json, "shape"), boxes != NULL, x) ||
        (boxes && strcmp(x->field, "image") != 0)) {
        return BNN_ERR_FORMAT;
    }
    const int points = strcmp(x->field, "points") == 0;
    x->classes = (int)classes;
    x->labels = boxes ? 0
                : points && strchr(json_is_string(truth) ? json_string_value(truth) : "", ' ')
                    ? x->width
                    : 1;
    if (!allocate(x, arena)) {
        return BNN_ERR_MEMORY;
    }
    bnn_code code = boxes ? bnn_example_boxes_read(boxes, arena, x) : BNN_OK;
    if (code != BNN_OK) {
        return code;
    }
    const size_t values = (size_t)x->height * (size_t)x->width * (size_t)x->channels;
    const size_t labels = (size_t)x->labels;
    return bnn_numbers_read(json_object_get(json, "values"), points ? -BNN_EXAMPLE_LARGEST : 0,
                            points || is_text(x) ? BNN_EXAMPLE_LARGEST : 255, values, x->value,
                            NULL) &&
                   bnn_numbers_read(truth, 0, x->classes - 1, labels, NULL, x->truth) &&
                   bnn_numbers_read(json_object_get(json, "predicted"), 0, x->classes - 1, labels,
                                    NULL, x->predicted) &&
                   read_strings(names, arena, x->classes, x->name) &&
                   (!is_text(x) ||
                    read_strings(json_object_get(json, "tokens"), arena, x->width, x->token))
               ? BNN_OK
               : BNN_ERR_FORMAT;
}

bnn_code bnn_examples_read(const json_t *list, bnn_arena *arena, bnn_examples *out) {
    const size_t count = json_array_size(list);
    *out = (bnn_examples){.arena = arena};
    if (count == 0 || count > BNN_EXAMPLES) {
        return BNN_ERR_FORMAT;
    }
    for (size_t i = 0; i < count; i++) {
        bnn_code code = read_example(json_array_get(list, i), arena, &out->example[i]);
        if (code != BNN_OK) {
            return code;
        }
        out->count++;
    }
    return BNN_OK;
}
