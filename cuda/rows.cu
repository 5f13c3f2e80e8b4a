/* Kernels that make or read bits, and those of independent values: each value as the CPU computes
 * it, in the same operations. */
#include "cuda/launch.cuh"
#include "cuda/table.h"

/* ---- bits ---- */

static void sign_pack(const bnn_stream *stream, size_t rows, size_t c, const float *x,
                      uint64_t *bits) {
    pack(stream, rows, c, bits, [=] BNN_EACH(size_t r, size_t j) { return x[r * c + j] >= 0.0f; });
}

static void sign_unpack(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                        const bnn_operand *operand, float *x) {
    const bnn_operand o = *operand;
    size_t words = bnn_words(c);
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t j) {
        float scale = scale_of(o.scale, first + r, o.rows_per_scale);
        x[r * c + j] = bit_at(o.b1 + r * words, j) ? scale : -scale;
    });
}

static void ste_plane(const bnn_stream *stream, size_t n, const float *x, bnn_ste ste,
                      const float *p, uint64_t *plane) {
    pack(stream, 1, n, plane, [=] BNN_EACH(size_t, size_t i) {
        float bound = p == NULL ? ste.p : *p;
        return ste.kind == BNN_STE_CLIP ? x[i] >= -bound && x[i] <= bound
                                        : x[i] > -bound && x[i] < bound;
    });
}

static void plane_backward(const bnn_stream *stream, size_t n, const float *g,
                           const uint64_t *plane, float *gx, int acc) {
    each(stream, n, [=] BNN_EACH(size_t i) { put(gx, i, bit_at(plane, i) ? g[i] : 0.0f, acc); });
}

/* u times the surrogate's slope at x, operation for operation as cpu/rows/bits.inc. */
BNN_GPU float times_slope(float u, float x, bnn_ste ste) {
    float p = ste.p, m = fabsf(x);
    if (ste.kind == BNN_STE_FOURIER && 0.2f * (p + 1.0f) <= BNN_SINCOS_MAX) {
        m = m < 1.0f ? m : 1.0f;
        m = m > BNN_FOURIER_LEAST ? m : BNN_FOURIER_LEAST;
        return u * bnn_fourier_at(m, p) * (float)(fabsf(x) <= 1.0f);
    }
    if (ste.kind == BNN_STE_CLIP) {
        return u * (float)(m <= p);
    }
    if (ste.kind == BNN_STE_CLIP_OPEN) {
        return u * (float)(m < p);
    }
    if (ste.kind == BNN_STE_TRIANGLE) {
        float slope = 2.0f - 2.0f * m;
        return (slope > 0.0f ? slope : 0.0f) * u;
    }
    return u * bnn_ste_slope(ste, x);
}

static void ste_backward(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                         size_t per_scale, const float *g, const float *x, bnn_ste ste,
                         const float *p, const float *scale, float *gx, int acc) {
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t j) {
        bnn_ste with = {ste.kind, p == NULL ? ste.p : *p};
        size_t i = r * c + j;
        put(gx, i, times_slope(g[i], x[i], with) * scale_of(scale, first + r, per_scale), acc);
    });
}

static void threshold_pack(const bnn_stream *stream, size_t rows, size_t c, const float *x,
                           const int32_t *threshold, uint64_t *bits) {
    pack(stream, rows, c, bits, [=] BNN_EACH(size_t r, size_t j) {
        int flip = threshold[j] & 1;
        return (x[r * c + j] >= (float)((threshold[j] - flip) / 2)) != flip;
    });
}

/* ---- values ---- */

static void fill(const bnn_stream *stream, size_t n, float value, float *x) {
    each(stream, n, [=] BNN_EACH(size_t i) { x[i] = value; });
}

static void copy(const bnn_stream *stream, size_t n, const float *x, float *y, int acc) {
    each(stream, n, [=] BNN_EACH(size_t i) { put(y, i, x[i], acc); });
}

static void add(const bnn_stream *stream, size_t n, const float *a, const float *b, float *y) {
    each(stream, n, [=] BNN_EACH(size_t i) { y[i] = a[i] + b[i]; });
}

static void to_float(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                     size_t per_scale, const int16_t *x, const float *s, float *y) {
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t j) {
        y[r * c + j] = scale_of(s, first + r, per_scale) * (float)x[r * c + j];
    });
}

static void clamp(const bnn_stream *stream, size_t n, const float *x, float lo, float hi, float *y,
                  uint64_t *plane) {
    if (plane != NULL) { /* first: y may be x */
        pack(stream, 1, n, plane,
             [=] BNN_EACH(size_t, size_t i) { return x[i] > lo && x[i] < hi; });
    }
    each(stream, n, [=] BNN_EACH(size_t i) {
        float v = x[i];
        v = v < lo ? lo : v;
        y[i] = v > hi ? hi : v;
    });
}

static void affine(const bnn_stream *stream, size_t rows, size_t c, bnn_numbers x, const float *a,
                   const float *b, float *y, int acc) {
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t j) {
        float v = number(x, r * c + j);
        v = a == NULL ? v : a[j] * v;
        v = b == NULL ? v : v + b[j];
        put(y, r * c + j, v, acc);
    });
}

/* Values that meet in one place are one thread's, in their order. */
static void move(const bnn_stream *stream, const bnn_move *move, float factor, const float *x,
                 float *y, int acc) {
    const bnn_move m = *move;
    bnn_move apart = m, meet = m;
    for (int d = 0; d < 4; d++) {
        (m.to[d] == 0 ? apart : meet).size[d] = 1;
    }
    size_t places = apart.size[0] * apart.size[1] * apart.size[2] * apart.size[3];
    size_t values = m.size[0] * m.size[1] * m.size[2] * m.size[3];
    each(stream, values == 0 ? 0 : places, [=] BNN_EACH(size_t i) {
        size_t from = 0, to = 0;
        for (int d = 3; d >= 0; d--) {
            size_t at = i % apart.size[d];
            i /= apart.size[d];
            from += at * m.from[d], to += at * m.to[d];
        }
        size_t n = meet.size[0] * meet.size[1] * meet.size[2] * meet.size[3];
        for (size_t k = 0; k < n; k++) {
            size_t left = k, more = 0;
            for (int d = 3; d >= 0; d--) {
                more += left % meet.size[d] * m.from[d];
                left /= meet.size[d];
            }
            put(y, to, factor * x[from + more], acc);
        }
    });
}

static void add_diagonal(const bnn_stream *stream, size_t first, size_t rows, size_t c, float value,
                         const float *x, float *y) {
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t j) {
        float v = x[r * c + j];
        y[r * c + j] = (first + r) % c == j ? v + value : v;
    });
}

static void prelu(const bnn_stream *stream, size_t rows, size_t c, const float *x,
                  const float *slope, size_t slopes, float *y) {
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t j) {
        float v = x[r * c + j], part = slope[slopes == 1 ? 0 : j] * v;
        y[r * c + j] = v > 0.0f ? v : part;
    });
}

static void prelu_backward(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                           const float *x, const float *slope, size_t slopes, float *gx, int acc) {
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t j) {
        size_t i = r * c + j;
        float part = slope[slopes == 1 ? 0 : j] * g[i];
        put(gx, i, x[i] > 0.0f ? g[i] : part, acc);
    });
}

/* ---- algorithms' own ---- */

static void outer_scale(const bnn_stream *stream, size_t first, size_t rows, size_t h, size_t w,
                        size_t c, bnn_numbers x, const float *so, const float *sh, const float *sv,
                        float *y, int acc) {
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t k) {
        size_t i = (first + r) / w % h, j = (first + r) % w;
        float t = (sh == NULL ? 1.0f : sh[i]) * sv[j];
        put(y, r * c + k, number(x, r * c + k) * (so[k] * t), acc);
    });
}

BNN_GPU float sine_of(float x, int quarter) {
    return fabsf(x) <= BNN_SINCOS_MAX ? bnn_sin_quarter(x, quarter) : quarter ? cosf(x) : sinf(x);
}

static void noisy_sign(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                       size_t per_scale, const float *x, const float *lin, const float *s,
                       const float *alpha, float *y) {
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t j) {
        size_t i = r * c + j;
        float noise = 0.1f * sine_of(x[i], 0) + (lin == NULL ? 0.0f : lin[i]);
        float sign = x[i] >= 0.0f ? 1.0f : -1.0f;
        y[i] = scale_of(s, first + r, per_scale) * (sign + *alpha * noise);
    });
}

static void noisy_sign_backward(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                                size_t per_scale, const float *g, const float *x, const float *s,
                                const float *alpha, const float *order, float *gx, int gx_acc,
                                float *glin, int glin_acc) {
    each_row(stream, rows, c, [=] BNN_EACH(size_t r, size_t j) {
        size_t i = r * c + j;
        bnn_ste fourier = {BNN_STE_FOURIER, *order};
        float amount = *alpha, u = scale_of(s, first + r, per_scale) * g[i];
        if (gx != NULL) {
            float noise = sine_of(x[i], 1);
            put(gx, i, times_slope(u, x[i], fourier) + u * (amount * 0.1f * noise), gx_acc);
        }
        if (glin != NULL) {
            put(glin, i, amount * u, glin_acc);
        }
    });
}

/* ---- text ---- */

static void gelu(const bnn_stream *stream, size_t n, const float *x, float *y) {
    each(stream, n, [=] BNN_EACH(size_t i) { y[i] = bnn_gelu(x[i]); });
}

static void gelu_backward(const bnn_stream *stream, size_t n, const float *g, const float *x,
                          float *gx, int acc) {
    each(stream, n, [=] BNN_EACH(size_t i) { put(gx, i, g[i] * bnn_gelu_slope(x[i]), acc); });
}

static void tanh_forward(const bnn_stream *stream, size_t n, const float *x, float *y) {
    each(stream, n, [=] BNN_EACH(size_t i) { y[i] = bnn_tanh(x[i]); });
}

static void tanh_backward(const bnn_stream *stream, size_t n, const float *g, const float *y,
                          float *gx, int acc) {
    each(stream, n, [=] BNN_EACH(size_t i) { put(gx, i, g[i] * (1.0f - y[i] * y[i]), acc); });
}

void bnn_cuda_rows(bnn_kernels *k) {
    k->sign_pack = sign_pack;
    k->sign_unpack = sign_unpack;
    k->ste_plane = ste_plane;
    k->plane_backward = plane_backward;
    k->ste_backward = ste_backward;
    k->threshold_pack = threshold_pack;
    k->fill = fill;
    k->copy = copy;
    k->add = add;
    k->to_float = to_float;
    k->clamp = clamp;
    k->affine = affine;
    k->move = move;
    k->add_diagonal = add_diagonal;
    k->prelu = prelu;
    k->prelu_backward = prelu_backward;
    k->outer_scale = outer_scale;
    k->noisy_sign = noisy_sign;
    k->noisy_sign_backward = noisy_sign_backward;
    k->gelu = gelu;
    k->gelu_backward = gelu_backward;
    k->tanh = tanh_forward;
    k->tanh_backward = tanh_backward;
}
