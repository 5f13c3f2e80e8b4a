#include "models/files/packed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/half.h"
#include "layers/ops.h"
#include "models/files/checkpoint.h"
#include "models/files/packed_private.h"

const bnn_packed_type bnn_packed_types[BNN_PACKED_TYPES] = {
    {'i', {[1] = "thresholds", [3] = "i"}, BNN_I32, BNN_ST_I32, BNN_ST_I16},
    {'f', {[1] = "floats", [3] = "f"}, BNN_F32, BNN_ST_F32, BNN_ST_F16},
    {'b', {[1] = "bits", [3] = "b"}, BNN_B1, BNN_ST_U8, BNN_ST_U8},
};

const bnn_packed_type *bnn_packed_type_of(bnn_dtype dtype) {
    const bnn_packed_type *t = bnn_packed_types, *end = t + BNN_PACKED_TYPES;
    while (t < end && t->dtype != dtype) {
        t++;
    }
    return t < end ? t : NULL;
}

/* Of a file without a format. */
static bnn_model_kind kind_by_content(const bnn_st_file *file) {
    if (bnn_st_metadata(file, BNN_PACKED_NETWORK)) {
        return BNN_MODEL_PACKED;
    }
    int slices = 1;
    for (int k = 0; k < BNN_PACKED_TYPES; k++) {
        slices = slices && bnn_st_find(file, bnn_packed_types[k].slices[1]);
    }
    return slices ? BNN_MODEL_PACKED_1 : BNN_MODEL_FOREIGN;
}

bnn_model_kind bnn_model_kind_of(const bnn_st_file *file) {
    const char *format = bnn_st_metadata(file, "format"); /* "pt" and such in other tools' files */
    if (!format || strncmp(format, "bnn-", 4) != 0) {
        return kind_by_content(file);
    }
    return strcmp(format, BNN_CHECKPOINT_FORMAT) == 0 ? BNN_MODEL_CHECKPOINT
           : strcmp(format, BNN_PACKED_FORMAT) == 0   ? BNN_MODEL_PACKED
           : strcmp(format, BNN_PACKED_3_FORMAT) == 0 ? BNN_MODEL_PACKED
           : strcmp(format, BNN_PACKED_1_FORMAT) == 0 ? BNN_MODEL_PACKED_1
                                                      : BNN_MODEL_UNKNOWN;
}

int bnn_packed_stored(const bnn_packed_type *type, bnn_st_dtype dtype) {
    return dtype == type->stored || dtype == type->narrow;
}

size_t bnn_packed_items(bnn_dtype dtype, size_t values) {
    return dtype == BNN_B1 ? values / 8 + (values % 8 != 0) : values;
}

/* Rows of words, each row padded, to bits without gaps. */
void bnn_packed_bits_to_bytes(bnn_shape shape, const uint64_t *words, unsigned char *bytes) {
    size_t c = (size_t)shape.c, stride = bnn_words(c), bit = 0;
    memset(bytes, 0, bnn_packed_items(BNN_B1, bnn_shape_count(shape)));
    for (size_t r = 0; r < bnn_shape_rows(shape); r++) {
        for (size_t i = 0; i < c; i++, bit++) {
            unsigned value = (unsigned)(words[r * stride + i / 64] >> (i % 64)) & 1u;
            bytes[bit / 8] = (unsigned char)(bytes[bit / 8] | value << (bit % 8));
        }
    }
}

static void bytes_to_bits(bnn_shape shape, const unsigned char *bytes, uint64_t *words) {
    size_t c = (size_t)shape.c, stride = bnn_words(c), bit = 0;
    memset(words, 0, bnn_tensor_bytes(BNN_B1, shape));
    for (size_t r = 0; r < bnn_shape_rows(shape); r++) {
        for (size_t i = 0; i < c; i++, bit++) {
            uint64_t value = bytes[bit / 8] >> (bit % 8) & 1u;
            words[r * stride + i / 64] |= value << (i % 64);
        }
    }
}

static void halves_to_floats(size_t count, const unsigned char *bytes, float *values) {
    for (size_t i = 0; i < count; i++) { /* not aligned */
        values[i] = bnn_half_value((uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8));
    }
}

static void shorts_to_ints(size_t count, const unsigned char *bytes, int32_t *values) {
    for (size_t i = 0; i < count; i++) {
        values[i] = (int16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
    }
}

bnn_code bnn_packed_set(const char *path, const bnn_st_tensor *tensor, const unsigned char *from,
                        const bnn_graph *graph, bnn_t constant, bnn_error *err) {
    bnn_dtype dtype = bnn_dtype_of(graph, constant);
    bnn_shape shape = bnn_shape_of(graph, constant);
    void *values = bnn_alloc_aligned(bnn_tensor_bytes(dtype, shape));
    const char *flaw = NULL;
    if (!values) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    }
    if (dtype == BNN_B1) {
        bytes_to_bits(shape, from, values);
    } else if (tensor->dtype == BNN_ST_F16) {
        halves_to_floats(bnn_shape_count(shape), from, values);
    } else if (tensor->dtype == BNN_ST_I16) {
        shorts_to_ints(bnn_shape_count(shape), from, values);
    } else {
        memcpy(values, from, bnn_tensor_bytes(dtype, shape));
    }
    if (dtype == BNN_F32) {
        flaw = bnn_weights_flaw(tensor->name, values, bnn_shape_count(shape));
    }
    bnn_code code =
        flaw ? bnn_fail(err, BNN_ERR_FORMAT, "%s: tensor '%.64s' holds %s; the file is damaged",
                        path, tensor->name, flaw)
             : bnn_graph_put(graph, constant, values, err);
    free(values);
    return code;
}

/* ---- the whole ---- */

static bnn_code find_network(const char *path, const bnn_st_file *file, const char **network,
                             bnn_error *err) {
    *network = bnn_st_metadata(file, BNN_PACKED_NETWORK);
    return *network ? BNN_OK
                    : bnn_fail(err, BNN_ERR_FORMAT,
                               "%s: its metadata lacks the network; the file is damaged", path);
}

bnn_code bnn_packed_build(const char *path, const bnn_st_file *file, const bnn_device *device,
                          int batch, bnn_inference *network, bnn_error *err) {
    const bnn_packed_reader r = {path, file, batch, network, err};
    const char *text;
    *network = (bnn_inference){0};
    bnn_code code = find_network(path, file, &text, err);
    if (code == BNN_OK) {
        code = bnn_packed_read(&r, device);
    }
    if (code == BNN_OK && (code = bnn_graph_compile(network->graph, BNN_NONE, err)) != BNN_OK) {
        bnn_fail_in(err, code, "%s", path);
    }
    return code;
}

bnn_code bnn_packed_count(const char *path, const bnn_st_file *file, size_t *binary, size_t *all,
                          bnn_error *err) {
    const bnn_packed_reader r = {path, file, 1, NULL, err};
    const char *text;
    *binary = *all = 0;
    bnn_code code = find_network(path, file, &text, err);
    return code == BNN_OK ? bnn_packed_read_count(&r, binary, all) : code;
}

bnn_code bnn_packed_check_sum(const char *path, const bnn_st_file *file, bnn_error *err) {
    const char *written = bnn_st_metadata(file, BNN_PACKED_CHECKSUM);
    char now[9];
    if (!written) {
        return BNN_OK;
    }
    snprintf(now, sizeof now, "%08x", bnn_st_contents(file, BNN_PACKED_CHECKSUM));
    return strcmp(written, now) == 0
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_FORMAT,
                          "%s: damaged: its contents have the checksum %s, and were written with "
                          "%.16s; copy or export it again",
                          path, now, written);
}

bnn_code bnn_packed_fill(const char *path, const bnn_st_file *file, const bnn_inference *network,
                         bnn_error *err) {
    const char *text = bnn_st_metadata(file, BNN_PACKED_NETWORK);
    bnn_code code = bnn_packed_fill_slices(path, file, text ? 3 : 1, network, err);
    if (code == BNN_OK) {
        bnn_conv_prepare_filters(network->graph);
    }
    return code;
}
