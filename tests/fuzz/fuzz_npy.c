/* Fuzz target: whatever the bytes, bnn_npy_parse answers with a status, and what it accepts lies
 * inside the input, to the last byte. */
#include <stdlib.h>
#include <string.h>

#include "engine/io/npy.h"
#include "tests/fuzz/fuzz.h"

static volatile unsigned sink; /* keeps the reads from being optimised away */

static void run(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_npy npy;
    bnn_code code = bnn_npy_parse("input", data, size, &npy, &err);
    if (!bnn_accepted(code, &err)) {
        bnn_insist(npy.data == NULL);
        return;
    }
    size_t product = 1;
    bnn_insist(npy.ndim >= 0 && npy.ndim <= BNN_NPY_MAX_DIMS && strchr("uifb", npy.kind) != NULL);
    for (int d = 0; d < npy.ndim; d++) {
        bnn_insist(npy.shape[d] >= 0);
        product *= (size_t)npy.shape[d];
    }
    const unsigned char *p = npy.data;
    size_t bytes = npy.count * (size_t)npy.item_bytes;
    bnn_insist(product == npy.count && p + bytes == data + size);
    for (size_t i = 0; i < bytes; i++) {
        sink = p[i];
    }
    bnn_npy_close(&npy);
}

/* As it is, and once more with a header length that fits the text: otherwise hardly a mutation of
 * the text would get past the length check. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run(data, size);
    size_t end = size;
    while (end > 12 && data[end - 1] != '}') {
        end--;
    }
    uint8_t *copy = end > 12 ? malloc(size) : NULL;
    if (copy) {
        memcpy(copy, data, size);
        size_t width = copy[6] == 1 ? 2 : 4, length = end - 8 - width;
        if (end < size && data[end] == '\n') {
            length++;
        }
        for (size_t i = 0; i < width; i++) {
            copy[8 + i] = (uint8_t)(length >> (8 * i));
        }
        run(copy, size);
        free(copy);
    }
    return 0;
}
