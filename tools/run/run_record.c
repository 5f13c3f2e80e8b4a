#include "tools/run/run_record.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "engine/base/file.h"
#include "tools/cli/json_file.h"
#include "tools/cli/utf8.h"
#include "tools/run/run_folder.h"

enum { LONGEST_TEXT = 4 * 4096, LONGEST_ROW = 1024, MOST_ROWS = 1000000 };
#define LARGEST_FILE ((size_t)1 << 30)

static bnn_code no_memory(const char *name, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
}

/* FOLDER/NAME, mapped. `path` is for later messages. */
static bnn_code map_file(const char *folder, const char *name, char path[4200], bnn_map *map,
                         bnn_error *err) {
    int length = snprintf(path, 4200, "%s/%s", folder, name);
    if (length >= 4200) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: the path is too long", folder);
    }
    bnn_code code = bnn_map_read(path, map, err);
    if (code == BNN_OK && map->size > LARGEST_FILE) {
        bnn_map_close(map);
        code = bnn_fail(err, BNN_ERR_FORMAT, "%s: larger than 1 GiB: not of a run", path);
    }
    return code;
}

/* ---- config.json -------------------------------------------------------------------------- */
static const char *config_text(const json_t *root, const char *key, bnn_arena *arena,
                               bnn_code *code) {
    const char *value = json_string_value(json_object_get(root, key));
    if (!value || strlen(value) > LONGEST_TEXT) {
        return NULL;
    }
    char *copy = bnn_arena_format(arena, "%s", value);
    if (copy) {
        bnn_utf8_unescape(copy);
    } else {
        *code = BNN_ERR_MEMORY;
    }
    return copy;
}

static int64_t config_count(const json_t *root, const char *key) {
    const json_t *value = json_object_get(root, key);
    return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value)
                                                                    : -1;
}

static const char *text_but_seed(json_t *root, bnn_arena *arena) {
    static const char *const apart[] = {"seed",   "data-dir",         "vocab",   "threads",
                                        "device", "checkpoint-every", "profile", "tensorboard"};
    static const char *const own[] = {"init-from", "teacher"};
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++) {
        json_object_del(root, apart[i]);
    }
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (json_object_get(root, own[i])) {
            json_object_set_new(root, own[i], json_true());
        }
    }
    char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    const char *copy = text ? bnn_arena_format(arena, "%s", text) : NULL;
    free(text);
    return copy;
}

bnn_code bnn_run_config_parse(const char *name, const char *json, size_t bytes, bnn_arena *arena,
                              bnn_run_config *out, bnn_error *err) {
    bnn_code code = BNN_OK;
    json_t *root = bnn_json_parse(name, json, bytes, "", err);
    *out = (bnn_run_config){0};
    if (!root) {
        return BNN_ERR_FORMAT;
    }
    out->algo = config_text(root, "algo", arena, &code);
    out->arch = config_text(root, "arch", arena, &code);
    out->data = config_text(root, "data", arena, &code);
    out->data_dir = config_text(root, "data-dir", arena, &code);
    out->optimizer = config_text(root, "optimizer", arena, &code);
    out->scheduler = config_text(root, "scheduler", arena, &code);
    out->epochs = config_count(root, "epochs");
    out->batch_size = config_count(root, "batch-size");
    out->seed = config_count(root, "seed");
    out->limit_train = config_count(root, "limit-train");
    const json_t *lr = json_object_get(root, "lr");
    out->lr = json_is_number(lr) ? json_number_value(lr) : -1.0;
    out->but_seed = text_but_seed(root, arena);
    json_decref(root);
    if (code != BNN_OK || !out->but_seed) {
        return no_memory(name, err);
    }
    return out->algo && out->arch && out->data
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_FORMAT,
                          "%s: no algo, arch or data: not the configuration of a run of "
                          "bnn-train",
                          name);
}

bnn_code bnn_run_config_read(const char *folder, bnn_arena *arena, bnn_run_config *out,
                             bnn_error *err) {
    char path[4200];
    bnn_map map;
    bnn_code code = map_file(folder, "config.json", path, &map, err);
    if (code != BNN_OK) {
        return code == BNN_ERR_IO
                   ? bnn_fail(err, code,
                              "%s: not the folder of a run of bnn-train, there is no "
                              "config.json that can be read",
                              folder)
                   : code;
    }
    code = bnn_run_config_parse(path, (const char *)map.data, map.size, arena, out, err);
    bnn_map_close(&map);
    return code;
}

/* ---- metrics.csv -------------------------------------------------------------------------- */
/* A field up to its comma or the end; an empty one is NAN. 0: not a finite number. */
static int parse_field(char **at, double *value) {
    char *end = *at + strcspn(*at, ",");
    const char last = *end;
    *end = '\0';
    *value = NAN;
    int valid = 1;
    if (**at) {
        char *stop;
        *value = strtod(*at, &stop);
        /* Decimal only, and nothing in front: strtod knows more than CSV does. */
        valid = stop == end && fabs(*value) < 1e30 &&
                strspn(*at, "0123456789+-.eE") == (size_t)(end - *at);
    }
    *at = last ? end + 1 : end;
    return valid;
}

/* The line without its newline, in a buffer of its own; `before` is the last epoch's number. */
static int parse_row(char *line, size_t columns, double before, double *out) {
    size_t commas = 0;
    for (const char *p = line; *p; p++) {
        commas += *p == ',';
    }
    if (commas != columns - 1) {
        return 0;
    }
    for (size_t i = 0; i < columns; i++) {
        if (!parse_field(&line, &out[i])) {
            return 0;
        }
    }
    return out[0] > before && out[0] <= 1e9 && out[0] == floor(out[0]);
}

/* The first line is that of the task; its names become the columns'. Returns its length, or 0. */
static size_t parse_header(const char *csv, size_t bytes, const char *header, bnn_arena *arena,
                           bnn_metrics *out) {
    const size_t length = strlen(header);
    char *names = bnn_arena_format(arena, "%s", header), *save;
    const char **column = bnn_arena_alloc(arena, (length / 2 + 1) * sizeof *column);
    if (!names || !column || bytes <= length || memcmp(csv, header, length) != 0 ||
        csv[length] != '\n') {
        return 0;
    }
    for (char *at = strtok_r(names, ",", &save); at; at = strtok_r(NULL, ",", &save)) {
        column[out->columns++] = at;
    }
    out->column = column;
    return length + 1;
}

int bnn_metrics_column(const bnn_metrics *metrics, const char *name) {
    for (size_t i = 0; i < metrics->columns; i++) {
        if (strcmp(metrics->column[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static size_t count_lines(const char *text, size_t bytes) {
    size_t lines = 0;
    for (size_t i = 0; i < bytes; i++) {
        lines += text[i] == '\n';
    }
    return lines;
}

bnn_code bnn_metrics_parse(const char *name, const char *csv, size_t bytes, const bnn_task *task,
                           const char *const *losses, bnn_arena *arena, bnn_metrics *out,
                           bnn_error *err) {
    *out = (bnn_metrics){0};
    char expected[BNN_METRICS_HEADER_BYTES], older[BNN_METRICS_HEADER_BYTES];
    bnn_metrics_header(task, losses, 0, expected);
    bnn_metrics_header(task, losses, 1, older);
    size_t header = parse_header(csv, bytes, expected, arena, out);
    header = header ? header : parse_header(csv, bytes, older, arena, out);
    if (!header) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: its first line is not \"%s\"", name, expected);
    }
    const size_t lines = count_lines(csv + header, bytes - header);
    if (lines > MOST_ROWS) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: %zu lines, more than epochs can be", name, lines);
    }
    out->value = bnn_arena_alloc(arena, (lines + 1) * out->columns * sizeof *out->value);
    if (!out->value) {
        return no_memory(name, err);
    }
    const char *at = csv + header;
    for (size_t i = 0; i < lines; i++) {
        char line[LONGEST_ROW];
        const char *end = memchr(at, '\n', bytes - (size_t)(at - csv));
        size_t length = (size_t)(end - at);
        int fits = length < sizeof line && !memchr(at, '\0', length);
        memcpy(line, at, fits ? length : 0);
        line[fits ? length : 0] = '\0';
        double *row = out->value + i * out->columns;
        if (!fits ||
            !parse_row(line, out->columns, i ? row[-(ptrdiff_t)out->columns] : -1.0, row)) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: line %zu is damaged: expected %zu numbers, epochs rising", name,
                            i + 2, out->columns);
        }
        at = end + 1;
    }
    out->count = lines;
    return BNN_OK;
}

bnn_code bnn_metrics_read(const char *folder, const bnn_task *task, const char *const *losses,
                          bnn_arena *arena, bnn_metrics *out, bnn_error *err) {
    char path[4200];
    bnn_map map;
    bnn_code code = map_file(folder, "metrics.csv", path, &map, err);
    if (code == BNN_OK) {
        code = bnn_metrics_parse(path, (const char *)map.data, map.size, task, losses, arena, out,
                                 err);
        bnn_map_close(&map);
    }
    return code;
}

/* ---- steps.jsonl -------------------------------------------------------------------------- */
static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *value, size_t n) {
    qsort(value, n, sizeof *value, ascending);
    return n ? (value[(n - 1) / 2] + value[n / 2]) / 2 : NAN;
}

bnn_code bnn_step_seconds_parse(const char *name, const char *lines, size_t bytes,
                                bnn_step_seconds *out, bnn_error *err) {
    const size_t count = count_lines(lines, bytes);
    double *seconds = malloc((count + 1) * sizeof *seconds);
    size_t n = 0;
    const char *at = lines;
    if (!seconds) {
        return no_memory(name, err);
    }
    for (size_t i = 0; i < count; i++) {
        const char *end = memchr(at, '\n', bytes - (size_t)(at - lines));
        json_t *object = json_loadb(at, (size_t)(end - at), JSON_REJECT_DUPLICATES, NULL);
        const json_t *value = json_object_get(object, "seconds");
        int valid = json_is_number(value) && json_number_value(value) >= 0.0;
        seconds[n++] = valid ? json_number_value(value) : 0.0;
        json_decref(object);
        if (!valid) {
            free(seconds);
            return bnn_fail(err, BNN_ERR_FORMAT, "%s: line %zu is damaged: no seconds", name,
                            i + 1);
        }
        at = end + 1;
    }
    *out = (bnn_step_seconds){NAN, n ? 0.0 : NAN};
    for (size_t i = 0; i < n; i++) {
        out->total += seconds[i];
    }
    out->median = median(seconds, n);
    free(seconds);
    return BNN_OK;
}

bnn_code bnn_step_seconds_read(const char *folder, bnn_step_seconds *out, bnn_error *err) {
    char path[4200];
    bnn_map map;
    bnn_code code = map_file(folder, "steps.jsonl", path, &map, err);
    if (code == BNN_OK) {
        code = bnn_step_seconds_parse(path, (const char *)map.data, map.size, out, err);
        bnn_map_close(&map);
    }
    return code;
}
