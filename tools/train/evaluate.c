#include "tools/train/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/loader.h"
#include "tools/cli/interrupt.h"

#define MOST_BYTES ((size_t)1 << 28) /* of what a network sees of a batch */

typedef struct evaluation {
    bnn_predictor *predictor;
    const bnn_spec *spec;
    const bnn_evaluation *how;
    bnn_score *score;
    float *output;
    size_t values; /* of a sample's output */
    bnn_progress progress;
} evaluation;

/* Of sample i, as the task scores it. */
static void predict(evaluation *e, const bnn_batch *batch, size_t i) {
    const size_t classes = (size_t)e->spec->classes, rows = e->values / classes;
    const int target =
        bnn_field_find(batch->field, batch->field_count, e->spec->task->target[0].name);
    const int32_t *label = batch->data[target];
    const float *output = e->output + i * e->values;
    int32_t *prediction = e->how->prediction + (e->score->samples + i) * rows;
    int first, count = bnn_parts_beside(e->spec, label[i * rows], &first);
    for (size_t k = 0; k < rows; k++) {
        prediction[k] = bnn_largest(output + k * classes, first, count);
    }
}

static void save(const evaluation *e, const bnn_batch *batch) {
    const bnn_sample_files *files = &e->how->files;
    const char *const *inputs = e->spec->arch->inputs;
    for (size_t i = 0; files->inputs && i < batch->n; i++) {
        for (int k = 0; inputs[k]; k++) {
            const int seen = bnn_field_find(batch->field, batch->field_count, inputs[k]);
            const size_t bytes = bnn_field_bytes(&batch->field[seen]);
            bnn_npy_write(files->inputs, (const char *)batch->data[seen] + i * bytes, bytes);
        }
    }
    if (files->outputs) {
        bnn_npy_write(files->outputs, e->output, batch->n * e->values * sizeof(float));
    }
}

static bnn_code add_batch(evaluation *e, const bnn_batch *batch, bnn_error *err) {
    for (size_t i = 0; i < batch->n * e->values; i++) {
        if (!isfinite(e->output[i])) {
            return bnn_fail(err, BNN_ERR_NUMERIC,
                            "the network's output for sample %zu is not finite; its weights have "
                            "diverged (try a lower --lr)",
                            e->score->samples + i / e->values);
        }
    }
    for (size_t i = 0; e->how->prediction && i < batch->n; i++) {
        predict(e, batch, i);
    }
    if (e->how->value) {
        memcpy(e->how->value + e->score->samples * e->values, e->output,
               batch->n * e->values * sizeof *e->output);
    }
    for (size_t i = 0; e->how->examples && i < batch->n; i++) {
        bnn_code code =
            bnn_examples_offer(e->how->examples, e->spec, batch, i, e->output + i * e->values, err);
        if (code != BNN_OK) {
            return code;
        }
    }
    save(e, batch);
    return e->spec->task->add(e->spec, batch, e->output, 1, e->score, err);
}

static void show(evaluation *e, size_t before) {
    const bnn_task *task = e->spec->task;
    if (e->how->label) {
        char note[64] = "";
        if (!task->boxes) { /* whose metrics are told by all of them at once */
            char value[BNN_METRIC_TEXT];
            snprintf(note, sizeof note, "%.30s %s", task->metrics[0].name,
                     bnn_metric_text(&task->metrics[0], task->value(e->spec, e->score, 0), value));
        }
        const size_t seen = e->score->samples * (size_t)(e->how->parts ? e->how->parts : 1);
        bnn_progress_update(&e->progress, seen < e->progress.total ? seen : e->progress.total,
                            note);
    }
    if (e->how->whole) {
        bnn_progress_update(e->how->whole, before + e->score->samples, e->how->note);
    }
}

static bnn_code run(evaluation *e, bnn_loader *loader, int *stopped, bnn_error *err) {
    bnn_batch batch = {.n = 1};
    const size_t before = e->how->whole ? e->how->whole->done : 0;
    size_t first, whole;
    bnn_code code = bnn_loader_start(loader, 0, 0, err);
    for (size_t step = 0; code == BNN_OK && !*stopped &&
                          (code = bnn_loader_next(loader, &batch, err)) == BNN_OK && batch.n;
         step++) {
        if (!bnn_loader_share(loader, step, &first, &whole)) {
            continue; /* of a last batch that has fewer samples than parts */
        }
        code = bnn_predictor_run(e->predictor, &batch, e->output, err);
        if (code == BNN_OK) {
            code = add_batch(e, &batch, err);
        }
        show(e, before);
        *stopped = bnn_interrupted();
    }
    return code;
}

bnn_code bnn_evaluate(bnn_predictor *predictor, const bnn_spec *spec, const bnn_dataset *dataset,
                      const bnn_evaluation *how, bnn_score *score, int *stopped, bnn_error *err) {
    size_t batch_size = how->batch_size < dataset->count ? how->batch_size : dataset->count;
    const size_t most = MOST_BYTES / bnn_field_bytes(&dataset->field[0]);
    batch_size = batch_size < most ? batch_size : most > 0 ? most : 1;
    bnn_loader_options options = {.batch_size = batch_size,
                                  .threads = how->loader_threads,
                                  .prefetch = 2,
                                  .part = how->part,
                                  .parts = how->parts};
    evaluation e = {.predictor = predictor,
                    .spec = spec,
                    .how = how,
                    .score = score,
                    .values = bnn_spec_outputs(spec)};
    bnn_loader *loader;
    const bnn_inference *network;
    *stopped = 0;
    bnn_code code = bnn_loader_create(dataset, &options, &loader, err);
    if (code != BNN_OK) {
        return code;
    }
    e.output = malloc(batch_size * e.values * sizeof(float));
    code = e.output ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the outputs");
    /* What is wrong with a model file is said before the work begins. */
    if (code == BNN_OK &&
        (code = bnn_predictor_network(predictor, (int)batch_size, &network, err)) == BNN_OK) {
        if (how->label) {
            bnn_progress_start(&e.progress, how->label, dataset->count, dataset->info->samples, 0);
        }
        code = run(&e, loader, stopped, err);
        if (how->label) {
            bnn_progress_end(&e.progress, NULL);
        }
    }
    free(e.output);
    bnn_loader_free(loader);
    return code;
}
