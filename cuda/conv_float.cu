/* Products of floats, of which an operand may be bits: +-1 and their factors, made floats on the
 * way into shared memory. The forward and both gradients are one tiled product over different
 * readers, each of which knows where its operand's rows and the reduction lie; nothing is copied
 * into a matrix of patches. A sum's order depends on nothing but the shape. */
#include "cuda/conv.cuh"
#include "cuda/conv.h"

enum {
    TILE = 64,
    STEP = 16,
    EDGE = 4,  /* results of a thread: EDGE by EDGE */
    RUN = 256, /* terms that are added one after another, before they join a sum of such sums */
};

#ifdef __CUDACC__
#define multiply_add(a, b, c) fmaf(a, b, c)
#else
#define multiply_add(a, b, c) ((a) * (b) + (c)) /* as good, and no call */
#endif

/* ---- readers: `row` is what they need to know of row i in a group, value(row, k) its k-th ---- */

/* Windows of the input: k is a tap's channel. */
struct input_windows {
    conv_sizes v;
    bnn_operand x;
    struct row {
        window at;
        size_t first;
        int there;
    };
    BNN_INSIDE size_t rows() const { return v.pixels; }
    BNN_INSIDE row row_at(size_t group, size_t i) const {
        row r = {window_of(v, i < v.pixels ? i : 0), group * v.cg, i < v.pixels};
        return r;
    }
    BNN_INSIDE float value(const row &r, size_t k) const {
        int64_t at = r.there ? tap_row(v, r.at, k / v.cg) : -1;
        return at < 0 ? 0.0f : operand_at(x, v.c, (size_t)at, r.first + k % v.cg);
    }
};

/* Filters: k is a tap's channel. */
struct filters {
    conv_sizes v;
    bnn_operand w;
    struct row {
        size_t o;
        int there;
    };
    BNN_INSIDE size_t rows() const { return v.og; }
    BNN_INSIDE row row_at(size_t group, size_t i) const {
        row r = {group * v.og + i, i < v.og};
        return r;
    }
    BNN_INSIDE float value(const row &r, size_t k) const {
        return r.there ? operand_at(w, v.cg, r.o * v.taps + k / v.cg, k % v.cg) : 0.0f;
    }
};

/* For the input's gradient: what saw an input pixel; k is a tap's filter. */
struct seen_gradients {
    conv_sizes v;
    const float *gy;
    struct row {
        window at;
        size_t first;
        int there;
    };
    BNN_INSIDE size_t rows() const { return v.inputs; }
    BNN_INSIDE row row_at(size_t group, size_t i) const {
        row r = {source_of(v, i < v.inputs ? i : 0), group * v.og, i < v.inputs};
        return r;
    }
    BNN_INSIDE float value(const row &r, size_t k) const {
        int64_t at = r.there ? seen_by(v, r.at, k / v.og) : -1;
        return at < 0 ? 0.0f : gy[(size_t)at * v.o + r.first + k % v.og];
    }
};

/* Channels of the filters: k is a tap's filter. */
struct filter_channels {
    conv_sizes v;
    bnn_operand w;
    struct row {
        size_t first, c;
        int there;
    };
    BNN_INSIDE size_t rows() const { return v.cg; }
    BNN_INSIDE row row_at(size_t group, size_t i) const {
        row r = {group * v.og, i, i < v.cg};
        return r;
    }
    BNN_INSIDE float value(const row &r, size_t k) const {
        size_t filter = (r.first + k % v.og) * v.taps + k / v.og;
        return r.there ? operand_at(w, v.cg, filter, r.c) : 0.0f;
    }
};

/* For the filters' gradient: a filter's results; k is a pixel. */
struct filter_results {
    conv_sizes v;
    const float *gy;
    struct row {
        size_t o;
        int there;
    };
    BNN_INSIDE size_t rows() const { return v.og; }
    BNN_INSIDE row row_at(size_t group, size_t i) const {
        row r = {group * v.og + i, i < v.og};
        return r;
    }
    BNN_INSIDE float value(const row &r, size_t k) const {
        return r.there ? gy[k * v.o + r.o] : 0.0f;
    }
};

/* A tap's channel in all windows; k is a pixel. */
struct tap_values {
    conv_sizes v;
    bnn_operand x;
    struct row {
        size_t tap, c;
        int there;
    };
    BNN_INSIDE size_t rows() const { return v.depth; }
    BNN_INSIDE row row_at(size_t group, size_t i) const {
        row r = {i / v.cg, group * v.cg + i % v.cg, i < v.depth};
        return r;
    }
    BNN_INSIDE float value(const row &r, size_t k) const {
        int64_t at = r.there ? tap_row(v, window_of(v, k), r.tap) : -1;
        return at < 0 ? 0.0f : operand_at(x, v.c, (size_t)at, r.c);
    }
};

/* ---- ends: put(group, split, i, j, sum) ---- */

struct forward_end {
    conv_sizes v;
    conv_end to;
    BNN_INSIDE void put_sum(size_t group, size_t, size_t i, size_t j, float sum) const {
        put_float(to, v, i, group * v.og + j, sum);
    }
};

struct input_end {
    conv_sizes v;
    float *gx;
    int acc;
    BNN_INSIDE void put_sum(size_t group, size_t, size_t i, size_t j, float sum) const {
        put(gx, i * v.c + group * v.cg + j, sum, acc);
    }
};

/* Split after split. */
struct filter_end {
    conv_sizes v;
    float *gw;
    BNN_INSIDE void put_sum(size_t group, size_t split, size_t i, size_t j, float sum) const {
        gw[(split * v.o + group * v.og + i) * v.depth + j] = sum;
    }
};

/* ---- the product ---- */

template <class A, class B, class E> struct float_tiles {
    static constexpr int THREADS = BLOCK;
    struct shared {
        float a[STEP][TILE], b[STEP][TILE];
    };
    A a;
    B b;
    E end;
    size_t length, splits;          /* of the reduction, which is cut */
    size_t row_tiles, column_tiles; /* of a's rows, of b's */

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t item) const {
        size_t first = item % row_tiles * TILE, rest = item / row_tiles;
        size_t second = rest % column_tiles * TILE;
        size_t split = rest / column_tiles % splits, group = rest / column_tiles / splits;
        size_t k = length * split / splits, last = length * (split + 1) / splits, joined = 0;
        own<float[EDGE][EDGE], THREADS> part, sum;
        own<typename A::row, THREADS> a_row;
        own<typename B::row, THREADS> b_row;
        t.each([&](int thread) {
            a_row[thread] = a.row_at(group, first + (size_t)thread % TILE);
            b_row[thread] = b.row_at(group, second + (size_t)thread % TILE);
            for (int i = 0; i < EDGE * EDGE; i++) {
                part[thread][i / EDGE][i % EDGE] = sum[thread][i / EDGE][i % EDGE] = 0.0f;
            }
        });
        for (; k < last; k += STEP) {
            t.each([&](int thread) {
                size_t line = (size_t)thread % TILE;
                for (size_t i = (size_t)thread / TILE; i < STEP; i += THREADS / TILE) {
                    m.a[i][line] = k + i < last ? a.value(a_row[thread], k + i) : 0.0f;
                    m.b[i][line] = k + i < last ? b.value(b_row[thread], k + i) : 0.0f;
                }
            });
            joined += STEP;
            t.each([&](int thread) { add_step(m, thread, part[thread]); });
            if (joined % RUN == 0 || k + STEP >= last) {
                t.each([&](int thread) { join(part[thread], sum[thread]); });
            }
        }
        t.each([&](int thread) {
            for (int i = 0; i < EDGE * EDGE; i++) {
                size_t r = first + (size_t)(thread / 16 * EDGE + i / EDGE);
                size_t c = second + (size_t)(thread % 16 * EDGE + i % EDGE);
                if (r < a.rows() && c < b.rows()) {
                    end.put_sum(group, split, r, c, sum[thread][i / EDGE][i % EDGE]);
                }
            }
        });
    }

    BNN_INSIDE static void add_step(const shared &m, int thread, float (&part)[EDGE][EDGE]) {
        int row = thread / 16 * EDGE, column = thread % 16 * EDGE;
        for (int i = 0; i < STEP; i++) {
            for (int r = 0; r < EDGE; r++) {
                for (int c = 0; c < EDGE; c++) {
                    part[r][c] = multiply_add(m.a[i][row + r], m.b[i][column + c], part[r][c]);
                }
            }
        }
    }

    BNN_INSIDE static void join(float (&part)[EDGE][EDGE], float (&sum)[EDGE][EDGE]) {
        for (int i = 0; i < EDGE * EDGE; i++) {
            sum[i / EDGE][i % EDGE] += part[i / EDGE][i % EDGE];
            part[i / EDGE][i % EDGE] = 0.0f;
        }
    }
};

template <class A, class B, class E>
static void product(const bnn_stream *stream, const conv_sizes &v, size_t rows, size_t columns,
                    size_t length, size_t splits, A a, B b, E end) {
    size_t row_tiles = (rows + TILE - 1) / TILE, column_tiles = (columns + TILE - 1) / TILE;
    teams(stream, row_tiles * column_tiles * splits * v.groups,
          float_tiles<A, B, E>{a, b, end, length, splits, row_tiles, column_tiles});
}

/* Of thin groups: a result (of some split) is a thread's. */
template <class A, class B, class E>
static void product_thin(const bnn_stream *stream, const conv_sizes &v, size_t rows, size_t columns,
                         size_t length, size_t splits, A a, B b, E end) {
    size_t groups = v.groups;
    each_row(stream, rows * splits, groups * columns, [=] BNN_EACH(size_t r, size_t c) {
        size_t split = r / rows, group = c / columns;
        typename A::row a_row = a.row_at(group, r % rows);
        typename B::row b_row = b.row_at(group, c % columns);
        size_t k = length * split / splits, last = length * (split + 1) / splits;
        float sum = 0.0f;
        while (k < last) {
            float part = 0.0f;
            for (size_t run = k + RUN < last ? k + RUN : last; k < run; k++) {
                part = multiply_add(a.value(a_row, k), b.value(b_row, k), part);
            }
            sum += part;
        }
        end.put_sum(group, split, r % rows, c % columns, sum);
    });
}

/* ---- the three of them ---- */

void bnn_cuda_float_forward(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *x,
                            const bnn_operand *w, const bnn_result *y) {
    conv_sizes v = sizes_of(s);
    input_windows a = {v, *x};
    filters b = {v, *w};
    forward_end end = {v, end_of(y, NULL)};
    if (is_thin(v)) {
        product_thin(stream, v, v.pixels, v.og, v.depth, 1, a, b, end);
    } else {
        product(stream, v, v.pixels, v.og, v.depth, 1, a, b, end);
    }
}

void bnn_cuda_float_x(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                      const bnn_operand *w, float *gx, int acc) {
    conv_sizes v = sizes_of(s);
    seen_gradients a = {v, gy};
    filter_channels b = {v, *w};
    input_end end = {v, gx, acc};
    if (is_thin(v)) {
        product_thin(stream, v, v.inputs, v.cg, v.taps * v.og, 1, a, b, end);
    } else {
        product(stream, v, v.inputs, v.cg, v.taps * v.og, 1, a, b, end);
    }
}

/* The reduction runs over all pixels, and results are few: it is cut, so that teams are many. */
static size_t splits_of(const conv_sizes &v) {
    size_t tiles = (v.og + TILE - 1) / TILE * ((v.depth + TILE - 1) / TILE) * v.groups;
    size_t wanted = (512 + tiles - 1) / tiles, fits = (v.pixels + RUN - 1) / RUN;
    wanted = is_thin(v) || wanted > 64 ? 64 : wanted;
    return wanted < fits ? wanted : fits;
}

size_t bnn_cuda_float_bytes(const bnn_conv *s) {
    conv_sizes v = sizes_of(s);
    return splits_of(v) * v.o * v.depth * sizeof(float);
}

void bnn_cuda_float_w(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                      const bnn_operand *x, float *gw, int acc, void *ws) {
    conv_sizes v = sizes_of(s);
    size_t splits = splits_of(v);
    filter_results a = {v, gy};
    tap_values b = {v, *x};
    filter_end end = {v, (float *)ws};
    if (is_thin(v)) {
        product_thin(stream, v, v.og, v.depth, v.pixels, splits, a, b, end);
    } else {
        product(stream, v, v.og, v.depth, v.pixels, splits, a, b, end);
    }
    add_splits(stream, splits, v.o * v.depth, (const float *)ws, gw, acc);
}
