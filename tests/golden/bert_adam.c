/* Reference cases of BERT's Adam: a parameter after each of several steps, at the rates of the
 * schedule that warms up. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "optim/lr_schedule.h"
#include "optim/optimizer.h"
#include "tests/golden/golden.h"

static double real(const bnn_st_file *file, const char *key) {
    return atof(golden_text(file, key, "0"));
}

static double worst_of(const float *w, const float *want, size_t n) {
    double worst = 0.0, largest = 1e-30;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)w[i] - (double)want[i]);
        worst = d > worst || isnan(d) ? d : worst;
        largest = fmax(largest, fabs((double)want[i]));
    }
    return worst / largest;
}

static golden_result steps(const char *path, const bnn_st_file *file, bnn_optimizer *o, float *at,
                           size_t n, size_t count) {
    float *w = at, *grads = at + n, *after = grads + count * n;
    bnn_lr_schedule schedule = {.kind = BNN_LR_WARMUP_LINEAR,
                                .lr = real(file, "lr"),
                                .epochs = 1,
                                .steps = (uint64_t)golden_integer(file, "t_total", 1)};
    schedule.warmup_steps = real(file, "warmup") * (double)schedule.steps;
    o->weight_decay = real(file, "weight_decay");
    for (size_t step = 0; step < count; step++) {
        o->lr = bnn_lr_at(&schedule, 0, step);
        bnn_optimizer_step(o, w, grads + step * n);
        double error = worst_of(w, after + step * n, n);
        if (!(error <= golden_tolerance(file, "after", 1e-5))) {
            printf("FAIL %s: step %zu: relative error %.3g\n", path, step, error);
            return GOLDEN_FAILED;
        }
    }
    return GOLDEN_PASSED;
}

golden_result golden_bert_adam(const char *path, const bnn_st_file *file,
                               const bnn_device *device) {
    const bnn_st_tensor *w = bnn_st_find(file, "param"), *grads = bnn_st_find(file, "grads");
    const bnn_st_tensor *after = bnn_st_find(file, "after");
    bnn_optimizer o;
    bnn_error err = {0};
    if (!w || !grads || !after || grads->count != after->count || grads->count % w->count ||
        bnn_optimizer_init(&o, bnn_optimizer_find("bert_adam"), device, w->count, &err) != BNN_OK) {
        printf("FAIL %s: tensors are missing %s\n", path, err.text);
        return GOLDEN_FAILED;
    }
    float *at = bnn_alloc_aligned(w->bytes + 2 * grads->bytes);
    memcpy(at, w->data, w->bytes);
    memcpy(at + w->count, grads->data, grads->bytes);
    memcpy(at + w->count + grads->count, after->data, after->bytes);
    golden_result result = steps(path, file, &o, at, w->count, grads->count / w->count);
    free(at);
    bnn_optimizer_free(&o);
    return result;
}
