/* An epoch: its steps, then the evaluation, the logs and the checkpoints. */
#include <math.h>
#include <stdio.h>

#include "tools/cli/interrupt.h"
#include "tools/cli/progress.h"
#include "tools/train/evaluate.h"
#include "tools/train/trainer_private.h"

#define MOST_LOSS 1e3 /* so many times that of guessing */

/* ---- steps ---- */

/* Scores a batch, by its step and by its epoch. The loss is the task's, as in the evaluation; a
 * penalty beside it is minimized, not told. */
static bnn_code count_batch(bnn_trainer *t, const bnn_net *net, const bnn_batch *batch,
                            double *loss, bnn_error *err) {
    bnn_score *step = &t->step;
    float value = NAN, minimized = NAN;
    bnn_code code = bnn_graph_get(net->graph, net->output, t->output, err);
    if (code != BNN_OK ||
        (code = bnn_graph_get(net->graph, net->task_loss, &value, err)) != BNN_OK ||
        (code = bnn_graph_get(net->graph, net->loss, &minimized, err)) != BNN_OK) {
        return code;
    }
    code = t->task->add(&t->spec, batch, t->output, 0, step, err);
    if (code == BNN_OK && step->terms) {
        float term[BNN_MAX_TERMS];
        code = bnn_graph_get(net->graph, net->terms, term, err);
        bnn_score_add_terms(step, term, batch->n);
    }
    *loss = (double)value;
    step->loss += *loss * (double)batch->n;
    return code == BNN_OK && !isfinite(minimized)
               ? bnn_fail(err, BNN_ERR_NUMERIC,
                          "the loss is not finite at step %llu (epoch %u); training stopped, the "
                          "last good checkpoint is kept in %s; try a lower --lr, or --clip-norm 5",
                          (unsigned long long)t->state.steps, (unsigned)t->state.epoch + 1,
                          t->set->output)
               : code;
}

static void count_step(bnn_trainer *t) {
    bnn_score *epoch = &t->state.score, *step = &t->step;
    epoch->samples += step->samples;
    epoch->loss += step->loss;
    for (size_t i = 0; i < epoch->count; i++) {
        epoch->sum[i] += step->sum[i];
    }
}

/* Of the samples that the next step takes. */
static size_t samples_ahead(const bnn_trainer *t) {
    size_t most = t->set->batch_size * t->set->accumulate;
    size_t left = t->set->train->count - t->state.step * t->set->batch_size;
    return left < most ? left : most;
}

/* Forward and backward of one batch, which has this number in the whole training, and begins with
 * the sample `first` of all ranks'; its gradients are its part of the step's. */
static bnn_code run_batch(bnn_trainer *t, const bnn_batch *batch, uint64_t number, size_t first,
                          size_t of_step, double *loss, bnn_error *err) {
    const bnn_net *net;
    bnn_code code = bnn_trainer_net(t, batch, &net, err);
    if (code != BNN_OK) {
        return code;
    }
    /* All networks share one memory: even what a batch brings waits for the last one's backward. */
    const bnn_stream *stream = bnn_graph_stream(net->graph), *update = &t->optimizer.stream;
    stream->device.ops->follow(stream, update);
    code = bnn_net_feed(net, batch, err);
    if (code == BNN_OK && t->teacher) {
        code = bnn_teacher_show(t->teacher, batch, net, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    bnn_graph_set_random(net->graph, t->set->seed, number, first);
    bnn_graph_forward(net->graph);
    code = count_batch(t, net, batch, loss, err);
    /* Others cannot know yet, and wait for this rank's gradients. */
    if (code == BNN_OK || (code == BNN_ERR_NUMERIC && bnn_trainer_shared(t))) {
        if (t->last_batch) {
            bnn_optimizer_begin(&t->optimizer);
        }
        bnn_graph_backward_weighted(net->graph, (float)((double)batch->n / (double)of_step));
        if (t->last_batch) {
            bnn_trainer_end_step(t, stream);
        }
        stream->device.ops->follow(update, stream);
    }
    return code;
}

/* A batch that is the other ranks' alone. */
static bnn_code skip_batch(bnn_trainer *t) {
    const bnn_stream *stream = &t->optimizer.stream;
    if (t->last_batch) {
        bnn_optimizer_begin(&t->optimizer);
    }
    bnn_trainer_no_gradients(t, stream);
    if (t->last_batch) {
        bnn_trainer_end_step(t, stream);
    }
    return BNN_OK;
}

/* The gradients of the next batches, at most so many as make a step. *batches is 0 at the end of
 * the epoch. */
static bnn_code run_batches(bnn_trainer *t, size_t *batches, double *loss, bnn_error *err) {
    const size_t of_step = samples_ahead(t);
    const uint64_t first = ((uint64_t)t->state.epoch << 32) + t->state.step;
    size_t left = of_step, first_sample, whole;
    bnn_code result = BNN_OK;
    bnn_score_reset(&t->step);
    for (*batches = 0; *batches < t->set->accumulate; ++*batches) {
        bnn_batch batch;
        bnn_code code = bnn_loader_next(t->loader, &batch, err);
        if (code != BNN_OK || !batch.n) {
            return code != BNN_OK ? code : result;
        }
        const size_t own =
            bnn_loader_share(t->loader, t->state.step + *batches, &first_sample, &whole);
        left -= whole;
        t->first_batch = *batches == 0;
        t->last_batch = left == 0;
        code = own ? run_batch(t, &batch, first + *batches, first_sample, of_step, loss, err)
                   : skip_batch(t);
        result = result == BNN_OK ? code : result;
        if (code != BNN_OK && !(code == BNN_ERR_NUMERIC && bnn_trainer_shared(t))) {
            return code;
        }
    }
    return result;
}

/* The mean of each term of the loss, NAN where it has no such. */
static void take_terms(const bnn_score *score, double terms[BNN_MAX_TERMS]) {
    for (int i = 0; i < BNN_MAX_TERMS; i++) {
        terms[i] = i < score->terms ? bnn_score_term(score, i) : NAN;
    }
}

/* "train/acc" and such, of the metrics that are told, behind what stands in the list. */
static size_t name_metrics(const bnn_task *task, const char *of, int training,
                           const double value[BNN_MAX_METRICS], char tag[][48], bnn_scalar *list,
                           size_t count) {
    for (int i = 0; task->metrics[i].key; i++) {
        if (!training || task->metrics[i].training) {
            snprintf(tag[i], 48, "%s/%.30s", of, task->metrics[i].key);
            list[count++] = (bnn_scalar){tag[i], value[i]};
        }
    }
    return count;
}

static bnn_code tell_step(bnn_trainer *t, double loss, const double terms[BNN_MAX_TERMS],
                          const double metrics[BNN_MAX_METRICS], double seconds, bnn_error *err) {
    char tag[BNN_MAX_METRICS][48], term[BNN_MAX_TERMS][48];
    bnn_scalar list[3 + BNN_MAX_TERMS + BNN_MAX_METRICS] = {
        {"train/loss", loss}, {"lr", t->optimizer.lr}, {"seconds", seconds}};
    size_t count = 3;
    for (int i = 0; t->spec.arch->losses[i]; i++) {
        snprintf(term[i], sizeof term[i], "train/loss_%.30s", t->spec.arch->losses[i]);
        list[count++] = (bnn_scalar){term[i], terms[i]};
    }
    count = name_metrics(t->task, "train", 1, metrics, tag, list, count);
    return t->events.file ? bnn_events_add(&t->events, t->state.steps, list, count, err) : BNN_OK;
}

/* Behind the epoch's last step. */
static bnn_code tell_epoch(bnn_trainer *t, uint32_t epoch, const bnn_epoch_scores *scores,
                           bnn_error *err) {
    char tag[BNN_MAX_METRICS][48];
    bnn_scalar list[3 + BNN_MAX_METRICS] = {{BNN_EVENTS_EPOCH, (double)epoch},
                                            {"test/loss", scores->test_loss},
                                            {"test/best", scores->best}};
    const size_t count = name_metrics(t->task, "test", 0, scores->test, tag, list, 3);
    return t->events.file ? bnn_events_add(&t->events, t->state.steps, list, count, err) : BNN_OK;
}

static bnn_code train_step(bnn_trainer *t, size_t *batches, bnn_error *err) {
    bnn_train_state *s = &t->state;
    double start = bnn_now(), loss = NAN, metrics[BNN_MAX_METRICS], terms[BNN_MAX_TERMS];
    t->optimizer.lr = bnn_lr_at(&t->schedule, (int)s->epoch, s->steps);
    t->moving = 0.0;
    bnn_code code = run_batches(t, batches, &loss, err);
    if (code == BNN_OK && !*batches) { /* for all at once */
        return code;
    }
    if ((code = bnn_trainer_share_step(t, code, err)) != BNN_OK) {
        return code;
    }
    loss = *batches > 1 || bnn_trainer_shared(t) ? t->step.loss / (double)t->step.samples : loss;
    for (int i = 0; t->task->metrics[i].key; i++) {
        metrics[i] = t->task->metrics[i].training ? t->task->value(&t->spec, &t->step, i) : NAN;
    }
    take_terms(&t->step, terms);
    count_step(t);
    double seconds = bnn_now() - start;
    if (t->set->profile) { /* the gradient is read; values and state are read and written */
        int arrays = 1 + 2;
        for (int i = 0; t->optimizer.kind->slots[i]; i++) {
            arrays += 2;
        }
        bnn_profile_table_extra(&t->profile, "optimizer", t->moving,
                                arrays * 4.0 * (double)t->params->value_count);
    }
    t->seconds += seconds;
    t->timed++;
    if (bnn_trainer_writes(t)) {
        code = bnn_run_log_step(&t->run, s->steps, s->epoch, loss, terms, metrics, t->optimizer.lr,
                                seconds, t->set->train->info->samples,
                                (double)t->step.samples / seconds, err);
        code = code == BNN_OK ? tell_step(t, loss, terms, metrics, seconds, err) : code;
    }
    s->step += *batches;
    s->steps++;
    return code;
}

enum { DESCRIPTION = 320 };

/* "loss 0.1234 acc 56.78%" of the epoch so far, with the terms of a loss that has several. */
static void describe_training(const bnn_trainer *t, char text[DESCRIPTION]) {
    const bnn_score *score = &t->state.score;
    size_t used = (size_t)snprintf(text, 40, "loss %.4f", score->loss / (double)score->samples);
    for (int i = 0; i < score->terms; i++) {
        used += (size_t)snprintf(text + used, 48, "%s%.16s %.4f%s", i ? ", " : " (",
                                 t->spec.arch->losses[i], bnn_score_term(score, i),
                                 i + 1 < score->terms ? "" : ")");
    }
    for (int i = 0; t->task->metrics[i].key && used < DESCRIPTION - 40; i++) {
        const bnn_metric *m = &t->task->metrics[i];
        if (m->training) {
            char value[BNN_METRIC_TEXT];
            used += (size_t)snprintf(text + used, 40, " %.16s %.20s", m->label,
                                     bnn_metric_text(m, t->task->value(&t->spec, score, i), value));
        }
    }
}

bnn_code bnn_trainer_run_epoch(bnn_trainer *t, bnn_error *err) {
    bnn_train_state *s = &t->state;
    bnn_progress progress;
    size_t batches = 1;
    char label[48], note[DESCRIPTION] = "";
    snprintf(label, sizeof label, "epoch %u/%d", (unsigned)s->epoch + 1, t->schedule.epochs);
    bnn_code code = bnn_loader_start(t->loader, s->epoch, s->step, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_progress_start(&progress, label, t->set->train->count, t->set->train->info->samples,
                       s->score.samples);
    while (!bnn_trainer_stopped(t)) {
        code = train_step(t, &batches, err);
        if (code != BNN_OK || !batches) {
            break;
        }
        describe_training(t, note);
        bnn_progress_update(&progress, s->score.samples, note);
        if (t->set->checkpoint_every && s->steps % t->set->checkpoint_every == 0 &&
            (code = bnn_trainer_save_last(t, err)) != BNN_OK) {
            break;
        }
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

static void take_scores(const bnn_trainer *t, bnn_epoch_scores *scores) {
    const bnn_score *train = &t->state.score, *test = &t->test;
    scores->lr = t->optimizer.lr;
    scores->train_loss = train->loss / (double)train->samples;
    scores->test_loss = test->loss / (double)test->samples;
    take_terms(train, scores->terms);
    for (int i = 0; t->task->metrics[i].key; i++) {
        scores->train[i] = t->task->metrics[i].training ? t->task->value(&t->spec, train, i) : NAN;
        scores->test[i] = t->task->value(&t->spec, test, i);
    }
}

/* A network in its algorithm's last phase can be deployed; it outranks any that cannot. */
static int is_best(const bnn_trainer *t, double value) {
    const bnn_train_state *s = &t->state;
    return t->spec.phase > s->best_phase ||
           (t->spec.phase == s->best_phase &&
            bnn_metric_better(&t->task->metrics[0], value, s->best));
}

static int last_phase(const bnn_trainer *t) {
    return t->spec.binarizer ? t->spec.binarizer->phases - 1 : 0;
}

/* With a cross-entropy as large nothing is learned any more: guessing has the logarithm of the
 * number of classes. Told once. */
static void note_explosion(bnn_trainer *t, uint32_t epoch, double loss) {
    const double guessing = log(t->spec.classes);
    if (t->exploded || loss <= MOST_LOSS * (guessing > 1.0 ? guessing : 1.0)) {
        return;
    }
    t->exploded = 1;
    fprintf(stderr,
            "bnn-train: warning: the loss has exploded, to %.3g in epoch %u (guessing has %.3g); "
            "try a lower --lr, or %s\n",
            loss, (unsigned)epoch + 1, guessing,
            t->set->clip_norm > 0.0 ? "a smaller --clip-norm" : "--clip-norm 5");
}

/* Evaluates, logs, saves. A signal during the evaluation leaves it to be done again. */
bnn_code bnn_trainer_finish_epoch(bnn_trainer *t, bnn_error *err) {
    bnn_train_state *s = &t->state;
    bnn_epoch_scores scores = {0};
    const int shared = !t->task->listed; /* or else rank 0 evaluates */
    bnn_evaluation how = {.batch_size = t->set->batch_size,
                          .loader_threads = bnn_train_threads(t->set),
                          .label = "  test",
                          .part = shared ? t->comm->rank : 0,
                          .parts = shared ? t->comm->size : 1};
    const bnn_metric *metric = &t->task->metrics[0];
    char training[DESCRIPTION], value[BNN_METRIC_TEXT];
    int stopped = 0;
    bnn_code code = bnn_trainer_shown_to_host(t, err); /* is folded */
    if (code != BNN_OK || (code = bnn_trainer_share_buffers(t, err)) != BNN_OK) {
        return code;
    }
    bnn_predictor_refresh(t->predictor, t->spec.phase);
    bnn_score_reset(&t->test);
    if (shared || bnn_trainer_writes(t)) {
        code = bnn_evaluate(t->predictor, &t->spec, t->set->test, &how, &t->test, &stopped, err);
    }
    if ((code = bnn_trainer_share_test(t, &stopped, code, err)) != BNN_OK) {
        return bnn_fail_in(err, code, "after step %llu (epoch %u)", (unsigned long long)s->steps,
                           (unsigned)s->epoch + 1);
    }
    if (stopped) {
        return BNN_OK;
    }
    take_scores(t, &scores);
    if (bnn_trainer_shared(t)) {
        t->comm->broadcast(t->comm, 0, &scores, sizeof scores);
    }
    describe_training(t, training);
    uint32_t epoch = s->epoch;
    int best = is_best(t, scores.test[0]);
    if (best) {
        s->best = scores.test[0];
        s->best_phase = t->spec.phase;
    }
    /* What comes before the algorithm's last phase is not what is wanted, however good. */
    s->waited = best || t->spec.phase < last_phase(t) ? 0 : s->waited + 1;
    scores.best = s->best;
    begin_next_epoch(s);
    printf("epoch %u/%d  lr %.3g  train %s  test", (unsigned)epoch + 1, t->schedule.epochs,
           t->optimizer.lr, training);
    if (!isnan(scores.test_loss)) { /* of detectors there is none */
        printf(" loss %.4f", scores.test_loss);
    }
    printf(" %s %s%s\n", metric->label, bnn_metric_text(metric, scores.test[0], value),
           best ? "  *" : "");
    fflush(stdout);
    note_explosion(t, epoch, scores.train_loss);
    /* The order makes a kill harmless: what `last` does not know yet is written again. */
    if (best && (code = bnn_trainer_save(t, "best.safetensors", err)) != BNN_OK) {
        return code;
    }
    if (bnn_trainer_writes(t)) {
        code = bnn_run_log_epoch(&t->run, epoch, &scores, err);
        code = code == BNN_OK ? tell_epoch(t, epoch, &scores, err) : code;
    }
    return code == BNN_OK ? bnn_trainer_save_last(t, err) : code;
}
