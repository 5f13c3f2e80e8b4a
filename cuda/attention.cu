/* Attention: softmax(q k' / sqrt(d) + mask) v in each head of each sample. A team has a head at a
 * time, and room in the workspace for its probabilities and their gradients. A value of a product
 * is a thread's, its terms in order. */
#include "cuda/launch.cuh"
#include "cuda/philox.cuh"
#include "cuda/table.h"

enum { MOST_TEAMS = 512 };

static size_t teams_of(const bnn_soft_attention *s) {
    size_t heads = (size_t)s->n * (size_t)s->heads;
    return heads < MOST_TEAMS ? heads : (size_t)MOST_TEAMS;
}

static size_t attention_workspace(const bnn_stream *, const bnn_soft_attention *s) {
    return teams_of(s) * 2 * (size_t)s->t * (size_t)s->t * sizeof(float);
}

struct attend {
    static constexpr int THREADS = 256;
    struct shared {};
    bnn_soft_attention s;
    size_t teams;
    const float *q, *k, *v, *g;
    const int32_t *mask;
    float *y, *gq, *gk, *gv;
    int acc_q, acc_k, acc_v;
    float *ws;

    /* A head: its first value, its tokens' stride, its matrices. */
    struct head {
        size_t first, number, t, d, stride;
        float *p, *gp;
        const int32_t *mask;
    };

    BNN_INSIDE head head_at(size_t i, size_t item) const {
        size_t t = (size_t)s.t, d = (size_t)s.d, heads = (size_t)s.heads, sample = i / heads;
        float *own = ws + item * 2 * t * t;
        head h = {sample * t * heads * d + i % heads * d,
                  i,
                  t,
                  d,
                  heads * d,
                  own,
                  own + t * t,
                  mask + sample * t};
        return h;
    }

    /* What dropout multiplies a probability by. */
    BNN_INSIDE float factor(const head &h, size_t at) const {
        if (!(s.dropout > 0.0f)) {
            return 1.0f;
        }
        int keeps = kept(s.random, h.number * h.t * h.t + at, dropped_below(s.dropout));
        return keeps ? 1.0f / (1.0f - s.dropout) : 0.0f;
    }

    BNN_INSIDE void probabilities(team<THREADS> team, const head &h) const {
        float root = 1.0f / sqrtf((float)s.d);
        team.each([&](int thread) {
            for (size_t at = (size_t)thread; at < h.t * h.t; at += THREADS) {
                const float *a = q + h.first + at / h.t * h.stride;
                const float *b = k + h.first + at % h.t * h.stride;
                float sum = 0.0f;
                for (size_t c = 0; c < h.d; c++) {
                    sum += a[c] * b[c];
                }
                h.p[at] = sum * root + (h.mask[at % h.t] != 0 ? 0.0f : BNN_MASKED);
            }
        });
        team.each([&](int thread) {
            for (size_t i = (size_t)thread; i < h.t; i += THREADS) {
                float *p = h.p + i * h.t, most = -INFINITY, sum = 0.0f;
                for (size_t j = 0; j < h.t; j++) {
                    most = p[j] > most ? p[j] : most;
                }
                for (size_t j = 0; j < h.t; j++) {
                    p[j] = bnn_exp(p[j] - most);
                    sum += p[j];
                }
                float each = 1.0f / sum;
                for (size_t j = 0; j < h.t; j++) {
                    p[j] *= each;
                }
            }
        });
    }

    /* to[i][c] (+)= times the sum over tokens j of value(i, j) x[j][c] */
    template <class V>
    BNN_INSIDE void product(team<THREADS> team, const head &h, V value, const float *x, float times,
                            float *to, int acc) const {
        team.each([&](int thread) {
            for (size_t at = (size_t)thread; to != NULL && at < h.t * h.d; at += THREADS) {
                size_t i = at / h.d, c = h.first + at % h.d;
                float sum = 0.0f;
                for (size_t j = 0; j < h.t; j++) {
                    sum += value(i, j) * x[c + j * h.stride];
                }
                put(to, c + i * h.stride, times * sum, acc);
            }
        });
    }

    /* h.gp: gradients of the scores. */
    BNN_INSIDE void score_gradients(team<THREADS> team, const head &h) const {
        team.each([&](int thread) {
            for (size_t at = (size_t)thread; at < h.t * h.t; at += THREADS) {
                const float *a = g + h.first + at / h.t * h.stride;
                const float *b = v + h.first + at % h.t * h.stride;
                float sum = 0.0f;
                for (size_t c = 0; c < h.d; c++) {
                    sum += a[c] * b[c];
                }
                h.gp[at] = sum * factor(h, at);
            }
        });
        team.each([&](int thread) {
            for (size_t i = (size_t)thread; i < h.t; i += THREADS) {
                float dot = 0.0f;
                for (size_t at = i * h.t; at < (i + 1) * h.t; at++) {
                    dot += h.p[at] * h.gp[at];
                }
                for (size_t at = i * h.t; at < (i + 1) * h.t; at++) {
                    h.gp[at] = h.p[at] * (h.gp[at] - dot);
                }
            }
        });
    }

    BNN_INSIDE void backward(team<THREADS> team, const head &h) const {
        float root = 1.0f / sqrtf((float)s.d);
        product(
            team, h, [&](size_t i, size_t j) { return h.p[j * h.t + i] * factor(h, j * h.t + i); },
            g, 1.0f, gv, acc_v);
        score_gradients(team, h);
        product(
            team, h, [&](size_t i, size_t j) { return h.gp[i * h.t + j]; }, k, root, gq, acc_q);
        product(
            team, h, [&](size_t i, size_t j) { return h.gp[j * h.t + i]; }, q, root, gk, acc_k);
    }

    BNN_INSIDE void operator()(team<THREADS> team, shared &, size_t item) const {
        for (size_t i = item; i < (size_t)s.n * (size_t)s.heads; i += teams) {
            head h = head_at(i, item);
            probabilities(team, h);
            if (g != NULL) {
                backward(team, h);
                continue;
            }
            product(
                team, h,
                [&](size_t r, size_t j) { return h.p[r * h.t + j] * factor(h, r * h.t + j); }, v,
                1.0f, y, 0);
        }
    }
};

static void attention(const bnn_stream *stream, const bnn_soft_attention *s, const float *q,
                      const float *k, const float *v, const int32_t *mask, float *y, void *ws) {
    size_t count = teams_of(s);
    teams(stream, count,
          attend{*s, count, q, k, v, NULL, mask, y, NULL, NULL, NULL, 0, 0, 0, (float *)ws});
}

static void attention_backward(const bnn_stream *stream, const bnn_soft_attention *s,
                               const float *g, const float *q, const float *k, const float *v,
                               const int32_t *mask, float *gq, int acc_q, float *gk, int acc_k,
                               float *gv, int acc_v, void *ws) {
    size_t count = teams_of(s);
    teams(stream, count,
          attend{*s, count, q, k, v, g, mask, NULL, gq, gk, gv, acc_q, acc_k, acc_v, (float *)ws});
}

void bnn_cuda_attention(bnn_kernels *k) {
    k->attention_workspace = attention_workspace;
    k->attention = attention;
    k->attention_backward = attention_backward;
}
