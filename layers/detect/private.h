/* Boxes and truths as the kernels want them. */
#ifndef BNN_LAYERS_DETECT_PRIVATE_H
#define BNN_LAYERS_DETECT_PRIVATE_H

#include "layers/ops.h"

/* Boxes of a batch of n images: rois [n,1,count,5], or the same anchors for all, [1,1,1,4 count].
 * `at` is NULL until the graph is bound. */
bnn_boxes bnn_boxes_of(const bnn_graph *g, bnn_t boxes, int n);
/* 0, and the graph's error, where the tensor is neither. */
int bnn_check_boxes(bnn_graph *g, const bnn_node *node, bnn_t boxes, int n);

/* Frames [n,1,1,2] of the images, or BNN_NONE. */
int bnn_check_frame(bnn_graph *g, const bnn_node *node, bnn_t frame, int n);

bnn_ground_truth bnn_ground_truth_tensors(const bnn_graph *g, bnn_t box, bnn_t class, bnn_t ignore);
int bnn_check_ground_truth(bnn_graph *g, const bnn_node *node, bnn_t box, bnn_t class,
                           bnn_t ignore);

/* Scratch for so many items in order (kernels.h). */
size_t bnn_boxes_scratch(const bnn_graph *g, size_t items, size_t keep);

#endif
