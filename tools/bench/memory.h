/* How fast memory is: what a step that moves so many bytes is measured by. */
#ifndef BNN_TOOLS_BENCH_MEMORY_H
#define BNN_TOOLS_BENCH_MEMORY_H

#include "tools/bench/bench.h"

/* Bytes a second with the device's threads, the fastest of the turns; 0, and a note on stderr,
 * where there is no room to measure. */
bnn_code bnn_bench_memory_speed(const bnn_bench *bench, double *speed, bnn_error *err);

#endif
