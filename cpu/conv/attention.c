/* Attention whose operands are bits (BiBERT: Qin et al. 2022): for each sample and head a few small
 * products, so threads share the heads, and a head's bits, scores and gradients stay in a thread's
 * cache. The forward counts: a score is the count of unequal bits against a threshold, and the
 * attention is bits again, of which the context is a count. Its gradients are sums of rows of signs
 * weighted by floats, and for v of rows of floats weighted by the attention's 0 and 1. */
#include "cpu/conv/conv.h"

enum {
    PIXELS = 16,  /* rows of counts that are finished at a time */
    RESULTS = 64, /* rows of a gradient at a time */
    COUNT = BNN_WEIGHTED_ROWS
};

/* One head's operands, in a thread's share of the workspace. Channels of a head rarely begin with a
 * word: they are shifted to one. */
typedef struct head {
    uint64_t *q, *k, *v;   /* [t][words(d)] */
    uint64_t *columns;     /* [d][words(t)]: v transposed */
    uint64_t *valid;       /* [words(t)]: keys that are not masked */
    uint64_t *a, *outside; /* [t][words(t)], [PIXELS][words(t)] */
    int32_t *doubled;      /* [d]: twice the count of +1 in a column */
    float *scores;         /* [t][t]: gradients of scores, or the attention as floats */
} head;

typedef struct job {
    const bnn_stream *stream;
    const bnn_micro *micro;
    const bnn_attention *s;
    size_t d, row, head_row; /* channels of a head; words of a row of all heads, of one */
    size_t line;             /* words of a row of scores */
    const uint64_t *q, *k, *v, *keep;
    const int32_t *mask;
    uint64_t *a, *window;
    const uint64_t *saved_a, *saved_window; /* as they come to the backward */
    float *context;
    const float *gcontext;
    float *grad[3]; /* of q, k, v */
    int acc[3];
    char *ws;
    size_t ws_bytes; /* of a thread */
    bnn_queue *items;
} job;

static size_t lay_out(head *h, const bnn_attention *s, int backward, void *ws) {
    size_t used = 0, d = s->c / s->heads, bits = 8 * s->t * bnn_words(d);
    size_t line = 8 * bnn_words(s->t);
    h->q = bnn_take(ws, &used, bits);
    h->k = bnn_take(ws, &used, bits);
    h->v = bnn_take(ws, &used, bits);
    h->columns = bnn_take(ws, &used, d * line);
    h->valid = bnn_take(ws, &used, line);
    h->a = bnn_take(ws, &used, s->t * line);
    h->outside = bnn_take(ws, &used, PIXELS * line);
    h->doubled = bnn_take(ws, &used, d * sizeof *h->doubled);
    h->scores = bnn_take(ws, &used, backward ? s->t * s->t * sizeof(float) : 0);
    return used;
}

size_t bnn_bi_attention_workspace(const bnn_stream *stream, const bnn_attention *s, int backward) {
    head h;
    return (size_t)stream->device.threads * lay_out(&h, s, backward, NULL);
}

/* ---- bits in other places ---- */

static uint64_t low_bits(size_t n) {
    return n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
}

/* Bits first .. first + n of each of `rows` rows. */
static void cut(size_t rows, size_t step, const uint64_t *from, size_t first, size_t n,
                uint64_t *to) {
    size_t shift = first % 64, words = bnn_words(n);
    from += first / 64;
    for (size_t r = 0; r < rows; r++, from += step, to += words) {
        for (size_t w = 0; w < words; w++) {
            size_t left = n - 64 * w;
            uint64_t word = from[w] >> shift;
            if (shift > 0 && left > 64 - shift) {
                word |= from[w + 1] << (64 - shift);
            }
            to[w] = word & low_bits(left);
        }
    }
}

/* 64 by 64 bits, by exchanging halves of squares (Warren, Hacker's Delight, 7-3). */
static void transpose(uint64_t square[64]) {
    uint64_t mask = 0x00000000ffffffffu;
    for (size_t half = 32; half > 0; half /= 2, mask ^= mask << half) {
        for (size_t i = 0; i < 64; i = (i + half + 1) & ~half) {
            uint64_t swap = (square[i] >> half ^ square[i + half]) & mask;
            square[i] ^= swap << half;
            square[i + half] ^= swap;
        }
    }
}

/* to[d][words(t)] of from[t][words(d)] */
static void transpose_rows(size_t t, size_t d, const uint64_t *from, uint64_t *to) {
    size_t words = bnn_words(d), line = bnn_words(t);
    for (size_t i = 0; i < t; i += 64) {
        for (size_t j = 0; j < d; j += 64) {
            uint64_t square[64] = {0};
            for (size_t r = 0; r < bnn_min_size(64, t - i); r++) {
                square[r] = from[(i + r) * words + j / 64];
            }
            transpose(square);
            for (size_t r = 0; r < bnn_min_size(64, d - j); r++) {
                to[(j + r) * line + i / 64] = square[r];
            }
        }
    }
}

static void valid_keys(size_t t, const int32_t *mask, uint64_t *valid) {
    memset(valid, 0, 8 * bnn_words(t));
    for (size_t i = 0; i < t; i++) {
        valid[i / 64] |= (uint64_t)(mask[i] != 0) << i % 64;
    }
}

static void take_heads(const job *j, head *h, size_t sample, size_t first) {
    const bnn_attention *s = j->s;
    size_t at = sample * s->t * j->row;
    cut(s->t, j->row, j->q + at, first, j->d, h->q);
    cut(s->t, j->row, j->k + at, first, j->d, h->k);
    cut(s->t, j->row, j->v + at, first, j->d, h->v);
    transpose_rows(s->t, j->d, h->v, h->columns);
}

/* ---- forward ---- */

/* What stands in for channels' offsets and thresholds where all are one. */
typedef struct constants {
    int32_t dot[64]; /* a score is this less twice what is counted */
    int32_t positive[64], low[64], high[64];
    int32_t class_at[PIXELS];
    float half[PIXELS];
} constants;

static constants constants_of(const job *j) {
    constants c = {.class_at = {0}};
    for (size_t i = 0; i < 64; i++) { /* thresholds: kernels.h, threshold_pack */
        c.dot[i] = (int32_t)j->d;
        c.positive[i] = 2;
        c.low[i] = -2 * j->s->reach;
        c.high[i] = 2 * (j->s->reach + 1);
    }
    for (size_t i = 0; i < PIXELS; i++) {
        c.half[i] = 0.5f;
    }
    return c;
}

/* Counts of n <= 64 rows of w against each of the finish's pixels. */
static void count(const job *j, bnn_finish *f, size_t words, const uint64_t *x, size_t n,
                  const uint64_t *w, int32_t *counts) {
    f->n = n, f->width = n <= 16 ? 16 : 64, f->count = counts;
    for (size_t i = 0; i < f->pixels; i++) {
        memset(counts + i * f->width + n, 0, (f->width - n) * sizeof *counts);
        j->micro->b1_inner(words, n, x + i * words, w, counts + i * f->width);
    }
}

static void finish_bits(const job *j, bnn_finish *f, const int32_t *threshold, uint64_t *bits) {
    bnn_result y = {.threshold = threshold, .b1 = bits};
    f->y = &y;
    j->micro->b1_finish(f);
}

/* Rows of the attention, and of where scores' surrogates pass (or NULL). */
static void attend(const job *j, const head *h, const constants *c, size_t rows, const uint64_t *q,
                   uint64_t *a, uint64_t *window) {
    int32_t counts[PIXELS * 64];
    bnn_finish f = {.pixels = rows, .offset = c->dot, .class_at = c->class_at, .xscale = c->half};
    f.channels = j->s->t;
    for (size_t key = 0; key < j->s->t; key += 64) {
        size_t at = key / 64;
        count(j, &f, j->head_row, q, bnn_min_size(64, j->s->t - key), h->k + key * j->head_row,
              counts);
        finish_bits(j, &f, c->positive, a + at);
        if (window != NULL) {
            finish_bits(j, &f, c->low, window + at);
            finish_bits(j, &f, c->high, h->outside + at);
        }
    }
}

/* Takes out what is masked or dropped. */
static void mask_rows(const job *j, const head *h, size_t rows, const uint64_t *keep, uint64_t *a,
                      uint64_t *window) {
    for (size_t i = 0; i < rows * j->line; i++) {
        uint64_t in = h->valid[i % j->line] & (keep == NULL ? ~(uint64_t)0 : keep[i]);
        a[i] &= in;
        if (window != NULL) {
            window[i] &= in & ~h->outside[i];
        }
    }
}

/* A sum of signs is the +1 among all less what differs from the attention; half of twice that. */
static void add_values(const job *j, const head *h, const constants *c, size_t rows,
                       const uint64_t *a, float *context) {
    int32_t counts[PIXELS * 64];
    bnn_result y = {.f32 = context};
    bnn_finish f = {.pixels = rows, .class_at = c->class_at, .xscale = c->half, .y = &y};
    f.channels = j->s->c;
    for (size_t column = 0; column < j->d; column += 64) {
        f.offset = h->doubled + column, f.column = column;
        count(j, &f, j->line, a, bnn_min_size(64, j->d - column), h->columns + column * j->line,
              counts);
        j->micro->b1_finish(&f);
    }
}

static void forward_head(const job *j, head *h, const constants *c, size_t item) {
    const bnn_attention *s = j->s;
    size_t sample = item / s->heads, first = item % s->heads * j->d, scores = item * s->t * j->line;
    take_heads(j, h, sample, first);
    valid_keys(s->t, j->mask + sample * s->t, h->valid);
    for (size_t i = 0; i < j->d; i++) {
        h->doubled[i] = 0;
        for (size_t w = 0; w < j->line; w++) {
            h->doubled[i] += 2 * __builtin_popcountll(h->columns[i * j->line + w]);
        }
    }
    uint64_t *a = j->a == NULL ? h->a : j->a + scores;
    for (size_t i = 0; i < s->t; i += PIXELS) {
        size_t rows = bnn_min_size(PIXELS, s->t - i), at = i * j->line;
        uint64_t *window = j->window == NULL ? NULL : j->window + scores + at;
        attend(j, h, c, rows, h->q + i * j->head_row, a + at, window);
        mask_rows(j, h, rows, j->keep == NULL ? NULL : j->keep + scores + at, a + at, window);
        add_values(j, h, c, rows, a + at, j->context + (sample * s->t + i) * s->c + first);
    }
}

static void forward(const void *of, bnn_member me) {
    const job *j = of;
    const constants c = constants_of(j);
    head h;
    size_t item, last;
    lay_out(&h, j->s, 0, j->ws + me.thread * j->ws_bytes);
    while (bnn_next_run(j->items, me, &item, &last)) {
        for (; item < last; item++) {
            forward_head(j, &h, &c, item);
        }
    }
}

static job job_of(const bnn_stream *stream, const bnn_attention *s, const uint64_t *q,
                  const uint64_t *k, const uint64_t *v, int backward, void *ws) {
    head h;
    size_t d = s->c / s->heads;
    return (job){.stream = stream,
                 .micro = stream->device.kernels->micro,
                 .s = s,
                 .d = d,
                 .row = bnn_words(s->c),
                 .head_row = bnn_words(d),
                 .line = bnn_words(s->t),
                 .q = q,
                 .k = k,
                 .v = v,
                 .ws = ws,
                 .ws_bytes = lay_out(&h, s, backward, NULL)};
}

static void run(job *j, size_t work, void (*part)(const void *of, bnn_member me)) {
    bnn_queue items = {.total = j->s->n * j->s->heads};
    j->items = &items;
    bnn_together(&j->stream->device, work, part, j);
}

/* Multiply-adds of one of the products. */
static size_t macs(const bnn_attention *s) {
    return s->n * s->t * s->t * s->c;
}

void bnn_bi_attention(const bnn_stream *stream, const bnn_attention *s, const uint64_t *q,
                      const uint64_t *k, const uint64_t *v, const int32_t *mask,
                      const uint64_t *keep, float *context, uint64_t *a, uint64_t *window,
                      void *ws) {
    job j = job_of(stream, s, q, k, v, 0, ws);
    j.mask = mask, j.keep = keep, j.context = context, j.a = a, j.window = window;
    run(&j, 2 * macs(s) / BNN_B1_MACS, forward);
}

/* ---- backward ---- */

/* Sums of rows (`p`: the rows, how many values, the weights) into m results, `step` floats apart.
 */
static void add_rows(const job *j, bnn_weighted p, size_t rows, size_t m, float *result,
                     size_t step, int acc) {
    const bnn_weighted whole = p;
    float *c[RESULTS];
    p.c = c;
    for (size_t i = 0; i < m; i += p.m) {
        p.m = bnn_min_size(RESULTS, m - i);
        for (size_t r = 0; r < p.m; r++) {
            c[r] = result + (i + r) * step;
        }
        p.acc = acc;
        for (size_t t = 0; t < rows; t += COUNT, p.acc = 1) {
            p.count = bnn_min_size(COUNT, rows - t);
            p.a = whole.a + i * p.a_row + t * p.a_step;
            if (p.signs != NULL) {
                p.signs = whole.signs + t * p.step;
                j->micro->b1_weighted(&p);
            } else {
                p.rows = whole.rows + t * p.step;
                j->micro->f32_weighted(&p);
            }
        }
    }
}

/* Gradients of the scores' integers. */
static void score_gradients(const job *j, const head *h, const float *g, const uint64_t *window) {
    size_t t = j->s->t;
    add_rows(
        j,
        (bnn_weighted){
            .n = t, .a = g, .a_row = j->s->c, .a_step = 1, .signs = h->columns, .step = j->line},
        j->d, t, h->scores, t, 0);
    for (size_t i = 0; i < t; i++) {
        float *row = h->scores + i * t;
        j->stream->device.kernels->plane_backward(j->stream, t, row, window + i * j->line, row, 0);
        for (size_t k = 0; k < t; k++) {
            row[k] *= j->s->factor;
        }
    }
}

static void backward_head(const job *j, head *h, size_t item) {
    const bnn_attention *s = j->s;
    size_t sample = item / s->heads, first = item % s->heads * j->d, t = s->t;
    size_t at = sample * t * s->c + first, scores = item * t * j->line;
    bnn_weighted by_scores = {.n = j->d, .a = h->scores, .a_row = t, .a_step = 1};
    by_scores.step = j->head_row;
    take_heads(j, h, sample, first);
    if (j->grad[0] != NULL || j->grad[1] != NULL) {
        score_gradients(j, h, j->gcontext + at, j->saved_window + scores);
    }
    if (j->grad[0] != NULL) {
        by_scores.signs = h->k;
        add_rows(j, by_scores, t, t, j->grad[0] + at, s->c, j->acc[0]);
    }
    by_scores.a_row = 1, by_scores.a_step = t;
    if (j->grad[1] != NULL) {
        by_scores.signs = h->q;
        add_rows(j, by_scores, t, t, j->grad[1] + at, s->c, j->acc[1]);
    }
    if (j->grad[2] != NULL) {
        for (size_t i = 0; i < t; i++) {
            j->micro->b1_expand(t, j->saved_a + scores + i * j->line, 0, 0.5f, h->scores + i * t);
        }
        for (size_t i = 0; i < t * t; i++) {
            h->scores[i] += 0.5f;
        }
        by_scores.signs = NULL, by_scores.rows = j->gcontext + at, by_scores.step = s->c;
        add_rows(j, by_scores, t, t, j->grad[2] + at, s->c, j->acc[2]);
    }
}

static void backward(const void *of, bnn_member me) {
    const job *j = of;
    head h;
    size_t item, last;
    lay_out(&h, j->s, 1, j->ws + me.thread * j->ws_bytes);
    while (bnn_next_run(j->items, me, &item, &last)) {
        for (; item < last; item++) {
            backward_head(j, &h, item);
        }
    }
}

void bnn_bi_attention_backward(const bnn_stream *stream, const bnn_attention *s,
                               const float *gcontext, const uint64_t *q, const uint64_t *k,
                               const uint64_t *v, const uint64_t *a, const uint64_t *window,
                               float *gq, int acc_q, float *gk, int acc_k, float *gv, int acc_v,
                               void *ws) {
    job j = job_of(stream, s, q, k, v, 1, ws);
    j.gcontext = gcontext, j.saved_a = a, j.saved_window = window;
    j.grad[0] = gq, j.acc[0] = acc_q, j.grad[1] = gk, j.acc[1] = acc_k;
    j.grad[2] = gv, j.acc[2] = acc_v;
    run(&j, 4 * macs(s) / BNN_F32_MACS, backward);
}
