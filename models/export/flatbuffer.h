/* A writer of FlatBuffers (the wire format of TensorFlow Lite and daBNN models): little-endian
 * tables, vectors and strings in one growing buffer. An offset leads forward from where it stands,
 * so a parent is written first, with holes, and each child fills the hole that it is given.
 *
 * Errors stick: whatever runs out of memory, or grows beyond what an offset can say, shows in
 * bnn_flat_finish. */
#ifndef BNN_MODELS_EXPORT_FLATBUFFER_H
#define BNN_MODELS_EXPORT_FLATBUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"

#define BNN_FLAT_VTABLES 16 /* forms of tables that are written once */

typedef struct bnn_flat {
    unsigned char *data;
    size_t size, room, vtables[BNN_FLAT_VTABLES];
    int vtable_count, failed;
} bnn_flat;

/* A field of a table: a scalar of 1, 2, 4 or 8 bytes, or with 0 bytes an offset, whose hole the
 * table leaves here. */
typedef struct bnn_flat_field {
    int id, bytes;
    uint64_t value; /* of a scalar, its bits */
    size_t hole;
} bnn_flat_field;

/* The hole of the root table. */
#define BNN_FLAT_ROOT 0

/* An empty buffer, with an identifier of four characters or NULL. Free it in any case. */
void bnn_flat_start(bnn_flat *f, const char *identifier);
void bnn_flat_free(bnn_flat *f);
/* A table into a hole; its fields in any order, ids not twice. */
void bnn_flat_table(bnn_flat *f, size_t hole, int count, bnn_flat_field *fields);
/* `count` items of 1, 2, 4 or 8 bytes as they lie in memory, the first aligned to `align` bytes (at
 * least their own). */
void bnn_flat_vector(bnn_flat *f, size_t hole, size_t item, size_t align, size_t count,
                     const void *items);
void bnn_flat_string(bnn_flat *f, size_t hole, const char *text);
/* A vector of so many offsets; returns the hole of the first, the others follow 4 bytes apart. */
size_t bnn_flat_offsets(bnn_flat *f, size_t hole, size_t count);
/* Leads a hole to where another one leads. 0 if that is not ahead of it, and the hole still open.
 */
int bnn_flat_share(const bnn_flat *f, size_t hole, size_t like);
/* The whole is f->data, f->size. */
bnn_code bnn_flat_finish(bnn_flat *f, bnn_error *err);

#endif
