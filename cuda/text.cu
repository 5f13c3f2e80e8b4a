/* What networks on text add: layer normalization, dropout, and rows of a table. */
#include "cuda/lanes.cuh"
#include "cuda/philox.cuh"
#include "cuda/sums.cuh"
#include "cuda/table.h"

/* ---- layer normalization ---- */

struct row_memory {
    lane_memory<128> lanes;
    float mean, r;
};

/* Mean and 1 / sqrt(biased variance + eps) of a row, to everyone in the team. */
BNN_GPU void row_statistics(team<128> t, row_memory &m, size_t c, const float *x, float eps) {
    t.each([&](int thread) {
        if (thread == 0) {
            m.lanes.sum_s = m.lanes.sum_q = 0.0;
        }
    });
    lane_sums(t, m.lanes, c, LANE_VALUES,
              [&](size_t i, float *u, float *v) { *u = *v = x[i] - x[0]; });
    t.each([&](int thread) {
        if (thread == 0) {
            double shift = m.lanes.sum_s / (double)c, q = m.lanes.sum_q;
            double variance = q / (double)c - shift * shift;
            m.mean = (float)((double)x[0] + shift);
            m.r = (float)(1.0 / sqrt((variance > 0.0 ? variance : 0.0) + (double)eps));
        }
    });
}

struct norm_rows {
    static constexpr int THREADS = 128;
    struct shared {
        row_memory row;
    };
    size_t c;
    const float *x, *weight, *bias;
    float eps, *y;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t row) const {
        const float *from = x + row * c;
        float *to = y + row * c;
        row_statistics(t, m.row, c, from, eps);
        t.each([&](int thread) {
            for (size_t j = (size_t)thread; j < c; j += THREADS) {
                to[j] = (from[j] - m.row.mean) * m.row.r * weight[j] + bias[j];
            }
        });
    }
};

static void layer_norm(const bnn_stream *stream, size_t rows, size_t c, const float *x,
                       const float *weight, const float *bias, float eps, float *y) {
    teams(stream, rows, norm_rows{c, x, weight, bias, eps, y});
}

/* A team has a part of the rows, and all that is summed of them. */
struct norm_backward {
    static constexpr int THREADS = 128;
    struct shared {
        row_memory row;
        float of_h, of_hx;
    };
    size_t rows, c;
    const float *g, *x, *weight;
    float eps;
    int reset;
    void *sums;
    float *gx;
    int acc;

    /* Means over a row of h = weight g, and of h times the normalized x. */
    BNN_INSIDE void row_means(team<THREADS> t, shared &m, const float *gr, const float *xr) const {
        t.each([&](int thread) {
            if (thread == 0) {
                m.row.lanes.sum_s = m.row.lanes.sum_q = 0.0;
            }
        });
        float mean = m.row.mean, r = m.row.r;
        lane_sums(t, m.row.lanes, c, 256, [&](size_t i, float *u, float *v) {
            *u = weight[i] * gr[i];
            *v = (xr[i] - mean) * r;
        });
        t.each([&](int thread) {
            if (thread == 0) {
                m.of_h = (float)(m.row.lanes.sum_s / (double)c);
                m.of_hx = (float)(m.row.lanes.sum_q / (double)c);
            }
        });
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t part) const {
        piece_sums p = sums_at(sums, c, 0);
        if (sums != NULL) {
            open_part(t, p, rows, c, reset, part);
        }
        for (size_t row = rows * part / PARTS; row < rows * (part + 1) / PARTS; row++) {
            const float *gr = g + row * c, *xr = x + row * c;
            row_statistics(t, m.row, c, xr, eps);
            if (gx != NULL) {
                row_means(t, m, gr, xr);
            }
            t.each([&](int thread) {
                for (size_t j = (size_t)thread; j < c; j += THREADS) {
                    float normal = (xr[j] - m.row.mean) * m.row.r;
                    if (sums != NULL) {
                        p.s[part * c + j] += (double)gr[j];
                        p.q[part * c + j] += (double)(gr[j] * normal);
                    }
                    if (gx != NULL) { /* last: it may overwrite g */
                        put(gx, row * c + j,
                            m.row.r * (weight[j] * gr[j] - m.of_h - normal * m.of_hx), acc);
                    }
                }
            });
        }
    }
};

static void layer_norm_backward(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                                const float *x, const float *weight, float eps, int reset,
                                void *sums, float *gx, int acc) {
    teams(stream, PARTS, norm_backward{rows, c, g, x, weight, eps, reset, sums, gx, acc});
}

/* ---- dropout ---- */

static void dropout(const bnn_stream *stream, size_t first, size_t n, const float *x, float p,
                    bnn_random random, float *y, int acc) {
    const uint32_t dropped = dropped_below(p);
    const float scale = 1.0f / (1.0f - p);
    each(stream, n, [=] BNN_EACH(size_t i) {
        put(y, i, kept(random, first + i, dropped) ? scale * x[i] : 0.0f, acc);
    });
}

static void keep(const bnn_stream *stream, size_t rows, size_t c, float p, bnn_random random,
                 uint64_t *bits) {
    const uint32_t dropped = dropped_below(p);
    pack(stream, rows, c, bits,
         [=] BNN_EACH(size_t r, size_t j) { return kept(random, r * c + j, dropped) != 0; });
}

/* ---- rows of a table ---- */

/* Which row value i reads; one that is not there is none. */
BNN_GPU size_t table_row(const int32_t *id, size_t period, size_t i) {
    return id == NULL ? i % period : (size_t)(uint32_t)id[i];
}

static void table_rows(const bnn_stream *stream, size_t n, size_t c, const bnn_operand *table,
                       size_t rows, const int32_t *id, size_t period, float *y) {
    const bnn_operand o = *table;
    each_row(stream, n, c, [=] BNN_EACH(size_t i, size_t j) {
        size_t row = table_row(id, period, i);
        float v = 0.0f;
        if (row < rows && o.f32 != NULL) {
            v = o.f32[row * c + j];
        } else if (row < rows) {
            float scale = scale_of(o.scale, row, o.rows_per_scale);
            v = bit_at(o.b1 + row * ((c + 63) / 64), j) ? scale : -scale;
        }
        y[i * c + j] = v;
    });
}

/* A row of the table is the team's that has the first of its terms: it adds them in their order.
 */
struct table_terms {
    static constexpr int THREADS = 128;
    struct shared {
        int earlier[THREADS];
    };
    size_t n, c;
    const float *g;
    size_t rows;
    const int32_t *id;
    size_t period, padding;
    float *to;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t item) const {
        size_t row = table_row(id, period, item);
        t.each([&](int thread) {
            m.earlier[thread] = 0;
            for (size_t i = (size_t)thread; i < item; i += THREADS) {
                m.earlier[thread] |= table_row(id, period, i) == row;
            }
        });
        int mine = row < rows && row != padding;
        for (int i = 0; i < THREADS; i++) {
            mine &= !m.earlier[i];
        }
        t.each([&](int thread) {
            for (size_t i = item; mine && i < n; i++) {
                if (table_row(id, period, i) != row) {
                    continue;
                }
                for (size_t j = (size_t)thread; j < c; j += THREADS) {
                    to[row * c + j] += g[i * c + j];
                }
            }
        });
    }
};

static void table_rows_backward(const bnn_stream *stream, size_t n, size_t c, const float *g,
                                size_t rows, const int32_t *id, size_t period, size_t padding,
                                float *gtable, int acc) {
    each(stream, acc ? 0 : rows * c, [=] BNN_EACH(size_t i) { gtable[i] = 0.0f; });
    teams(stream, n, table_terms{n, c, g, rows, id, period, padding, gtable});
}

void bnn_cuda_text(bnn_kernels *k) {
    k->layer_norm = layer_norm;
    k->layer_norm_backward = layer_norm_backward;
    k->dropout = dropout;
    k->keep = keep;
    k->table_rows = table_rows;
    k->table_rows_backward = table_rows_backward;
}
