/* What detectors share with each other and with the tests of their parts: where anchors stand, and
 * what becomes of scores and deltas. Detections are [N,1,D,6]: box (x1 y1 x2 y2, in pixels of the
 * input), score, class; the best first, and behind the last those of class -1. */
#ifndef BNN_MODELS_NETS_DETECTOR_H
#define BNN_MODELS_NETS_DETECTOR_H

#include "layers/layer.h"

/* ---- SSD of 300 x 300 pixels (Liu et al., ECCV 2016) ---- */
enum { BNN_SSD_LEVELS = 6 };
/* Anchors of a level: from 10 % of the picture's side on as for VOC, or from 7 % as for COCO, whose
 * boxes are smaller. */
bnn_anchors bnn_ssd_anchors(int level, int small);
/* From logits [N,1,P,classes + 1], the background last, and deltas [N,1,P,4]; of each level, so
 * many of P behind each other, the best `most` pairs of box and class. */
bnn_t bnn_ssd_detections(bnn_graph *g, bnn_t logits, bnn_t deltas, bnn_t anchors,
                         const size_t level[BNN_LEVELS_MOST], size_t most, int height, int width);

/* ---- Faster R-CNN on a map of stride 16 (Ren et al., NIPS 2015) ---- */
#define BNN_RCNN_STRIDE 16
bnn_anchors bnn_rpn_anchors(void);
/* Rois [N,1,keep,5] from scores [N,1,P,1] before the sigmoid and deltas [N,1,P,4], within frames
 * [N,1,1,2]: the best `most`, of which `keep` stay. */
bnn_t bnn_rpn_proposals(bnn_graph *g, bnn_t score, bnn_t deltas, bnn_t anchors, bnn_t frame,
                        size_t most, size_t keep);
/* From logits [N,1,R,classes + 1], the background last, and deltas [N,1,R,4 classes]. */
bnn_t bnn_rcnn_detections(bnn_graph *g, bnn_t logits, bnn_t deltas, bnn_t rois, bnn_t frame);

/* What is in regions of a map [N,h,w,C], rois [N,1,R,5]: logits [N,1,R,classes + 1], and *deltas
 * [N,1,R,4 classes]. */
bnn_t bnn_faster_rcnn_head(const bnn_build *b, const struct bnn_arch *arch, bnn_t map, bnn_t rois,
                           int classes, bnn_t *deltas);

/* bnn_output.part of detectors: logits and deltas of their (first) stage, its anchors; of two
 * stages, logits of one value, the images' frames, the map, and what is proposed. */
enum {
    BNN_PART_LOGITS,
    BNN_PART_DELTAS,
    BNN_PART_ANCHORS,
    BNN_PART_FRAME,
    BNN_PART_MAP,
    BNN_PART_ROIS,
    BNN_PART_ROI_LOGITS,
    BNN_PART_ROI_DELTAS
};

/* How deltas are measured: those of a first stage, and of all others. */
extern const float bnn_rpn_std[4], bnn_box_std[4];

#endif
