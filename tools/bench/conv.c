/* A whole binary layer at inference, float map in, float map out, against the float layer of the
 * twin: graphs of one layer each, folded as a network is. */
#include <stdio.h>

#include "engine/base/arena.h"
#include "layers/fold/fold.h"
#include "layers/layer.h"
#include "tools/bench/bench.h"
#include "tools/bench/shapes.h"
#include "tools/cli/interrupt.h"

typedef struct layer_work {
    const bnn_bench *bench;
    const bnn_binarizer *binarizer; /* NULL: float */
    int phase;
    bnn_conv s;
    bnn_fold *fold;
} layer_work;

static bnn_code fill(layer_work *l, bnn_graph *g, bnn_t x, bnn_t y, bnn_params *params,
                     bnn_error *err) {
    const bnn_conv *s = &l->s;
    bnn_code code;
    if ((code = bnn_graph_status(g, err)) || (code = bnn_params_allocate(params, err))) {
        return code;
    }
    bnn_params_initialize(params, 1);
    if ((code = bnn_params_to_device(params, err)) ||
        (code = bnn_fold_create(g, 1, &x, 1, &y, 0, &l->fold, err)) ||
        (code = bnn_graph_bind(bnn_fold_graph(l->fold), NULL, err)) ||
        (code = bnn_fold_evaluate(l->fold, err))) {
        return code;
    }
    const float *input =
        bnn_bench_floats((size_t)s->n * (size_t)s->h * (size_t)s->w * (size_t)s->c, 1);
    bnn_graph_set(bnn_fold_graph(l->fold), bnn_fold_result(l->fold)->inputs[0], input);
    return input ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for an input");
}

/* What it allocates the worker's process keeps to its end. */
static bnn_code set_up(void *self, char *version, bnn_error *err) {
    layer_work *l = self;
    const bnn_conv *s = &l->s;
    (void)version;
    bnn_device device = l->bench->device;
    bnn_code code = bnn_bench_device(l->bench->where, &device, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_params *params = bnn_params_create();
    bnn_graph *g = params ? bnn_graph_create(&device, params, 0) : NULL;
    if (!g) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for a layer");
    }
    bnn_build build = {.graph = g, .binarizer = l->binarizer, .phase = l->phase};
    bnn_conv_layer conv = {.out = s->o, .kernel = s->kh, .stride = s->stride_h, .pad = s->pad_h};
    bnn_t x = bnn_graph_input(g, "input", BNN_F32, (bnn_shape){s->n, s->h, s->w, s->c});
    bnn_t y = bnn_graph_value(g, bnn_conv2d(&build, "conv", x, &conv));
    bnn_graph_keep(g, y);
    return fill(l, g, x, y, params, err);
}

static bnn_code run(void *self, bnn_error *err) {
    (void)err;
    bnn_graph_forward(bnn_fold_graph(((layer_work *)self)->fold));
    return BNN_OK;
}

static bnn_code wait(void *self, bnn_error *err) {
    const bnn_stream *stream = bnn_graph_stream(bnn_fold_graph(((layer_work *)self)->fold));
    return stream->device.ops->finish(stream, err);
}

static bnn_code measure(const bnn_bench *bench, const bnn_spec *spec, const bnn_conv *shape,
                        bnn_error *err) {
    char text[64];
    bnn_bench_row row = {.group = "conv binary", .threads = bench->device.threads};
    bnn_bench_shape_text(shape, text, sizeof text);
    snprintf(row.name, sizeof row.name, "conv binary %s %s", bnn_spec_algorithm(spec), text);
    if (!bnn_bench_wants(bench, row.name) || bnn_interrupted()) {
        return BNN_OK;
    }
    layer_work binary = {
        .bench = bench, .binarizer = spec->binarizer, .phase = spec->phase, .s = *shape};
    layer_work plain = {.bench = bench, .s = *shape};
    bnn_work work = {
        .set_up = set_up, .run = run, .wait = bench->where ? wait : NULL, .self = &binary};
    bnn_work twin = work;
    twin.self = &plain;
    return bnn_bench_pair(bench, &row, &work, BNN_FLOAT_ALGORITHM, &twin, 1, err);
}

bnn_code bnn_bench_conv(const bnn_bench *bench, bnn_error *err) {
    bnn_bench_setting settings[2];
    bnn_conv shapes[BNN_BENCH_SHAPES];
    size_t count, setting_count = bnn_bench_settings(bench, settings);
    for (size_t a = 0; bench->algorithms[a]; a++) {
        for (size_t i = 0; i < setting_count; i++) {
            bnn_spec spec;
            bnn_code code = bnn_bench_spec(bench, bench->algorithms[a], &spec, err);
            if (code == BNN_OK) {
                code = bnn_bench_shapes(bench, settings[i], shapes, &count, err);
            }
            for (size_t k = 0; code == BNN_OK && k < count; k++) {
                code = measure(bench, &spec, &shapes[k], err);
            }
            if (code != BNN_OK) {
                return code;
            }
        }
    }
    return BNN_OK;
}
