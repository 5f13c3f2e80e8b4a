/* Why: what a user has is a file from somewhere, or a folder he has cloned. The decision: the parts
 * are found and joined here, and whoever reads weights sees one list of tensors. */
#include "models/files/weights_file.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "engine/base/text.h"

enum { MOST_PARTS = 1000 };

/* ---- names of before 2019 ---- */

static const char *const old_names[][2] = {{"LayerNorm.gamma", "LayerNorm.weight"},
                                           {"LayerNorm.beta", "LayerNorm.bias"}};
enum { OLD_NAMES = sizeof old_names / sizeof old_names[0] };

static int which_old(const char *name) {
    int i = 0;
    while (i < OLD_NAMES && !bnn_ends_with(name, old_names[i][0])) {
        i++;
    }
    return i;
}

/* Where the file has both, each stays what it is. */
static const char *rename_old(const bnn_st_file *file, const char *name, bnn_arena *arena) {
    const int which = which_old(name);
    if (which == OLD_NAMES) {
        return name;
    }
    const char *renamed =
        bnn_arena_format(arena, "%.*s%s", (int)(strlen(name) - strlen(old_names[which][0])), name,
                         old_names[which][1]);
    return renamed && bnn_st_find(file, renamed) ? name : renamed;
}

static int has_old(const bnn_st_file *file) {
    for (size_t i = 0; i < bnn_st_count(file); i++) {
        if (which_old(bnn_st_at(file, i)->name) != OLD_NAMES) {
            return 1;
        }
    }
    return 0;
}

/* ---- a folder ---- */

typedef struct place {
    const char *name;
    int is_index; /* of several files */
} place;

/* The first that is there. */
static const place places[] = {{"model.safetensors", 0},
                               {"model.safetensors.index.json", 1},
                               {"pytorch_model.bin", 0},
                               {"pytorch_model.bin.index.json", 1}};
enum { PLACES = sizeof places / sizeof places[0] };

static bnn_code path_in(const char *folder, const char *name, char path[PATH_MAX], bnn_error *err) {
    int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return length < PATH_MAX
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_ARGUMENT, "%.64s...: the path is too long", folder);
}

static int is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static const place *place_of(const char *folder) {
    char path[PATH_MAX];
    struct stat info;
    for (int i = 0; i < PLACES; i++) {
        if (path_in(folder, places[i].name, path, NULL) == BNN_OK && stat(path, &info) == 0) {
            return &places[i];
        }
    }
    return NULL;
}

int bnn_weights_folder_is(const char *path) {
    return is_folder(path) && place_of(path);
}

/* ---- an index: {"weight_map": {TENSOR: FILE, ...}} ---- */

typedef struct parts {
    const char *name[MOST_PARTS];
    size_t count;
} parts;

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each file once. A name is one in the same folder. */
static bnn_code list_parts(const char *path, const json_t *root, parts *out, bnn_error *err) {
    const char *tensor;
    json_t *file, *map = json_object_get(root, "weight_map");
    out->count = 0;
    json_object_foreach(map, tensor, file) {
        const char *name = json_string_value(file);
        if (!name || !*name || strchr(name, '/') || strcmp(name, "..") == 0 ||
            strcmp(name, ".") == 0) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: tensor \"%.100s\" is said to lie in what is no file of the same "
                            "folder",
                            path, tensor);
        }
        if (out->count && bsearch(&name, out->name, out->count, sizeof name, compare_names)) {
            continue;
        }
        if (out->count == MOST_PARTS) {
            return bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s: lists more than %d files", path,
                            MOST_PARTS);
        }
        out->name[out->count++] = name;
        qsort(out->name, out->count, sizeof out->name[0], compare_names);
    }
    return out->count ? BNN_OK
                      : bnn_fail(err, BNN_ERR_FORMAT,
                                 "%s: has no \"weight_map\" of tensors and their files", path);
}

static bnn_code open_parts(const char *folder, const parts *names, bnn_st_file **out,
                           bnn_error *err) {
    bnn_st_file *file[MOST_PARTS];
    char path[PATH_MAX];
    size_t count = 0;
    bnn_code code = BNN_OK;
    while (code == BNN_OK && count < names->count) {
        code = path_in(folder, names->name[count], path, err);
        if (code == BNN_OK && !(code = bnn_st_open_any(path, &file[count], err))) {
            count++;
        }
    }
    if (code == BNN_OK) {
        return bnn_st_join(folder, file, count, NULL, out, err);
    }
    while (count > 0) {
        bnn_st_close(file[--count]);
    }
    return code;
}

static bnn_code open_index(const char *folder, const char *path, bnn_st_file **out,
                           bnn_error *err) {
    bnn_map map;
    json_error_t problem = {0};
    bnn_code code = bnn_map_read(path, &map, err);
    if (code != BNN_OK) {
        return code;
    }
    json_t *root = json_loadb((const char *)map.data, map.size, 0, &problem);
    bnn_map_close(&map);
    parts *names = root ? malloc(sizeof *names) : NULL;
    if (!root && json_error_code(&problem) != json_error_out_of_memory) {
        code = bnn_fail(err, BNN_ERR_FORMAT, "%s: is not usable JSON in line %d: %.200s", path,
                        problem.line, problem.text);
    } else if (!names) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    } else if (!(code = list_parts(path, root, names, err))) {
        code = open_parts(folder, names, out, err);
    }
    free(names);
    json_decref(root);
    return code;
}

static bnn_code open_folder(const char *folder, bnn_st_file **out, bnn_error *err) {
    char path[PATH_MAX];
    const place *found = place_of(folder);
    if (!found) {
        return bnn_fail(err, BNN_ERR_IO,
                        "%s: a folder without model.safetensors, pytorch_model.bin or an index of "
                        "several of them; name the file with the weights",
                        folder);
    }
    bnn_code code = path_in(folder, found->name, path, err);
    return code != BNN_OK    ? code
           : found->is_index ? open_index(folder, path, out, err)
                             : bnn_st_open_any(path, out, err);
}

bnn_code bnn_weights_file_open(const char *path, bnn_st_file **out, bnn_error *err) {
    *out = NULL;
    bnn_code code = is_folder(path) ? open_folder(path, out, err) : bnn_st_open_any(path, out, err);
    bnn_st_file *file = *out;
    return code == BNN_OK && has_old(file) ? bnn_st_join(path, &file, 1, rename_old, out, err)
                                           : code;
}
