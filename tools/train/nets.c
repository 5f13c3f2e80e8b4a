/* The training graphs: of whole batches, and of an epoch's last, which share memory. */
#include "tools/train/trainer_private.h"

void bnn_trainer_free_nets(bnn_trainer *t) {
    if (t->set->profile && t->full.graph) {
        bnn_profile_table_add(&t->profile, t->full.graph);
    }
    if (t->set->profile && t->tail.graph) {
        bnn_profile_table_add(&t->profile, t->tail.graph);
    }
    bnn_graph_free(t->full.graph);
    bnn_graph_free(t->tail.graph);
    t->set->device.ops->release(&t->set->device, BNN_MEMORY_DEVICE, t->memory);
    t->full = t->tail = (bnn_net){0};
    t->memory = NULL;
}

static bnn_code bind_net(bnn_trainer *t, bnn_graph *graph, bnn_error *err) {
    bnn_code code = bnn_graph_bind(graph, t->memory, err);
    return code == BNN_OK && t->set->profile ? bnn_profile_start(graph, err) : code;
}

/* The training graphs of the present phase. */
bnn_code bnn_trainer_build_nets(bnn_trainer *t, bnn_error *err) {
    const bnn_device *device = &t->set->device;
    bnn_trainer_free_nets(t);
    bnn_code code = bnn_net_build(&t->spec, device, t->params, (int)t->full_size, 1, &t->full, err);
    if (code == BNN_OK && t->tail_size) {
        code = bnn_net_build(&t->spec, device, t->params, (int)t->tail_size, 1, &t->tail, err);
    }
    if (code == BNN_OK && !t->params->values) {
        code = bnn_params_allocate(t->params, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    size_t bytes = bnn_graph_bytes(t->full.graph);
    size_t tail_bytes = t->tail.graph ? bnn_graph_bytes(t->tail.graph) : 0;
    t->memory =
        device->ops->alloc(device, BNN_MEMORY_DEVICE, bytes > tail_bytes ? bytes : tail_bytes);
    if (!t->memory) {
        return bnn_fail(err, BNN_ERR_MEMORY,
                        "out of memory: a step needs %zu MiB; use a smaller --batch-size",
                        bytes >> 20);
    }
    code = bind_net(t, t->full.graph, err);
    return code == BNN_OK && t->tail.graph ? bind_net(t, t->tail.graph, err) : code;
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
