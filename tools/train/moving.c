/* What becomes of gradients: they add up to a step's, which moves the parameters, and averages
 * follow. */
#include "tools/cli/progress.h"
#include "tools/train/trainer_private.h"

static void move(bnn_trainer *t, const bnn_stream *stream, const bnn_param *param, float *grad) {
    double start = bnn_now();
    float *value = bnn_param_memory(t->params, param);
    bnn_optimizer_move(&t->optimizer, stream, param->offset, param->count, value, grad);
    if (t->set->ema > 0.0) {
        bnn_average_move(&t->average[0], stream, param->offset, param->count, value);
    }
    t->moving += bnn_now() - start;
}

/* What the buckets hold that are done by now, unless all gradients are clipped before. */
static void move_buckets(bnn_trainer *t, const bnn_stream *stream, size_t done) {
    for (; t->buckets_done < done; t->buckets_done++) {
        const bnn_bucket *b = &t->buckets[t->buckets_done];
        bnn_trainer_fetch_bucket(t, stream, t->buckets_done);
        for (size_t i = b->first; i < b->end && t->set->clip_grad_norm == 0.0; i++) {
            const bnn_param *p = t->params->list[i];
            if (p->trainable) {
                move(t, stream, p, t->sum + p->offset);
            }
        }
    }
}

/* A gradient adds to the step's, and that of its last batch moves the parameter. */
void bnn_trainer_update(void *self, const bnn_stream *stream, const bnn_param *param, float *grad) {
    bnn_trainer *t = self;
    size_t first = param->offset, count = param->count;
    if (t->sum) {
        stream->device.kernels->copy(stream, count, grad, t->sum + first, !t->first_batch);
        grad = t->sum + first;
    }
    if (t->last_batch && bnn_trainer_shared(t)) {
        move_buckets(t, stream, bnn_trainer_gradient_ready(t, stream, param));
    } else if (t->last_batch && t->set->clip_grad_norm == 0.0) {
        move(t, stream, param, grad);
    }
}

void bnn_trainer_no_gradients(bnn_trainer *t, const bnn_stream *stream) {
    if (t->first_batch) {
        stream->device.kernels->fill(stream, t->params->value_count, 0.0f, t->sum);
    }
    for (size_t i = t->params->count; i-- > 0 && t->last_batch;) {
        const bnn_param *p = t->params->list[i];
        if (p->trainable && !p->frozen) {
            move_buckets(t, stream, bnn_trainer_gradient_ready(t, stream, p));
        }
    }
}

/* All gradients of a step, as long as they may be together; then what they move. */
static void move_together(bnn_trainer *t, const bnn_stream *stream) {
    double start = bnn_now();
    stream->device.kernels->clip_norm(stream, t->params->value_count, (float)t->set->clip_grad_norm,
                                      t->sum);
    t->moving += bnn_now() - start;
    for (size_t i = 0; i < t->params->count; i++) {
        const bnn_param *p = t->params->list[i];
        if (p->trainable && !p->frozen) {
            move(t, stream, p, t->sum + p->offset);
        }
    }
}

void bnn_trainer_end_step(bnn_trainer *t, const bnn_stream *stream) {
    while (t->buckets_done < t->bucket_count) {
        move_buckets(t, stream, bnn_trainer_wait_bucket(t));
    }
    t->buckets_copied = t->buckets_begun = t->buckets_done = t->buckets_followed = 0;
    if (t->set->clip_grad_norm > 0.0) {
        move_together(t, stream);
    }
    bnn_trainer_average_step(t, stream);
}
