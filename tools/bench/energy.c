#include "tools/bench/energy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text.h"

#define ZONES 256
#define UNKNOWN UINT64_MAX

typedef char zone_path[4300];

/* The first line of a zone's file; 0, or why not. */
static int read_line(const char *folder, int zone, const char *name, zone_path path,
                     char line[64]) {
    snprintf(path, sizeof(zone_path), "%s/intel-rapl:%d/%s", folder, zone, name);
    line[0] = '\0';
    FILE *file = fopen(path, "re");
    if (!file) {
        return errno;
    }
    errno = 0;
    int why = fgets(line, 64, file) ? 0 : errno; /* an empty file is no error here */
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return why;
}

/* Digits and nothing else. */
static uint64_t number(const char *line) {
    errno = 0;
    unsigned long long value = strtoull(line, NULL, 10);
    return line[0] && !line[strspn(line, "0123456789")] && !errno ? value : UNKNOWN;
}

static bnn_code read_number(const char *folder, int zone, const char *name, uint64_t *value,
                            bnn_error *err) {
    zone_path path;
    char line[64];
    int why = read_line(folder, zone, name, path, line);
    *value = why ? UNKNOWN : number(line);
    if (why) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: cannot be read: %s%s, so energy is not measured", path,
                        bnn_reason(why), why == EACCES ? " (root can)" : "");
    }
    return *value != UNKNOWN
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_UNSUPPORTED,
                          "%s: is no number of microjoules, so energy is not measured", path);
}

static uint64_t counter(const bnn_energy *energy, size_t p) {
    uint64_t value;
    bnn_code code = read_number(energy->folder, energy->package[p].zone, "energy_uj", &value, NULL);
    return code == BNN_OK && value <= energy->package[p].range ? value : UNKNOWN;
}

/* Beside packages there may be the whole platform ("psys"), which holds them. What a package holds
 * ("core", "dram") are zones below it, and "intel-rapl-mmio" counts one of them again. */
static int is_package(const char *folder, int zone) {
    zone_path path;
    char line[64];
    return read_line(folder, zone, "name", path, line) == 0 && strncmp(line, "package-", 8) == 0;
}

bnn_code bnn_energy_open(const char *folder, bnn_energy *out, bnn_error *err) {
    *out = (bnn_energy){.folder = folder};
    for (int zone = 0; zone < ZONES && out->count < BNN_ENERGY_PACKAGES; zone++) {
        uint64_t now, range;
        if (!is_package(folder, zone)) {
            continue;
        }
        bnn_code code = read_number(folder, zone, "energy_uj", &now, err);
        code =
            code == BNN_OK ? read_number(folder, zone, "max_energy_range_uj", &range, err) : code;
        if (code != BNN_OK) {
            return code;
        }
        out->package[out->count].range = range;
        out->package[out->count++].zone = zone;
    }
    return out->count ? BNN_OK
                      : bnn_fail(err, BNN_ERR_UNSUPPORTED,
                                 "%s has no counters of a processor's energy (RAPL), as in most "
                                 "virtual machines and on ARM, so energy is not measured",
                                 folder);
}

void bnn_energy_start(bnn_energy *energy) {
    for (size_t p = 0; p < energy->count; p++) {
        energy->package[p].start = counter(energy, p);
    }
}

double bnn_energy_joules(const bnn_energy *energy, double seconds) {
    double microjoules = 0.0;
    for (size_t p = 0; p < energy->count; p++) {
        uint64_t start = energy->package[p].start, now = counter(energy, p);
        if (start == UNKNOWN || now == UNKNOWN) {
            return 0.0;
        }
        /* A range takes many minutes even at full power, so it has wrapped once at most. */
        microjoules +=
            (double)(now >= start ? now - start : energy->package[p].range - start + now);
    }
    return seconds >= BNN_ENERGY_LEAST_SECONDS ? microjoules / 1e6 : 0.0;
}
