/* What a benchmark prints and writes: a line a row as soon as it is measured, geometric mean and
 * worst of each group at the end, and all of it as JSON. */
#ifndef BNN_TOOLS_BENCH_REPORT_H
#define BNN_TOOLS_BENCH_REPORT_H

#include <stddef.h>
#include <stdio.h>

#include "engine/base/status.h"

/* One side's figures; seconds = 0: it is not there. */
typedef struct bnn_bench_figures {
    double seconds, fastest; /* a run: the median of the turns, and the fastest turn */
    size_t peak_bytes;
    double joules; /* a run; 0: not known */
} bnn_bench_figures;

typedef struct bnn_bench_row {
    char name[136];    /* "gemm binary 3x3 64->64 at 32x32 batch 64" */
    const char *group; /* "gemm binary"; rows of one group and baseline are summed up together */
    char baseline[32];
    char version[96]; /* of the baseline, or "" */
    bnn_bench_figures own, other;
    int threads;
    /* Of a training step; 0 elsewhere. */
    double moved_bytes, memory_speed; /* bytes a run, bytes a second; a speed of 0 is not known */
    /* Of inference; 0 elsewhere. */
    size_t images; /* a run */
    size_t file_bytes, float_bytes;
    /* Which network, so that rows of many machines can be put together (bnn-report inference). */
    char model[64]; /* its file's name, or "" */
    const char *arch, *algo, *format;
    int channels, height, width; /* of what it sees */
} bnn_bench_row;

typedef struct bnn_bench_report bnn_bench_report;

/* `isa`: the kernel table's name. NULL when memory is out. */
bnn_bench_report *bnn_bench_report_create(const char *isa, int repeat);
void bnn_bench_report_free(bnn_bench_report *report); /* NULL is fine */
/* Prints the row and keeps a copy. */
bnn_code bnn_bench_report_add(bnn_bench_report *report, const bnn_bench_row *row, bnn_error *err);
size_t bnn_bench_report_count(const bnn_bench_report *report);
/* Prints the groups of at least two rows, and what the baselines are; the rows that sum up join the
 * others. */
bnn_code bnn_bench_report_finish(bnn_bench_report *report, bnn_error *err);
/* All rows as a JSON array; what cannot be written the stream remembers. */
bnn_code bnn_bench_report_write(const bnn_bench_report *report, FILE *out, bnn_error *err);

#endif
