/* What kernels of detectors compute of one box, one pair of boxes, one point of a region, shared by
 * C and CUDA: choices hang on it, and every device must come to the same. In double, since
 * thresholds decide. */
#ifndef BNN_ENGINE_BOXES_H
#define BNN_ENGINE_BOXES_H

#include <math.h>

#include "engine/kernels.h"

/* Intersection over union; 0 / 0 is 0. */
static inline double bnn_overlap(const float *a, const float *b) {
    double left = (double)(a[0] > b[0] ? a[0] : b[0]), right = (double)(a[2] < b[2] ? a[2] : b[2]);
    double top = (double)(a[1] > b[1] ? a[1] : b[1]), end = (double)(a[3] < b[3] ? a[3] : b[3]);
    double both = right > left && end > top ? (right - left) * (end - top) : 0.0;
    double of_a = ((double)a[2] - (double)a[0]) * ((double)a[3] - (double)a[1]);
    double of_b = ((double)b[2] - (double)b[0]) * ((double)b[3] - (double)b[1]);
    return both > 0.0 ? both / (of_a + of_b - both) : 0.0;
}

/* Box `index` of an image, or NULL where there is none. */
static inline const float *bnn_box_at(const bnn_boxes *boxes, size_t image, size_t index) {
    size_t columns = (size_t)boxes->columns;
    if (boxes->at == NULL) {
        return NULL;
    }
    const float *at = boxes->at + ((boxes->shared ? 0 : image * boxes->count) + index) * columns;
    return columns == 4 ? at : at[0] >= 0.0f ? at + 1 : NULL;
}

/* The truths of an image. */
static inline bnn_ground_truth bnn_ground_truth_of(const bnn_ground_truth *truth, size_t image) {
    size_t first = image * truth->count;
    bnn_ground_truth own = {truth->box + 4 * first, truth->label + first,
                            truth->ignore == NULL ? NULL : truth->ignore + first, truth->count};
    return own;
}

/* Whether there is a truth of this number, and it is to be learned. */
static inline int bnn_is_truth(const bnn_ground_truth *of_image, size_t index) {
    return of_image->label[index] >= 0 &&
           (of_image->ignore == NULL || of_image->ignore[index] == 0);
}

/* Anchor i of [h][w][count]. */
static inline void bnn_anchor_box(const bnn_anchors *a, size_t i, float *box) {
    size_t cell = i / (size_t)a->count, k = i % (size_t)a->count, w = (size_t)a->w;
    double y = ((double)(cell / w) + (double)a->offset) * (double)a->stride;
    double x = ((double)(cell % w) + (double)a->offset) * (double)a->stride;
    double half_w = 0.5 * (double)a->width[k], half_h = 0.5 * (double)a->height[k];
    box[0] = (float)(x - half_w);
    box[1] = (float)(y - half_h);
    box[2] = (float)(x + half_w);
    box[3] = (float)(y + half_h);
}

/* The anchor as a roi of an image, of which frame[2] is seen. */
static inline void bnn_anchor_roi(const bnn_anchors *a, size_t image, size_t i, const float *frame,
                                  float *roi) {
    bnn_anchor_box(a, i, roi + 1);
    double y = 0.5 * ((double)roi[2] + (double)roi[4]), x = 0.5 * ((double)roi[1] + (double)roi[3]);
    roi[0] = y < (double)frame[0] && x < (double)frame[1] ? (float)image : -1.0f;
}

/* ---- a box by another (kernels.h: box_targets, decode_boxes) ---- */

typedef struct bnn_placed {
    double x, y, w, h; /* of the middle, and sizes */
} bnn_placed;

static inline bnn_placed bnn_place_of(const float *box) {
    double w = (double)box[2] - (double)box[0], h = (double)box[3] - (double)box[1];
    bnn_placed p = {(double)box[0] + 0.5 * w, (double)box[1] + 0.5 * h, w, h};
    return p;
}

static inline void bnn_encode_box(const float *box, const float *truth, const float *std,
                                  float *target) {
    bnn_placed p = bnn_place_of(box), t = bnn_place_of(truth);
    target[0] = (float)((t.x - p.x) / p.w / (double)std[0]);
    target[1] = (float)((t.y - p.y) / p.h / (double)std[1]);
    target[2] = (float)(log(t.w / p.w) / (double)std[2]);
    target[3] = (float)(log(t.h / p.h) / (double)std[3]);
}

static inline double bnn_within(double x, double least, double most) {
    return x < least ? least : x > most ? most : x;
}

static inline void bnn_decode_box(const float *from, const float *delta, const float *std,
                                  double height, double width, float *box) {
    const double most = log(1000.0 / 16.0);
    bnn_placed p = bnn_place_of(from);
    double x = p.x + (double)delta[0] * (double)std[0] * p.w;
    double y = p.y + (double)delta[1] * (double)std[1] * p.h;
    double w = 0.5 * p.w * exp(bnn_within((double)delta[2] * (double)std[2], -most, most));
    double h = 0.5 * p.h * exp(bnn_within((double)delta[3] * (double)std[3], -most, most));
    double side[4] = {x - w, y - h, x + w, y + h};
    for (int k = 0; k < 4; k++) {
        double limit = k % 2 ? height : width;
        box[k] = (float)(limit > 0.0 ? bnn_within(side[k], 0.0, limit) : side[k]);
    }
}

/* ---- order ---- */

/* What is put in order: the largest score first, of equals the smallest number. */
typedef struct bnn_item {
    double score;
    int32_t index;
} bnn_item;

/* Does a come before b? Numbers differ, so of two one does. */
static inline int bnn_comes_first(bnn_item a, bnn_item b) {
    return a.score > b.score || (a.score == b.score && a.index < b.index);
}

/* By what the background is put in order: its cross-entropy in a row of logits. */
static inline double bnn_background_loss(int background, const float *logits) {
    double most = (double)logits[0], sum = 0.0;
    for (int c = 1; c <= background; c++) {
        most = (double)logits[c] > most ? (double)logits[c] : most;
    }
    for (int c = 0; c <= background; c++) {
        sum += exp((double)logits[c] - most);
    }
    double loss = most + log(sum) - (double)logits[background];
    return isnan(loss) ? (double)INFINITY : loss; /* whoever reads it learns that it broke */
}

/* Is there one? Deltas of nothing become NAN. */
static inline int bnn_is_there(const float *b) {
    return !isnan(b[0]);
}

/* Can this box be kept? */
static inline int bnn_is_box(const bnn_nms *s, const float *b) {
    double w = (double)b[2] - (double)b[0], h = (double)b[3] - (double)b[1];
    return isfinite(w) && isfinite(h) && (!s->sized || (w > 0.0 && h > 0.0));
}

/* The boxes of pair `number` of a row and a class, in those of its image. */
static inline const float *bnn_box_of_pair(const bnn_nms *s, const float *box, int32_t number) {
    return box + 4 * ((size_t)number / (s->by_class ? 1 : s->classes));
}

/* A row of the result; `own` NULL: behind what was kept. */
static inline void bnn_tell_box(const bnn_nms *s, size_t image, const float *own, double score,
                                int32_t label, float *row) {
    for (int k = 0; k < 4; k++) {
        row[k + (s->rois ? 1 : 0)] = own != NULL ? own[k] : 0.0f;
    }
    if (s->rois) {
        row[0] = own != NULL ? (float)image : -1.0f;
    } else {
        row[4] = own != NULL ? (float)score : 0.0f;
        row[5] = own != NULL ? (float)label : -1.0f;
    }
}

/* ---- losses ---- */

/* Where the four values of a row are that count, or NULL. */
static inline const float *bnn_own_box(size_t row, int background, int by_class, const float *x,
                                       const int32_t *label) {
    if (label[row] < 0 || label[row] >= background) {
        return NULL;
    }
    return x + 4 * (by_class ? row * (size_t)background + (size_t)label[row] : row);
}

static inline double bnn_smooth_l1(float x, float target, float beta) {
    double d = fabs((double)x - (double)target), width = (double)beta;
    return d < width ? d * d / (2.0 * width) : d - 0.5 * width;
}

static inline float bnn_smooth_l1_slope(float x, float target, float beta) {
    float d = x - target;
    return fabsf(d) < beta ? d / beta : d > 0.0f ? 1.0f : d < 0.0f ? -1.0f : d;
}

/* Label 0: it is there. */
static inline double bnn_objectness(float x, int32_t label) {
    double v = label == 0 ? -(double)x : (double)x;
    return (v > 0.0 ? v : v * 0.0) + log1p(exp(-fabs(v))); /* NaN stays NaN */
}

/* ---- regions ---- */

/* Points of a region along one axis: `size` places of `points` each. */
typedef struct bnn_region_axis {
    double start, step;
    int points;
} bnn_region_axis;

static inline bnn_region_axis bnn_region_of(double from, double to, float scale, int size,
                                            int pixels) {
    double start = from * (double)scale - 0.5, length = (to - from) * (double)scale;
    double points = ceil(length / size);
    /* More points than pixels are of no region that lies in the map. */
    points = points > (double)pixels + 2.0 ? (double)pixels + 2.0 : points;
    bnn_region_axis axis = {start, length / size, points > 0.0 ? (int)points : 0};
    return axis;
}

/* The two pixels beside a point, and how much each counts; 0 where it is beyond the map. */
typedef struct bnn_region_tap {
    int low, high;
    float of_low, of_high;
} bnn_region_tap;

static inline int bnn_region_point(const bnn_region_axis *axis, int place, int point, int pixels,
                                   bnn_region_tap *tap) {
    double at = axis->start + axis->step * (place + (point + 0.5) / axis->points);
    if (!(at >= -1.0 && at <= (double)pixels)) {
        return 0;
    }
    at = at > 0.0 ? at : 0.0;
    int low = (int)at < pixels - 1 ? (int)at : pixels - 1;
    float part = low == pixels - 1 ? 0.0f : (float)(at - low);
    tap->low = low;
    tap->high = low < pixels - 1 ? low + 1 : low;
    tap->of_low = 1.0f - part;
    tap->of_high = part;
    return 1;
}

#endif
