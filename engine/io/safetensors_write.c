/* Writing safetensors files: everything is declared first, so that the header is known before the
 * first byte of data; then one pass into an atomic file. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "engine/base/file.h"
#include "engine/io/safetensors.h"
#include "engine/io/safetensors_private.h"

typedef struct piece {
    const void *data;
    size_t bytes;
} piece;

struct bnn_st_writer {
    json_t *metadata; /* jansson keeps the order of adding, escapes, and refuses broken UTF-8 */
    json_t *tensors;  /* name -> description, offsets included */
    piece *pieces;
    size_t count, room;
    size_t data_bytes;         /* so far */
    unsigned char *compressed; /* metadata, or NULL */
};

bnn_st_writer *bnn_st_writer_create(void) {
    bnn_st_writer *writer = calloc(1, sizeof *writer);
    if (writer) {
        writer->metadata = json_object();
        writer->tensors = json_object();
        if (!writer->metadata || !writer->tensors) {
            bnn_st_writer_free(writer);
            return NULL;
        }
    }
    return writer;
}

void bnn_st_writer_free(bnn_st_writer *writer) {
    if (!writer) {
        return;
    }
    json_decref(writer->metadata);
    json_decref(writer->tensors);
    free(writer->pieces);
    free(writer->compressed);
    free(writer);
}

/* NULL from jansson means broken UTF-8 or no memory; a text this short makes it the former. */
static bnn_code add_string(json_t *object, const char *key, json_t *value, const char *what,
                           bnn_error *err) {
    bnn_code code = BNN_OK;
    if (json_object_get(object, key)) {
        code =
            bnn_fail(err, BNN_ERR_ARGUMENT, "safetensors: %s \"%.100s\" is added twice", what, key);
    } else if (!value || json_object_set(object, key, value) != 0) {
        code =
            bnn_fail(err, BNN_ERR_ARGUMENT,
                     "safetensors: %s \"%.100s\" cannot be stored; is it UTF-8 text?", what, key);
    }
    json_decref(value);
    return code;
}

bnn_code bnn_st_add_metadata(bnn_st_writer *writer, const char *key, const char *value,
                             bnn_error *err) {
    if (!key || !value) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "safetensors: metadata needs a key and a value");
    }
    return add_string(writer->metadata, key, json_string(value), "metadata", err);
}

uint32_t bnn_st_writer_contents(const bnn_st_writer *writer, const char *key) {
    uLong sum = bnn_st_metadata_contents(writer->metadata, key);
    for (size_t i = 0; i < writer->count; i++) {
        const piece *p = &writer->pieces[i];
        sum = p->bytes > 0 ? crc32_z(sum, p->data, p->bytes) : sum;
    }
    return (uint32_t)sum;
}

static bnn_code grow(bnn_st_writer *writer, bnn_error *err) {
    if (writer->count < writer->room) {
        return BNN_OK;
    }
    size_t room = writer->room ? writer->room * 2 : 64;
    piece *pieces = reallocarray(writer->pieces, room, sizeof *pieces);
    if (!pieces) {
        return bnn_fail(err, BNN_ERR_MEMORY, "safetensors: out of memory for %zu tensors", room);
    }
    writer->pieces = pieces;
    writer->room = room;
    return BNN_OK;
}

static json_t *describe(bnn_st_dtype dtype, int ndim, const int64_t *shape, size_t begin,
                        size_t end) {
    json_t *dims = json_array();
    for (int i = 0; i < ndim && dims; i++) {
        if (json_array_append_new(dims, json_integer(shape[i])) != 0) {
            json_decref(dims);
            dims = NULL;
        }
    }
    /* "o" takes dims over, and makes the whole NULL when it is NULL. */
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", bnn_st_dtype_name(dtype), "shape", dims,
                     "data_offsets", (json_int_t)begin, (json_int_t)end);
}

bnn_code bnn_st_add_tensor(bnn_st_writer *writer, const char *name, bnn_st_dtype dtype, int ndim,
                           const int64_t *shape, const void *data, bnn_error *err) {
    size_t count, bytes, end;
    if (!name || strcmp(name, METADATA_KEY) == 0 || bnn_st_dtype_bytes(dtype) == 0) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "safetensors: a tensor needs a dtype and a name other than " METADATA_KEY);
    }
    if (ndim < 0 || ndim > BNN_ST_MAX_DIMS || (ndim > 0 && !shape)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "safetensors: " NAME_FORMAT ": %d dimensions, allowed are 0 to %d", name,
                        ndim, BNN_ST_MAX_DIMS);
    }
    if (!bnn_st_size(ndim, shape, bnn_st_dtype_bytes(dtype), &count, &bytes) ||
        __builtin_add_overflow(writer->data_bytes, bytes, &end) || end > PTRDIFF_MAX) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "safetensors: " NAME_FORMAT ": a negative or far too large dimension",
                        name);
    }
    if (bytes > 0 && !data) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "safetensors: " NAME_FORMAT ": no data", name);
    }
    bnn_code code = grow(writer, err);
    if (code == BNN_OK) {
        code = add_string(writer->tensors, name,
                          describe(dtype, ndim, shape, writer->data_bytes, end), "tensor", err);
    }
    if (code == BNN_OK) {
        writer->pieces[writer->count++] = (piece){data, bytes};
        writer->data_bytes = end;
    }
    return code;
}

/* Measured first: where json_dumps runs out of memory, it may leave a key out and go on. */
static char *dump(const json_t *root, size_t *length) {
    size_t bytes = json_dumpb(root, NULL, 0, JSON_COMPACT);
    char *text = bytes ? malloc(bytes) : NULL;
    *length = text ? json_dumpb(root, text, bytes, JSON_COMPACT) : 0;
    if (*length != bytes) {
        free(text);
        text = NULL;
    }
    return text;
}

bnn_code bnn_st_compress_metadata(bnn_st_writer *writer, bnn_error *err) {
    size_t length, bytes = 0;
    char *text = dump(writer->metadata, &length);
    if (text && length > MAX_HEADER_BYTES) {
        free(text);
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "safetensors: metadata of %zu bytes are more than is read again (%d)",
                        length, MAX_HEADER_BYTES);
    }
    unsigned char *data = text ? bnn_st_deflate(text, length, &bytes) : NULL;
    const int64_t shape[1] = {(int64_t)bytes};
    free(text);
    bnn_code code =
        data ? bnn_st_add_tensor(writer, BNN_ST_COMPRESSED, BNN_ST_U8, 1, shape, data, err)
             : bnn_fail(err, BNN_ERR_MEMORY, "safetensors: out of memory for the metadata");
    if (code != BNN_OK) {
        free(data);
        return code;
    }
    writer->compressed = data;
    json_object_clear(writer->metadata);
    return BNN_OK;
}

/* The header as text, metadata first; NULL when memory is out. */
static char *header_text(const bnn_st_writer *writer, size_t *length) {
    json_t *root = json_object();
    char *text = NULL;
    int failed = !root;
    if (!failed && json_object_size(writer->metadata) > 0) {
        failed = json_object_set(root, METADATA_KEY, writer->metadata) != 0;
    }
    if (!failed && json_object_update(root, writer->tensors) == 0) {
        text = dump(root, length);
    }
    json_decref(root);
    return text;
}

/* Write errors are left to commit, which sees them in the stream. */
static void write_all(const bnn_st_writer *writer, const char *header, size_t length,
                      FILE *stream) {
    static const char spaces[8] = "        ";
    size_t padding = (8 - length % 8) % 8;
    unsigned char prefix[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++) {
        prefix[i] = (unsigned char)((uint64_t)(length + padding) >> (8 * i));
    }
    fwrite(prefix, 1, sizeof prefix, stream);
    fwrite(header, 1, length, stream);
    fwrite(spaces, 1, padding, stream);
    for (size_t i = 0; i < writer->count && !ferror(stream); i++) {
        if (writer->pieces[i].bytes > 0) {
            fwrite(writer->pieces[i].data, 1, writer->pieces[i].bytes, stream);
        }
    }
}

bnn_code bnn_st_write(const bnn_st_writer *writer, const char *path, bnn_error *err) {
    size_t length = 0;
    char *header = header_text(writer, &length);
    if (!header) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for the header", path);
    }
    bnn_atomic_file *file = NULL;
    bnn_code code;
    if (length > MAX_HEADER_BYTES - 8) {
        code = bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: a header of %zu bytes is more than the format allows (%d); store "
                        "less metadata or fewer tensors",
                        path, length, MAX_HEADER_BYTES);
    } else {
        code = bnn_atomic_open(path, &file, err);
    }
    if (code == BNN_OK) {
        write_all(writer, header, length, bnn_atomic_stream(file));
        code = bnn_atomic_commit(file, err);
    }
    free(header);
    return code;
}
