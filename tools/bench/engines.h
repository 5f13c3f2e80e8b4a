/* Other frameworks as baselines: the float twin of a network in a script of this folder, run by a
 * Python that has the framework. */
#ifndef BNN_TOOLS_BENCH_ENGINES_H
#define BNN_TOOLS_BENCH_ENGINES_H

#include "tools/bench/bench.h"

typedef struct bnn_engine {
    const char *name;   /* as --compare has it */
    const char *script; /* NULL: it runs the network itself, exported (infer.c) */
    const char *precisions[BNN_ENGINE_PRECISIONS]; /* each a baseline of its own */
} bnn_engine;

/* What a training step, what making samples and what inference can be compared with;
 * NULL-terminated. */
extern const bnn_engine *const bnn_train_engines[], *const bnn_data_engines[],
                                                        *const bnn_infer_engines[];
extern const bnn_engine bnn_lce_engine; /* one of infer's */

/* Is it one of the chosen ones (bench->engines)? */
int bnn_engine_chosen(const bnn_bench *bench, const bnn_engine *engine);
/* Is one of them with the float twin? */
int bnn_engines_of_twin(const bnn_bench *bench);

/* Adds the baselines of the chosen engines with the float twin for batches of that size. What
 * cannot be had or begun here is told on stderr and has no worker. `folder` is for what the workers
 * of a run share; "" where they share nothing. Interpreters: $BNN_PYTHON, or if that is not set
 * python3 of PATH, then /usr/bin/python3. */
bnn_code bnn_engines_start(const bnn_bench *bench, const bnn_spec *twin, size_t batch_size,
                           const char *folder, bnn_baselines *baselines, bnn_error *err);

/* An exported model in the engine that it is for, as bnn_work's `start`; `self` is one of these. */
typedef struct bnn_exported {
    const char *path;
    int larq; /* for Larq Compute Engine, whose Python may be another one: $BNN_LCE_PYTHON */
    int threads;
} bnn_exported;
bnn_code bnn_exported_start(void *self, bnn_worker **out, bnn_error *err);

#endif
