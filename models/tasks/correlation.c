/* How far predictions go with labels: the numbers that score texts (Wang et al., GLUE, ICLR 2019).
 */
#include <math.h>
#include <stdlib.h>

#include "models/tasks/task.h"

#define NOISE 1e-12 /* of rounding, to the sums it is left of */

double bnn_correlation(double n, double x, double y, double xx, double yy, double xy) {
    const double of_x = n * xx - x * x, of_y = n * yy - y * y;
    if (!(of_x > NOISE * n * xx && of_y > NOISE * n * yy)) {
        return NAN;
    }
    const double r = (n * xy - x * y) / (sqrt(of_x) * sqrt(of_y));
    return r > 1.0 ? 1.0 : r < -1.0 ? -1.0 : r; /* rounding may lead out */
}

typedef struct placed {
    double value;
    size_t at;
} placed;

static int by_value(const void *a, const void *b) {
    const double x = ((const placed *)a)->value, y = ((const placed *)b)->value;
    return (x > y) - (x < y);
}

bnn_code bnn_average_ranks(size_t n, const double *x, double *out, bnn_error *err) {
    placed *sorted = reallocarray(NULL, n + 1, sizeof *sorted);
    if (!sorted) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the ranks of %zu samples", n);
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = (placed){x[i], i};
    }
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && sorted[end].value == sorted[i].value; end++) {
        }
        for (size_t k = i; k < end; k++) { /* the mean of i + 1 to end */
            out[sorted[k].at] = 0.5 * (double)(i + 1 + end);
        }
    }
    free(sorted);
    return BNN_OK;
}

double bnn_matthews(const double *confusion, int classes) {
    double all = 0.0, right = 0.0, both = 0.0, labels = 0.0, predictions = 0.0;
    for (int c = 0; c < classes; c++) {
        double label = 0.0, predicted = 0.0;
        for (int k = 0; k < classes; k++) {
            label += confusion[c * classes + k];
            predicted += confusion[k * classes + c];
        }
        all += label;
        right += confusion[c * classes + c];
        both += label * predicted;
        labels += label * label;
        predictions += predicted * predicted;
    }
    const double varies = (all * all - labels) * (all * all - predictions);
    return varies > 0.0 ? (right * all - both) / sqrt(varies) : 0.0;
}

double bnn_f1(const double *confusion, int classes) {
    const double found = classes > 1 ? confusion[classes + 1] : 0.0;
    double either = 0.0;
    for (int k = 0; k < classes && found > 0.0; k++) {
        either += confusion[classes + k] + confusion[k * classes + 1];
    }
    return found > 0.0 ? 2.0 * found / either : 0.0;
}
