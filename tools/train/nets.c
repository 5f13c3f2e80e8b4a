/* The training graphs: one for each number of samples and size of them, which share memory. */
#include <stdlib.h>

#include "tools/train/trainer_private.h"

void bnn_trainer_free_nets(bnn_trainer *t) {
    for (size_t i = 0; i < t->net_count; i++) {
        bnn_graph *graph = t->nets[i].net.graph;
        if (t->set->profile && graph) {
            bnn_profile_table_add(&t->profile, graph);
        }
        bnn_graph_free(graph);
    }
    free(t->nets);
    t->set->device.ops->release(&t->set->device, BNN_MEMORY_DEVICE, t->memory);
    t->nets = NULL;
    t->memory = NULL;
    t->net_count = t->net_capacity = t->memory_bytes = 0;
}

/* Room for one more, which is empty. */
static bnn_code add(bnn_trainer *t, bnn_error *err) {
    if (t->net_count == t->net_capacity) {
        const size_t capacity = t->net_capacity ? 2 * t->net_capacity : 2;
        bnn_sized_net *nets = realloc(t->nets, capacity * sizeof *nets);
        if (!nets) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the training graphs");
        }
        t->nets = nets;
        t->net_capacity = capacity;
    }
    t->nets[t->net_count++] = (bnn_sized_net){0};
    return BNN_OK;
}

/* Memory in which each of them has room. */
static bnn_code reserve(bnn_trainer *t, size_t bytes, bnn_error *err) {
    const bnn_device *device = &t->set->device;
    bnn_code code = BNN_OK;
    device->ops->release(device, BNN_MEMORY_DEVICE, t->memory);
    t->memory = device->ops->alloc(device, BNN_MEMORY_DEVICE, bytes);
    t->memory_bytes = bytes;
    if (!t->memory) {
        return bnn_fail(err, BNN_ERR_MEMORY,
                        "out of memory: a step needs %zu MiB; use a smaller --batch-size",
                        bytes >> 20);
    }
    for (size_t i = 0; code == BNN_OK && i + 1 < t->net_count; i++) {
        code = bnn_graph_bind(t->nets[i].net.graph, t->memory, err);
    }
    return code;
}

static bnn_code build(bnn_trainer *t, size_t samples, int height, int width, bnn_error *err) {
    bnn_spec spec = t->spec;
    spec.height = height;
    spec.width = width;
    bnn_code code = add(t, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_sized_net *added = &t->nets[t->net_count - 1];
    bnn_graph *graph = NULL;
    code = bnn_net_build(&spec, &t->set->device, t->params, (int)samples, 1, &added->net, err);
    if (code == BNN_OK && !t->params->values) {
        code = bnn_params_allocate(t->params, err);
    }
    if (code == BNN_OK && bnn_graph_bytes(graph = added->net.graph) > t->memory_bytes) {
        code = reserve(t, bnn_graph_bytes(graph), err);
    }
    if (code == BNN_OK && !(code = bnn_graph_bind(graph, t->memory, err)) && t->set->profile) {
        code = bnn_profile_start(graph, err);
    }
    if (code == BNN_OK) {
        added->samples = samples;
        added->height = height;
        added->width = width;
    }
    return code;
}

bnn_code bnn_trainer_build_nets(bnn_trainer *t, bnn_error *err) {
    size_t first, whole;
    bnn_trainer_free_nets(t);
    return build(t, bnn_loader_share(t->loader, 0, &first, &whole), t->spec.height, t->spec.width,
                 err);
}

bnn_code bnn_trainer_net(bnn_trainer *t, const bnn_batch *batch, const bnn_net **net,
                         bnn_error *err) {
    const bnn_shape size = batch->field[0].shape;
    bnn_code code = BNN_OK;
    size_t i = 0;
    while (i < t->net_count && (t->nets[i].samples != batch->n || t->nets[i].height != size.h ||
                                t->nets[i].width != size.w)) {
        i++;
    }
    if (i == t->net_count) {
        code = build(t, batch->n, size.h, size.w, err);
    }
    *net = code == BNN_OK ? &t->nets[i].net : NULL;
    return code;
}

/* ---- between the device and the host ---- */

bnn_code bnn_trainer_to_host(const bnn_trainer *t, bnn_error *err) {
    bnn_code code = bnn_params_to_host(t->params, &t->optimizer.stream, err);
    code = code == BNN_OK ? bnn_trainer_shown_to_host(t, err) : code;
    return code == BNN_OK ? bnn_optimizer_to_host(&t->optimizer, err) : code;
}

bnn_code bnn_trainer_to_device(const bnn_trainer *t, bnn_error *err) {
    bnn_code code = bnn_params_to_device(t->params, err);
    code = code == BNN_OK ? bnn_trainer_shown_to_device(t, err) : code;
    return code == BNN_OK ? bnn_optimizer_to_device(&t->optimizer, err) : code;
}

/* Writes the schedule's values of `epoch` into both sets of buffers; returns the phase. */
static int apply_schedule(bnn_trainer *t, int epoch) {
    if (t->shown != t->params) {
        bnn_apply_schedule(t->spec.binarizer, t->shown, epoch, t->schedule.epochs);
    }
    return bnn_apply_schedule(t->spec.binarizer, t->params, epoch, t->schedule.epochs);
}

/* Puts the binarizer's schedule into effect; graphs change where its phase does. Then averages
 * start anew, too: what they were of was another function of the parameters. */
bnn_code bnn_trainer_enter_epoch(bnn_trainer *t, bnn_error *err) {
    const int epoch = (int)t->state.epoch;
    bnn_code code = bnn_trainer_to_host(t, err);
    if (code != BNN_OK) {
        return code;
    }
    const int before = apply_schedule(t, epoch > 0 ? epoch - 1 : 0);
    const int phase = apply_schedule(t, epoch);
    code = bnn_trainer_to_device(t, err);
    if (code == BNN_OK && t->state.step == 0 && (epoch == 0 || phase != before)) {
        bnn_trainer_average_restart(t);
    }
    if (code != BNN_OK || phase == t->spec.phase) {
        return code;
    }
    t->spec.phase = phase;
    return bnn_trainer_build_nets(t, err);
}
