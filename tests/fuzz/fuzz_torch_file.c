/* Fuzz target: whatever the bytes, bnn_torch_parse answers with a status; what it accepts has names
 * that are found, sizes that agree, and data that can be read. The pickle of an archive is tried
 * alone, too: few mutations leave the archive around it whole. */
#include <stdlib.h>

#include "engine/io/pickle.h"
#include "engine/io/torch_file.h"
#include "tests/fuzz/fuzz.h"

static volatile unsigned sink; /* keeps the reads from being optimised away */

static void check_tensors(const bnn_st_file *file) {
    for (size_t i = 0; i < bnn_st_count(file); i++) {
        const bnn_st_tensor *t = bnn_st_at(file, i);
        const unsigned char *p = t->data;
        size_t product = 1;
        bnn_insist(t->ndim >= 0 && t->ndim <= BNN_ST_MAX_DIMS);
        for (int d = 0; d < t->ndim; d++) {
            bnn_insist(t->shape[d] >= 0);
            product *= (size_t)t->shape[d];
        }
        bnn_insist(product == t->count && t->bytes == t->count * bnn_st_dtype_bytes(t->dtype));
        bnn_insist(bnn_st_find(file, t->name) == t);
        for (size_t k = 0; k < t->bytes; k += 1 + (k + 4096 < t->bytes ? 255 : 0)) {
            sink = p[k];
        }
    }
}

static void read_pickle(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_py_result result;
    bnn_arena *arena = bnn_arena_create();
    bnn_insist(arena != NULL);
    if (bnn_accepted(bnn_py_read("input", data, size, arena, &result, &err), &err)) {
        bnn_insist(result.value != NULL && result.bytes <= size);
        (void)bnn_py_get(bnn_py_is_dict(result.value) ? result.value
                                                      : &(bnn_py){.kind = BNN_PY_DICT},
                         "state_dict");
    }
    bnn_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_st_file *file = NULL;
    (void)bnn_torch_is(data, size);
    read_pickle(data, size);
    if (bnn_accepted(bnn_torch_parse("input", data, size, &file, &err), &err)) {
        check_tensors(file);
    } else {
        bnn_insist(file == NULL);
    }
    bnn_st_close(file);
    return 0;
}
