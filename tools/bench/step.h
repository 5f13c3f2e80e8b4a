/* A training step of this program, as work to measure. */
#ifndef BNN_TOOLS_BENCH_STEP_H
#define BNN_TOOLS_BENCH_STEP_H

#include "data_loaders/dataset.h"
#include "models/model.h"
#include "tools/bench/worker.h"
#include "tools/run/device.h"

/* What a step is of. Fill it, and keep it while the work is used; what the worker makes of it stays
 * in the worker. */
typedef struct bnn_step_config {
    bnn_spec spec; /* its phase is the one that is measured */
    bnn_device device;
    const bnn_device_choice *where; /* as in bnn_bench */
    size_t batch_size;
    const char *data, *data_dir; /* a data set that the loader feeds from; NULL: one random batch */
    const bnn_dataset_options *data_options; /* its */
} bnn_step_config;

/* Forward, backward, Adam. */
bnn_work bnn_step_work(bnn_step_config *config);

/* What its ops, and Adam, read and write of tensors in memory (engine/profile.h), each once: the
 * least that a step moves. */
bnn_code bnn_step_bytes(bnn_step_config *config, double *bytes, bnn_error *err);

#endif
