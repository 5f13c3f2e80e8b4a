#include "tests/golden/seeded.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"

/* The i-th number in [-1, 1) of those that a name's hash seeds. */
static double unit_of(uint64_t hash, size_t i) {
    uint64_t z = hash + i * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (double)(z >> 40) / 8388608.0 - 1.0;
}

double golden_unit(const char *name, size_t i) {
    return unit_of(bnn_hash_name(name), i);
}

int golden_ends(const char *name, const char *suffix) {
    size_t n = strlen(name), s = strlen(suffix);
    return n >= s && strcmp(name + n - s, suffix) == 0;
}

/* A parameter's values: centre + spread * u, u in [-1, 1) or, where `positive`, its magnitude. */
typedef struct range {
    double centre, spread;
    int positive;
} range;

static int is_of_norm(const bnn_params *params, const char *name) {
    char sibling[256];
    const int stem = (int)(strrchr(name, '.') + 1 - name);
    snprintf(sibling, sizeof sibling, "%.*srunning_mean", stem, name);
    return bnn_params_find(params, sibling) != NULL || strstr(name, "LayerNorm.");
}

static range range_of(const bnn_params *params, const bnn_param *p) {
    const char *name = p->name;
    if (golden_ends(name, "running_mean")) {
        return (range){0.0, 0.2, 0};
    }
    if (golden_ends(name, "running_var")) {
        return (range){1.0, 0.5, 1};
    }
    if (is_of_norm(params, name)) {
        return (range){golden_ends(name, ".weight") ? 1.0 : 0.0, 0.2, 0};
    }
    if (golden_ends(name, ".alpha") || golden_ends(name, ".o_scale")) {
        return (range){0.05, 0.02, 0};
    }
    if (golden_ends(name, "_scale")) {
        return (range){1.0, 0.1, 0};
    }
    if (golden_ends(name, ".channel_threshold")) {
        return (range){0.0, 0.2, 0};
    }
    if (golden_ends(name, ".bias")) {
        return (range){0.0, 0.1, 0};
    }
    if (golden_ends(name, "l2_norm.weight")) {
        return (range){20.0, 2.0, 0};
    }
    if (p->ndim < 2) {
        return (range){0.25, 0.1, 0}; /* PReLU */
    }
    return (range){0.0, sqrt(3.0 / ((double)p->count / (double)p->shape[0])), 0};
}

void golden_fill(bnn_params *params, const char *prefix) {
    for (size_t k = 0; k < params->count; k++) {
        const bnn_param *p = params->list[k];
        if (!p->trainable && !golden_ends(p->name, "running_mean") &&
            !golden_ends(p->name, "running_var")) {
            continue; /* the schedule's */
        }
        char seed[256];
        snprintf(seed, sizeof seed, "%s%s", prefix, p->name);
        const uint64_t hash = bnn_hash_name(seed);
        const range r = range_of(params, p);
        float *file = malloc(p->count * sizeof(float));
        for (size_t i = 0; i < p->count; i++) {
            const double u = unit_of(hash, i);
            file[i] = (float)(r.centre + r.spread * (r.positive ? fabs(u) : u));
        }
        bnn_param_to_memory(p, file, bnn_param_data(params, p));
        free(file);
    }
}
