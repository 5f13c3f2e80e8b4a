/* What the files that read and write safetensors share, and those that make lists of tensors of
 * other formats. */
#ifndef BNN_ENGINE_IO_SAFETENSORS_PRIVATE_H
#define BNN_ENGINE_IO_SAFETENSORS_PRIVATE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/arena.h"
#include "engine/base/file.h"
#include "engine/io/safetensors.h"

#define LENGTH_BYTES 8
#define MAX_HEADER_BYTES 100000000 /* the reference implementation's limit */
#define METADATA_KEY "__metadata__"
#define NAME_FORMAT "tensor \"%.100s\""

/* Tensors by name, and what they and their names lie in; one that is all zeros is empty. */
struct bnn_st_file {
    bnn_st_tensor *tensors;
    size_t count;
    const bnn_st_tensor **by_name;
    bnn_map map;         /* read, not mapped; empty when the caller owns the bytes */
    json_t *root;        /* a safetensors file's header, or NULL */
    json_t *compressed;  /* and its compressed metadata, or NULL */
    bnn_arena *arena;    /* what no file holds as it is, or NULL */
    bnn_st_file **parts; /* files whose tensors these are, or NULL */
    size_t part_count;
};

/* Room for so many tensors, to be counted as they are put in. `name` is for messages. */
bnn_code bnn_st_reserve(const char *name, bnn_st_file *file, size_t most, bnn_error *err);
/* When all are there: sorts them by name, and refuses two of one. */
bnn_code bnn_st_index(const char *name, bnn_st_file *file, bnn_error *err);

/* count = the product of the shape, bytes = count * item; 0 when either does not fit. Dimensions
 * of 0 do not excuse the others from fitting: somebody may compute strides from them. */
int bnn_st_size(int ndim, const int64_t *shape, size_t item, size_t *count, size_t *bytes);

/* The text that a tensor of BNN_ST_COMPRESSED holds, malloc'd (safetensors_zlib.c). */
bnn_code bnn_st_inflate(const char *name, const bnn_st_tensor *tensor, char **text, size_t *length,
                        bnn_error *err);
/* Such a tensor's data, malloc'd; NULL when memory is out. */
unsigned char *bnn_st_deflate(const char *text, size_t length, size_t *bytes);

/* bnn_st_contents' part of the metadata, a JSON object of strings or NULL. */
uint32_t bnn_st_metadata_contents(json_t *metadata, const char *key);

/* Of a file that was refused: where it is of a known other format, the message says so, and what to
 * do. Returns BNN_ERR_FORMAT (other_formats.c). */
bnn_code bnn_st_other_format(const char *name, const unsigned char *bytes, size_t size,
                             bnn_error *err);

#endif
