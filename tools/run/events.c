#include "tools/run/events.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "tools/cli/progress.h"

#define FLUSH_SECONDS 1.0
#define POLYNOMIAL 0x82f63b78u /* reflected */

enum { MOST_SCALARS = 32, LONGEST_TAG = 64, LONGEST_EVENT = 64 + MOST_SCALARS * 96, FRAME = 16 };

/* Fields of the messages (tensorboard/compat/proto/event.proto, summary.proto), with their types.
 */
enum {
    WALL_TIME = 1 << 3 | 1,
    STEP = 2 << 3,
    FILE_VERSION = 3 << 3 | 2,
    SUMMARY = 5 << 3 | 2,
    VALUE = 1 << 3 | 2,
    TAG = 1 << 3 | 2,
    SIMPLE_VALUE = 2 << 3 | 5
};

uint32_t bnn_masked_crc32c(const uint8_t *bytes, size_t size) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        }
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* ---- writing ------------------------------------------------------------------------------- */
typedef struct message {
    uint8_t bytes[LONGEST_EVENT];
    size_t size;
} message;

static void put_little(message *m, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        m->bytes[m->size++] = (uint8_t)(value >> 8 * i);
    }
}

static void put_varint(message *m, uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        m->bytes[m->size++] = (uint8_t)(value | 0x80);
    }
    m->bytes[m->size++] = (uint8_t)value;
}

static void put_bytes(message *m, int field, const void *bytes, size_t size) {
    put_varint(m, (uint64_t)field);
    put_varint(m, size);
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static void put_time(message *m) {
    struct timeval now = {0};
    uint64_t bits;
    gettimeofday(&now, NULL);
    const double seconds = (double)now.tv_sec + 1e-6 * (double)now.tv_usec;
    memcpy(&bits, &seconds, sizeof bits);
    put_varint(m, WALL_TIME);
    put_little(m, bits, 8);
}

static void put_scalar(message *summary, const bnn_scalar *scalar) {
    message value = {.size = 0};
    const float number = (float)scalar->value;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    put_bytes(&value, TAG, scalar->tag, strnlen(scalar->tag, LONGEST_TAG));
    put_varint(&value, SIMPLE_VALUE);
    put_little(&value, bits, 4);
    put_bytes(summary, VALUE, value.bytes, value.size);
}

static bnn_code write_record(bnn_events *e, const message *data, bnn_error *err) {
    message frame = {.size = 0};
    put_little(&frame, data->size, 8);
    put_little(&frame, bnn_masked_crc32c(frame.bytes, 8), 4);
    errno = 0;
    fwrite(frame.bytes, 1, frame.size, e->file);
    fwrite(data->bytes, 1, data->size, e->file);
    frame.size = 0;
    put_little(&frame, bnn_masked_crc32c(data->bytes, data->size), 4);
    fwrite(frame.bytes, 1, frame.size, e->file);
    return ferror(e->file) ? bnn_fail_errno(err, e->path, "write", errno) : BNN_OK;
}

static bnn_code flush(bnn_events *e, bnn_error *err) {
    e->flushed = bnn_now();
    return e->file && fflush(e->file) != 0 ? bnn_fail_errno(err, e->path, "write", errno) : BNN_OK;
}

bnn_code bnn_events_add(bnn_events *e, uint64_t step, const bnn_scalar *scalars, size_t count,
                        bnn_error *err) {
    message event = {.size = 0}, summary = {.size = 0};
    for (size_t i = 0; i < count && i < MOST_SCALARS; i++) {
        if (!isnan(scalars[i].value)) {
            put_scalar(&summary, &scalars[i]);
        }
    }
    put_time(&event);
    put_varint(&event, STEP);
    put_varint(&event, step);
    put_bytes(&event, SUMMARY, summary.bytes, summary.size);
    bnn_code code = write_record(e, &event, err);
    return code == BNN_OK && bnn_now() - e->flushed >= FLUSH_SECONDS ? flush(e, err) : code;
}

bnn_code bnn_events_flush(bnn_events *e, bnn_error *err) {
    bnn_code code = flush(e, err);
    return code == BNN_OK && e->file && bnn_sync(fileno(e->file)) != 0
               ? bnn_fail_errno(err, e->path, "write", errno)
               : code;
}

void bnn_events_close(bnn_events *e) {
    if (e->file) {
        fclose(e->file);
    }
    e->file = NULL;
}

/* ---- reading: as much as it takes to know what an event is of ------------------------------ */
typedef struct cursor {
    const uint8_t *at, *end;
    int good;
} cursor;

static uint64_t take_little(cursor *c, size_t bytes) {
    uint64_t value = 0;
    if ((size_t)(c->end - c->at) < bytes) {
        c->good = 0;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)c->at[i] << 8 * i;
    }
    c->at += bytes;
    return value;
}

static uint64_t take_varint(cursor *c) {
    uint64_t value = 0;
    for (unsigned shift = 0; c->good && shift < 64; shift += 7) {
        const uint8_t byte = (uint8_t)take_little(c, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return value;
        }
    }
    c->good = 0;
    return 0;
}

static cursor take_part(cursor *c, uint64_t field) {
    cursor part = {NULL, NULL, 0};
    const uint64_t is = take_varint(c), size = take_varint(c);
    if (!c->good || is != field || size > (uint64_t)(c->end - c->at)) {
        c->good = 0;
        return part;
    }
    part = (cursor){c->at, c->at + size, 1};
    c->at += size;
    return part;
}

/* The epoch that an event is of, or -1: it is a step's. */
static double epoch_of(cursor summary) {
    cursor value = summary.at < summary.end ? take_part(&summary, VALUE) : summary;
    cursor tag = value.good && value.at < value.end ? take_part(&value, TAG) : summary;
    const size_t length = strlen(BNN_EVENTS_EPOCH);
    if (!value.good || !tag.good || (size_t)(tag.end - tag.at) != length ||
        memcmp(tag.at, BNN_EVENTS_EPOCH, length) != 0 || take_varint(&value) != SIMPLE_VALUE) {
        return -1.0;
    }
    const uint32_t bits = (uint32_t)take_little(&value, 4);
    float number;
    memcpy(&number, &bits, sizeof number);
    return value.good && number >= 0.0f ? (double)number : -1.0;
}

/* Is it one of ours, and to be kept? */
static int keeps(const uint8_t *data, size_t size, int first, uint64_t steps, uint64_t epochs) {
    cursor c = {data, data + size, 1};
    if (take_varint(&c) != WALL_TIME) {
        return 0;
    }
    (void)take_little(&c, 8);
    if (first) {
        return take_part(&c, FILE_VERSION).good;
    }
    if (!c.good || take_varint(&c) != STEP) {
        return 0;
    }
    const uint64_t step = take_varint(&c);
    const cursor summary = take_part(&c, SUMMARY);
    const double epoch = c.good ? epoch_of(summary) : -1.0;
    return c.good && (epoch >= 0.0 ? epoch < (double)epochs : step < steps);
}

size_t bnn_events_kept(const uint8_t *bytes, size_t size, uint64_t steps, uint64_t epochs) {
    size_t kept = 0;
    while (size - kept >= FRAME) {
        const uint8_t *record = bytes + kept;
        cursor c = {record, bytes + size, 1};
        const uint64_t length = take_little(&c, 8);
        const uint32_t length_crc = (uint32_t)take_little(&c, 4);
        if (length > size - kept - FRAME || length_crc != bnn_masked_crc32c(record, 8)) {
            break;
        }
        const uint8_t *data = c.at;
        c.at += length;
        if ((uint32_t)take_little(&c, 4) != bnn_masked_crc32c(data, (size_t)length) ||
            !keeps(data, (size_t)length, kept == 0, steps, epochs)) {
            break;
        }
        kept += (size_t)length + FRAME;
    }
    return kept;
}

bnn_code bnn_events_open(bnn_events *e, const char *path, uint64_t steps, uint64_t epochs,
                         bnn_error *err) {
    static const char version[] = "brain.Event:2";
    bnn_map map = {0};
    size_t kept = 0;
    *e = (bnn_events){.flushed = bnn_now()};
    snprintf(e->path, sizeof e->path, "%s", path);
    if (access(path, F_OK) == 0) {
        bnn_code code = bnn_map_read(path, &map, err);
        if (code != BNN_OK) {
            return code;
        }
        kept = map.size ? bnn_events_kept(map.data, map.size, steps, epochs) : 0;
        bnn_map_close(&map);
        if (truncate(path, (off_t)kept) != 0) {
            return bnn_fail_errno(err, path, "cut it to the checkpoint", errno);
        }
    }
    e->file = fopen(path, "ab");
    if (!e->file) {
        return bnn_fail_errno(err, path, "write", errno);
    }
    if (kept) {
        return BNN_OK;
    }
    message first = {.size = 0};
    put_time(&first);
    put_bytes(&first, FILE_VERSION, version, strlen(version));
    bnn_code code = write_record(e, &first, err);
    return code == BNN_OK ? flush(e, err) : code;
}
