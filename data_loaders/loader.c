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
#include "engine/base/arena.h"
#include "engine/base/rng.h"
#include "engine/base/text.h"

#define CHUNK 16 /* samples; some 100 us of work between two looks at the mutex */

typedef struct slot {
    float *x;
    int32_t *label;
    size_t filled; /* samples done; the batch is ready when all are */
} slot;

struct bnn_loader {
    const bnn_dataset *dataset;
    bnn_loader_options options;
    size_t steps, sample_floats;
    uint32_t *order; /* [count]; NULL without shuffling. Written only while no worker is busy */
    slot *slots;     /* [slot_count]; step s lives in slot s % slot_count */
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

static size_t batch_count(const bnn_loader *loader, size_t step) {
    size_t left = loader->dataset->count - step * loader->options.batch_size;
    return left < loader->options.batch_size ? left : loader->options.batch_size;
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
    }
    loader->claim_sample += out->n;
    if (loader->claim_sample == n) {
        loader->claim_step++;
        loader->claim_sample = 0;
    }
    loader->busy++;
    return 1;
}

/* Without the mutex. */
static void fill(const bnn_loader *loader, const chunk *c) {
    const slot *s = &loader->slots[c->step % loader->slot_count];
    for (size_t i = c->first; i < c->first + c->n; i++) {
        size_t index = c->step * loader->options.batch_size + i;
        if (loader->order) {
            index = loader->order[index];
        }
        loader->dataset->sample(loader->dataset, index, loader->options.augment,
                                loader->options.seed, c->epoch, s->x + i * loader->sample_floats,
                                &s->label[i]);
    }
}

static void *work(void *argument) {
    bnn_loader *loader = argument;
    chunk c;
    pthread_mutex_lock(&loader->mutex);
    while (!loader->stop) {
        if (!claim(loader, &c)) {
            pthread_cond_wait(&loader->work, &loader->mutex);
            continue;
        }
        pthread_mutex_unlock(&loader->mutex);
        fill(loader, &c);
        pthread_mutex_lock(&loader->mutex);
        loader->slots[c.step % loader->slot_count].filled += c.n;
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
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: %zu images; a data set has 1 to %u", name,
                        dataset->count, UINT32_MAX);
    }
    if (options->batch_size == 0) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "batch size 0: use --batch-size 1 or more");
    }
    if (options->batch_size > dataset->count) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "batch size %zu is larger than the data set (%zu images); use --batch-size "
                        "%zu or less",
                        options->batch_size, dataset->count, dataset->count);
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
    size_t batch_bytes, label_bytes;
    if (__builtin_mul_overflow(options->batch_size, loader->sample_floats, &batch_bytes) ||
        __builtin_mul_overflow(batch_bytes, sizeof(float), &batch_bytes) ||
        __builtin_mul_overflow(options->batch_size, sizeof(int32_t), &label_bytes)) {
        return 0;
    }
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
    for (size_t i = 0; i < loader->slot_count; i++) {
        loader->slots[i].x = bnn_alloc_aligned(batch_bytes);
        loader->slots[i].label = bnn_alloc_aligned(label_bytes);
        if (!loader->slots[i].x || !loader->slots[i].label) {
            return 0;
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
    const bnn_dataset_info *info = dataset->info;
    bnn_loader *loader = calloc(1, sizeof *loader);
    if (!loader) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the loader");
    }
    loader->dataset = dataset;
    loader->options = *options;
    loader->steps = (dataset->count - 1) / options->batch_size + 1;
    loader->sample_floats = (size_t)info->height * (size_t)info->width * (size_t)info->channels;
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
                        "out of memory for %zu batches of %zu images; use a smaller --batch-size",
                        loader->slot_count, options->batch_size);
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
        free(loader->slots[i].x);
        free(loader->slots[i].label);
    }
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

int bnn_loader_next(bnn_loader *loader, bnn_batch *batch) {
    pthread_mutex_lock(&loader->mutex);
    loader->oldest = loader->next_step; /* the batch of the last call is given back */
    pthread_cond_broadcast(&loader->work);
    if (loader->next_step == loader->steps) {
        pthread_mutex_unlock(&loader->mutex);
        *batch = (bnn_batch){0};
        return 0;
    }
    const size_t step = loader->next_step++;
    const size_t n = batch_count(loader, step);
    const slot *s = &loader->slots[step % loader->slot_count];
    /* Until the batch is claimed, its slot may still count the samples of an older one. */
    while (loader->claim_step <= step || s->filled < n) {
        pthread_cond_wait(&loader->done, &loader->mutex);
    }
    pthread_mutex_unlock(&loader->mutex);
    *batch = (bnn_batch){.x = s->x, .label = s->label, .n = n};
    return 1;
}
