/* How fast samples are made of a data set's files: read, decoded, augmented, normalized, by one
 * thread. A loader makes them in as many threads as there are, each of which works alone. */
#include <stdio.h>
#include <stdlib.h>

#include "data_loaders/dataset.h"
#include "engine/base/arena.h"
#include "tools/bench/bench.h"
#include "tools/bench/engines.h"
#include "tools/cli/interrupt.h"
#include "tools/run/data_spec.h"

#define USUAL_BATCH 64 /* samples a run */

typedef struct making {
    const bnn_bench *bench;
    bnn_split split;
    size_t count; /* samples a run */
    /* The worker's. */
    bnn_dataset *dataset;
    void *out[BNN_MAX_FIELDS];
    size_t next;
    bnn_draw draw;
} making;

static bnn_code set_up(void *self, char *version, bnn_error *err) {
    making *m = self;
    (void)version;
    bnn_code code = bnn_dataset_open(bnn_dataset_find(m->bench->data), m->bench->data_dir, m->split,
                                     &m->bench->data_options, &m->dataset, err);
    for (int f = 0; code == BNN_OK && f < m->dataset->fields; f++) {
        m->out[f] = bnn_alloc_aligned(bnn_field_bytes(&m->dataset->field[f]));
        code = m->out[f] ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for a sample");
    }
    return code;
}

static bnn_code run(void *self, bnn_error *err) {
    making *m = self;
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < m->count && code == BNN_OK; i++) {
        if (m->next == m->dataset->count) {
            m->next = 0;
            m->draw.epoch++;
        }
        code = m->dataset->sample(m->dataset, m->next++,
                                  m->split == BNN_SPLIT_TRAIN ? &m->draw : NULL, m->out, err);
    }
    return code;
}

static bnn_code start_baselines(const bnn_bench *bench, const bnn_dataset_info *info, size_t count,
                                bnn_baselines *baselines, bnn_error *err) {
    bnn_spec spec = {.arch = bench->arch};
    if (!bench->engines[0]) {
        return BNN_OK;
    }
    if (!info->show) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--compare goes with photographs, not with --data %s", info->name);
    }
    bnn_spec_of_info(&spec, info);
    return bnn_engines_start(bench, &spec, count, bench->data_dir ? bench->data_dir : "", baselines,
                             err);
}

bnn_code bnn_bench_data(const bnn_bench *bench, bnn_error *err) {
    static const char *const splits[] = {"train", "test"}; /* as the engines have them */
    const bnn_dataset_info *info = bnn_dataset_find(bench->data);
    const size_t count = bench->batch_size ? (size_t)bench->batch_size : USUAL_BATCH;
    bnn_baselines all = {0};
    bnn_code code = start_baselines(bench, info, count, &all, err);
    for (size_t s = 0; s < 2 && code == BNN_OK && !bnn_interrupted(); s++) {
        making m = {bench, s ? BNN_SPLIT_TEST : BNN_SPLIT_TRAIN, count, .draw = {1, 0}};
        const bnn_work work = {.set_up = set_up, .run = run, .self = &m};
        bnn_bench_row row = {.group = "data", .threads = 1, .images = count};
        bnn_baselines one = {.list = {{.name = "none"}}, .count = 1};
        if (all.count) {
            one.list[0] = all.list[s];
        }
        snprintf(row.name, sizeof row.name, "data %s %s", info->name, splits[s]);
        if (bnn_bench_wants(bench, row.name)) {
            code = bnn_bench_case(bench, &row, &work, &one, 1, err);
        }
    }
    bnn_baselines_stop(&all);
    return code;
}
