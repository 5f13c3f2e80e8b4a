/* The benchmarks of bnn-bench: what they share, and one function for each sub-command. */
#ifndef BNN_TOOLS_BENCH_BENCH_H
#define BNN_TOOLS_BENCH_BENCH_H

#include <stdbool.h>

#include "data_loaders/dataset.h"
#include "models/model.h"
#include "tools/bench/energy.h"
#include "tools/bench/report.h"
#include "tools/bench/worker.h"
#include "tools/run/device.h"

#define BNN_BENCH_ALGORITHMS 16
#define BNN_BENCH_ENGINES 3
#define BNN_ENGINE_PRECISIONS 2

typedef struct bnn_engine bnn_engine;

typedef struct bnn_bench {
    bnn_device device;              /* the CPU */
    const bnn_device_choice *where; /* our side runs (tools/run/device.h); NULL: on that */
    bnn_bench_report *report;
    int repeat;
    const char *filter; /* only cases that contain this text; NULL: all */
    const bnn_arch *arch;
    const char *algorithms[BNN_BENCH_ALGORITHMS];        /* NULL-terminated */
    int batch_size, image_size, points, length, classes; /* 0: not chosen */
    const char *model;                                   /* infer: a file, or NULL */
    const bnn_engine *engines[BNN_BENCH_ENGINES + 1];    /* train, data, infer; NULL-terminated */
    bool scaling;                                        /* train */
    const char *data, *data_dir;                         /* data; train, with the loader: or NULL */
    bnn_dataset_options data_options;                    /* likewise */
    bnn_energy *energy; /* infer: counters that can be read, or NULL */
} bnn_bench;

bnn_code bnn_bench_gemm(const bnn_bench *bench, bnn_error *err);
bnn_code bnn_bench_attention(const bnn_bench *bench, bnn_error *err); /* of gemm's */
bnn_code bnn_bench_conv(const bnn_bench *bench, bnn_error *err);
bnn_code bnn_bench_train(const bnn_bench *bench, bnn_error *err);
bnn_code bnn_bench_data(const bnn_bench *bench, bnn_error *err);
bnn_code bnn_bench_infer(const bnn_bench *bench, bnn_error *err);

/* ---- what they share (bench.c) ---- */

/* What a case is compared with. */
typedef struct bnn_baseline {
    char name[32];
    bnn_worker *worker; /* NULL: not to be had here */
} bnn_baseline;

/* Our own float twin, an exported one, and the engines' at most. */
typedef struct bnn_baselines {
    bnn_baseline list[2 + BNN_BENCH_ENGINES * BNN_ENGINE_PRECISIONS];
    size_t count;
    const char *best; /* what a row against the best of them is called; NULL: there is none */
} bnn_baselines;

/* In a worker: the device that is chosen; with NULL `device` stays what it is. A GPU is not opened
 * before, as what CUDA has begun in a process does not live on in its children. */
bnn_code bnn_bench_device(const bnn_device_choice *where, bnn_device *device, bnn_error *err);

/* Is a case of this name wanted? */
int bnn_bench_wants(const bnn_bench *bench, const char *name);

/* Measures `work` and the baselines in turns, and adds a row for each baseline, and for the best.
 * `row` brings name and group, and what a row tells beside figures. A repetition of either side is
 * at least `least_runs` runs. Stops early, with no row, when the program is interrupted. */
bnn_code bnn_bench_case(const bnn_bench *bench, const bnn_bench_row *row, const bnn_work *work,
                        const bnn_baselines *baselines, int least_runs, bnn_error *err);

/* The same against one baseline of this program. */
bnn_code bnn_bench_pair(const bnn_bench *bench, const bnn_bench_row *row, const bnn_work *work,
                        const char *baseline, const bnn_work *other, int least_runs,
                        bnn_error *err);

/* Adds and starts a baseline; one that is absent is told on stderr, and has no worker. */
bnn_code bnn_baseline_start(bnn_baselines *baselines, const char *name, const bnn_work *work,
                            bnn_error *err);
void bnn_baselines_stop(bnn_baselines *baselines);

/* Tells on stderr why a baseline is absent or a figure not measured, each reason once. */
void bnn_bench_note(const bnn_error *why);

/* A network of `algorithm` in its last phase, for images or clouds of the chosen size (otherwise
 * those of the first data set that it can learn; for images of 32 pixels) and as many classes (that
 * data set's, or from 224 pixels on of ImageNet, if not chosen). */
bnn_code bnn_bench_spec(const bnn_bench *bench, const char *algorithm, bnn_spec *spec,
                        bnn_error *err);

/* `count` values in [-1, 1), none of them special; in memory of their own, NULL when that is out.
 */
void bnn_bench_fill(float *x, size_t count, uint64_t seed);
float *bnn_bench_floats(size_t count, uint64_t seed);

#endif
