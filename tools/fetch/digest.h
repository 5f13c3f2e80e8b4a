/* Checksums of bytes as they come: MD5, which older sets publish, and SHA-256. MD5 tells a damaged
 * file, not a forged one. */
#ifndef BNN_TOOLS_FETCH_DIGEST_H
#define BNN_TOOLS_FETCH_DIGEST_H

#include <stddef.h>

#include "engine/base/status.h"

typedef struct bnn_digest bnn_digest;
typedef struct bnn_digests {
    char md5[33], sha256[65]; /* in lower case; "" is not wanted */
} bnn_digests;

/* Was it built with what fetching needs? If not, an error that says without what. */
bnn_code bnn_fetch_usable(bnn_error *err);
bnn_code bnn_digest_new(int md5, int sha256, bnn_digest **out, bnn_error *err);
void bnn_digest_add(bnn_digest *digest, const void *bytes, size_t count);
/* Fills `out` and frees; NULL is fine. */
void bnn_digest_end(bnn_digest *digest, bnn_digests *out);

#endif
