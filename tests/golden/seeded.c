#include "tests/golden/seeded.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"

double golden_unit(const char *name, size_t i) {
    uint64_t z = bnn_hash_name(name) + i * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (double)(z >> 40) / 8388608.0 - 1.0;
}

int golden_ends(const char *name, const char *suffix) {
    size_t n = strlen(name), s = strlen(suffix);
    return n >= s && strcmp(name + n - s, suffix) == 0;
}

/* `prefix` stands in front of the name where it seeds the values. */
static double value_of(const bnn_params *params, const bnn_param *p, const char *prefix, size_t i) {
    char sibling[256], seed[256];
    snprintf(seed, sizeof seed, "%s%s", prefix, p->name);
    double u = golden_unit(seed, i);
    size_t stem = strlen(p->name) - strlen(strrchr(p->name, '.') + 1);
    snprintf(sibling, sizeof sibling, "%.*srunning_mean", (int)stem, p->name);
    int norm = bnn_params_find(params, sibling) != NULL || strstr(p->name, "LayerNorm.");
    if (golden_ends(p->name, "running_mean")) {
        return 0.2 * u;
    }
    if (golden_ends(p->name, "running_var")) {
        return 1.0 + 0.5 * fabs(u);
    }
    if (norm) {
        return golden_ends(p->name, ".weight") ? 1.0 + 0.2 * u : 0.2 * u;
    }
    if (golden_ends(p->name, ".alpha") || golden_ends(p->name, ".o_scale")) {
        return 0.05 + 0.02 * u;
    }
    if (golden_ends(p->name, "_scale")) {
        return 1.0 + 0.1 * u;
    }
    if (golden_ends(p->name, ".channel_threshold")) {
        return 0.2 * u;
    }
    if (golden_ends(p->name, ".bias")) {
        return 0.1 * u;
    }
    if (golden_ends(p->name, "l2_norm.weight")) {
        return 20.0 + 2.0 * u;
    }
    if (p->ndim < 2) {
        return 0.25 + 0.1 * u; /* PReLU */
    }
    return u * sqrt(3.0 / ((double)p->count / (double)p->shape[0]));
}

void golden_fill(bnn_params *params, const char *prefix) {
    for (size_t k = 0; k < params->count; k++) {
        const bnn_param *p = params->list[k];
        if (!p->trainable && !golden_ends(p->name, "running_mean") &&
            !golden_ends(p->name, "running_var")) {
            continue; /* the schedule's */
        }
        float *file = malloc(p->count * sizeof(float));
        for (size_t i = 0; i < p->count; i++) {
            file[i] = (float)value_of(params, p, prefix, i);
        }
        bnn_param_to_memory(p, file, bnn_param_data(params, p));
        free(file);
    }
}
