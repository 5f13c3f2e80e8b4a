/* Statistics of groups of rows (samples, filters) and what is divided by them: a team has a group.
 */
#include "cuda/lanes.cuh"
#include "cuda/table.h"

/* begin(group, starts, i) gives the sums that are added to, i being the first value; value(group,
 * i, &u, &v) as lane_sums has it; end(group, s, q) takes them. */
template <class B, class V, class E> struct group_sums {
    static constexpr int THREADS = 128;
    struct shared {
        lane_memory<THREADS> lanes;
    };
    size_t first, rows, c, per_group;
    B begin;
    V value;
    E end;

    BNN_INSIDE void operator()(team<THREADS> t, shared &memory, size_t item) const {
        size_t group = first / per_group + item, row = group * per_group;
        size_t last = row + per_group < first + rows ? row + per_group : first + rows;
        int starts = row >= first;
        size_t at = starts ? (row - first) * c : 0, len = (last - first) * c - at;
        t.each([&](int thread) {
            if (thread == 0) {
                begin(group, starts, at, &memory.lanes.sum_s, &memory.lanes.sum_q);
            }
        });
        lane_sums(t, memory.lanes, len, LANE_VALUES,
                  [&](size_t i, float *u, float *v) { value(group, at + i, u, v); });
        t.each([&](int thread) {
            if (thread == 0) {
                end(group, memory.lanes.sum_s, memory.lanes.sum_q);
            }
        });
    }
};

template <class B, class V, class E>
static void sum_groups(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                       size_t per_group, B begin, V value, E end) {
    if (rows > 0) {
        size_t groups = (first + rows - 1) / per_group - first / per_group + 1;
        teams(stream, groups, group_sums<B, V, E>{first, rows, c, per_group, begin, value, end});
    }
}

static void group_abs_sums(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                           size_t per_group, const float *x, double *sums) {
    sum_groups(
        stream, first, rows, c, per_group,
        [=] BNN_EACH(size_t group, int starts, size_t, double *s, double *q) {
            *s = starts ? 0.0 : sums[group];
            *q = 0.0;
        },
        [=] BNN_EACH(size_t, size_t i, float *u, float *v) { *u = fabsf(x[i]), *v = 0.0f; },
        [=] BNN_EACH(size_t group, double s, double) { sums[group] = s; });
}

static void group_abs_mean(const bnn_stream *stream, size_t groups, size_t len, const double *sums,
                           float *mean) {
    each(stream, groups, [=] BNN_EACH(size_t i) { mean[i] = (float)(sums[i] / (double)len); });
}

static void recu_bound(const bnn_stream *stream, size_t groups, size_t len, const double *sums,
                       const float *tau, float *bound) {
    each(stream, 1, [=] BNN_EACH(size_t) {
        double sum = 0.0, t = (double)*tau;
        for (size_t i = 0; i < groups; i++) {
            sum += sums[i];
        }
        *bound = t < 1.0 ? (float)(-sum / (double)len * log(2.0 - 2.0 * t)) : INFINITY;
    });
}

/* Per group: a pivot, the sum of x - pivot, the sum of its squares. */
static void group_moments(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                          size_t per_group, const float *x, double *sums) {
    sum_groups(
        stream, first, rows, c, per_group,
        [=] BNN_EACH(size_t group, int starts, size_t i, double *s, double *q) {
            double *to = sums + 3 * group;
            to[0] = starts ? (double)x[i] : to[0];
            *s = starts ? 0.0 : to[1];
            *q = starts ? 0.0 : to[2];
        },
        [=] BNN_EACH(size_t group, size_t i, float *u, float *v) {
            *u = *v = x[i] - (float)sums[3 * group];
        },
        [=] BNN_EACH(size_t group, double s, double q) {
            sums[3 * group + 1] = s;
            sums[3 * group + 2] = q;
        });
}

static void normalize_finish(const bnn_stream *stream, size_t groups, size_t len,
                             const double *sums, int scale, float eps, float *mean, float *r) {
    double others = len > 1 ? (double)len - 1.0 : 1.0;
    each(stream, groups, [=] BNN_EACH(size_t i) {
        const double *s = sums + 3 * i;
        double shift = s[1] / (double)len, squares = s[2] - s[1] * shift;
        mean[i] = (float)(s[0] + shift);
        squares = squares > 0.0 ? squares : 0.0;
        r[i] = scale ? (float)(1.0 / sqrt(squares / others + (double)eps)) : 1.0f;
    });
}

static void normalize(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                      size_t per_group, const float *x, int center, float gain, const float *mean,
                      const float *r, float *y) {
    each_row(stream, rows, c, [=] BNN_EACH(size_t at, size_t j) {
        size_t group = (first + at) / per_group, i = at * c + j;
        float shift = center ? mean[group] : 0.0f, times = gain * r[group];
        y[i] = (x[i] - shift) * times;
    });
}

/* Per group: the sum of g, and of g * (x - center * mean). */
static void group_dots(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                       size_t per_group, const float *g, const float *x, int center,
                       const float *mean, double *sums) {
    sum_groups(
        stream, first, rows, c, per_group,
        [=] BNN_EACH(size_t group, int starts, size_t, double *s, double *q) {
            *s = starts ? 0.0 : sums[2 * group];
            *q = starts ? 0.0 : sums[2 * group + 1];
        },
        [=] BNN_EACH(size_t group, size_t i, float *u, float *v) {
            *u = g[i];
            *v = x == NULL ? 0.0f : x[i] - (center ? mean[group] : 0.0f);
        },
        [=] BNN_EACH(size_t group, double s, double q) {
            sums[2 * group] = s;
            sums[2 * group + 1] = x == NULL ? 0.0 : q;
        });
}

static void normalize_backward(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                               size_t per_group, const float *g, const float *x, int center,
                               float gain, const float *mean, const float *r, const double *sums,
                               float *gx, int acc) {
    double len = (double)(per_group * c), others = len > 1.0 ? len - 1.0 : 1.0;
    each_row(stream, rows, c, [=] BNN_EACH(size_t at, size_t j) {
        size_t group = (first + at) / per_group, i = at * c + j;
        double f = (double)r[group], pull = f * f * f * sums[2 * group + 1] / others;
        float a = (float)((double)gain * f), b = (float)((double)gain * pull);
        float mean_g = center ? (float)(sums[2 * group] / len) : 0.0f, v = a * (g[i] - mean_g);
        put(gx, i, x == NULL ? v : v - b * (x[i] - mean[group]), acc);
    });
}

void bnn_cuda_groups(bnn_kernels *k) {
    k->group_abs_sums = group_abs_sums;
    k->group_abs_mean = group_abs_mean;
    k->recu_bound = recu_bound;
    k->group_moments = group_moments;
    k->normalize_finish = normalize_finish;
    k->normalize = normalize;
    k->group_dots = group_dots;
    k->normalize_backward = normalize_backward;
}
