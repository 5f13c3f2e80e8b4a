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

double golden_relative_max(const bnn_st_tensor *want, const float *got) {
    double worst = 0.0, largest = 0.0;
    for (size_t i = 0; i < want->count; i++) {
        float w;
        memcpy(&w, (const char *)want->data + 4 * i, 4);
        double d = fabs((double)got[i] - (double)w);
        worst = d > worst || isnan(d) ? d : worst;
        largest = fmax(largest, fabs((double)w));
    }
    return worst / fmax(largest, 1e-30);
}

double golden_norm(const float *x, size_t count) {
    double squares = 0.0;
    for (size_t i = 0; i < count; i++) {
        squares += (double)x[i] * (double)x[i];
    }
    return sqrt(squares);
}

double golden_norm_error(const bnn_st_tensor *want, const float *x, size_t count, double floor) {
    float pair[2];
    double sum = 0.0;
    memcpy(pair, want->data, sizeof pair);
    if ((double)pair[0] < floor) {
        return 0.0;
    }
    for (size_t i = 0; i < count; i++) {
        sum += (double)x[i];
    }
    double norm = fmax((double)pair[0], 1e-30);
    double of_norm = fabs(golden_norm(x, count) - (double)pair[0]) / norm;
    double of_sum =
        fabs(sum - (double)pair[1]) / fmax(fabs((double)pair[1]), norm * sqrt((double)count));
    return isnan(of_norm) || of_norm > of_sum ? of_norm : of_sum;
}
