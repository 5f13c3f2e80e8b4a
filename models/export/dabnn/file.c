#include "models/export/dabnn/file.h"

#include <string.h>

/* The schema's numbers: a kind's type, the field of Layer that holds its parameters, how many names
 * those begin with, and the lists of integers between them and the output's name. */
static const struct {
    int type, field, names;
    enum { NO_WINDOW, CONV, POOL } window;
} kinds[] = {
    [BNN_DAB_FP_CONV] = {0, 1, 3, CONV},      [BNN_DAB_BIN_CONV] = {8, 2, 3, CONV},
    [BNN_DAB_AVE_POOL] = {1, 3, 1, POOL},     [BNN_DAB_MAX_POOL] = {2, 4, 1, POOL},
    [BNN_DAB_RELU] = {3, 5, 1, NO_WINDOW},    [BNN_DAB_ADD] = {6, 8, 2, NO_WINDOW},
    [BNN_DAB_AFFINE] = {9, 10, 3, NO_WINDOW}, [BNN_DAB_PRELU] = {13, 15, 2, NO_WINDOW},
};
enum { LAYER_NAME = 14, VERSION = 2, BIT = 1, LISTS = 3 };

bnn_dab bnn_dab_start(bnn_arena *arena) {
    return (bnn_dab){.arena = arena};
}

/* A name that nothing else has: all share one space. */
static const char *make_name(bnn_dab *dab, const char *base) {
    const char *name =
        bnn_arena_format(dab->arena, "%s.%zu", base, dab->layer_count + dab->tensor_count);
    dab->failed |= !name;
    return name ? name : base;
}

bnn_dab_layer *bnn_dab_layer_add(bnn_dab *dab, bnn_dab_kind kind, const char *base) {
    bnn_dab_layer *layer = bnn_arena_alloc(dab->arena, sizeof *layer);
    if (!layer) {
        dab->failed = 1;
        layer = &dab->spare_layer;
    } else if (dab->last_layer) {
        dab->last_layer = dab->last_layer->next = layer;
    } else {
        dab->first_layer = dab->last_layer = layer;
    }
    *layer = (bnn_dab_layer){.kind = kind, .stride_h = 1, .stride_w = 1};
    layer->output = make_name(dab, base);
    dab->layer_count++;
    return layer;
}

static bnn_dab_tensor *add_tensor(bnn_dab *dab, const char *base) {
    bnn_dab_tensor *tensor = bnn_arena_alloc(dab->arena, sizeof *tensor);
    if (!tensor) {
        dab->failed = 1;
        tensor = &dab->spare_tensor;
    } else if (dab->last_tensor) {
        dab->last_tensor = dab->last_tensor->next = tensor;
    } else {
        dab->first_tensor = dab->last_tensor = tensor;
    }
    tensor->name = make_name(dab, base);
    dab->tensor_count++;
    return tensor;
}

const char *bnn_dab_floats(bnn_dab *dab, const char *base, int rank, bnn_shape shape,
                           float *values) {
    const size_t count = rank == 1 ? (size_t)shape.c : bnn_shape_count(shape);
    for (size_t i = 0; values && i < count; i++) {
        values[i] += 0.0f; /* -0.0 + 0.0 is +0.0 */
    }
    for (const bnn_dab_tensor *t = dab->first_tensor; values && t; t = t->next) {
        if (t->floats && t->rank == rank && bnn_shape_equal(t->shape, shape) &&
            memcmp(t->floats, values, count * sizeof *values) == 0) {
            return t->name;
        }
    }
    bnn_dab_tensor *tensor = add_tensor(dab, base);
    tensor->floats = values;
    tensor->count = values ? count : 0;
    tensor->rank = rank;
    tensor->shape = shape;
    dab->failed |= !values;
    return tensor->name;
}

/* The filters of the 3x3 product of 64 channels lie one behind the other. */
static int is_packed(bnn_shape filters) {
    return filters.h == 3 && filters.w == 3 && filters.c == 64;
}

/* Words of each filter; otherwise a multiple of 128 bits. */
static size_t words_of(bnn_shape filters) {
    const size_t bits = (size_t)filters.h * (size_t)filters.w * (size_t)filters.c;
    return is_packed(filters) ? bits / 64 : (bits + 127) / 128 * 2;
}

const char *bnn_dab_bits(bnn_dab *dab, const char *base, bnn_shape shape, const int8_t *signs) {
    const size_t words = words_of(shape), o = (size_t)shape.n;
    const size_t k = bnn_shape_count(shape) / o;
    uint64_t *bits = bnn_arena_alloc(dab->arena, o * words * sizeof *bits);
    for (size_t i = 0; bits && signs && i < o * k; i++) {
        bits[i / k * words + i % k / 64] |= (uint64_t)(signs[i] > 0) << (i % k % 64);
    }
    bnn_dab_tensor *tensor = add_tensor(dab, base);
    tensor->bits = bits;
    tensor->count = bits ? o * words : 0;
    tensor->rank = 4;
    tensor->shape = shape;
    dab->failed |= !bits || !signs;
    return tensor->name;
}

/* ---- written ---- */

static void write_ints(bnn_flat *f, size_t hole, size_t count, const int *values) {
    bnn_flat_vector(f, hole, sizeof *values, sizeof *values, count, values);
}

static void write_parameters(bnn_flat *f, size_t hole, const bnn_dab_layer *l) {
    const int kernel[] = {l->kernel, l->kernel}, strides[] = {l->stride_h, l->stride_w};
    const int pads[] = {l->pad_h, l->pad_w, l->pad_h, l->pad_w}, dilations[] = {1, 1};
    const struct {
        size_t count;
        const int *values;
    } lists[][LISTS] = {[CONV] = {{4, pads}, {2, strides}, {2, dilations}},
                        [POOL] = {{2, kernel}, {4, pads}, {2, strides}}};
    const int names = kinds[l->kind].names, window = kinds[l->kind].window;
    const int list_count = window == NO_WINDOW ? 0 : LISTS;
    bnn_flat_field fields[3 + LISTS + 1];
    int count = 0, first_list, output = names + list_count;
    for (int i = 0; i < names; i++) {
        if (l->in[i]) {
            fields[count++] = (bnn_flat_field){.id = i};
        }
    }
    first_list = count;
    for (int i = names; i <= output; i++) {
        fields[count++] = (bnn_flat_field){.id = i};
    }
    bnn_flat_table(f, hole, count, fields);
    for (int i = 0; i < first_list; i++) {
        bnn_flat_string(f, fields[i].hole, l->in[fields[i].id]);
    }
    for (int i = 0; i < list_count; i++) {
        write_ints(f, fields[first_list + i].hole, lists[window][i].count, lists[window][i].values);
    }
    bnn_flat_string(f, fields[count - 1].hole, l->output);
}

static void write_layer(bnn_flat *f, size_t hole, const bnn_dab_layer *l) {
    bnn_flat_field fields[] = {{.id = 0, .bytes = 1, .value = (uint64_t)kinds[l->kind].type},
                               {.id = kinds[l->kind].field},
                               {.id = LAYER_NAME}};
    bnn_flat_table(f, hole, 3, fields);
    write_parameters(f, fields[1].hole, l);
    bnn_flat_string(f, fields[2].hole, l->output);
}

static void write_tensor(bnn_flat *f, size_t hole, const bnn_dab_tensor *t) {
    const int shape[] = {t->shape.n, t->shape.h, t->shape.w, t->shape.c};
    const int aligned = t->bits && !is_packed(t->shape);
    bnn_flat_field fields[] = {{.id = 0, .bytes = 1, .value = t->bits ? BIT : 0},
                               {.id = t->bits ? 1 : 2},
                               {.id = 3},
                               {.id = 4},
                               {.id = 5, .bytes = 1, .value = (uint64_t)aligned}};
    bnn_flat_table(f, hole, 5, fields);
    if (t->bits) {
        bnn_flat_vector(f, fields[1].hole, sizeof *t->bits, sizeof *t->bits, t->count, t->bits);
    } else {
        bnn_flat_vector(f, fields[1].hole, sizeof *t->floats, sizeof *t->floats, t->count,
                        t->floats);
    }
    write_ints(f, fields[2].hole, (size_t)t->rank, shape + 4 - t->rank);
    bnn_flat_string(f, fields[3].hole, t->name);
}

static void write_input(bnn_flat *f, size_t hole, const char *name, bnn_shape s) {
    const int shape[] = {1, s.h, s.w, s.c};
    bnn_flat_field fields[] = {{.id = 0}, {.id = 1}};
    size_t input = bnn_flat_offsets(f, hole, 1);
    bnn_flat_table(f, input, 2, fields);
    write_ints(f, fields[0].hole, 4, shape);
    bnn_flat_string(f, fields[1].hole, name);
}

bnn_code bnn_dab_finish(const bnn_dab *dab, const char *input, bnn_shape shape, bnn_flat *f,
                        bnn_error *err) {
    bnn_flat_field root[] = {
        {.id = 0}, {.id = 1}, {.id = 2}, {.id = 3, .bytes = 4, .value = VERSION}};
    if (dab->failed) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the exported model");
    }
    bnn_flat_table(f, BNN_FLAT_ROOT, 4, root);
    size_t hole = bnn_flat_offsets(f, root[0].hole, dab->layer_count);
    for (const bnn_dab_layer *l = dab->first_layer; l; l = l->next, hole += 4) {
        write_layer(f, hole, l);
    }
    hole = bnn_flat_offsets(f, root[1].hole, dab->tensor_count);
    for (const bnn_dab_tensor *t = dab->first_tensor; t; t = t->next, hole += 4) {
        write_tensor(f, hole, t);
    }
    write_input(f, root[2].hole, input, shape);
    return bnn_flat_finish(f, err);
}
