/* NumPy .npy files, versions 1 to 3, C order, read-only; mapped, never loaded whole. */
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

#endif
