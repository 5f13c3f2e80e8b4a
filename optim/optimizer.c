#include "optim/optimizer.h"

#include <string.h>

extern const bnn_optimizer_kind bnn_sgd, bnn_adam, bnn_adamw, bnn_bert_adam;

const bnn_optimizer_kind *const bnn_optimizer_kinds[] = {&bnn_sgd, &bnn_adam, &bnn_adamw,
                                                         &bnn_bert_adam, NULL};

const bnn_optimizer_kind *bnn_optimizer_find(const char *name) {
    for (size_t i = 0; bnn_optimizer_kinds[i]; i++) {
        if (strcmp(bnn_optimizer_kinds[i]->name, name) == 0) {
            return bnn_optimizer_kinds[i];
        }
    }
    return NULL;
}

bnn_code bnn_optimizer_init(bnn_optimizer *o, const bnn_optimizer_kind *kind,
                            const bnn_device *device, size_t count, bnn_error *err) {
    *o = (bnn_optimizer){.kind = kind,
                         .count = count,
                         .beta1 = 0.9,
                         .beta2 = 0.999,
                         .eps = kind->eps > 0.0 ? kind->eps : 1e-8,
                         .max_norm = kind->max_norm};
    if (!bnn_stream_start(&o->stream, device)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "no room for another stream on the device");
    }
    for (int i = 0; kind->slots[i]; i++) {
        if (!bnn_mirror_take(device, count, &o->slot[i], &o->host[i])) {
            bnn_optimizer_free(o);
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the optimizer's state");
        }
    }
    return BNN_OK;
}

void bnn_optimizer_free(bnn_optimizer *o) {
    const bnn_device *device = &o->stream.device;
    for (int i = 0; device->ops && i < BNN_MAX_SLOTS; i++) {
        bnn_mirror_release(device, o->slot[i], o->host[i]);
        o->slot[i] = o->host[i] = NULL;
    }
    bnn_stream_end(&o->stream);
}

void bnn_optimizer_begin(bnn_optimizer *o) {
    o->steps++;
}

void bnn_optimizer_move(const bnn_optimizer *o, const bnn_stream *stream, size_t first,
                        size_t count, float *w, float *g) {
    float *at[BNN_MAX_SLOTS];
    for (int i = 0; i < BNN_MAX_SLOTS; i++) {
        at[i] = o->slot[i] ? o->slot[i] + first : NULL;
    }
    if (o->max_norm > 0.0) {
        stream->device.kernels->clip_norm(stream, count, (float)o->max_norm, g);
    }
    o->kind->step(o, stream, count, w, g, at);
}

void bnn_optimizer_step(bnn_optimizer *o, float *w, float *g) {
    bnn_optimizer_begin(o);
    bnn_optimizer_move(o, &o->stream, 0, o->count, w, g);
}

bnn_code bnn_optimizer_to_host(const bnn_optimizer *o, bnn_error *err) {
    for (int i = 0; o->kind->slots[i]; i++) {
        bnn_mirror_get(&o->stream, o->host[i], o->slot[i], o->count);
    }
    return o->stream.device.ops->finish(&o->stream, err);
}

bnn_code bnn_optimizer_to_device(const bnn_optimizer *o, bnn_error *err) {
    for (int i = 0; o->kind->slots[i]; i++) {
        bnn_mirror_put(&o->stream, o->slot[i], o->host[i], o->count);
    }
    return o->stream.device.ops->finish(&o->stream, err);
}
