/* BiBench's six tracks (Qin et al., ICML 2023) as functions of numbers. A track's overall metric is
 * a quadratic mean: sqrt(1/N * sum of E_i^2), where E_i is the mean of the ratios of one group.
 *
 *  track                   group                       ratio
 *  learning task           data set                    accuracy, binary by float
 *  neural architecture     CNN, Transformer or MLP     accuracy, binary by float
 *  corruption robustness   corruption                  accuracy lost to it, float by binary
 *  training consumption    time; spread over the       float by binary
 *                          hyper-parameters
 *  theoretical complexity  parameters; operations      float by binary
 *  hardware inference      time; storage               float by binary, 0: cannot be deployed */
#ifndef BNN_TOOLS_TRACKS_TRACKS_H
#define BNN_TOOLS_TRACKS_TRACKS_H

#include <stddef.h>

typedef enum bnn_track {
    BNN_TRACK_TASK,
    BNN_TRACK_ARCHITECTURE,
    BNN_TRACK_ROBUSTNESS,
    BNN_TRACK_TRAINING,
    BNN_TRACK_COMPLEXITY,
    BNN_TRACK_INFERENCE,
    BNN_TRACKS,
} bnn_track;

/* "task", ...; NULL behind the last. */
extern const char *const bnn_track_names[BNN_TRACKS + 1];

/* over / under. Undefined, and passed over, where one of them is NAN, or `under` is not positive:
 * then nothing is known, or nothing lost that could be compared. */
typedef struct bnn_ratio {
    const char *group;
    double over, under;
} bnn_ratio;

/* How E is taken of several ratios. */
typedef enum bnn_mean_kind {
    BNN_MEAN_OF_RATIOS, /* as the formula says */
    BNN_RATIO_OF_MEANS, /* of what is over, and of what is under */
} bnn_mean_kind;

typedef struct bnn_overall {
    double metric;            /* NAN: a group has no ratio, or there is no group */
    double metric_of_defined; /* over the groups that have one; NAN: none has */
    size_t groups, defined;   /* groups */
    size_t ratios, undefined; /* ratios */
} bnn_overall;

/* E of a group; NAN where none of its ratios is defined. Where gaps are averaged (ratio of means),
 * those of all the group's ratios that are numbers count, whatever their sign. */
double bnn_mean_ratio(const bnn_ratio *ratio, size_t count, const char *group, bnn_mean_kind kind);
bnn_overall bnn_overall_of(const bnn_ratio *ratio, size_t count, bnn_mean_kind kind);

/* The ratio of two gaps; NAN where the one below is not positive, as the network loses no accuracy,
 * or the one above is below zero: its twin gains some. */
double bnn_gap_ratio(double over, double under);

/* Standard deviation, of a population, or estimated from a `sample` (divided by n-1); NAN of too
 * few. */
double bnn_deviation(const double *value, size_t count, int sample);
/* The same after the runs of one configuration, which stand side by side (same number in `group`),
 * were averaged: seeds count as repetitions then, not as hyper-parameters. */
double bnn_deviation_of_means(const double *value, const int *group, size_t count, int sample);
double bnn_mean(const double *value, size_t count); /* NAN of none */

/* Half the width of the interval that holds the mean of `count` values with 95 % confidence, by
 * Student's t; NAN of fewer than two. */
double bnn_confidence(const double *value, size_t count);

/* r_c and r_s: how many times smaller and faster a network is whose floats, of `all`, are only
 * `left`: a weight that is one bit takes 1/32 of the room, an operation on bits 1/64 of the time.
 * `extra` floats are the algorithm's own, which the float network has none of. */
double bnn_compression(double all, double left, double extra);
double bnn_speedup(double all, double left, double extra);

#endif
