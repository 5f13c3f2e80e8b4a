/* What the files that read and write packed models share. */
#ifndef BNN_MODELS_FILES_PACKED_PRIVATE_H
#define BNN_MODELS_FILES_PACKED_PRIVATE_H

#include "models/files/packed.h"

/* The metadata's entries with the network, and what it and the data are to sum up to. */
#define BNN_PACKED_NETWORK "network"
#define BNN_PACKED_CHECKSUM "checksum"

/* What a tensor of this type is called in a network, and is in the file. */
typedef struct bnn_packed_type {
    char letter;
    const char *slices[4]; /* by version: the tensor with all constants of the type */
    bnn_dtype dtype;
    bnn_st_dtype stored, narrow; /* the latter where it says all values exactly */
} bnn_packed_type;
#define BNN_PACKED_TYPES 3
extern const bnn_packed_type bnn_packed_types[BNN_PACKED_TYPES];
/* NULL where there is none. */
const bnn_packed_type *bnn_packed_type_of(bnn_dtype dtype);

/* Whether a tensor of the file may hold this type's constants. */
int bnn_packed_stored(const bnn_packed_type *type, bnn_st_dtype dtype);
/* Items of the file's type that so many values take. */
size_t bnn_packed_items(bnn_dtype dtype, size_t values);
/* A constant of bits as the file has it. */
void bnn_packed_bits_to_bytes(bnn_shape shape, const uint64_t *words, unsigned char *bytes);
/* Fills a constant with what the file's `tensor` has from there on; refuses floats that are not
 * finite. */
bnn_code bnn_packed_set(const char *path, const bnn_st_tensor *tensor, const unsigned char *from,
                        const bnn_graph *graph, bnn_t constant, bnn_error *err);

/* ---- for who reads a network that a file describes (packed_node.c) ---- */

typedef struct bnn_packed_reader {
    const char *path;
    const bnn_st_file *file;
    int batch;
    bnn_inference *network;
    bnn_error *err;
} bnn_packed_reader;

/* "PATH: metadata 'network': ...; the file is damaged" */
bnn_code bnn_packed_damaged(const bnn_packed_reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The error that a builder of the graph has left, or BNN_OK. */
bnn_code bnn_packed_refused(const bnn_packed_reader *r, const char *what, size_t index);
bnn_code bnn_packed_no_memory(const bnn_packed_reader *r);

bnn_code bnn_packed_start(const bnn_packed_reader *r, const bnn_device *device, size_t inputs,
                          size_t outputs);
/* The shape is for one sample. */
bnn_code bnn_packed_add_input(const bnn_packed_reader *r, int index, const char *name,
                              bnn_dtype dtype, bnn_shape shape);
/* An op that a file may name, and zeroed room for its attributes. */
bnn_code bnn_packed_find_op(const bnn_packed_reader *r, size_t index, const char *name,
                            const bnn_op **op, char **attr);
/* Whether node `index` may have `t` (BNN_NONE: nothing of that name is there; or `left_out`, on
 * purpose) as its input k. */
bnn_code bnn_packed_check_operand(const bnn_packed_reader *r, size_t index, const bnn_form *form,
                                  int k, bnn_t t, int left_out, const char *name);
/* Set a field of an op's attributes; 0 where the value is none for it. */
int bnn_packed_set_float(const bnn_op_field *field, const char *text, char *attr);
int bnn_packed_set_whole(const bnn_packed_reader *r, const bnn_op_field *field, int64_t number,
                         char *attr);
void bnn_packed_set_default(const bnn_packed_reader *r, const bnn_op_field *field, char *attr);
bnn_code bnn_packed_add_node(const bnn_packed_reader *r, size_t index, const bnn_op *op,
                             const char *attr, int count, const bnn_t *in);

/* ---- the parts of a file ---- */

bnn_code bnn_packed_read(const bnn_packed_reader *r, const bnn_device *device);
bnn_code bnn_packed_read_count(const bnn_packed_reader *r, size_t *binary, size_t *all);
/* Fills the constants of versions 1 and 3. */
bnn_code bnn_packed_fill_slices(const char *path, const bnn_st_file *file, int version,
                                const bnn_inference *network, bnn_error *err);

#endif
