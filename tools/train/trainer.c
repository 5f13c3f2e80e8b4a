#include "tools/train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/arena.h"
#include "tools/cli/quiet.h"
#include "tools/cli/shell.h"
#include "tools/run/find_model.h"
#include "tools/train/init_from.h"
#include "tools/train/trainer_private.h"

static int ranks_of(const bnn_train_settings *set) {
    return set->comm ? set->comm->size : 1;
}

/* Are the gradients of a step kept until it has them all? */
static int gathers(const bnn_train_settings *set) {
    return set->accumulate > 1 || set->clip_grad_norm > 0.0 || ranks_of(set) > 1;
}

static int is_finished(const bnn_trainer *t) {
    const bnn_train_state *s = &t->state;
    return s->epoch >= (uint32_t)t->schedule.epochs ||
           (t->set->patience && s->waited >= t->set->patience);
}

static bnn_code train_all(bnn_trainer *t, bnn_train_result *result, bnn_error *err) {
    bnn_train_state *s = &t->state;
    bnn_code code = BNN_OK;
    while (code == BNN_OK && !is_finished(t) && !bnn_trainer_stopped(t)) {
        code = bnn_trainer_enter_epoch(t, err);
        if (code == BNN_OK && s->step < bnn_loader_steps(t->loader)) {
            code = bnn_trainer_run_epoch(t, err);
        }
        if (code == BNN_OK && s->step == bnn_loader_steps(t->loader)) {
            t->optimizer.lr = bnn_lr_at(&t->schedule, (int)s->epoch, s->steps - 1);
            code = bnn_trainer_finish_epoch(t, err);
        }
    }
    if (code == BNN_OK && !is_finished(t) && bnn_trainer_stopped(t)) {
        result->interrupted = 1;
        code = bnn_trainer_save_last(t, err);
    }
    return code;
}

/* ---- setting up ---- */

int bnn_train_threads(const bnn_train_settings *set) {
    return set->loader_threads ? set->loader_threads : set->device.threads;
}

bnn_loader_options bnn_train_loader_options(size_t batch_size, uint64_t seed, int threads) {
    return (bnn_loader_options){.batch_size = batch_size,
                                .shuffle = 1,
                                .augment = 1,
                                .cut = 1,
                                .seed = seed,
                                .threads = threads,
                                .prefetch = 3};
}

static bnn_code create_loader(bnn_trainer *t, bnn_error *err) {
    bnn_loader_options options =
        bnn_train_loader_options(t->set->batch_size, t->set->seed, bnn_train_threads(t->set));
    options.group_by_length = t->set->group_by_length;
    options.augment = !t->set->no_augment;
    options.part = t->comm->rank;
    options.parts = t->comm->size;
    bnn_code code = bnn_loader_create(t->set->train, &options, &t->loader, err);
    if (code == BNN_OK) {
        t->steps = (bnn_loader_steps(t->loader) - 1) / t->set->accumulate + 1;
        t->schedule.warmup_steps = (double)t->set->warmup_epochs * (double)t->steps;
        t->schedule.steps = (uint64_t)t->schedule.epochs * t->steps;
        t->schedule.warmup_ratio = 0.01;
    }
    return code;
}

/* Frozen parameters are meant to come from somewhere. */
static void note_frozen(const bnn_params *params) {
    const char *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < params->count; i++) {
        if (params->list[i]->trainable && params->list[i]->frozen) {
            first = first ? first : params->list[i]->name;
            count++;
        }
    }
    if (count) {
        fprintf(
            stderr,
            "bnn-train: note: frozen parameters (%zu, from %s on) stay as they begin, since there "
            "is no --init-from\n",
            count, first);
    }
}

static bnn_code start_values(bnn_trainer *t, bnn_error *err) {
    bnn_params_initialize(t->params, t->set->seed);
    if (!t->set->init_from && bnn_trainer_writes(t)) {
        note_frozen(t->params);
    }
    bnn_code code = t->set->init_from ? bnn_init_from_file(t->set, t->params, err) : BNN_OK;
    bnn_apply_schedule(t->spec.binarizer, t->params, 0, t->schedule.epochs);
    if (code == BNN_OK && (code = bnn_trainer_to_device(t, err)) == BNN_OK) {
        bnn_trainer_average_restart(t);
    }
    return code;
}

static bnn_code log_session(const bnn_trainer *t, bnn_error *err) {
    return !bnn_trainer_writes(t)
               ? BNN_OK
               : bnn_run_log_session(&t->run, t->state.steps, t->set->device.kernels->name,
                                     bnn_train_threads(t->set), t->comm->size, &t->data, err);
}

/* All that records the arguments and the data gets the new ones, as if the run had been started
 * with them; `last`, by which it is resumed, at the end. */
static bnn_code record_changes(bnn_trainer *t, bnn_error *err) {
    char best[4200];
    bnn_code code = bnn_run_file(&t->run, "best.safetensors", best, sizeof best, err);
    if (code == BNN_OK && bnn_trainer_writes(t)) {
        code = bnn_run_configure(&t->run, t->set->config, err);
    }
    if ((code = bnn_comm_agree(t->comm, code, err)) != BNN_OK) {
        return code;
    }
    if (bnn_comm_any(t->comm, bnn_trainer_writes(t) && access(best, F_OK) == 0) &&
        ((code = bnn_trainer_load(t, best, err)) != BNN_OK ||
         (code = bnn_trainer_save(t, "best.safetensors", err)) != BNN_OK ||
         (code = bnn_trainer_load(t, t->set->resume, err)) != BNN_OK)) {
        return code;
    }
    return bnn_trainer_save_last(t, err);
}

/* The others read there, and leave it as it is. */
static void visit_run(bnn_trainer *t) {
    snprintf(t->run.path, sizeof t->run.path, "%s", t->set->output);
}

static bnn_code reopen_run(bnn_trainer *t, bnn_error *err) {
    /* All have read it before anything in it is changed. */
    bnn_code code = bnn_comm_agree(t->comm, bnn_trainer_load(t, t->set->resume, err), err);
    if (code == BNN_OK && bnn_trainer_writes(t)) {
        code = bnn_run_reopen(&t->run, t->set->output, t->task, t->spec.arch->losses,
                              t->state.epoch, t->state.steps, err);
        if (t->run.lost) {
            fprintf(stderr,
                    "bnn-train: note: %s/metrics.csv tells nothing of %llu of %u epochs: it was "
                    "damaged or removed, and their numbers are lost\n",
                    bnn_shell_show(t->set->output).s, (unsigned long long)t->run.lost,
                    (unsigned)t->state.epoch);
        }
    } else {
        visit_run(t);
    }
    if ((code = bnn_comm_agree(t->comm, code, err)) == BNN_OK &&
        (t->set->extended || t->data_changed)) {
        code = record_changes(t, err);
    }
    return code == BNN_OK ? log_session(t, err) : code;
}

static bnn_code open_events(bnn_trainer *t, bnn_error *err) {
    char path[4200];
    bnn_code code = bnn_run_file(&t->run, BNN_EVENTS_FILE, path, sizeof path, err);
    return code == BNN_OK && t->set->tensorboard && bnn_trainer_writes(t)
               ? bnn_events_open(&t->events, path, t->state.steps, t->state.epoch, err)
               : code;
}

static bnn_code create_run(bnn_trainer *t, bnn_error *err) {
    if (bnn_trainer_writes(t)) {
        return bnn_run_create(&t->run, t->set->output, t->task, t->spec.arch->losses,
                              t->set->config, t->set->overwrite, err);
    }
    visit_run(t);
    return BNN_OK;
}

static bnn_code open_run(bnn_trainer *t, bnn_error *err) {
    bnn_code code;
    if (t->set->resume) {
        code = reopen_run(t, err);
        return code == BNN_OK ? open_events(t, err) : code;
    }
    if ((code = start_values(t, err)) != BNN_OK || (code = create_run(t, err)) != BNN_OK ||
        (code = open_events(t, err)) != BNN_OK) {
        return code;
    }
    /* From its first moment on, a run can be resumed. */
    code = bnn_trainer_save_last(t, err);
    return code == BNN_OK ? log_session(t, err) : code;
}

/* A file, or a run's best. */
static bnn_code open_teacher(bnn_trainer *t, bnn_error *err) {
    bnn_found_model found;
    bnn_arena *arena = bnn_arena_create();
    bnn_code code = arena ? bnn_find_model(t->set->teacher, arena, &found, err)
                          : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the teacher");
    if (code == BNN_OK) {
        code = bnn_teacher_open(found.path, &t->spec, &t->set->device, &t->teacher, err);
    }
    if (code == BNN_OK) {
        snprintf(t->data.teacher, sizeof t->data.teacher, "%08x",
                 (unsigned)bnn_teacher_checksum(t->teacher));
    }
    bnn_arena_free(arena);
    return code;
}

static bnn_code set_up(bnn_trainer *t, bnn_error *err) {
    const bnn_train_settings *set = t->set;
    bnn_code code = bnn_trainer_check_sizes(t, err);
    code = code == BNN_OK ? create_loader(t, err) : code;
    if (code == BNN_OK && set->teacher) {
        code = open_teacher(t, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    t->params = bnn_params_create();
    if (!t->params) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the parameters");
    }
    t->params->update = bnn_trainer_update;
    t->params->updater = t;
    if (set->freeze && (code = bnn_params_freeze(t->params, set->freeze, err)) != BNN_OK) {
        return code;
    }
    /* The phase of the first epoch; graphs follow when an epoch begins in another. */
    t->spec.phase = bnn_apply_schedule(t->spec.binarizer, t->params, 0, t->schedule.epochs);
    if ((code = bnn_trainer_build_nets(t, err)) != BNN_OK ||
        (code = bnn_params_check_frozen(t->params, err)) != BNN_OK ||
        (code = bnn_optimizer_init(&t->optimizer, set->optimizer, &set->device,
                                   t->params->value_count, err)) != BNN_OK ||
        (code = bnn_trainer_average_create(t, err)) != BNN_OK) {
        return code;
    }
    const bnn_device *device = &set->device;
    t->output = device->ops->alloc(device, BNN_MEMORY_HOST,
                                   set->batch_size * bnn_spec_outputs(&t->spec) * sizeof(float));
    if (!t->output) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the outputs of a batch");
    }
    if (gathers(set)) {
        t->sum =
            device->ops->alloc(device, BNN_MEMORY_DEVICE, t->params->value_count * sizeof(float));
        if (!t->sum) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the sum of the gradients");
        }
        /* What no parameter's gradient fills has no part in their norm. */
        device->kernels->fill(&t->optimizer.stream, t->params->value_count, 0.0f, t->sum);
    }
    t->optimizer.momentum = set->momentum;
    t->optimizer.weight_decay = set->weight_decay;
    t->optimizer.nesterov = set->nesterov;
    if (set->clip_norm > 0.0) { /* or the optimizer's own */
        t->optimizer.max_norm = set->clip_norm;
    }
    t->state.best = NAN;
    t->state.data = t->data;
    t->state.ranks = (uint32_t)t->comm->size;
    if ((code = bnn_score_create(t->task, &t->spec, 1, &t->state.score, err)) != BNN_OK ||
        (code = bnn_score_create(t->task, &t->spec, 1, &t->step, err)) != BNN_OK ||
        (code = bnn_score_create(t->task, &t->spec, 0, &t->test, err)) != BNN_OK) {
        return code;
    }
    t->record = calloc(t->step.count + 8, sizeof *t->record);
    if (!t->record) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the score of a step");
    }
    if ((code = bnn_trainer_make_buckets(t, err)) != BNN_OK ||
        (code = bnn_comm_agree(t->comm, code, err)) != BNN_OK ||
        (code = bnn_trainer_check_alike(t, err)) != BNN_OK ||
        (code = bnn_trainer_join_devices(t, err)) != BNN_OK ||
        (code = bnn_trainer_open_sums(t, err)) != BNN_OK ||
        (code = bnn_comm_agree(t->comm, code, err)) != BNN_OK ||
        (code = open_run(t, err)) != BNN_OK) {
        return code;
    }
    return bnn_predictor_create(&t->spec, &set->device, t->shown, NULL, NULL, &t->predictor, err);
}

bnn_code bnn_train(const bnn_train_settings *settings, bnn_train_result *result, bnn_error *err) {
    bnn_trainer t = {.set = settings,
                     .spec = settings->spec,
                     .task = settings->spec.task,
                     .data = settings->data,
                     .schedule = settings->schedule};
    *result = (bnn_train_result){0};
    t.alone = bnn_comm_alone();
    t.comm = settings->comm ? settings->comm : &t.alone;
    t.spec.statistics = settings->sync_bn ? t.comm : NULL;
    bnn_code code = bnn_comm_agree(t.comm, set_up(&t, err), err);
    if (code == BNN_OK) {
        result->was_finished = is_finished(&t);
        code = train_all(&t, result, err);
        result->gave_up = is_finished(&t) && t.state.epoch < (uint32_t)t.schedule.epochs;
    }
    if (code != BNN_OK && bnn_trainer_shared(&t) && !t.comm->failed) {
        bnn_say("bnn-train", err->text); /* the others wait for this rank, and know nothing */
        t.comm->abort(t.comm);
    }
    result->best = t.state.best;
    result->steps = t.state.steps;
    result->timed_steps = t.timed;
    result->seconds_per_step = t.timed ? t.seconds / (double)t.timed : 0.0;
    bnn_predictor_free(t.predictor);
    bnn_teacher_free(t.teacher);
    bnn_loader_free(t.loader);
    bnn_events_close(&t.events);
    bnn_run_close(&t.run);
    bnn_optimizer_free(&t.optimizer);
    bnn_trainer_average_free(&t);
    bnn_trainer_free_nets(&t);
    bnn_trainer_free_buckets(&t);
    free(t.record);
    settings->device.ops->release(&settings->device, BNN_MEMORY_DEVICE, t.sum);
    settings->device.ops->release(&settings->device, BNN_MEMORY_HOST, t.output);
    result->profile = t.profile;
    bnn_params_free(t.params);
    bnn_score_free(&t.state.score);
    bnn_score_free(&t.step);
    bnn_score_free(&t.test);
    return code;
}

bnn_code bnn_train_plan(const bnn_train_settings *settings, bnn_params *params, bnn_net *net,
                        size_t *bytes, bnn_error *err) {
    const size_t own = (settings->batch_size - 1) / (size_t)ranks_of(settings) + 1;
    bnn_spec spec = settings->spec;
    spec.phase = bnn_apply_schedule(spec.binarizer, params, 0, settings->schedule.epochs);
    bnn_code code = settings->freeze ? bnn_params_freeze(params, settings->freeze, err) : BNN_OK;
    if (code == BNN_OK &&
        !(code = bnn_net_build(&spec, &settings->device, params, (int)own, 1, net, err)) &&
        !(code = bnn_params_check_frozen(params, err))) {
        size_t slots = 0;
        while (settings->optimizer->slots[slots]) {
            slots++;
        }
        slots += (size_t)gathers(settings); /* the sum of the gradients */
        /* And the parts of it that other ranks have, which are the host's. */
        slots += ranks_of(settings) > 1 && settings->device.ops->host;
        const size_t averages = settings->ema > 0.0;
        *bytes =
            (params->value_count * (1 + slots + averages) + params->buffer_count * (1 + averages)) *
                sizeof(float) +
            bnn_graph_bytes(net->graph);
    }
    return code;
}
