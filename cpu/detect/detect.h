/* The kernels of boxes, which decide and count more than they compute: one form for all instruction
 * sets. An image is one thread's; scratch is by thread. */
#ifndef BNN_CPU_DETECT_DETECT_H
#define BNN_CPU_DETECT_DETECT_H

#include "cpu/tiles/tiles.h"

void bnn_anchor_boxes(const bnn_stream *stream, const bnn_anchors *anchors, float *box);
size_t bnn_boxes_workspace(const bnn_stream *stream, size_t items, size_t keep);
void bnn_assign_boxes(const bnn_stream *stream, const bnn_boxes *boxes, const bnn_sought *truth,
                      const bnn_matching *matching, int32_t *assigned, void *ws);
void bnn_sample_boxes(const bnn_stream *stream, size_t n, size_t count,
                      const bnn_sampling *sampling, const int32_t *assigned, int32_t *sampled,
                      void *ws);
void bnn_sample_rois(const bnn_stream *stream, const bnn_boxes *boxes, const bnn_sought *truth,
                     const bnn_matching *matching, const bnn_sampling *sampling, float *sampled,
                     int32_t *assigned, void *ws);
void bnn_box_targets(const bnn_stream *stream, const bnn_boxes *boxes, const bnn_sought *truth,
                     const int32_t *assigned, const float *std, float *target);
void bnn_decode_boxes(const bnn_stream *stream, const bnn_boxes *boxes, size_t per_box,
                      const float *delta, const float *std, float height, float width, float *box);
void bnn_box_labels(const bnn_stream *stream, size_t n, size_t count, const bnn_sought *truth,
                    const int32_t *assigned, int background, int32_t *label);
void bnn_count_boxes(const bnn_stream *stream, size_t n, size_t count, const int32_t *label,
                     int background, bnn_box_count rule, float *result);
void bnn_hard_negatives(const bnn_stream *stream, size_t n, size_t count, int background, int ratio,
                        const float *logits, const int32_t *label, int32_t *hard, void *ws);
void bnn_suppress(const bnn_stream *stream, const bnn_nms *s, const float *score, const float *box,
                  float *result, int32_t *index, void *ws);

/* ---- what these files share ---- */

/* What is put in order: the largest score first, of equals the smallest number. */
typedef struct bnn_item {
    double score;
    int32_t index;
} bnn_item;
void bnn_sort_items(bnn_item *item, size_t count);

/* What has been kept. */
typedef struct bnn_kept {
    float box[4];
    int32_t class;
} bnn_kept;

/* A thread's part of a workspace. */
typedef struct bnn_scratch {
    bnn_item *item;
    bnn_kept *kept;
} bnn_scratch;
bnn_scratch bnn_scratch_of(void *ws, size_t items, size_t keep, int worker);

/* Intersection over union; 0 / 0 is 0. In double, since thresholds decide. */
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
    const float *at = boxes->at + ((boxes->shared ? 0 : image * boxes->count) + index) * columns;
    return columns == 4 ? at : at[0] >= 0.0f ? at + 1 : NULL;
}

/* The truths of an image. */
static inline bnn_sought bnn_sought_of(const bnn_sought *truth, size_t image) {
    size_t first = image * truth->count;
    return (bnn_sought){truth->box + 4 * first, truth->class + first,
                        truth->ignore == NULL ? NULL : truth->ignore + first, truth->count};
}

/* Whether there is a truth of this number, and it is to be learned. */
static inline int bnn_is_truth(const bnn_sought *of_image, size_t index) {
    return of_image->class[index] >= 0 &&
           (of_image->ignore == NULL || of_image->ignore[index] == 0);
}

#endif
