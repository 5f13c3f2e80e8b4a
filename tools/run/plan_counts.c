#include "tools/run/plan_counts.h"

#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "engine/base/file.h"
#include "engine/base/text.h"
#include "tools/cli/json_file.h"

#define LARGEST_COUNT (INT64_C(1) << 53)

enum { LARGEST_FILE = 1 << 24, LONGEST_TEXT = 64 };

static bnn_code damaged(const char *name, const char *key, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: '%s' is missing or damaged; it must be a file of bnn-train --dry-run "
                    "--json",
                    name, key);
}

/* As it may be printed. */
static const char *text_of(const json_t *root, const char *key, bnn_arena *arena) {
    const char *value = json_string_value(json_object_get(root, key));
    char *copy = value && *value && strlen(value) <= LONGEST_TEXT
                     ? bnn_arena_format(arena, "%s", value)
                     : NULL;
    for (char *c = copy; c && *c; c++) {
        *c = bnn_text_shown(*c);
    }
    return copy;
}

static bnn_code read_texts(const char *name, const json_t *root, bnn_arena *arena,
                           bnn_plan_counts *out, bnn_error *err) {
    struct {
        const char *key, **at;
    } const texts[] = {{"arch", &out->arch}, {"algo", &out->algo}, {"data", &out->data}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!(*texts[i].at = text_of(root, texts[i].key, arena))) {
            return damaged(name, texts[i].key, err);
        }
    }
    return BNN_OK;
}

static bnn_code read_counts(const char *name, const json_t *root, bnn_plan_counts *out,
                            bnn_error *err) {
    const struct {
        const char *key;
        double *at;
    } counts[] = {{"parameters", &out->parameters},
                  {"binary_weights", &out->binary_weights},
                  {"float_parameters", &out->float_parameters},
                  {"kept_parameters", &out->kept_parameters},
                  {"macs", &out->macs},
                  {"binary_macs", &out->binary_macs},
                  {"scalings", &out->scalings},
                  {"float_work", &out->float_work}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const json_t *value = json_object_get(root, counts[i].key);
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) > LARGEST_COUNT) {
            return damaged(name, counts[i].key, err);
        }
        *counts[i].at = (double)json_integer_value(value);
    }
    return out->binary_weights <= out->parameters && out->float_parameters <= out->parameters &&
                   out->binary_macs <= out->macs && out->parameters > 0.0 && out->macs > 0.0
               ? BNN_OK
               : damaged(name, "parameters", err);
}

bnn_code bnn_plan_counts_parse(const char *name, const char *json, size_t bytes, bnn_arena *arena,
                               bnn_plan_counts *out, bnn_error *err) {
    *out = (bnn_plan_counts){0};
    json_t *root = bnn_json_parse(name, json, bytes, "", err);
    if (!root) {
        return BNN_ERR_FORMAT;
    }
    const char *format = json_string_value(json_object_get(root, "format"));
    bnn_code code = format && strcmp(format, BNN_PLAN_FORMAT) == 0
                        ? read_texts(name, root, arena, out, err)
                        : damaged(name, "format", err);
    if (code == BNN_OK) {
        code = read_counts(name, root, out, err);
    }
    json_decref(root);
    return code;
}

bnn_code bnn_plan_counts_read(const char *path, bnn_arena *arena, bnn_plan_counts *out,
                              bnn_error *err) {
    bnn_map map;
    bnn_code code = bnn_map_read(path, &map, err);
    if (code == BNN_OK) {
        code = map.size > LARGEST_FILE
                   ? bnn_fail(err, BNN_ERR_FORMAT, "%s: larger than 16 MiB: not a plan", path)
                   : bnn_plan_counts_parse(path, (const char *)map.data, map.size, arena, out, err);
        bnn_map_close(&map);
    }
    return code;
}
