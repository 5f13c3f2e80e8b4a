#include "optim/lr_schedule.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

const char *const bnn_lr_schedule_names[] = {[BNN_LR_COSINE] = "cosine",
                                             [BNN_LR_STEP] = "step",
                                             [BNN_LR_CONSTANT] = "constant",
                                             [BNN_LR_LINEAR] = "linear",
                                             [BNN_LR_WARMUP_LINEAR] = "warmup-linear",
                                             NULL};

static double rise_and_fall(const bnn_lr_schedule *s, uint64_t step) {
    double x = (double)step / (double)s->steps;
    double w = s->warmup_steps > 0.0 ? s->warmup_steps / (double)s->steps : 0.1;
    return x < w ? x / w : x < 1.0 ? (1.0 - x) / (1.0 - w) : 0.0;
}

static double regular(const bnn_lr_schedule *s, int epoch, uint64_t step) {
    const double pi = 3.14159265358979323846;
    double lr = s->lr;
    switch (s->kind) {
    case BNN_LR_COSINE:
        return 0.5 * lr * (1.0 + cos(pi * epoch / s->epochs));
    case BNN_LR_STEP:
        for (int i = 0; i < s->milestone_count; i++) {
            lr *= epoch >= s->milestones[i] ? 0.1 : 1.0;
        }
        return lr;
    case BNN_LR_LINEAR:
        return step < s->steps ? lr * (1.0 - (double)step / (double)s->steps) : 0.0;
    case BNN_LR_WARMUP_LINEAR:
        return lr * rise_and_fall(s, step);
    case BNN_LR_CONSTANT:
        break;
    }
    return lr;
}

double bnn_lr_at(const bnn_lr_schedule *s, int epoch, uint64_t step) {
    double lr = regular(s, epoch, step);
    if ((double)step < s->warmup_steps && s->kind != BNN_LR_WARMUP_LINEAR) {
        lr *= 1.0 - (1.0 - (double)step / s->warmup_steps) * (1.0 - s->warmup_ratio);
    }
    return lr;
}
