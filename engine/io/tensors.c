/* Why: weights come in several formats, and in several files, and whoever looks for a tensor should
 * not have to know. The decision: all of them become one list of named tensors, which owns what
 * they lie in; only who makes such a list knows a format. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "engine/io/safetensors_private.h"
#include "engine/io/torch_file.h"

/* ---- making one ---- */

bnn_code bnn_st_reserve(const char *name, bnn_st_file *file, size_t most, bnn_error *err) {
    file->tensors = calloc(most + 1, sizeof *file->tensors); /* + 1: never a size of 0 */
    file->by_name = calloc(most + 1, sizeof *file->by_name);
    return file->tensors && file->by_name
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu tensors", name, most);
}

static int compare_names(const void *a, const void *b) {
    const bnn_st_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

bnn_code bnn_st_index(const char *name, bnn_st_file *file, bnn_error *err) {
    for (size_t i = 0; i < file->count; i++) {
        file->by_name[i] = &file->tensors[i];
    }
    qsort(file->by_name, file->count, sizeof *file->by_name, compare_names);
    for (size_t i = 1; i < file->count; i++) {
        if (compare_names(&file->by_name[i - 1], &file->by_name[i]) == 0) {
            return bnn_fail(err, BNN_ERR_FORMAT, "%s: holds two tensors of one name: " NAME_FORMAT,
                            name, file->by_name[i]->name);
        }
    }
    return BNN_OK;
}

static bnn_code open_as(const char *path, int any, bnn_st_file **out, bnn_error *err) {
    bnn_map map;
    *out = NULL;
    bnn_code code = bnn_map_read(path, &map, err);
    if (code != BNN_OK) {
        return code;
    }
    code = any && bnn_torch_is(map.data, map.size)
               ? bnn_torch_parse(path, map.data, map.size, out, err)
               : bnn_st_parse(path, map.data, map.size, out, err);
    if (code != BNN_OK) {
        bnn_map_close(&map);
        return code;
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.*): a file is made where the code is BNN_OK */
    (*out)->map = map;
    return BNN_OK;
}

bnn_code bnn_st_open(const char *path, bnn_st_file **out, bnn_error *err) {
    return open_as(path, 0, out, err);
}

bnn_code bnn_st_open_any(const char *path, bnn_st_file **out, bnn_error *err) {
    return open_as(path, 1, out, err);
}

bnn_code bnn_st_join(const char *name, bnn_st_file **files, size_t count, bnn_st_rename *rename,
                     bnn_st_file **out, bnn_error *err) {
    size_t most = 0;
    bnn_st_file *file = calloc(1, sizeof *file);
    bnn_code code = file && (file->parts = calloc(count + 1, sizeof(bnn_st_file *))) &&
                            (file->arena = bnn_arena_create())
                        ? BNN_OK
                        : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    for (size_t i = 0; i < count; i++) {
        most += files[i]->count;
        if (code == BNN_OK) {
            file->parts[file->part_count++] = files[i];
        } else {
            bnn_st_close(files[i]);
        }
    }
    if (code == BNN_OK) {
        code = bnn_st_reserve(name, file, most, err);
    }
    for (size_t i = 0; code == BNN_OK && i < count; i++) {
        for (size_t t = 0; code == BNN_OK && t < files[i]->count; t++) {
            bnn_st_tensor *tensor = &file->tensors[file->count++];
            *tensor = files[i]->tensors[t];
            tensor->name = rename ? rename(files[i], tensor->name, file->arena) : tensor->name;
            if (!tensor->name) {
                code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for its names", name);
            }
        }
    }
    if (code == BNN_OK) {
        code = bnn_st_index(name, file, err);
    }
    if (code != BNN_OK) {
        bnn_st_close(file);
        file = NULL;
    }
    *out = file;
    return code;
}

void bnn_st_close(bnn_st_file *file) {
    if (!file) {
        return;
    }
    for (size_t i = 0; i < file->part_count; i++) {
        bnn_st_close(file->parts[i]);
    }
    free(file->parts);
    json_decref(file->root);
    json_decref(file->compressed);
    free(file->tensors);
    free(file->by_name);
    bnn_arena_free(file->arena);
    bnn_map_close(&file->map);
    free(file);
}

/* ---- reading one ---- */

size_t bnn_st_count(const bnn_st_file *file) {
    return file->count;
}

const bnn_st_tensor *bnn_st_at(const bnn_st_file *file, size_t index) {
    return index < file->count ? &file->tensors[index] : NULL;
}

const bnn_st_tensor *bnn_st_find(const bnn_st_file *file, const char *name) {
    size_t low = 0, high = file->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(file->by_name[middle]->name, name);
        if (order == 0) {
            return file->by_name[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

size_t bnn_st_bytes(const bnn_st_file *file) {
    size_t sum = file->map.size;
    for (size_t i = 0; i < file->part_count; i++) {
        sum += bnn_st_bytes(file->parts[i]);
    }
    return sum;
}

static uLong checksum(const bnn_st_file *file, uLong sum) {
    sum = file->map.size ? crc32_z(sum, file->map.data, file->map.size) : sum;
    for (size_t i = 0; i < file->part_count; i++) {
        sum = checksum(file->parts[i], sum);
    }
    return sum;
}

uint32_t bnn_st_checksum(const bnn_st_file *file) {
    return (uint32_t)checksum(file, 0);
}

const char *bnn_st_metadata(const bnn_st_file *file, const char *key) {
    while (file->part_count == 1) {
        file = file->parts[0];
    }
    const json_t *value = json_object_get(json_object_get(file->root, METADATA_KEY), key);
    return json_string_value(value ? value : json_object_get(file->compressed, key));
}

uint32_t bnn_st_metadata_contents(json_t *metadata, const char *key) {
    uLong sum = 0;
    const char *name;
    json_t *value;
    json_object_foreach(metadata, name, value) {
        if (strcmp(name, key) != 0) {
            const char *text = json_string_value(value);
            sum = crc32_z(sum, (const unsigned char *)name, strlen(name) + 1);
            sum = crc32_z(sum, (const unsigned char *)text, strlen(text) + 1);
        }
    }
    return (uint32_t)sum;
}

uint32_t bnn_st_contents(const bnn_st_file *file, const char *key) {
    uLong sum = bnn_st_metadata_contents(json_object_get(file->root, METADATA_KEY), key);
    for (size_t i = 0; i < file->count; i++) {
        const bnn_st_tensor *t = &file->tensors[i];
        sum = t->bytes > 0 ? crc32_z(sum, t->data, t->bytes) : sum; /* of no bytes it is 0 */
    }
    return (uint32_t)sum;
}
