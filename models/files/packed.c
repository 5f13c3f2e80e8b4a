#include "models/files/packed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/arena.h"
#include "layers/ops.h"
#include "models/files/checkpoint.h"

enum { BITS, FLOATS, THRESHOLDS, KINDS };

static const char *const names[KINDS] = {"bits", "floats", "thresholds"};
static const bnn_st_dtype dtypes[KINDS] = {BNN_ST_U8, BNN_ST_F32, BNN_ST_I32};

bnn_model_kind bnn_model_kind_of(const bnn_st_file *file) {
    const char *format = bnn_st_metadata(file, "format"); /* "pt" and such in other tools' files */
    if (format && strncmp(format, "bnn-", 4) == 0) {
        return strcmp(format, BNN_CHECKPOINT_FORMAT) == 0 ? BNN_MODEL_CHECKPOINT
               : strcmp(format, BNN_PACKED_FORMAT) == 0   ? BNN_MODEL_PACKED
                                                          : BNN_MODEL_UNKNOWN;
    }
    int packed = 1;
    for (int k = 0; packed && k < KINDS; k++) {
        packed = bnn_st_find(file, names[k]) != NULL;
    }
    return packed ? BNN_MODEL_PACKED : BNN_MODEL_FOREIGN;
}

typedef struct slice {
    int kind;
    size_t count; /* bytes of bits, or numbers */
    bnn_shape shape;
    void *data;
} slice;

static slice slice_of(const bnn_fold *fold, size_t index) {
    bnn_graph *g = bnn_fold_graph(fold);
    bnn_t t = bnn_fold_constant(fold, index);
    slice s = {.shape = bnn_shape_of(g, t), .data = bnn_graph_data(g, t)};
    size_t values = bnn_shape_count(s.shape);
    switch (bnn_dtype_of(g, t)) {
    case BNN_B1:
        s.kind = BITS;
        s.count = (values + 7) / 8;
        break;
    case BNN_I32:
        s.kind = THRESHOLDS;
        s.count = values;
        break;
    default:
        s.kind = FLOATS;
        s.count = values;
        break;
    }
    return s;
}

static void totals(const bnn_fold *fold, size_t total[KINDS]) {
    memset(total, 0, KINDS * sizeof *total);
    for (size_t i = 0; i < bnn_fold_constant_count(fold); i++) {
        slice s = slice_of(fold, i);
        total[s.kind] += s.count;
    }
}

/* Rows of words, each row padded, to bits without gaps. */
static void bits_to_bytes(bnn_shape shape, const uint64_t *words, unsigned char *bytes) {
    size_t c = (size_t)shape.c, stride = bnn_words(c), bit = 0;
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

static bnn_code write_file(const char *path, const bnn_spec *spec, unsigned char *const data[KINDS],
                           const size_t total[KINDS], bnn_error *err) {
    bnn_meta meta[BNN_SPEC_META];
    bnn_arena *arena = bnn_arena_create();
    bnn_st_writer *writer = bnn_st_writer_create();
    if (!arena || !writer) {
        bnn_arena_free(arena);
        bnn_st_writer_free(writer);
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for saving", path);
    }
    bnn_code code = bnn_st_add_metadata(writer, "format", BNN_PACKED_FORMAT, err);
    if (code == BNN_OK) {
        code = bnn_meta_add(writer, meta, bnn_spec_meta(spec, arena, meta), err);
    }
    for (int k = 0; code == BNN_OK && k < KINDS; k++) {
        int64_t shape = (int64_t)total[k];
        code = bnn_st_add_tensor(writer, names[k], dtypes[k], 1, &shape, data[k], err);
    }
    if (code == BNN_OK) {
        code = bnn_st_write(writer, path, err);
    }
    bnn_st_writer_free(writer);
    bnn_arena_free(arena);
    return code;
}

static bnn_code check_values(const char *path, const slice *s, const char *why, bnn_error *err) {
    const char *flaw =
        s->kind == FLOATS ? bnn_weights_flaw(names[FLOATS], s->data, s->count) : NULL;
    return flaw ? bnn_fail(err, BNN_ERR_FORMAT, "%s: tensor '%s' holds %s; %s", path, names[FLOATS],
                           flaw, why)
                : BNN_OK;
}

bnn_code bnn_packed_save(const char *path, const bnn_spec *spec, const bnn_fold *fold,
                         size_t *bytes, bnn_error *err) {
    size_t total[KINDS], used[KINDS] = {0};
    unsigned char *data[KINDS] = {NULL};
    totals(fold, total);
    bnn_code code = BNN_OK;
    for (int k = 0; k < KINDS; k++) {
        data[k] = calloc(total[k] + 1, bnn_st_dtype_bytes(dtypes[k]));
        if (!data[k]) {
            code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for saving", path);
        }
    }
    for (size_t i = 0; code == BNN_OK && i < bnn_fold_constant_count(fold); i++) {
        slice s = slice_of(fold, i);
        size_t item = bnn_st_dtype_bytes(dtypes[s.kind]);
        unsigned char *to = data[s.kind] + used[s.kind] * item;
        if (s.kind == BITS) {
            bits_to_bytes(s.shape, s.data, to);
        } else {
            memcpy(to, s.data, s.count * item);
        }
        used[s.kind] += s.count;
        code = check_values(path, &s, "the network has diverged", err);
    }
    if (code == BNN_OK) {
        code = write_file(path, spec, data, total, err);
    }
    for (int k = 0; k < KINDS; k++) {
        free(data[k]);
    }
    struct stat info;
    if (code == BNN_OK && stat(path, &info) == 0) {
        *bytes = (size_t)info.st_size;
    }
    return code;
}

static bnn_code find_data(const char *path, const bnn_st_file *file, const bnn_fold *fold,
                          const unsigned char *data[KINDS], bnn_error *err) {
    size_t total[KINDS];
    totals(fold, total);
    for (int k = 0; k < KINDS; k++) {
        const bnn_st_tensor *t = bnn_st_find(file, names[k]);
        if (!t || t->dtype != dtypes[k] || t->count != total[k]) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: tensor '%s' %s; the file is damaged, or of another version", path,
                            names[k], t ? "does not fit the network it names" : "is missing");
        }
        data[k] = t->data;
    }
    return BNN_OK;
}

bnn_code bnn_packed_check(const char *path, const bnn_st_file *file, const bnn_fold *fold,
                          bnn_error *err) {
    const unsigned char *data[KINDS];
    return find_data(path, file, fold, data, err);
}

bnn_code bnn_packed_read(const char *path, const bnn_st_file *file, const bnn_fold *fold,
                         bnn_error *err) {
    size_t used[KINDS] = {0};
    const unsigned char *data[KINDS];
    bnn_code code = find_data(path, file, fold, data, err);
    for (size_t i = 0; code == BNN_OK && i < bnn_fold_constant_count(fold); i++) {
        slice s = slice_of(fold, i);
        size_t item = bnn_st_dtype_bytes(dtypes[s.kind]);
        const unsigned char *from = data[s.kind] + used[s.kind] * item;
        if (s.kind == BITS) {
            bytes_to_bits(s.shape, from, s.data);
        } else {
            memcpy(s.data, from, s.count * item);
        }
        used[s.kind] += s.count;
        code = check_values(path, &s, "the file is damaged", err);
    }
    if (code == BNN_OK) {
        bnn_conv_prepare_filters(bnn_fold_graph(fold));
    }
    return code;
}
