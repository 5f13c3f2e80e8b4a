/* SGD with momentum, Nesterov's too. */
#include "optim/optimizer.h"

static void step(bnn_optimizer *o, float *w, const float *g) {
    o->stream.device.kernels->sgd_step(&o->stream, o->count, w, g, o->slot[0], (float)o->lr,
                                       (float)o->momentum, (float)o->weight_decay, o->nesterov,
                                       o->steps == 1);
}

const bnn_optimizer_kind bnn_sgd = {.name = "sgd", .slots = {"momentum_buffer"}, .step = step};
