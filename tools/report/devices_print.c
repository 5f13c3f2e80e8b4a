/* The hardware inference track as text and as JSON. */
#include <math.h>
#include <string.h>

#include "tools/cli/json_file.h"
#include "tools/cli/utf8.h"
#include "tools/report/devices.h"

/* NAN: one of them is not known. */
static double ratio(double twin, double binary) {
    return twin > 0.0 && binary > 0.0 ? twin / binary : NAN;
}

static double size_ratio(const bnn_device_row *row) {
    return ratio((double)row->twin.bytes, (double)row->binary.bytes);
}

static double memory_ratio(const bnn_device_row *row) {
    return ratio((double)row->twin.peak_bytes, (double)row->binary.peak_bytes);
}

/* ---- text --------------------------------------------------------------------------------- */

/* NAN: not known. */
static void put(FILE *out, int width, const char *format, double value) {
    char text[40] = "-";
    if (!isnan(value)) {
        snprintf(text, sizeof text, format, value);
    }
    fprintf(out, " %*s", width, text);
}

/* What the table has columns for, where there is anything to stand in them. */
typedef struct columns {
    int model; /* as wide as the longest name; 0: all are new networks */
    int energy;
} columns;

static columns columns_of(const bnn_device_table *t) {
    columns c = {0, 0};
    for (size_t i = 0; i < t->row_count; i++) {
        const int name = (int)strlen(t->rows[i].model), least = name ? (int)strlen("model") : 0;
        c.model = name > c.model ? name : least > c.model ? least : c.model;
        c.energy |= t->rows[i].binary.joules > 0.0;
    }
    return c;
}

static void print_head(columns c, FILE *out) {
    if (c.model) {
        fprintf(out, "%-*s ", c.model, "model");
    }
    fprintf(out, "%-16s %-9s %-6s %-10s %5s %3s %10s %9s %7s %11s %7s %9s %7s%s  device\n",
            "network", "algo", "format", "input", "batch", "thr", "ms a run", "float ms", "ratio",
            "file bytes", "ratio", "peak MiB", "ratio", c.energy ? "   mJ a run   ratio" : "");
}

static void print_row(const bnn_device_row *row, columns c, FILE *out) {
    const bnn_device_figures *own = &row->binary, *twin = &row->twin;
    if (c.model) {
        fprintf(out, "%-*s ", c.model, row->model[0] ? row->model : "-");
    }
    fprintf(out, "%-16s %-9s %-6s %-10s %5lld %3lld %10.4g %9.4g %7.2f %11lld %7.2f", row->arch,
            row->algo, row->format, row->input, (long long)row->batch, (long long)row->threads,
            1e3 * own->seconds, 1e3 * twin->seconds, twin->seconds / own->seconds,
            (long long)own->bytes, size_ratio(row));
    put(out, 9, "%.1f", own->peak_bytes ? (double)own->peak_bytes / 1048576.0 : NAN);
    put(out, 7, "%.2f", memory_ratio(row));
    if (c.energy) {
        put(out, 10, "%.4g", own->joules > 0.0 ? 1e3 * own->joules : NAN);
        put(out, 7, "%.2f", ratio(twin->joules, own->joules));
    }
    fprintf(out, "  %s%s%s, %s\n", row->host, row->host[0] ? ": " : "", row->cpu, row->isa);
}

static void print_algorithm(const bnn_device_algorithm *a, FILE *out) {
    fprintf(out, "%-10s %3zu %s on %2zu %s time", a->algo, a->rows, a->rows == 1 ? "row " : "rows",
            a->cells, a->cells == 1 ? "device x engine   " : "devices x engines ");
    put(out, 7, "%.2f", a->time_ratio);
    fprintf(out, "  storage");
    put(out, 7, "%.2f", a->size_ratio);
    fprintf(out, "  overall metric");
    put(out, 7, "%.2f", a->metric);
    if (a->undeployable) {
        fprintf(out, "  (0 in %zu where it cannot be deployed)", a->undeployable);
    }
    fprintf(out, "\n");
}

void bnn_device_table_print(const bnn_device_table *t, FILE *out) {
    const columns c = columns_of(t);
    print_head(c, out);
    for (size_t i = 0; i < t->row_count; i++) {
        print_row(&t->rows[i], c, out);
    }
    fprintf(out, "\nratio: the float twin's, in the same engine, by the binary network's.\n"
                 "BiBench's hardware inference: root of the mean square of the ratios of time and "
                 "of storage, each the mean\nover devices x engines of the rows of one sample.\n");
    for (size_t i = 0; i < t->algorithm_count; i++) {
        print_algorithm(&t->algorithms[i], out);
    }
}

/* ---- JSON --------------------------------------------------------------------------------- */
static json_t *bytes(int64_t value) {
    return value ? json_integer(value) : json_null();
}

/* The keys of bnn-bench; of energy that is not known there are none. */
static json_t *row_json(const bnn_device_row *row) {
    const bnn_device_figures *own = &row->binary, *twin = &row->twin;
    const double energy_ratio = ratio(twin->joules, own->joules);
    json_t *o = json_pack("{s:o, s:o, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I}", "file",
                          bnn_utf8_json(row->file), "host", bnn_utf8_json(row->host), "cpu",
                          row->cpu, "isa", row->isa, "threads", (json_int_t)row->threads, "arch",
                          row->arch, "algo", row->algo, "format", row->format, "input", row->input,
                          "batch", (json_int_t)row->batch);
    json_t *figures =
        json_pack("{s:s*, s:f, s:f, s:f, s:I, s:I, s:f, s:o, s:o, s:o, s:o*, s:o*, s:o*}", "model",
                  row->model[0] ? row->model : NULL, "seconds", own->seconds, "baseline_seconds",
                  twin->seconds, "ratio", twin->seconds / own->seconds, "file_bytes",
                  (json_int_t)own->bytes, "float_bytes", (json_int_t)twin->bytes, "size_ratio",
                  size_ratio(row), "peak_bytes", bytes(own->peak_bytes), "baseline_peak_bytes",
                  bytes(twin->peak_bytes), "memory_ratio", bnn_json_number(memory_ratio(row)),
                  "joules", own->joules > 0.0 ? json_real(own->joules) : NULL, "baseline_joules",
                  twin->joules > 0.0 ? json_real(twin->joules) : NULL, "energy_ratio",
                  isnan(energy_ratio) ? NULL : json_real(energy_ratio));
    if (!o || !figures || json_object_update(o, figures) != 0) {
        json_decref(o);
        o = NULL;
    }
    json_decref(figures);
    return o;
}

static json_t *algorithm_json(const bnn_device_algorithm *a) {
    return json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "algo", a->algo, "rows",
                     (json_int_t)a->rows, "cells", (json_int_t)a->cells, "undeployable",
                     (json_int_t)a->undeployable, "time_ratio", bnn_json_number(a->time_ratio),
                     "size_ratio", bnn_json_number(a->size_ratio), "metric",
                     bnn_json_number(a->metric));
}

json_t *bnn_device_table_json(const bnn_device_table *t) {
    json_t *rows = json_array(), *algorithms = json_array();
    int failed = !rows || !algorithms;
    for (size_t i = 0; i < t->row_count; i++) {
        failed |= json_array_append_new(rows, row_json(&t->rows[i]));
    }
    for (size_t i = 0; i < t->algorithm_count; i++) {
        failed |= json_array_append_new(algorithms, algorithm_json(&t->algorithms[i]));
    }
    json_t *root = json_pack("{s:o, s:o}", "algorithms", algorithms, "rows", rows);
    if (failed) {
        json_decref(root);
        return NULL;
    }
    return root;
}
