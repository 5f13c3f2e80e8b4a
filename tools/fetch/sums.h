/* SHA256SUMS, which an unpacked set carries: what sha256sum -c reads. */
#ifndef BNN_TOOLS_FETCH_SUMS_H
#define BNN_TOOLS_FETCH_SUMS_H

#include <stddef.h>

#include "engine/base/status.h"

#define BNN_SUMS_FILE "SHA256SUMS"

typedef struct bnn_sum {
    char sha256[65];
    const char *path; /* safe, ends with 0 */
} bnn_sum;

typedef struct bnn_sums {
    bnn_sum *sum;
    size_t count;
    char *text;
} bnn_sums;

/* `name` is for messages. */
bnn_code bnn_sums_parse(const char *name, const char *text, size_t size, bnn_sums *sums,
                        bnn_error *err);
void bnn_sums_free(bnn_sums *sums);

#endif
