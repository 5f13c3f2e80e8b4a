/* A data set seen through a corruption, made while it is read: no files, no memory for them. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/augment.h"
#include "data_loaders/corruption/corruption.h"

typedef struct corrupted {
    bnn_dataset base;
    const bnn_corruptor *corruptor;
    const bnn_dataset *clean;
    int kind, severity;
    pthread_mutex_t mutex; /* of the first error */
    bnn_error first;
} corrupted;

static void remember(corrupted *d, const bnn_error *err) {
    pthread_mutex_lock(&d->mutex);
    if (d->first.code == BNN_OK) {
        d->first = *err;
    }
    pthread_mutex_unlock(&d->mutex);
}

static void corrupted_pixels(const bnn_dataset *dataset, size_t index, uint8_t *out,
                             int32_t *label) {
    /* Only the first error is written, under its lock. */
    corrupted *d = (corrupted *)(uintptr_t)dataset;
    const size_t bytes = (size_t)d->base.info->height * (size_t)d->base.info->width * 3;
    bnn_error err = {0};
    uint8_t *clean = malloc(bytes);
    if (!clean) {
        bnn_fail(&err, BNN_ERR_MEMORY, "out of memory for a corrupted image");
    } else {
        d->clean->pixels(d->clean, index, clean, label);
        bnn_corrupt(d->corruptor, d->kind, d->severity, index, clean, out, &err);
        free(clean);
    }
    if (err.code != BNN_OK) {
        remember(d, &err);
        for (size_t i = 0; i < bytes; i++) {
            out[i] = 0;
        }
    }
}

/* Never augmented: these images are only evaluated. */
static void corrupted_sample(const bnn_dataset *dataset, size_t index, int augment, uint64_t seed,
                             uint32_t epoch, float *x, int32_t *label) {
    corrupted *d = (corrupted *)(uintptr_t)dataset;
    const size_t floats = (size_t)d->base.info->height * (size_t)d->base.info->width * 3;
    uint8_t *bytes = malloc(floats);
    (void)augment;
    (void)seed;
    (void)epoch;
    *label = 0;
    if (!bytes) {
        bnn_error err = {0};
        bnn_fail(&err, BNN_ERR_MEMORY, "out of memory for a corrupted image");
        remember(d, &err);
        for (size_t i = 0; i < floats; i++) {
            x[i] = 0.0f;
        }
        return;
    }
    corrupted_pixels(dataset, index, bytes, label);
    for (size_t i = 0; i < floats; i++) {
        x[i] = dataset->normalizer.value[i % 3][bytes[i]];
    }
    free(bytes);
}

static void corrupted_close(bnn_dataset *dataset) {
    corrupted *d = (corrupted *)dataset;
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

bnn_code bnn_corrupted_open(const bnn_corruptor *corruptor, const bnn_dataset *clean, int kind,
                            int severity, bnn_dataset **out, bnn_error *err) {
    *out = NULL;
    if (kind < 0 || kind >= BNN_CORRUPTION_KINDS || severity < 1 || severity > BNN_SEVERITIES) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "corruption %d at severity %d: there are %d corruptions, and severities 1 "
                        "to %d",
                        kind, severity, BNN_CORRUPTION_KINDS, BNN_SEVERITIES);
    }
    if (!clean->pixels) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s: this data set gives no pixels to corrupt",
                        clean->info->name);
    }
    corrupted *d = calloc(1, sizeof *d);
    if (!d) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for a corruption");
    }
    d->base = (bnn_dataset){.info = clean->info,
                            .count = clean->count,
                            .files = clean->files,
                            .normalizer = clean->normalizer,
                            .sample = corrupted_sample,
                            .pixels = corrupted_pixels,
                            .close = corrupted_close};
    memcpy(d->base.file, clean->file, sizeof d->base.file);
    d->corruptor = corruptor;
    d->clean = clean;
    d->kind = kind;
    d->severity = severity;
    pthread_mutex_init(&d->mutex, NULL);
    *out = &d->base;
    return BNN_OK;
}

bnn_code bnn_corrupted_status(const bnn_dataset *dataset, bnn_error *err) {
    corrupted *d = (corrupted *)(uintptr_t)dataset;
    pthread_mutex_lock(&d->mutex);
    bnn_error first = d->first;
    pthread_mutex_unlock(&d->mutex);
    return first.code == BNN_OK ? BNN_OK : bnn_fail(err, first.code, "%s", first.text);
}
