#include "data_loaders/lengths.h"

#include <stdlib.h>
#include <string.h>

/* So many batches' samples are sorted together: enough that a batch's are almost equally long, and
 * few enough that who shares a batch with whom is a matter of chance. */
#define TOGETHER 64

#define LEAST_STEP 16

int bnn_length_step(int most) {
    const int step = (most + BNN_MAX_LENGTHS - 1) / BNN_MAX_LENGTHS;
    return (step + LEAST_STEP - 1) / LEAST_STEP * LEAST_STEP;
}

int bnn_groups_create(bnn_groups *g, const bnn_dataset *dataset, size_t batch_size) {
    *g = (bnn_groups){
        .dataset = dataset, .batch_size = batch_size, .whole = dataset->count / batch_size};
    const size_t batches = g->whole < TOGETHER ? g->whole : TOGETHER;
    g->batch = calloc(g->whole, sizeof *g->batch);
    g->keys = calloc(batches * batch_size, sizeof *g->keys);
    return g->batch && g->keys;
}

void bnn_groups_free(bnn_groups *g) {
    free(g->batch);
    free(g->keys);
    *g = (bnn_groups){0};
}

static int compare(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void bnn_groups_arrange(bnn_groups *g, bnn_rng *rng, uint32_t *order) {
    if (!g->dataset) {
        return;
    }
    const size_t samples = g->whole * g->batch_size, most = TOGETHER * g->batch_size;
    for (size_t first = 0; first < samples; first += most) {
        const size_t n = samples - first < most ? samples - first : most;
        for (size_t i = 0; i < n; i++) {
            const uint32_t index = order[first + i];
            g->keys[i] = (uint64_t)g->dataset->length(g->dataset, index) << 32 | index;
        }
        qsort(g->keys, n, sizeof *g->keys, compare);
        for (size_t i = 0; i < n; i++) {
            order[first + i] = (uint32_t)g->keys[i];
        }
    }
    bnn_rng_permutation(rng, (uint32_t)g->whole, g->batch);
}

size_t bnn_groups_batch(const bnn_groups *g, size_t step) {
    return step < g->whole ? g->batch[step] : step;
}

/* Where the longest sample ends, up to the next length that batches are cut to. */
static int length_of(const int32_t *mask, size_t n, int most) {
    const int step = bnn_length_step(most);
    int length = step;
    for (size_t i = 0; i < n; i++) {
        for (int t = most; t > length; t--) {
            if (mask[i * (size_t)most + (size_t)t - 1]) {
                length = (t + step - 1) / step * step;
            }
        }
    }
    return length < most ? length : most;
}

void bnn_batch_cut(bnn_batch *batch, unsigned char *const *data, bnn_field field[BNN_MAX_FIELDS]) {
    const int mask = bnn_field_find(batch->field, batch->field_count, "mask");
    if (mask < 0) {
        return;
    }
    const bnn_shape most = batch->field[mask].shape;
    const int length = length_of((const int32_t *)(const void *)data[mask], batch->n, most.w);
    for (int f = 0; f < batch->field_count; f++) {
        field[f] = batch->field[f];
        if (!bnn_shape_equal(field[f].shape, most)) {
            continue;
        }
        const size_t from = bnn_field_bytes(&field[f]);
        field[f].shape.w = length;
        const size_t to = bnn_field_bytes(&field[f]);
        for (size_t i = 1; i < batch->n; i++) {
            memmove(data[f] + i * to, data[f] + i * from, to);
        }
    }
    batch->field = field;
}
