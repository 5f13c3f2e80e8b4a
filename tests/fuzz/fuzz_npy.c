/* Fuzz target: whatever the bytes, bnn_npy_parse answers with a status, and what it accepts lies
 * inside the input, to the last byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/io/npy.h"
#include "tests/fuzz/fuzz.h"

static volatile unsigned sink; /* keeps the reads from being optimised away */

static void require(int condition) {
    if (!condition) {
        abort();
    }
}

static void run(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_npy npy;
    bnn_code code = bnn_npy_parse("input", data, size, &npy, &err);
    if (code != BNN_OK) {
        require(err.code == code && err.text[0] != '\0' && npy.data == NULL);
        require(strpbrk(err.text, "\n\r\033") == NULL);
        return;
    }
    size_t product = 1;
    require(npy.ndim >= 0 && npy.ndim <= BNN_NPY_MAX_DIMS && strchr("uifb", npy.kind) != NULL);
    for (int d = 0; d < npy.ndim; d++) {
        require(npy.shape[d] >= 0);
        product *= (size_t)npy.shape[d];
    }
    const unsigned char *p = npy.data;
    size_t bytes = npy.count * (size_t)npy.item_bytes;
    require(product == npy.count && p + bytes == data + size);
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

static const struct {
    int major;
    const char *header;
    size_t data_bytes;
} samples[] = {
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n", 24},
    {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (7,), }\n", 7},
    {2, "{\"shape\":(),\"fortran_order\":False,\"descr\":\"<i8\"}", 8},
    {3, "{'descr': '|b1', 'fortran_order': False, 'shape': (0, 4), }\n", 0},
    {1, "{'descr': '<u2', 'fortran_order': False, 'shape': (1L, 2L), }\n", 4},
};

size_t bnn_fuzz_seed(int index, uint8_t *out, size_t max) {
    if (index < 0 || (size_t)index >= sizeof samples / sizeof samples[0]) {
        return 0;
    }
    size_t length = strlen(samples[index].header);
    size_t width = samples[index].major == 1 ? 2 : 4, start = 8 + width;
    size_t total = start + length + samples[index].data_bytes;
    if (total > max) {
        return 0;
    }
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (uint8_t)samples[index].major;
    out[7] = 0;
    for (size_t i = 0; i < width; i++) {
        out[8 + i] = (uint8_t)(length >> (8 * i));
    }
    memcpy(out + start, samples[index].header, length);
    for (size_t i = 0; i < samples[index].data_bytes; i++) {
        out[start + length + i] = (uint8_t)(i * 37);
    }
    return total;
}
