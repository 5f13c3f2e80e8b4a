/* The checkpoints of a training. */
#include <stdio.h>

#include "engine/base/arena.h"
#include "models/files/checkpoint.h"
#include "tools/train/trainer_private.h"

static bnn_code save(bnn_trainer *t, const char *name, bnn_error *err) {
    char path[4200];
    bnn_meta meta[BNN_TRAIN_STATE_META];
    bnn_code code = bnn_run_file(&t->run, name, path, sizeof path, err);
    bnn_arena *arena = code == BNN_OK ? bnn_arena_create() : NULL;
    if (code == BNN_OK && !arena) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for saving", path);
    }
    if (code == BNN_OK && (code = bnn_trainer_to_host(t, err)) == BNN_OK) {
        size_t n =
            bnn_train_state_meta(&t->state, t->set->optimizer->name, t->set->args, arena, meta);
        code =
            bnn_checkpoint_save(path, &t->spec, t->shown, t->shown != t->params ? t->params : NULL,
                                &t->optimizer, meta, n, err);
    }
    if (code == BNN_ERR_NUMERIC) {
        bnn_fail_in(err, code, "after step %llu (epoch %u)", (unsigned long long)t->state.steps,
                    (unsigned)t->state.epoch + (t->state.step > 0));
    }
    bnn_arena_free(arena);
    return code;
}

/* Rank 0 does, and all know how it went. */
bnn_code bnn_trainer_save(bnn_trainer *t, const char *name, bnn_error *err) {
    return bnn_comm_agree(t->comm, bnn_trainer_writes(t) ? save(t, name, err) : BNN_OK, err);
}

static bnn_code save_last(bnn_trainer *t, bnn_error *err) {
    bnn_code code = bnn_run_flush(&t->run, err);
    code = code == BNN_OK ? bnn_events_flush(&t->events, err) : code;
    return code == BNN_OK ? save(t, "last.safetensors", err) : code;
}

bnn_code bnn_trainer_save_last(bnn_trainer *t, bnn_error *err) {
    return bnn_comm_agree(t->comm, bnn_trainer_writes(t) ? save_last(t, err) : BNN_OK, err);
}

/* The arguments made the network; what else the file says of it must agree. */
static bnn_code check_same_network(const bnn_trainer *t, const char *path, const bnn_spec *spec,
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

/* That the data are those it began with, or may be others. */
static bnn_code check_data(bnn_trainer *t, const char *path, bnn_error *err) {
    const int accepted = t->set->accept_changed_data;
    bnn_code code = bnn_run_data_same(path, &t->state.data, &t->data, accepted ? NULL : err);
    if (code == BNN_OK || !accepted) {
        return code;
    }
    if (!t->data_changed) {
        fprintf(stderr, "bnn-train: note: %s goes on with other data than it began with\n",
                t->set->output);
    }
    t->data_changed = 1;
    return BNN_OK;
}

static void note_ranks(bnn_trainer *t) {
    const uint32_t ranks = (uint32_t)t->comm->size;
    if (t->state.ranks != ranks && !t->ranks_changed) {
        t->ranks_changed = 1;
        fprintf(stderr,
                "bnn-train: note: %s was trained by %u rank%s, and goes on with %u: sums are "
                "rounded in another order%s\n",
                t->set->output, (unsigned)t->state.ranks, t->state.ranks > 1 ? "s" : "",
                (unsigned)ranks,
                t->set->sync_bn ? "" : ", and batch norms see other parts of a batch");
    }
    t->state.ranks = ranks;
}

/* Both sets of values, where there are averages. They have begun, unless nothing has been done yet
 * since they start anew, which is found out when the epoch is entered. */
static bnn_code read_params(bnn_trainer *t, const bnn_weights *weights, bnn_error *err) {
    bnn_code code = bnn_weights_read_params(weights, t->shown, err);
    if (code == BNN_OK && t->shown != t->params) {
        t->average[0].begun = t->average[1].begun = 1;
        code = bnn_checkpoint_read_trained(weights, t->params, err);
    }
    return code;
}

bnn_code bnn_trainer_load(bnn_trainer *t, const char *path, bnn_error *err) {
    bnn_st_file *file;
    bnn_spec spec;
    bnn_code code = bnn_st_open(path, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_weights weights = {.path = path, .file = file, .exact = 1};
    if (!(code = bnn_train_state_read(path, file, &t->state, err)) &&
        !(code = check_data(t, path, err)) &&
        !(code = bnn_spec_read(path, file, NULL, &spec, err)) &&
        !(code = check_same_network(t, path, &spec, err)) &&
        !(code = read_params(t, &weights, err)) &&
        !(code = bnn_checkpoint_read_optimizer(&weights, t->params, &t->optimizer, err)) &&
        !(code = bnn_trainer_to_device(t, err))) {
        t->optimizer.steps = t->state.steps;
        note_ranks(t);
        t->state.data = t->data; /* an older checkpoint does not say */
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
