/* What the plan says is checked here, group by group; cells.c makes the cells. */
#include "tools/sweep/plan.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "tools/cli/json_file.h"
#include "tools/cli/names.h"
#include "tools/cli/options.h"
#include "tools/corrupt/corruption_list.h"
#include "tools/run/data_spec.h"
#include "tools/run/run_data.h"
#include "tools/sweep/plan_private.h"
#include "tools/train/recipes.h"
#include "tools/tracks/tracks.h"

enum { LARGEST_FILE = 1 << 24, MOST_GROUPS = 1000, LONGEST_NAME = 40, LONGEST_TEXT = 4096 };

static const char *const plan_keys[] = {"title", "data-dirs", "groups", "limit", NULL};
static const char *const group_keys[] = {"name",  "tracks",   "algos",   "archs",  "data",
                                         "seeds", "variants", "options", "binary", "float",
                                         "eval",  "minutes",  NULL};
/* Of bnn-train and bnn-eval: what a sweep says itself. */
static const char *const own_options[] = {
    "algo",        "arch",         "data",       "data-dir",        "seed",        "output",
    "resume",      "overwrite",    "dry-run",    "config",          "help",        "list",
    "man",         "json",         "quiet",      "version",         "predictions", "detections",
    "save-inputs", "save-outputs", "completion", BNN_CHECK_OPTIONS, NULL};

bnn_code bnn_plan_fail(const bnn_reader *r, const char *what) {
    return bnn_fail(r->err, BNN_ERR_FORMAT, "%s: %s%.*s%s%s", r->name, r->group ? "group '" : "",
                    LONGEST_NAME, r->group ? r->group : "", r->group ? "': " : "", what);
}

static bnn_code fail_key(const bnn_reader *r, const char *key, const char *must) {
    char what[160];
    snprintf(what, sizeof what, "'%.60s' %s", key, must);
    return bnn_plan_fail(r, what);
}

static int is_among(const char *name, const char *const *names) {
    for (; *names; names++) {
        if (strcmp(name, *names) == 0) {
            return 1;
        }
    }
    return 0;
}

static bnn_code check_keys(const bnn_reader *r, const json_t *object, const char *const *keys) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        if (!is_among(key, keys)) {
            const char *near = bnn_nearest_name(key, keys);
            char must[80];
            snprintf(must, sizeof must, "is no key of a plan%s%s%s", near ? " (did you mean " : "",
                     near ? near : "", near ? "?)" : "");
            return fail_key(r, key, must);
        }
    }
    return BNN_OK;
}

/* A name that can be a folder's. */
static int is_name(const char *text) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_.+-";
    const size_t length = text ? strlen(text) : 0;
    return length && length <= LONGEST_NAME && text[0] != '.' && text[0] != '-' &&
           strspn(text, letters) == length;
}

static bnn_code check_options(const bnn_reader *r, const char *key, const json_t *options) {
    const char *name;
    json_t *value;
    if (options && !json_is_object(options)) {
        return fail_key(r, key, "must be an object of options");
    }
    json_object_foreach((json_t *)options, name, value) {
        if (!is_name(name) || is_among(name, own_options)) {
            return fail_key(r, name, "is no option that a plan can set");
        }
        if (json_is_object(value) || json_is_array(value) ||
            (json_is_string(value) && strlen(json_string_value(value)) > LONGEST_TEXT)) {
            return fail_key(r, name, "must be a text, a number, true or false");
        }
    }
    return BNN_OK;
}

static bnn_code check_variants(const bnn_reader *r, const json_t *variants) {
    const char *name;
    json_t *options;
    bnn_code code = BNN_OK;
    if (variants && !json_object_size(variants)) {
        return fail_key(r, "variants", "must be an object of named options");
    }
    json_object_foreach((json_t *)variants, name, options) {
        if (code == BNN_OK && !is_name(name)) {
            code = fail_key(r, name, "must be letters, digits and _.+-");
        }
        code = code == BNN_OK ? check_options(r, name, options) : code;
    }
    return code;
}

static bnn_code check_seeds(const bnn_reader *r, const json_t *seeds) {
    size_t i;
    const json_t *seed;
    if (seeds && !json_array_size(seeds)) {
        return fail_key(r, "seeds", "must be a list of numbers");
    }
    json_array_foreach(seeds, i, seed) {
        if (!json_is_integer(seed) || json_integer_value(seed) < 0 ||
            json_integer_value(seed) > INT64_C(1) << 53) {
            return fail_key(r, "seeds", "must be whole numbers from 0 on");
        }
    }
    return BNN_OK;
}

static bnn_code read_tracks(const bnn_reader *r, const json_t *tracks, unsigned *out) {
    size_t i;
    const json_t *item;
    *out = ((1u << BNN_TRACKS) - 1) & ~(1u << BNN_TRACK_TRAINING);
    if (!tracks) {
        return BNN_OK;
    }
    *out = 0;
    json_array_foreach(tracks, i, item) {
        int track = 0;
        const char *name = json_is_string(item) ? json_string_value(item) : "";
        while (bnn_track_names[track] && strcmp(name, bnn_track_names[track]) != 0) {
            track++;
        }
        *out |= 1u << track;
    }
    return json_is_array(tracks) && *out < 1u << BNN_TRACKS
               ? BNN_OK
               : fail_key(r, "tracks",
                          "must be some of task, architecture, robustness, training, complexity, "
                          "inference");
}

/* Of the cells from `first` on: what only images have is asked of nothing else; and what is asked
 * is there. */
static bnn_code check_corruptions(const bnn_reader *r, const bnn_plan *plan, size_t first,
                                  const bnn_sweep_group *g) {
    for (size_t i = first; i < plan->cell_count && json_object_get(g->eval, "corruptions"); i++) {
        const bnn_dataset_info *data = bnn_dataset_find(plan->cells[i].data);
        if (!bnn_data_has_corruptions(data)) {
            char what[120];
            snprintf(what, sizeof what, "of 'eval' are of images of a class each, and %s has none",
                     data->name);
            return fail_key(r, "corruptions", what);
        }
    }
    const char *names = json_string_value(json_object_get(g->eval, "corruption"));
    bnn_corruption_list list;
    bnn_error why = {0};
    return !names || bnn_corruption_list_parse(names, &list, &why) == BNN_OK
               ? BNN_OK
               : bnn_plan_fail(r, why.text);
}

static bnn_code read_group(bnn_reader *r, bnn_plan *plan, const json_t *o, bnn_sweep_group *g) {
    const json_t *minutes = json_object_get(o, "minutes");
    const char *const options[] = {"options", "binary", "float", "eval"};
    r->group = NULL;
    g->given = o;
    g->name = json_string_value(json_object_get(o, "name"));
    if (!is_name(g->name)) {
        return fail_key(r, "name", "of a group must be letters, digits and _.+-");
    }
    r->group = g->name;
    for (const bnn_sweep_group *other = plan->groups; other < g; other++) {
        if (strcmp(other->name, g->name) == 0) {
            return bnn_plan_fail(r, "there are two of that name");
        }
    }
    bnn_code code = check_keys(r, o, group_keys);
    for (size_t i = 0; code == BNN_OK && i < sizeof options / sizeof *options; i++) {
        code = check_options(r, options[i], json_object_get(o, options[i]));
    }
    code = code == BNN_OK ? check_variants(r, json_object_get(o, "variants")) : code;
    code = code == BNN_OK ? check_seeds(r, json_object_get(o, "seeds")) : code;
    code = code == BNN_OK ? read_tracks(r, json_object_get(o, "tracks"), &g->tracks) : code;
    g->eval = json_object_get(o, "eval");
    g->minutes = json_number_value(minutes);
    if (code == BNN_OK && minutes &&
        !(json_is_number(minutes) && g->minutes > 0.0 && g->minutes < 1e9)) {
        code = fail_key(r, "minutes", "must be a number above 0, and below 1e9");
    }
    const size_t first = plan->cell_count;
    code = code == BNN_OK ? bnn_plan_add_cells(r, plan, g) : code;
    return code == BNN_OK ? check_corruptions(r, plan, first, g) : code;
}

/* A data set's name, or a pattern of some. */
static int names_data(const char *pattern) {
    return pattern[0] != '!' && bnn_plan_names_any(pattern, bnn_dataset_names);
}

static bnn_code check_data_dirs(const bnn_reader *r, const json_t *dirs) {
    const char *data;
    json_t *dir;
    if (dirs && !json_is_object(dirs)) {
        return fail_key(r, "data-dirs", "must be an object: a data set's name, and its folder");
    }
    json_object_foreach((json_t *)dirs, data, dir) {
        const char *path = json_string_value(dir);
        if (!names_data(data)) {
            return fail_key(r, data, "is no data set; bnn-train --list names them");
        }
        if (!path || !*path || strlen(path) >= LONGEST_TEXT) {
            return fail_key(r, data, "must be a folder");
        }
    }
    return BNN_OK;
}

static bnn_code read_plan(bnn_reader *r, bnn_plan *plan) {
    const json_t *groups = json_object_get(plan->root, "groups");
    const size_t count = json_array_size(groups);
    const char *title = json_string_value(json_object_get(plan->root, "title"));
    plan->title = title ? title : "";
    if (!json_is_object(plan->root) || !count || count > MOST_GROUPS) {
        return bnn_plan_fail(r, "must be an object with a list of groups");
    }
    bnn_code code = check_keys(r, plan->root, plan_keys);
    code = code == BNN_OK ? check_data_dirs(r, json_object_get(plan->root, "data-dirs")) : code;
    plan->groups = bnn_arena_alloc(plan->arena, count * sizeof *plan->groups);
    if (!plan->groups) {
        return bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory", r->name);
    }
    for (; code == BNN_OK && plan->group_count < count; plan->group_count++) {
        code = read_group(r, plan, json_array_get(groups, plan->group_count),
                          &plan->groups[plan->group_count]);
    }
    const json_t *limit = json_object_get(plan->root, "limit");
    r->group = NULL;
    if (code == BNN_OK && limit && (!json_is_integer(limit) || json_integer_value(limit) < 1)) {
        code = fail_key(r, "limit", "must be a number of samples");
    }
    return code == BNN_OK && limit ? bnn_plan_set_limit(plan, json_integer_value(limit), r->err)
                                   : code;
}

/* Of an option that may be set already, the smaller one. */
static int limit_option(json_t *options, const char *name, int64_t limit) {
    const json_t *own = json_object_get(options, name);
    return json_is_integer(own) && json_integer_value(own) <= limit
               ? 0
               : json_object_set_new(options, name, json_integer(limit));
}

/* No batch is larger than the data set. */
static int limit_batch(const bnn_cell *cell, int64_t limit) {
    const bnn_recipe *recipe = bnn_recipe_find(cell->data, cell->arch, cell->algo);
    const json_t *own = json_object_get(cell->options, "batch-size");
    const int64_t size = json_is_integer(own) ? json_integer_value(own) : recipe->batch_size;
    return size > limit ? limit_option(cell->options, "batch-size", limit) : 0;
}

bnn_code bnn_plan_set_limit(bnn_plan *plan, int64_t limit, bnn_error *err) {
    int failed = json_object_set_new(plan->root, "limit", json_integer(limit));
    for (size_t i = 0; i < plan->cell_count; i++) {
        failed |= limit_option(plan->cells[i].options, "limit-train", limit);
        failed |= limit_option(plan->cells[i].options, "limit-test", limit);
        failed |= limit_batch(&plan->cells[i], limit);
    }
    for (size_t i = 0; i < plan->group_count; i++) {
        bnn_sweep_group *g = &plan->groups[i];
        json_t *given = (json_t *)g->given, *eval = json_object_get(given, "eval");
        if (!eval && (eval = json_object())) {
            failed |= json_object_set_new(given, "eval", eval);
        }
        failed |= limit_option(eval, "limit-test", limit);
        g->eval = eval;
    }
    return failed ? bnn_fail(err, BNN_ERR_MEMORY, "out of memory") : BNN_OK;
}

bnn_code bnn_plan_parse(const char *name, const char *json, size_t bytes, bnn_plan *out,
                        bnn_error *err) {
    bnn_reader r = {.name = name, .err = err};
    *out = (bnn_plan){.arena = bnn_arena_create()};
    if (!out->arena) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    }
    out->root = bnn_json_parse(name, json, bytes, "", err);
    return out->root ? read_plan(&r, out) : BNN_ERR_FORMAT;
}

bnn_code bnn_plan_read(const char *path, bnn_plan *out, bnn_error *err) {
    bnn_map map;
    *out = (bnn_plan){0};
    bnn_code code = bnn_map_read(path, &map, err);
    if (code == BNN_OK) {
        code = map.size > LARGEST_FILE
                   ? bnn_fail(err, BNN_ERR_FORMAT, "%s: larger than 16 MiB: not a plan", path)
                   : bnn_plan_parse(path, (const char *)map.data, map.size, out, err);
        bnn_map_close(&map);
    }
    return code;
}

void bnn_plan_free(bnn_plan *plan) {
    for (size_t i = 0; i < plan->cell_count; i++) {
        json_decref(plan->cells[i].options);
    }
    json_decref(plan->root);
    bnn_arena_free(plan->arena);
    *plan = (bnn_plan){0};
}

/* ---- where data are ------------------------------------------------------------------------ */
const char *bnn_plan_data_dir(const bnn_plan *plan, const char *data) {
    const char *pattern, *found = NULL;
    json_t *dir;
    json_object_foreach(json_object_get(plan->root, "data-dirs"), pattern, dir) {
        if (strcmp(pattern, data) == 0) {
            return json_string_value(dir);
        }
        found = !found && fnmatch(pattern, data, 0) == 0 ? json_string_value(dir) : found;
    }
    return found;
}

/* Those that the plan names, if they are there, are found from anywhere. */
static bnn_code make_absolute(json_t *dirs, bnn_error *err) {
    const char *data;
    json_t *dir;
    json_object_foreach(dirs, data, dir) {
        char room[PATH_MAX];
        json_t *path = json_string(bnn_recorded_path(json_string_value(dir), room));
        if (!path || json_string_set(dir, json_string_value(path)) != 0) {
            json_decref(path);
            return bnn_fail(err, BNN_ERR_ARGUMENT, "data-dirs: %.80s: must be UTF-8", data);
        }
        json_decref(path);
    }
    return BNN_OK;
}

bnn_code bnn_plan_set_data_dirs(bnn_plan *plan, const char *list, bnn_error *err) {
    char *copy = list ? bnn_arena_format(plan->arena, "%s", list) : NULL, *save = NULL;
    json_t *dirs = json_object_get(plan->root, "data-dirs");
    if (list && !dirs && (dirs = json_object())) {
        json_object_set_new(plan->root, "data-dirs", dirs);
    }
    for (char *at = copy ? strtok_r(copy, ",", &save) : NULL; at; at = strtok_r(NULL, ",", &save)) {
        char room[PATH_MAX], *dir = strchr(at, '=');
        if (!dir || dir == at || !dir[1]) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "--data-dir %.80s: must be DATA=DIR, like cifar10=cifar-10-batches-bin",
                            at);
        }
        *dir++ = '\0';
        if (!names_data(at)) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "--data-dir %.80s: is no data set; bnn-train --list names them", at);
        }
        if (access(dir, F_OK) != 0) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--data-dir %s=%.4000s: no such folder", at,
                            dir);
        }
        if (json_object_set_new(dirs, at, json_string(bnn_recorded_path(dir, room))) != 0) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--data-dir %.80s: must be UTF-8", dir);
        }
    }
    return list && !copy ? bnn_fail(err, BNN_ERR_MEMORY, "out of memory")
                         : make_absolute(dirs, err);
}
