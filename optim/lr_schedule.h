/* Learning rates: a schedule over epochs or steps, and a linear warm-up over the first steps
 * (BiBench's and mmcv's rules). */
#ifndef BNN_OPTIM_LR_SCHEDULE_H
#define BNN_OPTIM_LR_SCHEDULE_H

#include <stdint.h>

#define BNN_MAX_MILESTONES 16

typedef enum bnn_lr_schedule_kind {
    BNN_LR_COSINE,
    BNN_LR_STEP,
    BNN_LR_CONSTANT,
    BNN_LR_LINEAR,
    BNN_LR_WARMUP_LINEAR
} bnn_lr_schedule_kind;

typedef struct bnn_lr_schedule {
    bnn_lr_schedule_kind kind;
    double lr; /* at epoch 0 */
    int epochs;
    uint64_t steps;                     /* LINEAR, WARMUP_LINEAR: of the whole run */
    int milestones[BNN_MAX_MILESTONES]; /* STEP: epochs at which lr falls to a tenth */
    int milestone_count;
    double warmup_steps; /* 0: none */
    double warmup_ratio; /* lr begins at ratio * regular */
} bnn_lr_schedule;

extern const char *const bnn_lr_schedule_names[]; /* as --scheduler spells them, NULL-terminated */

/* The learning rate of `step` (from 0 over the whole run), which lies in `epoch` (from 0). Cosine:
 * lr/2 (1 + cos(pi epoch/epochs)), constant inside an epoch. Linear: lr (1 - step/steps), another
 * one each step (Devlin et al., BERT, NAACL 2019). Warm-up: times 1 - (1 - step/warmup_steps)(1 -
 * ratio). Warmup-linear has one of its own, from 0, over warmup_steps or else a tenth of all: with
 * x = step/steps and w the part that warms up, lr x/w, then lr (1 - x)/(1 - w) (BertAdam). */
double bnn_lr_at(const bnn_lr_schedule *schedule, int epoch, uint64_t step);

#endif
