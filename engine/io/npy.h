/* NumPy .npy files, C order: versions 1 to 3 are read, mapped and never loaded whole; version 1 is
 * written, piece by piece. */
#ifndef BNN_ENGINE_IO_NPY_H
#define BNN_ENGINE_IO_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/file.h"
#include "engine/base/status.h"

#define BNN_NPY_MAX_DIMS 8

typedef struct bnn_npy {
    bnn_map map;
    char kind;      /* 'u', 'i', 'f', 'b' */
    int item_bytes; /* 1, 2, 4, 8; little-endian */
    int ndim;
    int64_t shape[BNN_NPY_MAX_DIMS];
    size_t count;
    const void *data; /* not aligned */
} bnn_npy;

/* Fortran order, big-endian and object arrays are refused with a message. */
bnn_code bnn_npy_open(const char *path, bnn_npy *out, bnn_error *err);
/* The same over memory the caller keeps alive; close is not needed then. */
bnn_code bnn_npy_parse(const char *name, const void *bytes, size_t size, bnn_npy *out,
                       bnn_error *err);
void bnn_npy_close(bnn_npy *npy);

/* A file being written; it appears whole, in commit, or not at all. */
typedef struct bnn_npy_writer bnn_npy_writer;

typedef enum bnn_npy_type { BNN_NPY_U8, BNN_NPY_I32, BNN_NPY_F32 } bnn_npy_type;

bnn_code bnn_npy_write_open(const char *path, bnn_npy_type type, int ndim, const int64_t *shape,
                            bnn_npy_writer **out, bnn_error *err);
/* The next `size` bytes of the array, in C order. 0 if they cannot be written, which commit will
 * explain. */
int bnn_npy_write(bnn_npy_writer *writer, const void *bytes, size_t size);
/* Refuses when fewer or more bytes were written than the shape says; frees in any case. */
bnn_code bnn_npy_write_commit(bnn_npy_writer *writer, bnn_error *err);
void bnn_npy_write_abandon(bnn_npy_writer *writer); /* NULL is fine */

#endif
