/* An archive (tar or zip, plain or compressed) that is taken for hostile. */
#ifndef BNN_TOOLS_FETCH_UNPACK_H
#define BNN_TOOLS_FETCH_UNPACK_H

#include <stdint.h>
#include <stdio.h>

#include "engine/base/status.h"

typedef struct bnn_unpack {
    const char *archive, *label; /* label: what messages and progress call it */
    const char *inside;          /* the folder of the archive that is wanted; "": all of it */
    const char *folder;          /* where its content comes to; it is there */
    uint64_t most_bytes;         /* that may be made, and how many files and folders */
    size_t most_entries;
    FILE *sums; /* a line "SHA-256  PATH" of each file, as sha256sum(1) writes and checks it */
} bnn_unpack;

/* Makes plain files and folders, nothing else: links, devices, absolute paths and ".." are errors,
 * wherever they stand in the archive; what the Mac adds is left out. Interrupted: BNN_OK. On any
 * error what was made stays, to be thrown away. */
bnn_code bnn_unpack_archive(const bnn_unpack *unpack, bnn_error *err);

#endif
