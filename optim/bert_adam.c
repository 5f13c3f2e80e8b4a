/* BERT's Adam (Devlin et al., NAACL 2019, as BiBench and BiBERT have it): without a correction of
 * the bias, w -= lr (m / (sqrt(v) + eps) + weight_decay w), each parameter's gradient clipped to a
 * norm of its own. The decay is decoupled, and of every parameter: BiBench's, where BiBERT leaves
 * out biases and layer norms. */
#include "optim/optimizer.h"

static void step(const bnn_optimizer *o, const bnn_stream *stream, size_t count, float *w,
                 const float *g, float *const at[BNN_MAX_SLOTS]) {
    /* AdamW after so many steps corrects nothing any more. */
    stream->device.kernels->adam_step(stream, count, w, g, at[0], at[1], (float)o->lr,
                                      (float)o->beta1, (float)o->beta2, (float)o->eps,
                                      (float)o->weight_decay, 1, UINT64_MAX);
}

const bnn_optimizer_kind bnn_bert_adam = {.name = "bert_adam",
                                          .slots = {"exp_avg", "exp_avg_sq"},
                                          .step = step,
                                          .eps = 1e-6,
                                          .max_norm = 1.0};
