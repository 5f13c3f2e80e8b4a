#include "optim/optimizer.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"

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
        o->slot[i] = bnn_alloc_aligned(count * sizeof(float));
        if (!o->slot[i]) {
            bnn_optimizer_free(o);
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the optimizer's state");
        }
    }
    return BNN_OK;
}

void bnn_optimizer_free(bnn_optimizer *o) {
    for (int i = 0; i < BNN_MAX_SLOTS; i++) {
        free(o->slot[i]);
        o->slot[i] = NULL;
    }
    bnn_stream_end(&o->stream);
}

void bnn_optimizer_step(bnn_optimizer *o, float *w, const float *g) {
    o->steps++;
    o->kind->step(o, w, g);
}
