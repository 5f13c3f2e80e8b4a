/* safetensors files: an 8-byte little-endian header length, a JSON header, raw little-endian data.
 * Every byte is hostile until checked: header length against the file's size, shapes against
 * overflow, offsets against bounds, gaps and overlaps, names against duplicates.
 *
 * In a file of ours metadata may be compressed, which the format itself does not know: the tensor
 * BNN_ST_COMPRESSED, of U8, is the length of a text in four bytes, little-endian, and a zlib stream
 * of the text, which is what __metadata__ would be, a JSON object of strings. */
#ifndef BNN_ENGINE_IO_SAFETENSORS_H
#define BNN_ENGINE_IO_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/arena.h"
#include "engine/base/status.h"

#define BNN_ST_MAX_DIMS 8
#define BNN_ST_COMPRESSED "__metadata__.zlib"

typedef enum bnn_st_dtype {
    BNN_ST_F32,
    BNN_ST_F64,
    BNN_ST_F16,
    BNN_ST_BF16,
    BNN_ST_I64,
    BNN_ST_I32,
    BNN_ST_I16,
    BNN_ST_I8,
    BNN_ST_U64,
    BNN_ST_U32,
    BNN_ST_U16,
    BNN_ST_U8,
    BNN_ST_BOOL
} bnn_st_dtype;

typedef struct bnn_st_tensor {
    const char *name;
    bnn_st_dtype dtype;
    int ndim;
    int64_t shape[BNN_ST_MAX_DIMS];
    size_t count;     /* elements */
    const void *data; /* not aligned */
    size_t bytes;
} bnn_st_tensor;

/* A list of named tensors, and of a safetensors file its metadata. */
/* This format, .npy and packed files are copied from and to memory as they are. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian");

typedef struct bnn_st_file bnn_st_file;

size_t bnn_st_dtype_bytes(bnn_st_dtype dtype);
const char *bnn_st_dtype_name(bnn_st_dtype dtype);

/* Maps and checks `path`. */
bnn_code bnn_st_open(const char *path, bnn_st_file **out, bnn_error *err);
/* The same over memory the caller keeps alive (fuzzing, tests); `name` is for messages. */
bnn_code bnn_st_parse(const char *name, const void *bytes, size_t size, bnn_st_file **out,
                      bnn_error *err);
/* The same for a file of any format with weights that we read: PyTorch's, too (torch_file.h). */
bnn_code bnn_st_open_any(const char *path, bnn_st_file **out, bnn_error *err);

/* A tensor's name in a list that is made of several files: `name` itself, or another one that lives
 * in the arena; NULL: out of memory. */
typedef const char *bnn_st_rename(const bnn_st_file *file, const char *name, bnn_arena *arena);
/* The tensors of several files as one list, which owns the files from here on, even after an error;
 * `rename` may be NULL. Metadata stay where there is one file. `name` is for messages. */
bnn_code bnn_st_join(const char *name, bnn_st_file **files, size_t count, bnn_st_rename *rename,
                     bnn_st_file **out, bnn_error *err);
void bnn_st_close(bnn_st_file *file); /* NULL is fine */

size_t bnn_st_count(const bnn_st_file *file);
const bnn_st_tensor *bnn_st_at(const bnn_st_file *file, size_t index); /* in order of offsets */
const bnn_st_tensor *bnn_st_find(const bnn_st_file *file, const char *name); /* or NULL */
/* What was read from the disk, of one file or several, and the CRC-32 of that; 0 for memory of the
 * caller's. */
size_t bnn_st_bytes(const bnn_st_file *file);
uint32_t bnn_st_checksum(const bnn_st_file *file);
/* A value of __metadata__, or if it is not there of the compressed metadata, or NULL. */
const char *bnn_st_metadata(const bnn_st_file *file, const char *key);
/* The CRC-32 of what the file says: of each entry of __metadata__ but `key`'s, as it stands there,
 * the key and the value, each with a NUL behind; then of all data, compressed metadata as they are.
 */
uint32_t bnn_st_contents(const bnn_st_file *file, const char *key);

/* Writing: declare everything, then write. Pointers must stay valid until bnn_st_write returns. */
typedef struct bnn_st_writer bnn_st_writer;
bnn_st_writer *bnn_st_writer_create(void); /* NULL when memory is out */
void bnn_st_writer_free(bnn_st_writer *writer);
bnn_code bnn_st_add_metadata(bnn_st_writer *writer, const char *key, const char *value,
                             bnn_error *err);
/* What was added so far becomes compressed metadata, a tensor that is added here; at most once.
 * What is added later is readable for everyone. */
bnn_code bnn_st_compress_metadata(bnn_st_writer *writer, bnn_error *err);
/* The name is copied, the data is not. Tensors keep the order of their adding. */
bnn_code bnn_st_add_tensor(bnn_st_writer *writer, const char *name, bnn_st_dtype dtype, int ndim,
                           const int64_t *shape, const void *data, bnn_error *err);
/* bnn_st_contents of the file as it is declared so far. */
uint32_t bnn_st_writer_contents(const bnn_st_writer *writer, const char *key);
/* Atomic (base/file.h); byte for byte the same for the same input. The header is padded with
 * spaces to a multiple of 8. */
bnn_code bnn_st_write(const bnn_st_writer *writer, const char *path, bnn_error *err);

#endif
