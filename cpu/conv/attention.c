/* Attention whose operands are bits (BiBERT: Qin et al. 2022): for each sample and head a few small
 * products, so threads share the heads, and a head's bits, scores and gradients stay in a thread's
 * cache. The forward counts: a score is the count of unequal bits against a threshold, and the
 * attention is bits again, of which the context is a count. Its gradients are sums of rows of signs
 * weighted by floats, and for v of rows of floats weighted by the attention's 0 and 1. */
#include "cpu/conv/conv.h"

enum { Q, K, V };

enum {
    PIXELS = 16,  /* rows of counts that are finished at a time */
    RESULTS = 64, /* rows of a gradient at a time */
    COUNT = BNN_WEIGHTED_ROWS
};

/* What rows of bits are met with: rows of as many words, packed for tiles, and what the integers
 * are less twice what is counted. */
typedef struct filters {
    size_t n, words;
    uint8_t *panels;
    int32_t *offset; /* [n] */
} filters;

/* One head's operands, in a thread's share of the workspace. Channels of a head rarely begin with a
 * word: they are shifted to one. */
typedef struct head {
    uint64_t *q, *k, *v;            /* [t and PIXELS][words(d)] */
    uint64_t *columns;              /* [d][words(t)]: v transposed */
    uint64_t *valid;                /* [words(t)]: keys that are not masked */
    uint64_t *a, *window, *outside; /* [PIXELS][words(t)] */
    filters keys, values;           /* of k, and of v's columns */
    uint8_t *tile;                  /* packed rows of q, or of the attention */
    float *scores;                  /* [t][t]: gradients of scores, or the attention as floats */
    float *rows;                    /* [t][d], or transposed: signs as floats */
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
    float *grad[3];
    int acc[3];
    char *ws;
    size_t ws_bytes; /* of a thread */
    bnn_queue *items;
} job;

static filters take_filters(const bnn_micro *micro, size_t n, size_t words, void *ws,
                            size_t *used) {
    size_t whole = bnn_ceil_div(n, 64) * 64;
    filters f = {.n = n, .words = words};
    f.panels = bnn_take(ws, used, whole * 8 * words * micro->b1_w_bytes);
    f.offset = bnn_take(ws, used, n * sizeof *f.offset);
    return f;
}

static size_t lay_out(head *h, const bnn_micro *micro, const bnn_attention *s, int backward,
                      void *ws) {
    size_t used = 0, d = s->c / s->heads, words = bnn_words(d), line = bnn_words(s->t);
    size_t bits = 8 * (s->t + PIXELS) * words, block = 8 * PIXELS * line;
    h->q = bnn_take(ws, &used, bits);
    h->k = bnn_take(ws, &used, bits);
    h->v = bnn_take(ws, &used, bits);
    h->columns = bnn_take(ws, &used, 8 * d * line);
    h->valid = bnn_take(ws, &used, 8 * line);
    h->a = bnn_take(ws, &used, block);
    h->window = bnn_take(ws, &used, block);
    h->outside = bnn_take(ws, &used, block);
    h->keys = take_filters(micro, s->t, words, ws, &used);
    h->values = take_filters(micro, d, line, ws, &used);
    size_t widest = words > line ? words : line;
    h->tile = bnn_take(ws, &used, 8 * PIXELS * widest * micro->b1_a_bytes);
    h->scores = bnn_take(ws, &used, backward ? s->t * s->t * sizeof(float) : 0);
    h->rows = bnn_take(ws, &used, backward ? s->t * d * sizeof(float) : 0);
    return used;
}

size_t bnn_bi_attention_workspace(const bnn_stream *stream, const bnn_attention *s, int backward) {
    head h;
    return (size_t)stream->device.threads *
           lay_out(&h, stream->device.kernels->micro, s, backward, NULL);
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

/* What is the same for all heads: thresholds of all keys (kernels.h, threshold_pack), classes and
 * factors of all pixels. */
typedef struct constants {
    int32_t positive[64], low[64], high[64];
    int32_t class_at[PIXELS];
    float half[PIXELS];
} constants;

static constants constants_of(const bnn_attention *s) {
    constants c = {.class_at = {0}};
    for (size_t i = 0; i < 64; i++) {
        c.positive[i] = 2;
        c.low[i] = -2 * s->reach;
        c.high[i] = 2 * (s->reach + 1);
    }
    for (size_t i = 0; i < PIXELS; i++) {
        c.half[i] = 0.5f;
    }
    return c;
}

static size_t width_of(size_t n) {
    return n <= 16 ? 16 : n <= 32 ? 32 : 64;
}

static size_t panel_at(const bnn_micro *micro, const filters *f, size_t first) {
    return first * 8 * f->words * micro->b1_w_bytes;
}

/* Integers are `all`, and more by twice each row's +1 where `more`, less twice the unequal bits. */
static void pack_filters(const bnn_micro *micro, const uint64_t *rows, int32_t all, int more,
                         filters *f) {
    for (size_t i = 0; i < f->n; i += 64) {
        size_t n = bnn_min_size(64, f->n - i);
        micro->b1_pack_w(8 * f->words, n, width_of(n), (const uint8_t *)(rows + i * f->words),
                         f->panels + panel_at(micro, f, i));
    }
    for (size_t i = 0; i < f->n; i++) {
        int32_t ones = 0;
        for (size_t w = 0; more && w < f->words; w++) {
            ones += __builtin_popcountll(rows[i * f->words + w]);
        }
        f->offset[i] = all + 2 * more * ones;
    }
}

/* PIXELS rows as tiles. */
static const uint8_t *pack_rows(const bnn_micro *micro, const uint64_t *rows, size_t words,
                                uint8_t *tile) {
    if (micro->b1_pack_a == NULL) {
        return (const uint8_t *)rows;
    }
    for (size_t i = 0; i < PIXELS; i += micro->b1_mr) {
        micro->b1_pack_a(8 * words, (const uint8_t *)(rows + i * words),
                         tile + i * 8 * words * micro->b1_a_bytes);
    }
    return tile;
}

/* Counts of the finish's pixels against at most 64 filters from `first` on. */
static void count(const bnn_micro *micro, const filters *w, size_t first, const uint8_t *tile,
                  bnn_finish *f, int32_t *counts) {
    f->n = bnn_min_size(64, w->n - first);
    f->width = width_of(f->n);
    f->offset = w->offset + first;
    f->count = counts;
    for (size_t i = 0; i < f->pixels; i += micro->b1_mr) {
        micro->b1_tile(8 * w->words, f->width, tile + i * 8 * w->words * micro->b1_a_bytes,
                       w->panels + panel_at(micro, w, first), counts + i * f->width);
    }
}

static void finish_bits(const job *j, bnn_finish *f, const int32_t *threshold, uint64_t *bits) {
    bnn_result y = {.threshold = threshold, .b1 = bits};
    f->y = &y;
    j->micro->b1_finish(f);
}

/* Rows of the attention, and if there is a backward of where scores' surrogates pass. */
static void attend(const job *j, const head *h, const constants *c, size_t rows,
                   const uint64_t *q) {
    int32_t counts[PIXELS * 64] __attribute__((aligned(64)));
    bnn_finish f = {.pixels = rows, .class_at = c->class_at, .xscale = c->half};
    const uint8_t *tile = pack_rows(j->micro, q, j->head_row, h->tile);
    f.channels = j->s->t;
    for (size_t key = 0; key < j->s->t; key += 64) {
        count(j->micro, &h->keys, key, tile, &f, counts);
        finish_bits(j, &f, c->positive, h->a + key / 64);
        if (j->window != NULL) {
            finish_bits(j, &f, c->low, h->window + key / 64);
            finish_bits(j, &f, c->high, h->outside + key / 64);
        }
    }
}

/* Takes out what is masked or dropped; `at` is where the rows are among all. */
static void mask_rows(const job *j, const head *h, size_t rows, size_t at) {
    for (size_t r = 0, i = 0; r < rows; r++) {
        for (size_t w = 0; w < j->line; w++, i++) {
            uint64_t in = h->valid[w] & (j->keep == NULL ? ~(uint64_t)0 : j->keep[at + i]);
            h->a[i] &= in;
            if (j->window != NULL) {
                j->a[at + i] = h->a[i];
                j->window[at + i] = h->window[i] & ~h->outside[i] & in;
            }
        }
    }
}

/* A token's own signs, times what they count. */
static void add_own(const job *j, const uint64_t *v, size_t rows, float *context) {
    float own[64];
    for (size_t r = 0; r < rows; r++, v += j->head_row, context += j->s->c) {
        for (size_t first = 0; first < j->d; first += 64) {
            size_t n = bnn_min_size(64, j->d - first);
            j->micro->b1_expand(n, v, first, j->s->own, own);
            for (size_t i = 0; i < n; i++) {
                context[first + i] += own[i];
            }
        }
    }
}

/* A sum of signs is the +1 among all less what differs from the attention; half of twice that. */
static void add_values(const job *j, const head *h, const constants *c, size_t rows,
                       float *context) {
    int32_t counts[PIXELS * 64] __attribute__((aligned(64)));
    bnn_result y = {.f32 = context};
    bnn_finish f = {.pixels = rows, .class_at = c->class_at, .xscale = c->half};
    const uint8_t *tile = pack_rows(j->micro, h->a, j->line, h->tile);
    f.channels = j->s->c, f.y = &y;
    for (f.column = 0; f.column < j->d; f.column += 64) {
        count(j->micro, &h->values, f.column, tile, &f, counts);
        j->micro->b1_finish(&f);
    }
}

static void forward_head(const job *j, head *h, const constants *c, size_t item) {
    const bnn_attention *s = j->s;
    size_t sample = item / s->heads, first = item % s->heads * j->d;
    take_heads(j, h, sample, first);
    valid_keys(s->t, j->mask + sample * s->t, h->valid);
    pack_filters(j->micro, h->k, (int32_t)j->d, 0, &h->keys);
    pack_filters(j->micro, h->columns, 0, 1, &h->values);
    for (size_t i = 0; i < s->t; i += PIXELS) {
        size_t rows = bnn_min_size(PIXELS, s->t - i);
        attend(j, h, c, rows, h->q + i * j->head_row);
        mask_rows(j, h, rows, (item * s->t + i) * j->line);
        float *context = j->context + (sample * s->t + i) * s->c + first;
        add_values(j, h, c, rows, context);
        if (s->own != 0.0f) {
            add_own(j, h->v + i * j->head_row, rows, context);
        }
    }
}

static void forward(const void *of, bnn_member me) {
    const job *j = of;
    const constants c = constants_of(j->s);
    head h;
    size_t item, last;
    lay_out(&h, j->micro, j->s, 0, j->ws + me.thread * j->ws_bytes);
    /* Rows behind the last, of which a tile counts what nobody reads. */
    memset(h.q + j->s->t * j->head_row, 0, 8 * PIXELS * j->head_row);
    memset(h.a, 0, 8 * PIXELS * j->line);
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
                 .ws_bytes = lay_out(&h, stream->device.kernels->micro, s, backward, NULL)};
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

/* result[i] (+)= sums over t of rows[t] times weight a[i * a_row + t * a_step]; i < p.m. Results
 * are a `step` of floats apart. */
static void add_rows(const bnn_micro *micro, bnn_weighted p, size_t rows, float *result,
                     size_t step) {
    const bnn_weighted whole = p;
    float *c[RESULTS];
    p.c = c;
    for (size_t i = 0; i < whole.m; i += p.m) {
        p.m = bnn_min_size(RESULTS, whole.m - i);
        for (size_t r = 0; r < p.m; r++) {
            c[r] = result + (i + r) * step;
        }
        p.acc = whole.acc;
        for (size_t t = 0; t < rows; t += COUNT, p.acc = 1) {
            p.count = bnn_min_size(COUNT, rows - t);
            p.a = whole.a + i * p.a_row + t * p.a_step;
            p.rows = whole.rows + t * p.step;
            micro->f32_weighted(&p);
        }
    }
}

/* A head's signs as floats: bits first .. first + n of each row. */
static const float *expand(const bnn_micro *micro, size_t rows, size_t words, const uint64_t *bits,
                           size_t first, size_t n, float scale, float *to) {
    for (size_t i = 0; i < rows; i++) {
        micro->b1_expand(n, bits + i * words, first, scale, to + i * n);
    }
    return to;
}

/* Gradients of the scores' integers, from those of a head's context. */
static void score_gradients(const job *j, const head *h, size_t row, size_t first, const float *g,
                            const uint64_t *window) {
    size_t t = j->s->t;
    bnn_weighted by_g = {.m = t, .n = t, .a = g, .a_row = j->s->c, .a_step = 1, .step = t};
    cut(t, j->row, j->v + row, first, j->d, h->v);
    transpose_rows(t, j->d, h->v, h->columns);
    by_g.rows = expand(j->micro, j->d, j->line, h->columns, 0, t, j->s->factor, h->rows);
    add_rows(j->micro, by_g, j->d, h->scores, t);
    for (size_t i = 0; i < t; i++) {
        float *to = h->scores + i * t;
        j->stream->device.kernels->plane_backward(j->stream, t, to, window + i * j->line, to, 0);
    }
}

/* Bits as 0 and 1. */
static void expand_attention(const job *j, const uint64_t *a, float *to) {
    size_t t = j->s->t;
    expand(j->micro, t, j->line, a, 0, t, 0.5f, to);
    for (size_t i = 0; i < t * t; i++) {
        to[i] += 0.5f;
    }
}

static void add_own_gradient(const bnn_attention *s, const float *g, size_t d, float *gv) {
    for (size_t i = 0; i < s->t && s->own != 0.0f; i++, g += s->c, gv += s->c) {
        for (size_t x = 0; x < d; x++) {
            gv[x] += s->own * g[x];
        }
    }
}

static void backward_head(const job *j, head *h, size_t item) {
    const bnn_attention *s = j->s;
    size_t sample = item / s->heads, first = item % s->heads * j->d, t = s->t;
    size_t at = sample * t * s->c + first, row = sample * t * j->row, scores = item * t * j->line;
    bnn_weighted p = {.m = t, .n = j->d, .a = h->scores, .a_row = t, .a_step = 1, .step = j->d};
    if (j->grad[Q] != NULL || j->grad[K] != NULL) {
        score_gradients(j, h, row, first, j->gcontext + at, j->saved_window + scores);
    }
    if (j->grad[Q] != NULL) {
        p.acc = j->acc[Q];
        p.rows = expand(j->micro, t, j->row, j->k + row, first, j->d, 1.0f, h->rows);
        add_rows(j->micro, p, t, j->grad[Q] + at, s->c);
    }
    p.a_row = 1, p.a_step = t; /* of other tokens' scores */
    if (j->grad[K] != NULL) {
        p.acc = j->acc[K];
        p.rows = expand(j->micro, t, j->row, j->q + row, first, j->d, 1.0f, h->rows);
        add_rows(j->micro, p, t, j->grad[K] + at, s->c);
    }
    if (j->grad[V] != NULL) {
        p.acc = j->acc[V];
        expand_attention(j, j->saved_a + scores, h->scores);
        p.rows = j->gcontext + at, p.step = s->c;
        add_rows(j->micro, p, t, j->grad[V] + at, s->c);
        add_own_gradient(s, j->gcontext + at, j->d, j->grad[V] + at);
    }
}

static void backward(const void *of, bnn_member me) {
    const job *j = of;
    head h;
    size_t item, last;
    lay_out(&h, j->micro, j->s, 1, j->ws + me.thread * j->ws_bytes);
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
    j.grad[Q] = gq, j.acc[Q] = acc_q, j.grad[K] = gk, j.acc[K] = acc_k;
    j.grad[V] = gv, j.acc[V] = acc_v;
    run(&j, 4 * macs(s) / BNN_F32_MACS, backward);
}
