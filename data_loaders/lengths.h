/* Batches of samples of like length, without what only fills them up: most sentences are far
 * shorter than the longest, photographs lie or stand on a square canvas, and what a step costs
 * grows with its batch's length or area. */
#ifndef BNN_DATA_LOADERS_LENGTHS_H
#define BNN_DATA_LOADERS_LENGTHS_H

#include "data_loaders/dataset.h"

typedef struct bnn_groups {
    const bnn_dataset *dataset; /* NULL: nothing is grouped */
    size_t batch_size, whole;   /* batches that are full */
    uint32_t *batch;            /* [whole]: the place in the order of the batch that a step takes */
    uint64_t *keys;             /* of samples that are sorted together */
} bnn_groups;

/* 0: memory is out. */
int bnn_groups_create(bnn_groups *g, const bnn_dataset *dataset, size_t batch_size);
void bnn_groups_free(bnn_groups *g); /* one of zeros is fine */
/* Sorts parts of the permutation order[count], and draws in which order its batches come; one that
 * is not full stays the last. */
void bnn_groups_arrange(bnn_groups *g, bnn_rng *rng, uint32_t *order);
size_t bnn_groups_batch(const bnn_groups *g, size_t step);
/* Lengths that batches of samples of up to `most` tokens are cut to are multiples of this, at most
 * BNN_MAX_LENGTHS. */
int bnn_length_step(int most);
/* Heights and widths that batches of photographs with a "frame" are cut to are multiples of this
 * (mmdetection's), or the canvas's. */
#define BNN_FRAME_STEP 32
/* Cuts a batch, whose values, data[field], are moved together. Its fields become field[]. */
void bnn_batch_cut(bnn_batch *batch, unsigned char *const *data, bnn_field field[BNN_MAX_FIELDS]);

#endif
