/* Why: most weights in the world were saved by torch.save, and "load it in PyTorch first" is no
 * answer where there is none. The decision: both of its formats are a pickle and storages, found in
 * different ways; all else is the same code. */
#include "engine/io/torch_file.h"

#include <stdlib.h>
#include <string.h>

#include "engine/io/torch_private.h"
#include "engine/io/zip.h"

int bnn_torch_is(const void *bytes, size_t size) {
    const unsigned char *b = bytes;
    static const unsigned char zeros[4];
    if (size > LENGTH_BYTES && b[LENGTH_BYTES] == '{' && memcmp(b + 4, zeros, sizeof zeros) == 0) {
        return 0; /* a safetensors file whose length looks like it */
    }
    return (size >= 4 && memcmp(b, "PK\3\4", 4) == 0) ||
           (size >= 2 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5);
}

static bnn_code build(const char *name, const bnn_py *top, const bnn_torch_storages *storages,
                      bnn_st_file *file, bnn_error *err) {
    const bnn_py *state_dict;
    bnn_code code = bnn_torch_state_dict(name, top, &state_dict, err);
    return code == BNN_OK ? bnn_torch_tensors(name, state_dict, storages, file, err) : code;
}

static bnn_code refuse_big_endian(const char *name, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "%s: its numbers are big-endian; load and save it on another machine", name);
}

/* ---- the archive: FOLDER/data.pkl, FOLDER/data/KEY, FOLDER/byteorder ---- */

typedef struct archive {
    bnn_zip zip;
    const char *folder; /* with its slash */
    size_t folder_length;
} archive;

static const bnn_zip_entry *entry_of(const archive *a, const char *file) {
    return bnn_zip_find(&a->zip, a->folder, a->folder_length, file, strlen(file));
}

static bnn_code find_in_archive(const void *self, const bnn_py *key, const unsigned char **data,
                                size_t *bytes, bnn_error *err) {
    const archive *a = self;
    char file[64] = "data/";
    const bnn_zip_entry *entry = NULL;
    if (key && key->kind == BNN_PY_TEXT && key->length < sizeof file - 5) {
        memcpy(file + 5, key->text, key->length);
        entry = bnn_zip_find(&a->zip, a->folder, a->folder_length, file, 5 + key->length);
    }
    if (!entry || entry->flaw) {
        return bnn_fail(err, BNN_ERR_FORMAT, "its storage '%s' %s", bnn_torch_label_of(key).s,
                        entry ? entry->flaw : "is missing; the file is damaged");
    }
    *data = entry->data;
    *bytes = entry->bytes;
    return BNN_OK;
}

/* The folder in which data.pkl lies; 0: there is none. */
static int find_folder(archive *a) {
    static const char file[] = "data.pkl";
    const size_t length = sizeof file - 1;
    for (size_t i = 0; i < a->zip.count; i++) {
        const bnn_zip_entry *e = &a->zip.entry[i];
        size_t folder = e->name_length >= length ? e->name_length - length : 0;
        if (e->name_length >= length && memcmp(e->name + folder, file, length) == 0 &&
            (folder == 0 || e->name[folder - 1] == '/')) {
            a->folder = e->name;
            a->folder_length = folder;
            return 1;
        }
    }
    return 0;
}

static bnn_code refuse_archive(const char *name, const archive *a, const void *bytes, size_t size,
                               bnn_error *err) {
    const bnn_zip_entry *first = a->zip.count ? &a->zip.entry[0] : NULL;
    bnn_code code =
        bnn_fail(err, BNN_ERR_FORMAT,
                 "%s: is a zip archive, but has no data.pkl as PyTorch's files have", name);
    return first && first->name_length > 4 &&
                   memcmp(first->name + first->name_length - 4, ".npy", 4) == 0
               ? bnn_st_other_format(name, bytes, size, err)
               : code;
}

static bnn_code parse_archive(const char *name, const void *bytes, size_t size, bnn_arena *arena,
                              bnn_st_file *file, bnn_error *err) {
    archive a = {0};
    bnn_py_result pickle;
    bnn_code code = bnn_zip_read(name, bytes, size, arena, &a.zip, err);
    if (code != BNN_OK) {
        return code;
    }
    if (!find_folder(&a)) {
        return refuse_archive(name, &a, bytes, size, err);
    }
    const bnn_zip_entry *order = entry_of(&a, "byteorder"), *data = entry_of(&a, "data.pkl");
    if (order && order->bytes == 3 && memcmp(order->data, "big", 3) == 0) {
        return refuse_big_endian(name, err);
    }
    if (data->flaw) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: data.pkl %s in it, which torch.save does not do; load and save it in "
                        "PyTorch",
                        name, data->flaw);
    }
    if ((code = bnn_py_read(name, data->data, data->bytes, arena, &pickle, err)) != BNN_OK) {
        return code;
    }
    const bnn_torch_storages storages = {&a, find_in_archive, size};
    return build(name, pickle.value, &storages, file, err);
}

/* ---- before 1.6: magic number, version, system, object, keys; then each key's storage ---- */

typedef struct raw_storage {
    const bnn_py *key;
    const bnn_torch_type *type; /* by the ids that the object has of it */
    const unsigned char *data;  /* NULL: not in the file */
    size_t bytes;
} raw_storage;

typedef struct stream {
    const char *name;
    const unsigned char *bytes;
    size_t size, at;
    bnn_arena *arena;
    raw_storage *storage; /* by key */
    size_t count;
    bnn_error *err;
} stream;

static int compare_keys(const bnn_py *a, const bnn_py *b) {
    int order = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare(const void *a, const void *b) {
    return compare_keys(((const raw_storage *)a)->key, ((const raw_storage *)b)->key);
}

static raw_storage *find_raw(const stream *s, const bnn_py *key) {
    const raw_storage wanted = {.key = key};
    return key && key->kind == BNN_PY_TEXT && s->count
               ? bsearch(&wanted, s->storage, s->count, sizeof wanted, compare)
               : NULL;
}

static bnn_code find_in_stream(const void *self, const bnn_py *key, const unsigned char **data,
                               size_t *bytes, bnn_error *err) {
    const raw_storage *found = find_raw(self, key);
    if (!found || !found->data) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "its storage '%s' is missing; the file is damaged or cut short",
                        bnn_torch_label_of(key).s);
    }
    *data = found->data;
    *bytes = found->bytes;
    return BNN_OK;
}

static bnn_code next_pickle(stream *s, bnn_py_result *out) {
    bnn_code code = bnn_py_read(s->name, s->bytes + s->at, s->size - s->at, s->arena, out, s->err);
    s->at += code == BNN_OK ? out->bytes : 0;
    return code;
}

static bnn_code read_start(stream *s) {
    static const char magic[] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    bnn_py_result number, version, system;
    bnn_code code = next_pickle(s, &number);
    if (code == BNN_ERR_MEMORY) {
        return code;
    }
    if (code != BNN_OK || number.value->kind != BNN_PY_LONG || number.value->length != 10 ||
        memcmp(number.value->text, magic, 10) != 0) {
        return bnn_fail(s->err, BNN_ERR_FORMAT,
                        "%s: is a Python pickle, but not one of torch.save; load it in Python and "
                        "save its weights: " BNN_TORCH_SAVE,
                        s->name);
    }
    if ((code = next_pickle(s, &version)) || (code = next_pickle(s, &system))) {
        return code;
    }
    if (version.value->kind != BNN_PY_INT || version.value->number != 1001 ||
        !bnn_py_is_dict(system.value)) {
        return bnn_fail(s->err, BNN_ERR_UNSUPPORTED,
                        "%s: is of a version of torch.save's format that is not known; load and "
                        "save it in PyTorch",
                        s->name);
    }
    const bnn_py *little = bnn_py_get(system.value, "little_endian");
    return little && little->kind == BNN_PY_BOOL && !little->number
               ? refuse_big_endian(s->name, s->err)
               : BNN_OK;
}

/* The storages that the object's ids speak of, each once. */
static bnn_code list_storages(stream *s, const bnn_py_result *object) {
    s->storage = bnn_arena_alloc(s->arena, (object->persistent_count + 1) * sizeof *s->storage);
    if (!s->storage) {
        return bnn_fail(s->err, BNN_ERR_MEMORY, "%s: out of memory for its storages", s->name);
    }
    for (size_t i = 0; i < object->persistent_count; i++) {
        const bnn_py *id = object->persistent[i]->argument, *key = bnn_py_item(id, 2);
        const bnn_torch_type *type = bnn_torch_type_of(bnn_py_item(id, 1));
        if (bnn_py_is(bnn_py_item(id, 0), "storage") && key && key->kind == BNN_PY_TEXT && type) {
            s->storage[s->count++] = (raw_storage){.key = key, .type = type};
        }
    }
    if (s->count) {
        qsort(s->storage, s->count, sizeof *s->storage, compare);
    }
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (i == 0 || compare(&s->storage[kept - 1], &s->storage[i]) != 0) {
            s->storage[kept++] = s->storage[i];
        }
    }
    s->count = kept;
    return BNN_OK;
}

/* One after the other, each behind the number of its items. */
static bnn_code read_storages(stream *s, const bnn_py *keys) {
    for (size_t i = 0; i < keys->count; i++) {
        raw_storage *raw = find_raw(s, keys->item[i]);
        uint64_t items = 0;
        if (!raw) {
            return bnn_fail(s->err, BNN_ERR_FORMAT,
                            "%s: holds a storage '%s' of a type that is not known; load and save "
                            "it in PyTorch",
                            s->name, bnn_torch_label_of(keys->item[i]).s);
        }
        if (s->size - s->at >= 8) {
            for (int byte = 7; byte >= 0; byte--) {
                items = items << 8 | s->bytes[s->at + (size_t)byte];
            }
        }
        if (s->size - s->at < 8 || items > (s->size - s->at - 8) / raw->type->bytes) {
            return bnn_fail(s->err, BNN_ERR_FORMAT,
                            "%s: ends within its storage '%s'; the file is damaged, or cut short: "
                            "is the download complete?",
                            s->name, bnn_torch_label_of(keys->item[i]).s);
        }
        raw->data = s->bytes + s->at + 8;
        raw->bytes = (size_t)items * raw->type->bytes;
        s->at += 8 + raw->bytes;
    }
    return BNN_OK;
}

static bnn_code parse_stream(const char *name, const void *bytes, size_t size, bnn_arena *arena,
                             bnn_st_file *file, bnn_error *err) {
    stream s = {.name = name, .bytes = bytes, .size = size, .arena = arena, .err = err};
    bnn_py_result object, keys;
    bnn_code code = read_start(&s);
    if (code != BNN_OK || (code = next_pickle(&s, &object)) || (code = next_pickle(&s, &keys)) ||
        (code = list_storages(&s, &object))) {
        return code;
    }
    if (keys.value->kind != BNN_PY_LIST) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: lacks the list of its storages; it is damaged",
                        name);
    }
    if ((code = read_storages(&s, keys.value)) != BNN_OK) {
        return code;
    }
    const bnn_torch_storages storages = {&s, find_in_stream, size};
    return build(name, object.value, &storages, file, err);
}

bnn_code bnn_torch_parse(const char *name, const void *bytes, size_t size, bnn_st_file **out,
                         bnn_error *err) {
    bnn_arena *arena = bnn_arena_create(); /* of the pickle, which nobody needs afterwards */
    bnn_st_file *file = calloc(1, sizeof *file);
    int is_archive = size > 0 && *(const unsigned char *)bytes == 'P';
    *out = NULL;
    bnn_code code = arena && file && (file->arena = bnn_arena_create())
                        ? BNN_OK
                        : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    if (code == BNN_OK) {
        code = (is_archive ? parse_archive : parse_stream)(name, bytes, size, arena, file, err);
    }
    bnn_arena_free(arena);
    if (code != BNN_OK) {
        bnn_st_close(file);
        return code;
    }
    *out = file;
    return BNN_OK;
}
