/* Event files, as TensorBoard reads them: records of TFRecord's framing (length and data, each with
 * a masked CRC-32C), whose data are messages of type Event in protobuf, here with scalars only. A
 * resumed run cuts its file back to its checkpoint, in place, so that who follows it goes on. */
#ifndef BNN_TOOLS_RUN_EVENTS_H
#define BNN_TOOLS_RUN_EVENTS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/status.h"

/* Its name in a run's folder. */
#define BNN_EVENTS_FILE "events.out.tfevents.0.bnn"
/* The scalar by which the event of an epoch, its first, is known. */
#define BNN_EVENTS_EPOCH "epoch"

typedef struct bnn_scalar {
    const char *tag; /* "train/loss" */
    double value;    /* NAN: left out */
} bnn_scalar;

typedef struct bnn_events {
    FILE *file;
    char path[4200];
    double flushed; /* when */
} bnn_events;

/* A new file, or the one that is there, cut to the events of steps < `steps` and epochs < `epochs`
 * (both from 0) and to whole records. */
bnn_code bnn_events_open(bnn_events *events, const char *path, uint64_t steps, uint64_t epochs,
                         bnn_error *err);
/* At most 32 of them; all of one event. They are in the file soon, after a flush on the disk. */
bnn_code bnn_events_add(bnn_events *events, uint64_t step, const bnn_scalar *scalars, size_t count,
                        bnn_error *err);
bnn_code bnn_events_flush(bnn_events *events, bnn_error *err);
void bnn_events_close(bnn_events *events); /* one that was never opened, too */

/* How many bytes of a file are such events; 0: it does not even begin as one. */
size_t bnn_events_kept(const uint8_t *bytes, size_t size, uint64_t steps, uint64_t epochs);

/* CRC-32C (Castagnoli) as TFRecord has it: rotated, and a constant added. */
uint32_t bnn_masked_crc32c(const uint8_t *bytes, size_t size);

#endif
