/* Losses, and those against a teacher. What is one number is added up by one thread, in order. */
#include "cuda/lanes.cuh"
#include "cuda/table.h"

/* ---- cross-entropy ---- */

struct softmax_rows {
    static constexpr int THREADS = 32;
    struct shared {
        float most[THREADS];
        int finite[THREADS];
        float over;
        double sum;
    };
    size_t classes;
    const float *logits;
    const int32_t *label;
    float *probability;

    /* Leaves a row's loss in the place of its label's probability, which is exp(-loss); NaN if a
     * logit is not finite. */
    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t r) const {
        const float *from = logits + r * classes;
        float *to = probability + r * classes;
        if (label[r] < 0) { /* the row is left out, by all threads */
            return;
        }
        t.each([&](int thread) {
            m.most[thread] = from[0], m.finite[thread] = 1;
            for (size_t i = (size_t)thread; i < classes; i += THREADS) {
                m.most[thread] = from[i] > m.most[thread] ? from[i] : m.most[thread];
                m.finite[thread] &= isfinite(from[i]) ? 1 : 0;
            }
        });
        t.each([&](int thread) {
            for (int i = 1; thread == 0 && i < THREADS; i++) {
                m.most[0] = m.most[i] > m.most[0] ? m.most[i] : m.most[0];
                m.finite[0] &= m.finite[i];
            }
        });
        t.each([&](int thread) {
            for (size_t i = (size_t)thread; i < classes; i += THREADS) {
                to[i] = expf(from[i] - m.most[0]);
            }
        });
        t.each([&](int thread) {
            if (thread == 0) {
                m.sum = 0.0;
                for (size_t i = 0; i < classes; i++) {
                    m.sum += (double)to[i];
                }
                m.over = (float)(1.0 / m.sum);
            }
        });
        t.each([&](int thread) {
            for (size_t i = (size_t)thread; i < classes; i += THREADS) {
                double off = (double)m.most[0] - (double)from[i];
                to[i] = i != (size_t)label[r] ? to[i] * m.over
                        : m.finite[0]         ? (float)(log(m.sum) + off)
                                              : NAN;
            }
        });
    }
};

static void cross_entropy(const bnn_stream *stream, size_t n, size_t classes, const float *logits,
                          const int32_t *label, const float *divisor, float *probability,
                          float *loss) {
    teams(stream, n, softmax_rows{classes, logits, label, probability});
    sum_in_order(
        stream, n,
        [=] BNN_EACH(size_t r) {
            return label[r] < 0 ? 0.0 : (double)probability[r * classes + (size_t)label[r]];
        },
        [=] BNN_EACH(double sum) {
            *loss = (float)(sum / (divisor == NULL ? (double)n : (double)*divisor));
        });
    each(stream, n, [=] BNN_EACH(size_t r) {
        if (label[r] >= 0) {
            float *own = probability + r * classes + label[r];
            *own = expf(-*own);
        }
    });
}

static void cross_entropy_backward(const bnn_stream *stream, size_t n, size_t classes,
                                   const float *probability, const int32_t *label,
                                   const float *divisor, const float *gloss, float *glogits,
                                   int acc) {
    each_row(stream, n, classes, [=] BNN_EACH(size_t r, size_t i) {
        float factor = gloss[0] / (divisor == NULL ? (float)n : *divisor);
        float hot = i == (size_t)label[r] ? 1.0f : 0.0f;
        float v = label[r] < 0 ? 0.0f : factor * (probability[r * classes + i] - hot);
        put(glogits, r * classes + i, v, acc);
    });
}

/* ---- differences, norms ---- */

static void squared_error(const bnn_stream *stream, size_t n, const float *x, const float *target,
                          float *loss) {
    sum_in_order(
        stream, n,
        [=] BNN_EACH(size_t i) {
            double off = (double)x[i] - (double)target[i];
            return off * off;
        },
        [=] BNN_EACH(double sum) { *loss = (float)(sum / (double)n); });
}

static void squared_error_backward(const bnn_stream *stream, size_t n, const float *x,
                                   const float *target, const float *gloss, float *gx, int acc) {
    each(stream, n, [=] BNN_EACH(size_t i) {
        const float factor = 2.0f * gloss[0] / (float)n;
        put(gx, i, factor * (x[i] - target[i]), acc);
    });
}

/* end(item, sum) takes the sum of the squares of value(item, i), i < len(item). */
template <class L, class V, class E> struct square_sums {
    static constexpr int THREADS = 32;
    struct shared {
        lane_memory<THREADS> lanes;
    };
    L len;
    V value;
    E end;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t item) const {
        t.each([&](int thread) {
            if (thread == 0) {
                m.lanes.sum_s = m.lanes.sum_q = 0.0;
            }
        });
        lane_sums(t, m.lanes, len(item), LANE_VALUES,
                  [&](size_t i, float *u, float *v) { *u = *v = value(item, i); });
        t.each([&](int thread) {
            if (thread == 0) {
                end(item, m.lanes.sum_q);
            }
        });
    }
};

template <class L, class V, class E>
static void sum_squares(const bnn_stream *stream, size_t items, L len, V value, E end) {
    teams(stream, items, square_sums<L, V, E>{len, value, end});
}

static void norm_mean(const bnn_stream *stream, size_t n, size_t len, const float *x, float *norm,
                      float *mean) {
    sum_squares(
        stream, n, [=] BNN_EACH(size_t) { return len; },
        [=] BNN_EACH(size_t item, size_t i) { return x[item * len + i]; },
        [=] BNN_EACH(size_t item, double sum) { norm[item] = (float)sqrt(sum); });
    each(stream, 1, [=] BNN_EACH(size_t) {
        double sum = 0.0;
        for (size_t i = 0; i < n; i++) {
            sum += (double)norm[i];
        }
        *mean = (float)(sum / (double)n);
    });
}

static void norm_mean_backward(const bnn_stream *stream, size_t n, size_t len, const float *gmean,
                               const float *x, const float *norm, float *gx, int acc) {
    each_row(stream, n, len, [=] BNN_EACH(size_t i, size_t j) {
        float factor = norm[i] > 0.0f ? gmean[0] / ((float)n * norm[i]) : 0.0f;
        put(gx, i * len + j, factor * x[i * len + j], acc);
    });
}

/* ---- soft targets ---- */

/* The logarithm of the sum of a row's exponentials. */
BNN_GPU double log_sum(size_t classes, const float *logits) {
    double most = (double)logits[0], sum = 0.0;
    for (size_t i = 1; i < classes; i++) {
        most = (double)logits[i] > most ? (double)logits[i] : most;
    }
    for (size_t i = 0; i < classes; i++) {
        sum += exp((double)logits[i] - most);
    }
    return most + log(sum);
}

/* Parts whose sums wait in the stream's scratch. */
enum { LOSS_PARTS = BNN_CUDA_SCRATCH / 8 };

struct soft_rows {
    static constexpr int THREADS = 32;
    struct shared {
        double loss[THREADS], sum;
    };
    size_t n, classes;
    const float *student, *teacher;
    float *difference;
    double *part;

    BNN_INSIDE double row_loss(size_t r) const {
        const float *s = student + r * classes, *t = teacher + r * classes;
        double whole = log_sum(classes, s), of_teacher = log_sum(classes, t), sum = 0.0;
        for (size_t i = 0; i < classes; i++) {
            double probability = exp((double)t[i] - of_teacher);
            double log_probability = (double)s[i] - whole;
            sum -= probability * log_probability;
            difference[r * classes + i] = (float)(exp(log_probability) - probability);
        }
        return sum;
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t p) const {
        size_t first = n * p / LOSS_PARTS, last = n * (p + 1) / LOSS_PARTS;
        t.each([&](int thread) {
            if (thread == 0) {
                m.sum = 0.0;
            }
        });
        for (size_t r = first; r < last; r += THREADS) {
            t.each([&](int thread) {
                size_t at = r + (size_t)thread;
                m.loss[thread] = at < last ? row_loss(at) : 0.0;
            });
            t.each([&](int thread) {
                for (int i = 0; thread == 0 && i < THREADS; i++) {
                    m.sum += m.loss[i];
                }
            });
        }
        t.each([&](int thread) {
            if (thread == 0) {
                part[p] = m.sum;
            }
        });
    }
};

static void soft_cross_entropy(const bnn_stream *stream, size_t n, size_t classes,
                               const float *student, const float *teacher, float *difference,
                               float *loss) {
    double *part = (double *)bnn_cuda_scratch(stream);
    teams(stream, LOSS_PARTS, soft_rows{n, classes, student, teacher, difference, part});
    each(stream, 1, [=] BNN_EACH(size_t) {
        double sum = 0.0;
        for (size_t p = 0; p < LOSS_PARTS; p++) {
            sum += part[p];
        }
        *loss = (float)(sum / (double)(n * classes));
    });
}

static void soft_cross_entropy_backward(const bnn_stream *stream, size_t count,
                                        const float *difference, const float *gloss,
                                        float *gstudent, int acc) {
    each(stream, count, [=] BNN_EACH(size_t i) {
        float factor = gloss[0] / (float)count;
        put(gstudent, i, factor * difference[i], acc);
    });
}

/* ---- directions (cpu/rows/distillation.inc) ---- */

BNN_GPU float above(float x, float floor) {
    return x <= floor ? 0.0f : x;
}

BNN_GPU float over(double norm) {
    return norm > 0.0 ? (float)(1.0 / norm) : norm == 0.0 ? 0.0f : NAN;
}

static size_t direction_bytes(const bnn_stream *, size_t n) {
    return (n + LANE_VALUES - 1) / LANE_VALUES * sizeof(double);
}

/* state[which] = |a x - b y|; 0: x, 1: y, 2: their directions' gap. */
static void gap_norm(const bnn_stream *stream, size_t n, const float *x, const float *y,
                     float floor, int which, double *state, double *sums) {
    size_t runs = direction_bytes(stream, n) / sizeof(double);
    sum_squares(
        stream, runs,
        [=] BNN_EACH(size_t run) {
            size_t left = n - run * LANE_VALUES;
            return left < LANE_VALUES ? left : (size_t)LANE_VALUES;
        },
        [=] BNN_EACH(size_t run, size_t i) {
            float vx = above(x[run * LANE_VALUES + i], floor);
            float vy = above(y[run * LANE_VALUES + i], floor);
            float a = which == 2 ? over(state[0]) : which == 0 ? 1.0f : 0.0f;
            float b = which == 2 ? over(state[1]) : which == 1 ? 1.0f : 0.0f;
            return which == 0 ? vx : which == 1 ? vy : a * vx - b * vy;
        },
        [=] BNN_EACH(size_t run, double sum) { sums[run] = sum; });
    each(stream, 1, [=] BNN_EACH(size_t) {
        double sum = 0.0;
        for (size_t i = 0; i < runs; i++) {
            sum += sums[i];
        }
        state[which] = sqrt(sum);
    });
}

static void direction_matching(const bnn_stream *stream, size_t n, float floor,
                               const float *student, const float *teacher, double *state,
                               float *loss, void *ws) {
    for (int which = 0; which < 3; which++) {
        gap_norm(stream, n, student, teacher, floor, which, state, (double *)ws);
    }
    each(stream, 1, [=] BNN_EACH(size_t) { *loss = (float)state[2]; });
}

static void direction_matching_backward(const bnn_stream *stream, size_t n, float floor,
                                        const float *gloss, const float *student,
                                        const float *teacher, const double *state, float *gstudent,
                                        int acc) {
    each(stream, n, [=] BNN_EACH(size_t i) {
        double gap = state[2], own = state[0] > 0.0, other = state[1] > 0.0;
        double along = 0.5 * (own + gap * gap - other);
        double factor = own > 0.0 && gap > 0.0 ? (double)gloss[0] / (gap * state[0]) : 0.0;
        float a = (float)(factor * (1.0 - along)) * over(state[0]);
        float b = (float)factor * over(state[1]);
        float v = a * student[i] - b * above(teacher[i], floor);
        put(gstudent, i, student[i] <= floor ? 0.0f : v, acc);
    });
}

void bnn_cuda_losses(bnn_kernels *k) {
    k->cross_entropy = cross_entropy;
    k->cross_entropy_backward = cross_entropy_backward;
    k->squared_error = squared_error;
    k->squared_error_backward = squared_error_backward;
    k->norm_mean = norm_mean;
    k->norm_mean_backward = norm_mean_backward;
    k->soft_cross_entropy = soft_cross_entropy;
    k->soft_cross_entropy_backward = soft_cross_entropy_backward;
    k->direction_bytes = direction_bytes;
    k->direction_matching = direction_matching;
    k->direction_matching_backward = direction_matching_backward;
}
