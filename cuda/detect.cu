/* What detectors add that is a loop over floats (cpu/rows/detection.inc): the normalization of a
 * row by its length, softmax, regions of a map as images of one size, and losses of boxes, rows of
 * which are left out. */
#include "cuda/lanes.cuh"
#include "cuda/sums.cuh"
#include "cuda/table.h"

/* ---- each row over its length ---- */

struct length_memory {
    lane_memory<128> lanes;
    order_memory<128> order;
};

/* The square of a row's length, to everyone in the team; the sum `order` of what follows is 0. */
BNN_GPU double square_length(team<128> t, length_memory &m, size_t c, const float *x) {
    t.each([&](int thread) {
        if (thread == 0) {
            m.lanes.sum_s = m.lanes.sum_q = m.order.sum = 0.0;
        }
    });
    lane_sums(t, m.lanes, c, LANE_VALUES, [&](size_t i, float *u, float *v) { *u = *v = x[i]; });
    return m.lanes.sum_q;
}

struct length_rows {
    static constexpr int THREADS = 128;
    struct shared {
        length_memory row;
    };
    size_t c;
    const float *x, *weight;
    float eps, *y;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t row) const {
        const float *from = x + row * c;
        float *to = y + row * c;
        float r = (float)(1.0 / (sqrt(square_length(t, m.row, c, from)) + (double)eps));
        t.each([&](int thread) {
            for (size_t j = (size_t)thread; j < c; j += THREADS) {
                to[j] = from[j] * r * weight[j];
            }
        });
    }
};

static void l2_norm(const bnn_stream *stream, size_t rows, size_t c, const float *x,
                    const float *weight, float eps, float *y) {
    teams(stream, rows, length_rows{c, x, weight, eps, y});
}

/* A team has a part of the rows, and all that is summed of them. With n = |x| and h = weight g:
 * gx = h / (n + eps) - x (x h') / (n (n + eps)^2). */
struct length_backward {
    static constexpr int THREADS = 128;
    struct shared {
        length_memory row;
    };
    size_t rows, c;
    const float *g, *x, *weight;
    float eps;
    int reset;
    void *sums;
    float *gx;
    int acc;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t part) const {
        piece_sums p = sums_at(sums, c, 0);
        if (sums != NULL) {
            open_part(t, p, rows, c, reset, part);
        }
        for (size_t row = rows * part / PARTS; row < rows * (part + 1) / PARTS; row++) {
            const float *gr = g + row * c, *xr = x + row * c;
            double norm = sqrt(square_length(t, m.row, c, xr)), over = 1.0 / (norm + (double)eps);
            add_in_order(t, m.row.order, c,
                         [&](size_t j) { return (double)(weight[j] * gr[j]) * (double)xr[j]; });
            double dot = m.row.order.sum;
            float r = (float)over, k = norm > 0.0 ? (float)(dot * over * over / norm) : 0.0f;
            t.each([&](int thread) {
                for (size_t j = (size_t)thread; j < c; j += THREADS) {
                    if (sums != NULL) {
                        p.s[part * c + j] += (double)gr[j];
                        p.q[part * c + j] += (double)(gr[j] * (xr[j] * r));
                    }
                    if (gx != NULL) { /* last: it may overwrite g */
                        put(gx, row * c + j, weight[j] * gr[j] * r - xr[j] * k, acc);
                    }
                }
            });
        }
    }
};

static void l2_norm_backward(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                             const float *x, const float *weight, float eps, int reset, void *sums,
                             float *gx, int acc) {
    teams(stream, PARTS, length_backward{rows, c, g, x, weight, eps, reset, sums, gx, acc});
}

/* ---- softmax: a row is a thread's ---- */

static void softmax(const bnn_stream *stream, size_t first, size_t rows, size_t c, const float *x,
                    size_t per_mask, const float *mask, float *y) {
    each(stream, rows, [=] BNN_EACH(size_t row) {
        const float *from = x + row * c;
        const float *m = mask == NULL ? NULL : mask + (first + row) / per_mask * c;
        float *to = y + row * c, most = -INFINITY;
        double sum = 0.0;
        for (size_t j = 0; j < c; j++) {
            to[j] = m == NULL ? from[j] : from[j] + m[j];
            most = to[j] > most ? to[j] : most;
        }
        for (size_t j = 0; j < c; j++) {
            to[j] = expf(to[j] - most);
            sum += (double)to[j];
        }
        float over = (float)(1.0 / sum);
        for (size_t j = 0; j < c; j++) {
            to[j] *= over;
        }
    });
}

struct softmax_gradients {
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
        t.each([&](int thread) {
            if (thread == 0) {
                m.lanes.sum_s = m.lanes.sum_q = 0.0;
            }
        });
        lane_sums(t, m.lanes, c, LANE_VALUES,
                  [&](size_t i, float *u, float *v) { *u = gr[i], *v = yr[i]; });
        float dot = (float)m.lanes.sum_q;
        t.each([&](int thread) {
            for (size_t j = (size_t)thread; j < c; j += THREADS) {
                put(gx, row * c + j, yr[j] * (gr[j] - dot), acc);
            }
        });
    }
};

static void softmax_backward(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                             const float *y, float *gx, int acc) {
    teams(stream, rows, softmax_gradients{c, g, y, gx, acc});
}

/* ---- regions ---- */

struct region {
    size_t image;
    bnn_region_axis v, h;
};

/* 0 if it is of no image. */
BNN_GPU int region_of(const bnn_roi_align &s, const float *roi, region *r) {
    if (!(roi[0] >= 0.0f && roi[0] < (float)s.n)) {
        return 0;
    }
    r->image = (size_t)roi[0];
    r->v = bnn_region_of((double)roi[2], (double)roi[4], s.scale, s.size, s.h);
    r->h = bnn_region_of((double)roi[1], (double)roi[3], s.scale, s.size, s.w);
    return 1;
}

/* use(row, column, share) of the pixels around the points of a place, in order; only of map row
 * `only`, or of all where that is -1. */
template <class U>
BNN_GPU void region_place(const bnn_roi_align &s, const region &r, int i, int j, int only, U use) {
    const int count = r.v.points * r.h.points;
    const float over = count > 0 ? 1.0f / (float)count : 0.0f;
    bnn_region_tap v, h;
    for (int k = 0; k < r.v.points; k++) {
        if (!bnn_region_point(&r.v, i, k, s.h, &v) ||
            (only >= 0 && v.low != only && v.high != only)) {
            continue;
        }
        for (int l = 0; l < r.h.points; l++) {
            if (!bnn_region_point(&r.h, j, l, s.w, &h)) {
                continue;
            }
            for (int corner = 0; corner < 4; corner++) {
                int row = corner / 2 ? v.high : v.low;
                float of_row = corner / 2 ? v.of_high : v.of_low;
                float of_column = corner % 2 ? h.of_high : h.of_low;
                if (only < 0 || row == only) {
                    use(row, corner % 2 ? h.high : h.low, of_row * of_column * over);
                }
            }
        }
    }
}

static void roi_align(const bnn_stream *stream, const bnn_roi_align *align, const float *x,
                      const float *rois, float *y) {
    const bnn_roi_align s = *align;
    const size_t places = (size_t)s.size * (size_t)s.size, c = (size_t)s.c;
    each_row(stream, s.rois * places, c, [=] BNN_EACH(size_t at, size_t q) {
        region r;
        float sum = 0.0f;
        if (region_of(s, rois + at / places * 5, &r)) {
            const float *map = x + r.image * (size_t)s.h * (size_t)s.w * c + q;
            int place = (int)(at % places);
            region_place(s, r, place / s.size, place % s.size, -1,
                         [&](int row, int column, float share) {
                             sum += share * map[((size_t)row * (size_t)s.w + (size_t)column) * c];
                         });
        }
        y[at * c + q] = sum;
    });
}

/* Can a point of the region touch this row? Those outside the map do not, or the row beside it. */
BNN_GPU int touches(const bnn_region_axis &v, int size, int row) {
    return v.start <= (double)row + 1.0 && v.start + v.step * size >= (double)row - 1.0;
}

/* Regions overlap, rows and channels of the map do not: a thread has one of each, and adds what
 * comes to it in the CPU's order. */
static void roi_align_backward(const bnn_stream *stream, const bnn_roi_align *align, const float *g,
                               const float *rois, float *gx, int acc) {
    const bnn_roi_align s = *align;
    const size_t h = (size_t)s.h, w = (size_t)s.w, c = (size_t)s.c, size = (size_t)s.size;
    each_row(stream, (size_t)s.n * h, c, [=] BNN_EACH(size_t at, size_t q) {
        const int own = (int)(at % h);
        const float image = (float)(at / h);
        float *to = gx + at * w * c + q;
        for (size_t j = 0; !acc && j < w; j++) {
            to[j * c] = 0.0f;
        }
        for (size_t i = 0; i < s.rois; i++) {
            region r;
            const float *roi = rois + 5 * i;
            if (!(roi[0] >= image && roi[0] < image + 1.0f) || !region_of(s, roi, &r) ||
                !touches(r.v, s.size, own)) {
                continue;
            }
            for (size_t place = 0; place < size * size; place++) {
                const float *from = g + (i * size * size + place) * c + q;
                region_place(
                    s, r, (int)(place / size), (int)(place % size), own,
                    [&](int, int column, float share) { to[(size_t)column * c] += share * *from; });
            }
        }
    });
}

/* ---- losses ---- */

static void smooth_l1(const bnn_stream *stream, size_t rows, int background, int by_class,
                      float beta, const float *x, const float *target, const int32_t *label,
                      const float *divisor, float *loss) {
    sum_in_order(
        stream, 4 * rows,
        [=] BNN_EACH(size_t i) {
            const float *own = bnn_own_box(i / 4, background, by_class, x, label);
            return own == NULL ? 0.0 : bnn_smooth_l1(own[i % 4], target[i], beta);
        },
        [=] BNN_EACH(double sum) { *loss = (float)(sum / (double)*divisor); });
}

static void smooth_l1_backward(const bnn_stream *stream, size_t rows, int background, int by_class,
                               float beta, const float *x, const float *target,
                               const int32_t *label, const float *divisor, const float *gloss,
                               float *gx, int acc) {
    const size_t values = 4 * rows * (size_t)(by_class ? background : 1);
    each(stream, acc ? 0 : values, [=] BNN_EACH(size_t i) { gx[i] = 0.0f; });
    each(stream, 4 * rows, [=] BNN_EACH(size_t i) {
        const float *own = bnn_own_box(i / 4, background, by_class, x, label);
        const float factor = *gloss / *divisor;
        if (own != NULL) {
            gx[(size_t)(own - x) + i % 4] +=
                factor * bnn_smooth_l1_slope(own[i % 4], target[i], beta);
        }
    });
}

static void objectness(const bnn_stream *stream, size_t n, const float *x, const int32_t *label,
                       const float *divisor, float *loss) {
    sum_in_order(
        stream, n,
        [=] BNN_EACH(size_t i) { return label[i] >= 0 ? bnn_objectness(x[i], label[i]) : 0.0; },
        [=] BNN_EACH(double sum) { *loss = (float)(sum / (double)*divisor); });
}

static void objectness_backward(const bnn_stream *stream, size_t n, const float *x,
                                const int32_t *label, const float *divisor, const float *gloss,
                                float *gx, int acc) {
    each(stream, n, [=] BNN_EACH(size_t i) {
        const float factor = *gloss / *divisor;
        float p = 1.0f / (1.0f + expf(-x[i])), there = label[i] == 0 ? 1.0f : 0.0f;
        put(gx, i, label[i] < 0 ? 0.0f : factor * (p - there), acc);
    });
}

void bnn_cuda_detect(bnn_kernels *k) {
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
