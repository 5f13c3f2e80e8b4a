/* Values that only change their place: padding in time and its removal, channels picked out, rows
 * and columns exchanged. All are one copy between two layouts (kernels.h, bnn_move), which its
 * backward makes the other way. */
#include <limits.h>

#include "layers/ops.h"

typedef struct move_attr {
    bnn_shape y;
    bnn_move move;
    size_t x_first, y_first; /* where the move's first value lies */
} move_attr;

static size_t moved(const move_attr *a) {
    return a->move.size[0] * a->move.size[1] * a->move.size[2] * a->move.size[3];
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const move_attr *a = node->attr;
    bnn_node_output(g, node, BNN_F32, a->y);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const move_attr *a = node->attr;
    const bnn_kernels *k = bnn_graph_kernels(g);
    float *y = bnn_f32(g, node->out[0]);
    if (moved(a) < bnn_shape_count(a->y)) {
        k->fill(bnn_graph_device(g), bnn_shape_count(a->y), 0.0f, y);
    }
    k->move(bnn_graph_device(g), &a->move, 1.0f, bnn_f32(g, node->in[0]) + a->x_first,
            y + a->y_first, 0);
}

static void backward(const bnn_graph *g, const bnn_node *node) {
    const move_attr *a = node->attr;
    const bnn_kernels *k = bnn_graph_kernels(g);
    size_t count = bnn_shape_count(bnn_shape_of(g, node->in[0]));
    float *gx = bnn_grad(g, node->in[0]);
    bnn_move back = a->move;
    for (int i = 0; i < 4; i++) {
        back.from[i] = a->move.to[i];
        back.to[i] = a->move.from[i];
    }
    if (moved(a) < count && !node->acc[0]) {
        k->fill(bnn_graph_device(g), count, 0.0f, gx);
    }
    k->move(bnn_graph_device(g), &back, 1.0f, bnn_grad(g, node->out[0]) + a->y_first,
            gx + a->x_first, node->acc[0]);
}

const bnn_op bnn_move_op = {
    .name = "move", .infer = infer, .forward = forward, .backward = backward};

static bnn_t add_move(bnn_graph *g, bnn_t x, const move_attr *attr) {
    return bnn_graph_add(g, &bnn_move_op, attr, sizeof *attr, 1, &x);
}

/* Pixels and the channels they share, of two images that are as wide as they are. */
static bnn_move pixels(bnn_shape x, bnn_shape y, int w, int c) {
    size_t xc = (size_t)x.c, yc = (size_t)y.c, xw = xc * (size_t)x.w, yw = yc * (size_t)y.w;
    return (bnn_move){.size = {(size_t)x.n, (size_t)x.h, (size_t)w, (size_t)c},
                      .from = {xw * (size_t)x.h, xw, xc, 1},
                      .to = {yw * (size_t)y.h, yw, yc, 1}};
}

bnn_t bnn_op_pad(bnn_graph *g, bnn_t x, int left, int right) {
    bnn_shape s = bnn_shape_of(g, x), y = s;
    if (x == BNN_NONE) {
        return BNN_NONE;
    }
    if (left < 0 || right < 0 || left > INT_MAX / 4 || right > INT_MAX / 4 || s.w > INT_MAX / 4) {
        return bnn_graph_fail(g, BNN_ERR_SHAPE, "pad: %d and %d columns around %d", left, right,
                              s.w);
    }
    y.w = s.w + left + right;
    move_attr attr = {y, pixels(s, y, s.w, s.c), 0, (size_t)left * (size_t)s.c};
    return add_move(g, x, &attr);
}

bnn_t bnn_op_crop(bnn_graph *g, bnn_t x, int left, int right) {
    bnn_shape s = bnn_shape_of(g, x), y = s;
    if (x == BNN_NONE) {
        return BNN_NONE;
    }
    if (left < 0 || right < 0 || left >= s.w || right >= s.w - left) {
        return bnn_graph_fail(g, BNN_ERR_SHAPE, "crop: %d and %d columns off %d", left, right, s.w);
    }
    y.w = s.w - left - right;
    move_attr attr = {y, pixels(s, y, y.w, s.c), (size_t)left * (size_t)s.c, 0};
    return add_move(g, x, &attr);
}

bnn_t bnn_op_channels(bnn_graph *g, bnn_t x, int first, int count) {
    bnn_shape s = bnn_shape_of(g, x), y = s;
    if (x == BNN_NONE) {
        return BNN_NONE;
    }
    if (first < 0 || count < 1 || first > s.c - count) {
        return bnn_graph_fail(g, BNN_ERR_SHAPE, "channels: %d from %d of %d", count, first, s.c);
    }
    y.c = count;
    move_attr attr = {y, pixels(s, y, s.w, count), (size_t)first, 0};
    return add_move(g, x, &attr);
}

bnn_t bnn_op_columns(bnn_graph *g, bnn_t x) {
    bnn_shape s = bnn_shape_of(g, x);
    size_t h = (size_t)s.h, w = (size_t)s.w, c = (size_t)s.c;
    if (x == BNN_NONE) {
        return BNN_NONE;
    }
    if ((double)s.h * s.c > INT_MAX) {
        return bnn_graph_fail(g, BNN_ERR_SHAPE, "columns: %d rows of %d channels", s.h, s.c);
    }
    move_attr attr = {.y = {s.n, 1, s.w, s.h * s.c},
                      .move = {.size = {(size_t)s.n, w, c, h},
                               .from = {h * w * c, c, 1, w * c},
                               .to = {h * w * c, h * c, h, 1}}};
    return add_move(g, x, &attr);
}

bnn_t bnn_op_transpose(bnn_graph *g, bnn_t x) {
    bnn_shape s = bnn_shape_of(g, x);
    size_t h = (size_t)s.h, w = (size_t)s.w, c = (size_t)s.c;
    move_attr attr = {.y = {s.n, s.h, s.c, s.w},
                      .move = {.size = {(size_t)s.n, h, c, w},
                               .from = {h * w * c, w * c, 1, c},
                               .to = {h * w * c, w * c, w, 1}}};
    return add_move(g, x, &attr);
}
