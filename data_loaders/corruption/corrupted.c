/* A data set seen through a corruption, made while it is read: no files, no memory for them. */
#include <stdlib.h>

#include "data_loaders/augment.h"
#include "data_loaders/corruption/corruption.h"
#include "data_loaders/internal.h"

typedef struct corrupted {
    bnn_dataset base;
    const bnn_corruptor *corruptor;
    const bnn_dataset *clean;
    int kind, severity;
} corrupted;

static bnn_code corrupted_pixels(const bnn_dataset *dataset, size_t index, uint8_t *out,
                                 int32_t *label, bnn_error *err) {
    const corrupted *d = (const corrupted *)dataset;
    uint8_t *clean = malloc(bnn_shape_count(dataset->field[0].shape));
    if (!clean) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for a corrupted image");
    }
    bnn_code code = d->clean->pixels(d->clean, index, clean, label, err);
    if (code == BNN_OK) {
        code = bnn_corrupt(d->corruptor, d->kind, d->severity, index, clean, out, err);
    }
    free(clean);
    return code;
}

/* Never augmented: these images are only evaluated. */
static bnn_code corrupted_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                                 void *const *out, bnn_error *err) {
    const size_t values = bnn_shape_count(dataset->field[0].shape);
    uint8_t *bytes = malloc(values);
    float *x = out[0];
    (void)draw;
    if (!bytes) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for a corrupted image");
    }
    bnn_code code = corrupted_pixels(dataset, index, bytes, out[1], err);
    for (size_t i = 0; code == BNN_OK && i < values; i++) {
        x[i] = dataset->normalizer.value[i % 3][bytes[i]];
    }
    free(bytes);
    return code;
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
    bnn_data_describe_as(&d->base, clean);
    d->base.count = clean->count;
    d->base.sample = corrupted_sample;
    d->base.pixels = corrupted_pixels;
    d->corruptor = corruptor;
    d->clean = clean;
    d->kind = kind;
    d->severity = severity;
    *out = &d->base;
    return BNN_OK;
}
