/* One file over HTTP or HTTPS, on where an earlier attempt ended. */
#ifndef BNN_TOOLS_FETCH_DOWNLOAD_H
#define BNN_TOOLS_FETCH_DOWNLOAD_H

#include <stdint.h>

#include "engine/base/status.h"

typedef struct bnn_download {
    const char *url, *label;  /* label: what messages and progress call it */
    const char *path;         /* where it comes to; until it is whole and right, PATH.part */
    uint64_t bytes;           /* 0: unknown */
    const char *md5, *sha256; /* NULL: unknown */
    int tries;                /* attempts in a row that bring nothing */
} bnn_download;

/* Returns at once if `path` is there. Follows redirections, never from HTTPS to HTTP; proxies are
 * those of libcurl's variables (https_proxy, ...). What came stays for the next call, unless its
 * size or checksum says that it is another file, or the server cannot go on. Interrupted: BNN_OK,
 * and `path` is not there. */
bnn_code bnn_download_file(const bnn_download *download, bnn_error *err);

#endif
