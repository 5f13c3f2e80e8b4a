/* What the kinds of reference cases share: metadata, and the rule for tolerances. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/golden.h"

const char *golden_text(const bnn_st_file *file, const char *key, const char *missing) {
    const char *text = bnn_st_metadata(file, key);
    return text ? text : missing;
}

int golden_integer(const bnn_st_file *file, const char *key, int missing) {
    const char *text = bnn_st_metadata(file, key);
    return text ? atoi(text) : missing;
}

int golden_tells_noise(const bnn_st_file *file) {
    return bnn_st_metadata(file, "noise.eval.logits") || bnn_st_metadata(file, "noise.y") ||
           bnn_st_metadata(file, "noise.loss");
}

double golden_tolerance(const bnn_st_file *file, const char *what, double base) {
    char key[300];
    snprintf(key, sizeof key, "noise.%s", what);
    double tolerance = fmax(base, 10.0 * atof(golden_text(file, key, "0")));
    return tolerance > 0.1 ? (double)INFINITY : tolerance;
}
