#include "tools/run/results.h"

#include <math.h>
#include <string.h>

#include <jansson.h>
#include <zlib.h>

#include "engine/base/file.h"
#include "tools/cli/json_file.h"
#include "tools/cli/utf8.h"
#include "tools/run/numbers.h"

#define FORMAT "bnn-results-1"
#define MOST_IMAGES 100000000

enum { LARGEST_FILE = 1 << 24, MOST_CLASSES = 100000, LONGEST_TEXT = 4 * 4096 };

/* ---- what follows from the counts --------------------------------------------------------- */
double bnn_percent(int64_t part, int64_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : NAN;
}

double bnn_results_cell(const bnn_corruption_result *row, int severity) {
    int64_t correct = row->correct[severity - 1];
    return correct == BNN_NOT_DONE ? NAN : bnn_percent(correct, row->images);
}

double bnn_results_row_mean(const bnn_results *r, const bnn_corruption_result *row) {
    double sum = 0.0;
    int count = 0;
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        if (r->wanted[s]) {
            sum += bnn_results_cell(row, s + 1);
            count++;
        }
    }
    return sum / count; /* NAN without any */
}

double bnn_results_mean(const bnn_results *r) {
    double sum = 0.0;
    for (size_t i = 0; i < r->row_count; i++) {
        sum += bnn_results_row_mean(r, &r->rows[i]);
    }
    return r->row_count ? sum / (double)r->row_count : NAN;
}

const bnn_corruption_result *bnn_results_row(const bnn_results *r, int kind) {
    for (size_t i = 0; i < r->row_count; i++) {
        if (r->rows[i].kind == kind) {
            return &r->rows[i];
        }
    }
    return NULL;
}

size_t bnn_results_cells(const bnn_results *r, size_t *done) {
    size_t count = 0;
    *done = 0;
    for (size_t i = 0; i < r->row_count; i++) {
        for (int s = 0; s < BNN_SEVERITIES; s++) {
            count += r->wanted[s] != 0;
            *done += r->wanted[s] && r->rows[i].correct[s] != BNN_NOT_DONE;
        }
    }
    return count;
}

void bnn_results_free(bnn_results *r) {
    bnn_arena_free(r->arena);
    r->arena = NULL;
}

bnn_code bnn_results_checksum(bnn_results *r, bnn_error *err) {
    bnn_map map;
    bnn_code code = bnn_map_open(r->model, &map, err);
    if (code != BNN_OK) {
        return code;
    }
    r->checksum = bnn_arena_format(r->arena, "%08lx", crc32_z(0, map.data, map.size));
    bnn_map_close(&map);
    return r->checksum ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", r->model);
}

double bnn_results_as_written(double value) {
    char text[40];
    snprintf(text, sizeof text, "%.9g", value);
    return isnan(value) ? value : strtod(text, NULL);
}

/* ---- writing ------------------------------------------------------------------------------ */
static json_t *row_json(const bnn_results *r, const bnn_corruption_result *row) {
    json_t *top1 = json_array();
    for (int s = 1; s <= BNN_SEVERITIES; s++) {
        json_array_append_new(top1, bnn_json_number(bnn_results_cell(row, s)));
    }
    double mean = bnn_results_row_mean(r, row);
    return json_pack("{s:s, s:s, s:I, s:o, s:o, s:o}", "corruption",
                     bnn_corruption_names[row->kind], "source", row->source, "images",
                     (json_int_t)row->images, "top1", top1, "mean", bnn_json_number(mean), "gap",
                     bnn_json_number(r->metric[0] - mean));
}

static json_t *corruptions_json(const bnn_results *r) {
    json_t *rows = json_array(), *severities = json_array();
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        if (r->wanted[s]) {
            json_array_append_new(severities, json_integer(s + 1));
        }
    }
    for (size_t i = 0; i < r->row_count; i++) {
        json_array_append_new(rows, row_json(r, &r->rows[i]));
    }
    double clean = r->metric[0], mean = bnn_results_mean(r);
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "clean", bnn_json_number(clean), "mean",
                     bnn_json_number(mean), "gap", bnn_json_number(clean - mean), "severities",
                     severities, "rows", rows);
}

/* The names of a task's values in groups; in older files the samples were images. */
static json_t *classes_json(const bnn_results *r) {
    json_t *classes = json_array();
    for (size_t c = 0; c < r->class_count; c++) {
        const bnn_class_result *of = &r->classes[c];
        json_array_append_new(
            classes,
            json_pack("{s:s, s:I, s:o, s:o*}", "class", of->name, "samples",
                      (json_int_t)of->samples, r->task->metrics[r->task->grouped].key,
                      bnn_json_number(of->value), "precision_by_recall",
                      of->curve ? bnn_numbers_json(of->curve, NULL, BNN_CURVE_POINTS) : NULL));
    }
    return classes;
}

static json_t *confusion_json(const bnn_results *r) {
    json_t *rows = json_array();
    for (size_t c = 0; c < r->class_count; c++) {
        json_t *row = json_array();
        for (size_t p = 0; p < r->class_count; p++) {
            json_array_append_new(row, json_integer(r->confusion[c * r->class_count + p]));
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

/* NULL when memory is out. */
static json_t *results_json(const bnn_results *r) {
    json_t *root = json_pack("{s:s, s:o, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:I}", "format", FORMAT,
                             "model", bnn_utf8_json(r->model), "checksum", r->checksum, "arch",
                             r->arch, "algo", r->algo, "packed", r->packed, "data", r->data, "isa",
                             r->isa, "task", r->task->name, "samples", (json_int_t)r->samples);
    int failed = !root;
    for (int i = 0; r->task->metrics[i].key; i++) {
        failed |= json_object_set_new(root, r->task->metrics[i].key, bnn_json_number(r->metric[i]));
    }
    failed |= json_object_set_new(root, "loss", bnn_json_number(r->loss));
    failed |= json_object_set_new(root, "classes", classes_json(r));
    if (r->confusion) {
        failed |= json_object_set_new(root, "confusion", confusion_json(r));
    }
    if (r->examples.count) {
        failed |= json_object_set_new(root, "examples", bnn_examples_json(&r->examples));
    }
    if (r->row_count) {
        failed |= json_object_set_new(root, "corruptions", corruptions_json(r));
    }
    if (failed) {
        json_decref(root);
        return NULL;
    }
    return root;
}

bnn_code bnn_results_write(const char *path, const bnn_results *results, bnn_error *err) {
    return bnn_json_write(path, results_json(results), err);
}

/* ---- reading ------------------------------------------------------------------------------ */
typedef struct reader {
    const char *name;
    bnn_arena *arena;
    bnn_error *err; /* sticky: filled, nothing is read any more */
} reader;

static int damaged(reader *r, const char *what) {
    if (r->err->code == BNN_OK) {
        bnn_fail(r->err, BNN_ERR_FORMAT,
                 "%s: not results of bnn-eval, or damaged: %s; evaluate again with --overwrite",
                 r->name, what);
    }
    return 0;
}

static const char *text(reader *r, const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    char *copy = NULL;
    if (!value || strlen(value) > LONGEST_TEXT) {
        damaged(r, key);
    } else if (!(copy = bnn_arena_format(r->arena, "%s", value)) && r->err->code == BNN_OK) {
        bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory", r->name);
    }
    return copy ? copy : "";
}

static const char *file_name(reader *r, const json_t *object, const char *key) {
    char *copy = bnn_arena_format(r->arena, "%s", text(r, object, key));
    if (copy) {
        bnn_utf8_unescape(copy);
    } else if (r->err->code == BNN_OK) {
        bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory", r->name);
    }
    return copy ? copy : "";
}

static int64_t count(reader *r, const json_t *object, const char *key, int64_t least) {
    const json_t *value = json_object_get(object, key);
    int64_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < least || number > MOST_IMAGES) {
        damaged(r, key);
        return least;
    }
    return number;
}

/* The whole number of images that this percentage of them is. */
static int64_t part(reader *r, const json_t *value, int64_t images, const char *key) {
    double percent = json_number_value(value);
    int64_t correct = 0;
    if (!json_is_number(value) || !(percent >= 0.0 && percent <= 100.0)) {
        damaged(r, key);
        return 0;
    }
    correct = llround(percent * (double)images / 100.0);
    /* Of no images, older files say 0. */
    if (fabs((images ? bnn_percent(correct, images) : 0.0) - percent) > 1e-6) {
        damaged(r, key);
    }
    return correct;
}

static double percent(reader *r, const json_t *value, const char *key, double least) {
    double number = json_number_value(value);
    if (json_is_null(value)) {
        return NAN;
    }
    if (!json_is_number(value) || !(number >= least && number <= 100.0)) {
        damaged(r, key);
        return NAN;
    }
    return number;
}

static int64_t samples(reader *r, const json_t *object, int64_t least) {
    const char *key = json_object_get(object, "images") ? "images" : "samples";
    return count(r, object, key, least);
}

/* Older files have none. */
static void read_curve(reader *r, const json_t *json, bnn_class_result *class) {
    class->curve = NULL;
    if (!json) {
        return;
    }
    class->curve = bnn_arena_alloc(r->arena, BNN_CURVE_POINTS * sizeof *class->curve);
    if (!class->curve) {
        bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory", r->name);
    } else if (!bnn_numbers_read(json, 0, 1000, BNN_CURVE_POINTS, class->curve, NULL)) {
        damaged(r, "the precision of a class");
    }
}

static void read_classes(reader *r, const json_t *list, bnn_results *out) {
    size_t n = json_array_size(list);
    if (n > MOST_CLASSES || (n > 0) != (out->task->groups != NULL)) {
        damaged(r, "classes");
        return;
    }
    out->classes = bnn_arena_alloc(r->arena, n * sizeof *out->classes);
    if (!out->classes) {
        bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory", r->name);
        return;
    }
    out->class_count = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        bnn_class_result *class = &out->classes[i];
        class->name = text(r, item, "class");
        class->samples = samples(r, item, 0);
        class->value = percent(r, json_object_get(item, out->task->metrics[out->task->grouped].key),
                               "the score of a class", 0.0);
        /* Of no samples, older files say 0. */
        class->value = class->samples == 0 && class->value == 0.0 ? NAN : class->value;
        if (isnan(class->value) != (class->samples == 0)) {
            damaged(r, "a class without samples, or without a score");
        }
        read_curve(r, json_object_get(item, "precision_by_recall"), class);
    }
}

static void read_confusion(reader *r, const json_t *rows, bnn_results *out) {
    const size_t n = out->class_count;
    out->confusion = bnn_arena_alloc(r->arena, (n * n + 1) * sizeof *out->confusion);
    if (!out->confusion) {
        bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory", r->name);
        return;
    }
    for (size_t i = 0; i < n * n; i++) {
        const json_t *row = json_array_get(rows, i / n), *cell = json_array_get(row, i % n);
        int64_t value = json_integer_value(cell);
        if (json_array_size(rows) != n || json_array_size(row) != n || !json_is_integer(cell) ||
            value < 0 || value > MOST_IMAGES) {
            damaged(r, "confusion");
            return;
        }
        out->confusion[i] = value;
    }
}

static void read_examples(reader *r, const json_t *list, bnn_results *out) {
    bnn_code code = bnn_examples_read(list, r->arena, &out->examples);
    if (code == BNN_ERR_MEMORY) {
        bnn_fail(r->err, code, "%s: out of memory", r->name);
    } else if (code != BNN_OK) {
        damaged(r, "examples");
    }
}

static void read_row(reader *r, const json_t *item, bnn_results *out) {
    const char *name = text(r, item, "corruption");
    int kind = bnn_corruption_find(name);
    if (kind < 0 || bnn_results_row(out, kind)) {
        damaged(r, "an unknown corruption, or one twice");
        return;
    }
    bnn_corruption_result *row = &out->rows[out->row_count];
    *row = (bnn_corruption_result){.kind = kind, .source = text(r, item, "source")};
    row->images = count(r, item, "images", 1);
    const json_t *top1 = json_object_get(item, "top1");
    if (json_array_size(top1) != BNN_SEVERITIES) {
        damaged(r, "top1 of a corruption");
    }
    for (size_t s = 0; s < BNN_SEVERITIES; s++) {
        const json_t *cell = json_array_get(top1, s);
        row->correct[s] =
            json_is_null(cell) ? BNN_NOT_DONE : part(r, cell, row->images, "top1 of a corruption");
        if (row->correct[s] != BNN_NOT_DONE && !out->wanted[s]) {
            damaged(r, "a severity that is not among the severities");
        }
    }
    out->row_count++;
}

static void read_corruptions(reader *r, const json_t *object, bnn_results *out) {
    const json_t *severities = json_object_get(object, "severities");
    const json_t *rows = json_object_get(object, "rows");
    if (json_array_size(severities) == 0 || json_array_size(rows) == 0) {
        damaged(r, "corruptions");
    }
    for (size_t i = 0; i < json_array_size(severities); i++) {
        json_int_t severity = json_integer_value(json_array_get(severities, i));
        if (severity < 1 || severity > BNN_SEVERITIES || out->wanted[severity - 1]) {
            damaged(r, "severities");
            return;
        }
        out->wanted[severity - 1] = 1;
    }
    for (size_t i = 0; i < json_array_size(rows) && r->err->code == BNN_OK; i++) {
        read_row(r, json_array_get(rows, i), out);
    }
}

static void read_all(reader *r, const json_t *root, bnn_results *out) {
    const json_t *corruptions = json_object_get(root, "corruptions");
    const json_t *loss = json_object_get(root, "loss"), *packed = json_object_get(root, "packed");
    if (strcmp(text(r, root, "format"), FORMAT) != 0) {
        damaged(r, "no format " FORMAT);
    }
    out->model = file_name(r, root, "model");
    out->checksum = text(r, root, "checksum");
    out->arch = text(r, root, "arch");
    out->algo = text(r, root, "algo");
    out->data = text(r, root, "data");
    out->isa = text(r, root, "isa");
    out->packed = json_is_true(packed);
    out->task = bnn_task_find(json_object_get(root, "task") ? text(r, root, "task") : "classify");
    out->samples = samples(r, root, 1);
    if (!out->task) {
        damaged(r, "an unknown task");
        return;
    }
    for (int i = 0; out->task->metrics[i].key; i++) {
        const bnn_metric *m = &out->task->metrics[i];
        const json_t *value = json_object_get(root, m->key);
        out->metric[i] =
            value || !m->minor ? percent(r, value, m->key, m->below_zero ? -100.0 : 0.0) : NAN;
    }
    /* Of boxes an evaluation has none. */
    const int without = out->task->boxes && json_is_null(loss);
    out->loss = without ? NAN : json_number_value(loss);
    if (!json_is_boolean(packed) || (!without && !json_is_number(loss))) {
        damaged(r, "packed, or loss");
    }
    read_classes(r, json_object_get(root, "classes"), out);
    if (json_object_get(root, "confusion") && r->err->code == BNN_OK) {
        read_confusion(r, json_object_get(root, "confusion"), out);
    }
    if (json_object_get(root, "examples") && r->err->code == BNN_OK) {
        read_examples(r, json_object_get(root, "examples"), out);
    }
    if (corruptions) {
        read_corruptions(r, corruptions, out);
    }
}

bnn_code bnn_results_parse(const char *name, const char *json, size_t bytes, bnn_results *out,
                           bnn_error *err) {
    bnn_error first = {0};
    *out = (bnn_results){.arena = bnn_arena_create()};
    reader r = {name, out->arena, &first};
    json_t *root = bnn_json_parse(name, json, bytes, "; evaluate again with --overwrite", &first);
    if (!out->arena) {
        bnn_fail(&first, BNN_ERR_MEMORY, "%s: out of memory", name);
    } else if (root) {
        read_all(&r, root, out);
    }
    json_decref(root);
    return first.code == BNN_OK ? BNN_OK : bnn_fail(err, first.code, "%s", first.text);
}

bnn_code bnn_results_read(const char *path, bnn_results *out, bnn_error *err) {
    bnn_map map;
    *out = (bnn_results){0};
    bnn_code code = bnn_map_read(path, &map, err);
    if (code != BNN_OK) {
        return code;
    }
    code = map.size > LARGEST_FILE
               ? bnn_fail(err, BNN_ERR_FORMAT, "%s: larger than 16 MiB: not results", path)
               : bnn_results_parse(path, (const char *)map.data, map.size, out, err);
    bnn_map_close(&map);
    return code;
}
