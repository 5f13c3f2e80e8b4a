#include "tools/run/examples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 256 };

static const char *const fields[] = {"image", "points", "mel"};

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

/* Room for all that has a size by now. */
static int allocate(bnn_example *x, bnn_arena *arena) {
    const size_t values = (size_t)x->height * (size_t)x->width * (size_t)x->channels;
    x->value = bnn_arena_alloc(arena, values * sizeof *x->value);
    x->truth = bnn_arena_alloc(arena, (size_t)x->labels * sizeof *x->truth);
    x->predicted = bnn_arena_alloc(arena, (size_t)x->labels * sizeof *x->predicted);
    x->name = bnn_arena_alloc(arena, (size_t)x->classes * sizeof *x->name);
    return x->value && x->truth && x->predicted && x->name;
}

/* A sample whose label and prediction are looked at. */
typedef struct candidate {
    const bnn_spec *spec;
    const bnn_field *field;
    const float *input, *output;
    const int32_t *label;
    int labels, first, count; /* the classes that it may be of */
} candidate;

static int predict(const candidate *s, int i) {
    return bnn_largest(s->output + (size_t)i * (size_t)s->spec->classes, s->first, s->count);
}

static int is_wrong(const candidate *s) {
    for (int i = 0; i < s->labels; i++) {
        if (predict(s, i) != s->label[i]) {
            return 1;
        }
    }
    return 0;
}

/* Parts are named with all of their category; else there are two classes to name, or one. */
static int keep_labels(bnn_example *x, const candidate *s, bnn_arena *arena) {
    const int parts = s->spec->task->by_point;
    for (int c = 0; c < x->classes; c++) {
        x->name[c] = name_of(arena, s->spec,
                             parts ? s->first + c
                             : c   ? predict(s, 0)
                                   : s->label[0]);
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

static bnn_code keep(bnn_examples *e, const candidate *s, int wrong, bnn_error *err) {
    bnn_example *x = &e->example[e->count];
    int step;
    keep_shape(x, s->field, &step);
    x->labels = s->labels;
    x->classes = s->spec->task->by_point ? s->count : 1 + wrong;
    if (!allocate(x, e->arena) || !keep_labels(x, s, e->arena)) {
        return fail_memory(err);
    }
    keep_values(x, s->spec, &s->field->shape, step, s->input);
    e->count++;
    return BNN_OK;
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
    const int target = bnn_field_find(batch->field, batch->field_count, task->target);
    if (input < 0 || target < 0 || !known_field(spec->arch->inputs[0])) {
        return BNN_OK;
    }
    const bnn_field *field = &batch->field[input];
    const size_t values = bnn_shape_count(field->shape);
    const size_t labels = bnn_shape_count(batch->field[target].shape);
    candidate s = {.spec = spec,
                   .field = field,
                   .input = (const float *)batch->data[input] + i * values,
                   .output = output,
                   .label = (const int32_t *)batch->data[target] + i * labels,
                   .labels = labels < BNN_EXAMPLE_POINTS ? (int)labels : BNN_EXAMPLE_POINTS};
    s.count = bnn_parts_beside(spec, s.label[0], &s.first);
    const int32_t kind = task->by_point ? s.first : s.label[0];
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
/* Whole numbers with a blank between them: a line of the file, where an array would be thousands.
 * Exactly one of the two is given. */
static json_t *numbers_json(const int16_t *small, const int32_t *large, size_t count) {
    char *text = malloc(count * 12 + 1), *at = text;
    for (size_t i = 0; text && i < count; i++) {
        at += sprintf(at, "%s%d", i ? " " : "", small ? small[i] : large ? (int)large[i] : 0);
    }
    json_t *json = text ? json_string(text) : NULL;
    free(text);
    return json;
}

static json_t *example_json(const bnn_example *x) {
    json_t *names = json_array();
    for (int c = 0; c < x->classes; c++) {
        json_array_append_new(names, json_string(x->name[c]));
    }
    const size_t values = (size_t)x->height * (size_t)x->width * (size_t)x->channels;
    const size_t labels = (size_t)x->labels;
    return json_pack("{s:s, s:[i, i, i], s:o, s:o, s:o, s:o}", "field", x->field, "shape",
                     x->height, x->width, x->channels, "values",
                     numbers_json(x->value, NULL, values), "classes", names, "truth",
                     numbers_json(NULL, x->truth, labels), "predicted",
                     numbers_json(NULL, x->predicted, labels));
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

/* Exactly so many numbers, of so many digits; 0: it is not that. */
static int read_numbers(const json_t *json, int least, int most, size_t count, int16_t *small,
                        int32_t *large) {
    const char *at = json_string_value(json);
    for (size_t i = 0; at && i < count; i++) {
        if (i && *at++ != ' ') {
            return 0;
        }
        const int sign = *at == '-' ? -1 : 1;
        int value = 0, digits = 0;
        for (at += *at == '-'; *at >= '0' && *at <= '9' && digits < 4; digits++) {
            value = value * 10 + (*at++ - '0');
        }
        value *= sign;
        if (!digits || value < least || value > most) {
            return 0;
        }
        if (small) {
            small[i] = (int16_t)value;
        } else {
            large[i] = value;
        }
    }
    return at && !*at;
}

static int read_names(const json_t *list, bnn_arena *arena, bnn_example *x) {
    for (int c = 0; c < x->classes; c++) {
        const char *name = json_string_value(json_array_get(list, (size_t)c));
        if (!name || strlen(name) > LONGEST_NAME) {
            return 0;
        }
        x->name[c] = bnn_arena_format(arena, "%s", name);
        if (!x->name[c]) {
            return 0;
        }
    }
    return 1;
}

/* A side's size: 0 where it is none. */
static int side(const json_t *shape, size_t i, int most) {
    const json_int_t value = json_integer_value(json_array_get(shape, i));
    return json_array_size(shape) == 3 && value > 0 && value <= most ? (int)value : 0;
}

static bnn_code read_example(const json_t *json, bnn_arena *arena, bnn_example *x) {
    const json_t *shape = json_object_get(json, "shape"), *names = json_object_get(json, "classes");
    const size_t classes = json_array_size(names);
    const json_t *truth = json_object_get(json, "truth");
    x->field = known_field(json_string_value(json_object_get(json, "field")));
    if (!x->field || classes == 0 || classes > BNN_EXAMPLE_CLASSES) {
        return BNN_ERR_FORMAT;
    }
    const int points = strcmp(x->field, "points") == 0;
    x->height = side(shape, 0, points ? 1 : BNN_EXAMPLE_SIDE);
    x->width = side(shape, 1, points ? BNN_EXAMPLE_POINTS : BNN_EXAMPLE_SIDE);
    x->channels = side(shape, 2, 3);
    x->classes = (int)classes;
    x->labels =
        points && strchr(json_is_string(truth) ? json_string_value(truth) : "", ' ') ? x->width : 1;
    if (!x->height || !x->width || (x->channels != 3 && (points || x->channels != 1))) {
        return BNN_ERR_FORMAT;
    }
    if (!allocate(x, arena)) {
        return BNN_ERR_MEMORY;
    }
    const size_t values = (size_t)x->height * (size_t)x->width * (size_t)x->channels;
    const size_t labels = (size_t)x->labels;
    return read_numbers(json_object_get(json, "values"), points ? -BNN_EXAMPLE_LARGEST : 0,
                        points ? BNN_EXAMPLE_LARGEST : 255, values, x->value, NULL) &&
                   read_numbers(truth, 0, x->classes - 1, labels, NULL, x->truth) &&
                   read_numbers(json_object_get(json, "predicted"), 0, x->classes - 1, labels, NULL,
                                x->predicted) &&
                   read_names(names, arena, x)
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
