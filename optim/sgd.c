/* SGD with momentum, Nesterov's too. */
#include "optim/optimizer.h"

static void step(const bnn_optimizer *o, const bnn_stream *stream, size_t count, float *w,
                 const float *g, float *const at[BNN_MAX_SLOTS]) {
    stream->device.kernels->sgd_step(stream, count, w, g, at[0], (float)o->lr, (float)o->momentum,
                                     (float)o->weight_decay, o->nesterov, o->steps == 1);
}

const bnn_optimizer_kind bnn_sgd = {.name = "sgd", .slots = {"momentum_buffer"}, .step = step};
