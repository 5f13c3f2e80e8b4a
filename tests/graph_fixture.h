/* What tests of graphs share: random values that are the same everywhere, a kernel table, leaves
 * with memory. Nothing here may run before srunner_run_all (kernels start OpenMP threads, and Check
 * forks). */
#ifndef BNN_TESTS_GRAPH_FIXTURE_H
#define BNN_TESTS_GRAPH_FIXTURE_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "engine/base/rng.h"
#include "engine/graph.h"

static inline const bnn_kernels *test_kernels(void) {
    const char *why = NULL;
    const bnn_kernels *k = bnn_cpu_kernels(NULL, &why);
    ck_assert_msg(k != NULL, "%s", why);
    return k;
}

static inline const bnn_device *test_device(void) {
    static bnn_device device;
    device = (bnn_device){test_kernels(), 1}; /* small tensors: threads would only wait */
    return &device;
}

/* Fails the test with the library's own words. */
#define ck_ok(call, err) ck_assert_msg((call) == BNN_OK, "%s: %s", #call, (err).text)

typedef enum fill_kind {
    SHIFTED,   /* normal, mean 0.7: a zero mean would hide a wrong mean term */
    POSITIVE,  /* [0.5, 1.5) */
    OFF_KINKS, /* in (-2, 2), nowhere near -1, 0 or 1 */
    SPREAD,    /* all different by at least 0.1 */
} fill_kind;

static inline float off_kinks(bnn_rng *rng) {
    static const float kink[] = {-1.0f, 0.0f, 1.0f};
    for (;;) {
        float x = 4.0f * bnn_rng_uniform(rng) - 2.0f;
        int near_one = 0;
        for (int i = 0; i < 3; i++) {
            near_one |= fabsf(x - kink[i]) < 0.06f;
        }
        if (!near_one) {
            return x;
        }
    }
}

static inline void fill_random(bnn_rng *rng, fill_kind kind, size_t n, float *x) {
    uint32_t *order = malloc((n + 1) * sizeof *order);
    bnn_rng_permutation(rng, (uint32_t)n, order);
    for (size_t i = 0; i < n; i++) {
        switch (kind) {
        case SHIFTED:
            x[i] = 0.7f + 0.8f * bnn_rng_normal(rng);
            break;
        case POSITIVE:
            x[i] = 0.5f + bnn_rng_uniform(rng);
            break;
        case OFF_KINKS:
            x[i] = off_kinks(rng);
            break;
        case SPREAD:
            x[i] = 0.1f * ((float)order[i] - 0.3f * (float)n);
            break;
        }
    }
    free(order);
}

static inline float *random_floats(bnn_rng *rng, fill_kind kind, size_t n) {
    float *x = bnn_alloc_aligned(n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    fill_random(rng, kind, n, x);
    return x;
}

/* A parameter (or buffer) whose file order is its memory order. */
static inline bnn_t plain_param(bnn_graph *g, const char *name, bnn_shape shape, int trainable) {
    bnn_param desc = {.name = name,
                      .ndim = 4,
                      .shape = {shape.n, shape.h, shape.w, shape.c},
                      .outer = 1,
                      .channels = 1,
                      .space = 1,
                      .inner = bnn_shape_count(shape),
                      .memory = shape,
                      .trainable = trainable,
                      .init = {BNN_INIT_CONSTANT, 1.0f, 0.0f}};
    return bnn_graph_param(g, &desc);
}

#endif
