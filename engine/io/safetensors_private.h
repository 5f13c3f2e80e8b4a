/* What the files that read and write safetensors share. */
#ifndef BNN_ENGINE_IO_SAFETENSORS_PRIVATE_H
#define BNN_ENGINE_IO_SAFETENSORS_PRIVATE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"

#define LENGTH_BYTES 8
#define MAX_HEADER_BYTES 100000000 /* the reference implementation's limit */
#define METADATA_KEY "__metadata__"
#define NAME_FORMAT "tensor \"%.100s\""

/* count = the product of the shape, bytes = count * item; 0 when either does not fit. Dimensions
 * of 0 do not excuse the others from fitting: somebody may compute strides from them. */
int bnn_st_size(int ndim, const int64_t *shape, size_t item, size_t *count, size_t *bytes);

/* bnn_st_contents' part of the metadata, a JSON object of strings or NULL. */
uint32_t bnn_st_metadata_contents(json_t *metadata, const char *key);

/* Of a file that was refused: where it is of a known other format, the message says so, and what to
 * do. Returns BNN_ERR_FORMAT (other_formats.c). */
bnn_code bnn_st_other_format(const char *name, const unsigned char *bytes, size_t size,
                             bnn_error *err);

#endif
