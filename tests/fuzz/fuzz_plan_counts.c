/* The counts of a network on arbitrary bytes. */
#include "tests/fuzz/fuzz.h"
#include "tools/run/plan_counts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    bnn_error err = {0};
    bnn_plan_counts counts;
    bnn_arena *arena = bnn_arena_create();
    bnn_insist(arena != NULL);
    if (bnn_accepted(
            bnn_plan_counts_parse("p.json", (const char *)bytes, size, arena, &counts, &err),
            &err)) {
        bnn_insist(counts.arch && counts.algo && counts.data);
        bnn_insist(counts.parameters >= counts.float_parameters && counts.macs > 0.0);
    }
    bnn_arena_free(arena);
    return 0;
}
