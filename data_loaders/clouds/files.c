/* Which shapes a set has. The decision: a list may name more than is there, so that a part of a set
 * can be used with the official lists; what is not there is counted, and the tools tell. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "data_loaders/clouds/clouds.h"
#include "data_loaders/internal.h"
#include "engine/base/file.h"
#include "engine/base/text.h"

#define MAX_NAME 200 /* of what a list names: paths stay short */
#define HEAD 4096

/* ---- lists ---- */
/* Whether this can be the name of a file or a folder, and nothing else. */
static int is_name(const char *name, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '/') {
            return 0;
        }
    }
    return length > 0 && length <= MAX_NAME && name[0] != '.';
}

static bnn_code no_memory(const char *name, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for the list", name);
}

bnn_code bnn_names_parse(const char *name, const unsigned char *bytes, size_t size,
                         bnn_arena *arena, const char *const **out, size_t *count, bnn_error *err) {
    const char *text = bytes ? (const char *)bytes : "", *end = text + size;
    size_t lines = 1, line = 1;
    *count = 0;
    for (const char *p = text; p < end; p++) {
        lines += *p == '\n';
    }
    const char **names = bnn_arena_alloc(arena, lines * sizeof *names);
    if (!names) {
        return no_memory(name, err);
    }
    for (; text < end; text++, line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *last = newline ? newline : end, *start = text;
        size_t length = (size_t)(last - text);
        while (length > 0 && (text[length - 1] == '\r' || text[length - 1] == ' ')) {
            length--;
        }
        for (const char *slash; (slash = memchr(text, '/', length)) != NULL; text = slash + 1) {
            length -= (size_t)(slash + 1 - text);
        }
        if ((length > 0 || text > start) && !is_name(text, length)) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: line %zu: '%.*s' is no name of a shape; download the list again",
                            name, line, (int)(length < 40 ? length : 40), text);
        }
        if (length > 0) {
            names[*count] = bnn_arena_format(arena, "%.*s", (int)length, text);
            if (!names[(*count)++]) {
                return no_memory(name, err);
            }
        }
        text = last;
    }
    *out = names;
    return *count > 0
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_FORMAT, "%s: holds no names; download it again", name);
}

bnn_code bnn_list_read(bnn_dataset *dataset, const char *path, const char *cure,
                       bnn_list_parse *parse, bnn_arena *arena, const char *const **out,
                       size_t *count, bnn_error *err) {
    bnn_map map = {0};
    bnn_code code = bnn_data_check_file(path, cure, err);
    if (code == BNN_OK) {
        code = bnn_map_read(path, &map, err);
    }
    if (code == BNN_OK) {
        code = bnn_data_note_file(dataset, map.device, map.inode, err);
    }
    if (code == BNN_OK) {
        code = parse(path, map.data, map.size, arena, out, count, err);
    }
    bnn_map_close(&map);
    return code;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bnn_code bnn_names_compare(bnn_dataset *dataset, bnn_arena *arena, const char *const *test,
                           size_t tests, const char *const *train, size_t trains, bnn_error *err) {
    size_t shared = 0;
    const char **sorted = bnn_arena_alloc(arena, (trains + 1) * sizeof *sorted);
    if (!sorted) {
        return no_memory(dataset->info->name, err);
    }
    for (size_t i = 0; i < trains; i++) {
        sorted[i] = train[i];
    }
    qsort(sorted, trains, sizeof *sorted, by_text);
    for (size_t i = 0; i < tests; i++) {
        shared += bsearch(&test[i], sorted, trains, sizeof *sorted, by_text) != NULL;
    }
    if (shared == 0) {
        return BNN_OK;
    }
    dataset->remark = bnn_arena_format(arena,
                                       "%zu of the %zu names on its list for testing are on that "
                                       "for training, too; of new shapes the score says little",
                                       shared, tests);
    return dataset->remark ? BNN_OK : no_memory(dataset->info->name, err);
}

/* "SYNSET/ID" at the end of "FOLDER/SYNSET/ID", or NULL. */
static const char *shape_of(const char *entry, size_t length) {
    const char *id = entry + length, *synset;
    while (id > entry && id[-1] != '/') {
        id--;
    }
    synset = id;
    if (id == entry || !is_name(id, (size_t)(entry + length - id))) {
        return NULL;
    }
    for (synset--; synset > entry && synset[-1] != '/';) {
        synset--;
    }
    return is_name(synset, (size_t)(id - 1 - synset)) ? synset : NULL;
}

static bnn_code take_shapes(const char *name, const json_t *root, bnn_arena *arena,
                            const char **shapes, size_t count, bnn_error *err) {
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(root, i);
        const char *shape = json_is_string(entry)
                                ? shape_of(json_string_value(entry), json_string_length(entry))
                                : NULL;
        if (!shape) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: entry %zu is not \"shape_data/SYNSET/ID\"; download the list "
                            "again",
                            name, i);
        }
        shapes[i] = bnn_arena_format(arena, "%s", shape);
        if (!shapes[i]) {
            return no_memory(name, err);
        }
    }
    return BNN_OK;
}

bnn_code bnn_shape_list_parse(const char *name, const unsigned char *bytes, size_t size,
                              bnn_arena *arena, const char *const **out, size_t *count,
                              bnn_error *err) {
    json_error_t where;
    json_t *root = json_loadb(bytes ? (const char *)bytes : "", size, 0, &where);
    *count = json_array_size(root); /* 0 of what is no array */
    if (*count == 0) {
        bnn_code code =
            root ? bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: expected an array of shapes; download the list again", name)
                 : bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: line %d: %s; the list is damaged, download it again", name,
                            where.line, where.text);
        json_decref(root);
        return code;
    }
    const char **shapes = bnn_arena_alloc(arena, *count * sizeof *shapes);
    bnn_code code =
        shapes ? take_shapes(name, root, arena, shapes, *count, err) : no_memory(name, err);
    *out = shapes;
    json_decref(root);
    return code;
}

/* ---- files ---- */
/* 1: a file with something in it; 0: none. */
static int look(bnn_dataset *dataset, const char *path, struct stat *status, bnn_code *code,
                bnn_error *err) {
    *code = BNN_OK;
    if (stat(path, status) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) {
            *code = bnn_fail(err, BNN_ERR_IO, "%s: %s", path, bnn_reason(errno));
        }
        return 0;
    }
    if (!S_ISREG(status->st_mode) || status->st_size == 0) {
        *code = bnn_fail(err, BNN_ERR_IO, "%s: %s; unpack the data set again", path,
                         S_ISREG(status->st_mode) ? "is empty"
                                                  : "is a folder or a device, expected a file");
        return 0;
    }
    *code = bnn_data_note_file(dataset, status->st_dev, status->st_ino, err);
    return 1;
}

bnn_code bnn_cloud_files_add(bnn_cloud_files *files, bnn_dataset *dataset, bnn_cloud_file file,
                             bnn_error *err) {
    struct stat status, beside;
    bnn_code code;
    int here = look(dataset, file.path, &status, &code, err);
    if (code != BNN_OK) {
        return code;
    }
    if (here && file.labels && !look(dataset, file.labels, &beside, &code, err)) {
        return code != BNN_OK ? code
                              : bnn_fail(err, BNN_ERR_IO,
                                         "%s: no such file, though %s is there; unpack the data "
                                         "set again",
                                         file.labels, file.path);
    }
    if (code != BNN_OK || !here) {
        dataset->skipped += code == BNN_OK;
        return code;
    }
    if (files->count == files->capacity) {
        size_t larger = files->capacity ? 2 * files->capacity : 64;
        bnn_cloud_file *grown = reallocarray(files->file, larger, sizeof *grown);
        if (!grown) {
            return no_memory(file.path, err);
        }
        files->file = grown;
        files->capacity = larger;
    }
    files->file[files->count++] = file;
    return BNN_OK;
}

bnn_code bnn_clouds_plan(bnn_dataset *dataset, bnn_field field[2], bnn_cloud_files *files,
                         int length, bnn_error *err) {
    if (length < 0 || length > BNN_MOST_POINTS) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%d points of a shape: a cloud has 1 to %d", length,
                        BNN_MOST_POINTS);
    }
    files->arena = bnn_arena_create();
    if (!files->arena) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", dataset->info->name);
    }
    memcpy(field, dataset->info->field, 2 * sizeof *field);
    for (int i = 0; length > 0 && i < 2; i++) { /* what is said of each point, too */
        const int by_point = field[i].shape.w == dataset->info->field[0].shape.w;
        field[i].shape.w = by_point ? length : field[i].shape.w;
    }
    dataset->field = field;
    return BNN_OK;
}

void bnn_cloud_files_free(bnn_cloud_files *files) {
    bnn_arena_free(files->arena);
    free(files->file);
    *files = (bnn_cloud_files){0};
}

/* Name, size and first bytes. */
static uLong add_file(uLong sum, const char *path) {
    unsigned char head[HEAD];
    const char *name = strrchr(path, '/');
    struct stat status;
    FILE *file = fopen(path, "rb");
    sum = crc32_z(sum, (const unsigned char *)name, name ? strlen(name) : 0);
    if (file && fstat(fileno(file), &status) == 0) {
        uint64_t size = (uint64_t)status.st_size;
        sum = crc32_z(sum, (const unsigned char *)&size, sizeof size);
        sum = crc32_z(sum, head, fread(head, 1, sizeof head, file));
    }
    if (file) {
        fclose(file);
    }
    return sum;
}

uint32_t bnn_cloud_files_checksum(const bnn_cloud_files *files) {
    uLong sum = 0;
    for (size_t i = 0; i < files->count; i++) {
        const bnn_cloud_file *file = &files->file[i];
        sum = crc32_z(sum, (const unsigned char *)&file->label, sizeof file->label);
        sum = add_file(sum, file->path);
        sum = file->labels ? add_file(sum, file->labels) : sum;
    }
    return (uint32_t)sum;
}
