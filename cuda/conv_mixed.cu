/* Floats times bits, the gradients of products of bits. +-1 is a bf16, so a product of a float's
 * pieces (tile_bf16.cuh) is exact, and tensor cores add in float. The bits stay words until a lane
 * makes its fragment of them; the factors of bits are multiplied into the floats. A team has 64
 * rows and the 64 channels of a word, and goes through the reduction in runs that have one tap
 * each, so what is read are neighbours. */
#include "cuda/conv.cuh"
#include "cuda/conv.h"
#include "cuda/tile_bf16.cuh"

enum { LEAST_PIXELS = 512 }; /* of a split of the filters' gradient */

/* ---- what is multiplied ---- */

/* The input's gradient. Rows are input pixels, runs are taps, terms a tap's filters. */
struct input_gradient {
    conv_sizes v;
    const float *gy;
    bnn_operand w;
    float *gx;
    int acc;

    BNN_INSIDE size_t rows() const { return v.inputs; }
    /* Runs of a result, and terms of a run; all of either are of one split. */
    BNN_INSIDE size_t runs() const { return v.taps; }
    BNN_INSIDE size_t terms() const { return v.og; }
    /* Row i's first float of a run, NULL where there is none; from term to term. */
    BNN_INSIDE const float *floats(size_t group, size_t, size_t i, size_t run) const {
        int64_t at = i < v.inputs ? seen_by(v, source_of(v, i), run) : -1;
        return at < 0 ? NULL : gy + (size_t)at * v.o + group * v.og;
    }
    BNN_INSIDE size_t stride() const { return 1; }
    /* The bits of a term, channels [64 word, ..), and their factor: 0 where there are none. */
    BNN_INSIDE uint64_t word(size_t group, size_t, size_t run, size_t k, size_t word,
                             float *factor) const {
        size_t row = (group * v.og + k) * v.taps + run;
        *factor = scale_of(w.scale, row, w.rows_per_scale);
        return w.b1[row * ((v.cg + 63) / 64) + word];
    }
    BNN_INSIDE void put_sum(size_t group, size_t, size_t, size_t i, size_t c, float sum) const {
        put(gx, i * v.c + group * v.cg + c, sum, acc);
    }
};

/* The filters' gradient. Rows are filters, a team has one tap, terms are the pixels of a split. */
struct filter_gradient {
    conv_sizes v;
    const float *gy;
    bnn_operand x;
    float *part; /* [splits][o][depth] */
    size_t splits;

    BNN_INSIDE size_t rows() const { return v.og; }
    BNN_INSIDE size_t runs() const { return 1; }
    BNN_INSIDE size_t terms() const { return v.pixels; }
    BNN_INSIDE const float *floats(size_t group, size_t, size_t i, size_t) const {
        return i < v.og ? gy + group * v.og + i : NULL;
    }
    BNN_INSIDE size_t stride() const { return v.o; }
    BNN_INSIDE uint64_t word(size_t group, size_t tap, size_t, size_t k, size_t word,
                             float *factor) const {
        int64_t row = tap_row(v, window_of(v, k), tap);
        size_t left = v.cg - 64 * word;
        *factor = row < 0 ? 0.0f : scale_of(x.scale, (size_t)row, x.rows_per_scale);
        return row < 0 ? 0
                       : bits_at(x.b1 + (size_t)row * ((v.c + 63) / 64), group * v.cg + 64 * word,
                                 left < 64 ? left : 64);
    }
    BNN_INSIDE void put_sum(size_t group, size_t tap, size_t split, size_t i, size_t c,
                            float sum) const {
        part[((split * v.o + group * v.og + i) * v.taps + tap) * v.cg + c] = sum;
    }
};

/* ---- the product ---- */

template <class P, int PIECES> struct mixed_tiles {
    static constexpr int THREADS = TEAM;
    struct shared {
        tile_pieces<PIECES> a;
        uint64_t word[STEP];
        float factor[STEP];
        const float *from[TILE]; /* of the rows, in a run */
        float sum[TILE][TILE];
    };
    P p;
    size_t row_tiles, words, taps, splits; /* taps of which a team has one, else 1 */

    /* Terms [k, k + STEP) of a run that ends at `last`. */
    BNN_INSIDE void load(team<THREADS> t, shared &m, const size_t at[4], size_t run, size_t k,
                         size_t last) const {
        t.each([&](int thread) {
            if (thread < STEP) {
                size_t i = k + (size_t)thread;
                m.factor[thread] = 0.0f;
                m.word[thread] =
                    i < last ? p.word(at[0], at[1], run, i, at[2], &m.factor[thread]) : 0;
            }
        });
        /* Neighbours in memory go to neighbouring threads: terms, or rows. */
        t.each([&](int thread) {
            for (int i = thread; i < TILE * STEP / 2; i += THREADS) {
                int along = p.stride() == 1;
                int row = along ? i / (STEP / 2) : i % TILE,
                    pair = along ? i % (STEP / 2) : i / TILE;
                const float *from = m.from[row];
                float v[2];
                for (int j = 0; j < 2; j++) {
                    size_t term = k + (size_t)(2 * pair + j);
                    float f = m.factor[2 * pair + j];
                    v[j] = from == NULL || term >= last || f == 0.0f ? 0.0f
                                                                     : f * from[term * p.stride()];
                }
                m.a.put(row, pair, v[0], v[1]);
            }
        });
    }

    /* A pair of +-1 in column c, which are one piece: terms k and k + 1. */
    BNN_INSIDE static uint32_t signs(const shared &m, int k, int c) {
        uint32_t low = m.word[k] >> c & 1 ? 0x3f80u : 0xbf80u;
        uint32_t high = m.word[k + 1] >> c & 1 ? 0x3f80u : 0xbf80u;
        return high << 16 | low;
    }

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t item) const {
        size_t first = item % row_tiles * TILE, rest = item / row_tiles;
        size_t word = rest % words, tap = rest / words % taps;
        size_t split = rest / words / taps % splits, group = rest / words / taps / splits;
        const size_t at[4] = {group, tap, word, split};
        size_t begin = p.terms() * split / splits, last = p.terms() * (split + 1) / splits;
        own<tile_sums, THREADS> part, sum;
        t.each([&](int thread) {
            clear_fragments(sum[thread].of);
            clear_fragments(part[thread].of);
        });
        size_t steps = 0;
        for (size_t run = 0; run < p.runs(); run++) {
            t.each([&](int thread) {
                if (thread < TILE) {
                    m.from[thread] = p.floats(at[0], at[1], first + (size_t)thread, run);
                }
            });
            for (size_t k = begin; k < last; k += STEP) {
                load(t, m, at, run, k, last);
                each_warp(t, [&](int warp) {
                    multiply_step<PIECES, 1>(
                        m.a, [&](int, int term, int c) { return signs(m, term, c); }, warp, part);
                });
                if (++steps % JOIN == 0) {
                    t.each([&](int thread) { sum[thread].take(part[thread]); });
                }
            }
        }
        put_tile(t, part, sum, m.sum, [&](size_t i, size_t j, float v) {
            size_t row = first + i, c = word * 64 + j;
            if (row < p.rows() && c < p.v.cg) {
                p.put_sum(group, tap, split, row, c, v);
            }
        });
    }
};

/* As many pieces as the device's precision asks for. */
template <class P>
static void product(const bnn_stream *stream, size_t teams_of_all, P p, size_t rows, size_t words,
                    size_t taps, size_t splits) {
    switch (bnn_cuda_precision(stream)) {
    case BNN_PRECISION_BF16:
        return teams(stream, teams_of_all, mixed_tiles<P, 1>{p, rows, words, taps, splits});
    case BNN_PRECISION_TF32:
        return teams(stream, teams_of_all, mixed_tiles<P, 2>{p, rows, words, taps, splits});
    case BNN_PRECISION_FP32:
        return teams(stream, teams_of_all, mixed_tiles<P, 3>{p, rows, words, taps, splits});
    }
}

/* ---- the two of them ---- */

int bnn_cuda_mixed_fits(const bnn_conv *s) {
    conv_sizes v = sizes_of(s);
    return v.cg >= 16 && v.og >= 16;
}

void bnn_cuda_mixed_x(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                      const bnn_operand *w, float *gx, int acc) {
    conv_sizes v = sizes_of(s);
    size_t rows = (v.inputs + TILE - 1) / TILE, words = bnn_words(v.cg);
    input_gradient p = {v, gy, *w, gx, acc};
    product(stream, rows * words * v.groups, p, rows, words, 1, 1);
}

/* The reduction runs over all pixels: it is cut, so that teams are many. */
static size_t splits_of(const conv_sizes &v) {
    size_t tiles = (v.og + TILE - 1) / TILE * bnn_words(v.cg) * v.taps * v.groups;
    size_t wanted = (512 + tiles - 1) / tiles, fits = (v.pixels + LEAST_PIXELS - 1) / LEAST_PIXELS;
    wanted = wanted > 64 ? 64 : wanted;
    return wanted < fits ? wanted : fits;
}

size_t bnn_cuda_mixed_bytes(const bnn_conv *s) {
    conv_sizes v = sizes_of(s);
    return splits_of(v) * v.o * v.depth * sizeof(float);
}

void bnn_cuda_mixed_w(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                      const bnn_operand *x, float *gw, int acc, void *ws) {
    conv_sizes v = sizes_of(s);
    size_t rows = (v.og + TILE - 1) / TILE, words = bnn_words(v.cg), splits = splits_of(v);
    filter_gradient p = {v, gy, *x, (float *)ws, splits};
    product(stream, rows * words * v.taps * splits * v.groups, p, rows, words, v.taps, splits);
    add_splits(stream, splits, v.o * v.depth, (const float *)ws, gw, acc);
}
