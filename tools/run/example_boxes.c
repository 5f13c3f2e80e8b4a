#include "tools/run/example_boxes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/run/numbers.h"

enum { NUMBERS = 6, LEAST_SCORE = BNN_EXAMPLE_LARGEST / 10 };

static const void *field_of(const bnn_batch *batch, const char *name, size_t i) {
    const int f = bnn_field_find(batch->field, batch->field_count, name);
    return f < 0 || !batch->data[f]
               ? NULL
               : (const char *)batch->data[f] + i * bnn_field_bytes(&batch->field[f]);
}

static int16_t thousandths(double part) {
    return (int16_t)nearbyint(fmin(fmax(part, 0.0), 1.0) * BNN_EXAMPLE_LARGEST);
}

/* Its number among the scene's. */
static int class_of(bnn_scene *s, int32_t class) {
    int c = 0;
    while (c < s->classes && s->class[c] != class) {
        c++;
    }
    s->class[c] = class;
    s->classes += c == s->classes;
    return c;
}

/* score: -1 of a box that is there. */
static void add(bnn_scene *s, int32_t class, int score, const float *at) {
    bnn_example_box *b = &s->box[s->boxes++];
    b->class = (int16_t)class_of(s, class);
    b->score = (int16_t)score;
    for (int k = 0; k < 4; k++) {
        b->at[k] = thousandths((double)at[k] / (double)s->frame[k % 2 ? 0 : 1]);
    }
}

int bnn_scene_take(bnn_scene *s, const bnn_spec *spec, const bnn_batch *batch, size_t i,
                   const float *output) {
    const float *frame = field_of(batch, "frame", i), *truth = field_of(batch, "boxes", i);
    const int32_t *class = field_of(batch, "box_class", i);
    *s = (bnn_scene){.frame = {(float)spec->height, (float)spec->width}};
    if (frame) {
        memcpy(s->frame, frame, sizeof s->frame);
    }
    if (!truth || !class || class[0] < 0 || s->frame[0] < 1.0f || s->frame[1] < 1.0f) {
        return 0;
    }
    for (int k = 0; k < spec->arch->detections && s->boxes < BNN_EXAMPLE_FOUND; k++) {
        const float *found = output + (size_t)k * BNN_DETECTION;
        const int score = thousandths((double)found[4]);
        if (found[5] >= 0.0f && score >= LEAST_SCORE) {
            add(s, (int32_t)found[5], score, found);
        }
    }
    for (int k = 0; k < BNN_MAX_BOXES && class[k] >= 0 && s->boxes < BNN_EXAMPLE_BOXES; k++) {
        add(s, class[k], -1, truth + 4 * (size_t)k);
    }
    return 1;
}

json_t *bnn_example_boxes_json(const bnn_example *x) {
    int16_t number[BNN_EXAMPLE_BOXES * NUMBERS];
    for (int i = 0; i < x->boxes; i++) {
        const bnn_example_box *b = &x->box[i];
        const int16_t values[NUMBERS] = {b->class, b->score, b->at[0],
                                         b->at[1], b->at[2], b->at[3]};
        memcpy(number + i * NUMBERS, values, sizeof values);
    }
    return bnn_numbers_json(number, NULL, (size_t)x->boxes * NUMBERS);
}

bnn_code bnn_example_boxes_read(const json_t *json, bnn_arena *arena, bnn_example *x) {
    int16_t number[BNN_EXAMPLE_BOXES * NUMBERS];
    const char *text = json_string_value(json);
    size_t count = 1;
    for (const char *at = text; at && *at && count <= BNN_EXAMPLE_BOXES * NUMBERS; at++) {
        count += *at == ' ';
    }
    if (!text || count % NUMBERS || count > BNN_EXAMPLE_BOXES * NUMBERS ||
        !bnn_numbers_read(json, -1, BNN_EXAMPLE_LARGEST, count, number, NULL)) {
        return BNN_ERR_FORMAT;
    }
    x->boxes = (int)(count / NUMBERS);
    x->box = bnn_arena_alloc(arena, (size_t)x->boxes * sizeof *x->box);
    for (int i = 0; x->box && i < x->boxes; i++) {
        const int16_t *n = number + i * NUMBERS;
        if (n[0] < 0 || n[0] >= x->classes || n[2] < 0 || n[3] < 0 || n[4] < n[2] || n[5] < n[3]) {
            return BNN_ERR_FORMAT;
        }
        x->box[i] = (bnn_example_box){n[0], n[1], {n[2], n[3], n[4], n[5]}};
    }
    return x->box ? BNN_OK : BNN_ERR_MEMORY;
}
