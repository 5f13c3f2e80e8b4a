/* Samples as data sets make them and networks and tasks read them: a few named fields each, stacked
 * to batches. Field names are the field's own vocabulary: "image", "points", "mel", "ids" are what
 * a network sees, "class", "part" what it is to find. Shapes are fixed; where counts vary, a data
 * set pads. */
#ifndef BNN_ENGINE_BASE_BATCH_H
#define BNN_ENGINE_BASE_BATCH_H

#include "engine/base/shape.h"

#define BNN_MAX_FIELDS 8
#define BNN_MAX_BOXES 128 /* of a picture in which something is to be found */
/* At most so many lengths that batches are cut to: each has graphs of its own, and of a teacher a
 * second copy of its folded weights. */
#define BNN_MAX_LENGTHS 8
/* Pairs of a batch's size and length: of each length whole batches and an epoch's last. */
#define BNN_MAX_SIZES (2 * BNN_MAX_LENGTHS)
#define BNN_TEXT_LEAST 3 /* tokens of a text: what begins it, and ends one or two sentences */

typedef struct bnn_field {
    const char *name;
    bnn_dtype dtype; /* F32 or I32 */
    bnn_shape shape; /* of one sample, [1,H,W,C] */
} bnn_field;

typedef struct bnn_batch {
    size_t n; /* samples; the last batch of an epoch may be smaller */
    int field_count;
    const bnn_field *field;
    const void *data[BNN_MAX_FIELDS]; /* [n,H,W,C] of each field */
} bnn_batch;

/* Bytes of one sample's field. */
static inline size_t bnn_field_bytes(const bnn_field *field) {
    return 4 * bnn_shape_count(field->shape);
}

/* Of the first field, of all samples: what a graph for such batches is built by. */
static inline bnn_shape bnn_batch_shape(const bnn_batch *batch) {
    bnn_shape shape = batch->field[0].shape;
    shape.n = (int)batch->n;
    return shape;
}

/* The number of the field of this name, or -1. */
int bnn_field_find(const bnn_field *field, int count, const char *name);

#endif
