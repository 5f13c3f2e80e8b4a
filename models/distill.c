#include "models/distill.h"

#include <math.h>
#include <string.h>

const char *const bnn_distill_names[] = {"none", "logits", "dmd", NULL};

int bnn_distill_list(bnn_distill kind, const bnn_output *output, int layers,
                     bnn_t shown[BNN_MAX_SHOWN]) {
    const bnn_insides *inside = &output->insides;
    int n = 0;
    shown[n++] = output->main;
    if (kind != BNN_DISTILL_DMD) {
        return n;
    }
    if (layers < 1 || inside->layers % layers != 0 || inside->layers < 1) {
        return 0;
    }
    const int group = inside->layers / layers;
    for (int i = 0; i < layers; i++) {
        const int last = group * i + group - 1;
        shown[n++] = inside->query[last];
        shown[n++] = inside->key[last];
        shown[n++] = inside->value[last];
    }
    for (int i = 0; i <= layers; i++) {
        shown[n++] = inside->hidden[group * i];
    }
    return n;
}

bnn_t bnn_distill_loss(const bnn_build *b, bnn_distill kind, const bnn_task *task,
                       const bnn_output *output, int count, const bnn_t *own, const bnn_t *teacher,
                       bnn_t target) {
    const float ones[2] = {1.0f, 1.0f};
    const bnn_insides *inside = &output->insides;
    const int scores = kind == BNN_DISTILL_DMD ? 1 + 3 * inside->layers : count;
    bnn_t loss = task->distill(b, output, teacher[0], target);
    for (int i = 1; i < count; i++) {
        bnn_t term = i < scores
                         ? bnn_score_matching(b->graph, own[i], teacher[i], inside->heads)
                         : bnn_op_direction_matching(b->graph, own[i], teacher[i], -INFINITY);
        loss = bnn_op_weighted_sum(b->graph, 2, (bnn_t[]){loss, term}, ones);
    }
    return loss;
}
