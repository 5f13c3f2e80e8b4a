/* What detectors add that is a loop over floats: the normalization of a row by its length, softmax,
 * regions of a map as images of one size, and losses of boxes, rows of which are left out. */
#include "cuda/lanes.cuh"
#include "cuda/parts.cuh"
#include "cuda/sums.cuh"
#include "cuda/table.h"

/* ---- each row over its length ---- */

/* The sum of x y over a row, to everyone in the team. */
template <int THREADS>
BNN_GPU double long_dot(team<THREADS> t, lane_memory<THREADS> &m, size_t c, const float *x,
                        const float *y) {
    t.each([&](int thread) {
        if (thread == 0) {
            m.sum_s = m.sum_q = 0.0;
        }
    });
    lane_sums(t, m, c, LANE_VALUES, [&](size_t i, float *u, float *v) { *u = x[i], *v = y[i]; });
    double sum = m.sum_q;
    t.each([&](int) {}); /* before anyone begins another */
    return sum;
}

struct long_rows {
    static constexpr int THREADS = 32;
    struct shared {
        lane_memory<THREADS> lanes;
    };
    size_t c;
    const float *x, *weight;
    float eps, *y;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t row) const {
        const float *from = x + row * c;
        float r = (float)(1.0 / (sqrt(long_dot(t, m.lanes, c, from, from)) + (double)eps));
        t.each([&](int thread) {
            for (size_t j = (size_t)thread; j < c; j += THREADS) {
                y[row * c + j] = from[j] * r * weight[j];
            }
        });
    }
};

static void l2_norm(const bnn_stream *stream, size_t rows, size_t c, const float *x,
                    const float *weight, float eps, float *y) {
    teams(stream, rows, long_rows{c, x, weight, eps, y});
}

/* With n = |x| and h = weight g: gx = h / (n + eps) - x (x h') / (n (n + eps)^2). A team has a part
 * of the rows. */
struct long_backward {
    static constexpr int THREADS = 32;
    struct shared {
        lane_memory<THREADS> lanes;
        double dot;
    };
    size_t rows, c;
    const float *g, *x, *weight;
    float eps;
    int reset;
    void *sums;
    float *gx;
    int acc;

    BNN_INSIDE void row(team<THREADS> t, shared &m, size_t part, size_t at) const {
        const float *gr = g + at, *xr = x + at;
        double norm = sqrt(long_dot(t, m.lanes, c, xr, xr)), over = 1.0 / (norm + (double)eps);
        t.each([&](int thread) {
            if (thread == 0) {
                m.dot = 0.0;
                for (size_t j = 0; j < c; j++) {
                    m.dot += (double)(weight[j] * gr[j]) * (double)xr[j];
                }
            }
        });
        float r = (float)over, k = norm > 0.0 ? (float)(m.dot * over * over / norm) : 0.0f;
        piece_sums p = sums_at(sums, c, 0);
        t.each([&](int thread) {
            for (size_t j = (size_t)thread; j < c; j += THREADS) {
                if (sums != NULL) {
                    p.s[part * c + j] += (double)gr[j];
                    p.q[part * c + j] += (double)(gr[j] * (xr[j] * r));
                }
                if (gx != NULL) { /* last: it may overwrite g */
                    put(gx, at + j, weight[j] * gr[j] * r - xr[j] * k, acc);
                }
            }
        });
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t part) const {
        open_part(t, sums, c, rows, part, reset);
        for (size_t r = rows * part / PARTS; r < rows * (part + 1) / PARTS; r++) {
            row(t, m, part, r * c);
        }
    }
};

static void l2_norm_backward(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                             const float *x, const float *weight, float eps, int reset, void *sums,
                             float *gx, int acc) {
    teams(stream, PARTS, long_backward{rows, c, g, x, weight, eps, reset, sums, gx, acc});
}

/* ---- softmax ---- */

struct soft_row {
    static constexpr int THREADS = 32;
    struct shared {
        float most[THREADS], over;
    };
    size_t first, c;
    const float *x;
    size_t per_mask;
    const float *mask;
    float *y;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t row) const {
        const float *from = x + row * c;
        const float *add = mask == NULL ? NULL : mask + (first + row) / per_mask * c;
        float *to = y + row * c;
        t.each([&](int thread) {
            float most = -INFINITY;
            for (size_t j = (size_t)thread; j < c; j += THREADS) {
                to[j] = add == NULL ? from[j] : from[j] + add[j];
                most = to[j] > most ? to[j] : most;
            }
            m.most[thread] = most;
        });
        t.each([&](int thread) {
            for (int i = 1; thread == 0 && i < THREADS; i++) {
                m.most[0] = m.most[i] > m.most[0] ? m.most[i] : m.most[0];
            }
        });
        t.each([&](int thread) {
            for (size_t j = (size_t)thread; j < c; j += THREADS) {
                to[j] = expf(to[j] - m.most[0]);
            }
        });
        t.each([&](int thread) {
            if (thread == 0) {
                double sum = 0.0;
                for (size_t j = 0; j < c; j++) {
                    sum += (double)to[j];
                }
                m.over = (float)(1.0 / sum);
            }
        });
        t.each([&](int thread) {
            for (size_t j = (size_t)thread; j < c; j += THREADS) {
                to[j] *= m.over;
            }
        });
    }
};

static void softmax(const bnn_stream *stream, size_t first, size_t rows, size_t c, const float *x,
                    size_t per_mask, const float *mask, float *y) {
    teams(stream, rows, soft_row{first, c, x, per_mask, mask, y});
}

struct soft_backward {
    static constexpr int THREADS = 32;
    struct shared {
        lane_memory<THREADS> lanes;
    };
    size_t c;
    const float *g, *y;
    float *gx;
    int acc;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t row) const {
        const float *gr = g + row * c, *yr = y + row * c;
        float dot = (float)long_dot(t, m.lanes, c, gr, yr);
        t.each([&](int thread) {
            for (size_t j = (size_t)thread; j < c; j += THREADS) {
                put(gx, row * c + j, yr[j] * (gr[j] - dot), acc);
            }
        });
    }
};

static void softmax_backward(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                             const float *y, float *gx, int acc) {
    teams(stream, rows, soft_backward{c, g, y, gx, acc});
}

/* ---- regions (cpu/rows/detection.inc) ---- */

/* Points of a region along one axis: `size` places of `points` each. */
struct region_axis {
    double start, step;
    int points;
};

BNN_GPU region_axis region_of(double from, double to, float scale, int size, int pixels) {
    double start = from * (double)scale - 0.5, length = (to - from) * (double)scale;
    double points = ceil(length / size);
    /* More points than pixels are of no region that lies in the map. */
    points = points > (double)pixels + 2.0 ? (double)pixels + 2.0 : points;
    region_axis axis = {start, length / size, points > 0.0 ? (int)points : 0};
    return axis;
}

/* The two pixels beside a point, and how much each counts; 0 where it is beyond the map. */
struct region_tap {
    int pixel[2];
    float share[2];
};

BNN_GPU int region_point(const region_axis &axis, int place, int point, int pixels,
                         region_tap *tap) {
    double at = axis.start + axis.step * (place + (point + 0.5) / axis.points);
    if (!(at >= -1.0 && at <= (double)pixels)) {
        return 0;
    }
    at = at > 0.0 ? at : 0.0;
    int low = (int)at < pixels - 1 ? (int)at : pixels - 1;
    float part = low == pixels - 1 ? 0.0f : (float)(at - low);
    tap->pixel[0] = low, tap->pixel[1] = low < pixels - 1 ? low + 1 : low;
    tap->share[0] = 1.0f - part, tap->share[1] = part;
    return 1;
}

/* Down, and across. */
BNN_GPU void region_axes(const bnn_roi_align &s, const float *roi, region_axis axis[2]) {
    axis[0] = region_of((double)roi[2], (double)roi[4], s.scale, s.size, s.h);
    axis[1] = region_of((double)roi[1], (double)roi[3], s.scale, s.size, s.w);
}

BNN_GPU float share_of_point(const region_axis axis[2]) {
    int count = axis[0].points * axis[1].points;
    return count > 0 ? 1.0f / (float)count : 0.0f;
}

/* A value of a region is a thread's. */
static void roi_align(const bnn_stream *stream, const bnn_roi_align *regions, const float *x,
                      const float *rois, float *y) {
    const bnn_roi_align s = *regions;
    size_t c = (size_t)s.c, places = (size_t)s.size * (size_t)s.size;
    each_row(stream, s.rois * places, c, [=] BNN_EACH(size_t r, size_t j) {
        const float *roi = rois + 5 * (r / places);
        int i = (int)(r % places) / s.size, k = (int)(r % places) % s.size;
        float sum = 0.0f;
        if (roi[0] >= 0.0f && roi[0] < (float)s.n) {
            const float *image = x + (size_t)roi[0] * (size_t)s.h * (size_t)s.w * c + j;
            region_axis axis[2];
            region_axes(s, roi, axis);
            float over = share_of_point(axis);
            for (int p = 0; p < axis[0].points * axis[1].points; p++) {
                region_tap v, h;
                if (!region_point(axis[0], i, p / axis[1].points, s.h, &v) ||
                    !region_point(axis[1], k, p % axis[1].points, s.w, &h)) {
                    continue;
                }
                for (int corner = 0; corner < 4; corner++) {
                    float share = v.share[corner / 2] * h.share[corner % 2] * over;
                    size_t pixel =
                        (size_t)v.pixel[corner / 2] * (size_t)s.w + (size_t)h.pixel[corner % 2];
                    sum += share * image[pixel * c];
                }
            }
        }
        y[r * c + j] = sum;
    });
}

/* What a region's place gives one line of an image. */
BNN_GPU void line_of_place(const bnn_roi_align &s, const region_axis axis[2], int line, int i,
                           int k, float g, float *to) {
    float over = share_of_point(axis);
    for (int p = 0; p < axis[0].points * axis[1].points; p++) {
        region_tap v, h;
        if (!region_point(axis[0], i, p / axis[1].points, s.h, &v) ||
            (v.pixel[0] != line && v.pixel[1] != line) ||
            !region_point(axis[1], k, p % axis[1].points, s.w, &h)) {
            continue;
        }
        for (int corner = 0; corner < 4; corner++) {
            if (v.pixel[corner / 2] == line) {
                float share = v.share[corner / 2] * h.share[corner % 2] * over;
                to[(size_t)h.pixel[corner % 2] * (size_t)s.c] += share * g;
            }
        }
    }
}

/* Regions overlap, lines of a map do not: a line's channel is a thread's, which goes through all
 * regions of its image, in order. */
static void roi_align_backward(const bnn_stream *stream, const bnn_roi_align *regions,
                               const float *g, const float *rois, float *gx, int acc) {
    const bnn_roi_align s = *regions;
    size_t c = (size_t)s.c, w = (size_t)s.w, h = (size_t)s.h;
    each_row(stream, (size_t)s.n * h, c, [=] BNN_EACH(size_t r, size_t j) {
        float *to = gx + r * w * c + j;
        for (size_t i = 0; !acc && i < w; i++) {
            to[i * c] = 0.0f;
        }
        for (size_t n = 0; n < s.rois; n++) {
            const float *roi = rois + 5 * n;
            if (!(roi[0] >= 0.0f && roi[0] < (float)s.n) || (size_t)roi[0] != r / h) {
                continue;
            }
            region_axis axis[2];
            region_axes(s, roi, axis);
            for (int place = 0; place < s.size * s.size; place++) {
                size_t at = (n * (size_t)(s.size * s.size) + (size_t)place) * c + j;
                line_of_place(s, axis, (int)(r % h), place / s.size, place % s.size, g[at], to);
            }
        }
    });
}

/* ---- losses ---- */

/* Where the four values of a row begin that count, in its values; -1: none. */
BNN_GPU int64_t own_box(int32_t label, int background, int by_class) {
    return label < 0 || label >= background ? -1 : by_class ? 4 * (int64_t)label : 0;
}

static void smooth_l1(const bnn_stream *stream, size_t rows, int background, int by_class,
                      float beta, const float *x, const float *target, const int32_t *label,
                      const float *divisor, float *loss) {
    const double width = (double)beta;
    size_t values = 4 * (size_t)(by_class ? background : 1);
    add_up(
        stream, rows,
        [=] BNN_EACH(size_t r) {
            int64_t own = own_box(label[r], background, by_class);
            double sum = 0.0;
            for (size_t j = 0; own >= 0 && j < 4; j++) {
                double d =
                    fabs((double)x[r * values + (size_t)own + j] - (double)target[4 * r + j]);
                sum += d < width ? d * d / (2.0 * width) : d - 0.5 * width;
            }
            return sum;
        },
        [=] BNN_EACH(double sum) { *loss = (float)(sum / (double)*divisor); });
}

static void smooth_l1_backward(const bnn_stream *stream, size_t rows, int background, int by_class,
                               float beta, const float *x, const float *target,
                               const int32_t *label, const float *divisor, const float *gloss,
                               float *gx, int acc) {
    size_t values = 4 * (size_t)(by_class ? background : 1);
    each_row(stream, rows, values, [=] BNN_EACH(size_t r, size_t j) {
        int64_t own = own_box(label[r], background, by_class), k = (int64_t)j - own;
        float v = 0.0f;
        if (own >= 0 && k >= 0 && k < 4) {
            float d = x[r * values + j] - target[4 * r + (size_t)k];
            float slope = fabsf(d) < beta ? d / beta : d > 0.0f ? 1.0f : d < 0.0f ? -1.0f : d;
            v = *gloss / *divisor * slope;
        }
        put(gx, r * values + j, v, acc);
    });
}

static void objectness(const bnn_stream *stream, size_t n, const float *x, const int32_t *label,
                       const float *divisor, float *loss) {
    add_up(
        stream, n,
        [=] BNN_EACH(size_t i) {
            double v = label[i] == 0 ? -(double)x[i] : (double)x[i];
            double own = (v > 0.0 ? v : v * 0.0) + log1p(exp(-fabs(v))); /* NaN stays NaN */
            return label[i] >= 0 ? own : 0.0;
        },
        [=] BNN_EACH(double sum) { *loss = (float)(sum / (double)*divisor); });
}

static void objectness_backward(const bnn_stream *stream, size_t n, const float *x,
                                const int32_t *label, const float *divisor, const float *gloss,
                                float *gx, int acc) {
    each(stream, n, [=] BNN_EACH(size_t i) {
        float p = 1.0f / (1.0f + expf(-x[i])), there = label[i] == 0 ? 1.0f : 0.0f;
        put(gx, i, label[i] < 0 ? 0.0f : *gloss / *divisor * (p - there), acc);
    });
}

void bnn_cuda_detection(bnn_kernels *k) {
    k->l2_norm = l2_norm;
    k->l2_norm_backward = l2_norm_backward;
    k->softmax = softmax;
    k->softmax_backward = softmax_backward;
    k->roi_align = roi_align;
    k->roi_align_backward = roi_align_backward;
    k->smooth_l1 = smooth_l1;
    k->smooth_l1_backward = smooth_l1_backward;
    k->objectness = objectness;
    k->objectness_backward = objectness_backward;
}
