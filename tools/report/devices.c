#include "tools/report/devices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/export/export.h"

/* What BiBench's table of deployment has as not to be had: an activation's scale that is computed,
 * a scale that is not of a channel, and in daBNN an activation's shift. bnn-export --emulate writes
 * some of them all the same, in floats. */
static const struct {
    const bnn_export_format *engine;
    const char *algo;
} undeployable[] = {{&bnn_export_lce, "xnor"},
                    {&bnn_export_lce, "xnorpp"},
                    {&bnn_export_dabnn, "xnor"},
                    {&bnn_export_dabnn, "xnorpp"},
                    {&bnn_export_dabnn, "reactnet"}};

static int is_undeployable(const char *format, const char *algo) {
    for (size_t i = 0; i < sizeof undeployable / sizeof *undeployable; i++) {
        if (strcmp(format, undeployable[i].engine->name) == 0 &&
            strcmp(algo, undeployable[i].algo) == 0) {
            return 1;
        }
    }
    return 0;
}

/* ---- order -------------------------------------------------------------------------------- */
static int by_count(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

/* The first that is not 0. */
static int first_of(const int *order, size_t count) {
    size_t i = 0;
    while (i + 1 < count && order[i] == 0) {
        i++;
    }
    return order[i];
}

static int by_device(const bnn_device_row *a, const bnn_device_row *b) {
    const int order[] = {strcmp(a->host, b->host), strcmp(a->cpu, b->cpu), strcmp(a->isa, b->isa)};
    return first_of(order, sizeof order / sizeof *order);
}

/* Network, then device: 0 of the same, measured in the same way. */
static int by_what(const bnn_device_row *a, const bnn_device_row *b) {
    const int order[] = {
        strcmp(a->arch, b->arch),
        strcmp(a->algo, b->algo),
        strcmp(a->format, b->format),
        strcmp(a->input, b->input),
        by_count(a->batch, b->batch),
        strcmp(a->model, b->model),
        by_device(a, b),
        by_count(a->threads, b->threads),
    };
    return first_of(order, sizeof order / sizeof *order);
}

static int by_what_and_file(const void *x, const void *y) {
    const bnn_device_row *a = x, *b = y;
    const int order[] = {by_what(a, b), strcmp(a->file, b->file)};
    return first_of(order, 2);
}

static bnn_code sort(bnn_device_table *t, bnn_error *err) {
    qsort(t->rows, t->row_count, sizeof *t->rows, by_what_and_file);
    for (size_t i = 1; i < t->row_count; i++) {
        const bnn_device_row *a = &t->rows[i - 1], *b = &t->rows[i];
        if (by_what(a, b) == 0) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "%s and %s both have %.60s %.20s (%.20s, %.40s, batch %lld) on %.100s "
                            "with %lld threads; leave one of them out",
                            a->file, b->file, b->arch, b->algo, b->format, b->input,
                            (long long)b->batch, b->cpu, (long long)b->threads);
        }
    }
    return BNN_OK;
}

/* ---- the metric --------------------------------------------------------------------------- */
static int is_binary(const bnn_device_row *row) {
    return strcmp(row->algo, BNN_FLOAT_ALGORITHM) != 0;
}

static int counts(const bnn_device_row *row) {
    return row->batch == 1 && is_binary(row);
}

static int same_cell(const bnn_device_row *a, const bnn_device_row *b) {
    return by_device(a, b) == 0 && strcmp(a->format, b->format) == 0;
}

/* Is this row the first of its cell, among those that count? */
static int is_first(const bnn_device_table *t, size_t i) {
    for (size_t k = 0; k < i; k++) {
        if (counts(&t->rows[k]) && same_cell(&t->rows[k], &t->rows[i])) {
            return 0;
        }
    }
    return counts(&t->rows[i]);
}

static void add_cell(const bnn_device_table *t, const bnn_device_row *cell,
                     bnn_device_algorithm *a) {
    double time = 0.0, size = 0.0;
    size_t rows = 0;
    for (size_t i = 0; i < t->row_count; i++) {
        const bnn_device_row *row = &t->rows[i];
        if (counts(row) && same_cell(row, cell) && strcmp(row->algo, a->algo) == 0) {
            time += row->twin.seconds / row->binary.seconds;
            size += (double)row->twin.bytes / (double)row->binary.bytes;
            rows++;
        }
    }
    if (!t->count_emulated && is_undeployable(cell->format, a->algo)) {
        a->cells++;
        a->undeployable++;
    } else if (rows) {
        a->cells++;
        a->rows += rows;
        a->time_ratio += time / (double)rows;
        a->size_ratio += size / (double)rows;
    }
}

static void average(const bnn_device_table *t, bnn_device_algorithm *a) {
    for (size_t i = 0; i < t->row_count; i++) {
        if (is_first(t, i)) {
            add_cell(t, &t->rows[i], a);
        }
    }
    a->time_ratio = a->cells ? a->time_ratio / (double)a->cells : NAN;
    a->size_ratio = a->cells ? a->size_ratio / (double)a->cells : NAN;
    a->metric = sqrt((a->time_ratio * a->time_ratio + a->size_ratio * a->size_ratio) / 2.0);
}

static bnn_code add_algorithm(bnn_device_table *t, const bnn_device_row *row, bnn_error *err) {
    for (size_t i = 0; i < t->algorithm_count; i++) {
        if (strcmp(t->algorithms[i].algo, row->algo) == 0) {
            return BNN_OK;
        }
    }
    if (t->algorithm_count == BNN_MAX_DEVICE_ALGORITHMS) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: more than %d algorithms", row->file,
                        BNN_MAX_DEVICE_ALGORITHMS);
    }
    bnn_device_algorithm *a = &t->algorithms[t->algorithm_count++];
    *a = (bnn_device_algorithm){.algo = row->algo};
    average(t, a);
    return BNN_OK;
}

bnn_code bnn_device_table_compute(bnn_device_table *t, bnn_error *err) {
    bnn_code code = sort(t, err);
    t->algorithm_count = 0;
    for (size_t i = 0; i < t->row_count && code == BNN_OK; i++) {
        code = is_binary(&t->rows[i]) ? add_algorithm(t, &t->rows[i], err) : BNN_OK;
    }
    return code;
}
