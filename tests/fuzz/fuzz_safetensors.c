/* Fuzz target: whatever the bytes, bnn_st_parse answers with a status, and what it accepts keeps
 * its promises (data inside the input, no gap, names findable). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/io/safetensors.h"
#include "tests/fuzz/fuzz.h"

static volatile unsigned sink; /* keeps the reads from being optimised away */

static void require(int condition) {
    if (!condition) {
        abort();
    }
}

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
        require(t != NULL && t->ndim >= 0 && t->ndim <= BNN_ST_MAX_DIMS);
        for (int d = 0; d < t->ndim; d++) {
            require(t->shape[d] >= 0);
            product *= (size_t)t->shape[d];
        }
        require(product == t->count && t->bytes == t->count * bnn_st_dtype_bytes(t->dtype));
        require(at == NULL || t->data == at);
        require(bnn_st_find(file, t->name) == t);
        sink = sum_bytes(t->data, t->bytes);
        at = (const unsigned char *)t->data + t->bytes;
    }
    require(at == NULL || at == end);
    require(bnn_st_at(file, bnn_st_count(file)) == NULL);
}

static void run(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_st_file *file = NULL;
    bnn_code code = bnn_st_parse("input", data, size, &file, &err);
    if (code != BNN_OK) {
        require(file == NULL && err.code == code && err.text[0] != '\0');
        require(strpbrk(err.text, "\n\r\033") == NULL);
        return;
    }
    check_tensors(file, data + size);
    require(bnn_st_find(file, "no such tensor, surely") == NULL);
    (void)bnn_st_metadata(file, "format");
    bnn_st_close(file);
}

/* As it is, and once more with a header length that fits the text: otherwise hardly a mutation of
 * the text would get past the length check. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run(data, size);
    size_t end = size;
    while (end > 8 && data[end - 1] != '}') {
        end--;
    }
    uint8_t *copy = end > 8 ? malloc(size) : NULL;
    if (copy) {
        memcpy(copy, data, size);
        for (int i = 0; i < 8; i++) {
            copy[i] = (uint8_t)((uint64_t)(end - 8) >> (8 * i));
        }
        run(copy, size);
        free(copy);
    }
    return 0;
}

static const struct {
    const char *header;
    size_t data_bytes;
} samples[] = {
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}", 24},
    {"{\"__metadata__\":{\"format\":\"pt\",\"q\":\"\\\"\\u00e9\\n\"},"
     "\"w\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[8,13]}}   ",
     13},
    {"{}", 0},
    {"{\"e\":{\"dtype\":\"BF16\",\"shape\":[0,4],\"data_offsets\":[0,0]},"
     "\"y\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[3,7]},"
     "\"x\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]}}",
     7},
    {"{\"p\":{\"dtype\":\"U64\",\"shape\":[1,1,1,1,1,1,1,2],\"data_offsets\":[0,16]}}", 16},
};

size_t bnn_fuzz_seed(int index, uint8_t *out, size_t max) {
    if (index < 0 || (size_t)index >= sizeof samples / sizeof samples[0]) {
        return 0;
    }
    size_t length = strlen(samples[index].header), total = 8 + length + samples[index].data_bytes;
    if (total > max) {
        return 0;
    }
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)((uint64_t)length >> (8 * i));
    }
    memcpy(out + 8, samples[index].header, length);
    for (size_t i = 0; i < samples[index].data_bytes; i++) {
        out[8 + length + i] = (uint8_t)(i * 37);
    }
    return total;
}
