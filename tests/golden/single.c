#include "tests/golden/single.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "layers/fold/fold.h"
#include "models/model.h"

static void fail(golden_single *c, const char *tensor, const char *what, double value) {
    printf("FAIL %s: %s: %s %.3g\n", c->path, tensor, what, value);
    c->failed = 1;
}

static const bnn_st_tensor *need(golden_single *c, const char *name) {
    const bnn_st_tensor *t = bnn_st_find(c->file, name);
    if (!t || t->dtype != BNN_ST_F32) {
        printf("FAIL %s: %s: missing or not F32\n", c->path, name);
        c->failed = 1;
        return NULL;
    }
    return t;
}

/* A file's tensor as channels-last. */
static bnn_param order_of(const bnn_st_tensor *t, golden_order order) {
    bnn_param p = {.channels = 1, .space = 1, .inner = 1, .count = t->count};
    int n = t->ndim > 1 ? (int)t->shape[0] : 1, last = t->ndim ? (int)t->shape[t->ndim - 1] : 1;
    if (order == GOLDEN_ROWS || t->ndim < 3) {
        p.memory = (bnn_shape){n, 1, (int)(t->count / (size_t)(n * last)), last};
        p.outer = t->count;
    } else {
        int h = t->ndim == 4 ? (int)t->shape[2] : 1;
        p.memory = (bnn_shape){n, h, last, (int)t->shape[1]};
        p.outer = (size_t)n;
        p.channels = (size_t)p.memory.c;
        p.space = (size_t)(h * last);
    }
    return p;
}

/* Copies a file's tensor in memory order; a parameter longer than the file's keeps its rest. */
static float *in_memory_order(const bnn_param *order, const bnn_st_tensor *t) {
    float *memory = bnn_alloc_aligned(t->bytes), *raw = bnn_alloc_aligned(t->bytes);
    memcpy(raw, t->data, t->bytes);
    if (order->count == t->count) {
        bnn_param_to_memory(order, raw, memory);
    } else {
        memcpy(memory, raw, t->bytes);
    }
    free(raw);
    return memory;
}

/* Floats, or integers, which are as long. */
static bnn_t add_input(golden_single *c, const char *name, const bnn_st_tensor *t, bnn_dtype dtype,
                       bnn_param order, int fixed) {
    if (!t || c->in_count == GOLDEN_MOST_INPUTS) {
        return bnn_graph_fail(c->build.graph, BNN_ERR_FORMAT, "no input %s", name);
    }
    int i = c->in_count++;
    c->in[i].name = name;
    c->in[i].order = order;
    c->in[i].fixed = fixed;
    c->in[i].memory = in_memory_order(&order, t);
    c->in[i].t = bnn_graph_input(c->build.graph, name, dtype, order.memory);
    if (!fixed && !c->folding) {
        bnn_graph_want_grad(c->build.graph, c->in[i].t);
    }
    return c->in[i].t;
}

bnn_t golden_single_input(golden_single *c, const char *name, golden_order order) {
    const bnn_st_tensor *t = need(c, name);
    return add_input(c, name, t, BNN_F32, t ? order_of(t, order) : (bnn_param){0}, 0);
}

bnn_t golden_single_fixed(golden_single *c, const char *name) {
    const bnn_st_tensor *t = bnn_st_find(c->file, name);
    if (!t || t->dtype != BNN_ST_I32) {
        t = need(c, name);
        return add_input(c, name, t, BNN_F32, t ? order_of(t, GOLDEN_ROWS) : (bnn_param){0}, 1);
    }
    int n = t->ndim ? (int)t->shape[0] : 1;
    bnn_param order = {.outer = t->count, .channels = 1, .space = 1, .inner = 1, .count = t->count};
    order.memory = (bnn_shape){n, 1, (int)t->count / n, 1};
    return add_input(c, name, t, BNN_I32, order, 1);
}

bnn_t golden_single_given(golden_single *c, const char *name, bnn_dtype dtype, size_t count,
                          const void *values) {
    bnn_st_tensor t = {.data = values, .bytes = 4 * count, .count = count, .ndim = 1};
    bnn_param order = {.outer = count, .channels = 1, .space = 1, .inner = 1, .count = count};
    order.memory = bnn_vector((int)count);
    return add_input(c, name, &t, dtype, order, 1);
}

/* Buffers that a file does not have are the schedule's. */
static void fill_params(golden_single *c) {
    int epochs = golden_integer(c->file, "max_epochs", 0);
    bnn_params_initialize(c->params, 0);
    bnn_apply_schedule(c->build.binarizer, c->params, golden_integer(c->file, "epoch", 0),
                       epochs ? epochs : 1);
    for (size_t i = 0; i < c->params->count; i++) {
        const bnn_param *p = c->params->list[i];
        char name[256];
        snprintf(name, sizeof name, "%s.%s", p->trainable ? "param" : "buffer",
                 p->name + sizeof GOLDEN_LAYER);
        const bnn_st_tensor *t = bnn_st_find(c->file, name);
        t = t || p->trainable ? need(c, name) : NULL;
        if (t && t->count <= p->count) {
            float *memory = in_memory_order(p, t);
            memcpy(bnn_param_data(c->params, p), memory, t->bytes);
            free(memory);
        } else if (t) {
            fail(c, name, "values too many", (double)t->count);
        }
    }
}

static void compare(golden_single *c, const char *name, const bnn_param *order, const float *got,
                    double base, int by_max) {
    const bnn_st_tensor *t = need(c, name);
    double tolerance = golden_tolerance(c->file, name, base);
    if (!t) {
        return;
    }
    float *want = in_memory_order(order, t);
    double worst = 0.0, largest = 0.0, error = 0.0, norm = 0.0;
    for (size_t i = 0; i < t->count; i++) {
        double d = fabs((double)got[i] - (double)want[i]);
        worst = d > worst || isnan(d) ? d : worst;
        largest = fmax(largest, fabs((double)want[i]));
        error += d * d;
        norm += (double)want[i] * (double)want[i];
    }
    double relative = by_max ? worst / fmax(largest, 1e-30) : sqrt(error) / fmax(sqrt(norm), 1e-30);
    if (!(relative <= tolerance)) {
        fail(c, name, "relative error", relative);
    }
    free(want);
}

static void set_inputs(const golden_single *c, bnn_graph *g) {
    for (int i = 0; i < c->in_count; i++) {
        bnn_graph_set(g, c->in[i].t, c->in[i].memory);
    }
}

static void release(golden_single *c) {
    for (int i = 0; i < c->in_count; i++) {
        free(c->in[i].memory);
    }
    bnn_graph_free(c->build.graph);
}

/* What inference runs must agree too. */
static void check_folded(golden_single *from, golden_builder *build, const char *result,
                         const bnn_param *order) {
    golden_single c = *from;
    bnn_error err = {0};
    bnn_fold *fold = NULL;
    c.in_count = 0;
    c.folding = 1;
    c.build.graph = bnn_graph_create(bnn_graph_device(from->build.graph), c.params, 0);
    bnn_t y = bnn_graph_value(c.build.graph, build(&c));
    if (bnn_fold_create(c.build.graph, 1, &c.in[0].t, 1, &y, 1, &fold, &err) != BNN_OK ||
        bnn_graph_bind(bnn_fold_graph(fold), NULL, &err) != BNN_OK ||
        bnn_fold_evaluate(fold, &err) != BNN_OK) {
        fail(from, err.text, "folding", 0.0);
    } else {
        bnn_graph_set(bnn_fold_graph(fold), bnn_fold_result(fold)->inputs[0], c.in[0].memory);
        bnn_graph_forward(bnn_fold_graph(fold));
        compare(from, result, order,
                bnn_f32(bnn_fold_graph(fold), bnn_fold_result(fold)->outputs[0]), 1e-5, 1);
    }
    bnn_fold_free(fold);
    release(&c);
}

static void compare_gradients(golden_single *c) {
    char name[256];
    for (int i = 0; i < c->in_count; i++) {
        snprintf(name, sizeof name, "grad_%s", c->in[i].name);
        if (!c->in[i].fixed) {
            compare(c, name, &c->in[i].order, bnn_grad(c->build.graph, c->in[i].t), 1e-4, 0);
        }
    }
    for (size_t i = 0; i < c->params->count; i++) {
        const bnn_param *p = c->params->list[i];
        snprintf(name, sizeof name, "grad.%s", p->name + sizeof GOLDEN_LAYER);
        if (p->trainable) {
            compare(c, name, p, bnn_param_grad(c->params, p), 1e-4, 0);
        }
    }
}

static void run(golden_single *c, golden_builder *build) {
    bnn_graph *g = c->build.graph;
    const char *result = bnn_st_find(c->file, "y") ? "y" : "loss";
    const bnn_st_tensor *want = need(c, result), *gy = bnn_st_find(c->file, "grad_y");
    bnn_error err = {0};
    bnn_graph_set_gradients(g, 1);
    bnn_t y = bnn_graph_value(g, build(c));
    bnn_graph_keep(g, y);
    if (!want || bnn_graph_compile(g, y, &err) != BNN_OK ||
        bnn_params_allocate(c->params, &err) != BNN_OK || bnn_graph_bind(g, NULL, &err) != BNN_OK) {
        fail(c, err.text, "building", 0.0);
        return;
    }
    bnn_param order = order_of(want, c->y_order);
    size_t values = bnn_shape_count(bnn_shape_of(g, y));
    if (want->count != values || (gy && gy->count != values)) {
        fail(c, result, "values here", (double)values);
        return;
    }
    fill_params(c);
    set_inputs(c, g);
    bnn_graph_forward(g);
    compare(c, result, &order, bnn_f32(g, y), 1e-5, 1);
    if (gy) {
        float *memory = in_memory_order(&order, gy);
        memcpy(bnn_grad(g, y), memory, gy->bytes);
        free(memory);
    }
    bnn_graph_backward(g);
    compare_gradients(c);
    if (!bnn_graph_training(g)) {
        check_folded(c, build, result, &order);
    }
}

golden_result golden_run_single(const char *path, const bnn_st_file *file, const bnn_device *device,
                                golden_builder *build, golden_order y_order) {
    golden_single c = {.path = path, .file = file, .y_order = y_order};
    c.build.binarizer = bnn_binarizer_find(golden_text(file, "algorithm", ""));
    if (c.build.binarizer && c.build.binarizer->schedule) {
        bnn_scheduled values[BNN_MAX_SCHEDULED];
        int epochs = golden_integer(file, "max_epochs", 0);
        c.build.phase = c.build.binarizer->schedule(golden_integer(file, "epoch", 0),
                                                    epochs ? epochs : 1, values);
    }
    c.params = bnn_params_create();
    c.build.graph = bnn_graph_create(device, c.params,
                                     strcmp(golden_text(file, "mode", "train"), "train") == 0);
    run(&c, build);
    release(&c);
    bnn_params_free(c.params);
    return c.failed ? GOLDEN_FAILED : GOLDEN_PASSED;
}
