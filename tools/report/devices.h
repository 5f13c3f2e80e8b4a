/* BiBench's hardware inference: networks on devices, each beside its float twin in the same engine,
 * put together from the files of bnn-bench infer --json.
 *
 * The overall metric of an algorithm is sqrt((E(T float / T binary)^2 + E(S float / S binary)^2) /
 * 2), of times (medians of turns) and bytes of storage. E is a mean over devices x engines: a
 * device is a host's processor with an instruction set, an engine what runs a format. Such a cell's
 * own value is the mean over its rows of one sample (networks, threads), so that none weighs more
 * because more was measured there; larger batches are in the table alone, since the track is about
 * one sample's latency. E is over the cells that were measured. BiBench counts 0 where an algorithm
 * cannot be deployed, XNOR-Net's in Larq Compute Engine say; so does this, on demand. */
#ifndef BNN_TOOLS_REPORT_DEVICES_H
#define BNN_TOOLS_REPORT_DEVICES_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "engine/base/arena.h"
#include "engine/base/status.h"

#define BNN_MAX_DEVICE_FILES 4096
#define BNN_MAX_DEVICE_ROWS 4096
#define BNN_MAX_DEVICE_ALGORITHMS 64

typedef struct bnn_device_figures {
    double seconds;
    int64_t bytes;      /* of storage */
    int64_t peak_bytes; /* 0: not known */
    double joules;      /* a run; 0: not known */
} bnn_device_figures;

typedef struct bnn_device_row {
    const char *file; /* that it is from */
    const char *host; /* the folder that this lies in, as tools/board.sh leaves it; or "" */
    const char *cpu, *isa;
    const char *arch, *algo, *format, *input;
    const char *model; /* its file's name; "": a network that nobody has trained */
    int64_t batch, threads;
    bnn_device_figures binary, twin;
} bnn_device_row;

typedef struct bnn_device_algorithm {
    const char *algo;
    size_t rows;                   /* of one sample */
    size_t cells, undeployable;    /* that E is over; those of them that count 0 */
    double time_ratio, size_ratio; /* E; NAN: of no cell */
    double metric;
} bnn_device_algorithm;

typedef struct bnn_device_table {
    bnn_arena *arena;
    const char *files[BNN_MAX_DEVICE_FILES];
    bnn_device_row rows[BNN_MAX_DEVICE_ROWS];
    bnn_device_algorithm algorithms[BNN_MAX_DEVICE_ALGORITHMS]; /* fp32 is none */
    size_t file_count, row_count, algorithm_count;
    int count_emulated;
} bnn_device_table;

/* Zero a table before the first call, and free it in any case. */
void bnn_device_table_free(bnn_device_table *table);

/* A file's name; or of a folder's, all *.json in it and in its folders, in order. */
bnn_code bnn_device_table_find(bnn_device_table *table, const char *path, bnn_error *err);
/* The rows of all that were found. */
bnn_code bnn_device_table_read(bnn_device_table *table, bnn_error *err);
/* One file's; `path` is kept. */
bnn_code bnn_device_table_parse(bnn_device_table *table, const char *path, const char *json,
                                size_t bytes, bnn_error *err);

/* Sorts the rows by model and device, and computes the metrics. The same measured twice is refused:
 * which one is right, nobody can tell. */
bnn_code bnn_device_table_compute(bnn_device_table *table, bnn_error *err);

void bnn_device_table_print(const bnn_device_table *table, FILE *out);
/* NULL when memory is out. */
json_t *bnn_device_table_json(const bnn_device_table *table);

#endif
