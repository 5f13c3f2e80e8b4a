/* The rows of bnn-bench infer --json: a JSON array whose every key is checked. Of a network's rows
 * the one beside the float twin in its own engine counts; others, and means, are passed over. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "engine/base/text.h"
#include "models/export/export.h"
#include "tools/cli/json_file.h"
#include "tools/report/devices.h"

#define MOST_BYTES (INT64_C(1) << 53)
#define SUFFIX ".json"

enum { LARGEST_FILE = 1 << 24, LONGEST_TEXT = 256, LEVELS = 2 };

void bnn_device_table_free(bnn_device_table *table) {
    bnn_arena_free(table->arena);
    memset(table, 0, sizeof *table);
}

static bnn_code out_of_memory(const char *path, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
}

/* ---- files -------------------------------------------------------------------------------- */
static bnn_code add_file(bnn_device_table *t, const char *path, bnn_error *err) {
    const char *copy = bnn_arena_format(t->arena, "%s", path);
    if (t->file_count == BNN_MAX_DEVICE_FILES) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: at most %d files at once", path,
                        BNN_MAX_DEVICE_FILES);
    }
    t->files[t->file_count++] = copy;
    return copy ? BNN_OK : out_of_memory(path, err);
}

static int is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int is_json(const char *path) {
    const size_t length = strlen(path), suffix = strlen(SUFFIX);
    return length > suffix && strcmp(path + length - suffix, SUFFIX) == 0;
}

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static bnn_code add_folder(bnn_device_table *t, const char *path, int levels, bnn_error *err) {
    struct dirent **entries;
    int length = (int)strlen(path), count = scandir(path, &entries, is_shown, alphasort);
    bnn_code code = BNN_OK;
    if (count < 0) {
        return bnn_fail_errno(err, path, "read the folder", errno);
    }
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    for (int i = 0; i < count; i++) {
        char *inner = bnn_arena_format(t->arena, "%.*s/%s", length, path, entries[i]->d_name);
        if (code == BNN_OK && !inner) {
            code = out_of_memory(path, err);
        } else if (code == BNN_OK && is_folder(inner)) {
            code = levels > 1 ? add_folder(t, inner, levels - 1, err) : BNN_OK;
        } else if (code == BNN_OK && is_json(inner)) {
            code = add_file(t, inner, err);
        }
        free(entries[i]);
    }
    free(entries);
    return code;
}

bnn_code bnn_device_table_find(bnn_device_table *t, const char *path, bnn_error *err) {
    const size_t before = t->file_count;
    if (!t->arena && !(t->arena = bnn_arena_create())) {
        return out_of_memory(path, err);
    }
    if (!is_folder(path)) {
        return add_file(t, path, err);
    }
    bnn_code code = add_folder(t, path, LEVELS, err);
    return code != BNN_OK || t->file_count > before
               ? code
               : bnn_fail(err, BNN_ERR_ARGUMENT,
                          "%s: no *" SUFFIX " in the folder and in its folders; bnn-bench infer "
                          "--json FILE" SUFFIX " writes one",
                          path);
}

/* "pi4" of board/pi4/model.bnn.json. */
static const char *host_of(bnn_device_table *t, const char *path) {
    const char *end = strrchr(path, '/'), *start = end;
    while (start && start > path && start[-1] != '/') {
        start--;
    }
    int length = start ? (int)(end - start) : 0;
    int none = (length == 1 && *start == '.') || (length == 2 && strncmp(start, "..", 2) == 0);
    return bnn_arena_format(t->arena, "%.*s", none ? 0 : length, start ? start : "");
}

/* ---- rows --------------------------------------------------------------------------------- */
typedef struct reader {
    bnn_device_table *table;
    const char *name, *host;
    size_t row;
    bnn_error *err; /* sticky: filled, nothing is read any more */
} reader;

static void damaged(reader *r, const char *key) {
    if (r->err->code == BNN_OK) {
        bnn_fail(r->err, BNN_ERR_FORMAT,
                 "%s: row %zu: '%s' is missing or damaged; it must be a file of bnn-bench infer "
                 "--json, as it writes it now: measure again",
                 r->name, r->row, key);
    }
}

/* As it may be printed. */
static const char *text(reader *r, const json_t *row, const char *key) {
    const char *value = json_string_value(json_object_get(row, key));
    char *copy = NULL;
    if (!value || !*value || strlen(value) > LONGEST_TEXT) {
        damaged(r, key);
    } else if (!(copy = bnn_arena_format(r->table->arena, "%s", value)) && r->err->code == BNN_OK) {
        out_of_memory(r->name, r->err);
    }
    for (char *c = copy; c && *c; c++) {
        *c = bnn_text_shown(*c);
    }
    return copy ? copy : "";
}

static double real(reader *r, const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= 1e-12 && number <= 1e12)) {
        damaged(r, key);
        return 1.0;
    }
    return number;
}

static int64_t count(reader *r, const json_t *row, const char *key, int64_t most) {
    const json_t *value = json_object_get(row, key);
    int64_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 1 || number > most) {
        damaged(r, key);
        return 1;
    }
    return number;
}

static int is_there(const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    return value && !json_is_null(value);
}

static int64_t peak(reader *r, const json_t *row, const char *key) {
    return is_there(row, key) ? count(r, row, key, MOST_BYTES) : 0;
}

static double joules(reader *r, const json_t *row, const char *key) {
    return is_there(row, key) ? real(r, row, key) : 0.0;
}

/* Is it beside the float twin in the same engine? */
static int is_of_twin(const char *format, const char *baseline) {
    const size_t length = strlen(format);
    if (strcmp(format, bnn_export_packed.name) == 0) {
        return strcmp(baseline, BNN_FLOAT_ALGORITHM) == 0;
    }
    return strncmp(baseline, format, length) == 0 &&
           strcmp(baseline + length, " " BNN_FLOAT_ALGORITHM) == 0;
}

static bnn_device_row read_row(reader *r, const json_t *row) {
    return (bnn_device_row){
        .file = r->name,
        .host = r->host,
        .cpu = text(r, row, "cpu"),
        .isa = text(r, row, "isa"),
        .arch = text(r, row, "arch"),
        .algo = text(r, row, "algo"),
        .format = text(r, row, "format"),
        .input = text(r, row, "input"),
        .model = is_there(row, "model") ? text(r, row, "model") : "",
        .batch = count(r, row, "batch", INT_MAX),
        .threads = count(r, row, "threads", INT_MAX),
        .binary = {real(r, row, "seconds"), count(r, row, "file_bytes", MOST_BYTES),
                   peak(r, row, "peak_bytes"), joules(r, row, "joules")},
        .twin = {real(r, row, "baseline_seconds"), count(r, row, "float_bytes", MOST_BYTES),
                 peak(r, row, "baseline_peak_bytes"), joules(r, row, "baseline_joules")},
    };
}

static void keep(reader *r, bnn_device_row row) {
    bnn_device_table *t = r->table;
    if (t->row_count == BNN_MAX_DEVICE_ROWS) {
        bnn_fail(r->err, BNN_ERR_ARGUMENT, "%s: more than %d rows at once", r->name,
                 BNN_MAX_DEVICE_ROWS);
        return;
    }
    t->rows[t->row_count++] = row;
}

static void read_rows(reader *r, const json_t *root) {
    const size_t before = r->table->row_count;
    for (size_t i = 0; i < json_array_size(root) && r->err->code == BNN_OK; i++) {
        const json_t *row = json_array_get(root, i);
        r->row = i + 1;
        if (json_object_get(row, "summary")) {
            continue;
        }
        if (is_of_twin(text(r, row, "format"), text(r, row, "baseline"))) {
            bnn_device_row of_twin = read_row(r, row);
            if (r->err->code == BNN_OK) {
                keep(r, of_twin);
            }
        }
    }
    if (r->err->code == BNN_OK && r->table->row_count == before) {
        bnn_fail(r->err, BNN_ERR_FORMAT,
                 "%s: no row of a network beside its float twin; it must be a file of bnn-bench "
                 "infer --json",
                 r->name);
    }
}

bnn_code bnn_device_table_parse(bnn_device_table *t, const char *path, const char *json,
                                size_t bytes, bnn_error *err) {
    bnn_error first = {0};
    if (!t->arena && !(t->arena = bnn_arena_create())) {
        return out_of_memory(path, err);
    }
    reader r = {t, path, host_of(t, path), 0, &first};
    json_t *root = bnn_json_parse(path, json, bytes, "", &first);
    if (!r.host) {
        out_of_memory(path, &first);
    } else if (root) {
        read_rows(&r, root);
    }
    json_decref(root);
    return first.code == BNN_OK ? BNN_OK : bnn_fail(err, first.code, "%s", first.text);
}

bnn_code bnn_device_table_read(bnn_device_table *t, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < t->file_count && code == BNN_OK; i++) {
        bnn_map map;
        const char *path = t->files[i];
        if ((code = bnn_map_read(path, &map, err)) == BNN_OK) {
            code = map.size > LARGEST_FILE
                       ? bnn_fail(err, BNN_ERR_FORMAT,
                                  "%s: larger than 16 MiB: not a file of bnn-bench", path)
                       : bnn_device_table_parse(t, path, (const char *)map.data, map.size, err);
            bnn_map_close(&map);
        }
    }
    return code;
}
