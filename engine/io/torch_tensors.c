/* Why: a tensor of PyTorch is a view of a storage, with an offset and strides that a file may lie
 * about. The decision: a view is checked against its storage before a byte is read; what lies row
 * by row is used where it is, and the rest is copied into that order, all in all not much more than
 * the file holds. */
#include <string.h>

#include "engine/io/torch_private.h"

static const bnn_torch_type types[] = {
    {"FloatStorage", "float32", 4, BNN_ST_F32},
    {"DoubleStorage", "float64", 8, BNN_ST_F64},
    {"HalfStorage", "float16", 2, BNN_ST_F16},
    {"BFloat16Storage", "bfloat16", 2, BNN_ST_BF16},
    {"LongStorage", "int64", 8, BNN_ST_I64},
    {"IntStorage", "int32", 4, BNN_ST_I32},
    {"ShortStorage", "int16", 2, BNN_ST_I16},
    {"CharStorage", "int8", 1, BNN_ST_I8},
    {"ByteStorage", "uint8", 1, BNN_ST_U8},
    {"BoolStorage", "bool", 1, BNN_ST_BOOL},
    {NULL, "uint64", 8, BNN_ST_U64},
    {NULL, "uint32", 4, BNN_ST_U32},
    {NULL, "uint16", 2, BNN_ST_U16},
    {"UntypedStorage", NULL, 1, -1}, /* the tensor says of which */
    {"ComplexFloatStorage", "complex64", 8, -1},
    {"ComplexDoubleStorage", "complex128", 16, -1},
    {"QUInt8Storage", "quint8", 1, -1},
    {"QInt8Storage", "qint8", 1, -1},
    {"QInt32Storage", "qint32", 4, -1},
    {"QUInt4x2Storage", "quint4x2", 1, -1},
    {"QUInt2x4Storage", "quint2x4", 1, -1},
};

const bnn_torch_type *bnn_torch_type_of(const bnn_py *global) {
    if (!global || global->kind != BNN_PY_GLOBAL || strncmp(global->text, "torch.", 6) != 0) {
        return NULL;
    }
    const char *name = strrchr(global->text, '.') + 1; /* "torch.cuda.", "torch.storage." */
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if ((types[i].storage && strcmp(types[i].storage, name) == 0) ||
            (types[i].name && strcmp(types[i].name, name) == 0)) {
            return &types[i];
        }
    }
    return NULL;
}

typedef struct builder {
    const char *file_name;
    const bnn_torch_storages *storages;
    bnn_st_file *file;
    size_t copied;
    bnn_error *err;
} builder;

/* Of one tensor, what its storage is. */
typedef struct storage {
    const bnn_torch_type *type;
    const unsigned char *data;
    size_t items, bytes;
} storage;

static bnn_code damaged(const builder *b, const char *name, const char *why) {
    return bnn_fail(b->err, BNN_ERR_FORMAT, "%s: " NAME_FORMAT ": %s; the file is damaged",
                    b->file_name, name, why);
}

/* A whole number that is not negative. */
static int size_of(const bnn_py *value, size_t *out) {
    int ok = value && value->kind == BNN_PY_INT && value->number >= 0 &&
             (uint64_t)value->number <= PTRDIFF_MAX;
    *out = ok ? (size_t)value->number : 0;
    return ok;
}

/* ---- storages ---- */

/* Before 1.6 a storage may be a part of another: (key, offset, size). */
static int narrow(const bnn_py *view, storage *s) {
    size_t offset, items;
    if (!view || view->kind == BNN_PY_NONE) {
        return 1;
    }
    if (!size_of(bnn_py_item(view, 1), &offset) || !size_of(bnn_py_item(view, 2), &items) ||
        offset > s->items || items > s->items - offset) {
        return 0;
    }
    s->data += offset * s->type->bytes;
    s->items = items;
    return 1;
}

/* From its id: ("storage", class, key, where, items[, view]). */
static bnn_code find_storage(const builder *b, const char *name, const bnn_py *value, storage *s) {
    const bnn_py *id = value && value->kind == BNN_PY_PERSISTENT ? value->argument : NULL;
    const bnn_py *class = bnn_py_item(id, 1);
    *s = (storage){.type = bnn_torch_type_of(class)};
    if (!bnn_py_is(bnn_py_item(id, 0), "storage") || !size_of(bnn_py_item(id, 4), &s->items)) {
        return damaged(b, name, "has no storage");
    }
    if (!s->type) {
        return bnn_fail(b->err, BNN_ERR_UNSUPPORTED,
                        "%s: " NAME_FORMAT ": lies in a %s, which is not supported; convert the "
                        "tensor to float32, say",
                        b->file_name, name, bnn_torch_label_of(class).s);
    }
    bnn_code code =
        b->storages->find(b->storages->self, bnn_py_item(id, 2), &s->data, &s->bytes, b->err);
    if (code != BNN_OK) {
        return bnn_fail_in(b->err, code, "%s: " NAME_FORMAT, b->file_name, name);
    }
    if (s->items > s->bytes / s->type->bytes || !narrow(bnn_py_item(id, 5), s)) {
        return damaged(b, name, "its storage is larger than what the file holds of it");
    }
    return BNN_OK;
}

/* ---- views ---- */

typedef struct view {
    size_t offset; /* items, as the strides */
    size_t stride[BNN_ST_MAX_DIMS];
} view;

static bnn_code read_view(const builder *b, const bnn_py *arguments, bnn_st_tensor *t, view *v) {
    const bnn_py *shape = bnn_py_item(arguments, 2), *stride = bnn_py_item(arguments, 3);
    if (!size_of(bnn_py_item(arguments, 1), &v->offset) || !shape || !stride ||
        shape->kind != BNN_PY_TUPLE || stride->kind != BNN_PY_TUPLE ||
        shape->count != stride->count) {
        return damaged(b, t->name, "has no offset, shape and strides that fit each other");
    }
    if (shape->count > BNN_ST_MAX_DIMS) {
        return bnn_fail(b->err, BNN_ERR_UNSUPPORTED,
                        "%s: " NAME_FORMAT ": has %zu dimensions, at most %d are supported",
                        b->file_name, t->name, shape->count, BNN_ST_MAX_DIMS);
    }
    t->ndim = (int)shape->count;
    for (int i = 0; i < t->ndim; i++) {
        size_t size;
        if (!size_of(shape->item[i], &size) || !size_of(stride->item[i], &v->stride[i])) {
            return damaged(b, t->name, "a dimension or a stride is not a non-negative integer");
        }
        t->shape[i] = (int64_t)size;
    }
    return bnn_st_size(t->ndim, t->shape, bnn_st_dtype_bytes(t->dtype), &t->count, &t->bytes)
               ? BNN_OK
               : damaged(b, t->name, "its shape is larger than any memory");
}

/* Whether the view's last item is among `items`. */
static int lies_in(const bnn_st_tensor *t, const view *v, size_t items) {
    size_t last = v->offset;
    for (int i = 0; i < t->ndim; i++) {
        size_t way;
        if (__builtin_mul_overflow((size_t)t->shape[i] - 1, v->stride[i], &way) ||
            __builtin_add_overflow(last, way, &last)) {
            return 0;
        }
    }
    return last < items;
}

static int is_row_by_row(const bnn_st_tensor *t, const view *v) {
    size_t stride = 1;
    for (int i = t->ndim; i-- > 0; stride *= (size_t)t->shape[i]) {
        if (t->shape[i] != 1 && v->stride[i] != stride) {
            return 0;
        }
    }
    return 1;
}

static void copy_items(const bnn_st_tensor *t, const view *v, const unsigned char *data,
                       unsigned char *out) {
    const size_t item = bnn_st_dtype_bytes(t->dtype);
    size_t index[BNN_ST_MAX_DIMS] = {0}, at = v->offset;
    for (size_t n = 0; n < t->count; n++) {
        memcpy(out + n * item, data + at * item, item);
        for (int i = t->ndim; i-- > 0;) { /* the next index, the last dimension first */
            at += v->stride[i];
            if (++index[i] < (size_t)t->shape[i]) {
                break;
            }
            at -= index[i] * v->stride[i];
            index[i] = 0;
        }
    }
}

/* The data of a view that lies in its storage. */
static bnn_code place(builder *b, bnn_st_tensor *t, const view *v, const unsigned char *data) {
    static const size_t slack = (size_t)1 << 20;
    if (t->count == 0 || is_row_by_row(t, v)) {
        t->data = t->count ? data + v->offset * bnn_st_dtype_bytes(t->dtype) : data;
        return BNN_OK;
    }
    size_t most = b->storages->file_bytes + slack;
    if (t->bytes > most - b->copied) {
        return bnn_fail(b->err, BNN_ERR_UNSUPPORTED,
                        "%s: " NAME_FORMAT ": repeats values of its storage, and with others of "
                        "the kind is larger than the file; save it as t.contiguous()",
                        b->file_name, t->name);
    }
    unsigned char *copy = bnn_arena_alloc(b->file->arena, t->bytes);
    if (!copy) {
        return bnn_fail(b->err, BNN_ERR_MEMORY, "%s: out of memory for " NAME_FORMAT, b->file_name,
                        t->name);
    }
    b->copied += t->bytes;
    copy_items(t, v, data, copy);
    t->data = copy;
    return BNN_OK;
}

/* ---- tensors ---- */

/* A name of the file's as a C string. */
static bnn_code take_name(const builder *b, const bnn_py *key, const char **out) {
    if (memchr(key->text, '\0', key->length)) {
        return bnn_fail(b->err, BNN_ERR_FORMAT,
                        "%s: a tensor's name has a NUL in it (\"%.100s...\"); the file is damaged",
                        b->file_name, key->text);
    }
    char *name = bnn_arena_alloc(b->file->arena, key->length + 1);
    if (!name) {
        return bnn_fail(b->err, BNN_ERR_MEMORY, "%s: out of memory for its names", b->file_name);
    }
    memcpy(name, key->text, key->length);
    *out = name;
    return BNN_OK;
}

/* What _rebuild_tensor's versions are given: storage, offset, shape, strides, requires_grad, hooks;
 * then version 3 the type; then a dictionary of what is to be done to the values. */
static bnn_code read_tensor(builder *b, const char *name, const bnn_torch_call *call) {
    bnn_st_tensor *t = &b->file->tensors[b->file->count];
    const int typed = call->version == 3;
    const bnn_py *type_name = typed ? bnn_py_item(call->arguments, 6) : NULL;
    const bnn_py *changes = bnn_py_item(call->arguments, typed ? 7 : 6);
    storage s;
    view v = {0};
    *t = (bnn_st_tensor){.name = name};
    bnn_code code = find_storage(b, name, bnn_py_item(call->arguments, 0), &s);
    if (code != BNN_OK) {
        return code;
    }
    const bnn_torch_type *type = typed ? bnn_torch_type_of(type_name) : s.type;
    const int known = type && type->dtype >= 0;
    if (!known || (changes && changes->kind != BNN_PY_NONE)) {
        return bnn_fail(b->err, BNN_ERR_UNSUPPORTED,
                        "%s: " NAME_FORMAT ": is of %s, which is not supported; convert the "
                        "tensor to float32, say",
                        b->file_name, name,
                        known                ? "a conjugate or negative view"
                        : typed              ? bnn_torch_label_of(type_name).s
                        : type && type->name ? type->name
                                             : "no type");
    }
    t->dtype = (bnn_st_dtype)type->dtype;
    if ((code = read_view(b, call->arguments, t, &v)) != BNN_OK) {
        return code;
    }
    if (t->count && !lies_in(t, &v, s.items * s.type->bytes / type->bytes)) {
        return damaged(b, name, "its shape and strides do not lie in its storage");
    }
    code = place(b, t, &v, s.data);
    b->file->count += code == BNN_OK;
    return code;
}

/* Numbers, texts and dictionaries beside the tensors are no weights. */
static bnn_code read_pair(builder *b, const bnn_py *key, const bnn_py *value) {
    bnn_torch_call call;
    const char *name = NULL;
    if (key->kind != BNN_PY_TEXT || value->kind != BNN_PY_CALL || bnn_py_is_dict(value)) {
        return BNN_OK;
    }
    if (!bnn_torch_tensor_of(value, &call)) {
        const char *function = bnn_py_function(value);
        return bnn_fail(b->err, BNN_ERR_UNSUPPORTED,
                        "%s: '%s' is made by %.100s, which is not run here; save a state dict of "
                        "plain tensors: " BNN_TORCH_SAVE,
                        b->file_name, bnn_torch_label_of(key).s,
                        function[0] ? function : "something without a name");
    }
    bnn_code code = take_name(b, key, &name);
    return code == BNN_OK ? read_tensor(b, name, &call) : code;
}

bnn_code bnn_torch_tensors(const char *name, const bnn_py *state_dict,
                           const bnn_torch_storages *storages, bnn_st_file *file, bnn_error *err) {
    builder b = {.file_name = name, .storages = storages, .file = file, .err = err};
    const bnn_py *key, *value;
    size_t pairs = bnn_py_pairs(state_dict);
    bnn_code code = bnn_st_reserve(name, file, pairs, err);
    for (size_t i = 0; i < pairs && code == BNN_OK; i++) {
        bnn_py_pair(state_dict, i, &key, &value);
        code = read_pair(&b, key, value);
    }
    return code == BNN_OK ? bnn_st_index(name, file, err) : code;
}
