/* Of many boxes with scores those that stay, always as many, the missing ones marked as none. */
#include <math.h>

#include "layers/detect/private.h"

enum { SCORE, BOX };
enum { RESULT, INDEX };

static bnn_nms settings(const bnn_graph *g, const bnn_node *node) {
    bnn_nms s = ((const bnn_nms_attr *)node->attr)->nms;
    bnn_shape score = bnn_shape_of(g, node->in[SCORE]), box = bnn_shape_of(g, node->in[BOX]);
    s.n = (size_t)score.n;
    s.rows = bnn_shape_rows(score) / s.n;
    s.columns = (size_t)score.c;
    s.classes = s.columns - (((const bnn_nms_attr *)node->attr)->background ? 1 : 0);
    s.by_class = box.c != 4;
    if (!s.level[0]) {
        s.level[0] = s.rows;
    }
    return s;
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape score = bnn_shape_of(g, node->in[SCORE]), box = bnn_shape_of(g, node->in[BOX]);
    bnn_nms s = settings(g, node);
    size_t rows = 0;
    for (int l = 0; l < BNN_LEVELS_MOST && s.level[l]; l++) {
        rows += s.level[l];
    }
    if (score.n != box.n || bnn_shape_rows(score) != bnn_shape_rows(box) || s.classes < 1 ||
        (s.by_class && (size_t)box.c != 4 * s.classes) || rows != s.rows) {
        return bnn_node_fail(g, node, "scores [%d,%d,%d,%d], boxes [%d,%d,%d,%d]", score.n, score.h,
                             score.w, score.c, box.n, box.h, box.w, box.c);
    }
    if (s.keep < 1 || s.most < 1 || (double)s.rows * (double)s.classes > BNN_MAX_DIM ||
        (double)s.n * (double)s.keep * 6.0 > BNN_MAX_DIM) {
        return bnn_node_fail(g, node, "%zu of %zu boxes", s.keep, s.rows);
    }
    bnn_node_output(g, node, BNN_F32, (bnn_shape){score.n, 1, (int)s.keep, s.rois ? 5 : 6});
    bnn_node_output(g, node, BNN_I32, (bnn_shape){score.n, 1, (int)s.keep, 1});
    node->workspace = bnn_boxes_scratch(g, s.rows * s.classes, s.keep);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_nms s = settings(g, node);
    bnn_graph_kernels(g)->nms(bnn_graph_stream(g), &s, bnn_f32(g, node->in[SCORE]),
                              bnn_f32(g, node->in[BOX]), bnn_f32(g, node->out[RESULT]),
                              bnn_i32(g, node->out[INDEX]), node->ws);
}

#define LEVEL(i)                                                                                   \
    { "level" #i, BNN_FIELD_SIZE, offsetof(bnn_nms_attr, nms.level[i]), 0, 0 }
static const bnn_op_field fields[] = {
    {"background", BNN_FIELD_INT, offsetof(bnn_nms_attr, background), 0, 0},
    {"sized", BNN_FIELD_INT, offsetof(bnn_nms_attr, nms.sized), 0, 0},
    {"rois", BNN_FIELD_INT, offsetof(bnn_nms_attr, nms.rois), 0, 0},
    LEVEL(0),
    LEVEL(1),
    LEVEL(2),
    LEVEL(3),
    LEVEL(4),
    LEVEL(5),
    LEVEL(6),
    LEVEL(7),
    {"most", BNN_FIELD_SIZE, offsetof(bnn_nms_attr, nms.most), 0, 0},
    {"keep", BNN_FIELD_SIZE, offsetof(bnn_nms_attr, nms.keep), 0, 0},
    {"score", BNN_FIELD_FLOAT, offsetof(bnn_nms_attr, nms.score), -INFINITY, 0},
    {"overlap", BNN_FIELD_FLOAT, offsetof(bnn_nms_attr, nms.overlap), 0, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {.fields = fields,
                              .attr_bytes = sizeof(bnn_nms_attr),
                              .in_count = 2,
                              .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)}};

const bnn_op bnn_nms_op = {
    .name = "nms", .infer = infer, .forward = forward, .detached = 1, .form = &form};

bnn_t bnn_op_nms(bnn_graph *g, bnn_t score, bnn_t box, const bnn_nms_attr *attr) {
    return bnn_graph_add(g, &bnn_nms_op, attr, sizeof *attr, 2, (bnn_t[]){score, box});
}
