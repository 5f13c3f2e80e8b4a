#include "optim/optimizer.h"

#include <stdlib.h>
#include <string.h>

extern const bnn_optimizer_kind bnn_sgd, bnn_adam, bnn_adamw;

const bnn_optimizer_kind *const bnn_optimizer_kinds[] = {&bnn_sgd, &bnn_adam, &bnn_adamw, NULL};

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
    *o = (bnn_optimizer){.kind = kind, .count = count, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    if (!bnn_stream_start(&o->stream, device)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "no room for another stream on the device");
    }
    for (int i = 0; kind->slots[i]; i++) {
        if (!bnn_mirror_take(device, count, &o->slot[i], &o->host[i])) {
            bnn_optimizer_free(o);
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the optimizer's state");
        }
    }
    return bnn_optimizer_set_spans(o, &(bnn_optimizer_span){.count = count}, 1, err);
}

bnn_code bnn_optimizer_set_spans(bnn_optimizer *o, const bnn_optimizer_span *spans, size_t count,
                                 bnn_error *err) {
    bnn_optimizer_span *copy = malloc((count + 1) * sizeof *copy);
    if (!copy) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the optimizer's spans");
    }
    memcpy(copy, spans, count * sizeof *copy);
    free(o->spans);
    o->spans = copy;
    o->span_count = count;
    return BNN_OK;
}

void bnn_optimizer_free(bnn_optimizer *o) {
    const bnn_device *device = &o->stream.device;
    for (int i = 0; device->ops && i < BNN_MAX_SLOTS; i++) {
        bnn_mirror_release(device, o->slot[i], o->host[i]);
        o->slot[i] = o->host[i] = NULL;
    }
    free(o->spans);
    o->spans = NULL;
    bnn_stream_end(&o->stream);
}

void bnn_optimizer_step(bnn_optimizer *o, float *w, float *g) {
    const bnn_kernels *k = o->stream.device.kernels;
    o->steps++;
    for (size_t i = 0; i < o->span_count; i++) {
        const bnn_optimizer_span *s = &o->spans[i];
        float *at[BNN_MAX_SLOTS];
        for (int j = 0; j < BNN_MAX_SLOTS; j++) {
            at[j] = o->slot[j] ? o->slot[j] + s->first : NULL;
        }
        if (s->max_norm > 0.0f) {
            k->clip_norm(&o->stream, s->count, s->max_norm, g + s->first);
        }
        o->kind->step(o, s->count, w + s->first, g + s->first, at);
    }
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
