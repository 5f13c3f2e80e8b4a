#include "tools/bench/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/stats.h"
#include "tools/cli/machine.h"
#include "tools/cli/utf8.h"

typedef struct row {
    bnn_bench_row row;
    const char *summary; /* "geometric mean", "worst", or NULL */
} row;

struct bnn_bench_report {
    const char *isa;
    char cpu[96];
    int repeat;
    row *rows;
    size_t count, capacity;
};

bnn_bench_report *bnn_bench_report_create(const char *isa, int repeat) {
    bnn_bench_report *report = calloc(1, sizeof *report);
    if (report) {
        report->isa = isa;
        report->repeat = repeat;
        bnn_machine_cpu(report->cpu, sizeof report->cpu);
    }
    return report;
}

void bnn_bench_report_free(bnn_bench_report *report) {
    if (report) {
        free(report->rows);
        free(report);
    }
}

size_t bnn_bench_report_count(const bnn_bench_report *report) {
    return report->count;
}

/* ---- the table ---- */

static double ratio_of(const bnn_bench_row *r) {
    return r->other.seconds / r->own.seconds;
}

static double fastest_ratio_of(const bnn_bench_row *r) {
    return r->other.fastest / r->own.fastest;
}

static double memory_ratio_of(const bnn_bench_row *r) {
    return (double)r->other.peak_bytes / (double)r->own.peak_bytes;
}

/* 0: not known. */
static double energy_ratio_of(const bnn_bench_row *r) {
    return r->own.joules > 0.0 ? r->other.joules / r->own.joules : 0.0;
}

static double mib(size_t bytes) {
    return (double)bytes / 1048576.0;
}

static void print_head(const bnn_bench_report *report) {
    printf("%s, %s, median and fastest of %d turns\n", report->cpu, report->isa, report->repeat);
    printf("%-64s %21s %8s   %-18s %21s %8s  %s\n", "", "ms a run", "", "", "ms a run", "",
           "baseline's by ours");
    printf("%-60s %3s %10s %10s %8s   %-18s %10s %10s %8s %7s %7s %7s\n", "case", "thr", "median",
           "fastest", "MiB", "baseline", "median", "fastest", "MiB", "median", "fastest", "memory");
}

/* `again`: the row before was of the same case. */
static void print_row(const bnn_bench_row *r, int again) {
    printf("%-60s %3d %10.4g %10.4g %8.1f   %-18s ", r->name, r->threads, 1e3 * r->own.seconds,
           1e3 * r->own.fastest, mib(r->own.peak_bytes), r->baseline);
    if (r->other.seconds > 0.0) {
        printf("%10.4g %10.4g %8.1f %7.2f %7.2f %7.2f\n", 1e3 * r->other.seconds,
               1e3 * r->other.fastest, mib(r->other.peak_bytes), ratio_of(r), fastest_ratio_of(r),
               memory_ratio_of(r));
    } else {
        printf("%10s %10s %8s %7s %7s %7s\n", "-", "-", "-", "-", "-", "-");
    }
    if (r->images > 1) {
        printf("  %.1f images/s", (double)r->images / r->own.seconds);
        printf(r->other.seconds > 0.0 ? " (%s %.1f)\n" : "\n", r->baseline,
               (double)r->images / r->other.seconds);
    }
    if (r->moved_bytes > 0.0 && !again) {
        printf("  %.1f MB of tensors read and written: %.1f GB/s", r->moved_bytes / 1e6,
               r->moved_bytes / r->own.fastest / 1e9);
        printf(r->memory_speed > 0.0 ? " of the %.1f GB/s of memory\n" : "\n",
               r->memory_speed / 1e9);
    }
    if (r->images == 1 && r->float_bytes && !again) {
        printf("  file %zu bytes, float weights %zu bytes: size ratio %.2f\n", r->file_bytes,
               r->float_bytes, (double)r->float_bytes / (double)r->file_bytes);
    }
    if (r->own.joules > 0.0) {
        printf("  %.4g mJ a run", 1e3 * r->own.joules);
        if (energy_ratio_of(r) > 0.0) {
            printf(" (%s %.4g: energy ratio %.2f)", r->baseline, 1e3 * r->other.joules,
                   energy_ratio_of(r));
        }
        printf("\n");
    }
    fflush(stdout);
}

static bnn_code keep(bnn_bench_report *report, const bnn_bench_row *r, const char *summary,
                     bnn_error *err) {
    if (report->count == report->capacity) {
        size_t larger = report->capacity ? 2 * report->capacity : 64;
        row *rows = realloc(report->rows, larger * sizeof *rows);
        if (!rows) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the table");
        }
        report->rows = rows;
        report->capacity = larger;
    }
    report->rows[report->count++] = (row){*r, summary};
    return BNN_OK;
}

bnn_code bnn_bench_report_add(bnn_bench_report *report, const bnn_bench_row *r, bnn_error *err) {
    if (report->count == 0) {
        print_head(report);
    }
    print_row(r, report->count && strcmp(report->rows[report->count - 1].row.name, r->name) == 0);
    return keep(report, r, NULL, err);
}

/* ---- groups ---- */

/* What could not be compared is of no group. */
static int same_group(const row *a, const row *b) {
    return !b->summary && b->row.other.seconds > 0.0 && strcmp(a->row.group, b->row.group) == 0 &&
           strcmp(a->row.baseline, b->row.baseline) == 0;
}

static double seconds_of(const bnn_bench_row *r) {
    return r->own.seconds;
}
static double other_seconds_of(const bnn_bench_row *r) {
    return r->other.seconds;
}
static double fastest_of(const bnn_bench_row *r) {
    return r->own.fastest;
}
static double other_fastest_of(const bnn_bench_row *r) {
    return r->other.fastest;
}
static double peak_of(const bnn_bench_row *r) {
    return (double)r->own.peak_bytes;
}
static double other_peak_of(const bnn_bench_row *r) {
    return (double)r->other.peak_bytes;
}

static double group_mean(const bnn_bench_report *report, const row *first, size_t count,
                         double (*value)(const bnn_bench_row *), double *values) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (same_group(first, &report->rows[i])) {
            values[n++] = value(&report->rows[i].row);
        }
    }
    return bnn_geometric_mean(values, n);
}

/* Keeps the row of the least ratio, and prints it beside the mean's. */
static bnn_code add_worst(bnn_bench_report *report, const bnn_bench_row *mean, const row *first,
                          size_t count, double (*ratio)(const bnn_bench_row *), const char *times,
                          const char *summary, bnn_error *err) {
    const bnn_bench_row *least = &first->row;
    for (size_t i = 0; i < count; i++) {
        const row *r = &report->rows[i];
        least = same_group(first, r) && ratio(&r->row) < ratio(least) ? &r->row : least;
    }
    bnn_bench_row worst = *least;
    printf("%s against %s, %s: geometric mean %.2f, worst %.2f (%s)\n", mean->group, mean->baseline,
           times, ratio(mean), ratio(least), least->name);
    snprintf(worst.name, sizeof worst.name, "%.30s: %s, %.80s", least->group, summary, least->name);
    return keep(report, &worst, summary, err);
}

/* A mean of each column: the ratio of the means is then the mean of the ratios. */
static bnn_code sum_up(bnn_bench_report *report, size_t first, size_t count, size_t members,
                       double *values, bnn_error *err) {
    row start = report->rows[first];
    bnn_bench_row mean = start.row;
    mean.own.seconds = group_mean(report, &start, count, seconds_of, values);
    mean.other.seconds = group_mean(report, &start, count, other_seconds_of, values);
    mean.own.fastest = group_mean(report, &start, count, fastest_of, values);
    mean.other.fastest = group_mean(report, &start, count, other_fastest_of, values);
    mean.own.peak_bytes = (size_t)group_mean(report, &start, count, peak_of, values);
    mean.other.peak_bytes = (size_t)group_mean(report, &start, count, other_peak_of, values);
    mean.moved_bytes = mean.memory_speed = mean.own.joules = mean.other.joules = 0.0;
    mean.arch = NULL;
    mean.images = mean.file_bytes = mean.float_bytes = 0;
    snprintf(mean.name, sizeof mean.name, "%s: geometric mean of %zu", mean.group, members);
    bnn_code code = keep(report, &mean, "geometric mean", err);
    if (code == BNN_OK) {
        code = add_worst(report, &mean, &start, count, ratio_of, "medians", "worst", err);
    }
    return code == BNN_OK ? add_worst(report, &mean, &start, count, fastest_ratio_of, "fastest",
                                      "worst of the fastest", err)
                          : code;
}

/* One line for each baseline that told its version. */
static void print_versions(const bnn_bench_report *report, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const bnn_bench_row *r = &report->rows[i].row;
        int told = r->version[0] == '\0';
        for (size_t k = 0; k < i && !told; k++) {
            told = strcmp(report->rows[k].row.baseline, r->baseline) == 0;
        }
        if (!told) {
            printf("%s: %s\n", r->baseline, r->version);
        }
    }
}

bnn_code bnn_bench_report_finish(bnn_bench_report *report, bnn_error *err) {
    size_t count = report->count;
    double *values = calloc(count + 1, sizeof *values);
    bnn_code code =
        values ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the statistics");
    for (size_t i = 0; i < count && code == BNN_OK; i++) {
        size_t before = 0, members = 0;
        for (size_t k = 0; k < count; k++) {
            int member = same_group(&report->rows[i], &report->rows[k]);
            before += member && k < i;
            members += (size_t)member;
        }
        if (!before && members > 1 && report->rows[i].row.other.seconds > 0.0) {
            code = sum_up(report, i, count, members, values, err);
        }
    }
    free(values);
    print_versions(report, count);
    return code;
}

/* ---- JSON ---- */

static void set_size(json_t *object, const char *key, size_t bytes) {
    json_object_set_new(object, key, bytes ? json_integer((json_int_t)bytes) : json_null());
}

/* What is not known is not there. */
static void set_known(json_t *object, const char *key, double value) {
    if (value > 0.0) {
        json_object_set_new(object, key, json_real(value));
    }
}

static void set_network(json_t *o, const bnn_bench_row *b) {
    if (b->model[0]) {
        json_object_set_new(o, "model", bnn_utf8_json(b->model));
    }
    json_object_set_new(o, "arch", json_string(b->arch));
    json_object_set_new(o, "algo", json_string(b->algo));
    json_object_set_new(o, "format", json_string(b->format));
    json_object_set_new(o, "input", json_sprintf("%dx%dx%d", b->channels, b->height, b->width));
    json_object_set_new(o, "batch", json_integer((json_int_t)b->images));
}

static json_t *row_json(const bnn_bench_report *report, const row *r) {
    const bnn_bench_row *b = &r->row;
    int compared = b->other.seconds > 0.0;
    json_t *o = json_object();
    json_object_set_new(o, "case", bnn_utf8_json(b->name));
    json_object_set_new(o, "seconds", json_real(b->own.seconds));
    json_object_set_new(o, "baseline", json_string(b->baseline));
    json_object_set_new(o, "baseline_seconds",
                        compared ? json_real(b->other.seconds) : json_null());
    json_object_set_new(o, "ratio", compared ? json_real(ratio_of(b)) : json_null());
    json_object_set_new(o, "fastest_seconds", json_real(b->own.fastest));
    json_object_set_new(o, "baseline_fastest_seconds",
                        compared ? json_real(b->other.fastest) : json_null());
    json_object_set_new(o, "fastest_ratio",
                        compared ? json_real(fastest_ratio_of(b)) : json_null());
    set_size(o, "peak_bytes", b->own.peak_bytes);
    json_object_set_new(o, "cpu", json_string(report->cpu));
    json_object_set_new(o, "isa", json_string(report->isa));
    json_object_set_new(o, "threads", json_integer(b->threads));
    set_size(o, "baseline_peak_bytes", b->other.peak_bytes);
    json_object_set_new(o, "memory_ratio", compared ? json_real(memory_ratio_of(b)) : json_null());
    json_object_set_new(o, "repeat", json_integer(report->repeat));
    if (b->version[0]) {
        json_object_set_new(o, "baseline_version", json_string(b->version));
    }
    if (b->moved_bytes > 0.0) {
        json_object_set_new(o, "moved_bytes", json_real(b->moved_bytes));
        json_object_set_new(o, "memory_bytes_per_second",
                            b->memory_speed > 0.0 ? json_real(b->memory_speed) : json_null());
    }
    if (b->images) {
        json_object_set_new(o, "images_per_second", json_real((double)b->images / b->own.seconds));
    }
    if (b->float_bytes) {
        set_size(o, "file_bytes", b->file_bytes);
        set_size(o, "float_bytes", b->float_bytes);
        json_object_set_new(o, "size_ratio",
                            json_real((double)b->float_bytes / (double)b->file_bytes));
    }
    set_known(o, "joules", b->own.joules);
    set_known(o, "baseline_joules", b->other.joules);
    set_known(o, "energy_ratio", energy_ratio_of(b));
    if (b->arch) {
        set_network(o, b);
    }
    if (r->summary) {
        json_object_set_new(o, "summary", json_string(r->summary));
    }
    return o;
}

bnn_code bnn_bench_report_write(const bnn_bench_report *report, FILE *out, bnn_error *err) {
    json_t *root = json_array();
    for (size_t i = 0; i < report->count; i++) {
        json_array_append_new(root, row_json(report, &report->rows[i]));
    }
    int complete = root && json_array_size(root) == report->count;
    if (complete) {
        json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        fputc('\n', out);
    }
    json_decref(root);
    return complete ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the JSON file");
}
