/* Fuzz target: whatever the bytes, bnn_st_parse answers with a status, and what it accepts keeps
 * its promises (data inside the input, no gap, names findable). */
#include <stdlib.h>

#include "engine/io/safetensors.h"
#include "tests/fuzz/fuzz.h"

#define MOST_DATA ((size_t)1 << 16)

static volatile unsigned sink; /* keeps the reads from being optimised away */

/* Reads every byte, so that ASan checks the ranges. */
static unsigned sum_bytes(const unsigned char *p, size_t n) {
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += p[i];
    }
    return sum;
}

static void check_tensors(const bnn_st_file *file, const uint8_t *end) {
    const unsigned char *at = NULL;
    for (size_t i = 0; i < bnn_st_count(file); i++) {
        const bnn_st_tensor *t = bnn_st_at(file, i);
        size_t product = 1;
        bnn_insist(t != NULL && t->ndim >= 0 && t->ndim <= BNN_ST_MAX_DIMS);
        for (int d = 0; d < t->ndim; d++) {
            bnn_insist(t->shape[d] >= 0);
            product *= (size_t)t->shape[d];
        }
        bnn_insist(product == t->count && t->bytes == t->count * bnn_st_dtype_bytes(t->dtype));
        bnn_insist(at == NULL || t->data == at);
        bnn_insist(bnn_st_find(file, t->name) == t);
        sink = sum_bytes(t->data, t->bytes);
        at = (const unsigned char *)t->data + t->bytes;
    }
    bnn_insist(at == NULL || at == end);
    bnn_insist(bnn_st_at(file, bnn_st_count(file)) == NULL);
}

static void run(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_st_file *file = NULL;
    bnn_code code = bnn_st_parse("input", data, size, &file, &err);
    if (!bnn_accepted(code, &err)) {
        bnn_insist(file == NULL);
        return;
    }
    check_tensors(file, data + size);
    bnn_insist(bnn_st_find(file, "no such tensor, surely") == NULL);
    (void)bnn_st_metadata(file, "format");
    bnn_st_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run(data, size);
    uint8_t *whole = bnn_completed(data, size, MOST_DATA, &size);
    if (whole) {
        run(whole, size);
        free(whole);
    }
    return 0;
}
