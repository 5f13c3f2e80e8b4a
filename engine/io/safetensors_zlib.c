/* Why: a network's description repeats itself, and of a small network's file it is a twentieth. The
 * decision: metadata are deflated as one text, whose length stands in front, so that memory for it
 * is taken once, and only as much as the stream can give. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "engine/io/safetensors_private.h"

/* Bytes of the length, and of text that a byte of a stream makes at most. */
enum { STATED = 4, MOST_RATIO = 1032 };

static bnn_code damaged(const char *name, const char *why, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: tensor \"" BNN_ST_COMPRESSED "\": %s; the file is "
                    "damaged",
                    name, why);
}

bnn_code bnn_st_inflate(const char *name, const bnn_st_tensor *tensor, char **text, size_t *length,
                        bnn_error *err) {
    const unsigned char *data = tensor->data;
    *text = NULL;
    if (tensor->dtype != BNN_ST_U8 || tensor->bytes < STATED) {
        return damaged(name, "is no compressed text", err);
    }
    const size_t stated =
        data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16 | (size_t)data[3] << 24;
    uLong from = (uLong)(tensor->bytes - STATED);
    uLongf made = (uLongf)stated;
    if (stated > MAX_HEADER_BYTES || stated / MOST_RATIO > from) {
        return damaged(name, "says it is a longer text than its bytes can make", err);
    }
    if (!(*text = malloc(stated + 1))) { /* + 1: never a size of 0 */
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for the metadata", name);
    }
    int status = uncompress2((Bytef *)*text, &made, data + STATED, &from);
    if (status == Z_OK && made == stated && from == tensor->bytes - STATED) {
        *length = stated;
        return BNN_OK;
    }
    free(*text);
    *text = NULL;
    return status == Z_MEM_ERROR
               ? bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for the metadata", name)
               : damaged(name, "is not the zlib stream of a text as long as it says", err);
}

unsigned char *bnn_st_deflate(const char *text, size_t length, size_t *bytes) {
    uLongf room = compressBound((uLong)length);
    unsigned char *data = malloc(STATED + room);
    if (!data || compress2(data + STATED, &room, (const Bytef *)text, (uLong)length,
                           Z_BEST_COMPRESSION) != Z_OK) {
        free(data);
        return NULL;
    }
    for (int i = 0; i < STATED; i++) {
        data[i] = (unsigned char)(length >> (8 * i));
    }
    *bytes = STATED + room;
    return data;
}
