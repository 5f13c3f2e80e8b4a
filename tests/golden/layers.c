/* Reference cases of one binary layer: forward, and backward of a given upstream gradient, against
 * numbers computed with BiBench's own code. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "engine/io/safetensors.h"
#include "layers/binarizers/binarizer.h"
#include "layers/fold/fold.h"
#include "tests/golden/golden.h"

#define NAME "layer"

typedef struct layer_case {
    const char *path;
    const bnn_st_file *file;
    bnn_params *params;
    bnn_graph *graph;
    bnn_t x, y;
    bnn_param x_order, y_order; /* only to permute */
    int failed;
} layer_case;

static int integer(const layer_case *c, const char *key, int missing) {
    const char *text = bnn_st_metadata(c->file, key);
    return text ? atoi(text) : missing;
}

static const char *text_of(const layer_case *c, const char *key) {
    const char *text = bnn_st_metadata(c->file, key);
    return text ? text : "";
}

/* [N,C,...] of a file as channels-last. */
static bnn_param image_order(const bnn_st_tensor *t, bnn_layer_kind kind) {
    bnn_param p = {.inner = 1};
    if (kind == BNN_LINEAR) {
        int rows = (int)(t->count / (size_t)t->shape[t->ndim - 1]);
        int n = t->ndim == 3 ? (int)t->shape[0] : rows;
        p.memory = (bnn_shape){n, 1, rows / n, (int)t->shape[t->ndim - 1]};
        p.outer = (size_t)rows;
        p.channels = (size_t)p.memory.c;
        p.space = 1;
    } else {
        int h = kind == BNN_CONV2D ? (int)t->shape[2] : 1;
        p.memory = (bnn_shape){(int)t->shape[0], h, (int)t->shape[t->ndim - 1], (int)t->shape[1]};
        p.outer = (size_t)p.memory.n;
        p.channels = (size_t)p.memory.c;
        p.space = (size_t)(p.memory.h * p.memory.w);
    }
    p.count = t->count;
    return p;
}

static void fail(layer_case *c, const char *tensor, const char *what, double value) {
    printf("FAIL %s: %s: %s %.3g\n", c->path, tensor, what, value);
    c->failed = 1;
}

static const bnn_st_tensor *need(layer_case *c, const char *name) {
    const bnn_st_tensor *t = bnn_st_find(c->file, name);
    if (!t || t->dtype != BNN_ST_F32) {
        printf("FAIL %s: %s: missing or not F32\n", c->path, name);
        c->failed = 1;
        return NULL;
    }
    return t;
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

static bnn_t build_layer(layer_case *c, const bnn_build *b, bnn_layer_kind kind, bnn_t x) {
    const bnn_st_tensor *weight = bnn_st_find(c->file, "param.weight");
    int bias = bnn_st_find(c->file, "param.bias") != NULL;
    if (kind == BNN_LINEAR) {
        bnn_linear_layer linear = {.out = (int)weight->shape[0], .no_bias = !bias};
        return bnn_linear(b, NAME, x, &linear);
    }
    bnn_conv_layer conv = {.out = (int)weight->shape[0],
                           .kernel = integer(c, "kernel", 1),
                           .stride = integer(c, "stride", 1),
                           .pad = integer(c, "padding", 0),
                           .dilation = integer(c, "dilation", 1),
                           .groups = integer(c, "groups", 1),
                           .bias = bias};
    return kind == BNN_CONV2D ? bnn_conv2d(b, NAME, x, &conv) : bnn_conv1d(b, NAME, x, &conv);
}

static void fill_params(layer_case *c) {
    for (size_t i = 0; i < c->params->count; i++) {
        const bnn_param *p = c->params->list[i];
        char name[256];
        snprintf(name, sizeof name, "%s.%s", p->trainable ? "param" : "buffer",
                 p->name + sizeof NAME);
        const bnn_st_tensor *t = need(c, name);
        if (t) {
            float *memory = in_memory_order(p, t);
            memcpy(bnn_param_data(c->params, p), memory, t->bytes);
            free(memory);
        }
    }
}

static void compare(layer_case *c, const char *name, const bnn_param *order, const float *got,
                    double tolerance, int by_max) {
    const bnn_st_tensor *t = need(c, name);
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

/* What inference runs must agree too. */
static void check_folded(layer_case *c, const bnn_build *training, bnn_layer_kind kind,
                         const float *x) {
    bnn_build b = *training;
    bnn_error err = {0};
    bnn_fold *fold = NULL;
    b.graph = bnn_graph_create(bnn_graph_device(c->graph), c->params, 0);
    bnn_t in = bnn_graph_input(b.graph, "x", BNN_F32, c->x_order.memory);
    bnn_t out = bnn_graph_value(b.graph, build_layer(c, &b, kind, in));
    if (bnn_fold_create(b.graph, 1, &in, 1, &out, 1, &fold, &err) != BNN_OK ||
        bnn_graph_bind(bnn_fold_graph(fold), NULL, &err) != BNN_OK ||
        bnn_fold_evaluate(fold, &err) != BNN_OK) {
        fail(c, err.text, "folding", 0.0);
    } else {
        bnn_graph_set(bnn_fold_graph(fold), bnn_fold_result(fold)->inputs[0], x);
        bnn_graph_forward(bnn_fold_graph(fold));
        compare(c, "y", &c->y_order,
                bnn_f32(bnn_fold_graph(fold), bnn_fold_result(fold)->outputs[0]), 1e-5, 1);
    }
    bnn_fold_free(fold);
    bnn_graph_free(b.graph);
}

static void run(layer_case *c, const bnn_build *b, bnn_layer_kind kind) {
    const bnn_st_tensor *x = need(c, "x"), *gy = need(c, "grad_y"), *y = need(c, "y");
    bnn_error err = {0};
    c->x_order = image_order(x, kind);
    c->y_order = image_order(y, kind);
    bnn_graph_set_gradients(c->graph, 1);
    c->x = bnn_graph_input(c->graph, "x", BNN_F32, c->x_order.memory);
    bnn_graph_want_grad(c->graph, c->x);
    c->y = bnn_graph_value(c->graph, build_layer(c, b, kind, c->x));
    bnn_graph_keep(c->graph, c->y);
    if (bnn_graph_compile(c->graph, c->y, &err) != BNN_OK ||
        bnn_params_allocate(c->params, &err) != BNN_OK ||
        bnn_graph_bind(c->graph, NULL, &err) != BNN_OK) {
        fail(c, err.text, "building", 0.0);
        return;
    }
    fill_params(c);
    float *x_memory = in_memory_order(&c->x_order, x),
          *gy_memory = in_memory_order(&c->y_order, gy);
    bnn_graph_set(c->graph, c->x, x_memory);
    bnn_graph_forward(c->graph);
    memcpy(bnn_grad(c->graph, c->y), gy_memory, gy->bytes);
    compare(c, "y", &c->y_order, bnn_f32(c->graph, c->y), 1e-5, 1);
    bnn_graph_backward(c->graph);
    compare(c, "grad_x", &c->x_order, bnn_grad(c->graph, c->x), 1e-4, 0);
    for (size_t i = 0; i < c->params->count; i++) {
        const bnn_param *p = c->params->list[i];
        char name[256];
        snprintf(name, sizeof name, "grad.%s", p->name + sizeof NAME);
        if (p->trainable) {
            compare(c, name, p, bnn_param_grad(c->params, p), 1e-4, 0);
        }
    }
    if (strcmp(text_of(c, "mode"), "eval") == 0) {
        check_folded(c, b, kind, x_memory);
    }
    free(x_memory);
    free(gy_memory);
}

golden_result golden_layer(const char *path, const bnn_st_file *file, const bnn_device *device) {
    layer_case c = {.path = path, .file = file};
    bnn_build b = {.binarizer = bnn_binarizer_find(text_of(&c, "algorithm"))};
    const char *layer = text_of(&c, "layer");
    bnn_layer_kind kind = strcmp(layer, "conv2d") == 0   ? BNN_CONV2D
                          : strcmp(layer, "conv1d") == 0 ? BNN_CONV1D
                                                         : BNN_LINEAR;
    if (!b.binarizer || !bnn_st_find(file, "param.weight") || !need(&c, "x") ||
        !need(&c, "grad_y") || !need(&c, "y")) {
        printf("FAIL %s: not a layer case\n", path);
        return GOLDEN_FAILED;
    }
    if (b.binarizer->schedule) {
        bnn_scheduled values[BNN_MAX_SCHEDULED];
        b.phase =
            b.binarizer->schedule(integer(&c, "epoch", 0), integer(&c, "max_epochs", 1), values);
    }
    c.params = bnn_params_create();
    c.graph = b.graph =
        bnn_graph_create(device, c.params, strcmp(text_of(&c, "mode"), "train") == 0);
    run(&c, &b, kind);
    bnn_graph_free(c.graph);
    bnn_params_free(c.params);
    return c.failed ? GOLDEN_FAILED : GOLDEN_PASSED;
}
