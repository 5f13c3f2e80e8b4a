/* From what a detector says to detections, and where its anchors stand: mmdetection's settings. */
#include <math.h>

#include "models/nets/detector.h"

const float bnn_rpn_std[4] = {1.0f, 1.0f, 1.0f, 1.0f};
const float bnn_box_std[4] = {0.1f, 0.1f, 0.2f, 0.2f};

bnn_anchors bnn_ssd_anchors(int level, int small) {
    static const float stride[BNN_SSD_LEVELS] = {8.0f, 16.0f, 32.0f, 64.0f, 100.0f, 300.0f};
    static const double sizes[2][BNN_SSD_LEVELS + 1] = {{30, 60, 111, 162, 213, 264, 315},
                                                        {21, 45, 99, 153, 207, 261, 315}};
    const double least = sizes[small != 0][level], next = sizes[small != 0][level + 1];
    const int most_ratio = level >= 1 && level <= 3 ? 3 : 2;
    bnn_anchors a = {.stride = stride[level], .offset = 0.5f, .count = 2};
    a.width[0] = a.height[0] = (float)least;
    a.width[1] = a.height[1] = (float)sqrt(least * next);
    for (int ratio = 2; ratio <= most_ratio; ratio++) {
        const float large = (float)(least * sqrt(ratio)), little = (float)(least / sqrt(ratio));
        a.width[a.count] = a.height[a.count + 1] = large;
        a.height[a.count] = a.width[a.count + 1] = little;
        a.count += 2;
    }
    return a;
}

bnn_t bnn_ssd_detections(bnn_graph *g, bnn_t logits, bnn_t deltas, bnn_t anchors,
                         const size_t level[BNN_LEVELS_MOST], size_t most, int height, int width) {
    bnn_nms_attr attr = {.nms = {.most = most, .keep = 200, .score = 0.02f, .overlap = 0.45f},
                         .background = 1};
    for (int i = 0; i < BNN_LEVELS_MOST; i++) {
        attr.nms.level[i] = level[i];
    }
    bnn_t boxes = bnn_op_decode_boxes(g, deltas, anchors, bnn_box_std, height, width, BNN_NONE);
    return bnn_op_nms(g, bnn_op_softmax(g, logits, BNN_NONE), boxes, &attr);
}

bnn_anchors bnn_rpn_anchors(void) {
    static const double ratios[] = {0.5, 1.0, 2.0}; /* height by width */
    bnn_anchors a = {.stride = BNN_RCNN_STRIDE};
    for (int r = 0; r < 3; r++) {
        for (int scale = 2; scale <= 32; scale *= 2) {
            a.width[a.count] = (float)(BNN_RCNN_STRIDE * scale / sqrt(ratios[r]));
            a.height[a.count++] = (float)(BNN_RCNN_STRIDE * scale * sqrt(ratios[r]));
        }
    }
    return a;
}

bnn_t bnn_rpn_proposals(bnn_graph *g, bnn_t score, bnn_t deltas, bnn_t anchors, bnn_t frame,
                        size_t most, size_t keep) {
    const bnn_nms_attr attr = {.nms = {.most = most,
                                       .keep = keep,
                                       .score = -INFINITY,
                                       .overlap = 0.7f,
                                       .sized = 1,
                                       .rois = 1}};
    bnn_t boxes = bnn_op_decode_boxes(g, deltas, anchors, bnn_rpn_std, 0, 0, frame);
    return bnn_op_nms(g, score, boxes, &attr);
}

bnn_t bnn_rcnn_detections(bnn_graph *g, bnn_t logits, bnn_t deltas, bnn_t rois, bnn_t frame) {
    const bnn_nms_attr attr = {
        .nms = {.most = BNN_MAX_DIM, .keep = 100, .score = 0.02f, .overlap = 0.5f},
        .background = 1};
    bnn_t boxes = bnn_op_decode_boxes(g, deltas, rois, bnn_box_std, 0, 0, frame);
    return bnn_op_nms(g, bnn_op_softmax(g, logits, BNN_NONE), boxes, &attr);
}
