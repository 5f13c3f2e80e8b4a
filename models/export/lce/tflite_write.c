/* A TensorFlow Lite model as bytes. Tables of one kind are written before any of their children, so
 * that children which are the same (shapes, names, options of ops) are written once. */
#include "models/export/lce/tflite.h"

#include <stdlib.h>
#include <string.h>

enum { SCHEMA_VERSION = 3, DATA_ALIGN = 16, LAST_OLD_CODE = 127, SEEN = 1024 };
enum { HALVES_VERSION = 3 }; /* of DEQUANTIZE, since it takes halves; all else is of the first */

/* A child that was written: what it holds, and a hole that leads there. */
typedef struct child {
    size_t item, count;
    const void *items;
    size_t hole;
} child;

typedef struct writer {
    const bnn_tfl *model;
    bnn_flat *f;
    child *seen;   /* by a hash of what it holds; the last one stays */
    size_t *holes; /* of the tables' children, 3 a table */
} writer;

/* A vector of items of 1 or 4 bytes, or with item 0 a string: one that is there, or a new one. */
static void put_child(const writer *w, size_t hole, size_t item, size_t count, const void *items) {
    const size_t bytes = (item ? item : 1) * count;
    size_t h = item + count;
    for (size_t i = 0; i < bytes; i++) {
        h = h * 31 + ((const unsigned char *)items)[i];
    }
    child *c = &w->seen[h % SEEN];
    if (c->items && c->item == item && c->count == count && memcmp(c->items, items, bytes) == 0 &&
        bnn_flat_share(w->f, hole, c->hole)) {
        return;
    }
    if (item) {
        bnn_flat_vector(w->f, hole, item, item, count, items);
    } else {
        bnn_flat_string(w->f, hole, items);
    }
    *c = (child){item, count, items, hole};
}

static void put_string(const writer *w, size_t hole, const char *text) {
    put_child(w, hole, 0, strlen(text), text);
}

/* ---- op codes: one entry for each code and name ---- */

static int is_same_code(const bnn_tfl_op *a, const bnn_tfl_op *b) {
    return a->code == b->code && (!a->custom || strcmp(a->custom, b->custom) == 0);
}

/* The entry of an op, that is how many ops before the first of its code have a first one. */
static size_t code_index(const bnn_tfl *model, const size_t *firsts, size_t count, int op) {
    size_t i = 0;
    while (i < count && !is_same_code(&model->ops[firsts[i]], &model->ops[op])) {
        i++;
    }
    return i;
}

static void put_codes(const writer *w, size_t hole, size_t count, const size_t *firsts) {
    hole = bnn_flat_offsets(w->f, hole, count);
    for (size_t i = 0; i < count; i++, hole += 4) {
        const bnn_tfl_op *op = &w->model->ops[firsts[i]];
        const uint64_t code = (uint64_t)op->code;
        bnn_flat_field fields[] = {
            {.id = 0, .bytes = 1, .value = code < LAST_OLD_CODE ? code : LAST_OLD_CODE},
            {.id = 3, .bytes = 4, .value = code},
            {.id = 1}};
        if (op->code == BNN_TFL_DEQUANTIZE) {
            fields[2] = (bnn_flat_field){.id = 2, .bytes = 4, .value = HALVES_VERSION};
        }
        bnn_flat_table(w->f, hole, op->custom || fields[2].bytes ? 3 : 2, fields);
        if (op->custom) {
            put_string(w, fields[2].hole, op->custom);
        }
    }
}

/* ---- ops ---- */

/* The type of a code's options in the schema; 0: it has none. */
static uint64_t options_type(bnn_tfl_code code) {
    static const struct {
        bnn_tfl_code code;
        unsigned char type;
    } types[] = {{BNN_TFL_ADD, 11},
                 {BNN_TFL_CONCATENATION, 10},
                 {BNN_TFL_CONV_2D, 1},
                 {BNN_TFL_MAX_POOL_2D, 5},
                 {BNN_TFL_FULLY_CONNECTED, 8},
                 {BNN_TFL_L2_NORMALIZATION, 12},
                 {BNN_TFL_MUL, 21},
                 {BNN_TFL_SOFTMAX, 9},
                 {BNN_TFL_GATHER, 23},
                 {BNN_TFL_SUB, 28},
                 {BNN_TFL_DIV, 29},
                 {BNN_TFL_CAST, 37},
                 {BNN_TFL_GREATER, 44},
                 {BNN_TFL_NOT_EQUAL, 54},
                 {BNN_TFL_GELU, 116},
                 {BNN_TFL_RESHAPE, 17},
                 {BNN_TFL_TRANSPOSE, 26},
                 {BNN_TFL_PAD, 22},
                 {BNN_TFL_MEAN, 27},
                 {BNN_TFL_REDUCE_MAX, 27},
                 {BNN_TFL_MAXIMUM, 39},
                 {BNN_TFL_MINIMUM, 39},
                 {BNN_TFL_PADV2, 43},
                 {BNN_TFL_SLICE, 48},
                 {BNN_TFL_TILE, 51},
                 {BNN_TFL_ABS, 78},
                 {BNN_TFL_BATCH_MATMUL, 101},
                 {BNN_TFL_DEPTHWISE_CONV_2D, 2}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].code == code) {
            return types[i].type;
        }
    }
    return 0;
}

static void put_ops(const writer *w, size_t hole, size_t code_count, const size_t *firsts) {
    const bnn_tfl *model = w->model;
    size_t *at = w->holes;
    hole = bnn_flat_offsets(w->f, hole, (size_t)model->op_count);
    for (int i = 0; i < model->op_count; i++, hole += 4, at += 3) {
        const bnn_tfl_op *op = &model->ops[i];
        const uint64_t type = options_type(op->code);
        bnn_flat_field fields[] = {
            {.id = 0, .bytes = 4, .value = code_index(model, firsts, code_count, i)},
            {.id = 1},
            {.id = 2},
            {.id = type ? 4 : 5},
            {.id = 3, .bytes = 1, .value = type}};
        bnn_flat_table(w->f, hole, type ? 5 : op->custom_bytes ? 4 : 3, fields);
        for (int k = 0; k < 3; k++) {
            at[k] = fields[1 + k].hole;
        }
    }
    at = w->holes;
    for (int i = 0; i < model->op_count; i++, at += 3) {
        bnn_tfl_op op = model->ops[i];
        put_child(w, at[0], 4, (size_t)op.in_count, model->ops[i].in);
        put_child(w, at[1], 4, 1, &model->ops[i].out);
        if (options_type(op.code)) {
            bnn_flat_table(w->f, at[2], op.option_count, op.options);
        } else if (op.custom_bytes) {
            put_child(w, at[2], 1, op.custom_bytes, op.custom_options);
        }
    }
}

/* ---- tensors ---- */

static void put_tensors(const writer *w, size_t hole) {
    const bnn_tfl *model = w->model;
    size_t *at = w->holes;
    uint64_t buffer = 0; /* 0 is empty, and every computed tensor's */
    hole = bnn_flat_offsets(w->f, hole, (size_t)model->tensor_count);
    for (int i = 0; i < model->tensor_count; i++, hole += 4, at += 2) {
        const bnn_tfl_tensor *t = &model->tensors[i];
        buffer += t->data != NULL;
        bnn_flat_field fields[] = {{.id = 0},
                                   {.id = 3},
                                   {.id = 1, .bytes = 1, .value = (uint64_t)t->type},
                                   {.id = 2, .bytes = 4, .value = t->data ? buffer : 0}};
        bnn_flat_table(w->f, hole, 4, fields);
        at[0] = fields[0].hole;
        at[1] = fields[1].hole;
    }
    at = w->holes;
    for (int i = 0; i < model->tensor_count; i++, at += 2) {
        const bnn_tfl_tensor *t = &model->tensors[i];
        put_child(w, at[0], 4, (size_t)t->shape.rank, t->shape.size);
        put_string(w, at[1], t->name);
    }
}

static void put_graph(const writer *w, size_t hole, size_t code_count, const size_t *firsts) {
    bnn_flat_field fields[] = {{.id = 0}, {.id = 1}, {.id = 2}, {.id = 3}, {.id = 4}};
    hole = bnn_flat_offsets(w->f, hole, 1);
    bnn_flat_table(w->f, hole, 5, fields);
    put_child(w, fields[1].hole, 4, (size_t)w->model->input_count, w->model->inputs);
    put_child(w, fields[2].hole, 4, (size_t)w->model->output_count, w->model->outputs);
    put_string(w, fields[4].hole, "main");
    put_tensors(w, fields[0].hole);
    put_ops(w, fields[3].hole, code_count, firsts);
}

static void put_buffers(const writer *w, size_t hole) {
    const bnn_tfl *model = w->model;
    size_t count = 1;
    for (int i = 0; i < model->tensor_count; i++) {
        count += model->tensors[i].data != NULL;
    }
    hole = bnn_flat_offsets(w->f, hole, count);
    bnn_flat_table(w->f, hole, 0, NULL);
    for (int i = 0; i < model->tensor_count; i++) {
        const bnn_tfl_tensor *t = &model->tensors[i];
        if (t->data) {
            bnn_flat_field data = {.id = 0};
            hole += 4;
            bnn_flat_table(w->f, hole, 1, &data);
            bnn_flat_vector(w->f, data.hole, 1, DATA_ALIGN, bnn_tfl_bytes(t->type, t->shape),
                            t->data);
        }
    }
}

bnn_code bnn_tfl_write(const bnn_tfl *model, const char *description, bnn_flat *f, bnn_error *err) {
    const size_t tables = (size_t)(model->tensor_count + model->op_count);
    writer w = {.model = model,
                .f = f,
                .seen = bnn_arena_alloc(model->arena, SEEN * sizeof(child)),
                .holes = bnn_arena_alloc(model->arena, (3 * tables + 1) * sizeof(size_t))};
    size_t *firsts = bnn_arena_alloc(model->arena, (tables + 1) * sizeof *firsts), codes = 0;
    if (model->failed || !description || !w.seen || !w.holes || !firsts) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the exported model");
    }
    for (int i = 0; i < model->op_count; i++) {
        if (code_index(model, firsts, codes, i) == codes) {
            firsts[codes++] = (size_t)i;
        }
    }
    bnn_flat_field root[] = {
        {.id = 0, .bytes = 4, .value = SCHEMA_VERSION}, {.id = 1}, {.id = 2}, {.id = 3}, {.id = 4}};
    bnn_flat_table(f, BNN_FLAT_ROOT, 5, root);
    put_codes(&w, root[1].hole, codes, firsts);
    bnn_flat_string(f, root[3].hole, description);
    put_graph(&w, root[2].hole, codes, firsts);
    put_buffers(&w, root[4].hole);
    return bnn_flat_finish(f, err);
}
