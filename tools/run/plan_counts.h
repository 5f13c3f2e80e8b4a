/* The counts of a network, as bnn-train --dry-run --json writes them: what BiBench's theoretical
 * complexity is computed from. */
#ifndef BNN_TOOLS_RUN_PLAN_COUNTS_H
#define BNN_TOOLS_RUN_PLAN_COUNTS_H

#include <stddef.h>

#include "engine/base/arena.h"
#include "engine/base/status.h"

#define BNN_PLAN_FORMAT "bnn-plan-1"

/* The keys of the file (models/summary.h says what they count); texts live in the arena. */
typedef struct bnn_plan_counts {
    const char *arch, *algo, *data;
    double parameters, binary_weights, float_parameters, kept_parameters;
    double macs, binary_macs, scalings, float_work;
} bnn_plan_counts;

bnn_code bnn_plan_counts_parse(const char *name, const char *json, size_t bytes, bnn_arena *arena,
                               bnn_plan_counts *out, bnn_error *err);
bnn_code bnn_plan_counts_read(const char *path, bnn_arena *arena, bnn_plan_counts *out,
                              bnn_error *err);

#endif
