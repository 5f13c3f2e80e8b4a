/* Sources that a file lists: of one's own house, and for tests. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "tools/fetch/path.h"
#include "tools/fetch/sources.h"

enum { MOST_SETS = 1000, MOST_FILES = 1000, LARGEST_TABLE = 1 << 22 };

typedef struct reader {
    const char *name;
    size_t set; /* for messages */
    bnn_error *err;
} reader;

typedef struct owned {
    json_t *root; /* the texts */
    bnn_source *source;
} owned;

static bnn_code fail(const reader *r, const char *key, const char *what) {
    return bnn_fail(r->err, BNN_ERR_FORMAT, "%s: set %zu: %s %s", r->name, r->set + 1, key, what);
}

static bnn_code check_keys(const reader *r, const json_t *object, const char *const *known) {
    const char *key;
    json_t *value;
    if (!json_is_object(object)) {
        return fail(r, "it, or one of its files or parts,", "is no object");
    }
    json_object_foreach((json_t *)object, key, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0) {
            i++;
        }
        if (!known[i]) {
            return fail(r, key, "is unknown");
        }
    }
    return BNN_OK;
}

/* A text of one line; what is not given keeps its value. */
static bnn_code take_text(const reader *r, const json_t *object, const char *key,
                          const char **out) {
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    if (value && !text) {
        return fail(r, key, "must be a text");
    }
    for (const char *c = text; c && *c; c++) {
        if ((unsigned char)*c < 0x20) {
            return fail(r, key, "has a control character");
        }
    }
    *out = text ? text : *out;
    return BNN_OK;
}

static bnn_code take_path(const reader *r, const json_t *object, const char *key,
                          const char **out) {
    char safe[BNN_FETCH_PATH];
    bnn_code code = take_text(r, object, key, out);
    if (code == BNN_OK && *out && (!bnn_safe_path(*out, safe) || strcmp(safe, *out) != 0)) {
        return fail(r, key, "must be a relative path without '..'");
    }
    return code;
}

static bnn_code take_count(const reader *r, const json_t *object, const char *key, uint64_t *out) {
    const json_t *value = json_object_get(object, key);
    const json_int_t number = json_integer_value(value);
    if (value && (!json_is_integer(value) || number < 0 || number > (json_int_t)1 << 50)) {
        return fail(r, key, "must be a number of bytes or files");
    }
    *out = (uint64_t)number;
    return BNN_OK;
}

static bnn_code take_sum(const reader *r, const json_t *object, const char *key, size_t digits,
                         const char **out) {
    bnn_code code = take_text(r, object, key, out);
    if (code == BNN_OK && *out &&
        (strlen(*out) != digits || strspn(*out, "0123456789abcdef") != digits)) {
        return fail(r, key, "must be a checksum's hexadecimal digits, in lower case");
    }
    return code;
}

static bnn_code take_file(const reader *r, const json_t *object, bnn_source_file *f) {
    static const char *const keys[] = {"url", "bytes", "md5", "sha256", "inside", NULL};
    size_t length;
    bnn_code code = check_keys(r, object, keys);
    if (code != BNN_OK || (code = take_text(r, object, "url", &f->url)) ||
        (code = take_count(r, object, "bytes", &f->bytes)) ||
        (code = take_sum(r, object, "md5", 32, &f->md5)) ||
        (code = take_sum(r, object, "sha256", 64, &f->sha256)) ||
        (code = take_path(r, object, "inside", &f->inside))) {
        return code;
    }
    return !f->url || !bnn_source_file_name(f->url, &length) || length > 200
               ? fail(r, "url", "must be given, and end with a file's name")
               : BNN_OK;
}

static bnn_code take_part(const reader *r, const json_t *object, bnn_source_part *p) {
    static const char *const keys[] = {"path", "bytes", NULL};
    bnn_code code = check_keys(r, object, keys);
    if (code != BNN_OK || (code = take_path(r, object, "path", &p->path)) ||
        (code = take_count(r, object, "bytes", &p->bytes))) {
        return code;
    }
    return p->path && *p->path ? BNN_OK : fail(r, "path", "must be given");
}

/* A list's length, within bounds. */
static bnn_code take_length(const reader *r, const json_t *object, const char *key, size_t *count) {
    const json_t *list = json_object_get(object, key);
    *count = json_array_size(list);
    return (list && !json_is_array(list)) || *count > MOST_FILES
               ? fail(r, key, "must be a list, and not as long")
               : BNN_OK;
}

static bnn_code take_lists(const reader *r, const json_t *object, bnn_source *s) {
    bnn_code code = take_length(r, object, "files", &s->files);
    code = code == BNN_OK ? take_length(r, object, "parts", &s->parts) : code;
    if (code != BNN_OK) {
        s->files = s->parts = 0;
        return code;
    }
    bnn_source_file *file = calloc(s->files + 1, sizeof *file);
    bnn_source_part *part = calloc(s->parts + 1, sizeof *part);
    s->file = file;
    s->part = part;
    if (!file || !part) {
        return bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory", r->name);
    }
    for (size_t i = 0; i < s->files && code == BNN_OK; i++) {
        code = take_file(r, json_array_get(json_object_get(object, "files"), i), &file[i]);
    }
    for (size_t i = 0; i < s->parts && code == BNN_OK; i++) {
        code = take_part(r, json_array_get(json_object_get(object, "parts"), i), &part[i]);
    }
    return code == BNN_OK && s->files == 0 ? fail(r, "files", "must be given") : code;
}

static bnn_code take_set(const reader *r, const json_t *object, bnn_source *s) {
    static const char *const keys[] = {"name",     "folder",  "text",  "terms", "page", "option",
                                       "unpacked", "entries", "files", "parts", NULL};
    uint64_t entries = 0;
    bnn_code code = check_keys(r, object, keys);
    *s = (bnn_source){.text = "", .page = "?", .terms = "?", .option = "", .data_dir = ""};
    if (code != BNN_OK || (code = take_path(r, object, "name", &s->name))) {
        return code;
    }
    if (!s->name || !*s->name || strpbrk(s->name, "/*?[ ") || *s->name == '.') {
        return fail(r, "name", "must be given, one word without '/'");
    }
    s->folder = s->name;
    if ((code = take_path(r, object, "folder", &s->folder)) ||
        (code = take_text(r, object, "text", &s->text)) ||
        (code = take_text(r, object, "terms", &s->terms)) ||
        (code = take_text(r, object, "page", &s->page)) ||
        (code = take_text(r, object, "option", &s->option)) ||
        (code = take_count(r, object, "unpacked", &s->unpacked)) ||
        (code = take_count(r, object, "entries", &entries))) {
        return code;
    }
    s->entries = (size_t)entries;
    return *s->folder ? take_lists(r, object, s) : fail(r, "folder", "must not be empty");
}

bnn_code bnn_sources_parse(const char *name, const char *text, size_t size, bnn_source_list *list,
                           bnn_error *err) {
    reader r = {.name = name, .err = err};
    json_error_t where;
    *list = (bnn_source_list){0};
    if (size > LARGEST_TABLE) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: too large for a list of data sets", name);
    }
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    const json_t *sets = json_object_get(root, "sets");
    const size_t count = json_array_size(sets);
    if (!root || count == 0 || count > MOST_SETS) {
        json_decref(root);
        return root ? bnn_fail(err, BNN_ERR_FORMAT, "%s: must be {\"sets\": [{...}, ...]}", name)
                    : bnn_fail(err, BNN_ERR_FORMAT, "%s:%d: %s", name, where.line, where.text);
    }
    bnn_source *source = calloc(count, sizeof *source);
    owned *o = list->owned = malloc(sizeof *o);
    if (!source || !o) {
        json_decref(root);
        free(source);
        free(o);
        list->owned = NULL;
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    }
    *o = (owned){root, source};
    *list = (bnn_source_list){source, count, o};
    bnn_code code = BNN_OK;
    for (r.set = 0; r.set < count && code == BNN_OK; r.set++) {
        code = take_set(&r, json_array_get(sets, r.set), &source[r.set]);
    }
    if (code != BNN_OK) {
        bnn_sources_free(list);
    }
    return code;
}

bnn_code bnn_sources_read(const char *path, bnn_source_list *list, bnn_error *err) {
    bnn_map map;
    *list = (bnn_source_list){0};
    bnn_code code = bnn_map_read(path, &map, err);
    if (code == BNN_OK) {
        code = bnn_sources_parse(path, (const char *)map.data, map.size, list, err);
        bnn_map_close(&map);
    }
    return code;
}

void bnn_sources_free(bnn_source_list *list) {
    owned *o = list->owned;
    for (size_t i = 0; o && i < list->count; i++) {
        free((void *)o->source[i].file);
        free((void *)o->source[i].part);
    }
    if (o) {
        json_decref(o->root);
        free(o->source);
        free(o);
    }
    *list = (bnn_source_list){0};
}
