/* --ema: the network that is evaluated and saved has averages over the steps for parameters. Those
 * of batch norms' statistics, too, as what they normalize is that network's (timm's ModelEma). It
 * is a second set of values of the same parameters, so whoever reads a network reads either. */
#include "tools/train/trainer_private.h"

bnn_code bnn_trainer_average_create(bnn_trainer *t, bnn_error *err) {
    const size_t counts[2] = {t->params->value_count, t->params->buffer_count};
    bnn_code code = BNN_OK;
    t->shown = t->params;
    for (int i = 0; code == BNN_OK && i < 2 && t->set->ema > 0.0; i++) {
        code = bnn_average_init(&t->average[i], &t->set->device, counts[i], t->set->ema, err);
    }
    if (code == BNN_OK && t->set->ema > 0.0) {
        t->averaged = *t->params;
        t->averaged.update = NULL;
        t->averaged.updater = NULL;
        t->averaged.values = t->average[0].memory;
        t->averaged.host_values = t->average[0].host;
        t->averaged.buffers = t->average[1].memory;
        t->averaged.host_buffers = t->average[1].host;
        t->shown = &t->averaged;
    }
    return code;
}

void bnn_trainer_average_free(bnn_trainer *t) {
    bnn_average_free(&t->average[0]);
    bnn_average_free(&t->average[1]);
}

static void follow(const bnn_average *average, const bnn_stream *stream, const float *values) {
    bnn_average_move(average, stream, 0, average->count, values);
}

void bnn_trainer_average_restart(bnn_trainer *t) {
    if (t->set->ema > 0.0) {
        t->average[0].begun = t->average[1].begun = 0;
        follow(&t->average[0], &t->optimizer.stream, t->params->values);
        follow(&t->average[1], &t->optimizer.stream, t->params->buffers);
    }
}

void bnn_trainer_average_step(bnn_trainer *t, const bnn_stream *stream) {
    if (t->set->ema > 0.0) {
        follow(&t->average[1], stream, t->params->buffers);
        t->average[0].begun = t->average[1].begun = 1;
    }
}

bnn_code bnn_trainer_shown_to_host(const bnn_trainer *t, bnn_error *err) {
    const bnn_stream *after = &t->optimizer.stream;
    if (t->shown == t->params) {
        return bnn_params_to_host(t->params, after, err);
    }
    bnn_code code = bnn_average_to_host(&t->average[0], after, err);
    return code == BNN_OK ? bnn_average_to_host(&t->average[1], after, err) : code;
}

bnn_code bnn_trainer_shown_to_device(const bnn_trainer *t, bnn_error *err) {
    if (t->shown == t->params) {
        return bnn_params_to_device(t->params, err);
    }
    bnn_code code = bnn_average_to_device(&t->average[0], err);
    return code == BNN_OK ? bnn_average_to_device(&t->average[1], err) : code;
}
