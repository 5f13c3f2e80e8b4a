/* Gradients of all ranks add up while the backward goes on: as soon as those of neighbouring
 * parameters are there, their sum begins. In the order of parameters from the last to the first,
 * which is about that of the backward, and the same on all ranks, whatever the order is in which a
 * graph hands them over. */
#include <stdlib.h>

#include "tools/train/trainer_private.h"

/* Values of a bucket, at least: of fewer a sum takes its time for nothing; and on many ranks a
 * share of it is one message, which should not be too short either. */
#define LEAST_VALUES ((size_t)1 << 18)
#define LEAST_SHARE ((size_t)1 << 12)

static size_t values_of(const bnn_trainer *t, const bnn_bucket *b, size_t *offset) {
    const bnn_param *first = t->params->list[b->first], *last = t->params->list[b->end - 1];
    *offset = first->offset;
    return last->offset + last->count - first->offset;
}

static int is_trained(const bnn_param *param) {
    return param->trainable && !param->frozen;
}

/* Appends a parameter, which lies in front of those before; a frozen one between them has no place
 * in a sum. */
static void add_param(bnn_trainer *t, size_t index, size_t least, int *open) {
    size_t offset;
    if (!*open) {
        t->buckets[t->bucket_count++] = (bnn_bucket){.first = index, .end = index + 1};
    }
    bnn_bucket *b = &t->buckets[t->bucket_count - 1];
    b->first = index;
    b->gradients++;
    *open = values_of(t, b, &offset) < least;
}

bnn_code bnn_trainer_make_buckets(bnn_trainer *t, bnn_error *err) {
    const bnn_params *params = t->params;
    const size_t least_of_ranks = LEAST_SHARE * (size_t)t->comm->size;
    const size_t least = least_of_ranks > LEAST_VALUES ? least_of_ranks : LEAST_VALUES;
    int open = 0;
    if (!bnn_trainer_shared(t)) {
        return BNN_OK;
    }
    t->buckets = calloc(params->count, sizeof *t->buckets);
    t->sums = calloc(params->count, sizeof *t->sums);
    if (!t->buckets || !t->sums) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the sums of gradients");
    }
    for (size_t i = params->count; i-- > 0;) {
        const bnn_param *p = params->list[i];
        if (is_trained(p)) {
            add_param(t, i, least, &open);
        } else if (p->trainable) {
            open = 0;
        }
    }
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < t->bucket_count; i++) {
        size_t offset, count = values_of(t, &t->buckets[i], &offset);
        t->buckets[i].missing = t->buckets[i].gradients;
        code = t->comm->open_sum(t->comm, t->sum + offset, count, &t->sums[i], err);
    }
    return code;
}

void bnn_trainer_free_buckets(bnn_trainer *t) {
    for (size_t i = 0; t->sums && i < t->bucket_count; i++) {
        t->comm->close_sum(t->comm, &t->sums[i]);
    }
    free(t->buckets);
    free(t->sums);
    t->buckets = NULL;
    t->sums = NULL;
}

static bnn_bucket *bucket_of(bnn_trainer *t, const bnn_param *param) {
    size_t i = 0;
    while (t->params->list[t->buckets[i].first]->offset > param->offset) {
        i++;
    }
    return &t->buckets[i];
}

size_t bnn_trainer_gradient_ready(bnn_trainer *t, const bnn_param *param) {
    bucket_of(t, param)->missing--;
    while (t->buckets_begun < t->bucket_count && !t->buckets[t->buckets_begun].missing) {
        t->buckets[t->buckets_begun].missing = t->buckets[t->buckets_begun].gradients;
        t->comm->start_sum(t->comm, &t->sums[t->buckets_begun++]);
    }
    return t->comm->advance(t->comm, t->sums, t->buckets_begun, 0);
}

size_t bnn_trainer_wait_bucket(bnn_trainer *t) {
    const size_t done = t->comm->advance(t->comm, t->sums, t->buckets_begun, 0);
    return done > t->buckets_done || done == t->bucket_count
               ? done
               : t->comm->advance(t->comm, t->sums, done + 1, 1);
}
