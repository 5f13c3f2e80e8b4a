/* The sum of two arrays into a third, as STREAM (McCalpin 1995) has it: twice as much is read as is
 * written, as in most of a step. As there, and as a step's bytes are counted, what a processor
 * reads of a line that it only writes does not count. */
#include "tools/bench/memory.h"

#include <unistd.h>

#include "engine/base/arena.h"
#include "tools/cli/interrupt.h"

/* An array is several times as large as the last cache, where the system tells that one's size; for
 * all of a server's caches together it would need gigabytes, so there the three together are. */
#define CACHES 4
#define LEAST_BYTES ((size_t)64 << 20)
#define MOST_BYTES ((size_t)256 << 20)

enum { PIECE = 1 << 16 }; /* values that a thread takes at a time */

typedef struct arrays {
    const bnn_device *device;
    bnn_stream stream;
    size_t pieces;
    float *a, *b, *sum;
} arrays;

static size_t array_bytes(void) {
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    size_t bytes = cache > 0 ? (size_t)cache * CACHES : 0;
    return bytes < LEAST_BYTES ? LEAST_BYTES : bytes > MOST_BYTES ? MOST_BYTES : bytes;
}

static void add_piece(void *context, size_t i, int worker) {
    const arrays *m = context;
    size_t at = i * PIECE;
    (void)worker;
    m->stream.device.kernels->add(&m->stream, PIECE, m->a + at, m->b + at, m->sum + at);
}

static bnn_code run(void *self, bnn_error *err) {
    arrays *m = self;
    (void)err;
    m->stream.device.kernels->for_each(&m->stream, m->pieces, add_piece, m);
    return BNN_OK;
}

static bnn_code set_up(void *self, char *version, bnn_error *err) {
    arrays *m = self;
    size_t values = m->pieces * PIECE;
    (void)version;
    m->a = bnn_bench_floats(values, 1);
    m->b = bnn_bench_floats(values, 2);
    m->sum = bnn_alloc_aligned(values * sizeof(float));
    if (!m->a || !m->b || !m->sum || !bnn_stream_start(&m->stream, m->device)) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "no room for three arrays of %zu MiB, so memory's speed is not measured",
                        values * sizeof(float) >> 20);
    }
    return run(self, err);
}

bnn_code bnn_bench_memory_speed(const bnn_bench *bench, double *speed, bnn_error *err) {
    bnn_baselines memory = {0};
    arrays m = {.device = &bench->device, .pieces = array_bytes() / sizeof(float) / PIECE};
    bnn_work work = {.set_up = set_up, .run = run, .self = &m};
    double bytes = 3.0 * (double)m.pieces * PIECE * sizeof(float);
    *speed = 0.0;
    bnn_code code = bnn_baseline_start(&memory, "memory", &work, err);
    bnn_worker *worker = memory.list[0].worker;
    for (int turn = 0; worker && turn < bench->repeat && code == BNN_OK && !bnn_interrupted();
         turn++) {
        bnn_repetition pass;
        code = bnn_worker_repeat(worker, 1, 0.0, &pass, err);
        *speed = code == BNN_OK && bytes / pass.seconds > *speed ? bytes / pass.seconds : *speed;
    }
    bnn_baselines_stop(&memory);
    return code;
}
