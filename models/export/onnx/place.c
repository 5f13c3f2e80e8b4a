/* Pools, and values that only change their place. */
#include <string.h>

#include "models/export/onnx/ops.h"

static const bnn_onnx_form image = {0, 1}, vector = {1, 1};

/* ---- pools ---- */

/* What a last window hangs over the end is written as padding there: runtimes differ in what they
 * make of ceil_mode. */
static int after(int size, int out, int kernel, int stride, int before) {
    const int over = (out - 1) * stride + kernel - size - before;
    return over > 0 ? over : 0;
}

bnn_code bnn_onnx_max_pool(bnn_onnx *o, const bnn_node *node) {
    const bnn_shape x = bnn_shape_of(o->t->graph, node->in[0]);
    const bnn_shape y = bnn_shape_of(o->t->graph, node->out[0]);
    const int kernel = bnn_translation_int(node, "kernel");
    const int stride = bnn_translation_int(node, "stride"), pad = bnn_translation_int(node, "pad");
    const char *name = BNN_ONNX_OP(o, "MaxPool", bnn_onnx_get_as(o, node->in[0], image));
    bnn_onnx_ints(o, "kernel_shape", 2, (const int64_t[]){kernel, kernel});
    bnn_onnx_ints(o, "strides", 2, (const int64_t[]){stride, stride});
    bnn_onnx_ints(o, "pads", 4,
                  (const int64_t[]){pad, pad, after(x.h, y.h, kernel, stride, pad),
                                    after(x.w, y.w, kernel, stride, pad)});
    bnn_onnx_put(o, node->out[0], name, image);
    return BNN_OK;
}

/* Of all pixels. */
static const char *pool(bnn_onnx *o, const bnn_node *node, const char *op) {
    const char *y = BNN_ONNX_OP(o, op, bnn_onnx_get_as(o, node->in[0], image));
    return BNN_ONNX_OP(o, "Flatten", y);
}

bnn_code bnn_onnx_global_avg_pool(bnn_onnx *o, const bnn_node *node) {
    bnn_onnx_put(o, node->out[0], pool(o, node, "GlobalAveragePool"), vector);
    return BNN_OK;
}

bnn_code bnn_onnx_global_max_pool(bnn_onnx *o, const bnn_node *node) {
    const float shift = bnn_translation_float(node, "shift");
    const char *y = pool(o, node, "GlobalMaxPool");
    if (shift != 0.0f) {
        y = BNN_ONNX_OP(o, "Add", y, bnn_onnx_number(o, shift));
    }
    bnn_onnx_put(o, node->out[0], y, vector);
    return BNN_OK;
}

/* ---- other shapes ---- */

/* An image to a vector leaves the order of its values to who reads it; whatever else goes by way of
 * the network's own order, pixel by pixel. */
bnn_code bnn_onnx_reshape_node(bnn_onnx *o, const bnn_node *node) {
    const bnn_shape from = bnn_shape_of(o->t->graph, node->in[0]);
    const bnn_shape to = bnn_shape_of(o->t->graph, node->out[0]);
    const bnn_onnx_value x = bnn_onnx_any(o, node->in[0]);
    const char *y = x.name;
    if (to.h == 1 && to.w == 1 && to.c == from.h * from.w * from.c) {
        bnn_onnx_form form = {1, from.h * from.w};
        bnn_onnx_put(o, node->out[0], x.form.flat ? y : BNN_ONNX_OP(o, "Flatten", y),
                     x.form.flat ? x.form : form);
        return BNN_OK;
    }
    y = x.form.flat ? bnn_onnx_get(o, node->in[0])
                    : bnn_onnx_transpose(o, y, 4, (const int64_t[]){0, 2, 3, 1});
    y = bnn_onnx_reshape(o, y, 4, (const int64_t[]){-1, to.h, to.w, to.c});
    y = bnn_onnx_transpose(o, y, 4, (const int64_t[]){0, 3, 1, 2});
    bnn_onnx_put(o, node->out[0], y, image);
    return BNN_OK;
}

bnn_code bnn_onnx_concat(bnn_onnx *o, const bnn_node *node) {
    const bnn_shape y = bnn_shape_of(o->t->graph, node->out[0]);
    const bnn_onnx_form form = bnn_onnx_form_of(o, node->out[0]);
    const int64_t everywhere[] = {1, 1, y.h, y.w};
    const char *part[BNN_MAX_IN];
    for (int k = 0; k < node->in_count; k++) {
        const bnn_shape x = bnn_shape_of(o->t->graph, node->in[k]);
        part[k] = bnn_onnx_get_as(o, node->in[k], form);
        if (x.h != y.h || x.w != y.w) {
            part[k] = BNN_ONNX_OP(o, "Expand", part[k], bnn_onnx_list(o, 4, everywhere));
        }
    }
    const char *name = bnn_onnx_op(o, "Concat", (size_t)node->in_count, part);
    bnn_onnx_int(o, "axis", 1);
    bnn_onnx_put(o, node->out[0], name, form);
    return BNN_OK;
}

bnn_code bnn_onnx_diagonal(bnn_onnx *o, const bnn_node *node) {
    const int side = bnn_shape_of(o->t->graph, node->in[0]).c;
    const int64_t dims[] = {1, side, 1, side};
    const size_t n = (size_t)side;
    float *matrix = bnn_arena_alloc(o->t->arena, n * n * sizeof *matrix);
    for (size_t i = 0; matrix && i < n; i++) {
        matrix[i * n + i] = bnn_translation_float(node, "value");
    }
    const char *name = BNN_ONNX_OP(o, "Add", bnn_onnx_get_as(o, node->in[0], image),
                                   bnn_onnx_floats(o, "diagonal", 4, dims, matrix));
    bnn_onnx_put(o, node->out[0], name, image);
    return BNN_OK;
}

/* ---- moves ---- */

/* A move's loops, and how far apart neighbours of x and y are along N, H, W and C. */
enum { N, H, W, C, AXES };

typedef struct places {
    int64_t size[AXES], from[AXES], to[AXES];
    int64_t x[AXES], y[AXES]; /* dimensions */
    int64_t x_step[AXES], y_step[AXES];
    int64_t x_first, y_first;
} places;

static const int onnx_axis[AXES] = {[N] = 0, [C] = 1, [H] = 2, [W] = 3};
static const int by_onnx[AXES] = {N, C, H, W};

static void dimensions(bnn_shape s, int64_t dims[AXES], int64_t step[AXES]) {
    const int64_t all[AXES] = {s.n, s.h, s.w, s.c};
    memcpy(dims, all, sizeof all);
    step[C] = 1;
    for (int a = C; a > N; a--) {
        step[a - 1] = step[a] * dims[a];
    }
}

static places places_of(const bnn_onnx *o, const bnn_node *node) {
    static const char *const size[] = {"size0", "size1", "size2", "size3"};
    static const char *const from[] = {"from0", "from1", "from2", "from3"};
    static const char *const to[] = {"to0", "to1", "to2", "to3"};
    places p = {.x_first = bnn_translation_int(node, "x_first"),
                .y_first = bnn_translation_int(node, "y_first")};
    for (int a = 0; a < AXES; a++) {
        p.size[a] = bnn_translation_int(node, size[a]);
        p.from[a] = bnn_translation_int(node, from[a]);
        p.to[a] = bnn_translation_int(node, to[a]);
    }
    dimensions(bnn_shape_of(o->t->graph, node->in[0]), p.x, p.x_step);
    dimensions(bnn_shape_of(o->t->graph, node->out[0]), p.y, p.y_step);
    return p;
}

/* Is it a box of x that becomes a box of y? Where they begin. */
static int is_box(const places *p, int64_t x_at[AXES], int64_t y_at[AXES]) {
    int is = 1;
    for (int a = 0; a < AXES; a++) {
        x_at[a] = p->x_first / p->x_step[a] % p->x[a];
        y_at[a] = p->y_first / p->y_step[a] % p->y[a];
        is &= p->size[a] == 1 || (p->from[a] == p->x_step[a] && p->to[a] == p->y_step[a]);
        is &= x_at[a] + p->size[a] <= p->x[a] && y_at[a] + p->size[a] <= p->y[a];
    }
    return is;
}

static const char *box(bnn_onnx *o, const places *p, const char *x, const int64_t x_at[AXES],
                       const int64_t y_at[AXES]) {
    static const int64_t axes[] = {1, 2, 3};
    int64_t begin[AXES], end[AXES], pads[2 * AXES];
    int cut = 0, padded = 0;
    for (int i = 0; i < AXES; i++) {
        const int a = by_onnx[i];
        begin[i] = x_at[a];
        end[i] = x_at[a] + p->size[a];
        pads[i] = y_at[a];
        pads[AXES + i] = p->y[a] - p->size[a] - y_at[a];
        cut |= p->size[a] < p->x[a];
        padded |= p->size[a] < p->y[a];
    }
    if (cut) {
        x = BNN_ONNX_OP(o, "Slice", x, bnn_onnx_list(o, 3, begin + 1), bnn_onnx_list(o, 3, end + 1),
                        bnn_onnx_list(o, 3, axes));
    }
    return padded ? BNN_ONNX_OP(o, "Pad", x, bnn_onnx_list(o, (size_t)2 * AXES, pads)) : x;
}

/* The loop that fills so much of y, step by step; AXES: none. */
static int loop_over(const places *p, int64_t extent) {
    int l = 0;
    while (l < AXES && (p->size[l] == 1 || p->to[l] * p->size[l] != extent)) {
        l++;
    }
    return l;
}

/* The axis of x that loop `l` walks, all of it; AXES: none. */
static int axis_walked(const places *p, int l) {
    int a = l < AXES ? H : AXES;
    while (a < AXES && (p->x_step[a] != p->from[l] || p->x[a] != p->size[l])) {
        a++;
    }
    return a;
}

/* Axes of x in another order, of which some together are one of y: their order, as ONNX counts
 * them. Those of length 1 come last, but for the samples, which come first. */
static int is_permutation(const places *p, int64_t order[AXES]) {
    int count = 1, used[AXES] = {0};
    order[0] = N;
    for (int i = 1; i < AXES; i++) {
        const int64_t step = p->y_step[by_onnx[i]];
        for (int64_t rest = step * p->y[by_onnx[i]]; rest > step;) {
            const int l = loop_over(p, rest), a = axis_walked(p, l);
            if (a == AXES || used[a] || p->to[l] < step) {
                return 0;
            }
            used[a] = 1;
            order[count++] = onnx_axis[a];
            rest = p->to[l];
        }
    }
    for (int a = H; a < AXES; a++) {
        if (p->x[a] == 1) {
            order[count++] = onnx_axis[a];
        }
    }
    return count == AXES && p->x_first == 0 && p->y_first == 0;
}

/* Do axes longer than 1 keep their order? */
static int keeps_order(const places *p, const int64_t order[AXES]) {
    int64_t last = 0;
    for (int i = 0; i < AXES; i++) {
        if (p->x[by_onnx[order[i]]] > 1) {
            if (order[i] < last) {
                return 0;
            }
            last = order[i];
        }
    }
    return 1;
}

bnn_code bnn_onnx_move(bnn_onnx *o, const bnn_node *node) {
    const places p = places_of(o, node);
    const char *x = bnn_onnx_get_as(o, node->in[0], image);
    int64_t x_at[AXES], y_at[AXES], order[AXES];
    if (is_box(&p, x_at, y_at)) {
        x = box(o, &p, x, x_at, y_at);
    } else if (is_permutation(&p, order)) {
        x = keeps_order(&p, order) ? x : bnn_onnx_transpose(o, x, AXES, order);
        x = bnn_onnx_reshape(o, x, AXES, (const int64_t[]){0, p.y[C], p.y[H], p.y[W]});
    } else {
        return bnn_translation_refuse(o->t, node,
                                      "its values are moved as no slice, padding, transposition "
                                      "or reshape of ONNX does");
    }
    bnn_onnx_put(o, node->out[0], x, image);
    return BNN_OK;
}
