/* Attention whose operands are bits (BiBERT: Qin et al. 2022): scores are counts of unequal bits,
 * the attention is bits again, and the context a sum of signs. All of it exact integers. */
#include "cuda/launch.cuh"
#include "cuda/table.h"

/* Bits of one head in rows of all heads' channels. */
struct heads {
    size_t t, c, count, d; /* of bnn_attention, and channels of a head */
    const uint64_t *bits;

    BNN_INSIDE const uint64_t *row(size_t sample, size_t token) const {
        return bits + (sample * t + token) * ((c + 63) / 64);
    }
    /* +1 or -1 */
    BNN_INSIDE float sign(size_t sample, size_t token, size_t channel) const {
        return bit_at(row(sample, token), channel) ? 1.0f : -1.0f;
    }
};

static heads heads_of(const bnn_attention *s, const uint64_t *bits) {
    heads h = {s->t, s->c, s->heads, s->c / s->heads, bits};
    return h;
}

/* q_i k_j' of a head. */
BNN_GPU int score(const heads &q, const heads &k, size_t sample, size_t head, size_t i, size_t j) {
    int unequal = 0;
    for (size_t first = 0; first < q.d; first += 64) {
        size_t n = q.d - first < 64 ? q.d - first : 64, at = head * q.d + first;
        unequal += count_ones(bits_at(q.row(sample, i), at, n) ^ bits_at(k.row(sample, j), at, n));
    }
    return (int)q.d - 2 * unequal;
}

/* A matrix of a head: rows of bits, or of floats in the backward. */
static size_t bi_attention_workspace(const bnn_stream *, const bnn_attention *s, int backward) {
    size_t row = backward ? s->t * sizeof(float) : 8 * bnn_words(s->t);
    return s->n * s->heads * s->t * row;
}

static void bi_attention(const bnn_stream *stream, const bnn_attention *s, const uint64_t *q_bits,
                         const uint64_t *k_bits, const uint64_t *v_bits, const int32_t *mask,
                         const uint64_t *keep, float *context, uint64_t *a, uint64_t *window,
                         void *ws) {
    const heads q = heads_of(s, q_bits), k = heads_of(s, k_bits), v = heads_of(s, v_bits);
    size_t t = s->t, c = s->c, count = s->heads, line = bnn_words(t);
    int reach = s->reach;
    float own = s->own;
    uint64_t *attends = a != NULL ? a : (uint64_t *)ws;
    pack(stream, s->n * count * t, t, attends, [=] BNN_EACH(size_t r, size_t j) {
        size_t head = r / t, sample = head / count;
        int stays = mask[sample * t + j] != 0 && (keep == NULL || bit_at(keep + r * line, j));
        return stays && score(q, k, sample, head % count, r % t, j) > 0;
    });
    if (window != NULL) {
        pack(stream, s->n * count * t, t, window, [=] BNN_EACH(size_t r, size_t j) {
            size_t head = r / t, sample = head / count;
            int stays = mask[sample * t + j] != 0 && (keep == NULL || bit_at(keep + r * line, j));
            int at = score(q, k, sample, head % count, r % t, j);
            return stays && at <= reach && -at <= reach;
        });
    }
    each_row(stream, s->n * t, c, [=] BNN_EACH(size_t row, size_t channel) {
        size_t sample = row / t, head = channel / v.d;
        const uint64_t *from = attends + ((sample * count + head) * t + row % t) * line;
        int sum = 0;
        for (size_t j = 0; j < t; j++) {
            int sign = bit_at(v.row(sample, j), channel) ? 1 : -1;
            sum += bit_at(from, j) ? sign : 0;
        }
        context[row * c + channel] = (float)sum + own * v.sign(sample, row % t, channel);
    });
}

/* to (+)= the sum over tokens j of value(row of scores, token, j) x(sample, j, channel). */
template <class V, class X>
static void add_tokens(const bnn_stream *stream, const bnn_attention *s, V value, X x, float *to,
                       int acc) {
    size_t t = s->t, c = s->c, count = s->heads, d = c / count;
    each_row(stream, to == NULL ? 0 : s->n * t, c, [=] BNN_EACH(size_t row, size_t channel) {
        size_t sample = row / t, first = (sample * count + channel / d) * t;
        float sum = acc ? to[row * c + channel] : 0.0f;
        for (size_t j = 0; j < t; j++) {
            sum += value(first, row % t, j) * x(sample, j, channel);
        }
        to[row * c + channel] = sum;
    });
}

static void bi_attention_backward(const bnn_stream *stream, const bnn_attention *s,
                                  const float *gcontext, const uint64_t *q_bits,
                                  const uint64_t *k_bits, const uint64_t *v_bits, const uint64_t *a,
                                  const uint64_t *window, float *gq, int acc_q, float *gk,
                                  int acc_k, float *gv, int acc_v, void *ws) {
    const heads q = heads_of(s, q_bits), k = heads_of(s, k_bits), v = heads_of(s, v_bits);
    size_t t = s->t, c = s->c, count = s->heads, line = bnn_words(t);
    float factor = s->factor, *scores = (float *)ws;
    int wanted = gq != NULL || gk != NULL;
    each_row(stream, wanted ? s->n * count * t : 0, t, [=] BNN_EACH(size_t r, size_t j) {
        size_t head = r / t, sample = head / count, first = head % count * v.d;
        const float *g = gcontext + (sample * t + r % t) * c;
        float sum = 0.0f;
        for (size_t i = first; i < first + v.d; i++) {
            sum += g[i] * (v.sign(sample, j, i) * factor);
        }
        scores[r * t + j] = bit_at(window + r * line, j) ? sum : 0.0f;
    });
    add_tokens(
        stream, s,
        [=] BNN_EACH(size_t first, size_t i, size_t j) { return scores[(first + i) * t + j]; },
        [=] BNN_EACH(size_t sample, size_t j, size_t channel) {
            return k.sign(sample, j, channel);
        },
        gq, acc_q);
    add_tokens(
        stream, s,
        [=] BNN_EACH(size_t first, size_t j, size_t i) { return scores[(first + i) * t + j]; },
        [=] BNN_EACH(size_t sample, size_t i, size_t channel) {
            return q.sign(sample, i, channel);
        },
        gk, acc_k);
    add_tokens(
        stream, s,
        [=] BNN_EACH(size_t first, size_t j, size_t i) {
            return bit_at(a + (first + i) * line, j) ? 1.0f : 0.0f;
        },
        [=] BNN_EACH(size_t sample, size_t i, size_t channel) {
            return gcontext[(sample * t + i) * c + channel];
        },
        gv, acc_v);
    float own = s->own;
    each(stream, gv == NULL || own == 0.0f ? 0 : s->n * t * c,
         [=] BNN_EACH(size_t i) { gv[i] += own * gcontext[i]; });
}

void bnn_cuda_bi_attention(bnn_kernels *k) {
    k->bi_attention_workspace = bi_attention_workspace;
    k->bi_attention = bi_attention;
    k->bi_attention_backward = bi_attention_backward;
}
