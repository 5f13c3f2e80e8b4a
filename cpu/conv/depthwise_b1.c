/* The forward of a depthwise convolution of bits. A word holds 64 channels, so that one xor is a
 * tap of all of them; unequal bits are counted plane by plane, in words of which bit j belongs to
 * channel j, and only the counts become integers. A channel with several filters is repeated for
 * each. */
#include "cpu/conv/conv.h"

enum { BATCH = 16 /* pixels finished at once */, PLANES = 32 /* bits of a count of taps */ };

typedef struct plan {
    size_t c, o, each, taps;
    size_t words;      /* of a pixel with all of its outputs */
    uint64_t *filters; /* [taps][words] */
    char *threads;
    size_t thread_bytes, used;
} plan;

/* A thread's own. */
typedef struct own {
    uint64_t *lines;         /* [kh][w][words], where channels are repeated */
    const uint64_t **row;    /* [kh]: where the lines of a window are */
    const uint64_t **a, **b; /* [taps]: pixels and filters that meet */
    int32_t *integer;        /* [BATCH][words * 64] */
    int32_t *zeros;          /* [BATCH][64] */
} own;

static size_t thread_layout(const bnn_conv *s, const plan *p, void *base, own *mine) {
    size_t used = 0, kh = (size_t)s->kh, line = p->each == 1 ? 0 : (size_t)s->w * p->words;
    mine->lines = bnn_take(base, &used, kh * line * sizeof(uint64_t));
    mine->row = bnn_take(base, &used, kh * sizeof *mine->row);
    mine->a = bnn_take(base, &used, p->taps * sizeof *mine->a);
    mine->b = bnn_take(base, &used, p->taps * sizeof *mine->b);
    mine->integer = bnn_take(base, &used, BATCH * p->words * 64 * sizeof(int32_t));
    mine->zeros = bnn_take(base, &used, BATCH * 64 * sizeof(int32_t));
    return used;
}

static plan lay_out(const bnn_device *device, const bnn_conv *s, void *ws) {
    plan p = {.c = (size_t)s->c, .o = (size_t)s->o, .taps = (size_t)s->kh * (size_t)s->kw};
    own mine;
    p.each = p.o / p.c, p.words = bnn_words(p.o);
    p.filters = bnn_take(ws, &p.used, bnn_conv_depthwise_b1_prepared_bytes(s));
    p.thread_bytes = thread_layout(s, &p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)device->threads * p.thread_bytes);
    return p;
}

size_t bnn_conv_depthwise_b1_bytes(const bnn_device *device, const bnn_conv *s) {
    return lay_out(device, s, NULL).used;
}

size_t bnn_conv_depthwise_b1_prepared_bytes(const bnn_conv *s) {
    return (size_t)s->kh * (size_t)s->kw * bnn_words((size_t)s->o) * sizeof(uint64_t);
}

/* Filters of a word for each tap, whose first bit counts, to [taps][words]. */
void bnn_conv_prepare_depthwise_b1(const bnn_conv *s, const uint64_t *w, uint64_t *filters) {
    size_t o = (size_t)s->o, taps = (size_t)s->kh * (size_t)s->kw, words = bnn_words(o);
    for (size_t t = 0; t < taps; t++) {
        for (size_t i = 0; i < words; i++) {
            size_t first = 64 * i, n = bnn_min_size(64, o - first);
            const uint64_t *from = w + first * taps + t;
            uint64_t word = 0;
            for (size_t j = 0; j < n; j++, from += taps) {
                word = word >> 1 | *from << 63;
            }
            filters[t * words + i] = word >> (64 - n);
        }
    }
}

/* Each of 32 bits twice. */
static uint64_t twice(uint64_t v) {
    v = (v | v << 16) & 0x0000ffff0000ffffu;
    v = (v | v << 8) & 0x00ff00ff00ff00ffu;
    v = (v | v << 4) & 0x0f0f0f0f0f0f0f0fu;
    v = (v | v << 2) & 0x3333333333333333u;
    v = (v | v << 1) & 0x5555555555555555u;
    return v | v << 1;
}

/* A pixel with each channel's bit repeated for its filters. */
static void repeat(const plan *p, const uint64_t *pixel, uint64_t *to) {
    if (p->each == 2) { /* as in FSMN */
        for (size_t i = 0; i < p->words; i++) {
            to[i] = twice(pixel[i / 2] >> i % 2 * 32 & 0xffffffffu);
        }
        return;
    }
    memset(to, 0, p->words * sizeof *to);
    for (size_t j = 0; j < p->o; j++) {
        size_t channel = j / p->each;
        to[j / 64] |= (pixel[channel / 64] >> channel % 64 & 1) << j % 64;
    }
}

/* Line `index` of the input, its channels repeated if need be. */
static const uint64_t *line_of(const bnn_conv *s, const plan *p, const uint64_t *x, size_t index,
                               uint64_t *to) {
    size_t words = bnn_words(p->c), w = (size_t)s->w;
    const uint64_t *pixel = x + index * w * words;
    if (p->each == 1) {
        return pixel;
    }
    for (size_t i = 0; i < w; i++) {
        repeat(p, pixel + i * words, to + i * p->words);
    }
    return to;
}

/* The lines that the windows of output line `index` see; those outside the image are NULL. */
static void see_lines(const bnn_conv *s, const plan *p, const uint64_t *x, size_t index,
                      const own *mine) {
    size_t image = index / (size_t)s->oh;
    for (int ky = 0; ky < s->kh; ky++) {
        int y = (int)(index % (size_t)s->oh) * s->stride_h - s->pad_h + ky * s->dil_h;
        size_t line = image * (size_t)s->h + (size_t)y;
        uint64_t *to = mine->lines + (size_t)(ky * s->w) * p->words;
        mine->row[ky] = y >= 0 && y < s->h ? line_of(s, p, x, line, to) : NULL;
    }
}

/* Adds the bits of a word to counts whose bits are planes. */
static inline uint64_t add_bits(uint64_t *plane, uint64_t bits) {
    uint64_t carry = *plane & bits;
    *plane ^= bits;
    return carry;
}

/* Unequal bits of word `word`, of at most 15 pairs, whose counts stay in registers. */
static inline void count_some(size_t count, const uint64_t *const *a, const uint64_t *const *b,
                              size_t word, uint64_t plane[4]) {
    uint64_t ones = 0, twos = 0, fours = 0, eights = 0;
    for (size_t t = 0; t < count; t++) {
        uint64_t carry = add_bits(&ones, a[t][word] ^ b[t][word]);
        carry = add_bits(&twos, carry);
        eights ^= add_bits(&fours, carry);
    }
    plane[0] = ones, plane[1] = twos, plane[2] = fours, plane[3] = eights;
}

/* Of any number of pairs; plane i has bit i of each count. Returns how many planes there are. */
static size_t count_unequal(size_t count, const uint64_t *const *a, const uint64_t *const *b,
                            size_t word, uint64_t plane[PLANES]) {
    size_t planes = 4;
    count_some(bnn_min_size(count, 15), a, b, word, plane);
    for (size_t t = 15; t < count; t += 15) {
        uint64_t more[4];
        count_some(bnn_min_size(count - t, 15), a + t, b + t, word, more);
        for (; t + 15 >= (size_t)1 << planes; planes++) {
            plane[planes] = 0;
        }
        for (size_t i = 0; i < 4; i++) {
            for (size_t k = i; more[i] != 0; k++) {
                more[i] = add_bits(plane + k, more[i]);
            }
        }
    }
    return planes;
}

/* The pairs of the window at column ox; returns how many. `*whole`: the last one, a column to the
 * left, did not stick out; that of this one. */
static size_t see_pairs(const bnn_conv *s, const plan *p, const own *mine, int ox, size_t last,
                        int *whole) {
    int from = ox * s->stride_w - s->pad_w, before = *whole;
    size_t count = 0, step = (size_t)s->stride_w * p->words;
    *whole = from >= 0 && from + (s->kw - 1) * s->dil_w < s->w;
    if (before && *whole) {
        for (; count < last; count++) {
            mine->a[count] += step;
        }
        return last;
    }
    for (int ky = 0; ky < s->kh; ky++) {
        for (int kx = 0; kx < s->kw && mine->row[ky] != NULL; kx++) {
            int x = from + kx * s->dil_w;
            if (x >= 0 && x < s->w) {
                mine->a[count] = mine->row[ky] + (size_t)x * p->words;
                mine->b[count++] = p->filters + (size_t)(ky * s->kw + kx) * p->words;
            }
        }
    }
    return count;
}

/* The integers of a line's windows at columns ox .. ox+n: taps inside the image, less twice the
 * unequal ones. */
static void windows(const bnn_micro *micro, const bnn_conv *s, const plan *p, const own *mine,
                    int ox, size_t n) {
    size_t count = 0;
    int whole = 0;
    int32_t *integer = mine->integer;
    for (size_t i = 0; i < n; i++) {
        count = see_pairs(s, p, mine, ox + (int)i, count, &whole);
        for (size_t word = 0; word < p->words; word++, integer += 64) {
            uint64_t plane[PLANES];
            size_t planes = count_unequal(count, mine->a, mine->b, word, plane);
            micro->b1_planes(planes, plane, (int32_t)count, integer);
        }
    }
}

/* Integers to whatever the result is, of pixels ox .. ox+count of output line `line`. */
static void finish(const bnn_micro *micro, const bnn_conv *s, const plan *p, const bnn_operand *x,
                   const bnn_result *y, size_t line, int ox, size_t count, const own *mine) {
    int32_t class_at[BATCH];
    float scale[BATCH];
    for (size_t i = 0; i < count; i++) {
        scale[i] = 1.0f;
        class_at[i] = (int32_t)(i * p->words * 64);
    }
    if (x->scale != NULL) {
        size_t oh = (size_t)s->oh;
        bnn_conv_b1_scales(s, x, line / oh, (int)(line % oh), ox, count, scale);
    }
    bnn_finish f = {.pixels = count, .width = 64, .count = mine->zeros, .offset = mine->integer};
    f.class_at = class_at, f.xscale = scale, f.first = line * (size_t)s->ow + (size_t)ox;
    f.channels = p->o, f.y = y;
    for (; f.column < p->o; f.column += 64, f.offset += 64) {
        f.n = bnn_min_size(64, p->o - f.column);
        micro->b1_finish(&f);
    }
}

typedef struct product {
    const bnn_micro *micro;
    const bnn_conv *s;
    const plan *p;
    const bnn_operand *x;
    const bnn_result *y;
    bnn_queue *lines;
} product;

static void forward(const void *job, bnn_member me) {
    const product *j = job;
    const bnn_conv *s = j->s;
    const plan *p = j->p;
    own mine;
    size_t line, last;
    thread_layout(s, p, p->threads + p->thread_bytes * me.thread, &mine);
    memset(mine.zeros, 0, BATCH * 64 * sizeof(int32_t));
    while (bnn_next_run(j->lines, me, &line, &last)) {
        for (; line < last; line++) {
            see_lines(s, p, j->x->b1, line, &mine);
            for (int ox = 0; ox < s->ow; ox += BATCH) {
                size_t count = bnn_min_size(BATCH, (size_t)(s->ow - ox));
                windows(j->micro, s, p, &mine, ox, count);
                finish(j->micro, s, p, j->x, j->y, line, ox, count, &mine);
            }
        }
    }
}

void bnn_conv_forward_depthwise_b1(const bnn_device *device, const bnn_micro *micro,
                                   const bnn_conv *s, const bnn_operand *x, const bnn_operand *w,
                                   const bnn_result *y, void *ws) {
    plan p = lay_out(device, s, ws);
    bnn_queue lines = {.total = (size_t)s->n * (size_t)s->oh};
    product job = {micro, s, &p, x, y, &lines};
    if (w->prepared != NULL) {
        p.filters = (uint64_t *)(uintptr_t)w->prepared; /* only read */
    } else {
        bnn_conv_prepare_depthwise_b1(s, w->b1, p.filters);
    }
    bnn_together(device, bnn_conv_macs(s) / BNN_F32_MACS, forward, &job);
}
