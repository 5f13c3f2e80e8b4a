/* Boxes by themselves: where anchors stand, how a box tells another one by four numbers and back,
 * what number a class gets, and what is put in order. */
#include <math.h>
#include <string.h>

#include "cpu/detect/detect.h"

/* ---- what is seen of an image ---- */

typedef struct frame_job {
    size_t h, w, c;
    const float *x;
    float *frame;
} frame_job;

/* How many of x's values are left when those that are 0 are taken off its end. */
static size_t without_zeros(const float *x, size_t count) {
    while (count > 0 && x[count - 1] == 0.0f) {
        count--;
    }
    return count;
}

static void frame_of_image(void *context, size_t image, int worker) {
    const frame_job *j = context;
    const size_t row = j->w * j->c;
    const float *x = j->x + image * j->h * row;
    const size_t height = (without_zeros(x, j->h * row) + row - 1) / row;
    size_t values = 0;
    (void)worker;
    for (size_t y = 0; y < height; y++) {
        values += without_zeros(x + y * row + values, row - values);
    }
    j->frame[2 * image] = (float)(height > 0 ? height : j->h);
    j->frame[2 * image + 1] = (float)(height > 0 ? (values + j->c - 1) / j->c : j->w);
}

void bnn_find_frame(const bnn_stream *stream, size_t n, size_t h, size_t w, size_t c,
                    const float *x, float *frame) {
    frame_job job = {h, w, c, x, frame};
    bnn_for_each(stream, n, frame_of_image, &job);
}

/* ---- where anchors stand ---- */

typedef struct anchors_job {
    const bnn_anchors *anchors;
    const float *frame;
    float *box;
} anchors_job;

static void anchors_of_image(void *context, size_t image, int worker) {
    const anchors_job *j = context;
    const bnn_anchors *a = j->anchors;
    const size_t count = (size_t)a->h * (size_t)a->w * (size_t)a->count;
    (void)worker;
    for (size_t i = 0; i < count; i++) {
        if (j->frame == NULL) {
            bnn_anchor_box(a, i, j->box + 4 * i);
        } else {
            bnn_anchor_roi(a, image, i, j->frame + 2 * image, j->box + 5 * (image * count + i));
        }
    }
}

void bnn_anchor_boxes(const bnn_stream *stream, const bnn_anchors *a, size_t n, const float *frame,
                      float *box) {
    anchors_job job = {a, frame, box};
    bnn_for_each(stream, frame == NULL ? 1 : n, anchors_of_image, &job);
}

/* ---- a box by another ---- */

void bnn_box_targets(const bnn_stream *stream, const bnn_boxes *boxes,
                     const bnn_ground_truth *truth, const int32_t *assigned, const float *std,
                     float *target) {
    (void)stream;
    memset(target, 0, 4 * boxes->n * boxes->count * sizeof(float));
    for (size_t i = 0; i < boxes->n * boxes->count; i++) {
        size_t image = i / boxes->count;
        const float *box = bnn_box_at(boxes, image, i % boxes->count);
        if (assigned[i] > 0 && box != NULL) {
            size_t number = image * truth->count + (size_t)assigned[i] - 1;
            bnn_encode_box(box, truth->box + 4 * number, std, target + 4 * i);
        }
    }
}

typedef struct decode_job {
    const bnn_boxes *boxes;
    size_t per_box;
    const float *delta, *std;
    double height, width;
    const float *frame;
    float *box;
} decode_job;

static void decode_image(void *context, size_t image, int worker) {
    const decode_job *j = context;
    size_t values = j->boxes->count * j->per_box;
    double height = j->frame == NULL ? j->height : (double)j->frame[2 * image];
    double width = j->frame == NULL ? j->width : (double)j->frame[2 * image + 1];
    (void)worker;
    for (size_t i = 0; i < values; i++) {
        const float *from = bnn_box_at(j->boxes, image, i / j->per_box);
        size_t at = 4 * (image * values + i);
        for (int k = 0; k < 4; k++) {
            j->box[at + (size_t)k] = NAN;
        }
        if (from != NULL) {
            bnn_decode_box(from, j->delta + at, j->std, height, width, j->box + at);
        }
    }
}

void bnn_decode_boxes(const bnn_stream *stream, const bnn_boxes *boxes, size_t per_box,
                      const float *delta, const float *std, float height, float width,
                      const float *frame, float *box) {
    decode_job job = {boxes, per_box, delta, std, (double)height, (double)width, frame, box};
    bnn_for_each(stream, boxes->n, decode_image, &job);
}

/* ---- labels ---- */

void bnn_box_labels(const bnn_stream *stream, size_t n, size_t count, const bnn_ground_truth *truth,
                    const int32_t *assigned, int background, int32_t *label) {
    (void)stream;
    for (size_t i = 0; i < n * count; i++) {
        size_t number = truth == NULL || assigned[i] <= 0
                            ? 0
                            : i / count * truth->count + (size_t)assigned[i] - 1;
        label[i] = assigned[i] < 0    ? -1
                   : assigned[i] == 0 ? background
                   : truth == NULL    ? 0
                                      : truth->label[number];
    }
}

void bnn_count_boxes(const bnn_stream *stream, size_t n, size_t count, const int32_t *label,
                     int background, bnn_box_count rule, float *result) {
    double sum = 0.0;
    (void)stream;
    for (size_t image = 0; image < n; image++) {
        size_t positive = 0, negative = 0;
        for (size_t i = image * count; i < (image + 1) * count; i++) {
            positive += label[i] >= 0 && label[i] < background;
            negative += label[i] == background;
        }
        int each = rule != BNN_COUNT_ALL;
        sum += (double)(each && positive == 0 ? 1 : positive);
        sum += rule == BNN_COUNT_POSITIVE ? 0.0 : (double)(each && negative == 0 ? 1 : negative);
    }
    *result = (float)(sum < 1.0 ? 1.0 : sum);
}

/* ---- order ---- */

/* Sinks item `at` of a heap whose top comes last. */
static void sink(bnn_item *item, size_t at, size_t count) {
    bnn_item moved = item[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && bnn_comes_first(item[child], item[child + 1]);
        if (!bnn_comes_first(moved, item[child])) {
            break;
        }
        item[at] = item[child];
    }
    item[at] = moved;
}

void bnn_sort_items(bnn_item *item, size_t count) {
    for (size_t i = count / 2; i-- > 0;) {
        sink(item, i, count);
    }
    for (size_t left = count; left > 1; left--) {
        bnn_item last = item[0];
        item[0] = item[left - 1];
        item[left - 1] = last;
        sink(item, 0, left - 1);
    }
}

/* ---- scratch ---- */

static size_t scratch_bytes(size_t items, size_t keep) {
    return (items * sizeof(bnn_item) + keep * sizeof(bnn_kept) + 63) / 64 * 64;
}

size_t bnn_boxes_workspace(const bnn_stream *stream, size_t items, size_t keep) {
    return (size_t)stream->device.threads * scratch_bytes(items, keep);
}

bnn_scratch bnn_scratch_of(void *ws, size_t items, size_t keep, int worker) {
    char *at = (char *)ws + (size_t)worker * scratch_bytes(items, keep);
    return (bnn_scratch){(bnn_item *)(void *)at,
                         (bnn_kept *)(void *)(at + items * sizeof(bnn_item))};
}
