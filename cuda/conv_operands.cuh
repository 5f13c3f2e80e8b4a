/* What a tiled product of a convolution reads and writes: the forward and both gradients are one
 * product over different readers, each of which knows where its operand's rows and the reduction
 * lie; nothing is copied into a matrix of patches. */
#ifndef BNN_CUDA_CONV_OPERANDS_CUH
#define BNN_CUDA_CONV_OPERANDS_CUH

#include "cuda/conv.cuh"

/* ---- readers: `row` is what they need to know of row i in a group, value(row, k) its k-th ---- */

/* A window and its first channel; there is none where `there` is 0. */
struct window_row {
    window at;
    size_t first;
    int there;
};

/* A filter, likewise. */
struct filter_row {
    size_t o;
    int there;
};

BNN_GPU filter_row filter_row_at(const conv_sizes &v, size_t group, size_t i) {
    filter_row r = {group * v.og + i, i < v.og};
    return r;
}

/* Windows of the input: k is a tap's channel. */
struct input_windows {
    conv_sizes v;
    bnn_operand x;
    typedef window_row row;
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
    typedef filter_row row;
    BNN_INSIDE size_t rows() const { return v.og; }
    BNN_INSIDE row row_at(size_t group, size_t i) const { return filter_row_at(v, group, i); }
    BNN_INSIDE float value(const row &r, size_t k) const {
        return r.there ? operand_at(w, v.cg, r.o * v.taps + k / v.cg, k % v.cg) : 0.0f;
    }
};

/* For the input's gradient: what saw an input pixel; k is a tap's filter. */
struct seen_gradients {
    conv_sizes v;
    const float *gy;
    typedef window_row row;
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
    typedef filter_row row;
    BNN_INSIDE size_t rows() const { return v.og; }
    BNN_INSIDE row row_at(size_t group, size_t i) const { return filter_row_at(v, group, i); }
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

#endif
