/* A training step of each algorithm against the float twin's, here and in other frameworks; with
 * one thread against all; fed by the loader against fed by nobody. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/run/data_spec.h"
#include "tools/bench/bench.h"
#include "tools/bench/engines.h"
#include "tools/bench/memory.h"
#include "tools/bench/step.h"
#include "tools/cli/interrupt.h"

/* The loader has three batches ready whenever a repetition begins; so many more show whether it
 * keeps up. */
#define STEPS_WITH_DATA 12
#define STEPS_SCALING 4 /* a second thread wakes up slowly */

/* "train fda", and "train fda silent" for the last of several phases. */
static void name_case(const bnn_spec *spec, const char *suffix, bnn_bench_row *row) {
    int last = spec->binarizer && spec->phase > 0;
    snprintf(row->name, sizeof row->name, "train %s%s%s", bnn_spec_algorithm(spec),
             last ? " silent" : "", suffix);
}

/* Samples as the set gives them to the network; its files need not be there. */
static bnn_code take_data(const bnn_bench *bench, bnn_spec *spec, bnn_error *err) {
    const bnn_dataset_info *info = bnn_dataset_find(bench->data);
    bnn_dataset *planned = NULL;
    bnn_code code = bnn_arch_fits(bench->arch, info, err);
    if (code == BNN_OK &&
        (code = bnn_dataset_plan(info, &bench->data_options, &planned, err)) == BNN_OK) {
        bnn_spec_of_info(spec, info);
        spec->height = planned->field[0].shape.h;
        spec->width = planned->field[0].shape.w;
    }
    bnn_dataset_close(planned);
    return code;
}

static bnn_code configure(const bnn_bench *bench, const char *algorithm, bnn_step_config *c,
                          bnn_error *err) {
    *c = (bnn_step_config){.device = bench->device,
                           .where = bench->where,
                           .batch_size = (size_t)(bench->batch_size ? bench->batch_size : 64)};
    bnn_code code = bnn_bench_spec(bench, algorithm, &c->spec, err);
    return code == BNN_OK && bench->data ? take_data(bench, &c->spec, err) : code;
}

/* ---- against the twin, here and elsewhere ---- */

/* What all cases are measured by. */
typedef struct measures {
    bnn_baselines twins;
    double memory_speed;
} measures;

/* Started by the first case that is wanted, for all. */
static bnn_code start_measures(const bnn_bench *bench, measures *m, bnn_error *err) {
    bnn_step_config config;
    bnn_code code = configure(bench, BNN_FLOAT_ALGORITHM, &config, err);
    bnn_work work = bnn_step_work(&config);
    if (code == BNN_OK && !bench->where) {
        code = bnn_bench_memory_speed(bench, &m->memory_speed, err);
    }
    if (code == BNN_OK &&
        (code = bnn_baseline_start(&m->twins, BNN_FLOAT_ALGORITHM, &work, err)) == BNN_OK) {
        code = bnn_engines_start(bench, &config.spec, config.batch_size, "", &m->twins, err);
    }
    return code;
}

static bnn_code against_twins(const bnn_bench *bench, bnn_step_config *config, measures *m,
                              bnn_error *err) {
    bnn_code code = BNN_OK;
    bnn_bench_row row = {.group = "train", .threads = bench->device.threads};
    name_case(&config->spec, "", &row);
    if (!bnn_bench_wants(bench, row.name) || bnn_interrupted()) {
        return BNN_OK;
    }
    if (!m->twins.count) {
        code = start_measures(bench, m, err);
    }
    if (code == BNN_OK) {
        code = bnn_step_bytes(config, &row.moved_bytes, err);
    }
    row.memory_speed = m->memory_speed;
    bnn_work work = bnn_step_work(config);
    return code == BNN_OK ? bnn_bench_case(bench, &row, &work, &m->twins, 1, err) : code;
}

/* ---- threads, data ---- */

static bnn_code thread_scaling(const bnn_bench *bench, bnn_step_config *config, bnn_error *err) {
    bnn_bench_row row = {.group = "train scaling", .threads = bench->device.threads};
    bnn_step_config single = *config;
    name_case(&config->spec, " scaling", &row);
    if (!bnn_bench_wants(bench, row.name) || bnn_interrupted()) {
        return BNN_OK;
    }
    single.device.threads = 1;
    bnn_work work = bnn_step_work(config), other = bnn_step_work(&single);
    return bnn_bench_pair(bench, &row, &work, "1 thread", &other, STEPS_SCALING, err);
}

static bnn_code loader_overlap(const bnn_bench *bench, bnn_step_config *config, bnn_error *err) {
    bnn_bench_row row = {.group = "train with data", .threads = bench->device.threads};
    bnn_step_config fed = *config;
    name_case(&config->spec, " with data", &row);
    if (!bnn_bench_wants(bench, row.name) || bnn_interrupted()) {
        return BNN_OK;
    }
    fed.data = bench->data;
    fed.data_dir = bench->data_dir;
    fed.data_options = &bench->data_options;
    bnn_work work = bnn_step_work(&fed), other = bnn_step_work(config);
    return bnn_bench_pair(bench, &row, &work, "no loader", &other, STEPS_WITH_DATA, err);
}

/* One algorithm in one of its phases. */
static bnn_code measure(const bnn_bench *bench, bnn_step_config *config, measures *m,
                        bnn_error *err) {
    bnn_code code = BNN_OK;
    if (!bench->scaling && !bench->data) {
        return against_twins(bench, config, m, err);
    }
    if (bench->scaling) {
        code = thread_scaling(bench, config, err);
    }
    return code == BNN_OK && bench->data ? loader_overlap(bench, config, err) : code;
}

bnn_code bnn_bench_train(const bnn_bench *bench, bnn_error *err) {
    measures m = {0};
    bnn_code code = BNN_OK;
    for (size_t a = 0; bench->algorithms[a] && code == BNN_OK; a++) {
        bnn_step_config config;
        code = configure(bench, bench->algorithms[a], &config, err);
        int phases = config.spec.phase + 1;
        for (int phase = 0; phase < phases && code == BNN_OK; phase++) {
            config.spec.phase = phase;
            code = measure(bench, &config, &m, err);
        }
    }
    bnn_baselines_stop(&m.twins);
    return code;
}
