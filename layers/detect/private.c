#include "layers/detect/private.h"

bnn_boxes bnn_boxes_of(const bnn_graph *g, bnn_t boxes, int n) {
    bnn_shape s = bnn_shape_of(g, boxes);
    int rois = s.c == 5;
    return (bnn_boxes){.at = bnn_f32(g, boxes),
                       .n = (size_t)n,
                       .count = rois ? (size_t)s.w : (size_t)s.c / 4,
                       .shared = !rois,
                       .columns = rois ? 5 : 4};
}

int bnn_check_boxes(bnn_graph *g, const bnn_node *node, bnn_t boxes, int n) {
    bnn_shape s = bnn_shape_of(g, boxes);
    int rois = s.c == 5 && s.n == n && s.h == 1;
    int anchors = s.n == 1 && s.h == 1 && s.w == 1 && s.c % 4 == 0;
    return rois || anchors ||
           bnn_node_fail(g, node, "boxes [%d,%d,%d,%d] for %d images", s.n, s.h, s.w, s.c, n) ==
               BNN_OK;
}

int bnn_check_frame(bnn_graph *g, const bnn_node *node, bnn_t frame, int n) {
    if (frame < 0 || bnn_shape_equal(bnn_shape_of(g, frame), (bnn_shape){n, 1, 1, 2})) {
        return 1;
    }
    bnn_shape s = bnn_shape_of(g, frame);
    return bnn_node_fail(g, node, "frames [%d,%d,%d,%d] of %d images", s.n, s.h, s.w, s.c, n) ==
           BNN_OK;
}

bnn_ground_truth bnn_ground_truth_tensors(const bnn_graph *g, bnn_t box, bnn_t class,
                                          bnn_t ignore) {
    return (bnn_ground_truth){.box = bnn_f32(g, box),
                              .label = bnn_i32(g, class),
                              .ignore = bnn_i32(g, ignore),
                              .count = (size_t)bnn_shape_of(g, box).w};
}

int bnn_check_ground_truth(bnn_graph *g, const bnn_node *node, bnn_t box, bnn_t class,
                           bnn_t ignore) {
    bnn_shape s = bnn_shape_of(g, box), want = {s.n, 1, s.w, 1};
    int ok = s.h == 1 && s.c == 4 && bnn_shape_equal(bnn_shape_of(g, class), want) &&
             (ignore < 0 || bnn_shape_equal(bnn_shape_of(g, ignore), want));
    return ok || bnn_node_fail(g, node, "truths [%d,%d,%d,%d]", s.n, s.h, s.w, s.c) == BNN_OK;
}

size_t bnn_boxes_scratch(const bnn_graph *g, size_t items, size_t keep) {
    return bnn_graph_kernels(g)->boxes_workspace(bnn_graph_stream(g), items, keep);
}
