/* The energy that processors take, by the counters of their packages (RAPL, of Intel and AMD),
 * which Linux shows as files; on most systems root alone may read them. They count what all
 * programs use, cores, caches and where it belongs to the package the memory's controller, so a
 * machine that does something else meanwhile measures that, too. */
#ifndef BNN_TOOLS_BENCH_ENERGY_H
#define BNN_TOOLS_BENCH_ENERGY_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"

#define BNN_ENERGY_FOLDER "/sys/class/powercap"
#define BNN_ENERGY_PACKAGES 64
/* Counters move about every millisecond: of a shorter time than this they would tell little. */
#define BNN_ENERGY_LEAST_SECONDS 0.1

typedef struct bnn_energy {
    const char *folder;
    struct {
        int zone;              /* of intel-rapl:ZONE */
        uint64_t range, start; /* microjoules; the counter goes from 0 to its range, and wraps */
    } package[BNN_ENERGY_PACKAGES];
    size_t count;
} bnn_energy;

/* All packages, or none: BNN_ERR_UNSUPPORTED where there is none, or one cannot be read. `folder`
 * is kept. */
bnn_code bnn_energy_open(const char *folder, bnn_energy *out, bnn_error *err);
void bnn_energy_start(bnn_energy *energy);
/* Of all packages since the start, so many seconds ago; 0: not known, since that is too short, a
 * counter cannot be read any more, or none has moved. */
double bnn_energy_joules(const bnn_energy *energy, double seconds);

#endif
