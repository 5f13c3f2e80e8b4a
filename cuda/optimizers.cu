/* Optimizer steps over flat buffers, and what they do to gradients before. */
#include "cuda/lanes.cuh"
#include "cuda/table.h"

/* The sum of squares of so many parts, side by side; their sums wait in the stream's scratch. */
enum { NORM_PARTS = 64 };

struct part_squares {
    static constexpr int THREADS = 256;
    struct shared {
        lane_memory<THREADS> lanes;
    };
    size_t n;
    const float *g;
    double *part;

    BNN_INSIDE void operator()(team<THREADS> t, shared &m, size_t p) const {
        size_t first = n * p / NORM_PARTS, last = n * (p + 1) / NORM_PARTS;
        t.each([&](int thread) {
            if (thread == 0) {
                m.lanes.sum_s = m.lanes.sum_q = 0.0;
            }
        });
        lane_sums(t, m.lanes, last - first, LANE_VALUES,
                  [&](size_t i, float *u, float *v) { *u = *v = g[first + i]; });
        t.each([&](int thread) {
            if (thread == 0) {
                part[p] = m.lanes.sum_q;
            }
        });
    }
};

static void clip_norm(const bnn_stream *stream, size_t n, float max_norm, float *g) {
    double *part = (double *)bnn_cuda_scratch(stream);
    teams(stream, NORM_PARTS, part_squares{n, g, part});
    each(stream, 1, [=] BNN_EACH(size_t) {
        double square = 0.0;
        for (size_t p = 0; p < NORM_PARTS; p++) {
            square += part[p];
        }
        part[NORM_PARTS] = (double)max_norm / (sqrt(square) + 1e-6);
    });
    each(stream, n, [=] BNN_EACH(size_t i) {
        float factor = (float)part[NORM_PARTS];
        g[i] = factor < 1.0f ? g[i] * factor : g[i];
    });
}

static void sgd_step(const bnn_stream *stream, size_t n, float *w, const float *g, float *v,
                     float lr, float momentum, float weight_decay, int nesterov, int first) {
    /* The step is d * step_g + v * step_v. */
    float step_g = nesterov ? 1.0f : 0.0f, step_v = nesterov ? momentum : 1.0f;
    each(stream, n, [=] BNN_EACH(size_t i) {
        float d = g[i] + weight_decay * w[i];
        if (v == NULL) {
            w[i] -= lr * d;
            return;
        }
        float m = momentum * (first ? 0.0f : v[i]) + d;
        v[i] = m;
        w[i] -= lr * (step_g * d + step_v * m);
    });
}

static void adam_step(const bnn_stream *stream, size_t n, float *w, const float *g, float *m,
                      float *v, float lr, float beta1, float beta2, float eps, float weight_decay,
                      int decoupled, uint64_t step) {
    double correct1 = 1.0 - pow((double)beta1, (double)step);
    double correct2 = 1.0 - pow((double)beta2, (double)step);
    float size = (float)((double)lr / correct1), root = (float)(1.0 / sqrt(correct2));
    float shrink = decoupled ? (float)(1.0 - (double)lr * (double)weight_decay) : 1.0f;
    float decay = decoupled ? 0.0f : weight_decay;
    float rest1 = (float)(1.0 - (double)beta1), rest2 = (float)(1.0 - (double)beta2);
    each(stream, n, [=] BNN_EACH(size_t i) {
        float at = w[i] * shrink, d = g[i] + decay * at;
        m[i] = beta1 * m[i] + rest1 * d;
        v[i] = beta2 * v[i] + rest2 * (d * d);
        w[i] = at - size * m[i] / (sqrtf(v[i]) * root + eps);
    });
}

static void average_step(const bnn_stream *stream, size_t n, const float *w, float weight,
                         float *a) {
    each(stream, n, [=] BNN_EACH(size_t i) { a[i] += weight * (w[i] - a[i]); });
}

void bnn_cuda_optimizers(bnn_kernels *k) {
    k->clip_norm = clip_norm;
    k->sgd_step = sgd_step;
    k->adam_step = adam_step;
    k->average_step = average_step;
}
