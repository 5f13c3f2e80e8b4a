/* The boxes that a detector starts from, in the order of the map's cells. Of the map only its size
 * counts. */
#include "layers/detect/private.h"

enum { MAP, FRAME };

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const bnn_anchors *a = node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[MAP]);
    if (!bnn_check_frame(g, node, node->in[FRAME], s.n)) {
        return BNN_ERR_SHAPE;
    }
    if (a->count < 1 || a->count > BNN_ANCHORS_MOST ||
        (double)s.h * s.w * a->count * 4 > BNN_MAX_DIM) {
        return bnn_node_fail(g, node, "%d in each of %dx%d cells", a->count, s.h, s.w);
    }
    const int count = s.h * s.w * a->count;
    bnn_node_output(g, node, BNN_F32,
                    node->in[FRAME] < 0 ? bnn_vector(count * 4) : (bnn_shape){s.n, 1, count, 5});
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    bnn_anchors a = *(const bnn_anchors *)node->attr;
    bnn_shape s = bnn_shape_of(g, node->in[MAP]);
    a.h = s.h;
    a.w = s.w;
    bnn_graph_kernels(g)->anchors(bnn_graph_stream(g), &a, (size_t)s.n, bnn_f32(g, node->in[FRAME]),
                                  bnn_f32(g, node->out[0]));
}

#define SIZES(i)                                                                                   \
    {"width" #i, BNN_FIELD_FLOAT, offsetof(bnn_anchors, width[i]), 0, 0}, {                        \
        "height" #i, BNN_FIELD_FLOAT, offsetof(bnn_anchors, height[i]), 0, 0                       \
    }
static const bnn_op_field fields[] = {
    {"count", BNN_FIELD_INT, offsetof(bnn_anchors, count), 0, 0},
    {"stride", BNN_FIELD_FLOAT, offsetof(bnn_anchors, stride), 0, 0},
    {"offset", BNN_FIELD_FLOAT, offsetof(bnn_anchors, offset), 0, 0},
    SIZES(0),
    SIZES(1),
    SIZES(2),
    SIZES(3),
    SIZES(4),
    SIZES(5),
    SIZES(6),
    SIZES(7),
    SIZES(8),
    SIZES(9),
    SIZES(10),
    SIZES(11),
    SIZES(12),
    SIZES(13),
    SIZES(14),
    SIZES(15),
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {.fields = fields,
                              .attr_bytes = sizeof(bnn_anchors),
                              .in_count = 2,
                              .optional = BNN_BIT(FRAME),
                              .in_types = {BNN_BIT(BNN_F32), BNN_BIT(BNN_F32)}};

const bnn_op bnn_anchors_op = {
    .name = "anchors", .infer = infer, .forward = forward, .detached = 1, .form = &form};

bnn_t bnn_op_anchors(bnn_graph *g, bnn_t map, bnn_t frame, const bnn_anchors *anchors) {
    return bnn_graph_add(g, &bnn_anchors_op, anchors, sizeof *anchors, 2, (bnn_t[]){map, frame});
}
