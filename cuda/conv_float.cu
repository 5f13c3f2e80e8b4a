/* Products of floats, of which an operand may be bits: +-1 and their factors, made floats on the
 * way into shared memory. Multiplied and added one by one, or as pieces on tensor cores where less
 * than a float's precision is asked for. A sum's order depends on nothing but the shape, and a
 * forward's not on how many samples there are. */
#include "cuda/conv.h"
#include "cuda/conv_operands.cuh"
#include "cuda/tile_bf16.cuh"

enum {
    DEPTH = 16, /* terms at a time */
    EDGE = 4,   /* results of a thread: EDGE by EDGE */
    RUN = 256,  /* terms that are added one after another, before they join a sum of such sums */
};

#ifdef __CUDACC__
#define multiply_add(a, b, c) fmaf(a, b, c)
#else
#define multiply_add(a, b, c) ((a) * (b) + (c)) /* as good, and no call */
#endif

/* ---- the product, one term after another ---- */

template <class A, class B, class E> struct plain_tiles {
    static constexpr int THREADS = BLOCK;
    struct shared {
        float a[DEPTH][TILE], b[DEPTH][TILE];
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
        for (; k < last; k += DEPTH) {
            t.each([&](int thread) {
                size_t line = (size_t)thread % TILE;
                for (size_t i = (size_t)thread / TILE; i < DEPTH; i += THREADS / TILE) {
                    m.a[i][line] = k + i < last ? a.value(a_row[thread], k + i) : 0.0f;
                    m.b[i][line] = k + i < last ? b.value(b_row[thread], k + i) : 0.0f;
                }
            });
            joined += DEPTH;
            t.each([&](int thread) { add_step(m, thread, part[thread]); });
            if (joined % RUN == 0 || k + DEPTH >= last) {
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
        for (int i = 0; i < DEPTH; i++) {
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

/* ---- the product, on tensor cores ---- */

template <class A, class B, class E, int PIECES> struct tensor_tiles {
    static constexpr int THREADS = TEAM;
    struct shared {
        tile_pieces<PIECES> a, b;
        float sum[TILE][TILE];
    };
    A a;
    B b;
    E end;
    size_t length, splits;          /* of the reduction, which is cut */
    size_t row_tiles, column_tiles; /* of a's rows, of b's */

    /* Terms [k, k + STEP) of a row that ends at `last`, by the threads that have it. */
    template <class R>
    BNN_INSIDE static void load(const R &reader, const typename R::row &row, int thread, size_t k,
                                size_t last, tile_pieces<PIECES> &to) {
        for (int pair = thread / TILE; pair < STEP / 2; pair += THREADS / TILE) {
            size_t term = k + 2 * (size_t)pair;
            to.put(thread % TILE, pair, term < last ? reader.value(row, term) : 0.0f,
                   term + 1 < last ? reader.value(row, term + 1) : 0.0f);
        }
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t item) const {
        size_t first = item % row_tiles * TILE, rest = item / row_tiles;
        size_t second = rest % column_tiles * TILE;
        size_t split = rest / column_tiles % splits, group = rest / column_tiles / splits;
        size_t k = length * split / splits, last = length * (split + 1) / splits, steps = 0;
        own<tile_sums, THREADS> part, sum;
        own<typename A::row, THREADS> a_row;
        own<typename B::row, THREADS> b_row;
        t.each([&](int thread) {
            a_row[thread] = a.row_at(group, first + (size_t)thread % TILE);
            b_row[thread] = b.row_at(group, second + (size_t)thread % TILE);
            clear_fragments(sum[thread].of);
            clear_fragments(part[thread].of);
        });
        for (; k < last; k += STEP) {
            t.each([&](int thread) {
                load(a, a_row[thread], thread, k, last, m.a);
                load(b, b_row[thread], thread, k, last, m.b);
            });
            each_warp(t, [&](int warp) {
                multiply_step<PIECES, PIECES>(
                    m.a, [&](int piece, int term, int c) { return m.b.pair[piece][c][term / 2]; },
                    warp, part);
            });
            if (++steps % JOIN == 0) {
                t.each([&](int thread) { sum[thread].take(part[thread]); });
            }
        }
        put_tile(t, part, sum, m.sum, [&](size_t i, size_t j, float v) {
            size_t r = first + i, c = second + j;
            if (r < a.rows() && c < b.rows()) {
                end.put_sum(group, split, r, c, v);
            }
        });
    }
};

template <class A, class B, class E>
static void product(const bnn_stream *stream, const conv_sizes &v, size_t rows, size_t columns,
                    size_t length, size_t splits, A a, B b, E end) {
    size_t across = (rows + TILE - 1) / TILE, down = (columns + TILE - 1) / TILE;
    size_t count = across * down * splits * v.groups;
    switch (bnn_cuda_precision(stream)) {
    case BNN_PRECISION_BF16:
        return teams(stream, count,
                     tensor_tiles<A, B, E, 1>{a, b, end, length, splits, across, down});
    case BNN_PRECISION_TF32:
        return teams(stream, count,
                     tensor_tiles<A, B, E, 2>{a, b, end, length, splits, across, down});
    case BNN_PRECISION_FP32:
        return teams(stream, count, plain_tiles<A, B, E>{a, b, end, length, splits, across, down});
    }
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
