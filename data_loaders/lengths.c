#include "data_loaders/lengths.h"

#include <stdlib.h>
#include <string.h>

/* So many batches' samples are sorted together: enough that a batch's are almost equally long, and
 * few enough that who shares a batch with whom is a matter of chance. */
#define TOGETHER 64

#define LEAST_STEP 16

/* Up to a multiple of the step. */
static int stepped(int length, int step) {
    return (length + step - 1) / step * step;
}

int bnn_length_step(int most) {
    return stepped((most + BNN_MAX_LENGTHS - 1) / BNN_MAX_LENGTHS, LEAST_STEP);
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
                length = stepped(t, step);
            }
        }
    }
    return length < most ? length : most;
}

/* What is kept of samples of `most`, in which the photographs stand at the top left: the largest
 * frame (boxes/boxes.h), in steps. */
static bnn_shape largest_frame(const float *frame, size_t n, bnn_shape most) {
    bnn_shape kept = {1, 1, 1, most.c};
    for (size_t i = 0; i < n; i++, frame += 4) {
        kept.h = (int)frame[0] > kept.h ? (int)frame[0] : kept.h;
        kept.w = (int)frame[1] > kept.w ? (int)frame[1] : kept.w;
    }
    kept.h = stepped(kept.h, BNN_FRAME_STEP);
    kept.w = stepped(kept.w, BNN_FRAME_STEP);
    kept.h = kept.h < most.h ? kept.h : most.h;
    kept.w = kept.w < most.w ? kept.w : most.w;
    return kept;
}

/* Moves the rows of n samples together. */
static void cut_samples(unsigned char *data, size_t n, const bnn_field *from, const bnn_field *to) {
    const size_t height = (size_t)to->shape.h, rows = (size_t)from->shape.h;
    const size_t row = bnn_field_bytes(to) / height, most = bnn_field_bytes(from) / rows;
    for (size_t i = 0; i < n; i++) {
        for (size_t y = 0; y < height; y++) {
            memmove(data + (i * height + y) * row, data + (i * rows + y) * most, row);
        }
    }
}

void bnn_batch_cut(bnn_batch *batch, unsigned char *const *data, bnn_field field[BNN_MAX_FIELDS]) {
    const int mask = bnn_field_find(batch->field, batch->field_count, "mask");
    const int frame = bnn_field_find(batch->field, batch->field_count, "frame");
    if (mask < 0 && frame < 0) {
        return;
    }
    const bnn_shape most = batch->field[mask < 0 ? 0 : mask].shape;
    bnn_shape kept = most;
    if (mask >= 0) {
        kept.w = length_of((const int32_t *)(const void *)data[mask], batch->n, most.w);
    } else {
        kept = largest_frame((const float *)(const void *)data[frame], batch->n, most);
    }
    if (bnn_shape_equal(kept, most)) {
        return;
    }
    for (int f = 0; f < batch->field_count; f++) {
        field[f] = batch->field[f];
        if (bnn_shape_equal(field[f].shape, most)) {
            field[f].shape = kept;
            cut_samples(data[f], batch->n, &batch->field[f], &field[f]);
        }
    }
    batch->field = field;
}
