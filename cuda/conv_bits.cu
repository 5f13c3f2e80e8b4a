/* Bits times bits, whose integers are exact. The convolution is implicit: a team gathers the words
 * of 64 windows and of 64 filters, some at a time, into shared memory. Tensor cores count what both
 * have of +1 (GPUs of today know no other product of bits), p; with a and b, how many the window
 * and the filter have where the window lies in the image, and n such places, the integer is n - 2
 * (a + b - 2 p). A tap in the padding is a word of zeros, which counts nothing. */
#include "cuda/conv.cuh"
#include "cuda/conv.h"
#include "cuda/tile.cuh"

enum {
    STEP = 8,            /* words at a time: two products of 256 bits */
    LINE = 2 * STEP + 4, /* registers from row to row, so that lanes do not meet in a bank */
};

/* Taps of a window that lie in the image. */
BNN_GPU int taps_inside(const conv_sizes &v, window at) {
    int rows = 0, columns = 0;
    for (int k = 0; k < v.s.kh; k++) {
        int y = at.y + k * v.s.dil_h;
        rows += y >= 0 && y < v.s.h;
    }
    for (int k = 0; k < v.s.kw; k++) {
        int x = at.x + k * v.s.dil_w;
        columns += x >= 0 && x < v.s.w;
    }
    return rows * columns;
}

/* Channels [64 k, ..) of a group in one row of bits. */
BNN_GPU uint64_t group_word(const uint64_t *bits, const conv_sizes &v, size_t row, size_t group,
                            size_t k) {
    size_t left = v.cg - 64 * k;
    return bits_at(bits + row * ((v.c + 63) / 64), group * v.cg + 64 * k, left < 64 ? left : 64);
}

/* +1 in each tap of the filters. */
static void count_filters(const bnn_stream *stream, const conv_sizes &v, const uint64_t *w,
                          int32_t *ones) {
    size_t words = bnn_words(v.cg);
    each(stream, v.o * v.taps, [=] BNN_EACH(size_t i) {
        int sum = 0;
        for (size_t k = 0; k < words; k++) {
            sum += count_ones(w[i * words + k]);
        }
        ones[i] = sum;
    });
}

struct bit_tiles {
    static constexpr int THREADS = TEAM;
    struct shared {
        uint32_t x[TILE][LINE], w[TILE][LINE];
        int ones[TILE]; /* of the windows */
        int both[TILE][TILE];
    };
    conv_sizes v;
    bnn_operand x;
    const uint64_t *w;
    const int32_t *filter_ones; /* [o][taps] */
    conv_end end;
    size_t words, row_tiles, column_tiles; /* of a tap; of pixels, of filters */

    BNN_INSIDE static void set(uint32_t *line, size_t i, uint64_t word) {
        line[2 * i] = (uint32_t)word;
        line[2 * i + 1] = (uint32_t)(word >> 32);
    }

    /* Words [k, k + STEP) of the team's windows and filters; `at` is the thread's window. */
    BNN_INSIDE void load(int thread, shared &m, window at, size_t group, size_t pixel,
                         size_t filter, size_t k) const {
        size_t line = (size_t)thread % TILE, o = group * v.og + filter + line;
        int has_window = pixel + line < v.pixels, has_filter = filter + line < v.og;
        for (size_t i = (size_t)thread / TILE; i < STEP; i += THREADS / TILE) {
            uint32_t place = (uint32_t)(k + i), each = (uint32_t)words;
            size_t tap = place / each, word = place % each;
            int64_t row = tap < v.taps && has_window ? tap_row(v, at, tap) : -1;
            set(m.x[line], i, row < 0 ? 0 : group_word(x.b1, v, (size_t)row, group, word));
            set(m.w[line], i, tap < v.taps && has_filter ? w[o * v.taps * words + place] : 0);
        }
    }

    /* +1 of a filter where the window lies in the image, and of it all where it lies inside. */
    BNN_INSIDE int ones_of(size_t o, window at, int inside) const {
        int sum = 0;
        for (size_t tap = 0; tap < v.taps; tap++) {
            int counts = inside == (int)v.taps || tap_row(v, at, tap) >= 0;
            sum += counts ? filter_ones[o * v.taps + tap] : 0;
        }
        return sum;
    }

    BNN_INSIDE void put_result(const shared &m, size_t group, size_t pixel, size_t filter, int row,
                               int column) const {
        size_t p = pixel + (size_t)row, o = group * v.og + filter + (size_t)column;
        if (p < v.pixels && filter + (size_t)column < v.og) {
            window at = window_of(v, p);
            int inside = taps_inside(v, at), all = inside * (int)v.cg;
            int unequal = m.ones[row] + ones_of(o, at, inside) - 2 * m.both[row][column];
            put_integer(end, v, x, p, o, all - 2 * unequal);
        }
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t item) const {
        size_t pixel = item % row_tiles * TILE, rest = item / row_tiles;
        size_t filter = rest % column_tiles * TILE, group = rest / column_tiles;
        own<int[FRAGMENTS][MMA_RESULTS], THREADS> both;
        own<window, THREADS> at;
        t.each([&](int thread) {
            size_t own_pixel = pixel + (size_t)thread % TILE;
            at[thread] = window_of(v, own_pixel < v.pixels ? own_pixel : 0);
            clear_fragments(both[thread]);
            if (thread < TILE) {
                m.ones[thread] = 0;
            }
        });
        for (size_t k = 0; k < v.taps * words; k += STEP) {
            t.each([&](int thread) { load(thread, m, at[thread], group, pixel, filter, k); });
            each_warp(t, [&](int warp) { multiply(m, warp, both); });
        }
        t.each([&](int thread) { lay_fragments(thread, both[thread], m.both); });
        t.each([&](int thread) { /* neighbours are filters, which lie side by side */
                                 for (int i = thread; i < TILE * TILE; i += THREADS) {
                                     put_result(m, group, pixel, filter, i / TILE, i % TILE);
                                 }
        });
    }

    /* The even warps also count the +1 of their windows, a lane a window. */
    BNN_INSIDE void multiply(shared &m, int warp,
                             own<int[FRAGMENTS][MMA_RESULTS], THREADS> &both) const {
        int first_row = warp / 2 * HALF, first_column = warp % 2 * HALF;
        BNN_UNROLL
        for (int i = 0; i < FRAGMENTS; i++) {
            int row = first_row + i / COLUMNS * MMA_M, column = first_column + i % COLUMNS * MMA_N;
            for (int k = 0; k < 2 * STEP; k += 8) {
                mma_bits(
                    [&](int lane, int r) {
                        return m.x[row + lane / 4 + r % 2 * 8][k + lane % 4 + r / 2 * 4];
                    },
                    [&](int lane, int r) { return m.w[column + lane / 4][k + lane % 4 + r * 4]; },
                    [&](int lane) -> int(&)[MMA_RESULTS] { return both[warp * WARP + lane][i]; });
            }
        }
        if (first_column == 0) {
            each_lane([&](int lane) {
                int sum = 0;
                for (int k = 0; k < 2 * STEP; k++) {
                    sum += count_ones((uint64_t)m.x[first_row + lane][k]);
                }
                m.ones[first_row + lane] += sum;
            });
        }
    }
};

/* Of thin groups: a result is a thread's. */
static void count_thin(const bnn_stream *stream, const conv_sizes &v, const bnn_operand &x,
                       const uint64_t *w, const conv_end &end) {
    size_t words = bnn_words(v.cg);
    const conv_sizes sizes = v;
    const bnn_operand input = x;
    const conv_end to = end;
    each_row(stream, v.pixels, v.o, [=] BNN_EACH(size_t pixel, size_t o) {
        window at = window_of(sizes, pixel);
        int sum = 0;
        for (size_t tap = 0; tap < sizes.taps; tap++) {
            int64_t row = tap_row(sizes, at, tap);
            for (size_t k = 0; row >= 0 && k < words; k++) {
                size_t left = sizes.cg - 64 * k;
                uint64_t differ = group_word(input.b1, sizes, (size_t)row, o / sizes.og, k) ^
                                  w[(o * sizes.taps + tap) * words + k];
                sum += (int)(left < 64 ? left : 64) - 2 * count_ones(differ);
            }
        }
        put_integer(to, sizes, input, pixel, o, sum);
    });
}

/* The integers that become bits, then the filters' +1. */
static size_t integers_bytes(const conv_sizes &v) {
    return (v.pixels * v.o * sizeof(int32_t) + 63) / 64 * 64;
}

size_t bnn_cuda_bits_bytes(const bnn_conv *s) {
    conv_sizes v = sizes_of(s);
    return integers_bytes(v) + v.o * v.taps * sizeof(int32_t);
}

void bnn_cuda_bits_forward(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *x,
                           const bnn_operand *w, const bnn_result *y, void *ws) {
    conv_sizes v = sizes_of(s);
    conv_end end = end_of(y, ws);
    if (is_thin(v)) {
        count_thin(stream, v, *x, w->b1, end);
    } else {
        size_t rows = (v.pixels + TILE - 1) / TILE, columns = (v.og + TILE - 1) / TILE;
        int32_t *ones = (int32_t *)(void *)((char *)ws + integers_bytes(v));
        count_filters(stream, v, w->b1, ones);
        teams(stream, rows * columns * v.groups,
              bit_tiles{v, *x, w->b1, ones, end, bnn_words(v.cg), rows, columns});
    }
    size_t o = v.o;
    if (y->sign != NULL) {
        const float *from = y->f32;
        pack(stream, v.pixels, o, y->sign,
             [=] BNN_EACH(size_t r, size_t j) { return from[r * o + j] >= 0.0f; });
    }
    if (y->b1 != NULL) {
        const int32_t *from = end.i32, *threshold = y->threshold;
        pack(stream, v.pixels, o, y->b1, [=] BNN_EACH(size_t r, size_t j) {
            int flip = threshold[j] & 1;
            return (from[r * o + j] >= (threshold[j] - flip) / 2) != (flip != 0);
        });
    }
}
