#include "tools/tracks/tracks.h"

#include <math.h>
#include <string.h>

const char *const bnn_track_names[BNN_TRACKS + 1] = {
    "task", "architecture", "robustness", "training", "complexity", "inference", NULL};

/* Gaps of accuracy are multiples of some 1e-6; what is smaller is rounding. */
#define ROUNDING 1e-9

double bnn_gap_ratio(double over, double under) {
    return under > ROUNDING && over > -ROUNDING ? fmax(over, 0.0) / under : NAN;
}

/* Correlations may be below zero; an accuracy's ratio then is, too. */
static double defined_ratio(const bnn_ratio *r) {
    return isfinite(r->over) && r->under > ROUNDING ? r->over / r->under : NAN;
}

double bnn_mean_ratio(const bnn_ratio *ratio, size_t count, const char *group, bnn_mean_kind kind) {
    double sum = 0.0, over = 0.0, under = 0.0;
    size_t ratios = 0, pairs = 0;
    for (size_t i = 0; i < count; i++) {
        const bnn_ratio *r = &ratio[i];
        if (strcmp(r->group, group) != 0 || !isfinite(r->over) || !isfinite(r->under)) {
            continue;
        }
        over += r->over;
        under += r->under;
        pairs++;
        if (!isnan(defined_ratio(r))) {
            sum += defined_ratio(r);
            ratios++;
        }
    }
    if (kind == BNN_RATIO_OF_MEANS) {
        return pairs ? bnn_gap_ratio(over / (double)pairs, under / (double)pairs) : NAN;
    }
    return ratios ? sum / (double)ratios : NAN;
}

static int is_first(const bnn_ratio *ratio, size_t i) {
    for (size_t k = 0; k < i; k++) {
        if (strcmp(ratio[k].group, ratio[i].group) == 0) {
            return 0;
        }
    }
    return 1;
}

bnn_overall bnn_overall_of(const bnn_ratio *ratio, size_t count, bnn_mean_kind kind) {
    bnn_overall o = {.ratios = count};
    double squares = 0.0;
    for (size_t i = 0; i < count; i++) {
        o.undefined += isnan(defined_ratio(&ratio[i]));
        if (!is_first(ratio, i)) {
            continue;
        }
        const double mean = bnn_mean_ratio(ratio, count, ratio[i].group, kind);
        o.groups++;
        if (!isnan(mean)) {
            o.defined++;
            squares += mean * mean;
        }
    }
    o.metric_of_defined = o.defined ? sqrt(squares / (double)o.defined) : NAN;
    o.metric = o.defined == o.groups ? o.metric_of_defined : NAN;
    return o;
}

double bnn_mean(const double *value, size_t count) {
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        sum += value[i];
    }
    return count ? sum / (double)count : NAN;
}

double bnn_deviation(const double *value, size_t count, int sample) {
    const double mean = bnn_mean(value, count);
    double squares = 0.0;
    if (count < (sample ? 2u : 1u)) {
        return NAN;
    }
    for (size_t i = 0; i < count; i++) {
        squares += (value[i] - mean) * (value[i] - mean);
    }
    return sqrt(squares / (double)(sample ? count - 1 : count));
}

/* Two passes over the means of the groups, so that nothing has to be kept. */
double bnn_deviation_of_means(const double *value, const int *group, size_t count, int sample) {
    double mean = 0.0, squares = 0.0;
    size_t groups = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0, n; i < count; i += n) {
            for (n = 1; i + n < count && group[i + n] == group[i];) {
                n++;
            }
            const double of_group = bnn_mean(value + i, n);
            groups += pass == 0;
            mean += pass == 0 ? of_group : 0.0;
            squares += pass == 0 ? 0.0 : (of_group - mean) * (of_group - mean);
        }
        mean = pass == 0 ? mean / (double)groups : mean;
    }
    return groups < (sample ? 2u : 1u) ? NAN
                                       : sqrt(squares / (double)(sample ? groups - 1 : groups));
}

/* Quantiles of Student's t for 97.5 %, by degrees of freedom; in between, the lower one's, which is
 * wider. */
static double student(size_t freedom) {
    static const struct {
        size_t freedom;
        double t;
    } table[] = {{1, 12.706205}, {2, 4.302653},  {3, 3.182446},  {4, 2.776445},
                 {5, 2.570582},  {6, 2.446912},  {7, 2.364624},  {8, 2.306004},
                 {9, 2.262157},  {10, 2.228139}, {12, 2.178813}, {15, 2.131450},
                 {20, 2.085963}, {30, 2.042272}, {60, 2.000298}, {120, 1.979930}};
    size_t i = 0;
    while (i + 1 < sizeof table / sizeof *table && table[i + 1].freedom <= freedom) {
        i++;
    }
    return table[i].t;
}

double bnn_confidence(const double *value, size_t count) {
    return count < 2 ? NAN
                     : student(count - 1) * bnn_deviation(value, count, 1) / sqrt((double)count);
}

double bnn_compression(double all, double left, double extra) {
    return all / ((all - left) / 32.0 + left + extra);
}

double bnn_speedup(double all, double left, double extra) {
    return all / ((all - left) / 64.0 + left + extra);
}
