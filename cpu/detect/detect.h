/* The kernels of boxes, which decide and count more than they compute: one form for all instruction
 * sets. An image is one thread's; scratch is by thread. */
#ifndef BNN_CPU_DETECT_DETECT_H
#define BNN_CPU_DETECT_DETECT_H

#include "cpu/tiles/tiles.h"
#include "engine/boxes.h"

void bnn_find_frame(const bnn_stream *stream, size_t n, size_t h, size_t w, size_t c,
                    const float *x, float *frame);
void bnn_anchor_boxes(const bnn_stream *stream, const bnn_anchors *anchors, size_t n,
                      const float *frame, float *box);
size_t bnn_boxes_workspace(const bnn_stream *stream, size_t items, size_t keep);
void bnn_assign_boxes(const bnn_stream *stream, const bnn_boxes *boxes,
                      const bnn_ground_truth *truth, const bnn_matching *matching,
                      int32_t *assigned, void *ws);
void bnn_sample_boxes(const bnn_stream *stream, size_t n, size_t count,
                      const bnn_sampling *sampling, const int32_t *assigned, int32_t *sampled,
                      void *ws);
void bnn_sample_rois(const bnn_stream *stream, const bnn_boxes *boxes,
                     const bnn_ground_truth *truth, const bnn_matching *matching,
                     const bnn_sampling *sampling, float *sampled, int32_t *assigned, void *ws);
void bnn_box_targets(const bnn_stream *stream, const bnn_boxes *boxes,
                     const bnn_ground_truth *truth, const int32_t *assigned, const float *std,
                     float *target);
void bnn_decode_boxes(const bnn_stream *stream, const bnn_boxes *boxes, size_t per_box,
                      const float *delta, const float *std, float height, float width,
                      const float *frame, float *box);
void bnn_box_labels(const bnn_stream *stream, size_t n, size_t count, const bnn_ground_truth *truth,
                    const int32_t *assigned, int background, int32_t *label);
void bnn_count_boxes(const bnn_stream *stream, size_t n, size_t count, const int32_t *label,
                     int background, bnn_box_count rule, float *result);
void bnn_hard_negatives(const bnn_stream *stream, size_t n, size_t count, int background, int ratio,
                        const float *logits, const int32_t *label, int32_t *hard, void *ws);
void bnn_suppress(const bnn_stream *stream, const bnn_nms *s, const float *score, const float *box,
                  float *result, int32_t *index, void *ws);

/* ---- what these files share ---- */

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

#endif
