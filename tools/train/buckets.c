/* Gradients of all ranks add up while the backward goes on: as soon as those of neighbouring
 * parameters are there, their sum begins. In the order of parameters from the last to the first,
 * which is about that of the backward, and the same on all ranks, whatever the order is in which a
 * graph hands them over. GPUs add up among themselves where they can. Elsewhere the host does: from
 * a GPU they come into its memory, and each bucket is waited for when the next one has been sent,
 * so that the GPU has something to do meanwhile. */
#include <stdio.h>
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

/* Do gradients lie where the host, which adds up, cannot reach them? */
static int is_mirrored(const bnn_trainer *t) {
    return t->host_sum != t->sum;
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

bnn_code bnn_trainer_join_devices(bnn_trainer *t, bnn_error *err) {
    const bnn_device *device = &t->set->device;
    bnn_error why = {0};
    size_t most = 0;
    t->host_sum = t->sum;
    if (!bnn_trainer_shared(t) || !device->ops->join) {
        return BNN_OK;
    }
    for (size_t i = 0; i < t->bucket_count; i++) {
        size_t offset, count = values_of(t, &t->buckets[i], &offset);
        most = count > most ? count : most;
    }
    bnn_code code = bnn_stream_start(&t->copies[0], device)
                        ? BNN_OK
                        : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for a stream of the GPU");
    if ((code = bnn_comm_agree(t->comm, code, err)) != BNN_OK) {
        return code;
    }
    t->joined = device->ops->join(&t->copies[0], t->comm, most, &why) == BNN_OK;
    if (!t->joined) {
        bnn_stream_end(&t->copies[0]);
        fprintf(stderr, "bnn-train: note: gradients of GPUs add up on their hosts: %s\n", why.text);
    }
    return BNN_OK;
}

static bnn_code open_way_to_host(bnn_trainer *t, bnn_error *err) {
    const bnn_device *device = &t->set->device;
    if (device->ops->host) {
        return BNN_OK;
    }
    t->host_sum =
        device->ops->alloc(device, BNN_MEMORY_HOST, t->params->value_count * sizeof(float));
    return t->host_sum && bnn_stream_start(&t->copies[0], device) &&
                   bnn_stream_start(&t->copies[1], device)
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the sums of gradients");
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
    for (size_t i = 0; i < t->bucket_count; i++) {
        t->buckets[i].missing = t->buckets[i].gradients;
    }
    return BNN_OK;
}

bnn_code bnn_trainer_open_sums(bnn_trainer *t, bnn_error *err) {
    if (!bnn_trainer_shared(t) || t->joined) {
        return BNN_OK;
    }
    bnn_code code = open_way_to_host(t, err);
    for (size_t i = 0; code == BNN_OK && i < t->bucket_count; i++) {
        size_t offset, count = values_of(t, &t->buckets[i], &offset);
        code = t->comm->open_sum(t->comm, t->host_sum + offset, count, &t->sums[i], err);
    }
    return code;
}

void bnn_trainer_free_buckets(bnn_trainer *t) {
    bnn_stream_end(&t->copies[0]);
    bnn_stream_end(&t->copies[1]);
    for (size_t i = 0; t->sums && i < t->bucket_count; i++) {
        t->comm->close_sum(t->comm, &t->sums[i]);
    }
    if (is_mirrored(t)) {
        t->set->device.ops->release(&t->set->device, BNN_MEMORY_HOST, t->host_sum);
    }
    free(t->buckets);
    free(t->sums);
    t->host_sum = NULL;
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

static void send_to_host(bnn_trainer *t, const bnn_stream *stream, size_t bucket) {
    const bnn_stream *copy = &t->copies[bucket % 2];
    size_t offset, count = values_of(t, &t->buckets[bucket], &offset);
    if (is_mirrored(t)) {
        copy->device.ops->follow(copy, stream);
        bnn_mirror_get(copy, t->host_sum + offset, t->sum + offset, count);
    }
}

/* An error stays, and is told when the step ends (bnn_trainer_check_copies). */
static void begin_sums(bnn_trainer *t, size_t buckets) {
    for (; t->buckets_begun < buckets; t->buckets_begun++) {
        if (is_mirrored(t)) {
            const bnn_stream *copy = &t->copies[t->buckets_begun % 2];
            (void)copy->device.ops->finish(copy, NULL);
        }
        t->comm->start_sum(t->comm, &t->sums[t->buckets_begun]);
    }
}

/* On the first of the streams for copies. `stream` waits for all sums before; this one goes on
 * beside what it is given next. */
static void sum_on_devices(bnn_trainer *t, const bnn_stream *stream, size_t bucket) {
    const bnn_stream *sums = &t->copies[0];
    size_t offset, count = values_of(t, &t->buckets[bucket], &offset);
    sums->device.ops->follow(sums, stream);
    stream->device.ops->follow(stream, sums);
    t->buckets_followed = bucket;
    sums->device.ops->sum(sums, t->sum + offset, count);
    t->buckets_begun = bucket + 1;
}

size_t bnn_trainer_gradient_ready(bnn_trainer *t, const bnn_stream *stream,
                                  const bnn_param *param) {
    /* The bucket that the host does not wait for yet. */
    const size_t under_way = is_mirrored(t) ? 1 : 0;
    bucket_of(t, param)->missing--;
    while (t->buckets_copied < t->bucket_count && !t->buckets[t->buckets_copied].missing) {
        t->buckets[t->buckets_copied].missing = t->buckets[t->buckets_copied].gradients;
        if (t->joined) {
            sum_on_devices(t, stream, t->buckets_copied++);
        } else {
            send_to_host(t, stream, t->buckets_copied++);
            begin_sums(t, t->buckets_copied - under_way);
        }
    }
    return t->joined ? t->buckets_followed
                     : t->comm->advance(t->comm, t->sums, t->buckets_begun, 0);
}

void bnn_trainer_fetch_bucket(bnn_trainer *t, const bnn_stream *stream, size_t bucket) {
    size_t offset, count = values_of(t, &t->buckets[bucket], &offset);
    if (t->joined && bucket >= t->buckets_followed) {
        stream->device.ops->follow(stream, &t->copies[0]);
        t->buckets_followed = t->buckets_begun;
    }
    bnn_mirror_put(stream, t->sum + offset, t->host_sum + offset, count);
}

bnn_code bnn_trainer_check_copies(const bnn_trainer *t, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (int i = 0; code == BNN_OK && i < 2; i++) {
        const bnn_device_ops *ops = t->copies[i].device.ops; /* NULL: that stream is not there */
        code = ops ? ops->finish(&t->copies[i], err) : BNN_OK;
    }
    return code;
}

size_t bnn_trainer_wait_bucket(bnn_trainer *t) {
    if (t->joined) {
        return t->bucket_count;
    }
    begin_sums(t, t->bucket_count);
    const size_t done = t->comm->advance(t->comm, t->sums, t->buckets_begun, 0);
    return done > t->buckets_done || done == t->bucket_count
               ? done
               : t->comm->advance(t->comm, t->sums, done + 1, 1);
}
