/* A network's score on a data set. */
#ifndef BNN_TOOLS_TRAIN_EVALUATE_H
#define BNN_TOOLS_TRAIN_EVALUATE_H

#include <stddef.h>
#include <stdint.h>

#include "data_loaders/dataset.h"
#include "engine/base/status.h"
#include "models/predictor.h"
#include "tools/cli/progress.h"

typedef struct bnn_score {
    size_t images, top1, top5;
    double loss; /* mean cross-entropy */
    int stopped; /* by a signal: the numbers are of what was done */
} bnn_score;

typedef struct bnn_evaluation {
    size_t batch_size;
    int loader_threads;
    const char *label;    /* of the progress line; NULL: none */
    bnn_progress *whole;  /* of larger work, where these images count on; or NULL */
    const char *note;     /* behind it */
    int32_t *prediction;  /* [images], or NULL */
    size_t *class_images; /* [classes] both, or NULL */
    size_t *class_correct;
} bnn_evaluation;

/* top-1 is the first largest logit; a logit that is not finite is an error. */
bnn_code bnn_evaluate(bnn_predictor *predictor, const bnn_dataset *dataset,
                      const bnn_evaluation *how, bnn_score *score, bnn_error *err);

/* What one row of logits says about a label. */
typedef struct bnn_ranking {
    int predicted;
    int rank; /* of the label: 0 is best */
    double loss;
} bnn_ranking;
bnn_ranking bnn_rank(const float *logits, int classes, int32_t label);

#endif
