/* gx = gy w^T with the filters as bits: the mixed product. gy becomes tables, four channels each,
 * once for a block of pixels, and all taps and all filters look up in them; the filters' scales are
 * multiplied into gy before. A tap on padding reads tables of zeros. Of a strided
 * convolution one block serves all phases (conv_f32.c says what they are). A result is one sum in
 * one order, whatever the blocks. */
#include "cpu/conv.h"

#define BLOCK_FLOATS 65536 /* of tables, unless a few rows need more: they stay in L2 */

/* The result pixels of one phase: (out_y + i*stride, out_x + j*stride), i < gh, j < gw. Tap k of an
 * axis reads gy at i + off[k] and is the filter's tap tap[k]. */
typedef struct phase {
    int out_y, out_x, gh, gw, th, tw;
    int *off_h, *off_w, *tap_h, *tap_w;
    size_t codes; /* where its codes begin: [groups][vectors][taps][words][lanes] */
} phase;

typedef struct plan {
    size_t groups, cg, og, quads, words, vectors, pixel; /* pixel: floats of its tables */
    uint32_t *codes;                                     /* of all phases */
    float *zeros;
    phase *phases;
    int *off;   /* the phases' off_h, tap_h, off_w, tap_w */
    int lo, hi; /* least and greatest off_h of all */
    char *threads;
    size_t thread_bytes, used;
    size_t images, rows; /* of gy in a block: whole images, or rows of one if that is too much */
} plan;

typedef struct own {
    float *tables;    /* [images * rows][ow][quads][table] */
    float *scaled;    /* [quads * 4] */
    const float **a;  /* [taps][mr] */
    ptrdiff_t *delta; /* [taps] */
    int first, last;  /* rows of gy that the block has */
    size_t image;     /* its first image */
} own;

/* Result pixels with top <= i < bottom and left <= j < right have all taps inside. */
typedef struct margins {
    int top, bottom, left, right;
} margins;

static size_t thread_layout(const bnn_mixed *mixed, const bnn_conv *s, const plan *p, void *base,
                            own *mine) {
    size_t used = 0, taps = (size_t)s->kh * (size_t)s->kw;
    size_t pixels = p->images * p->rows * (size_t)s->ow;
    mine->tables = bnn_take(base, &used, pixels * p->pixel * sizeof(float));
    mine->scaled = bnn_take(base, &used, p->quads * 4 * sizeof(float));
    mine->a = bnn_take(base, &used, taps * mixed->mr * sizeof(float *));
    mine->delta = bnn_take(base, &used, taps * sizeof(ptrdiff_t));
    return used;
}

static plan lay_out(const bnn_mixed *mixed, const bnn_conv *s, void *ws) {
    plan p = {.groups = (size_t)s->groups};
    size_t taps = (size_t)s->kh * (size_t)s->kw, oh = (size_t)s->oh, ow = (size_t)s->ow;
    own mine;
    p.cg = (size_t)s->c / p.groups, p.og = (size_t)s->o / p.groups;
    p.quads = bnn_ceil_div(p.og, 4);
    p.words = bnn_ceil_div(p.quads, 8);
    p.vectors = bnn_ceil_div(p.cg, mixed->lanes);
    p.pixel = p.quads * mixed->table;
    size_t image = oh * ow * p.pixel;
    /* Images of a single pixel still fill tiles; more than a few tiles are no gain. */
    size_t most = bnn_ceil_div(8 * mixed->mr, oh * ow);
    p.images = bnn_min_size(BLOCK_FLOATS / bnn_min_size(image, BLOCK_FLOATS), most);
    p.images = bnn_min_size(p.images, (size_t)s->n);
    p.rows = oh;
    if (image > BLOCK_FLOATS) {
        size_t span = ((size_t)s->kh - 1) * (size_t)s->dil_h + 1,
               rows = BLOCK_FLOATS / (ow * p.pixel);
        p.rows = bnn_min_size(oh, rows < 3 * span ? 3 * span : rows);
    }
    p.codes = bnn_take(ws, &p.used,
                       p.groups * p.vectors * taps * p.words * mixed->lanes * sizeof(uint32_t));
    p.phases = bnn_take(ws, &p.used, (size_t)s->stride_h * (size_t)s->stride_w * sizeof(phase));
    p.zeros = bnn_take(ws, &p.used, p.pixel * sizeof(float));
    p.off = bnn_take(ws, &p.used, 2 * ((size_t)s->kh + (size_t)s->kw) * sizeof(int));
    p.thread_bytes = thread_layout(mixed, s, &p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)omp_get_max_threads() * p.thread_bytes);
    return p;
}

size_t bnn_conv_mix_x_bytes(const bnn_mixed *mixed, const bnn_conv *s) {
    return lay_out(mixed, s, NULL).used;
}

/* Vector `vector` of a group: a word of codes holds one bit of each of 32 filters. */
static void pack_codes(const bnn_mixed *mixed, const bnn_conv *s, const plan *p, const phase *g,
                       const uint64_t *w, size_t group, size_t vector) {
    size_t taps = (size_t)s->kh * (size_t)s->kw, words = bnn_words(p->cg);
    size_t channel = vector * mixed->lanes, n = bnn_min_size(mixed->lanes, p->cg - channel);
    size_t per_vector = (size_t)(g->th * g->tw) * p->words * mixed->lanes;
    uint32_t *codes = p->codes + g->codes + (group * p->vectors + vector) * per_vector;
    for (int t = 0; t < g->th * g->tw; t++) {
        size_t tap = (size_t)g->tap_h[t / g->tw] * (size_t)s->kw + (size_t)g->tap_w[t % g->tw];
        for (size_t o = 0; o < p->og; o += 32, codes += mixed->lanes) {
            uint32_t rows[32];
            size_t here = bnn_min_size(32, p->og - o);
            for (size_t j = 0; j < here; j++) {
                size_t row = (group * p->og + o + j) * taps + tap;
                rows[j] = bnn_bits_at(w + row * words, channel, n);
            }
            mixed->codes(here, rows, codes);
        }
    }
}

/* The tables of gy's rows [first, last) of `images` images. */
static void build(const bnn_mixed *mixed, const bnn_conv *s, const plan *p, const float *gy,
                  const bnn_operand *w, size_t group, size_t images, const own *mine) {
    size_t ow = (size_t)s->ow, o = (size_t)s->o,
           per_image = (size_t)(mine->last - mine->first) * ow;
    size_t taps = (size_t)s->kh * (size_t)s->kw, first_row = group * p->og * taps;
    const float *const v[4] = {mine->scaled, mine->scaled + 1, mine->scaled + 2, mine->scaled + 3};
    memset(mine->scaled, 0, p->quads * 4 * sizeof(float));
    for (size_t i = 0; i < images; i++) {
        size_t at = ((mine->image + i) * (size_t)s->oh + (size_t)mine->first) * ow;
        const float *from = gy + at * o + group * p->og;
        float *to = mine->tables + i * per_image * p->pixel;
        for (size_t pixel = 0; pixel < per_image; pixel++, from += o, to += p->pixel) {
            if (w->scale == NULL) {
                memcpy(mine->scaled, from, p->og * sizeof(float));
            } else if (w->rows_per_scale == taps) {
                const float *scale = w->scale + group * p->og;
                for (size_t j = 0; j < p->og; j++) {
                    mine->scaled[j] = from[j] * scale[j];
                }
            } else {
                for (size_t j = 0; j < p->og; j++) {
                    mine->scaled[j] = from[j] * bnn_row_scale(w, first_row + j * taps);
                }
            }
            mixed->tables(p->quads, v, 4, 1.0f, to, mixed->table);
        }
    }
}

static void extent(int taps, const int *off, int *lo, int *hi) {
    *lo = *hi = off[0];
    for (int k = 1; k < taps; k++) {
        *lo = off[k] < *lo ? off[k] : *lo;
        *hi = off[k] > *hi ? off[k] : *hi;
    }
}

/* How far from a result pixel's own place its taps' tables lie, and how far a pixel must keep from
 * the border to have all taps inside. */
static void measure(const bnn_conv *s, const plan *p, const phase *g, const own *mine,
                    margins *inner) {
    ptrdiff_t *delta = mine->delta;
    for (int ky = 0; ky < g->th; ky++) {
        for (int kx = 0; kx < g->tw; kx++) {
            *delta++ = ((ptrdiff_t)g->off_h[ky] * s->ow + g->off_w[kx]) * (ptrdiff_t)p->pixel;
        }
    }
    extent(g->th, g->off_h, &inner->top, &inner->bottom);
    extent(g->tw, g->off_w, &inner->left, &inner->right);
    inner->top = -inner->top, inner->bottom = s->oh - inner->bottom;
    inner->left = -inner->left, inner->right = s->ow - inner->right;
}

/* Where the tables of result pixel (image, i, j) of the phase lie, for row `row` of a tile. */
static void point(const bnn_mixed *mixed, const bnn_conv *s, const plan *p, const phase *g,
                  const margins *inner, size_t image, int i, int j, size_t row, const own *mine) {
    const float **a = mine->a + row;
    size_t first = image * (size_t)(mine->last - mine->first);
    if (i >= inner->top && i < inner->bottom && j >= inner->left && j < inner->right) {
        ptrdiff_t line = (ptrdiff_t)first + i - mine->first;
        ptrdiff_t place = (line * s->ow + j) * (ptrdiff_t)p->pixel;
        size_t taps = (size_t)g->th * (size_t)g->tw;
        for (size_t t = 0; t < taps; t++) {
            a[t * mixed->mr] = mine->tables + (place + mine->delta[t]);
        }
        return;
    }
    for (int ky = 0; ky < g->th; ky++) {
        int y = i + g->off_h[ky], inside = y >= 0 && y < s->oh;
        size_t at = inside ? (first + (size_t)(y - mine->first)) * (size_t)s->ow : 0;
        for (int kx = 0; kx < g->tw; kx++, a += mixed->mr) {
            int x = j + g->off_w[kx];
            *a = inside && x >= 0 && x < s->ow ? mine->tables + (at + (size_t)x) * p->pixel
                                               : p->zeros;
        }
    }
}

/* Result rows [i0, i1) of `images` images of the phase. */
static void look_up(const bnn_mixed *mixed, const bnn_conv *s, const plan *p, const phase *g,
                    size_t group, size_t images, int i0, int i1, const own *mine, float *gx,
                    int acc) {
    size_t taps = (size_t)g->th * (size_t)g->tw, c = (size_t)s->c;
    size_t per_vector = taps * p->words * mixed->lanes;
    size_t pixels = images * (size_t)(i1 - i0) * (size_t)g->gw;
    size_t chunks = bnn_ceil_div(p->vectors, mixed->nv), image = 0;
    int i = i0, j = 0;
    margins inner;
    measure(s, p, g, mine, &inner);
    for (size_t at = 0; at < pixels; at += mixed->mr) {
        float *out[16];
        bnn_mix m = {.taps = taps, .quads = p->quads, .tables = mine->a, .out = out, .acc = acc};
        m.rows = bnn_min_size(mixed->mr, pixels - at);
        for (size_t r = 0; r < mixed->mr; r++) {
            if (r >= m.rows) { /* any tables will do */
                for (size_t t = 0; t < taps; t++) {
                    mine->a[t * mixed->mr + r] = p->zeros;
                }
                continue;
            }
            point(mixed, s, p, g, &inner, image, i, j, r, mine);
            size_t y = (mine->image + image) * (size_t)s->h + (size_t)(g->out_y + i * s->stride_h);
            size_t pixel = y * (size_t)s->w + (size_t)(g->out_x + j * s->stride_w);
            out[r] = gx + pixel * c + group * p->cg;
            if (++j == g->gw) {
                j = 0;
                if (++i == i1) {
                    i = i0;
                    image++;
                }
            }
        }
        for (size_t chunk = 0; chunk < chunks; chunk++) {
            size_t first = p->vectors * chunk / chunks, last = p->vectors * (chunk + 1) / chunks;
            m.vectors = last - first;
            for (size_t v = first; v < last; v++) {
                m.codes[v - first] = p->codes + g->codes + (group * p->vectors + v) * per_vector;
                m.column[v - first] = v * mixed->lanes;
                m.lanes[v - first] = bnn_min_size(mixed->lanes, p->cg - v * mixed->lanes);
            }
            mixed->tile(&m);
        }
    }
}

static int clip(int v, int most) {
    return v < 0 ? 0 : v > most ? most : v;
}

/* Fills in all phases; `per_tap` is the words of codes a tap of a vector takes. */
static void find_phases(const bnn_conv *s, const plan *p, size_t per_tap) {
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
            g->gh = y < s->h ? (s->h - y + s->stride_h - 1) / s->stride_h : 0;
            g->gw = x < s->w ? (s->w - x + s->stride_w - 1) / s->stride_w : 0;
            g->off_h = off_h + taps_h, g->tap_h = tap_h + taps_h;
            g->off_w = off_w, g->tap_w = tap_w, g->th = th;
            g->tw = bnn_phase_taps(x, s->kw, s->stride_w, s->pad_w, s->dil_w, off_w, tap_w);
            g->codes = codes;
            codes += p->groups * p->vectors * (size_t)(g->th * g->tw) * per_tap;
            off_w += g->tw, tap_w += g->tw;
        }
        taps_h += th;
    }
}

/* The result pixels of a phase that no tap reaches, in rows [i0, i1) of the block's images. */
static void zero_pixels(const bnn_conv *s, const phase *g, size_t image, size_t images, int i0,
                        int i1, size_t first, size_t count, float *gx) {
    for (size_t n = image; n < image + images; n++) {
        for (int i = i0; i < i1; i++) {
            size_t row = n * (size_t)s->h + (size_t)(g->out_y + i * s->stride_h);
            for (int j = 0; j < g->gw; j++) {
                size_t pixel = row * (size_t)s->w + (size_t)(g->out_x + j * s->stride_w);
                memset(gx + pixel * (size_t)s->c + first, 0, count * sizeof(float));
            }
        }
    }
}

/* All result pixels whose rows within their phase are [i0, i1). */
static void block_of(const bnn_mixed *mixed, const bnn_conv *s, const plan *p, const float *gy,
                     const bnn_operand *w, size_t group, int i0, int i1, own *mine, float *gx,
                     int acc) {
    size_t images = bnn_min_size(p->images, (size_t)s->n - mine->image);
    mine->first = clip(i0 + p->lo, s->oh);
    mine->last = clip(i1 + p->hi, s->oh);
    build(mixed, s, p, gy, w, group, images, mine);
    for (const phase *g = p->phases; g < p->phases + s->stride_h * s->stride_w; g++) {
        int end = clip(i1, g->gh);
        if (i0 >= end || g->gw == 0) {
            continue;
        }
        if (g->th * g->tw > 0) {
            look_up(mixed, s, p, g, group, images, i0, end, mine, gx, acc);
        } else if (!acc) {
            zero_pixels(s, g, mine->image, images, i0, end, group * p->cg, p->cg, gx);
        }
    }
}

void bnn_conv_mix_x(const bnn_mixed *mixed, const bnn_conv *s, const float *gy,
                    const bnn_operand *w, float *gx, int acc, void *ws) {
    plan p = lay_out(mixed, s, ws);
    size_t phases = (size_t)s->stride_h * (size_t)s->stride_w, per_group = phases * p.vectors;
    int grid_rows = (s->h + s->stride_h - 1) / s->stride_h;
    memset(p.zeros, 0, p.pixel * sizeof(float));
    find_phases(s, &p, p.words * mixed->lanes);
    extent(s->kh, p.off, &p.lo, &p.hi);
    /* As many result rows as the rows of gy that fit have all taps of. */
    int strip = p.rows == (size_t)s->oh ? grid_rows : (int)p.rows - (p.hi - p.lo);
    size_t strips = bnn_ceil_div((size_t)grid_rows, (size_t)strip);
    size_t blocks = bnn_ceil_div((size_t)s->n, p.images) * strips;
#pragma omp parallel
    {
        own mine;
        size_t first, last;
        thread_layout(mixed, s, &p, p.threads + p.thread_bytes * (size_t)omp_get_thread_num(),
                      &mine);
        bnn_share(p.groups * per_group, &first, &last);
        for (size_t item = first; item < last; item++) {
            pack_codes(mixed, s, &p, p.phases + item % phases, w->b1, item / per_group,
                       item / phases % p.vectors);
        }
#pragma omp barrier
        bnn_share(p.groups * blocks, &first, &last);
        for (size_t item = first; item < last; item++) {
            size_t block = item % blocks;
            int i0 = (int)(block % strips) * strip;
            mine.image = block / strips * p.images;
            block_of(mixed, s, &p, gy, w, item / blocks, i0, clip(i0 + strip, grid_rows), &mine, gx,
                     acc);
        }
    }
}
