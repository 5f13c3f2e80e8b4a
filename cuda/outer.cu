/* What sums over all rows in more than one way: XNOR-Net++'s three vectors of scales, and the two
 * thin matrices of a bottleneck. Rows are cut into parts that teams sum side by side. */
#include "cuda/launch.cuh"
#include "cuda/table.h"

enum { OUTER_PARTS = 64, OUTER_ROWS = 128 };

BNN_BOTH size_t whole_lines(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

BNN_GPU float dot(size_t n, const float *a, const float *b) {
    float sum = 0.0f;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* ---- XNOR-Net++ ---- */

/* A piece's sums: of each part [c], [h], [w]. */
static size_t outer_sums_bytes(const bnn_stream *, size_t h, size_t w, size_t c) {
    return whole_lines(OUTER_PARTS * (c + h + w) * sizeof(float));
}

struct outer_sums {
    static constexpr int THREADS = OUTER_ROWS;
    struct shared {
        float of_row[OUTER_ROWS]; /* over channels, without the row's and the column's scale */
    };
    size_t first, rows, h, w, c;
    const float *g;
    bnn_numbers x;
    const float *so, *sh, *sv;
    int reset;
    float *sums;

    BNN_INSIDE float down(size_t row) const { return sh == NULL ? 1.0f : sh[row / w % h]; }

    BNN_INSIDE void add_chunk(team<THREADS> t, shared &m, float *to, size_t at, size_t n) const {
        t.each([&](int thread) {
            float sum = 0.0f;
            for (size_t k = 0, i = (at + (size_t)thread) * c; (size_t)thread < n && k < c; k++) {
                sum += g[i + k] * number(x, i + k) * so[k];
            }
            m.of_row[thread] = sum;
        });
        t.each([&](int thread) {
            for (size_t k = (size_t)thread; k < c; k += THREADS) {
                float sum = 0.0f;
                for (size_t r = 0; r < n; r++) {
                    size_t i = (at + r) * c + k, row = first + at + r;
                    sum += g[i] * number(x, i) * (down(row) * sv[row % w]);
                }
                to[k] += sum;
            }
            for (size_t k = (size_t)thread; k < h + w; k += THREADS) {
                float sum = 0.0f;
                for (size_t r = 0; r < n; r++) {
                    size_t row = first + at + r;
                    if (k < h && row / w % h == k) {
                        sum += m.of_row[r] * sv[row % w];
                    } else if (k >= h && row % w == k - h) {
                        sum += m.of_row[r] * down(row);
                    }
                }
                to[c + k] += sum;
            }
        });
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t part) const {
        float *to = sums + part * (c + h + w);
        t.each([&](int thread) {
            for (size_t k = (size_t)thread; reset && k < c + h + w; k += THREADS) {
                to[k] = 0.0f;
            }
        });
        size_t at = rows * part / OUTER_PARTS, last = rows * (part + 1) / OUTER_PARTS;
        for (; at < last; at += OUTER_ROWS) {
            add_chunk(t, m, to, at, last - at < OUTER_ROWS ? last - at : (size_t)OUTER_ROWS);
        }
    }
};

static void outer_scale_sums(const bnn_stream *stream, size_t first, size_t rows, size_t h,
                             size_t w, size_t c, const float *g, bnn_numbers x, const float *so,
                             const float *sh, const float *sv, int reset, void *sums) {
    teams(stream, OUTER_PARTS,
          outer_sums{first, rows, h, w, c, g, x, so, sh, sv, reset, (float *)sums});
}

/* to[i] (+)= the sum over pieces, and over their parts of `size` floats, of value at + i. */
static void add_parts(const bnn_stream *stream, size_t n, size_t at, size_t size, size_t pieces,
                      size_t piece_bytes, const void *sums, float *to, int acc) {
    each(stream, to == NULL ? 0 : n, [=] BNN_EACH(size_t i) {
        double sum = 0.0;
        for (size_t k = 0; k < pieces * OUTER_PARTS; k++) {
            const char *piece = (const char *)sums + k / OUTER_PARTS * piece_bytes;
            sum += (double)((const float *)piece)[k % OUTER_PARTS * size + at + i];
        }
        to[i] = (acc ? to[i] : 0.0f) + (float)sum;
    });
}

static void outer_scale_finish(const bnn_stream *stream, size_t h, size_t w, size_t c,
                               size_t pieces, const void *sums, float *gso, float *gsh, float *gsv,
                               int acc) {
    size_t size = c + h + w, bytes = outer_sums_bytes(stream, h, w, c);
    add_parts(stream, c, 0, size, pieces, bytes, sums, gso, acc);
    add_parts(stream, h, c, size, pieces, bytes, sums, gsh, acc);
    add_parts(stream, w, c + h, size, pieces, bytes, sums, gsv, acc);
}

/* ---- a small network in each row ---- */

enum { HIDDEN_ROWS = 8 };

/* h[r][i] = x[r] w[i] of n rows */
BNN_GPU void squeeze(int thread, int threads, size_t n, size_t c, size_t hidden, const float *x,
                     const float *w, float (*h)[BNN_BOTTLENECK_MOST]) {
    for (size_t k = (size_t)thread; k < n * hidden; k += (size_t)threads) {
        size_t r = k / hidden, i = k % hidden;
        h[r][i] = dot(c, x + r * c, w + i * c);
    }
}

struct bottleneck_rows {
    static constexpr int THREADS = 128;
    struct shared {
        float h[HIDDEN_ROWS][BNN_BOTTLENECK_MOST];
    };
    size_t rows, c, hidden;
    const float *x, *w1, *w2;
    float *y;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t item) const {
        size_t first = item * HIDDEN_ROWS, left = rows - first;
        size_t n = left < HIDDEN_ROWS ? left : (size_t)HIDDEN_ROWS;
        t.each([&](int thread) { squeeze(thread, THREADS, n, c, hidden, x + first * c, w1, m.h); });
        t.each([&](int thread) {
            for (size_t k = (size_t)thread; k < n * c; k += THREADS) {
                float sum = 0.0f;
                for (size_t i = 0; i < hidden; i++) {
                    float h = m.h[k / c][i] > 0.0f ? m.h[k / c][i] : 0.0f;
                    sum = i == 0 ? h * w2[k % c] : sum + h * w2[i * c + k % c];
                }
                y[first * c + k] = sum;
            }
        });
    }
};

static void bottleneck(const bnn_stream *stream, size_t rows, size_t c, size_t hidden,
                       const float *x, const float *w1, const float *w2, float *y) {
    teams(stream, (rows + HIDDEN_ROWS - 1) / HIDDEN_ROWS,
          bottleneck_rows{rows, c, hidden, x, w1, w2, y});
}

static size_t bottleneck_bytes(const bnn_stream *, size_t c, size_t hidden) {
    return whole_lines(OUTER_PARTS * 2 * hidden * c * sizeof(float));
}

struct bottleneck_gradients {
    static constexpr int THREADS = 128;
    struct shared {
        float h[HIDDEN_ROWS][BNN_BOTTLENECK_MOST], gh[HIDDEN_ROWS][BNN_BOTTLENECK_MOST];
    };
    size_t rows, c, hidden;
    const float *g, *x, *w1, *w2;
    int reset;
    float *sums, *gx;
    int acc;

    BNN_INSIDE void add_sums(int thread, const shared &m, float *to, size_t at, size_t n) const {
        for (size_t k = (size_t)thread; k < hidden * c; k += THREADS) {
            size_t i = k / c, j = k % c;
            float of_w1 = to[k], of_w2 = to[hidden * c + k];
            for (size_t r = 0; r < n; r++) {
                of_w1 += m.gh[r][i] * x[(at + r) * c + j];
                of_w2 += m.h[r][i] * g[(at + r) * c + j];
            }
            to[k] = of_w1, to[hidden * c + k] = of_w2;
        }
    }

    BNN_INSIDE void put_rows(int thread, const shared &m, size_t at, size_t n) const {
        for (size_t k = (size_t)thread; gx != NULL && k < n * c; k += THREADS) {
            size_t to = at * c + k;
            float sum = acc ? gx[to] : 0.0f;
            for (size_t i = 0; i < hidden; i++) {
                float v = m.gh[k / c][i] * w1[i * c + k % c];
                sum = i == 0 && !acc ? v : sum + v;
            }
            gx[to] = sum;
        }
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t part) const {
        float *to = sums + part * 2 * hidden * c;
        t.each([&](int thread) {
            for (size_t k = (size_t)thread; reset && k < 2 * hidden * c; k += THREADS) {
                to[k] = 0.0f;
            }
        });
        size_t at = rows * part / OUTER_PARTS, last = rows * (part + 1) / OUTER_PARTS;
        for (; at < last; at += HIDDEN_ROWS) {
            size_t n = last - at < HIDDEN_ROWS ? last - at : (size_t)HIDDEN_ROWS;
            t.each([&](int thread) {
                squeeze(thread, THREADS, n, c, hidden, x + at * c, w1, m.h);
                squeeze(thread, THREADS, n, c, hidden, g + at * c, w2, m.gh);
            });
            t.each([&](int thread) {
                for (size_t k = (size_t)thread; k < n * hidden; k += THREADS) {
                    float *h = &m.h[k / hidden][k % hidden], *gh = &m.gh[k / hidden][k % hidden];
                    *gh = *h > 0.0f ? *gh : 0.0f;
                    *h = *h > 0.0f ? *h : 0.0f;
                }
            });
            t.each([&](int thread) { add_sums(thread, m, to, at, n); });
            t.each([&](int thread) { put_rows(thread, m, at, n); }); /* last: gx may be g */
        }
    }
};

static void bottleneck_backward(const bnn_stream *stream, size_t rows, size_t c, size_t hidden,
                                const float *g, const float *x, const float *w1, const float *w2,
                                int reset, void *sums, float *gx, int acc) {
    teams(stream, OUTER_PARTS,
          bottleneck_gradients{rows, c, hidden, g, x, w1, w2, reset, (float *)sums, gx, acc});
}

static void bottleneck_finish(const bnn_stream *stream, size_t c, size_t hidden, size_t pieces,
                              const void *sums, float *gw1, int acc1, float *gw2, int acc2) {
    size_t n = hidden * c, bytes = bottleneck_bytes(stream, c, hidden);
    add_parts(stream, n, 0, 2 * n, pieces, bytes, sums, gw1, acc1);
    add_parts(stream, n, n, 2 * n, pieces, bytes, sums, gw2, acc2);
}

void bnn_cuda_outer(bnn_kernels *k) {
    k->outer_sums_bytes = outer_sums_bytes;
    k->outer_scale_sums = outer_scale_sums;
    k->outer_scale_finish = outer_scale_finish;
    k->bottleneck = bottleneck;
    k->bottleneck_bytes = bottleneck_bytes;
    k->bottleneck_backward = bottleneck_backward;
    k->bottleneck_finish = bottleneck_finish;
}
