/* Bits times bits: counts of unequal bits, whose integers are exact. The convolution is implicit:
 * a team gathers the words that 64 windows and 64 filters have in common, some at a time, into
 * shared memory; a tap in the padding contributes nothing, by a mask. */
#include "cuda/conv.cuh"
#include "cuda/conv.h"

enum { TILE = 64, STEP = 8, EDGE = 4 }; /* results of a thread: EDGE by EDGE */

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

struct count_tiles {
    static constexpr int THREADS = BLOCK;
    struct shared {
        uint64_t x[STEP][TILE], mask[STEP][TILE], w[STEP][TILE];
    };
    conv_sizes v;
    bnn_operand x;
    const uint64_t *w;
    conv_end end;
    size_t words, row_tiles, column_tiles; /* of a tap; of pixels, of filters */

    /* Words [k, k + STEP) of the team's windows and filters. */
    BNN_INSIDE void load(int thread, shared &m, size_t group, size_t pixel, size_t filter,
                         size_t k) const {
        size_t line = (size_t)thread % TILE;
        window at = window_of(v, pixel + line < v.pixels ? pixel + line : 0);
        for (size_t i = (size_t)thread / TILE; i < STEP; i += THREADS / TILE) {
            size_t tap = (k + i) / words, word = (k + i) % words;
            int64_t row = tap < v.taps && pixel + line < v.pixels ? tap_row(v, at, tap) : -1;
            m.mask[i][line] = row < 0 ? 0 : ~(uint64_t)0;
            m.x[i][line] = row < 0 ? 0 : group_word(x.b1, v, (size_t)row, group, word);
            size_t o = group * v.og + filter + line;
            int there = tap < v.taps && filter + line < v.og;
            m.w[i][line] = there ? w[(o * v.taps + tap) * words + word] : 0;
        }
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t item) const {
        size_t pixel = item % row_tiles * TILE, rest = item / row_tiles;
        size_t filter = rest % column_tiles * TILE, group = rest / column_tiles;
        own<int[EDGE][EDGE], THREADS> unequal;
        t.each([&](int thread) {
            for (int i = 0; i < EDGE * EDGE; i++) {
                unequal[thread][i / EDGE][i % EDGE] = 0;
            }
        });
        for (size_t k = 0; k < v.taps * words; k += STEP) {
            t.each([&](int thread) { load(thread, m, group, pixel, filter, k); });
            t.each([&](int thread) {
                int row = thread / 16 * EDGE, column = thread % 16 * EDGE;
                for (int i = 0; i < STEP; i++) {
                    for (int r = 0; r < EDGE; r++) {
                        for (int c = 0; c < EDGE; c++) {
                            uint64_t differ = m.x[i][row + r] ^ m.w[i][column + c];
                            unequal[thread][r][c] += count_ones(differ & m.mask[i][row + r]);
                        }
                    }
                }
            });
        }
        t.each([&](int thread) {
            for (int i = 0; i < EDGE * EDGE; i++) {
                size_t p = pixel + (size_t)(thread / 16 * EDGE + i / EDGE);
                size_t o = filter + (size_t)(thread % 16 * EDGE + i % EDGE);
                if (p < v.pixels && o < v.og) {
                    int all = taps_inside(v, window_of(v, p)) * (int)v.cg;
                    put_integer(end, v, x, p, group * v.og + o,
                                all - 2 * unequal[thread][i / EDGE][i % EDGE]);
                }
            }
        });
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

size_t bnn_cuda_bits_bytes(const bnn_conv *s) {
    conv_sizes v = sizes_of(s);
    return v.pixels * v.o * sizeof(int32_t);
}

void bnn_cuda_bits_forward(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *x,
                           const bnn_operand *w, const bnn_result *y, void *ws) {
    conv_sizes v = sizes_of(s);
    conv_end end = end_of(y, ws);
    if (is_thin(v)) {
        count_thin(stream, v, *x, w->b1, end);
    } else {
        size_t rows = (v.pixels + TILE - 1) / TILE, columns = (v.og + TILE - 1) / TILE;
        teams(stream, rows * columns * v.groups,
              count_tiles{v, *x, w->b1, end, bnn_words(v.cg), rows, columns});
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
