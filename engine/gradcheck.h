/* Does a graph's backward compute the slope of its forward? Central differences along random
 * directions, for tests: one number a direction instead of one a value, so that a whole layer is
 * checked in a handful of forwards. */
#ifndef BNN_ENGINE_GRADCHECK_H
#define BNN_ENGINE_GRADCHECK_H

#include "engine/graph.h"

/* What is wiggled: an input or a parameter, and where its gradient is found after a backward. */
typedef struct bnn_gradcheck_leaf {
    float *value;
    const float *grad;
    size_t count;
} bnn_gradcheck_leaf;

typedef struct bnn_gradcheck_result {
    double error; /* |difference - gradient . direction|, relative to what a gradient of this length
                     gives on a random direction; the largest of all directions */
    double slope; /* the largest slope seen; 0 for a leaf nothing depends on */
} bnn_gradcheck_result;

/* Checks the gradient of sum(gy * root) in a compiled, bound graph whose inputs are set; gy as many
 * values as the root, or NULL for a loss of one value. Values move by at most 2 * step, so kinks
 * must be farther away. The leaf is restored. A step of about 1e-2 balances float's rounding (the
 * sums are double) against the curvature, whose leading term is extrapolated away. */
bnn_code bnn_gradcheck(bnn_graph *graph, const float *gy, const bnn_gradcheck_leaf *leaf,
                       int directions, double step, uint64_t seed, bnn_gradcheck_result *result,
                       bnn_error *err);

#endif
