/* Why: made data sets are handed on as .npy files, which Python reads. They are written in pieces,
 * since the arrays can be larger than memory; the header is padded to 128 bytes, as NumPy
 * writes it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/io/npy.h"

#define HEADER_BYTES 128

struct bnn_npy_writer {
    bnn_atomic_file *file;
    char *path;
    uint64_t expected, written; /* bytes of the array */
};

static const struct {
    const char *descr;
    uint64_t bytes;
} types[] = {[BNN_NPY_U8] = {"|u1", 1}, [BNN_NPY_I32] = {"<i4", 4}, [BNN_NPY_F32] = {"<f4", 4}};

/* The whole header: magic, version 1.0, length of the text, the text. Room for 6 dimensions of 8
 * digits; 0 if they need more. */
static int make_header(char out[HEADER_BYTES], const char *descr, int ndim, const int64_t *shape) {
    char text[2 * HEADER_BYTES];
    int n =
        snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < ndim && n < HEADER_BYTES; i++) {
        n += snprintf(text + n, sizeof text - (size_t)n, i ? " %" PRId64 "," : "%" PRId64 ",",
                      shape[i]);
    }
    if (ndim > 1) {
        n--; /* only a tuple of one ends in a comma */
    }
    if (n + 4 + 10 + 1 > HEADER_BYTES) {
        return 0;
    }
    memcpy(text + n, "), }", 4);
    memset(out, ' ', HEADER_BYTES);
    memcpy(out, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(out + 10, text, (size_t)n + 4);
    out[HEADER_BYTES - 1] = '\n';
    return 1;
}

bnn_code bnn_npy_write_open(const char *path, bnn_npy_type type, int ndim, const int64_t *shape,
                            bnn_npy_writer **out, bnn_error *err) {
    char header[HEADER_BYTES];
    *out = NULL;
    if (ndim < 1 || ndim > BNN_NPY_MAX_DIMS ||
        !make_header(header, types[type].descr, ndim, shape)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: an array of %d dimensions is not written", path,
                        ndim);
    }
    bnn_npy_writer *w = calloc(1, sizeof *w);
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    }
    w->expected = types[type].bytes;
    for (int i = 0; i < ndim; i++) {
        w->expected *= (uint64_t)shape[i];
    }
    bnn_code code = bnn_atomic_open(path, &w->file, err);
    if (code != BNN_OK) {
        free(w->path);
        free(w);
        return code;
    }
    fwrite(header, 1, sizeof header, bnn_atomic_stream(w->file));
    *out = w;
    return BNN_OK;
}

int bnn_npy_write(bnn_npy_writer *writer, const void *bytes, size_t size) {
    writer->written += size;
    return fwrite(bytes, 1, size, bnn_atomic_stream(writer->file)) == size;
}

bnn_code bnn_npy_write_commit(bnn_npy_writer *writer, bnn_error *err) {
    bnn_code code;
    if (writer->written != writer->expected && !ferror(bnn_atomic_stream(writer->file))) {
        bnn_atomic_abandon(writer->file);
        code = bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: %" PRIu64 " bytes were written, but the shape has %" PRIu64,
                        writer->path, writer->written, writer->expected);
    } else {
        code = bnn_atomic_commit(writer->file, err);
    }
    free(writer->path);
    free(writer);
    return code;
}

void bnn_npy_write_abandon(bnn_npy_writer *writer) {
    if (writer) {
        bnn_atomic_abandon(writer->file);
        free(writer->path);
        free(writer);
    }
}
