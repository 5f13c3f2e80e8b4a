/* Pooling: a result is a thread's, and so is a gradient, which looks for the windows that took its
 * value, in the order in which the CPU adds. A window that meets a NaN becomes NaN. */
#include "cuda/launch.cuh"
#include "cuda/table.h"

BNN_GPU int beats(float v, float best) {
    return !(v <= best) & (best == best);
}

static void max_pool(const bnn_stream *stream, int n, int h, int w, int c, int kernel, int stride,
                     int pad, int ceil_mode, const float *x, float *y, uint8_t *index) {
    int oh = bnn_pooled(h, kernel, stride, pad, ceil_mode),
        ow = bnn_pooled(w, kernel, stride, pad, ceil_mode);
    size_t channels = (size_t)c, outputs = (size_t)oh * (size_t)ow;
    each_row(stream, (size_t)n * outputs, channels, [=] BNN_EACH(size_t o, size_t j) {
        const float *image = x + o / outputs * ((size_t)h * (size_t)w * channels);
        int y0 = (int)(o % outputs / (size_t)ow) * stride - pad,
            x0 = (int)(o % (size_t)ow) * stride - pad;
        float best = -INFINITY;
        int tap = 255;
        for (int k = 0; k < kernel * kernel; k++) {
            int iy = y0 + k / kernel, ix = x0 + k % kernel;
            if (iy < 0 || iy >= h || ix < 0 || ix >= w) {
                continue;
            }
            float v = image[((size_t)iy * (size_t)w + (size_t)ix) * channels + j];
            int wins = tap == 255 || beats(v, best);
            best = wins ? v : best;
            tap = wins ? k : tap;
        }
        y[o * channels + j] = best;
        if (index != NULL) {
            index[o * channels + j] = (uint8_t)tap;
        }
    });
}

static void max_pool_backward(const bnn_stream *stream, int n, int h, int w, int c, int kernel,
                              int stride, int pad, int ceil_mode, const float *g,
                              const uint8_t *index, float *gx, int acc) {
    int oh = bnn_pooled(h, kernel, stride, pad, ceil_mode),
        ow = bnn_pooled(w, kernel, stride, pad, ceil_mode);
    size_t channels = (size_t)c, pixels = (size_t)h * (size_t)w;
    each_row(stream, (size_t)n * pixels, channels, [=] BNN_EACH(size_t p, size_t j) {
        int iy = (int)(p % pixels / (size_t)w) + pad, ix = (int)(p % (size_t)w) + pad;
        size_t first = p / pixels * ((size_t)oh * (size_t)ow);
        float sum = acc ? gx[p * channels + j] : 0.0f;
        int oy = iy < kernel ? 0 : (iy - kernel) / stride + 1;
        for (; oy < oh && oy * stride <= iy; oy++) {
            int ox = ix < kernel ? 0 : (ix - kernel) / stride + 1;
            for (; ox < ow && ox * stride <= ix; ox++) {
                int tap = (iy - oy * stride) * kernel + ix - ox * stride;
                size_t at = (first + (size_t)oy * (size_t)ow + (size_t)ox) * channels + j;
                sum = index[at] == tap ? sum + g[at] : sum;
            }
        }
        gx[p * channels + j] = sum;
    });
}

static void global_avg_pool(const bnn_stream *stream, size_t n, size_t hw, size_t c, const float *x,
                            float *y) {
    float over = 1.0f / (float)hw;
    each_row(stream, n, c, [=] BNN_EACH(size_t i, size_t j) {
        float sum = 0.0f;
        for (size_t p = 0; p < hw; p++) {
            sum += x[(i * hw + p) * c + j];
        }
        y[i * c + j] = sum * over;
    });
}

static void global_avg_pool_backward(const bnn_stream *stream, size_t n, size_t hw, size_t c,
                                     const float *g, float *gx, int acc) {
    float over = 1.0f / (float)hw;
    each_row(stream, n * hw, c, [=] BNN_EACH(size_t p, size_t j) {
        put(gx, p * c + j, g[p / hw * c + j] * over, acc);
    });
}

static void global_max_pool(const bnn_stream *stream, size_t n, size_t rows, size_t c, float shift,
                            const float *x, float *y, int32_t *index) {
    each_row(stream, n, c, [=] BNN_EACH(size_t i, size_t j) {
        const float *from = x + i * rows * c + j;
        float best = from[0];
        int32_t at = 0;
        for (size_t r = 1; r < rows; r++) {
            int wins = beats(from[r * c], best);
            at = wins ? (int32_t)r : at;
            best = wins ? from[r * c] : best;
        }
        y[i * c + j] = best + shift;
        if (index != NULL) {
            index[i * c + j] = at;
        }
    });
}

static void global_max_pool_backward(const bnn_stream *stream, size_t n, size_t rows, size_t c,
                                     const float *g, const int32_t *index, float *gx, int acc) {
    each(stream, acc ? 0 : n * rows * c, [=] BNN_EACH(size_t i) { gx[i] = 0.0f; });
    each_row(stream, n, c, [=] BNN_EACH(size_t i, size_t j) {
        gx[(i * rows + (size_t)index[i * c + j]) * c + j] += g[i * c + j];
    });
}

void bnn_cuda_pool(bnn_kernels *k) {
    k->max_pool = max_pool;
    k->max_pool_backward = max_pool_backward;
    k->global_avg_pool = global_avg_pool;
    k->global_avg_pool_backward = global_avg_pool_backward;
    k->global_max_pool = global_max_pool;
    k->global_max_pool_backward = global_max_pool_backward;
}
