/* What the ranks of a training agree about. */
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/rng.h"
#include "tools/cli/interrupt.h"
#include "tools/train/trainer_private.h"

/* ---- before the first step ---- */

bnn_code bnn_trainer_check_sizes(const bnn_trainer *t, bnn_error *err) {
    if (!bnn_trainer_shared(t)) {
        return BNN_OK;
    }
    const size_t ranks = (size_t)t->comm->size, batch = t->set->batch_size;
    const size_t tail = t->set->train->count % batch;
    if (batch < ranks) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--batch-size %zu is what all ranks take together, and there are %zu; use "
                        "%zu or more, or fewer ranks",
                        batch, ranks, ranks);
    }
    if (t->set->sync_bn && tail && tail < ranks) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--sync-bn: an epoch's last batch has %zu %s for %zu ranks, and each needs "
                        "one; use another --batch-size or --limit-train",
                        tail, t->set->train->info->samples, ranks);
    }
    return t->set->device.ops->host || !t->set->sync_bn
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_UNSUPPORTED,
                          "--sync-bn is for ranks on CPUs; leave it out: each GPU then takes the "
                          "statistics of its own part of a batch");
}

/* Ranks of different numbers drift apart without a word. */
static bnn_code check_alike(const bnn_trainer *t, bnn_error *err) {
    const char *isa = t->set->device.kernels->name;
    struct {
        char isa[64], rest[64];
    } own = {"", ""}, first;
    snprintf(own.isa, sizeof own.isa, "%s", isa);
    snprintf(own.rest, sizeof own.rest, "%016llx %.8s %.8s %.8s",
             (unsigned long long)bnn_hash_name(t->set->args), t->data.train, t->data.test,
             t->data.teacher);
    first = own;
    t->comm->broadcast(t->comm, 0, &first, sizeof first);
    bnn_code code = BNN_OK;
    if (strcmp(own.isa, first.isa) != 0) {
        code = bnn_fail(err, BNN_ERR_ARGUMENT,
                        "rank %d computes with %s, rank 0 with %s, which rounds differently; %s",
                        t->comm->rank, own.isa, first.isa,
                        t->set->device.ops->host ? "cap both, as with BNN_ISA=avx2"
                                                 : "give all ranks GPUs of one kind");
    } else if (strcmp(own.rest, first.rest) != 0) {
        code = bnn_fail(err, BNN_ERR_ARGUMENT,
                        "rank %d was started with other arguments or other data than rank 0",
                        t->comm->rank);
    }
    return bnn_comm_agree(t->comm, code, err);
}

static void note_ranks(const bnn_trainer *t) {
    const size_t ranks = (size_t)t->comm->size, batch = t->set->batch_size;
    const int threads = bnn_train_threads(t->set), bound = omp_get_num_procs();
    fprintf(stderr,
            "bnn-train: note: %zu ranks of %d thread%s; of each batch of %zu %s a rank has %s%zu\n",
            ranks, threads, threads > 1 ? "s" : "", batch, t->set->train->info->samples,
            batch % ranks == 0 ? "" : "up to ", (batch - 1) / ranks + 1);
    if (threads > bound) {
        fprintf(stderr,
                "bnn-train: note: mpirun has bound the rank to %d processor%s, which %d threads "
                "share; give it --bind-to none, or --map-by slot:PE=%d\n",
                bound, bound > 1 ? "s" : "", threads, threads);
    }
}

bnn_code bnn_trainer_check_alike(const bnn_trainer *t, bnn_error *err) {
    if (!bnn_trainer_shared(t)) {
        return BNN_OK;
    }
    bnn_code code = check_alike(t, err);
    if (code == BNN_OK) {
        note_ranks(t);
    }
    return code;
}

/* ---- a step, an epoch ---- */

enum { DIVERGED, STOP, SAMPLES, LOSS, SUMS };

bnn_code bnn_trainer_share_step(bnn_trainer *t, bnn_code code, bnn_error *err) {
    bnn_score *step = &t->step;
    double *record = t->record;
    if (!bnn_trainer_shared(t)) {
        return code;
    }
    const bnn_code copied = bnn_trainer_check_copies(t, err);
    code = copied == BNN_OK ? code : copied;
    if (code != BNN_OK && code != BNN_ERR_NUMERIC) {
        return code; /* of this rank alone: it ends all */
    }
    record[DIVERGED] = code != BNN_OK;
    record[STOP] = bnn_interrupted();
    record[SAMPLES] = (double)step->samples;
    record[LOSS] = step->loss;
    memcpy(record + SUMS, step->sum, step->count * sizeof *step->sum);
    bnn_comm_add(t->comm, record, SUMS + step->count);
    if (record[DIVERGED] > 0.0) {
        return bnn_comm_agree(t->comm, code, err);
    }
    step->samples = (size_t)record[SAMPLES];
    step->loss = record[LOSS];
    memcpy(step->sum, record + SUMS, step->count * sizeof *step->sum);
    t->stop = record[STOP] > 0.0;
    return BNN_OK;
}

int bnn_trainer_stopped(const bnn_trainer *t) {
    if (t->stop) {
        bnn_interrupt_share();
    }
    return bnn_trainer_shared(t) ? t->stop : bnn_interrupted();
}

bnn_code bnn_trainer_share_test(bnn_trainer *t, int *stopped, bnn_code code, bnn_error *err) {
    bnn_score *test = &t->test;
    if (!bnn_trainer_shared(t)) {
        return code;
    }
    code = bnn_comm_agree(t->comm, code, err);
    if (code != BNN_OK) {
        return code;
    }
    t->stop = *stopped = bnn_comm_any(t->comm, *stopped || bnn_interrupted());
    if (!*stopped && !t->task->listed) {
        double told[2] = {(double)test->samples, test->loss};
        bnn_comm_add(t->comm, told, 2);
        bnn_comm_add(t->comm, test->sum, test->count);
        test->samples = (size_t)told[0];
        test->loss = told[1];
    }
    return BNN_OK;
}

bnn_code bnn_trainer_share_buffers(bnn_trainer *t, bnn_error *err) {
    if (!bnn_trainer_shared(t)) {
        return BNN_OK;
    }
    bnn_code code = bnn_trainer_to_host(t, err);
    if (code != BNN_OK) {
        return code;
    }
    const size_t bytes = t->params->buffer_count * sizeof(float);
    t->comm->broadcast(t->comm, 0, t->params->host_buffers, bytes);
    if (t->shown != t->params) {
        t->comm->broadcast(t->comm, 0, t->shown->host_buffers, bytes);
    }
    return bnn_trainer_to_device(t, err);
}
