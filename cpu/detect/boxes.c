/* Boxes by themselves: where anchors stand, how a box tells another one by four numbers and back,
 * what number a class gets, and what is put in order. */
#include <math.h>
#include <string.h>

#include "cpu/detect/detect.h"

void bnn_anchor_boxes(const bnn_stream *stream, const bnn_anchors *a, float *box) {
    (void)stream;
    for (size_t i = 0; i < (size_t)a->h * (size_t)a->w * (size_t)a->count; i++) {
        bnn_anchor_box(a, i, box + 4 * i);
    }
}

void bnn_box_targets(const bnn_stream *stream, const bnn_boxes *boxes, const bnn_sought *truth,
                     const int32_t *assigned, const float *std, float *target) {
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
    float *box;
} decode_job;

static void decode_image(void *context, size_t image, int worker) {
    const decode_job *j = context;
    size_t values = j->boxes->count * j->per_box;
    (void)worker;
    for (size_t i = 0; i < values; i++) {
        const float *from = bnn_box_at(j->boxes, image, i / j->per_box);
        size_t at = 4 * (image * values + i);
        for (int k = 0; k < 4; k++) {
            j->box[at + (size_t)k] = NAN;
        }
        if (from != NULL) {
            bnn_decode_box(from, j->delta + at, j->std, j->height, j->width, j->box + at);
        }
    }
}

void bnn_decode_boxes(const bnn_stream *stream, const bnn_boxes *boxes, size_t per_box,
                      const float *delta, const float *std, float height, float width, float *box) {
    decode_job job = {boxes, per_box, delta, std, (double)height, (double)width, box};
    bnn_for_each(stream, boxes->n, decode_image, &job);
}

/* ---- labels ---- */

void bnn_box_labels(const bnn_stream *stream, size_t n, size_t count, const bnn_sought *truth,
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
