/* gw = gy^T x with the inputs as bits: the mixed product, reduced over output pixels. The pixels at
 * one place of four strips are a quad: a table for each channel of gy, a code for each channel of
 * x. A strip is an image, or where there are fewer than four, some rows of one. A filter's column
 * then moves the codes by whole quads, so that one set of tables and one set of codes serve all
 * taps, and quads whose pixels lie beside the images are left out; a filter's row that only some of
 * the strips see takes tables of these. Where rows are short, several fours stand side by side,
 * column by column, so that what a tap sees is one run. The inputs' factors are multiplied into gy.
 */
#include <limits.h>

#include "cpu/conv/conv.h"

#define CHUNK 16 /* channels of gy that one item of work takes, at least: a cache line */
#define ITEMS 16 /* so many items of work need no cuts of the reduction */

typedef struct plan {
    bnn_conv s; /* as given, or a pixel-wise product as one image */
    int pixel_wise;
    size_t groups, cg, og, cols;
    size_t cuts, strips;           /* strips of an image; of all */
    int strip_rows;                /* of the output; the image's last strip may have fewer */
    size_t rows;                   /* of the input, padding included, that a strip sees */
    size_t fours, at_once, blocks; /* strips are taken by fours, some at a time: a block */
    size_t width;                  /* output pixels of a row taken at a time */
    size_t words, vectors;         /* of codes of a stream's row */
    size_t line, term, all;        /* floats of tables: a channel's, all channels', all terms' */
    size_t chunk, chunks, splits;  /* channels of gy that an item takes, as fill a cache line */
    /* [groups][blocks][streams][rows][vectors][words][lanes]; stream i: columns i, i + stride, ..
     */
    uint32_t *codes;
    float *partial; /* [splits][o][cols], if splits > 1 */
    char *threads;
    size_t thread_bytes, used;
} plan;

typedef struct own {
    float *tables; /* [terms][chunk, or fewer][line] */
} own;

/* What one tile's worth of work is about: channels of gy, fours of strips, an output row of a
 * strip.
 */
typedef struct place {
    size_t group, channel, count, four, fours;
    int y, lo, hi;    /* filter rows [lo, hi) */
    unsigned members; /* of a four, those whose image these rows see: bit j for the j-th */
    int x0, x1;
} place;

static size_t thread_layout(const plan *p, void *base, own *mine) {
    size_t used = 0;
    mine->tables = bnn_take(base, &used, p->all * sizeof(float));
    return used;
}

/* A pixel-wise product does not care which pixels form a row: of one image, in rows whose quads
 * fill words of codes, for four strips. */
static bnn_conv reshaped(const bnn_conv *s, size_t run) {
    bnn_conv r = *s;
    int64_t pixels = (int64_t)s->n * s->h * s->w;
    if (bnn_conv_is_pixel_wise(s) && pixels <= INT_MAX) {
        int w = pixels < 4 ? 1 : pixels < 4 * (int)run ? (int)pixels / 4 : (int)run;
        while (pixels % w != 0) {
            w--;
        }
        r.n = 1, r.h = r.oh = (int)pixels / w, r.w = r.ow = w;
    }
    return r;
}

/* Strips of an image: of three images one four is good enough. Either an image is one strip, or all
 * strips are one four. */
static size_t cuts_of(const bnn_conv *s) {
    return s->n >= 3 ? 1 : bnn_min_size(4 / (size_t)s->n, (size_t)s->oh);
}

int bnn_conv_mix_w_pays(const bnn_conv *given) {
    bnn_conv s = reshaped(given, 32);
    int fills_words =
        s.w >= 4 || !bnn_conv_is_pixel_wise(given); /* codes that serve one tap must be cheap */
    return fills_words && s.c / s.groups >= 8 && s.o / s.groups >= 3 &&
           (size_t)s.n * cuts_of(&s) >= 3;
}

int bnn_conv_mix_w_fits(const bnn_conv *s, const bnn_operand *x) {
    size_t image = (size_t)s->h * (size_t)s->w;
    /* What is multiplied into a table must be one factor for all it serves. */
    return bnn_conv_mix_w_pays(s) &&
           (x->scale == NULL || bnn_conv_is_pixel_wise(s) || x->rows_per_scale % image == 0);
}

static plan lay_out(const bnn_device *device, const bnn_mixed *mixed, const bnn_conv *given,
                    void *ws) {
    plan p = {.s = reshaped(given, mixed->row), .pixel_wise = bnn_conv_is_pixel_wise(given)};
    const bnn_conv *s = &p.s;
    p.groups = (size_t)s->groups, p.cuts = cuts_of(s);
    size_t ow = (size_t)s->ow, stride = (size_t)s->stride_w;
    own mine;
    p.cg = (size_t)s->c / p.groups, p.og = (size_t)s->o / p.groups;
    p.cols = (size_t)s->kh * (size_t)s->kw * p.cg;
    p.strips = (size_t)s->n * p.cuts, p.fours = bnn_ceil_div(p.strips, 4);
    p.strip_rows = (int)bnn_ceil_div((size_t)s->oh, p.cuts);
    p.rows = (size_t)((p.strip_rows - 1) * s->stride_h + (s->kh - 1) * s->dil_h + 1);
    p.width = bnn_ceil_div(ow, bnn_ceil_div(ow, mixed->row));
    p.at_once = bnn_min_size(bnn_ceil_div(mixed->row, p.width), p.fours);
    p.blocks = bnn_ceil_div(p.fours, p.at_once);
    p.words = bnn_ceil_div(bnn_ceil_div((size_t)s->w, stride) * p.at_once, 8);
    p.vectors = bnn_ceil_div(p.cg, mixed->lanes);
    /* An odd number: lines not all in one cache set. */
    p.line = bnn_ceil_div(p.width * p.at_once, mixed->filled) | 1;
    p.line *= mixed->filled * mixed->table;
    p.chunk = mixed->mr < CHUNK ? CHUNK : mixed->mr, p.chunks = bnn_ceil_div(p.og, p.chunk);
    p.term = bnn_min_size(p.chunk, p.og) * p.line, p.all = mixed->terms * p.term;
    /* Threads must not matter, so that only the shape decides on the cuts of the reduction. */
    p.splits = bnn_min_size(ITEMS / bnn_min_size(ITEMS, p.groups * p.chunks), p.blocks);
    size_t rows = p.groups * p.blocks * stride * p.rows;
    p.codes = bnn_take(ws, &p.used, rows * p.vectors * p.words * mixed->lanes * sizeof(uint32_t));
    if (p.splits > 1) {
        p.partial = bnn_take(ws, &p.used, p.splits * (size_t)s->o * p.cols * sizeof(float));
    }
    p.thread_bytes = thread_layout(&p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)device->threads * p.thread_bytes);
    return p;
}

size_t bnn_conv_mix_w_bytes(const bnn_device *device, const bnn_mixed *mixed, const bnn_conv *s) {
    return lay_out(device, mixed, s, NULL).used;
}

static size_t codes_at(const bnn_mixed *mixed, const plan *p, size_t group, size_t block,
                       size_t stream, size_t row) {
    size_t at = ((group * p->blocks + block) * (size_t)p->s.stride_w + stream) * p->rows + row;
    return at * p->vectors * p->words * mixed->lanes;
}

/* Where strip `strip` begins: an output row of an image. */
static int first_row(const plan *p, size_t strip, size_t *image) {
    *image = strip / p->cuts;
    return (int)(strip % p->cuts) * p->strip_rows;
}

/* Row `row` of what a strip sees as one of all images' rows, or -1: padding, or no strip. */
static ptrdiff_t input_row(const plan *p, size_t strip, size_t row) {
    const bnn_conv *s = &p->s;
    size_t image;
    int y = first_row(p, strip, &image) * s->stride_h - s->pad_h + (int)row;
    return strip < p->strips && y >= 0 && y < s->h ? (ptrdiff_t)image * s->h + y : -1;
}

static size_t fours_of(const plan *p, size_t block) {
    return bnn_min_size(p->at_once, p->fours - block * p->at_once);
}

/* One input row of a block, of a stream: its fours side by side, column by column. */
static void pack_codes(const bnn_mixed *mixed, const plan *p, const uint64_t *x, size_t group,
                       size_t block, size_t stream, size_t row) {
    const bnn_conv *s = &p->s;
    size_t words = bnn_words((size_t)s->c), w = (size_t)s->w, stride = (size_t)s->stride_w;
    uint32_t *codes = p->codes + codes_at(mixed, p, group, block, stream, row);
    const uint64_t *lines[4 * BNN_MIX_RUN];
    size_t strips = 4 * fours_of(p, block);
    for (size_t j = 0; j < strips; j++) {
        ptrdiff_t from = input_row(p, 4 * block * p->at_once + j, row);
        lines[j] = from < 0 ? NULL : x + (size_t)from * w * words;
    }
    for (size_t vector = 0; vector < p->vectors; vector++) {
        size_t channel = vector * mixed->lanes, n = bnn_min_size(mixed->lanes, p->cg - channel);
        size_t ix = stream, strip = 0, first = group * p->cg + channel;
        for (size_t word = 0; word < p->words; word++, codes += mixed->lanes) {
            uint32_t rows[32] = {0};
            for (size_t k = 0; k < 32 && ix < w; k++) {
                const uint64_t *line = lines[strip];
                rows[k] = line == NULL ? 0 : bnn_bits_at(line + ix * words, first, n);
                if (++strip == strips) {
                    strip = 0, ix += stride;
                }
            }
            mixed->codes(32, rows, codes);
        }
    }
}

/* What a row of a four still gives to quads: a value of each strip, times its factor. */
typedef struct source {
    const float *v[4];
    size_t seen[4];
    float factor[4];
} source;

static source source_of(const plan *p, const float *gy, const bnn_operand *x, const place *at,
                        size_t four) {
    const bnn_conv *s = &p->s;
    size_t area = (size_t)s->h * (size_t)s->w;
    source from = {{NULL}, {0}, {0}};
    for (size_t j = 0; j < 4; j++) {
        size_t strip = 4 * four + j, image;
        int y = first_row(p, strip, &image) + at->y;
        if (strip < p->strips && (at->members >> j & 1) != 0) {
            size_t row = (image * (size_t)s->oh + (size_t)y) * (size_t)s->ow + (size_t)at->x0;
            from.v[j] = gy + row * (size_t)s->o + at->channel;
            from.seen[j] = p->pixel_wise ? row : image * area;
            from.factor[j] = bnn_row_scale(x, from.seen[j]);
        }
    }
    return from;
}

/* The next pixel's quad. */
static void take_quad(const plan *p, const bnn_operand *x, source *from, const float *v[4],
                      float factor[4]) {
    size_t o = (size_t)p->s.o;
    for (size_t j = 0; j < 4; j++) {
        v[j] = from->v[j], factor[j] = from->factor[j];
        if (from->v[j] == NULL) {
            continue;
        }
        if (p->pixel_wise && x->scale != NULL) {
            factor[j] = bnn_row_scale(x, from->seen[j]++);
        }
        from->v[j] += o;
        __builtin_prefetch(from->v[j] + (size_t)p->s.ow * o); /* the next row's */
    }
}

/* The tables of a row of a block. */
static void build(const bnn_mixed *mixed, const plan *p, const float *gy, const bnn_operand *x,
                  const place *at, const own *mine) {
    source sources[BNN_MIX_RUN];
    const float *v[4 * BNN_MIX_FILLED];
    float factor[4 * BNN_MIX_FILLED] = {0};
    size_t quads = (size_t)(at->x1 - at->x0) * at->fours, four = 0;
    for (size_t i = 0; i < at->fours; i++) {
        sources[i] = source_of(p, gy, x, at, at->four + i);
    }
    for (size_t quad = 0; quad < quads; quad += mixed->filled) {
        for (size_t i = 0; i < mixed->filled; i++) {
            if (quad + i < quads) {
                take_quad(p, x, &sources[four], v + 4 * i, factor + 4 * i);
                four = four + 1 < at->fours ? four + 1 : 0;
            } else {
                memset(v + 4 * i, 0, 4 * sizeof *v);
            }
        }
        mixed->tables(at->count, v, 1, factor, mine->tables, p->line, quad, p->term);
    }
}

/* Filter column kx of a tile of channels from `row` on: adds to result[channel ..][cols]. */
static void look_up(const bnn_mixed *mixed, const plan *p, const place *at, size_t row, int kx,
                    const own *mine, float *result) {
    const bnn_conv *s = &p->s;
    /* Output pixel ox sees column (ox + ahead) of the stream. */
    int from = kx * s->dil_w - s->pad_w, stream = (from % s->stride_w + s->stride_w) % s->stride_w;
    int ahead = (from - stream) / s->stride_w;
    int columns = (s->w - stream + s->stride_w - 1) / s->stride_w;
    int first = at->x0 + ahead < 0 ? -ahead : at->x0;
    int last = at->x1 + ahead > columns ? columns - ahead : at->x1;
    if (first >= last) {
        return;
    }
    size_t vectors = (size_t)(at->hi - at->lo) * p->vectors;
    const uint32_t *codes =
        p->codes + codes_at(mixed, p, at->group, at->four / p->at_once, (size_t)stream, 0);
    static const ptrdiff_t delta = 0;
    const float *tables[BNN_MIX_ROWS];
    float *out[BNN_MIX_ROWS];
    bnn_mix m;
    m.taps = 1, m.words = p->words, m.tables = tables, m.delta = &delta, m.out = out, m.acc = 1;
    m.plane = p->term;
    m.quads = (size_t)(last - first) * at->fours;
    m.first = (size_t)(first - at->x0) * at->fours;
    m.skip = (size_t)(first + ahead) * at->fours;
    m.rows = bnn_min_size(mixed->mr, at->count - row);
    for (size_t r = 0; r < mixed->mr; r++) {
        size_t channel = bnn_min_size(row + r, at->count - 1);
        tables[r] = mine->tables + channel * p->line;
        out[r] = result + channel * p->cols;
    }
    int ky = at->lo;
    for (size_t left = vectors, vector = 0; left > 0; left -= m.vectors) {
        m.vectors = bnn_min_size(mixed->nv, left);
        for (size_t v = 0; v < m.vectors; v++) {
            size_t seen = (size_t)(at->y * s->stride_h + ky * s->dil_h);
            size_t column = vector * mixed->lanes;
            m.codes[v] = codes + (seen * p->vectors + vector) * p->words * mixed->lanes;
            m.column[v] = (size_t)(ky * s->kw + kx) * p->cg + column;
            m.lanes[v] = bnn_min_size(mixed->lanes, p->cg - column);
            if (++vector == p->vectors) {
                vector = 0, ky++;
            }
        }
        bnn_mix_sum(mixed, &m);
    }
}

/* Members of a four whose output row and what filter row ky sees of the input exist. Fours do not
 * differ in that. */
static unsigned members_at(const plan *p, int y, int ky) {
    unsigned members = 0;
    for (size_t j = 0; j < 4; j++) {
        size_t image, strip = p->cuts == 1 ? 0 : j, row = (size_t)(y * p->s.stride_h);
        int exists = first_row(p, strip, &image) + y < p->s.oh;
        row += (size_t)(ky * p->s.dil_h);
        members |= exists && input_row(p, strip, row) >= 0 ? 1u << j : 0;
    }
    return members;
}

/* Filter rows at->lo .. at->hi of an output row. */
static void filter_rows(const bnn_mixed *mixed, const plan *p, const float *gy,
                        const bnn_operand *x, place at, const own *mine, float *result) {
    for (at.x0 = 0; at.x0 < p->s.ow; at.x0 = at.x1) {
        at.x1 = (int)bnn_min_size((size_t)at.x0 + p->width, (size_t)p->s.ow);
        build(mixed, p, gy, x, &at, mine);
        for (size_t row = 0; row < at.count; row += mixed->mr) {
            for (int kx = 0; kx < p->s.kw; kx++) { /* a tile's tables stay in L1 */
                look_up(mixed, p, &at, row, kx, mine, result);
            }
        }
    }
}

/* The channels of `at` over one slice of the reduction; adds to result. */
static void slice(const bnn_mixed *mixed, const plan *p, const float *gy, const bnn_operand *x,
                  size_t split, place at, const own *mine, float *result) {
    size_t from = p->blocks * split / p->splits, to = p->blocks * (split + 1) / p->splits;
    for (size_t block = from; block < to; block++) {
        at.four = block * p->at_once, at.fours = fours_of(p, block);
        for (at.y = 0; at.y < p->strip_rows; at.y++) {
            for (at.lo = 0; at.lo < p->s.kh; at.lo = at.hi) {
                at.members = members_at(p, at.y, at.lo), at.hi = at.lo + 1;
                while (at.hi < p->s.kh && members_at(p, at.y, at.hi) == at.members) {
                    at.hi++;
                }
                if (at.members != 0) {
                    filter_rows(mixed, p, gy, x, at, mine, result);
                }
            }
        }
    }
}

static void item(const bnn_mixed *mixed, const plan *p, const float *gy, const bnn_operand *x,
                 size_t i, const own *mine, float *gw, int acc) {
    size_t split = i % p->splits, chunk = i / p->splits % p->chunks;
    place at = {.group = i / p->splits / p->chunks};
    at.channel = at.group * p->og + chunk * p->chunk;
    at.count = bnn_min_size(p->chunk, p->og - chunk * p->chunk);
    float *result = p->splits > 1 ? p->partial + split * (size_t)p->s.o * p->cols : gw;
    result += at.channel * p->cols;
    if (p->splits > 1 || !acc) {
        memset(result, 0, at.count * p->cols * sizeof(float));
    }
    slice(mixed, p, gy, x, split, at, mine, result);
}

typedef struct product {
    const bnn_mixed *mixed;
    const plan *p;
    const float *gy;
    const bnn_operand *x;
    float *gw;
    int acc;
    bnn_queue *items;
} product;

static void multiply(const void *job, bnn_member me) {
    const product *j = job;
    const plan *p = j->p;
    size_t rows = p->rows, streams = (size_t)p->s.stride_w;
    own mine;
    size_t first, last;
    thread_layout(p, p->threads + p->thread_bytes * me.thread, &mine);
    bnn_share(me, p->groups * p->blocks * streams * rows, &first, &last);
    for (size_t i = first; i < last; i++) {
        size_t block = i / rows / streams;
        pack_codes(j->mixed, p, j->x->b1, block / p->blocks, block % p->blocks, i / rows % streams,
                   i % rows);
    }
    bnn_wait_for_all(me);
    bnn_call(j->mixed->enter);
    while (bnn_next_run(j->items, me, &first, &last)) {
        for (size_t i = first; i < last; i++) {
            item(j->mixed, p, j->gy, j->x, i, &mine, j->gw, j->acc);
        }
    }
    bnn_call(j->mixed->leave);
    if (p->splits > 1) {
        bnn_wait_for_all(me);
        bnn_add_splits(me, p->splits, (size_t)p->s.o * p->cols, p->partial, j->gw, j->acc);
    }
}

void bnn_conv_mix_w(const bnn_device *device, const bnn_mixed *mixed, const bnn_conv *s,
                    const float *gy, const bnn_operand *x, float *gw, int acc, void *ws) {
    plan p = lay_out(device, mixed, s, ws);
    bnn_queue items = {.total = p.groups * p.chunks * p.splits};
    product job = {mixed, &p, gy, x, gw, acc, &items};
    bnn_together(device, bnn_conv_macs(s) / BNN_F32_MACS, multiply, &job);
}
