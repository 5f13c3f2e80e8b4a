/* Distillation: what of its teacher a student is to come close to, and the loss that measures the
 * distance (BiBench: the logits; BiBERT, Qin et al., ICLR 2022, 3.3: also the scores of attention
 * and the hidden states). */
#ifndef BNN_MODELS_DISTILL_H
#define BNN_MODELS_DISTILL_H

#include "models/tasks/task.h"

typedef enum bnn_distill { BNN_DISTILL_NONE, BNN_DISTILL_LOGITS, BNN_DISTILL_DMD } bnn_distill;

extern const char *const bnn_distill_names[]; /* as --distill spells them, NULL-terminated */

/* The main output; queries, keys and values of each layer, hidden states in front of the first and
 * behind each. */
#define BNN_MAX_SHOWN (2 + 4 * BNN_MAX_LAYERS)

/* What a network shows of itself, in the order in which teacher and student are compared, one for
 * one. Of a deeper one what a student of `layers` layers is to have: of each of its groups of
 * layers the last one's queries, keys and values, and the hidden states between the groups. Returns
 * how many; 0 if the network has no such insides. */
int bnn_distill_list(bnn_distill kind, const bnn_output *output, int layers,
                     bnn_t shown[BNN_MAX_SHOWN]);

/* What is minimized: the task's distance from the teacher's output and the targets, and for DMD the
 * distances between the directions of scores and hidden states, each of weight 1. own[] and
 * teacher[] are the two lists. */
bnn_t bnn_distill_loss(const bnn_build *b, bnn_distill kind, const bnn_task *task,
                       const bnn_output *output, int count, const bnn_t *own, const bnn_t *teacher,
                       bnn_t target);

#endif
