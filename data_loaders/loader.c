/* The prefetching loader. Batches stand in a ring of prefetch + 1 slots: one with the caller, the
 * others being filled or ready. The unit of work is a chunk of a batch, not a batch, so that all
 * threads work on the first batch, too; a chunk always writes the same samples to the same place,
 * whichever thread takes it. One mutex guards everything but the samples themselves. */
#include "data_loaders/loader.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/augment.h"
#include "data_loaders/lengths.h"
#include "engine/base/arena.h"
#include "engine/base/rng.h"
#include "engine/base/text.h"

#define CHUNK 16 /* samples; some 100 us of work between two looks at the mutex */

typedef struct slot {
    unsigned char *data[BNN_MAX_FIELDS];
    size_t filled;   /* samples done; the batch is ready when all are */
    size_t failed;   /* the place of the first that failed, or SIZE_MAX */
    bnn_error error; /* its */
} slot;

struct bnn_loader {
    const bnn_dataset *dataset;
    bnn_loader_options options;
    size_t steps;
    uint32_t *order;   /* [count]; NULL without shuffling. Written only while no worker is busy */
    bnn_groups groups; /* if they are wanted: which batch a step takes of this order */
    slot *slots;       /* [slot_count]; step s lives in slot s % slot_count */
    bnn_field cut[BNN_MAX_FIELDS]; /* of the batch that the caller has, if it is cut */
    size_t slot_count;
    pthread_t *threads;
    int thread_count; /* started */

    pthread_mutex_t mutex;
    pthread_cond_t work; /* to the workers: there may be something to claim, or to stop */
    pthread_cond_t done; /* to the caller: a chunk is done */
    uint32_t epoch;
    size_t next_step;    /* the next one for the caller */
    size_t oldest;       /* the step the caller holds, else next_step: nothing older is needed */
    size_t claim_step;   /* what the next chunk to claim belongs to... */
    size_t claim_sample; /* ...and where in that batch it begins */
    int busy;            /* workers with a chunk */
    int stop;
};

typedef struct chunk {
    size_t step, first, n;
    uint32_t epoch;
} chunk;

size_t bnn_loader_share(const bnn_loader *loader, size_t step, size_t *first, size_t *whole) {
    const bnn_loader_options *o = &loader->options;
    const size_t left = loader->dataset->count - step * o->batch_size;
    *whole = left < o->batch_size ? left : o->batch_size;
    return bnn_part_of(*whole, o->part, o->parts, first);
}

/* How many samples are loaded for a step, of the whole batch those from *first on. */
static size_t batch_part(const bnn_loader *loader, size_t step, size_t *first) {
    size_t whole, own = bnn_loader_share(loader, step, first, &whole);
    *first = *first < whole ? *first : whole - 1;
    return own > 0 ? own : 1;
}

static size_t batch_count(const bnn_loader *loader, size_t step) {
    size_t first;
    return batch_part(loader, step, &first);
}

/* ---- workers ---- */
/* With the mutex held. */
static int claim(bnn_loader *loader, chunk *out) {
    if (loader->claim_step >= loader->steps ||
        loader->claim_step - loader->oldest >= loader->slot_count) {
        return 0;
    }
    size_t n = batch_count(loader, loader->claim_step);
    size_t left = n - loader->claim_sample;
    *out = (chunk){.step = loader->claim_step,
                   .first = loader->claim_sample,
                   .n = left < CHUNK ? left : CHUNK,
                   .epoch = loader->epoch};
    if (out->first == 0) {
        loader->slots[out->step % loader->slot_count].filled = 0;
        loader->slots[out->step % loader->slot_count].failed = SIZE_MAX;
    }
    loader->claim_sample += out->n;
    if (loader->claim_sample == n) {
        loader->claim_step++;
        loader->claim_sample = 0;
    }
    loader->busy++;
    return 1;
}

/* Without the mutex. Returns how many samples went well before one failed. */
static size_t fill(const bnn_loader *loader, const chunk *c, bnn_error *err) {
    const bnn_dataset *dataset = loader->dataset;
    const slot *s = &loader->slots[c->step % loader->slot_count];
    const bnn_draw draw = {loader->options.seed, c->epoch};
    size_t first;
    batch_part(loader, c->step, &first);
    for (size_t i = c->first; i < c->first + c->n; i++) {
        size_t index =
            bnn_groups_batch(&loader->groups, c->step) * loader->options.batch_size + first + i;
        void *out[BNN_MAX_FIELDS];
        if (loader->order) {
            index = loader->order[index];
        }
        for (int f = 0; f < dataset->fields; f++) {
            out[f] = s->data[f] + i * bnn_field_bytes(&dataset->field[f]);
        }
        bnn_code code =
            dataset->sample(dataset, index, loader->options.augment ? &draw : NULL, out, err);
        if (code != BNN_OK) {
            bnn_fail_in(err, code, "%s, sample %zu", dataset->info->name, index);
            return i - c->first;
        }
    }
    return c->n;
}

static void *work(void *argument) {
    bnn_loader *loader = argument;
    chunk c;
    bnn_error err = {0};
    pthread_mutex_lock(&loader->mutex);
    while (!loader->stop) {
        if (!claim(loader, &c)) {
            pthread_cond_wait(&loader->work, &loader->mutex);
            continue;
        }
        pthread_mutex_unlock(&loader->mutex);
        size_t good = fill(loader, &c, &err);
        pthread_mutex_lock(&loader->mutex);
        slot *s = &loader->slots[c.step % loader->slot_count];
        if (good < c.n && c.first + good < s->failed) { /* whichever thread is first */
            s->failed = c.first + good;
            s->error = err;
        }
        s->filled += c.n;
        loader->busy--;
        pthread_cond_signal(&loader->done);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

/* ---- creating ---- */
static bnn_code check_options(const bnn_dataset *dataset, const bnn_loader_options *options,
                              bnn_error *err) {
    const char *name = dataset->info->name;
    if (dataset->count == 0 || dataset->count > UINT32_MAX) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: %zu %s; a data set has 1 to %u", name,
                        dataset->count, dataset->info->samples, UINT32_MAX);
    }
    if (options->batch_size == 0) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "batch size 0: use --batch-size 1 or more");
    }
    if (options->batch_size > dataset->count) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "batch size %zu is larger than the data set (%zu %s); use --batch-size "
                        "%zu or less",
                        options->batch_size, dataset->count, dataset->info->samples,
                        dataset->count);
    }
    if (options->threads < 1 || options->prefetch < 1) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%d loader threads, %d batches ahead: both must be 1 or more",
                        options->threads, options->prefetch);
    }
    return BNN_OK;
}

/* All that is ever allocated. Zeroed, so that a loader cut short can be freed. */
static int allocate(bnn_loader *loader) {
    const bnn_loader_options *options = &loader->options;
    loader->slots = calloc(loader->slot_count, sizeof *loader->slots);
    loader->threads = calloc((size_t)options->threads, sizeof *loader->threads);
    if (!loader->slots || !loader->threads) {
        return 0;
    }
    if (options->shuffle) {
        loader->order = calloc(loader->dataset->count, sizeof *loader->order);
        if (!loader->order) {
            return 0;
        }
    }
    if (options->shuffle && options->group_by_length && loader->dataset->length &&
        !bnn_groups_create(&loader->groups, loader->dataset, options->batch_size)) {
        return 0;
    }
    size_t first, most = batch_part(loader, 0, &first); /* the last batch is no larger */
    for (size_t i = 0; i < loader->slot_count; i++) {
        for (int f = 0; f < loader->dataset->fields; f++) {
            size_t bytes = bnn_field_bytes(&loader->dataset->field[f]);
            loader->slots[i].data[f] =
                __builtin_mul_overflow(most, bytes, &bytes) ? NULL : bnn_alloc_aligned(bytes);
            if (!loader->slots[i].data[f]) {
                return 0;
            }
        }
    }
    return 1;
}

/* The workers are born with signals blocked: Ctrl-C is the main thread's. Their own faults are not
 * (a file that is cut off while it is read is one): blocked, they kill without a word. */
static bnn_code start_threads(bnn_loader *loader, bnn_error *err) {
    static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL};
    sigset_t blocked, before;
    int status = 0;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        sigdelset(&blocked, faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    while (status == 0 && loader->thread_count < loader->options.threads) {
        status = pthread_create(&loader->threads[loader->thread_count], NULL, work, loader);
        loader->thread_count += status == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != 0) {
        return bnn_fail(err, BNN_ERR_IO,
                        "loader thread %d of %d cannot be started (%s); use fewer threads",
                        loader->thread_count + 1, loader->options.threads, bnn_reason(status));
    }
    return BNN_OK;
}

bnn_code bnn_loader_create(const bnn_dataset *dataset, const bnn_loader_options *options,
                           bnn_loader **out, bnn_error *err) {
    *out = NULL;
    bnn_code code = check_options(dataset, options, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_loader *loader = calloc(1, sizeof *loader);
    if (!loader) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the loader");
    }
    loader->dataset = dataset;
    loader->options = *options;
    loader->options.parts = options->parts ? options->parts : 1;
    loader->steps = (dataset->count - 1) / options->batch_size + 1;
    loader->slot_count = (size_t)options->prefetch + 1;
    if (loader->slot_count > loader->steps) {
        loader->slot_count = loader->steps; /* more would stay empty */
    }
    /* As after an epoch: nothing to claim, nothing to return. */
    loader->next_step = loader->oldest = loader->claim_step = loader->steps;
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->done, NULL);
    if (!allocate(loader)) {
        code = bnn_fail(err, BNN_ERR_MEMORY,
                        "out of memory for %zu batches of %zu %s; use a smaller --batch-size",
                        loader->slot_count, options->batch_size, dataset->info->samples);
    } else {
        code = start_threads(loader, err);
    }
    if (code != BNN_OK) {
        bnn_loader_free(loader);
        return code;
    }
    *out = loader;
    return BNN_OK;
}

void bnn_loader_free(bnn_loader *loader) {
    if (!loader) {
        return;
    }
    pthread_mutex_lock(&loader->mutex);
    loader->stop = 1;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    for (int i = 0; i < loader->thread_count; i++) {
        pthread_join(loader->threads[i], NULL);
    }
    pthread_cond_destroy(&loader->done);
    pthread_cond_destroy(&loader->work);
    pthread_mutex_destroy(&loader->mutex);
    for (size_t i = 0; loader->slots && i < loader->slot_count; i++) {
        for (int f = 0; f < loader->dataset->fields; f++) {
            free(loader->slots[i].data[f]);
        }
    }
    bnn_groups_free(&loader->groups);
    free(loader->slots);
    free(loader->order);
    free(loader->threads);
    free(loader);
}

/* ---- the caller's side ---- */
size_t bnn_loader_steps(const bnn_loader *loader) {
    return loader->steps;
}

bnn_code bnn_loader_start(bnn_loader *loader, uint32_t epoch, size_t first_step, bnn_error *err) {
    if (first_step > loader->steps) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "step %zu: an epoch has %zu steps; the data set or the batch size is not "
                        "what it was",
                        first_step, loader->steps);
    }
    pthread_mutex_lock(&loader->mutex);
    /* Nothing more of the old epoch is claimed, and what is in work ends before its order and its
     * slots are used anew. */
    loader->claim_step = loader->steps;
    while (loader->busy > 0) {
        pthread_cond_wait(&loader->done, &loader->mutex);
    }
    if (loader->order) {
        bnn_rng rng =
            bnn_rng_start(loader->options.seed, bnn_data_stream("data.shuffle", epoch, 0));
        bnn_rng_permutation(&rng, (uint32_t)loader->dataset->count, loader->order);
        bnn_groups_arrange(&loader->groups, &rng, loader->order);
    }
    loader->epoch = epoch;
    loader->next_step = loader->oldest = loader->claim_step = first_step;
    loader->claim_sample = 0;
    for (size_t i = 0; i < loader->slot_count; i++) {
        loader->slots[i].filled = 0;
    }
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    return BNN_OK;
}

bnn_code bnn_loader_next(bnn_loader *loader, bnn_batch *batch, bnn_error *err) {
    const bnn_dataset *dataset = loader->dataset;
    *batch = (bnn_batch){.field = dataset->field, .field_count = dataset->fields};
    pthread_mutex_lock(&loader->mutex);
    loader->oldest = loader->next_step; /* the batch of the last call is given back */
    pthread_cond_broadcast(&loader->work);
    if (loader->next_step == loader->steps) {
        pthread_mutex_unlock(&loader->mutex);
        return BNN_OK;
    }
    const size_t step = loader->next_step++;
    const size_t n = batch_count(loader, step);
    const slot *s = &loader->slots[step % loader->slot_count];
    /* Until the batch is claimed, its slot may still count the samples of an older one. */
    while (loader->claim_step <= step || s->filled < n) {
        pthread_cond_wait(&loader->done, &loader->mutex);
    }
    pthread_mutex_unlock(&loader->mutex);
    if (s->failed != SIZE_MAX) {
        return bnn_fail(err, s->error.code, "%s", s->error.text);
    }
    batch->n = n;
    for (int f = 0; f < dataset->fields; f++) {
        batch->data[f] = s->data[f];
    }
    if (loader->options.cut) {
        bnn_batch_cut(batch, s->data, loader->cut);
    }
    return BNN_OK;
}
