/* One side of a comparison, in a process of its own: so that its peak memory is its own, that no
 * library's threads get in the way of another's, and that sides can take turns. The caller says
 * when a worker runs; between two runs it sleeps.
 *
 * What is said over a worker's socket, a line each: at first the worker says "ready VERSION",
 * "absent WHY" (what it needs is not installed) or "error WHY"; then, each time it is sent
 * "LEAST_RUNS LEAST_SECONDS", it repeats its work for as long and says "done SECONDS BYTES RUNS",
 * seconds a run, peak resident memory so far and how many runs these were. It ends when its socket
 * is closed. A program that speaks so can be a worker, too (worker.py). */
#ifndef BNN_TOOLS_BENCH_WORKER_H
#define BNN_TOOLS_BENCH_WORKER_H

#include <stddef.h>

#include "engine/base/status.h"

#define BNN_VERSION_BYTES 96

typedef struct bnn_worker bnn_worker;

/* Work of this program. set_up and run run in the worker, on a copy of the caller's memory. */
typedef struct bnn_work {
    /* Once; `version` [BNN_VERSION_BYTES], empty at first, may get a text for the report.
     * BNN_ERR_UNSUPPORTED: what it needs is not installed. */
    bnn_code (*set_up)(void *self, char *version, bnn_error *err);
    bnn_code (*run)(void *self, bnn_error *err);
    /* Where a run only begins what a device does: returns when all that was begun is done; or NULL.
     */
    bnn_code (*wait)(void *self, bnn_error *err);
    /* Or instead of both: starts a program that is the worker. */
    bnn_code (*start)(void *self, bnn_worker **out, bnn_error *err);
    void *self;
} bnn_work;

/* Return when the worker is ready. BNN_ERR_UNSUPPORTED: it is absent. The caller must not have run
 * an OpenMP region: its threads do not survive a fork. */
bnn_code bnn_worker_start(const bnn_work *work, bnn_worker **out, bnn_error *err);
/* argv[0] is looked for in PATH; one that cannot be run is absent, one that a signal ends before it
 * is ready an error (BNN_ERR_IO). Its stderr is dropped. It
 * inherits how OpenMP's threads wait (openmp.h): where other programs run, a side that spins
 * would otherwise take several times as long as one that does not. */
bnn_code bnn_worker_exec(const char *const *argv, bnn_worker **out, bnn_error *err);

const char *bnn_worker_version(const bnn_worker *worker);

typedef struct bnn_repetition {
    double seconds; /* a run */
    int runs;
    size_t peak_bytes;
} bnn_repetition;

/* One repetition: at least that many runs and seconds. */
bnn_code bnn_worker_repeat(bnn_worker *worker, int least_runs, double least_seconds,
                           bnn_repetition *out, bnn_error *err);

/* Ends the process and waits for it. NULL is fine. */
void bnn_worker_stop(bnn_worker *worker);

#endif
