/* Zip archives whose entries are stored as they are, so that they can be used where they lie: what
 * torch.save writes. Sizes beyond 4 GiB (zip64) too. */
#ifndef BNN_ENGINE_IO_ZIP_H
#define BNN_ENGINE_IO_ZIP_H

#include <stddef.h>

#include "engine/base/arena.h"
#include "engine/base/status.h"

typedef struct bnn_zip_entry {
    const char *name; /* in the archive, not ended by a NUL */
    size_t name_length;
    const unsigned char *data;
    size_t bytes;
    const char *flaw; /* why it cannot be used: "is compressed", and then no data; or NULL */
} bnn_zip_entry;

typedef struct bnn_zip {
    bnn_zip_entry *entry; /* by name, in the arena */
    size_t count;
} bnn_zip;

/* The archive in `bytes`, which the entries point into; `name` is for messages. */
bnn_code bnn_zip_read(const char *name, const void *bytes, size_t size, bnn_arena *arena,
                      bnn_zip *out, bnn_error *err);
/* The entry called `folder` and `file`, one behind the other, or NULL. */
const bnn_zip_entry *bnn_zip_find(const bnn_zip *zip, const char *folder, size_t folder_length,
                                  const char *file, size_t file_length);

#endif
