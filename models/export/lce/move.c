/* Values that change their place, for Larq Compute Engine: out of the image that they come from
 * (SLICE), into the other order (TRANSPOSE), into the image that they go to (PAD). */
#include "models/export/lce/private.h"

#include <stdio.h>
#include <string.h>

enum { AXES = 4 };

/* A layout of values in an image: the axes of the move from the outermost to the innermost; of each
 * how many places the image has along it, and the first one taken. */
typedef struct layout {
    int order[AXES], places[AXES], first[AXES];
} layout;

typedef struct move {
    size_t size[AXES], from[AXES], to[AXES], x_first, y_first;
    int axes; /* those with more than one value; the others say nothing */
} move;

static size_t field(const bnn_node *node, const char *name, int i) {
    char text[16];
    snprintf(text, sizeof text, "%s%d", name, i);
    return (size_t)bnn_translation_int(node, text);
}

static move read_move(const bnn_node *node) {
    move m = {.x_first = (size_t)bnn_translation_int(node, "x_first"),
              .y_first = (size_t)bnn_translation_int(node, "y_first")};
    int rows = 0; /* 1: values side by side in what they come from, 2: in what they go to */
    for (int i = 0; i < AXES; i++) {
        if (field(node, "size", i) > 1) {
            m.size[m.axes] = field(node, "size", i);
            m.from[m.axes] = field(node, "from", i);
            m.to[m.axes] = field(node, "to", i);
            rows |= (m.from[m.axes] == 1 ? 1 : 0) | (m.to[m.axes] == 1 ? 2 : 0);
            m.axes++;
        }
    }
    if (rows != 3 && m.axes < AXES) { /* one value of each row */
        m.size[m.axes] = m.from[m.axes] = m.to[m.axes] = 1;
        m.axes++;
    }
    return m;
}

/* 0 if the strides are none of an image of `count` values. */
static int lay_out(const move *m, const size_t stride[AXES], size_t first, size_t count,
                   layout *out) {
    for (int i = 0; i < m->axes; i++) {
        int k = i;
        while (k > 0 && stride[out->order[k - 1]] < stride[i]) {
            out->order[k] = out->order[k - 1];
            k--;
        }
        out->order[k] = i;
    }
    for (int k = 0; k < m->axes; k++) {
        const size_t s = stride[out->order[k]];
        if (s == 0 || count % s || count / s > BNN_MAX_DIM) {
            return 0;
        }
        out->places[k] = (int)(count / s);
        out->first[k] = (int)(first / s);
        if ((size_t)out->first[k] + m->size[out->order[k]] > (size_t)out->places[k]) {
            return 0;
        }
        first %= s;
        count = s;
    }
    return count == 1;
}

static bnn_tfl_shape places(const move *m, const layout *at) {
    bnn_tfl_shape shape = {.rank = m->axes};
    memcpy(shape.size, at->places, sizeof shape.size);
    return shape;
}

/* The move's sizes in a layout's order. */
static bnn_tfl_shape sizes(const move *m, const layout *at) {
    bnn_tfl_shape shape = {.rank = m->axes};
    for (int k = 0; k < m->axes; k++) {
        shape.size[k] = (int)m->size[at->order[k]];
    }
    return shape;
}

static int is_same(const bnn_tfl_shape *a, const bnn_tfl_shape *b) {
    return memcmp(a->size, b->size, sizeof a->size) == 0;
}

static int slice(bnn_lce *l, const bnn_node *node, int x, const move *m, const layout *from) {
    const bnn_tfl_shape whole = places(m, from), part = sizes(m, from);
    if (is_same(&whole, &part)) {
        return x;
    }
    const bnn_tfl_op op = {.code = BNN_TFL_SLICE,
                           .in = {x, bnn_lce_ints(l, "begin", m->axes, from->first),
                                  bnn_lce_ints(l, "size", m->axes, part.size)},
                           .in_count = 3};
    return bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), BNN_TFL_FLOAT, part);
}

static int transpose(bnn_lce *l, const bnn_node *node, int x, const move *m, const layout *from,
                     const layout *to) {
    int order[AXES] = {0}, moved = 0;
    for (int k = 0; k < m->axes; k++) {
        for (int i = 0; i < m->axes; i++) {
            if (from->order[i] == to->order[k]) {
                order[k] = i;
            }
        }
        moved |= order[k] != k;
    }
    return moved ? bnn_lce_op(l, node, BNN_TFL_TRANSPOSE, x,
                              bnn_lce_ints(l, "order", m->axes, order), sizes(m, to))
                 : x;
}

static int pad(bnn_lce *l, const bnn_node *node, int x, const move *m, const layout *to) {
    const bnn_tfl_shape whole = places(m, to), part = sizes(m, to);
    int32_t *sides = bnn_arena_alloc(l->t.arena, 2 * AXES * sizeof *sides);
    if (is_same(&whole, &part)) {
        return x;
    }
    for (int k = 0; sides && k < m->axes; k++) {
        sides[2 * k] = to->first[k];
        sides[2 * k + 1] = whole.size[k] - to->first[k] - part.size[k];
    }
    int pads =
        bnn_tfl_constant(&l->model, "pads", BNN_TFL_INT, (bnn_tfl_shape){2, {m->axes, 2}}, sides);
    return bnn_lce_op(l, node, BNN_TFL_PAD, x, pads, whole);
}

bnn_code bnn_lce_move(bnn_lce *l, const bnn_node *node) {
    const bnn_shape x = bnn_shape_of(l->t.graph, node->in[0]);
    const bnn_shape y = bnn_shape_of(l->t.graph, node->out[0]);
    const move m = read_move(node);
    layout from = {0}, to = {0};
    if (!lay_out(&m, m.from, m.x_first, bnn_shape_count(x), &from) ||
        !lay_out(&m, m.to, m.y_first, bnn_shape_count(y), &to)) {
        return bnn_translation_refuse(&l->t, node,
                                      "its values change their places in a way that Larq Compute "
                                      "Engine has no ops for; use the format packed");
    }
    int t = bnn_lce_tensor(l, node->in[0]);
    t = bnn_lce_reshape(l, node, t, bnn_lce_shape(x), places(&m, &from));
    t = slice(l, node, t, &m, &from);
    t = transpose(l, node, t, &m, &from, &to);
    t = pad(l, node, t, &m, &to);
    t = bnn_lce_reshape(l, node, t, places(&m, &to), bnn_lce_shape(y));
    bnn_lce_set(l, node->out[0], t, l->values[node->in[0]].clean);
    l->values[node->out[0]].alone &= l->values[node->in[0]].alone;
    return BNN_OK;
}
