#include "tools/train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/arena.h"
#include "models/files/checkpoint.h"
#include "models/predictor.h"
#include "tools/train/evaluate.h"
#include "tools/train/init_from.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/progress.h"
#include "tools/train/train_state.h"

typedef struct trainer {
    const bnn_train_settings *set;
    bnn_spec spec;
    const bnn_task *task;
    bnn_params *params;
    bnn_net full, tail; /* the same network for whole batches and for an epoch's last */
    size_t tail_size;   /* 0: none */
    void *memory;       /* of both: they never run at once */
    float *sum;         /* of the gradients of a step's batches, where it has several */
    bnn_optimizer optimizer;
    bnn_lr_schedule schedule;
    bnn_loader *loader;
    size_t steps; /* of an epoch */
    bnn_predictor *predictor;
    bnn_run_folder run;
    bnn_train_state state;
    bnn_score step; /* of the last step */
    bnn_score test;
    double seconds; /* spent in steps */
    uint64_t timed;
    bnn_profile_table profile;
} trainer;

/* ---- building ---- */

static void free_nets(trainer *t) {
    if (t->set->profile && t->full.graph) {
        bnn_profile_table_add(&t->profile, t->full.graph);
    }
    if (t->set->profile && t->tail.graph) {
        bnn_profile_table_add(&t->profile, t->tail.graph);
    }
    bnn_graph_free(t->full.graph);
    bnn_graph_free(t->tail.graph);
    free(t->memory);
    t->full = t->tail = (bnn_net){0};
    t->memory = NULL;
}

static bnn_code bind_net(trainer *t, bnn_graph *graph, bnn_error *err) {
    bnn_code code = bnn_graph_bind(graph, t->memory, err);
    return code == BNN_OK && t->set->profile ? bnn_profile_start(graph, err) : code;
}

/* The training graphs of the present phase. */
static bnn_code build_nets(trainer *t, bnn_error *err) {
    const bnn_device *device = &t->set->device;
    free_nets(t);
    bnn_code code =
        bnn_net_build(&t->spec, device, t->params, (int)t->set->batch_size, 1, &t->full, err);
    if (code == BNN_OK && t->tail_size) {
        code = bnn_net_build(&t->spec, device, t->params, (int)t->tail_size, 1, &t->tail, err);
    }
    if (code == BNN_OK && !t->params->values) {
        code = bnn_params_allocate(t->params, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    size_t bytes = bnn_graph_bytes(t->full.graph);
    size_t tail_bytes = t->tail.graph ? bnn_graph_bytes(t->tail.graph) : 0;
    t->memory = bnn_alloc_aligned(bytes > tail_bytes ? bytes : tail_bytes);
    if (!t->memory) {
        return bnn_fail(err, BNN_ERR_MEMORY,
                        "out of memory: a step needs %zu MiB; use a smaller --batch-size",
                        bytes >> 20);
    }
    code = bind_net(t, t->full.graph, err);
    return code == BNN_OK && t->tail.graph ? bind_net(t, t->tail.graph, err) : code;
}

/* Puts the binarizer's schedule into effect; graphs change where its phase does. */
static bnn_code enter_epoch(trainer *t, bnn_error *err) {
    int phase =
        bnn_apply_schedule(t->spec.binarizer, t->params, (int)t->state.epoch, t->schedule.epochs);
    if (phase == t->spec.phase) {
        return BNN_OK;
    }
    t->spec.phase = phase;
    return build_nets(t, err);
}

/* ---- checkpoints ---- */

static bnn_code save(trainer *t, const char *name, bnn_error *err) {
    char path[4200];
    bnn_meta meta[BNN_TRAIN_STATE_META];
    bnn_code code = bnn_run_file(&t->run, name, path, sizeof path, err);
    bnn_arena *arena = code == BNN_OK ? bnn_arena_create() : NULL;
    if (code == BNN_OK && !arena) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for saving", path);
    }
    if (code == BNN_OK) {
        size_t n =
            bnn_train_state_meta(&t->state, t->set->optimizer->name, t->set->args, arena, meta);
        code = bnn_checkpoint_save(path, &t->spec, t->params, &t->optimizer, meta, n, err);
    }
    if (code == BNN_ERR_NUMERIC) {
        bnn_fail_in(err, code, "after step %llu (epoch %u)", (unsigned long long)t->state.steps,
                    (unsigned)t->state.epoch + (t->state.step > 0));
    }
    bnn_arena_free(arena);
    return code;
}

static bnn_code save_last(trainer *t, bnn_error *err) {
    bnn_code code = bnn_run_flush(&t->run, err);
    return code == BNN_OK ? save(t, "last.safetensors", err) : code;
}

/* The arguments made the network; what else the file says of it must agree. */
static bnn_code check_same_network(const trainer *t, const char *path, const bnn_spec *spec,
                                   bnn_error *err) {
    const bnn_spec *own = &t->spec;
    if (spec->arch == own->arch && spec->binarizer == own->binarizer &&
        spec->classes == own->classes && spec->height == own->height && spec->width == own->width &&
        spec->channels == own->channels) {
        return BNN_OK;
    }
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: holds a %s with %s, but its arguments are of a %s with %s; the file is "
                    "damaged",
                    path, spec->arch->name, bnn_spec_algorithm(spec), own->arch->name,
                    bnn_spec_algorithm(own));
}

static bnn_code load(trainer *t, const char *path, bnn_error *err) {
    bnn_st_file *file;
    bnn_spec spec;
    bnn_code code = bnn_st_open(path, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_weights weights = {.path = path, .file = file, .exact = 1};
    if (!(code = bnn_train_state_read(path, file, &t->state, err)) &&
        !(code = bnn_run_data_same(path, &t->state.data, &t->set->data, err)) &&
        !(code = bnn_spec_read(path, file, NULL, &spec, err)) &&
        !(code = check_same_network(t, path, &spec, err)) &&
        !(code = bnn_weights_read_params(&weights, t->params, err)) &&
        !(code = bnn_checkpoint_read_optimizer(&weights, t->params, &t->optimizer, err))) {
        t->optimizer.steps = t->state.steps;
        t->state.data = t->set->data; /* an older checkpoint does not say */
        if (t->state.step > bnn_loader_steps(t->loader) ||
            (t->state.step % t->set->accumulate && t->state.step < bnn_loader_steps(t->loader)) ||
            t->state.epoch > (uint32_t)t->schedule.epochs) {
            code = bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: stands at epoch %u, step %zu, which this run does not have; did "
                            "the data change?",
                            path, (unsigned)t->state.epoch, t->state.step);
        }
    }
    bnn_st_close(file);
    return code;
}

/* ---- one epoch ---- */

/* Scores a batch, by its step and by its epoch. */
static bnn_code count_batch(trainer *t, const bnn_net *net, const bnn_batch *batch, double *loss,
                            bnn_error *err) {
    bnn_score *epoch = &t->state.score, *step = &t->step;
    bnn_code code = t->task->add(&t->spec, batch, bnn_f32(net->graph, net->output), 0, step, err);
    *loss = (double)*bnn_f32(net->graph, net->loss);
    epoch->loss += *loss * (double)batch->n;
    step->loss += *loss * (double)batch->n;
    return code == BNN_OK && !isfinite(*loss)
               ? bnn_fail(err, BNN_ERR_NUMERIC,
                          "the loss is not finite at step %llu (epoch %u); training stopped, the "
                          "last good checkpoint is kept in %s; try a lower --lr",
                          (unsigned long long)t->state.steps, (unsigned)t->state.epoch + 1,
                          t->run.path)
               : code;
}

static void count_step(trainer *t) {
    bnn_score *epoch = &t->state.score, *step = &t->step;
    epoch->samples += step->samples;
    for (size_t i = 0; i < epoch->count; i++) {
        epoch->sum[i] += step->sum[i];
    }
}

/* Of the samples that the next step takes. */
static size_t samples_ahead(const trainer *t) {
    size_t most = t->set->batch_size * t->set->accumulate;
    size_t left = t->set->train->count - t->state.step * t->set->batch_size;
    return left < most ? left : most;
}

/* Forward and backward of one batch; its gradients are its part of the step's. */
static bnn_code run_batch(trainer *t, const bnn_batch *batch, size_t of_step, double *loss,
                          bnn_error *err) {
    const bnn_net *net = batch->n == t->set->batch_size ? &t->full : &t->tail;
    bnn_code code = bnn_net_feed(net, batch, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_graph_forward(net->graph);
    code = count_batch(t, net, batch, loss, err);
    if (code == BNN_OK) {
        bnn_graph_backward_weighted(net->graph, (float)((double)batch->n / (double)of_step));
    }
    return code;
}

/* The gradients of the next batches, at most so many as make a step. *batches is 0 at the end of
 * the epoch. */
static bnn_code run_batches(trainer *t, size_t *batches, double *loss, bnn_error *err) {
    const bnn_device *device = &t->set->device;
    const size_t of_step = samples_ahead(t);
    bnn_score_reset(&t->step);
    for (*batches = 0; *batches < t->set->accumulate; ++*batches) {
        bnn_batch batch;
        bnn_code code = bnn_loader_next(t->loader, &batch, err);
        if (code != BNN_OK || !batch.n) {
            return code;
        }
        code = run_batch(t, &batch, of_step, loss, err);
        if (code != BNN_OK) {
            return code;
        }
        if (t->sum) {
            device->kernels->copy(t->params->value_count, t->params->grads, t->sum, *batches > 0);
        }
    }
    return BNN_OK;
}

static bnn_code train_step(trainer *t, size_t *batches, bnn_error *err) {
    bnn_train_state *s = &t->state;
    double start = bnn_now(), loss = NAN, metrics[BNN_MAX_METRICS];
    bnn_code code = run_batches(t, batches, &loss, err);
    if (code != BNN_OK || !*batches) {
        return code;
    }
    loss = *batches > 1 ? t->step.loss / (double)t->step.samples : loss;
    for (int i = 0; t->task->metrics[i].key; i++) {
        metrics[i] = t->task->metrics[i].training ? t->task->value(&t->spec, &t->step, i) : NAN;
    }
    count_step(t);
    t->optimizer.lr = bnn_lr_at(&t->schedule, (int)s->epoch, s->steps);
    double updating = bnn_now();
    bnn_optimizer_step(&t->optimizer, t->params->values, t->sum ? t->sum : t->params->grads);
    double seconds = bnn_now() - start;
    if (t->set->profile) { /* the gradient is read; values and state are read and written */
        int arrays = 1 + 2;
        for (int i = 0; t->optimizer.kind->slots[i]; i++) {
            arrays += 2;
        }
        bnn_profile_table_extra(&t->profile, "optimizer", bnn_now() - updating,
                                arrays * 4.0 * (double)t->params->value_count);
    }
    t->seconds += seconds;
    t->timed++;
    code = bnn_run_log_step(&t->run, s->steps, s->epoch, loss, metrics, t->optimizer.lr, seconds,
                            t->set->train->info->samples, (double)t->step.samples / seconds, err);
    s->step += *batches;
    s->steps++;
    return code;
}

/* "loss 0.1234 acc 56.78%" of the epoch so far, into text[160]. */
static void describe_training(const trainer *t, char text[160]) {
    const bnn_score *score = &t->state.score;
    size_t used = (size_t)snprintf(text, 40, "loss %.4f", score->loss / (double)score->samples);
    for (int i = 0; t->task->metrics[i].key && used < 120; i++) {
        const bnn_metric *m = &t->task->metrics[i];
        if (m->training) {
            used += (size_t)snprintf(text + used, 40, " %.16s %.*f%.4s", m->label, m->digits,
                                     t->task->value(&t->spec, score, i), m->unit);
        }
    }
}

static bnn_code train_epoch(trainer *t, bnn_error *err) {
    bnn_train_state *s = &t->state;
    bnn_progress progress;
    size_t batches = 1;
    char label[48], note[160] = "";
    snprintf(label, sizeof label, "epoch %u/%d", (unsigned)s->epoch + 1, t->schedule.epochs);
    bnn_code code = bnn_loader_start(t->loader, s->epoch, s->step, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_progress_start(&progress, label, t->set->train->count, t->set->train->info->samples,
                       s->score.samples);
    while (!bnn_interrupted()) {
        code = train_step(t, &batches, err);
        if (code != BNN_OK || !batches) {
            break;
        }
        describe_training(t, note);
        bnn_progress_update(&progress, s->score.samples, note);
    }
    bnn_progress_end(&progress, note);
    return code;
}

/* ---- between epochs ---- */

static void begin_next_epoch(bnn_train_state *s) {
    s->epoch++;
    s->step = 0;
    bnn_score_reset(&s->score);
}

static void take_scores(const trainer *t, bnn_epoch_scores *scores) {
    const bnn_score *train = &t->state.score, *test = &t->test;
    scores->lr = t->optimizer.lr;
    scores->train_loss = train->loss / (double)train->samples;
    scores->test_loss = test->loss / (double)test->samples;
    for (int i = 0; t->task->metrics[i].key; i++) {
        scores->train[i] = t->task->metrics[i].training ? t->task->value(&t->spec, train, i) : NAN;
        scores->test[i] = t->task->value(&t->spec, test, i);
    }
}

/* A network in its algorithm's last phase can be deployed; it outranks any that cannot. */
static int is_best(const trainer *t, double value) {
    const bnn_train_state *s = &t->state;
    return t->spec.phase > s->best_phase ||
           (t->spec.phase == s->best_phase &&
            bnn_metric_better(&t->task->metrics[0], value, s->best));
}

/* Evaluates, logs, saves. A signal during the evaluation leaves it to be done again. */
static bnn_code finish_epoch(trainer *t, bnn_error *err) {
    bnn_train_state *s = &t->state;
    bnn_epoch_scores scores = {0};
    bnn_evaluation how = {.batch_size = t->set->batch_size,
                          .loader_threads = t->set->device.threads,
                          .label = "  test"};
    const bnn_metric *metric = &t->task->metrics[0];
    char training[160];
    int stopped;
    bnn_predictor_refresh(t->predictor, t->spec.phase);
    bnn_score_reset(&t->test);
    bnn_code code =
        bnn_evaluate(t->predictor, &t->spec, t->set->test, &how, &t->test, &stopped, err);
    if (code != BNN_OK) {
        return bnn_fail_in(err, code, "after step %llu (epoch %u)", (unsigned long long)s->steps,
                           (unsigned)s->epoch + 1);
    }
    if (stopped) {
        return BNN_OK;
    }
    take_scores(t, &scores);
    describe_training(t, training);
    uint32_t epoch = s->epoch;
    int best = is_best(t, scores.test[0]);
    if (best) {
        s->best = scores.test[0];
        s->best_phase = t->spec.phase;
    }
    scores.best = s->best;
    begin_next_epoch(s);
    printf("epoch %u/%d  lr %.3g  train %s  test loss %.4f %s %.*f%s%s\n", (unsigned)epoch + 1,
           t->schedule.epochs, t->optimizer.lr, training, scores.test_loss, metric->label,
           metric->digits, scores.test[0], metric->unit, best ? "  *" : "");
    fflush(stdout);
    /* The order makes a kill harmless: what `last` does not know yet is written again. */
    if (best && (code = save(t, "best.safetensors", err)) != BNN_OK) {
        return code;
    }
    code = bnn_run_log_epoch(&t->run, epoch, &scores, err);
    return code == BNN_OK ? save_last(t, err) : code;
}

static bnn_code train_all(trainer *t, bnn_train_result *result, bnn_error *err) {
    bnn_train_state *s = &t->state;
    bnn_code code = BNN_OK;
    while (code == BNN_OK && s->epoch < (uint32_t)t->schedule.epochs && !bnn_interrupted()) {
        code = enter_epoch(t, err);
        if (code == BNN_OK && s->step < bnn_loader_steps(t->loader)) {
            code = train_epoch(t, err);
        }
        if (code == BNN_OK && s->step == bnn_loader_steps(t->loader)) {
            t->optimizer.lr = bnn_lr_at(&t->schedule, (int)s->epoch, s->steps - 1);
            code = finish_epoch(t, err);
        }
    }
    if (code == BNN_OK && s->epoch < (uint32_t)t->schedule.epochs && bnn_interrupted()) {
        result->interrupted = 1;
        code = save_last(t, err);
    }
    return code;
}

/* ---- setting up ---- */

bnn_loader_options bnn_train_loader_options(size_t batch_size, uint64_t seed, int threads) {
    return (bnn_loader_options){.batch_size = batch_size,
                                .shuffle = 1,
                                .augment = 1,
                                .seed = seed,
                                .threads = threads,
                                .prefetch = 3};
}

static bnn_code create_loader(trainer *t, bnn_error *err) {
    bnn_loader_options options =
        bnn_train_loader_options(t->set->batch_size, t->set->seed, t->set->device.threads);
    t->tail_size = t->set->train->count % t->set->batch_size;
    bnn_code code = bnn_loader_create(t->set->train, &options, &t->loader, err);
    if (code == BNN_OK) {
        t->steps = (bnn_loader_steps(t->loader) - 1) / t->set->accumulate + 1;
        t->schedule.warmup_steps = (uint64_t)t->set->warmup_epochs * t->steps;
        t->schedule.steps = (uint64_t)t->schedule.epochs * t->steps;
        t->schedule.warmup_ratio = 0.01;
    }
    return code;
}

static bnn_code start_values(trainer *t, bnn_error *err) {
    bnn_params_initialize(t->params, t->set->seed);
    return t->set->init_from ? bnn_init_from_file(t->set, t->params, err) : BNN_OK;
}

static bnn_code log_session(const trainer *t, bnn_error *err) {
    return bnn_run_log_session(&t->run, t->state.steps, t->set->device.kernels->name,
                               t->set->device.threads, &t->set->data, err);
}

/* All that records the arguments gets the new ones, as if the run had been started with them;
 * `last`, by which it is resumed, at the end. */
static bnn_code record_extension(trainer *t, bnn_error *err) {
    char best[4200];
    bnn_code code = bnn_run_file(&t->run, "best.safetensors", best, sizeof best, err);
    if (code != BNN_OK || (code = bnn_run_configure(&t->run, t->set->config, err)) != BNN_OK) {
        return code;
    }
    if (access(best, F_OK) == 0 && ((code = load(t, best, err)) != BNN_OK ||
                                    (code = save(t, "best.safetensors", err)) != BNN_OK ||
                                    (code = load(t, t->set->resume, err)) != BNN_OK)) {
        return code;
    }
    return save_last(t, err);
}

static bnn_code reopen_run(trainer *t, bnn_error *err) {
    bnn_code code = load(t, t->set->resume, err);
    if (code == BNN_OK) {
        code =
            bnn_run_reopen(&t->run, t->set->output, t->task, t->state.epoch, t->state.steps, err);
    }
    if (code == BNN_OK && t->set->extended) {
        code = record_extension(t, err);
    }
    return code == BNN_OK ? log_session(t, err) : code;
}

static bnn_code open_run(trainer *t, bnn_error *err) {
    bnn_code code;
    if (t->set->resume) {
        return reopen_run(t, err);
    }
    if ((code = start_values(t, err)) != BNN_OK ||
        (code = bnn_run_create(&t->run, t->set->output, t->task, t->set->config, t->set->overwrite,
                               err))) {
        return code;
    }
    /* From its first moment on, a run can be resumed. */
    bnn_apply_schedule(t->spec.binarizer, t->params, 0, t->schedule.epochs);
    code = save_last(t, err);
    return code == BNN_OK ? log_session(t, err) : code;
}

static bnn_code set_up(trainer *t, bnn_error *err) {
    const bnn_train_settings *set = t->set;
    bnn_code code = create_loader(t, err);
    if (code != BNN_OK) {
        return code;
    }
    t->params = bnn_params_create();
    if (!t->params) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the parameters");
    }
    /* The phase of the first epoch; graphs follow when an epoch begins in another. */
    t->spec.phase = bnn_apply_schedule(t->spec.binarizer, t->params, 0, t->schedule.epochs);
    if ((code = build_nets(t, err)) != BNN_OK ||
        (code = bnn_optimizer_init(&t->optimizer, set->optimizer, &set->device,
                                   t->params->value_count, err)) != BNN_OK) {
        return code;
    }
    if (set->accumulate > 1) {
        t->sum = bnn_alloc_aligned(t->params->value_count * sizeof(float));
        if (!t->sum) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the sum of the gradients");
        }
    }
    t->optimizer.momentum = set->momentum;
    t->optimizer.weight_decay = set->weight_decay;
    t->optimizer.nesterov = set->nesterov;
    t->state.best = NAN;
    t->state.data = set->data;
    if ((code = bnn_score_create(t->task, &t->spec, 1, &t->state.score, err)) != BNN_OK ||
        (code = bnn_score_create(t->task, &t->spec, 1, &t->step, err)) != BNN_OK ||
        (code = bnn_score_create(t->task, &t->spec, 0, &t->test, err)) != BNN_OK) {
        return code;
    }
    if ((code = open_run(t, err)) != BNN_OK) {
        return code;
    }
    return bnn_predictor_create(&t->spec, &set->device, t->params, NULL, NULL, &t->predictor, err);
}

bnn_code bnn_train(const bnn_train_settings *settings, bnn_train_result *result, bnn_error *err) {
    trainer t = {.set = settings,
                 .spec = settings->spec,
                 .task = settings->spec.arch->task,
                 .schedule = settings->schedule};
    *result = (bnn_train_result){0};
    bnn_code code = set_up(&t, err);
    if (code == BNN_OK) {
        result->was_finished = t.state.epoch >= (uint32_t)t.schedule.epochs;
        code = train_all(&t, result, err);
    }
    result->best = t.state.best;
    result->steps = t.state.steps;
    result->timed_steps = t.timed;
    result->seconds_per_step = t.timed ? t.seconds / (double)t.timed : 0.0;
    bnn_predictor_free(t.predictor);
    bnn_loader_free(t.loader);
    bnn_run_close(&t.run);
    bnn_optimizer_free(&t.optimizer);
    free_nets(&t);
    free(t.sum);
    result->profile = t.profile;
    bnn_params_free(t.params);
    bnn_score_free(&t.state.score);
    bnn_score_free(&t.step);
    bnn_score_free(&t.test);
    return code;
}

bnn_code bnn_train_plan(const bnn_train_settings *settings, bnn_params *params, bnn_net *net,
                        size_t *bytes, bnn_error *err) {
    bnn_spec spec = settings->spec;
    spec.phase = bnn_apply_schedule(spec.binarizer, params, 0, settings->schedule.epochs);
    bnn_code code =
        bnn_net_build(&spec, &settings->device, params, (int)settings->batch_size, 1, net, err);
    if (code == BNN_OK) {
        size_t slots = 0;
        while (settings->optimizer->slots[slots]) {
            slots++;
        }
        slots += settings->accumulate > 1; /* the sum of the gradients */
        *bytes = (params->value_count * (1 + slots) + params->buffer_count) * sizeof(float) +
                 bnn_graph_bytes(net->graph);
    }
    return code;
}
