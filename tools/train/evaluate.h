/* A network's score on a data set. */
#ifndef BNN_TOOLS_TRAIN_EVALUATE_H
#define BNN_TOOLS_TRAIN_EVALUATE_H

#include <stddef.h>
#include <stdint.h>

#include "data_loaders/dataset.h"
#include "models/predictor.h"
#include "tools/cli/progress.h"
#include "tools/run/examples.h"
#include "tools/train/sample_files.h"

typedef struct bnn_evaluation {
    size_t batch_size;
    int loader_threads;
    const char *label;      /* of the progress line; NULL: none */
    bnn_progress *whole;    /* of larger work, where these samples count on; or NULL */
    const char *note;       /* behind it */
    int32_t *prediction;    /* [samples][points, or 1]: the class of each, or NULL */
    float *value;           /* [samples], where targets are real: what is said of each, or NULL */
    bnn_examples *examples; /* which some of the samples become, or NULL */
    bnn_sample_files files; /* what the network sees and makes of each sample */
    /* Of each batch this rank's part alone (data_loaders/loader.h); for nothing that tells of
     * single samples. 0: all of it. */
    int part, parts;
} bnn_evaluation;

/* Adds the data set's samples to `score`, which is empty at first; the loss is their sum. An output
 * that is not finite is an error. *stopped: by a signal, the score is of what was done. */
bnn_code bnn_evaluate(bnn_predictor *predictor, const bnn_spec *spec, const bnn_dataset *dataset,
                      const bnn_evaluation *how, bnn_score *score, int *stopped, bnn_error *err);

#endif
