/* Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019). */
#include "optim/optimizer.h"

static void update(const bnn_optimizer *o, const bnn_stream *stream, size_t count, float *w,
                   const float *g, float *const at[BNN_MAX_SLOTS], int decoupled) {
    stream->device.kernels->adam_step(stream, count, w, g, at[0], at[1], (float)o->lr,
                                      (float)o->beta1, (float)o->beta2, (float)o->eps,
                                      (float)o->weight_decay, decoupled, o->steps);
}

static void adam_step(const bnn_optimizer *o, const bnn_stream *stream, size_t count, float *w,
                      const float *g, float *const at[BNN_MAX_SLOTS]) {
    update(o, stream, count, w, g, at, 0);
}

static void adamw_step(const bnn_optimizer *o, const bnn_stream *stream, size_t count, float *w,
                       const float *g, float *const at[BNN_MAX_SLOTS]) {
    update(o, stream, count, w, g, at, 1);
}

const bnn_optimizer_kind bnn_adam = {
    .name = "adam", .slots = {"exp_avg", "exp_avg_sq"}, .step = adam_step};
const bnn_optimizer_kind bnn_adamw = {
    .name = "adamw", .slots = {"exp_avg", "exp_avg_sq"}, .step = adamw_step};
