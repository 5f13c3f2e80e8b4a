/* The training graphs: one for each number of samples and size of them, which share memory. */
#include "tools/train/trainer_private.h"

static void free_net(bnn_trainer *t, bnn_sized_net *sized) {
    if (t->set->profile && sized->net.graph) {
        bnn_profile_table_add(&t->profile, sized->net.graph);
    }
    bnn_graph_free(sized->net.graph);
    *sized = (bnn_sized_net){0};
}

void bnn_trainer_free_nets(bnn_trainer *t) {
    for (size_t i = 0; i < BNN_MAX_SIZES; i++) {
        free_net(t, &t->nets[i]);
    }
    t->set->device.ops->release(&t->set->device, BNN_MEMORY_DEVICE, t->memory);
    t->memory = NULL;
    t->nets_built = t->memory_bytes = 0;
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
    for (size_t i = 0; code == BNN_OK && i < BNN_MAX_SIZES; i++) {
        if (t->nets[i].input.n) {
            code = bnn_graph_bind(t->nets[i].net.graph, t->memory, err);
        }
    }
    return code;
}

/* In place of the oldest. */
static bnn_code build(bnn_trainer *t, bnn_shape input, const bnn_net **out, bnn_error *err) {
    bnn_sized_net *sized = &t->nets[t->nets_built++ % BNN_MAX_SIZES];
    bnn_spec spec = t->spec;
    spec.height = input.h;
    spec.width = input.w;
    free_net(t, sized);
    bnn_code code = bnn_net_build(&spec, &t->set->device, t->params, input.n, 1, &sized->net, err);
    if (code == BNN_OK && !t->params->values) {
        code = bnn_params_allocate(t->params, err);
    }
    bnn_graph *graph = sized->net.graph;
    if (code == BNN_OK && bnn_graph_bytes(graph) > t->memory_bytes) {
        code = reserve(t, bnn_graph_bytes(graph), err);
    }
    if (code == BNN_OK && !(code = bnn_graph_bind(graph, t->memory, err)) && t->set->profile) {
        code = bnn_profile_start(graph, err);
    }
    if (code == BNN_OK) {
        sized->input = input;
        *out = &sized->net;
    }
    return code;
}

bnn_code bnn_trainer_build_nets(bnn_trainer *t, bnn_error *err) {
    size_t first, whole;
    const bnn_net *net;
    bnn_trainer_free_nets(t);
    return build(t,
                 (bnn_shape){(int)bnn_loader_share(t->loader, 0, &first, &whole), t->spec.height,
                             t->spec.width, t->spec.channels},
                 &net, err);
}

bnn_code bnn_trainer_net(bnn_trainer *t, const bnn_batch *batch, const bnn_net **net,
                         bnn_error *err) {
    const bnn_shape input = bnn_batch_shape(batch);
    for (size_t i = 0; i < BNN_MAX_SIZES; i++) {
        if (bnn_shape_equal(t->nets[i].input, input)) {
            *net = &t->nets[i].net;
            return BNN_OK;
        }
    }
    return build(t, input, net, err);
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
