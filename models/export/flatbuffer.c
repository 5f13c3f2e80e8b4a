#include "models/export/flatbuffer.h"

#include <stdlib.h>
#include <string.h>

/* Readers take offsets for signed. */
#define MOST ((size_t)INT32_MAX)
/* Fields of one table; the schemas written here have fewer. */
#define FIELDS 32

/* Zeroed room at the end; returns where it begins. */
static size_t take(bnn_flat *f, size_t bytes) {
    size_t at = f->size;
    if (f->failed || bytes > MOST - at) {
        f->failed = 1;
        return 0;
    }
    if (at + bytes > f->room) {
        size_t room = f->room ? f->room : 1024;
        while (room < at + bytes) {
            room *= 2;
        }
        unsigned char *larger = realloc(f->data, room);
        if (!larger) {
            f->failed = 1;
            return 0;
        }
        f->data = larger;
        f->room = room;
    }
    memset(f->data + at, 0, bytes);
    f->size = at + bytes;
    return at;
}

/* So that what follows `ahead` more bytes is aligned. */
static void pad(bnn_flat *f, size_t align, size_t ahead) {
    size_t over = (f->size + ahead) % align;
    if (over) {
        take(f, align - over);
    }
}

static void put(const bnn_flat *f, size_t at, size_t bytes, uint64_t value) {
    for (size_t i = 0; !f->failed && i < bytes; i++) {
        f->data[at + i] = (unsigned char)(value >> (8 * i));
    }
}

/* Whatever begins here is what the hole leads to. */
static void fill(const bnn_flat *f, size_t hole, size_t at) {
    put(f, hole, 4, at - hole);
}

void bnn_flat_start(bnn_flat *f, const char *identifier) {
    *f = (bnn_flat){0};
    size_t at = take(f, identifier ? 8 : 4);
    if (identifier && !f->failed) {
        memcpy(f->data + at + 4, identifier, 4);
    }
}

void bnn_flat_free(bnn_flat *f) {
    free(f->data);
    *f = (bnn_flat){0};
}

/* Where each field stands in the table, the largest first, so that no gaps arise; returns the
 * table's bytes. */
static size_t lay_out(int count, const bnn_flat_field *fields, size_t slot[FIELDS], int largest) {
    size_t bytes = largest == 8 ? 8 : 4;
    for (int size = 8; size >= 1; size /= 2) {
        for (int i = 0; i < count; i++) {
            if ((fields[i].bytes ? fields[i].bytes : 4) == size) {
                slot[i] = bytes;
                bytes += (size_t)size;
            }
        }
    }
    return bytes;
}

/* Tables of one form share their vtable: where it is, written in front of a table that begins
 * aligned to `align` bytes if none is the same. */
static size_t put_vtable(bnn_flat *f, size_t count, const uint16_t *entries, size_t align) {
    unsigned char bytes[2 * (FIELDS + 2)];
    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = (unsigned char)entries[i];
        bytes[2 * i + 1] = (unsigned char)(entries[i] >> 8);
    }
    for (int i = 0; !f->failed && i < f->vtable_count; i++) {
        if (f->vtables[i] + 2 * count <= f->size &&
            memcmp(f->data + f->vtables[i], bytes, 2 * count) == 0) {
            pad(f, align, 0);
            return f->vtables[i];
        }
    }
    pad(f, 2, 0);
    pad(f, align, 2 * count);
    const size_t at = take(f, 2 * count);
    if (!f->failed) {
        memcpy(f->data + at, bytes, 2 * count);
        if (f->vtable_count < BNN_FLAT_VTABLES) {
            f->vtables[f->vtable_count++] = at;
        }
    }
    return at;
}

void bnn_flat_table(bnn_flat *f, size_t hole, int count, bnn_flat_field *fields) {
    size_t slot[FIELDS], ids = 0;
    uint16_t entries[FIELDS + 2] = {0};
    int largest = 4;
    for (int i = 0; i < count; i++) {
        ids = (size_t)fields[i].id + 1 > ids ? (size_t)fields[i].id + 1 : ids;
        largest = fields[i].bytes > largest ? fields[i].bytes : largest;
    }
    if (count > FIELDS || ids > FIELDS) {
        f->failed = 1;
        return;
    }
    const size_t bytes = lay_out(count, fields, slot, largest);
    entries[0] = (uint16_t)(4 + 2 * ids);
    entries[1] = (uint16_t)bytes;
    for (int i = 0; i < count; i++) {
        entries[2 + fields[i].id] = (uint16_t)slot[i];
    }
    const size_t vtable = put_vtable(f, 2 + ids, entries, (size_t)largest), table = take(f, bytes);
    put(f, table, 4, table - vtable);
    for (int i = 0; i < count; i++) {
        put(f, table + slot[i], (size_t)fields[i].bytes, fields[i].value);
        fields[i].hole = table + slot[i];
    }
    fill(f, hole, table);
}

/* An item of a vector, as a number. */
static uint64_t load(const void *items, size_t item, size_t i) {
    return item == 1   ? ((const uint8_t *)items)[i]
           : item == 2 ? ((const uint16_t *)items)[i]
           : item == 4 ? ((const uint32_t *)items)[i]
                       : ((const uint64_t *)items)[i];
}

void bnn_flat_vector(bnn_flat *f, size_t hole, size_t item, size_t align, size_t count,
                     const void *items) {
    size_t bytes;
    align = align > item ? align : item;
    pad(f, align > 4 ? align : 4, 4);
    size_t at = take(f, 4);
    if (__builtin_mul_overflow(item, count, &bytes)) {
        f->failed = 1;
        return;
    }
    size_t first = take(f, bytes);
    put(f, at, 4, count);
    for (size_t i = 0; !f->failed && i < count; i++) {
        put(f, first + i * item, item, load(items, item, i));
    }
    fill(f, hole, at);
}

void bnn_flat_string(bnn_flat *f, size_t hole, const char *text) {
    size_t length = strlen(text);
    pad(f, 4, 0);
    size_t at = take(f, 4), first = take(f, length + 1);
    put(f, at, 4, length);
    if (!f->failed) {
        memcpy(f->data + first, text, length);
    }
    fill(f, hole, at);
}

size_t bnn_flat_offsets(bnn_flat *f, size_t hole, size_t count) {
    pad(f, 4, 0);
    size_t at = take(f, 4), first = take(f, 4 * count);
    put(f, at, 4, count);
    fill(f, hole, at);
    return first;
}

int bnn_flat_share(const bnn_flat *f, size_t hole, size_t like) {
    if (f->failed) {
        return 1;
    }
    size_t at = like + (size_t)load(f->data + like, 4, 0);
    if (at > hole) {
        fill(f, hole, at);
    }
    return at > hole;
}

bnn_code bnn_flat_finish(bnn_flat *f, bnn_error *err) {
    pad(f, 4, 0);
    return f->failed ? bnn_fail(err, BNN_ERR_MEMORY,
                                "the model is larger than its format or the memory allows")
                     : BNN_OK;
}
