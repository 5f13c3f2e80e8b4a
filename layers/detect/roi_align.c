/* Regions of a map as images of one size (He et al., Mask R-CNN, ICCV 2017). */
#include "layers/ops.h"

enum { X, ROIS };

typedef struct roi_align_attr {
    int size;
    float scale;
} roi_align_attr;

static bnn_roi_align settings(const bnn_graph *g, const bnn_node *node) {
    const roi_align_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[X]);
    return (bnn_roi_align){.n = s.n,
                           .h = s.h,
                           .w = s.w,
                           .c = s.c,
                           .size = a->size,
                           .scale = a->scale,
                           .rois = bnn_shape_rows(bnn_shape_of(g, node->in[ROIS]))};
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const roi_align_attr *a = node->attr;
    bnn_shape rois = bnn_shape_of(g, node->in[ROIS]);
    double count = (double)bnn_shape_rows(rois);
    if (rois.c != 5 || a->size < 1 || a->size > 256 || count > BNN_MAX_DIM) {
        return bnn_node_fail(g, node, "%d columns of regions, %d pixels a side", rois.c, a->size);
    }
    bnn_node_output(g, node, BNN_F32,
                    (bnn_shape){(int)count, a->size, a->size, bnn_shape_of(g, node->in[X]).c});
    node->saved_in = BNN_SAVED(ROIS);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_roi_align s = settings(g, node);
    bnn_graph_kernels(g)->roi_align(bnn_graph_stream(g), &s, bnn_f32(g, node->in[X]),
                                    bnn_f32(g, node->in[ROIS]), bnn_f32(g, node->out[0]));
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    bnn_roi_align s = settings(g, node);
    if (node->want_grad[X]) {
        bnn_graph_kernels(g)->roi_align_backward(bnn_graph_stream(g), &s, bnn_grad(g, node->out[0]),
                                                 bnn_f32(g, node->in[ROIS]),
                                                 bnn_grad(g, node->in[X]), node->acc[X]);
    }
}

static const bnn_op_field fields[] = {
    {"size", BNN_FIELD_INT, offsetof(roi_align_attr, size), 0, 0},
    {"scale", BNN_FIELD_FLOAT, offsetof(roi_align_attr, scale), 0, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {.fields = fields,
                              .attr_bytes = sizeof(roi_align_attr),
                              .in_count = 2,
                              .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)}};

const bnn_op bnn_roi_align_op = {.name = "roi_align",
                                 .infer = infer,
                                 .forward = forward,
                                 .backward = backward,
                                 .detached_in = BNN_BIT(ROIS),
                                 .form = &form};

bnn_t bnn_op_roi_align(bnn_graph *g, bnn_t x, bnn_t rois, int size, float scale) {
    roi_align_attr attr = {size, scale};
    return bnn_graph_add(g, &bnn_roi_align_op, &attr, sizeof attr, 2, (bnn_t[]){x, rois});
}
