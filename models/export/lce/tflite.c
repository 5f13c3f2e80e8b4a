#include "models/export/lce/tflite.h"

#include <string.h>

enum { MERGED = 1024 }; /* places of the hash table; what falls together is not merged */

size_t bnn_tfl_count(bnn_tfl_shape shape) {
    size_t count = 1;
    for (int i = 0; i < shape.rank; i++) {
        count *= (size_t)shape.size[i];
    }
    return count;
}

size_t bnn_tfl_bytes(bnn_tfl_type type, bnn_tfl_shape shape) {
    return (type == BNN_TFL_HALF ? 2 : 4) * bnn_tfl_count(shape);
}

/* Room for one more behind `count` items; without memory they stay where they are. */
static void *grow(bnn_tfl *model, void *items, size_t *capacity, int count, size_t bytes) {
    void *larger = bnn_arena_grow(model->arena, items, capacity, (size_t)count + 1, bytes);
    model->failed |= !larger;
    return larger ? larger : items;
}

void bnn_tfl_start(bnn_tfl *model, bnn_arena *arena) {
    *model = (bnn_tfl){.arena = arena};
    model->merged = bnn_arena_alloc(arena, MERGED * sizeof *model->merged);
    model->failed = model->merged == NULL;
}

static int add_tensor(bnn_tfl *model, const bnn_tfl_tensor *tensor) {
    model->tensors = grow(model, model->tensors, &model->tensor_capacity, model->tensor_count,
                          sizeof *model->tensors);
    if (model->failed || !tensor->name) {
        model->failed = 1;
        return 0;
    }
    model->tensors[model->tensor_count] = *tensor;
    return model->tensor_count++;
}

int bnn_tfl_input(bnn_tfl *model, const char *name, bnn_tfl_type type, bnn_tfl_shape shape) {
    return model->inputs[model->input_count++] =
               add_tensor(model, &(bnn_tfl_tensor){name, type, shape, NULL, BNN_TFL_NONE});
}

static int is_same(const bnn_tfl_tensor *a, const bnn_tfl_tensor *b, size_t bytes) {
    return a->type == b->type && a->shape.rank == b->shape.rank &&
           memcmp(a->shape.size, b->shape.size, sizeof a->shape.size) == 0 &&
           memcmp(a->data, b->data, bytes) == 0;
}

/* FNV-1a. */
static uint32_t hash(const unsigned char *data, size_t bytes) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < bytes; i++) {
        h = (h ^ data[i]) * 16777619u;
    }
    return h;
}

int bnn_tfl_constant(bnn_tfl *model, const char *name, bnn_tfl_type type, bnn_tfl_shape shape,
                     const void *data) {
    const size_t bytes = bnn_tfl_bytes(type, shape);
    bnn_tfl_tensor tensor = {name, type, shape, data, BNN_TFL_NONE};
    if (!data || model->failed) {
        model->failed = 1;
        return 0;
    }
    int *place = &model->merged[hash(data, bytes) % MERGED];
    if (*place && is_same(&model->tensors[*place - 1], &tensor, bytes)) {
        return *place - 1;
    }
    int t = add_tensor(model, &tensor);
    *place = model->failed ? 0 : t + 1;
    return t;
}

int bnn_tfl_add(bnn_tfl *model, const bnn_tfl_op *op, const char *name, bnn_tfl_type type,
                bnn_tfl_shape shape) {
    int out = add_tensor(model, &(bnn_tfl_tensor){name, type, shape, NULL, model->op_count});
    model->ops = grow(model, model->ops, &model->op_capacity, model->op_count, sizeof *model->ops);
    if (!model->failed) {
        model->ops[model->op_count] = *op;
        model->ops[model->op_count++].out = out;
    }
    return out;
}

/* The floats come next behind the halves, so that who wants the same halves again finds them. */
int bnn_tfl_halves(bnn_tfl *model, const char *name, bnn_tfl_shape shape, const uint16_t *data) {
    const int next = model->tensor_count;
    const int halves = bnn_tfl_constant(model, name, BNN_TFL_HALF, shape, data);
    const bnn_tfl_op op = {.code = BNN_TFL_DEQUANTIZE, .in = {halves}, .in_count = 1};
    return halves < next ? halves + 1 : bnn_tfl_add(model, &op, name, BNN_TFL_FLOAT, shape);
}
