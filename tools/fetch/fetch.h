/* What bnn-data does with a source. */
#ifndef BNN_TOOLS_FETCH_FETCH_H
#define BNN_TOOLS_FETCH_FETCH_H

#include "tools/fetch/sources.h"

typedef struct bnn_fetching {
    const char *output; /* the folder of all sets */
    const char *mirror; /* URL/NAME/FILE instead of the table's addresses, or NULL */
    int tries;
} bnn_fetching;

/* Downloads, verifies, unpacks beside, and puts in place by one rename: OUTPUT/FOLDER is there when
 * it is whole, or not at all. What came before an error or an interruption is gone on with. BNN_OK,
 * too, where the folder is there already. */
bnn_code bnn_fetch_source(const bnn_source *source, const bnn_fetching *how, bnn_error *err);
/* Compares what is there with all that is known: parts, sizes, checksums (those that were written
 * when it was unpacked), and by its loader the number of samples. Prints what is wrong. */
bnn_code bnn_check_source(const bnn_source *source, const char *output, bnn_error *err);
/* Is its folder there? */
int bnn_source_is_there(const bnn_source *source, const char *output);
/* "--data cifar10 --data-dir data/cifar-10-batches-bin" */
void bnn_source_use(const bnn_source *source, const char *output, char *out, size_t bytes);
/* "170 MB"; "?" for 0. */
const char *bnn_size_text(uint64_t bytes, char out[32]);
/* Of all files, as published; 0 where that is not known of one. */
uint64_t bnn_source_bytes(const bnn_source *source);

#endif
