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

/* Do all the places of a layout lie within `count` values? */
static int lies_within(const size_t size[4], const size_t stride[4], size_t first, size_t count) {
    for (int i = 0; i < 4; i++) {
        size_t span;
        if (size[i] < 1 || __builtin_mul_overflow(size[i] - 1, stride[i], &span) ||
            __builtin_add_overflow(first, span, &first)) {
            return 0;
        }
    }
    return first < count;
}

static bnn_code infer(bnn_graph *g, bnn_node *node) {
    const move_attr *a = node->attr;
    if (!lies_within(a->move.size, a->move.from, a->x_first,
                     bnn_shape_count(bnn_shape_of(g, node->in[0]))) ||
        !lies_within(a->move.size, a->move.to, a->y_first, bnn_shape_count(a->y))) {
        return bnn_node_fail(g, node, "values beyond the tensor");
    }
    bnn_node_output(g, node, BNN_F32, a->y);
    return BNN_OK;
}

static void forward(const bnn_graph *g, const bnn_node *node) {
    const move_attr *a = node->attr;
    const bnn_kernels *k = bnn_graph_kernels(g);
    float *y = bnn_f32(g, node->out[0]);
    if (moved(a) < bnn_shape_count(a->y)) {
        k->fill(bnn_graph_stream(g), bnn_shape_count(a->y), 0.0f, y);
    }
    k->move(bnn_graph_stream(g), &a->move, 1.0f, bnn_f32(g, node->in[0]) + a->x_first,
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
        k->fill(bnn_graph_stream(g), count, 0.0f, gx);
    }
    k->move(bnn_graph_stream(g), &back, 1.0f, bnn_grad(g, node->out[0]) + a->y_first,
            gx + a->x_first, node->acc[0]);
}

static const bnn_fold_rule fold = {.selects = 1};

#define SIZE(name, member)                                                                         \
    { name, BNN_FIELD_SIZE, offsetof(move_attr, member), 0, 0 }
static const bnn_op_field fields[] = {
    {"n", BNN_FIELD_INT, offsetof(move_attr, y.n), 1, 1},
    {"h", BNN_FIELD_INT, offsetof(move_attr, y.h), 1, 0},
    {"w", BNN_FIELD_INT, offsetof(move_attr, y.w), 1, 0},
    {"c", BNN_FIELD_INT, offsetof(move_attr, y.c), 1, 0},
    {"size0", BNN_FIELD_SIZE, offsetof(move_attr, move.size[0]), 1, 1},
    {"size1", BNN_FIELD_SIZE, offsetof(move_attr, move.size[1]), 1, 0},
    {"size2", BNN_FIELD_SIZE, offsetof(move_attr, move.size[2]), 1, 0},
    {"size3", BNN_FIELD_SIZE, offsetof(move_attr, move.size[3]), 1, 0},
    SIZE("from0", move.from[0]),
    SIZE("from1", move.from[1]),
    SIZE("from2", move.from[2]),
    SIZE("from3", move.from[3]),
    SIZE("to0", move.to[0]),
    SIZE("to1", move.to[1]),
    SIZE("to2", move.to[2]),
    SIZE("to3", move.to[3]),
    SIZE("x_first", x_first),
    SIZE("y_first", y_first),
    {NULL, BNN_FIELD_INT, 0, 0, 0},
};
static const bnn_form form = {.fields = fields,
                              .attr_bytes = sizeof(move_attr),
                              .in_count = 1,
                              .in_types = {BNN_BIT(BNN_F32)}};

const bnn_op bnn_move_op = {.name = "move",
                            .infer = infer,
                            .forward = forward,
                            .backward = backward,
                            .fold = &fold,
                            .form = &form};

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

bnn_t bnn_op_split_heads(bnn_graph *g, bnn_t x, int heads) {
    bnn_shape s = bnn_shape_of(g, x);
    if (x == BNN_NONE) {
        return BNN_NONE;
    }
    if (heads < 1 || s.c % heads || s.h != 1 || (double)s.n * heads > INT_MAX) {
        return bnn_graph_fail(g, BNN_ERR_SHAPE, "split_heads: %d heads of %d channels", heads, s.c);
    }
    size_t w = (size_t)s.w, c = (size_t)s.c, d = c / (size_t)heads;
    move_attr attr = {.y = {s.n * heads, 1, s.w, s.c / heads},
                      .move = {.size = {(size_t)s.n, (size_t)heads, w, d},
                               .from = {w * c, d, c, 1},
                               .to = {w * c, w * d, d, 1}}};
    return add_move(g, x, &attr);
}
