/* Why: weights travel in safetensors files, and a file from somewhere else may say anything. The
 * decision: parse keeps jansson's tree alive, because names and metadata point into it, and turns
 * it once into a table of tensors sorted by offset, checked as strictly as the reference
 * implementation does: the data section is covered exactly, with no gap and no overlap. */
#include "engine/io/safetensors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/io/safetensors_private.h"

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    [BNN_ST_F32] = {"F32", 4},   [BNN_ST_F64] = {"F64", 8}, [BNN_ST_F16] = {"F16", 2},
    [BNN_ST_BF16] = {"BF16", 2}, [BNN_ST_I64] = {"I64", 8}, [BNN_ST_I32] = {"I32", 4},
    [BNN_ST_I16] = {"I16", 2},   [BNN_ST_I8] = {"I8", 1},   [BNN_ST_U64] = {"U64", 8},
    [BNN_ST_U32] = {"U32", 4},   [BNN_ST_U16] = {"U16", 2}, [BNN_ST_U8] = {"U8", 1},
    [BNN_ST_BOOL] = {"BOOL", 1},
};
#define DTYPE_COUNT (sizeof dtypes / sizeof dtypes[0])

size_t bnn_st_dtype_bytes(bnn_st_dtype dtype) {
    return (size_t)dtype < DTYPE_COUNT ? dtypes[dtype].bytes : 0;
}

const char *bnn_st_dtype_name(bnn_st_dtype dtype) {
    return (size_t)dtype < DTYPE_COUNT ? dtypes[dtype].name : "unknown";
}

int bnn_st_size(int ndim, const int64_t *shape, size_t item, size_t *count, size_t *bytes) {
    size_t product = 1;
    int empty = 0;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0 || (uint64_t)shape[i] > PTRDIFF_MAX) {
            return 0;
        }
        if (shape[i] == 0) {
            empty = 1;
        } else if (__builtin_mul_overflow(product, (size_t)shape[i], &product)) {
            return 0;
        }
    }
    size_t total;
    if (__builtin_mul_overflow(product, item, &total) || total > PTRDIFF_MAX) {
        return 0;
    }
    *count = empty ? 0 : product;
    *bytes = empty ? 0 : total;
    return 1;
}

/* ---- reading ---- */

typedef struct entry {
    bnn_st_tensor tensor;
    size_t begin, end; /* in the data section */
    size_t order;      /* in the header: settles ties between empty tensors */
} entry;

/* What a reader of the header needs to say where it is. */
typedef struct source {
    const char *name;
    const unsigned char *data;
    size_t data_bytes;
    bnn_error *err;
} source;

static size_t read_length(const unsigned char *bytes) {
    uint64_t n = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--) {
        n = n << 8 | bytes[i];
    }
    return n > SIZE_MAX ? SIZE_MAX : (size_t)n;
}

static bnn_code find_header(const char *name, const unsigned char *bytes, size_t size,
                            size_t *length, bnn_error *err) {
    if (size < LENGTH_BYTES) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %sonly %zu bytes, too short for a safetensors file; is the download "
                        "complete?",
                        name, size == 0 ? "is empty: " : "", size);
    }
    *length = read_length(bytes);
    if (*length > MAX_HEADER_BYTES) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: says its header has %zu bytes (at most %d are allowed); probably not "
                        "a safetensors file",
                        name, *length, MAX_HEADER_BYTES);
    }
    if (*length > size - LENGTH_BYTES) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: says its header has %zu bytes, but only %zu follow; the file is cut "
                        "short or not a safetensors file",
                        name, *length, size - LENGTH_BYTES);
    }
    return BNN_OK;
}

/* ---- jansson drops a character where its buffer cannot grow, and goes on ---- */

/* Bytes that the JSON string from text[*at] (behind its quote) holds; moves *at behind it. */
static size_t string_bytes(const char *text, size_t *at) {
    size_t bytes = 0;
    for (; text[*at] != '"'; bytes++, *at += 1) {
        if (text[*at] != '\\') {
            continue;
        }
        *at += 1;
        if (text[*at] == 'u') { /* a code unit; each of a pair makes two of four bytes */
            char digits[5] = {0};
            memcpy(digits, text + *at + 1, 4);
            unsigned long unit = strtoul(digits, NULL, 16);
            bytes += unit < 0x80 ? 0 : unit < 0x800 || (unit & 0xf800) == 0xd800 ? 1 : 2;
            *at += 4;
        }
    }
    *at += 1;
    return bytes;
}

static size_t strings_of_text(const char *text, size_t length) {
    size_t sum = 0;
    for (size_t i = 0; i < length;) {
        if (text[i++] == '"') {
            sum += string_bytes(text, &i);
        }
    }
    return sum;
}

/* As deep as jansson lets a text be. */
static size_t strings_of_tree(json_t *value) {
    size_t sum = json_string_length(value), index;
    const char *key;
    json_t *item;
    json_object_foreach(value, key, item) {
        sum += strlen(key) + strings_of_tree(item);
    }
    json_array_foreach(value, index, item) {
        sum += strings_of_tree(item);
    }
    return sum;
}

/* jansson takes any white space around the object; the format takes none in front and only spaces
 * as padding behind. */
static bnn_code load_json(const char *name, const char *what, const char *text, size_t length,
                          json_t **root, bnn_error *err) {
    while (length > 0 && text[length - 1] == ' ') {
        length--;
    }
    if (length < 2 || text[0] != '{' || text[length - 1] != '}') {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: the %s is not a JSON object padded with spaces; probably not a "
                        "safetensors file",
                        name, what);
    }
    json_error_t problem;
    *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    int whole = *root && strings_of_tree(*root) == strings_of_text(text, length);
    if (whole) {
        return BNN_OK;
    }
    /* Where memory ends early, jansson says nothing at all. */
    if (*root || !problem.text[0] || json_error_code(&problem) == json_error_out_of_memory) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory reading the %s", name, what);
    }
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: the %s is not usable JSON at byte %d: %.200s; the file is damaged", name,
                    what, problem.position, problem.text);
}

static bnn_code check_metadata(const source *src, json_t *metadata) {
    const char *key;
    json_t *value;
    if (!json_is_object(metadata)) {
        return bnn_fail(src->err, BNN_ERR_FORMAT,
                        "%s: " METADATA_KEY " is not a JSON object; write it again with a "
                        "safetensors library",
                        src->name);
    }
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value)) {
            return bnn_fail(src->err, BNN_ERR_FORMAT,
                            "%s: " METADATA_KEY " value of \"%.100s\" is not a string; the format "
                            "allows only strings there",
                            src->name, key);
        }
    }
    return BNN_OK;
}

static bnn_code read_dtype(const source *src, const char *name, const json_t *value,
                           bnn_st_dtype *dtype) {
    const char *text = json_string_value(value); /* NULL when missing or of another type */
    if (!text) {
        return bnn_fail(src->err, BNN_ERR_FORMAT,
                        "%s: " NAME_FORMAT ": dtype is missing or not a string", src->name, name);
    }
    for (size_t i = 0; i < DTYPE_COUNT; i++) {
        if (strcmp(text, dtypes[i].name) == 0) {
            *dtype = (bnn_st_dtype)i;
            return BNN_OK;
        }
    }
    return bnn_fail(src->err, BNN_ERR_UNSUPPORTED,
                    "%s: " NAME_FORMAT ": dtype \"%.40s\" is not supported; convert the tensor to "
                    "F32, say",
                    src->name, name, text);
}

static bnn_code read_shape(const source *src, const json_t *shape, bnn_st_tensor *tensor) {
    const char *name = tensor->name;
    if (!json_is_array(shape)) {
        return bnn_fail(src->err, BNN_ERR_FORMAT,
                        "%s: " NAME_FORMAT ": shape is missing or not a list", src->name, name);
    }
    size_t ndim = json_array_size(shape);
    if (ndim > BNN_ST_MAX_DIMS) {
        return bnn_fail(src->err, BNN_ERR_UNSUPPORTED,
                        "%s: " NAME_FORMAT ": has %zu dimensions, at most %d are supported",
                        src->name, name, ndim, BNN_ST_MAX_DIMS);
    }
    tensor->ndim = (int)ndim;
    for (size_t i = 0; i < ndim; i++) {
        const json_t *dim = json_array_get(shape, i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0) {
            return bnn_fail(src->err, BNN_ERR_FORMAT,
                            "%s: " NAME_FORMAT ": dimension %zu of its shape is not a "
                            "non-negative integer; the file is damaged",
                            src->name, name, i);
        }
        tensor->shape[i] = json_integer_value(dim);
    }
    if (!bnn_st_size(tensor->ndim, tensor->shape, bnn_st_dtype_bytes(tensor->dtype), &tensor->count,
                     &tensor->bytes)) {
        return bnn_fail(src->err, BNN_ERR_FORMAT,
                        "%s: " NAME_FORMAT ": its shape is larger than any memory; the file is "
                        "damaged",
                        src->name, name);
    }
    return BNN_OK;
}

static bnn_code read_offsets(const source *src, const json_t *offsets, entry *e) {
    const char *name = e->tensor.name;
    const json_t *first = json_array_get(offsets, 0), *second = json_array_get(offsets, 1);
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 || !json_is_integer(first) ||
        !json_is_integer(second)) {
        return bnn_fail(src->err, BNN_ERR_FORMAT,
                        "%s: " NAME_FORMAT ": data_offsets is missing or not two integers",
                        src->name, name);
    }
    json_int_t begin = json_integer_value(first), end = json_integer_value(second);
    if (begin < 0 || end < begin || (uint64_t)end > src->data_bytes) {
        return bnn_fail(src->err, BNN_ERR_FORMAT,
                        "%s: " NAME_FORMAT ": data_offsets [%lld, %lld] do not lie in the file's "
                        "%zu bytes of data; the file is damaged or cut short",
                        src->name, name, (long long)begin, (long long)end, src->data_bytes);
    }
    e->begin = (size_t)begin;
    e->end = (size_t)end;
    if (e->end - e->begin != e->tensor.bytes) {
        return bnn_fail(src->err, BNN_ERR_FORMAT,
                        "%s: " NAME_FORMAT ": dtype and shape ask for %zu bytes, data_offsets "
                        "give %zu; the file is damaged",
                        src->name, name, e->tensor.bytes, e->end - e->begin);
    }
    e->tensor.data = src->data + e->begin;
    return BNN_OK;
}

static bnn_code read_tensor(const source *src, const char *name, const json_t *info, entry *e) {
    e->tensor.name = name;
    if (!json_is_object(info)) {
        return bnn_fail(src->err, BNN_ERR_FORMAT,
                        "%s: " NAME_FORMAT ": its description is not a JSON object", src->name,
                        name);
    }
    bnn_code code = read_dtype(src, name, json_object_get(info, "dtype"), &e->tensor.dtype);
    if (code == BNN_OK) {
        code = read_shape(src, json_object_get(info, "shape"), &e->tensor);
    }
    if (code == BNN_OK) {
        code = read_offsets(src, json_object_get(info, "data_offsets"), e);
    }
    return code;
}

static int compare_offsets(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    if (x->end != y->end) {
        return x->end < y->end ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Every byte of data belongs to exactly one tensor. `entries` are sorted by offset. */
static bnn_code check_coverage(const source *src, const entry *entries, size_t count) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const entry *e = &entries[i];
        if (e->begin != at) {
            return bnn_fail(src->err, BNN_ERR_FORMAT,
                            "%s: " NAME_FORMAT ": begins at data byte %zu, %s at byte %zu; the "
                            "file is damaged",
                            src->name, e->tensor.name, e->begin,
                            e->begin < at ? "inside the tensor before it, which ends"
                                          : "leaving a gap after the tensor before it, which ends",
                            at);
        }
        at = e->end;
    }
    if (at != src->data_bytes) {
        return bnn_fail(src->err, BNN_ERR_FORMAT,
                        "%s: %zu bytes of data follow the last tensor; the file is damaged",
                        src->name, src->data_bytes - at);
    }
    return BNN_OK;
}

/* Reads the header's entries, sorted by offset. */
static bnn_code read_entries(const source *src, json_t *root, entry *entries, size_t *count) {
    const char *key;
    json_t *value;
    size_t n = 0;
    json_object_foreach(root, key, value) {
        bnn_code code;
        if (strcmp(key, METADATA_KEY) == 0) {
            code = check_metadata(src, value);
        } else {
            entries[n].order = n;
            code = read_tensor(src, key, value, &entries[n]);
            n++;
        }
        if (code != BNN_OK) {
            return code;
        }
    }
    *count = n;
    qsort(entries, n, sizeof *entries, compare_offsets);
    return check_coverage(src, entries, n);
}

static bnn_code read_tensors(const source *src, bnn_st_file *file) {
    size_t most = json_object_size(file->root), count = 0;
    entry *entries = calloc(most + 1, sizeof *entries); /* + 1: never a size of 0 */
    bnn_code code = entries ? bnn_st_reserve(src->name, file, most, src->err)
                            : bnn_fail(src->err, BNN_ERR_MEMORY,
                                       "%s: out of memory for %zu tensors", src->name, most);
    if (code == BNN_OK && !(code = read_entries(src, file->root, entries, &count))) {
        for (size_t i = 0; i < count; i++) {
            file->tensors[file->count++] = entries[i].tensor;
        }
        code = bnn_st_index(src->name, file, src->err);
    }
    free(entries);
    return code;
}

static bnn_code read_compressed(const source *src, bnn_st_file *file) {
    const bnn_st_tensor *tensor = bnn_st_find(file, BNN_ST_COMPRESSED);
    char *text = NULL;
    size_t length = 0;
    bnn_code code = tensor ? bnn_st_inflate(src->name, tensor, &text, &length, src->err) : BNN_OK;
    if (text) {
        code =
            load_json(src->name, "compressed metadata", text, length, &file->compressed, src->err);
        code = code == BNN_OK ? check_metadata(src, file->compressed) : code;
    }
    free(text);
    return code;
}

bnn_code bnn_st_parse(const char *name, const void *bytes, size_t size, bnn_st_file **out,
                      bnn_error *err) {
    size_t length = 0;
    *out = NULL;
    bnn_code code = find_header(name, bytes, size, &length, err);
    if (code != BNN_OK) {
        return bnn_st_other_format(name, bytes, size, err);
    }
    bnn_st_file *file = calloc(1, sizeof *file);
    if (!file) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    }
    const unsigned char *header = (const unsigned char *)bytes + LENGTH_BYTES;
    const source src = {name, header + length, size - LENGTH_BYTES - length, err};
    code = load_json(name, "header", (const char *)header, length, &file->root, err);
    if (code == BNN_ERR_FORMAT) {
        code = bnn_st_other_format(name, bytes, size, err);
    } else if (code == BNN_OK && !(code = read_tensors(&src, file))) {
        code = read_compressed(&src, file);
    }
    if (code != BNN_OK) {
        bnn_st_close(file);
        return code;
    }
    *out = file;
    return BNN_OK;
}
