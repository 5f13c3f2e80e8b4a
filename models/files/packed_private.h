/* What the files that read and write packed models share. */
#ifndef BNN_MODELS_FILES_PACKED_PRIVATE_H
#define BNN_MODELS_FILES_PACKED_PRIVATE_H

#include "models/files/packed.h"

/* The metadata's entry with the network. */
#define BNN_PACKED_NETWORK "network"

/* What a tensor of this type is called in the network, and is in the file. */
typedef struct bnn_packed_type {
    const char *name;
    bnn_dtype dtype;
    bnn_st_dtype stored;
} bnn_packed_type;
/* NULL where there is none. */
const bnn_packed_type *bnn_packed_type_of(bnn_dtype dtype);
const bnn_packed_type *bnn_packed_type_named(const char *name);
const bnn_packed_type *bnn_packed_type_stored(bnn_st_dtype stored);

/* Items of the file's type that so many values take. */
size_t bnn_packed_items(bnn_dtype dtype, size_t values);
/* A constant of bits as the file has it. */
void bnn_packed_bits_to_bytes(bnn_shape shape, const uint64_t *words, unsigned char *bytes);
/* Fills a constant with what the file has; refuses floats that are not finite. */
bnn_code bnn_packed_set(const char *path, const char *tensor, const unsigned char *from,
                        const bnn_graph *graph, bnn_t constant, bnn_error *err);

#endif
