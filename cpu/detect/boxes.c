/* Boxes by themselves: where anchors stand, how a box tells another one by four numbers and back,
 * what number a class gets, and what is put in order. */
#include <math.h>
#include <string.h>

#include "cpu/detect/detect.h"

void bnn_anchor_boxes(const bnn_stream *stream, const bnn_anchors *a, float *box) {
    (void)stream;
    for (int i = 0; i < a->h * a->w; i++) {
        double y = ((double)(i / a->w) + (double)a->offset) * (double)a->stride;
        double x = ((double)(i % a->w) + (double)a->offset) * (double)a->stride;
        for (int k = 0; k < a->count; k++, box += 4) {
            double half_w = 0.5 * (double)a->width[k], half_h = 0.5 * (double)a->height[k];
            box[0] = (float)(x - half_w);
            box[1] = (float)(y - half_h);
            box[2] = (float)(x + half_w);
            box[3] = (float)(y + half_h);
        }
    }
}

/* ---- a box by another ---- */

typedef struct placed {
    double x, y, w, h; /* of the middle, and sizes */
} placed;

static placed place_of(const float *box) {
    double w = (double)box[2] - (double)box[0], h = (double)box[3] - (double)box[1];
    return (placed){(double)box[0] + 0.5 * w, (double)box[1] + 0.5 * h, w, h};
}

void bnn_box_targets(const bnn_stream *stream, const bnn_boxes *boxes, const bnn_sought *truth,
                     const int32_t *assigned, const float *std, float *target) {
    (void)stream;
    memset(target, 0, 4 * boxes->n * boxes->count * sizeof(float));
    for (size_t i = 0; i < boxes->n * boxes->count; i++) {
        size_t image = i / boxes->count;
        const float *box = bnn_box_at(boxes, image, i % boxes->count);
        if (assigned[i] <= 0 || box == NULL) {
            continue;
        }
        size_t number = image * truth->count + (size_t)assigned[i] - 1;
        placed p = place_of(box), t = place_of(truth->box + 4 * number);
        target[4 * i] = (float)((t.x - p.x) / p.w / (double)std[0]);
        target[4 * i + 1] = (float)((t.y - p.y) / p.h / (double)std[1]);
        target[4 * i + 2] = (float)(log(t.w / p.w) / (double)std[2]);
        target[4 * i + 3] = (float)(log(t.h / p.h) / (double)std[3]);
    }
}

static double within(double x, double least, double most) {
    return x < least ? least : x > most ? most : x;
}

static void decode(const float *from, const float *delta, const float *std, double height,
                   double width, float *box) {
    const double most = log(1000.0 / 16.0);
    placed p = place_of(from);
    double x = p.x + (double)delta[0] * (double)std[0] * p.w;
    double y = p.y + (double)delta[1] * (double)std[1] * p.h;
    double w = 0.5 * p.w * exp(within((double)delta[2] * (double)std[2], -most, most));
    double h = 0.5 * p.h * exp(within((double)delta[3] * (double)std[3], -most, most));
    double side[4] = {x - w, y - h, x + w, y + h};
    for (int k = 0; k < 4; k++) {
        double limit = k % 2 ? height : width;
        box[k] = (float)(limit > 0.0 ? within(side[k], 0.0, limit) : side[k]);
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
            decode(from, j->delta + at, j->std, j->height, j->width, j->box + at);
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
                                      : truth->class[number];
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

/* Does a come before b? Numbers differ, so of two one does. */
static int comes_first(bnn_item a, bnn_item b) {
    return a.score > b.score || (a.score == b.score && a.index < b.index);
}

/* Sinks item `at` of a heap whose top comes last. */
static void sink(bnn_item *item, size_t at, size_t count) {
    bnn_item moved = item[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && comes_first(item[child], item[child + 1]);
        if (!comes_first(moved, item[child])) {
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
