/* gx = gy w^T with the filters as bits: the mixed product. gy becomes tables, four channels each, a
 * row of pixels at a time; as many rows are kept as the taps of a result row span, and all taps and
 * all filters look up in them. The filters' factors are multiplied into gy before. Beside an image
 * stand tables of zeros; above and below it taps are left out. A result is one sum in one order,
 * whatever the blocks. windows.c says what the phases of a strided convolution are. */
#include <limits.h>

#include "cpu/conv/conv.h"

#define COLUMNS 64 /* result pixels of a row at a time: their tables stay in L2 */
#define LINE 16    /* floats of a cache line */

/* The result pixels of one phase: (out_y + i*stride, out_x + j*stride), i < gh, j < gw. Tap k of an
 * axis reads gy at i + off[k] and is the filter's tap tap[k]. */
typedef struct phase {
    int out_y, out_x, gh, gw, th, tw;
    int *off_h, *off_w, *tap_h, *tap_w;
    size_t joined, runs, words; /* taps of a run; runs of a filter row; words of codes of a run */
    size_t codes; /* where its codes begin: [groups][vectors][th][runs][words][lanes] */
} phase;

typedef struct plan {
    bnn_conv s; /* as given, or a pixel-wise product as a single row */
    size_t groups, cg, og, quads, vectors;
    size_t pixel, row, term, all; /* floats of tables: a pixel's, a row's of gy, of one term each */
    uint32_t *codes;              /* of all phases */
    float *factors;               /* [groups][quads * 4] */
    phase *phases;
    int *off;                   /* the phases' off_h, tap_h, off_w, tap_w */
    int lo_h, hi_h, lo_w, hi_w; /* least and greatest offsets of all */
    int grid_h, grid_w, cols;   /* the greatest phase, and how much of its rows a strip has */
    size_t images, slots, width, strips; /* rows of tables kept, and their columns of an image */
    char *threads;
    size_t thread_bytes, used;
} plan;

/* What a thread works on: columns from x0 of some images. */
typedef struct own {
    /* [terms][slots][width][images][quads][table], of the images that there are; row y of gy is in
     * slot y % slots. So all of a result row's tables are equally far apart. */
    float *tables;
    ptrdiff_t *delta; /* of a result row's runs */
    size_t group, image, images;
    int x0, next; /* row of gy to be built next */
} own;

static size_t thread_layout(const plan *p, void *base, own *mine) {
    size_t used = 0;
    mine->tables = bnn_take(base, &used, p->all * sizeof(float));
    mine->delta = bnn_take(base, &used, (size_t)p->s.kh * (size_t)p->s.kw * sizeof(ptrdiff_t));
    return used;
}

/* Floats of a column's tables: of one pixel of each image. */
static size_t column_of(const plan *p, const own *mine) {
    return mine->images * p->pixel;
}

static int least(int a, int b) {
    return a < b ? a : b;
}

static int clip(int v, int most) {
    return v < 0 ? 0 : least(v, most);
}

/* A pixel-wise product does not care which pixels form a row. */
static bnn_conv reshaped(const bnn_conv *s) {
    bnn_conv r = *s;
    int64_t pixels = (int64_t)s->n * s->h * s->w;
    if (bnn_conv_is_pixel_wise(s) && pixels <= INT_MAX) {
        r.n = r.h = r.oh = 1, r.w = r.ow = (int)pixels;
    }
    return r;
}

/* C rounds quotients towards zero. */
static int ceil_div_int(int a, int b) {
    return a > 0 ? (a + b - 1) / b : a / b;
}

/* So many images side by side that tiles are well filled. */
static size_t images_at_once(size_t mr, size_t cols, size_t n) {
    size_t images = 1;
    while (images < mr && images < n && (mr - images * cols % mr) % mr * 8 > images * cols) {
        images++;
    }
    return images;
}

static plan lay_out(const bnn_device *device, const bnn_mixed *mixed, const bnn_conv *given,
                    void *ws) {
    plan p = {.s = reshaped(given), .groups = (size_t)given->groups};
    const bnn_conv *s = &p.s;
    own mine;
    p.cg = (size_t)s->c / p.groups, p.og = (size_t)s->o / p.groups;
    p.quads = bnn_ceil_div(p.og, 4);
    p.vectors = bnn_ceil_div(p.cg, mixed->lanes);
    p.pixel = p.quads * mixed->table;
    p.lo_h = ceil_div_int(s->pad_h - (s->kh - 1) * s->dil_h, s->stride_h);
    p.lo_w = ceil_div_int(s->pad_w - (s->kw - 1) * s->dil_w, s->stride_w);
    p.hi_h = ceil_div_int(s->pad_h, s->stride_h), p.hi_w = ceil_div_int(s->pad_w, s->stride_w);
    p.grid_h = ceil_div_int(s->h, s->stride_h), p.grid_w = ceil_div_int(s->w, s->stride_w);
    p.cols = least(p.grid_w, COLUMNS);
    p.strips = bnn_ceil_div((size_t)p.grid_w, (size_t)p.cols);
    p.images = images_at_once(mixed->mr, (size_t)p.cols, (size_t)s->n);
    p.slots = (size_t)least(p.hi_h - p.lo_h + 1, s->oh);
    p.width = (size_t)(p.cols + p.hi_w - p.lo_w);
    p.row = p.width * p.images * p.pixel;
    p.term = p.slots * p.row + LINE; /* terms are not all in one set of the cache */
    /* Tiles are read whole: rows that do not count, and quads, lie behind those that do. */
    p.all = mixed->terms * p.term + mixed->mr * p.pixel + mixed->filled * mixed->table;
    size_t words = (size_t)s->kh * (size_t)s->kw * bnn_ceil_div(p.quads, 8); /* or fewer */
    p.codes = bnn_take(ws, &p.used, p.groups * p.vectors * words * mixed->lanes * sizeof(uint32_t));
    p.factors = bnn_take(ws, &p.used, p.groups * p.quads * 4 * sizeof(float));
    p.phases = bnn_take(ws, &p.used, (size_t)s->stride_h * (size_t)s->stride_w * sizeof(phase));
    p.off = bnn_take(ws, &p.used, 2 * ((size_t)s->kh + (size_t)s->kw) * sizeof(int));
    p.thread_bytes = thread_layout(&p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)device->threads * p.thread_bytes);
    return p;
}

size_t bnn_conv_mix_x_bytes(const bnn_device *device, const bnn_mixed *mixed, const bnn_conv *s) {
    return lay_out(device, mixed, s, NULL).used;
}

static void fill_factors(const plan *p, const bnn_operand *w) {
    size_t taps = (size_t)p->s.kh * (size_t)p->s.kw;
    memset(p->factors, 0, p->groups * p->quads * 4 * sizeof(float));
    for (size_t o = 0; o < (size_t)p->s.o; o++) {
        p->factors[o / p->og * p->quads * 4 + o % p->og] = bnn_row_scale(w, o * taps);
    }
}

/* Taps of a filter row look at neighbours, the last one at the first of them. Where these lie side
 * by side, their tables are one run. */
static void join(const plan *p, phase *g) {
    g->joined = p->images == 1 && g->tw > 0 ? (size_t)g->tw : 1;
    for (int t = 1; t < g->tw; t++) {
        g->joined = g->off_w[t - 1] - g->off_w[t] == 1 ? g->joined : 1;
    }
    g->runs = (size_t)g->tw / g->joined;
    g->words = bnn_ceil_div(g->joined * p->quads, 8);
}

/* Column among a phase's taps of tap `t` of run `run` of a filter row. */
static size_t tap_column(const phase *g, size_t run, size_t t) {
    return (size_t)g->tw - 1 - run * g->joined - t;
}

/* Words of codes of a vector of columns. */
static size_t vector_words(const phase *g) {
    return (size_t)g->th * g->runs * g->words;
}

static void find_phases(const plan *p, size_t lanes) {
    const bnn_conv *s = &p->s;
    int *off_h = p->off, *tap_h = off_h + s->kh, taps_h = 0;
    int *all_off_w = tap_h + s->kh, *all_tap_w = all_off_w + s->kw;
    size_t codes = 0;
    phase *g = p->phases;
    for (int y = 0; y < s->stride_h; y++) {
        int *off_w = all_off_w, *tap_w = all_tap_w;
        int th = bnn_phase_taps(y, s->kh, s->stride_h, s->pad_h, s->dil_h, off_h + taps_h,
                                tap_h + taps_h);
        for (int x = 0; x < s->stride_w; x++, g++) {
            g->out_y = y, g->out_x = x;
            g->gh = ceil_div_int(s->h - y, s->stride_h);
            g->gw = ceil_div_int(s->w - x, s->stride_w);
            g->off_h = off_h + taps_h, g->tap_h = tap_h + taps_h;
            g->off_w = off_w, g->tap_w = tap_w, g->th = th;
            g->tw = bnn_phase_taps(x, s->kw, s->stride_w, s->pad_w, s->dil_w, off_w, tap_w);
            join(p, g);
            g->codes = codes;
            codes += p->groups * p->vectors * vector_words(g) * lanes;
            off_w += g->tw, tap_w += g->tw;
        }
        taps_h += th;
    }
}

/* Vector `vector` of a group: a word of codes holds one bit of each of 32 filters, those of a run's
 * taps one after another, each filled to quads. */
static void pack_codes(const bnn_mixed *mixed, const plan *p, const phase *g, const uint64_t *w,
                       size_t group, size_t vector) {
    size_t taps = (size_t)p->s.kh * (size_t)p->s.kw, words = bnn_words(p->cg);
    size_t channel = vector * mixed->lanes, n = bnn_min_size(mixed->lanes, p->cg - channel);
    size_t per_vector = vector_words(g) * mixed->lanes;
    uint32_t *codes = p->codes + g->codes + (group * p->vectors + vector) * per_vector, rows[32];
    w += group * p->og * taps * words;
    for (size_t run = 0; run < (size_t)g->th * g->runs; run++) {
        size_t line = (size_t)g->tap_h[run / g->runs] * (size_t)p->s.kw, filled = 0;
        for (size_t t = 0; t < g->joined; t++) {
            size_t tap = line + (size_t)g->tap_w[tap_column(g, run % g->runs, t)];
            for (size_t o = 0; o < 4 * p->quads; o++) {
                const uint64_t *row = w + (o * taps + tap) * words;
                rows[filled++] = o < p->og ? bnn_bits_at(row, channel, n) : 0;
                if (filled == 32) {
                    mixed->codes(filled, rows, codes);
                    codes += mixed->lanes, filled = 0;
                }
            }
        }
        if (filled > 0) {
            mixed->codes(filled, rows, codes);
            codes += mixed->lanes;
        }
    }
}

/* Columns [from, to) of the strip's are the image's. */
static void seen_columns(const plan *p, const own *mine, int *x, int *from, int *to) {
    *x = mine->x0 + p->lo_w;
    *from = clip(-*x, (int)p->width), *to = clip(p->s.ow - *x, (int)p->width);
}

/* Zeros where the strip reaches beyond the image, in the place of every row. */
static void clear_beside(const bnn_mixed *mixed, const plan *p, const own *mine) {
    int x, from, to;
    seen_columns(p, mine, &x, &from, &to);
    size_t column = column_of(p, mine);
    for (size_t i = 0; i < mixed->terms * p->slots; i++) {
        float *tables = mine->tables + i / p->slots * p->term + i % p->slots * p->row;
        memset(tables, 0, (size_t)from * column * sizeof(float));
        memset(tables + (size_t)to * column, 0, (p->width - (size_t)to) * column * sizeof(float));
    }
}

/* The tables of n pixels of an image, `step` apart. */
static void build_pixels(const bnn_mixed *mixed, const plan *p, size_t n, const float *values,
                         const float *factors, float *tables, size_t step) {
    size_t o = (size_t)p->s.o;
    if (mixed->pixels != NULL) {
        mixed->pixels(n, p->og, values, o, factors, tables, step, p->term);
        return;
    }
    for (size_t q = 0; q < p->quads; q++) {
        const float *v[4];
        for (size_t j = 0; j < 4; j++) {
            v[j] = 4 * q + j < p->og ? values + 4 * q + j : NULL;
        }
        mixed->tables(n, v, o, factors + 4 * q, tables, step, q, p->term);
    }
}

/* The tables of row y of gy. */
static void build(const bnn_mixed *mixed, const plan *p, const float *gy, int y, const own *mine) {
    const bnn_conv *s = &p->s;
    size_t o = (size_t)s->o, first = mine->group * p->og, step = column_of(p, mine);
    int x, from, to;
    seen_columns(p, mine, &x, &from, &to);
    const float *factors = p->factors + mine->group * p->quads * 4;
    for (size_t i = 0; i < mine->images && from < to; i++) {
        float *tables = mine->tables + (size_t)y % p->slots * p->row;
        tables += (size_t)from * step + i * p->pixel;
        size_t row = ((mine->image + i) * (size_t)s->oh + (size_t)y) * (size_t)s->ow;
        const float *values = gy + (row + (size_t)(x + from)) * o + first;
        for (size_t k = 0; k < (size_t)(to - from) * o;
             k += LINE) { /* tables take a pixel's last */
            __builtin_prefetch(values + k);
        }
        build_pixels(mixed, p, (size_t)(to - from), values, factors, tables, step);
    }
}

/* Result pixels [x0, end) of row i, by the phase's filter rows [first, last). */
static void look_up(const bnn_mixed *mixed, const plan *p, const phase *g, int i, int end,
                    int first_row, int last_row, const own *mine, float *gx, int acc) {
    const bnn_conv *s = &p->s;
    size_t per_run = g->words * mixed->lanes, per_vector = vector_words(g) * mixed->lanes;
    const uint32_t *codes = p->codes + g->codes + mine->group * p->vectors * per_vector +
                            (size_t)first_row * g->runs * per_run;
    size_t image = 0, pixels = mine->images * (size_t)(end - mine->x0);
    size_t step = (size_t)(s->stride_w * s->c), picture = (size_t)s->h * (size_t)(s->w * s->c);
    size_t line = mine->image * (size_t)s->h + (size_t)(g->out_y + i * s->stride_h);
    size_t start = (size_t)(g->out_x + mine->x0 * s->stride_w) * (size_t)s->c + mine->group * p->cg;
    const float *tables[BNN_MIX_ROWS];
    float *out[BNN_MIX_ROWS], *to = gx + line * (size_t)(s->w * s->c) + start;
    bnn_mix m;
    m.taps = (size_t)(last_row - first_row) * g->runs, m.quads = g->joined * p->quads;
    m.words = g->words, m.skip = m.first = 0, m.plane = p->term, m.acc = acc;
    m.tables = tables, m.delta = mine->delta, m.out = out;
    for (size_t at = 0; at < pixels; at += mixed->mr) {
        m.rows = bnn_min_size(mixed->mr, pixels - at);
        for (size_t r = 0; r < mixed->mr; r++) {
            tables[r] = mine->tables + (at + r) * p->pixel;
            if (r >= m.rows) { /* does not count */
                continue;
            }
            out[r] = to + image * picture;
            for (size_t k = 0; k < p->cg; k += LINE) { /* the tile will be long */
                __builtin_prefetch(out[r] + k, 1);
            }
            if (++image == mine->images) {
                image = 0, to += step;
            }
        }
        for (size_t first = 0; first < p->vectors; first += m.vectors) {
            m.vectors = bnn_min_size(mixed->nv, p->vectors - first);
            for (size_t v = 0; v < m.vectors; v++) {
                size_t column = (first + v) * mixed->lanes;
                m.codes[v] = codes + (first + v) * per_vector;
                m.column[v] = column;
                m.lanes[v] = bnn_min_size(mixed->lanes, p->cg - column);
            }
            bnn_mix_sum(mixed, &m);
        }
    }
}

static void zero_pixels(const plan *p, const phase *g, int i, int end, const own *mine, float *gx) {
    const bnn_conv *s = &p->s;
    for (size_t n = mine->image; n < mine->image + mine->images; n++) {
        size_t row = n * (size_t)s->h + (size_t)(g->out_y + i * s->stride_h);
        for (int j = mine->x0; j < end; j++) {
            size_t pixel = row * (size_t)s->w + (size_t)(g->out_x + j * s->stride_w);
            memset(gx + pixel * (size_t)s->c + mine->group * p->cg, 0, p->cg * sizeof(float));
        }
    }
}

/* Result row i of a phase. */
static void result_row(const bnn_mixed *mixed, const plan *p, const phase *g, int i,
                       const own *mine, float *gx, int acc) {
    const bnn_conv *s = &p->s;
    int end = least(mine->x0 + p->cols, g->gw), first = 0, last = g->th;
    if (i >= g->gh || mine->x0 >= end) {
        return;
    }
    /* Offsets fall from tap to tap. */
    while (first < last && i + g->off_h[first] >= s->oh) {
        first++;
    }
    while (first < last && i + g->off_h[last - 1] < 0) {
        last--;
    }
    if (first == last || g->tw == 0) {
        if (!acc) {
            zero_pixels(p, g, i, end, mine, gx);
        }
        return;
    }
    ptrdiff_t *delta = mine->delta;
    for (int ky = first; ky < last; ky++) {
        size_t line = (size_t)(i + g->off_h[ky]) % p->slots * p->row;
        for (size_t run = 0; run < g->runs; run++) {
            size_t column = (size_t)(g->off_w[tap_column(g, run, 0)] - p->lo_w);
            *delta++ = (ptrdiff_t)(line + column * column_of(p, mine));
        }
    }
    look_up(mixed, p, g, i, end, first, last, mine, gx, acc);
}

/* Items are rows of strips of images of groups, in this order from the last; a thread takes a run
 * of them, so that rows of tables serve several. */
static void items(const bnn_mixed *mixed, const plan *p, const float *gy, size_t first, size_t last,
                  own *mine, float *gx, int acc) {
    const bnn_conv *s = &p->s;
    size_t rows = (size_t)p->grid_h, blocks = bnn_ceil_div((size_t)s->n, p->images);
    for (size_t item = first; item < last; item++) {
        size_t strip = item / rows % p->strips, block = item / rows / p->strips % blocks;
        int i = (int)(item % rows);
        if (item == first || i == 0) {
            mine->group = item / rows / p->strips / blocks;
            mine->image = block * p->images;
            size_t images = bnn_min_size(p->images, (size_t)s->n - mine->image);
            if (images != mine->images || mine->x0 != (int)strip * p->cols) {
                mine->images = images;
                mine->x0 = (int)strip * p->cols;
                clear_beside(mixed, p, mine);
            }
            mine->next = clip(i + p->lo_h, s->oh);
        }
        for (int end = clip(i + p->hi_h + 1, s->oh); mine->next < end; mine->next++) {
            build(mixed, p, gy, mine->next, mine);
        }
        for (int g = 0; g < s->stride_h * s->stride_w; g++) {
            result_row(mixed, p, p->phases + g, i, mine, gx, acc);
        }
    }
}

typedef struct product {
    const bnn_mixed *mixed;
    const plan *p;
    const float *gy;
    const bnn_operand *w;
    float *gx;
    int acc;
    bnn_queue *rows;
} product;

static void multiply(const void *job, bnn_member me) {
    const product *j = job;
    const plan *p = j->p;
    size_t phases = (size_t)p->s.stride_h * (size_t)p->s.stride_w, per_group = phases * p->vectors;
    own mine = {0};
    size_t first, last;
    thread_layout(p, p->threads + p->thread_bytes * me.thread, &mine);
    bnn_share(me, p->groups * per_group, &first, &last);
    for (size_t item = first; item < last; item++) {
        pack_codes(j->mixed, p, p->phases + item % phases, j->w->b1, item / per_group,
                   item / phases % p->vectors);
    }
    if (j->mixed->filled > 1) { /* runs are looked up to multiples of that, their ends times zero */
        memset(mine.tables, 0, p->all * sizeof(float));
    }
    bnn_wait_for_all(me);
    bnn_call(j->mixed->enter);
    while (bnn_next_run(j->rows, me, &first, &last)) {
        items(j->mixed, p, j->gy, first, last, &mine, j->gx, j->acc);
    }
    bnn_call(j->mixed->leave);
}

void bnn_conv_mix_x(const bnn_device *device, const bnn_mixed *mixed, const bnn_conv *s,
                    const float *gy, const bnn_operand *w, float *gx, int acc, void *ws) {
    plan p = lay_out(device, mixed, s, ws);
    size_t blocks = bnn_ceil_div((size_t)p.s.n, p.images);
    bnn_queue rows = {.total = p.groups * blocks * p.strips * (size_t)p.grid_h};
    product job = {mixed, &p, gy, w, gx, acc, &rows};
    fill_factors(&p, w);
    find_phases(&p, mixed->lanes);
    bnn_together(device, bnn_conv_macs(s) / BNN_F32_MACS, multiply, &job);
}
