/* The words that translations for Larq Compute Engine are made of. */
#include "models/export/lce/private.h"

#include <string.h>

bnn_tfl_shape bnn_lce_shape(bnn_shape s) {
    return (bnn_tfl_shape){4, {s.n, s.h, s.w, s.c}};
}

int bnn_lce_floats(bnn_lce *l, const char *name, bnn_tfl_shape shape, const float *values) {
    const size_t count = bnn_tfl_count(shape);
    return bnn_translation_halves(&l->t, count, values)
               ? bnn_tfl_halves(&l->model, name, shape,
                                bnn_translation_as_halves(&l->t, count, values))
               : bnn_tfl_constant(&l->model, name, BNN_TFL_FLOAT, shape, values);
}

int bnn_lce_ints(bnn_lce *l, const char *name, int count, const int *values) {
    int32_t *copy = bnn_arena_alloc(l->t.arena, (size_t)count * sizeof *copy);
    for (int i = 0; copy && i < count; i++) {
        copy[i] = values[i];
    }
    return bnn_tfl_constant(&l->model, name, BNN_TFL_INT, bnn_lce_list(count), copy);
}

const char *bnn_lce_name(const bnn_lce *l, const bnn_node *node, const char *role) {
    const char *layer = bnn_translation_layer(&l->t, node);
    return role ? bnn_arena_format(l->t.arena, "%s.%s", layer, role) : layer;
}

int bnn_lce_number(bnn_lce *l, const char *name, float value) {
    return bnn_lce_floats(l, name, bnn_lce_list(1), bnn_translation_filled(&l->t, 1, value));
}

int bnn_lce_op_of(bnn_lce *l, const bnn_node *node, bnn_tfl_code code, int a, int b,
                  bnn_tfl_type type, bnn_tfl_shape shape) {
    const bnn_tfl_op op = {.code = code, .in = {a, b}, .in_count = b == BNN_TFL_NONE ? 1 : 2};
    return bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), type, shape);
}

int bnn_lce_op(bnn_lce *l, const bnn_node *node, bnn_tfl_code code, int a, int b,
               bnn_tfl_shape shape) {
    return bnn_lce_op_of(l, node, code, a, b, BNN_TFL_FLOAT, shape);
}

int bnn_lce_matmul(bnn_lce *l, const bnn_node *node, int a, int b, int turned,
                   bnn_tfl_shape shape) {
    const bnn_tfl_op op = {.code = BNN_TFL_BATCH_MATMUL,
                           .in = {a, b},
                           .in_count = 2,
                           .option_count = turned,
                           .options = {{.id = 1, .bytes = 1, .value = 1}}};
    return bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), BNN_TFL_FLOAT, shape);
}

int bnn_lce_scaled(bnn_lce *l, const bnn_node *node, int y, bnn_shape shape, const float *a,
                   const float *b) {
    const bnn_tfl_shape map = bnn_lce_shape(shape), channels = bnn_lce_list(shape.c);
    int ones = 1;
    for (int i = 0; a && i < shape.c; i++) {
        ones &= a[i] == 1.0f;
    }
    if (!ones) {
        int factor = bnn_lce_floats(l, bnn_lce_name(l, node, "factor"), channels, a);
        y = bnn_lce_op(l, node, BNN_TFL_MUL, y, factor, map);
    }
    if (b) {
        int shift = bnn_lce_floats(l, bnn_lce_name(l, node, "shift"), channels, b);
        y = bnn_lce_op(l, node, BNN_TFL_ADD, y, shift, map);
    }
    return y;
}

int bnn_lce_pad(bnn_lce *l, const bnn_node *node, int x, bnn_tfl_type type, bnn_shape *shape,
                const int before[2], const int after[2], int value) {
    if (!before[0] && !before[1] && !after[0] && !after[1]) {
        return x;
    }
    const int sides[8] = {0, 0, before[0], after[0], before[1], after[1], 0, 0};
    int32_t *copy = bnn_arena_alloc(l->t.arena, sizeof sides);
    for (int i = 0; copy && i < 8; i++) {
        copy[i] = sides[i];
    }
    const int pads =
        bnn_tfl_constant(&l->model, "pads", BNN_TFL_INT, (bnn_tfl_shape){2, {4, 2}}, copy);
    const bnn_tfl_op op = {.code = value == BNN_TFL_NONE ? BNN_TFL_PAD : BNN_TFL_PADV2,
                           .in = {x, pads, value},
                           .in_count = value == BNN_TFL_NONE ? 2 : 3};
    shape->h += before[0] + after[0];
    shape->w += before[1] + after[1];
    return bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), type, bnn_lce_shape(*shape));
}

int bnn_lce_reshape(bnn_lce *l, const bnn_node *node, int x, bnn_tfl_shape from, bnn_tfl_shape to) {
    if (from.rank == to.rank && memcmp(from.size, to.size, sizeof from.size) == 0) {
        return x;
    }
    return bnn_lce_op(l, node, BNN_TFL_RESHAPE, x, bnn_lce_ints(l, "shape", to.rank, to.size), to);
}

int bnn_lce_reduce(bnn_lce *l, const bnn_node *node, bnn_tfl_code code, int x, int count,
                   const int *axes, bnn_tfl_shape shape) {
    const bnn_tfl_op op = {.code = code,
                           .in = {x, bnn_lce_ints(l, "axes", count, axes)},
                           .in_count = 2,
                           .option_count = 1,
                           .options = {{.id = 0, .bytes = 1, .value = 1}}};
    return bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), BNN_TFL_FLOAT, shape);
}

int bnn_lce_bits(bnn_lce *l, const char *name, bnn_t t, bnn_tfl_shape shape,
                 const int32_t *negate) {
    const bnn_shape s = bnn_shape_of(l->t.graph, t);
    const size_t c = (size_t)s.c, words = (size_t)bnn_lce_words(s.c);
    const size_t taps = (size_t)s.h * (size_t)s.w;
    const int8_t *signs = bnn_translation_signs(&l->t, t);
    uint32_t *bits = bnn_arena_alloc(l->t.arena, bnn_shape_rows(s) * words * sizeof *bits);
    for (size_t r = 0; signs && bits && r < bnn_shape_rows(s); r++) {
        const uint32_t flip = negate && negate[r / taps] & 1;
        for (size_t i = 0; i < c; i++) {
            bits[r * words + i / 32] |= ((signs[r * c + i] < 0) ^ flip) << (i % 32);
        }
    }
    return bnn_tfl_constant(&l->model, name, BNN_TFL_INT, shape, signs ? bits : NULL);
}

int bnn_lce_quantize(bnn_lce *l, const bnn_node *node, int x, bnn_shape s) {
    const bnn_tfl_op op = {
        .code = BNN_TFL_CUSTOM, .custom = "LceQuantize", .in = {x}, .in_count = 1};
    s.c = bnn_lce_words(s.c);
    return bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), BNN_TFL_INT, bnn_lce_shape(s));
}

int bnn_lce_dequantize(bnn_lce *l, const bnn_node *node, int x, bnn_tfl_shape shape) {
    const bnn_tfl_op op = {
        .code = BNN_TFL_CUSTOM, .custom = "LceDequantize", .in = {x}, .in_count = 1};
    return bnn_tfl_add(&l->model, &op, bnn_lce_name(l, node, NULL), BNN_TFL_FLOAT, shape);
}

int bnn_lce_tensor(const bnn_lce *l, bnn_t t) {
    return l->values[t].tensor;
}

void bnn_lce_set(bnn_lce *l, bnn_t t, int tensor, int clean) {
    l->values[t] = (bnn_lce_value){tensor, clean, l->readers[t].count == 1};
}

void bnn_lce_count(bnn_lce *l, bnn_lce_tally *tally, const bnn_node *node, size_t bytes) {
    if (tally->count++ == 0) {
        tally->first = bnn_lce_name(l, node, NULL);
    }
    tally->bytes += bytes;
}
