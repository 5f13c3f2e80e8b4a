#include "tools/train/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data_loaders/loader.h"
#include "tools/cli/interrupt.h"

bnn_ranking bnn_rank(const float *logits, int classes, int32_t label) {
    bnn_ranking r = {0, 0, 0.0};
    double sum = 0.0;
    for (int c = 1; c < classes; c++) {
        r.predicted = logits[c] > logits[r.predicted] ? c : r.predicted;
    }
    for (int c = 0; c < classes; c++) {
        sum += exp((double)logits[c] - (double)logits[r.predicted]);
        r.rank += logits[c] > logits[label] || (logits[c] == logits[label] && c < label);
    }
    r.loss = log(sum) + (double)logits[r.predicted] - (double)logits[label];
    return r;
}

static bnn_code add_batch(const bnn_evaluation *how, const bnn_batch *batch, const float *logits,
                          int classes, bnn_score *score, bnn_error *err) {
    for (size_t i = 0; i < batch->n; i++) {
        const float *row = logits + i * (size_t)classes;
        for (int c = 0; c < classes; c++) {
            if (!isfinite(row[c])) {
                return bnn_fail(err, BNN_ERR_NUMERIC,
                                "the network's output for image %zu is not finite; its weights "
                                "have diverged (try a lower --lr)",
                                score->images);
            }
        }
        int32_t label = batch->label[i];
        bnn_ranking r = bnn_rank(row, classes, label);
        if (how->prediction) {
            how->prediction[score->images] = r.predicted;
        }
        if (how->class_images) {
            how->class_images[label]++;
            how->class_correct[label] += r.rank == 0;
        }
        score->images++;
        score->top1 += r.rank == 0;
        score->top5 += r.rank < 5;
        score->loss += r.loss;
    }
    return BNN_OK;
}

static bnn_code run(bnn_predictor *predictor, bnn_loader *loader, int classes, float *logits,
                    const bnn_evaluation *how, bnn_progress *progress, bnn_score *score,
                    bnn_error *err) {
    bnn_batch batch;
    const size_t before = how->whole ? how->whole->done : 0;
    bnn_code code = bnn_loader_start(loader, 0, 0, err);
    while (code == BNN_OK && !score->stopped && bnn_loader_next(loader, &batch)) {
        code = bnn_predictor_run(predictor, (int)batch.n, batch.x, logits, err);
        if (code == BNN_OK) {
            code = add_batch(how, &batch, logits, classes, score, err);
        }
        if (how->label) {
            char note[64];
            snprintf(note, sizeof note, "top-1 %.2f%%",
                     100.0 * (double)score->top1 / (double)(score->images ? score->images : 1));
            bnn_progress_update(progress, score->images, note);
        }
        if (how->whole) {
            bnn_progress_update(how->whole, before + score->images, how->note);
        }
        score->stopped = bnn_interrupted();
    }
    return code;
}

bnn_code bnn_evaluate(bnn_predictor *predictor, const bnn_dataset *dataset,
                      const bnn_evaluation *how, bnn_score *score, bnn_error *err) {
    *score = (bnn_score){0};
    size_t batch_size = how->batch_size < dataset->count ? how->batch_size : dataset->count;
    bnn_loader_options options = {
        .batch_size = batch_size, .threads = how->loader_threads, .prefetch = 2};
    bnn_loader *loader;
    bnn_code code = bnn_loader_create(dataset, &options, &loader, err);
    if (code != BNN_OK) {
        return code;
    }
    int classes = dataset->info->classes;
    float *logits = malloc(batch_size * (size_t)classes * sizeof(float));
    bnn_progress progress;
    /* What is wrong with a model file is said before the work begins. */
    const bnn_inference *network;
    if (logits &&
        (code = bnn_predictor_network(predictor, (int)batch_size, &network, err)) != BNN_OK) {
        free(logits);
        bnn_loader_free(loader);
        return code;
    }
    if (how->label) {
        bnn_progress_start(&progress, how->label, dataset->count, "images", 0);
    }
    code = logits ? run(predictor, loader, classes, logits, how, &progress, score, err)
                  : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the logits");
    if (how->label) {
        bnn_progress_end(&progress, NULL);
    }
    if (score->images) {
        score->loss /= (double)score->images;
    }
    free(logits);
    bnn_loader_free(loader);
    return code;
}
