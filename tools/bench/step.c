#include "tools/bench/step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/loader.h"
#include "engine/base/arena.h"
#include "engine/profile.h"
#include "optim/optimizer.h"
#include "tools/bench/bench.h"
#include "tools/run/data_spec.h"
#include "tools/run/device.h"
#include "tools/train/trainer.h"

/* Of the worker, which measures one step and keeps this to its end. */
static struct {
    bnn_params *params;
    bnn_net net;
    bnn_optimizer optimizer;
    bnn_loader *loader;
    uint32_t epoch;
} step;

/* Boxes that have a size, and lie in the picture. */
static void make_boxes(const bnn_spec *spec, size_t values, float *box) {
    for (size_t i = 0; box && i < values; i += 4) {
        const float side = (float)(i / 4 % 7 + 1) / 8.0f;
        box[i] = box[i + 1] = 0.0f;
        box[i + 2] = side * (float)spec->width;
        box[i + 3] = side * (float)spec->height;
    }
}

/* Samples that stay, where no loader brings new ones: floats, and classes in turn. */
static bnn_code set_random_batch(const bnn_step_config *c, bnn_error *err) {
    const bnn_net *net = &step.net;
    bnn_batch batch = {.n = c->batch_size, .field = net->field, .field_count = net->fields};
    for (int f = 0; f < net->fields; f++) {
        size_t values = c->batch_size * bnn_shape_count(net->field[f].shape);
        int integers = net->field[f].dtype == BNN_I32;
        int32_t *class = integers ? bnn_alloc_aligned(values * sizeof *class) : NULL;
        for (size_t i = 0; class && i < values; i++) {
            class[i] = (int32_t)(i % (size_t)c->spec.classes);
        }
        float *floats = integers ? NULL : bnn_bench_floats(values, 1);
        if (strcmp(net->field[f].name, "boxes") == 0) {
            make_boxes(&c->spec, values, floats);
        }
        batch.data[f] = integers ? (void *)class : floats;
        if (!batch.data[f]) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for a batch");
        }
    }
    return bnn_net_feed(net, &batch, err);
}

static bnn_code open_loader(const bnn_step_config *c, bnn_error *err) {
    bnn_dataset *dataset;
    bnn_loader_options options =
        bnn_train_loader_options(c->batch_size, 1, bnn_device_host_threads(&c->device, 0));
    options.cut = 0; /* all batches are one network's */
    bnn_code code = bnn_dataset_open(bnn_dataset_find(c->data), c->data_dir, BNN_SPLIT_TRAIN,
                                     c->data_options, &dataset, err);
    if (code == BNN_OK && (code = bnn_arch_holds(c->spec.arch, dataset, err)) == BNN_OK) {
        code = bnn_loader_create(dataset, &options, &step.loader, err);
    }
    return code == BNN_OK ? bnn_loader_start(step.loader, 0, 0, err) : code;
}

/* What becomes of a gradient (engine/params.h). */
static void update(void *self, const bnn_stream *stream, const bnn_param *param, float *grad) {
    (void)self;
    bnn_optimizer_move(&step.optimizer, stream, param->offset, param->count,
                       bnn_param_memory(step.params, param), grad);
}

static bnn_code set_up(void *self, char *version, bnn_error *err) {
    bnn_step_config *c = self;
    (void)version;
    bnn_code code = bnn_bench_device(c->where, &c->device, err);
    if (code != BNN_OK) {
        return code;
    }
    step.params = bnn_params_create();
    if (!step.params) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the parameters");
    }
    step.params->update = update;
    if ((code = bnn_net_build(&c->spec, &c->device, step.params, (int)c->batch_size, 1, &step.net,
                              err)) ||
        (code = bnn_params_allocate(step.params, err)) ||
        (code = bnn_graph_bind(step.net.graph, NULL, err)) ||
        (code = bnn_optimizer_init(&step.optimizer, bnn_optimizer_find("adam"), &c->device,
                                   step.params->value_count, err))) {
        return code;
    }
    step.optimizer.lr = 1e-3;
    bnn_params_initialize(step.params, 1);
    /* As many epochs as phases: each has one. */
    int phases = c->spec.binarizer ? c->spec.binarizer->phases : 1;
    bnn_apply_schedule(c->spec.binarizer, step.params, c->spec.phase, phases);
    code = bnn_params_to_device(step.params, err);
    return code != BNN_OK ? code : c->data ? open_loader(c, err) : set_random_batch(c, err);
}

/* The next full batch, in this epoch or the next. */
static bnn_code next_batch(const bnn_step_config *c, bnn_error *err) {
    bnn_batch batch;
    bnn_code code = bnn_loader_next(step.loader, &batch, err);
    while (code == BNN_OK && batch.n < c->batch_size) {
        code = bnn_loader_start(step.loader, ++step.epoch, 0, err);
        code = code == BNN_OK ? bnn_loader_next(step.loader, &batch, err) : code;
    }
    return code == BNN_OK ? bnn_net_feed(&step.net, &batch, err) : code;
}

static bnn_code run(void *self, bnn_error *err) {
    bnn_code code = step.loader ? next_batch(self, err) : BNN_OK;
    if (code != BNN_OK) {
        return code;
    }
    float loss = NAN;
    bnn_graph_forward(step.net.graph);
    code = bnn_graph_get(step.net.graph, step.net.loss, &loss, err);
    if (code != BNN_OK) {
        return code;
    }
    if (!isfinite(loss)) {
        return bnn_fail(err, BNN_ERR_NUMERIC, "the loss of a measured step is not finite");
    }
    bnn_optimizer_begin(&step.optimizer);
    bnn_graph_backward(step.net.graph);
    const bnn_stream *stream = bnn_graph_stream(step.net.graph);
    return stream->device.ops->finish(stream, err);
}

/* Its result is the worker's version: all that a worker tells that is not a time. */
static bnn_code count_bytes(void *self, char *version, bnn_error *err) {
    bnn_code code = set_up(self, version, err);
    if (code != BNN_OK || (code = bnn_profile_start(step.net.graph, err)) != BNN_OK ||
        (code = run(self, err)) != BNN_OK) {
        return code;
    }
    int arrays = 1 + 2; /* the gradient is read; values and state are read and written */
    for (int i = 0; step.optimizer.kind->slots[i]; i++) {
        arrays += 2;
    }
    double bytes = arrays * (double)(sizeof(float) * step.params->value_count);
    for (size_t i = 0; i < bnn_graph_node_count(step.net.graph); i++) {
        for (int kind = 0; kind < BNN_COST_KINDS; kind++) {
            bytes += bnn_profile_cost(step.net.graph, i, (bnn_cost_kind)kind).bytes;
        }
    }
    snprintf(version, BNN_VERSION_BYTES, "%.0f", bytes);
    return BNN_OK;
}

bnn_code bnn_step_bytes(bnn_step_config *config, double *bytes, bnn_error *err) {
    bnn_work work = {.set_up = count_bytes, .self = config};
    bnn_worker *worker = NULL;
    bnn_code code = bnn_worker_start(&work, &worker, err);
    *bytes = code == BNN_OK ? strtod(bnn_worker_version(worker), NULL) : 0.0;
    bnn_worker_stop(worker);
    return code;
}

bnn_work bnn_step_work(bnn_step_config *config) {
    return (bnn_work){.set_up = set_up, .run = run, .self = config};
}
