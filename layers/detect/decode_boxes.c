/* Boxes again, of what a detector says of those that it started from. */
#include "layers/detect/private.h"

enum { DELTA, BOXES, FRAME };

typedef struct decode_attr {
    float std[4];
    int height, width;
} decode_attr;

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    bnn_shape s = bnn_shape_of(g, node->in[DELTA]);
    if (!bnn_check_boxes(g, node, node->in[BOXES], s.n) ||
        !bnn_check_frame(g, node, node->in[FRAME], s.n)) {
        return BNN_ERR_SHAPE;
    }
    if (s.h != 1 || s.c % 4 || (size_t)s.w != bnn_boxes_of(g, node->in[BOXES], s.n).count) {
        return bnn_node_fail(g, node, "[%d,%d,%d,%d] for %zu boxes", s.n, s.h, s.w, s.c,
                             bnn_boxes_of(g, node->in[BOXES], s.n).count);
    }
    bnn_node_output(g, node, BNN_F32, s);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const decode_attr *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[DELTA]);
    bnn_boxes boxes = bnn_boxes_of(g, node->in[BOXES], s.n);
    bnn_graph_kernels(g)->decode_boxes(
        bnn_graph_stream(g), &boxes, (size_t)s.c / 4, bnn_f32(g, node->in[DELTA]), a->std,
        (float)a->height, (float)a->width, bnn_f32(g, node->in[FRAME]), bnn_f32(g, node->out[0]));
}

static const bnn_op_field fields[] = {
    {"std0", BNN_FIELD_FLOAT, offsetof(decode_attr, std[0]), 1, 0},
    {"std1", BNN_FIELD_FLOAT, offsetof(decode_attr, std[1]), 1, 0},
    {"std2", BNN_FIELD_FLOAT, offsetof(decode_attr, std[2]), 1, 0},
    {"std3", BNN_FIELD_FLOAT, offsetof(decode_attr, std[3]), 1, 0},
    {"height", BNN_FIELD_INT, offsetof(decode_attr, height), 0, 0},
    {"width", BNN_FIELD_INT, offsetof(decode_attr, width), 0, 0},
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {.fields = fields,
                              .attr_bytes = sizeof(decode_attr),
                              .in_count = 3,
                              .optional = BNN_BIT(FRAME),
                              .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)}};

const bnn_op bnn_decode_boxes_op = {
    .name = "decode_boxes", .infer = infer, .forward = forward, .detached = 1, .form = &form};

bnn_t bnn_op_decode_boxes(bnn_graph *g, bnn_t delta, bnn_t boxes, const float std[4], int height,
                          int width, bnn_t frame) {
    decode_attr attr = {{std[0], std[1], std[2], std[3]}, height, width};
    return bnn_graph_add(g, &bnn_decode_boxes_op, &attr, sizeof attr, 3,
                         (bnn_t[]){delta, boxes, frame});
}
