/* gw = gy^T x with the inputs as bits: the mixed product, reduced over output pixels. Four
 * neighbouring pixels of a row of gy are a table, for each channel of gy; codes are the inputs'
 * bits at those pixels, shifted by the filter's column, and serve every filter row. Output rows are
 * taken one at a time across a block of images: then one set of filter rows is valid for all of
 * them. Where the filter's column looks beside the image a float of the table is zero; these few
 * tables are built again for the columns that differ. The inputs' factors are multiplied into gy.
 */
#include "cpu/conv.h"

#define BLOCK_QUADS 32 /* of a row across images: tables of one tile stay in L1 */
#define CHUNK 64       /* channels of gy that one item of work takes */

typedef struct plan {
    bnn_conv s; /* as given, or a pixel-wise product in rows that fill quads */
    size_t groups, cg, og, cols;
    size_t row_quads, images, blocks, words, vectors, line; /* line: of a channel's tables */
    size_t chunks, splits;
    uint8_t *valid; /* [kw][row_quads]: which of the four pixels see the image */
    float *zeros;   /* a pixel of gy */
    float *partial; /* [splits][o][cols], if splits > 1 */
    char *threads;
    size_t thread_bytes, used;
} plan;

typedef struct own {
    uint32_t *codes; /* [kw][h][vectors][words][lanes] */
    float *tables;   /* [CHUNK, or fewer, rounded up][line] */
} own;

static size_t thread_layout(const bnn_mixed *mixed, const plan *p, void *base, own *mine) {
    size_t used = 0, rows = (size_t)p->s.kw * (size_t)p->s.h;
    mine->codes =
        bnn_take(base, &used, rows * p->vectors * p->words * mixed->lanes * sizeof(uint32_t));
    mine->tables = bnn_take(base, &used, bnn_min_size(CHUNK, p->og) * p->line * sizeof(float));
    return used;
}

/* A pixel-wise product does not care which pixels form a row: the longest power of two in an image,
 * or, of single pixels, in the batch. */
static bnn_conv reshaped(const bnn_conv *s) {
    bnn_conv r = *s;
    int pointwise = s->kh == 1 && s->kw == 1 && s->pad_h == 0 && s->pad_w == 0;
    if (pointwise && s->stride_h == 1 && s->stride_w == 1) {
        int64_t pixels = (int64_t)s->h * s->w, all = pixels * s->n, w = 1;
        pixels = pixels == 1 ? all : pixels;
        while (w < 128 && pixels % (2 * w) == 0) {
            w *= 2;
        }
        if (w >= 4) {
            r.n = (int)(all / w), r.h = r.oh = 1, r.w = r.ow = (int)w;
        }
    }
    return r;
}

int bnn_conv_mix_w_pays(const bnn_conv *s) {
    bnn_conv r = reshaped(s);
    return r.c / r.groups >= 8 && r.o / r.groups >= 3 && r.ow >= 3;
}

int bnn_conv_mix_w_fits(const bnn_conv *s, const bnn_operand *x) {
    size_t w = (size_t)reshaped(s).w, image = (size_t)s->h * (size_t)s->w;
    /* What is multiplied into a table must be one factor for all it serves. */
    size_t shared = image == 1 ? w : image;
    return bnn_conv_mix_w_pays(s) && (x->scale == NULL || x->rows_per_scale % shared == 0);
}

static plan lay_out(const bnn_mixed *mixed, const bnn_conv *given, void *ws) {
    plan p = {.s = reshaped(given), .groups = (size_t)given->groups};
    const bnn_conv *s = &p.s;
    own mine;
    p.cg = (size_t)s->c / p.groups, p.og = (size_t)s->o / p.groups;
    p.cols = (size_t)s->kh * (size_t)s->kw * p.cg;
    p.row_quads = bnn_ceil_div((size_t)s->ow, 4);
    p.images = bnn_min_size(bnn_ceil_div(BLOCK_QUADS, p.row_quads), (size_t)s->n);
    p.blocks = bnn_ceil_div((size_t)s->n, p.images);
    p.words = bnn_ceil_div(p.images * p.row_quads, 8);
    p.vectors = bnn_ceil_div(p.cg, mixed->lanes);
    p.line = (p.images * p.row_quads + 1) * mixed->table; /* + 1: lines not all in one cache set */
    p.chunks = bnn_ceil_div(p.og, CHUNK);
    /* Threads must not matter, so that only the shape decides on the cuts of the reduction. */
    p.splits = bnn_min_size(16 / bnn_min_size(16, p.groups * p.chunks), p.blocks);
    p.splits = p.splits < 1 ? 1 : p.splits;
    p.valid = bnn_take(ws, &p.used, (size_t)s->kw * p.row_quads);
    p.zeros = bnn_take(ws, &p.used, (size_t)s->o * sizeof(float));
    if (p.splits > 1) {
        p.partial = bnn_take(ws, &p.used, p.splits * (size_t)s->o * p.cols * sizeof(float));
    }
    p.thread_bytes = thread_layout(mixed, &p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)omp_get_max_threads() * p.thread_bytes);
    return p;
}

size_t bnn_conv_mix_w_bytes(const bnn_mixed *mixed, const bnn_conv *s) {
    return lay_out(mixed, s, NULL).used;
}

static void mark_valid(const plan *p) {
    const bnn_conv *s = &p->s;
    memset(p->valid, 0, (size_t)s->kw * p->row_quads);
    for (int kx = 0; kx < s->kw; kx++) {
        for (int ox = 0; ox < s->ow; ox++) {
            int ix = ox * s->stride_w - s->pad_w + kx * s->dil_w;
            uint8_t *quad = p->valid + (size_t)kx * p->row_quads + (size_t)ox / 4;
            *quad = (uint8_t)(*quad | (ix >= 0 && ix < s->w) << ox % 4);
        }
    }
}

/* The codes of a filter column from those of another whose pixels lie `ahead` to the left: the same
 * bits, moved. What comes from beside an image meets a zero float. */
static void shift_codes(size_t words, size_t lanes, int ahead, const uint32_t *from, uint32_t *to) {
    size_t shift = (size_t)(ahead < 0 ? -ahead : ahead), whole = shift / 32, part = shift % 32;
    for (size_t i = 0; i < words; i++, to += lanes) {
        size_t near = ahead < 0 ? i - whole : i + whole, far = ahead < 0 ? near - 1 : near + 1;
        for (size_t lane = 0; lane < lanes; lane++) {
            /* Indices that fell below zero are huge. */
            uint64_t a = near < words ? from[near * lanes + lane] : 0;
            uint64_t b = far < words ? from[far * lanes + lane] : 0;
            uint64_t moved = ahead < 0 ? (a << 32 | b) << part >> 32 : (b << 32 | a) >> part;
            to[lane] = (uint32_t)moved;
        }
    }
}

/* One input row of all the block's images, for the pixels ox * step + start. */
static void pack_row(const bnn_mixed *mixed, const plan *p, const uint64_t *x, size_t group,
                     size_t vector, size_t image, size_t images, int y, int step, int start,
                     uint32_t *codes) {
    const bnn_conv *s = &p->s;
    size_t words = bnn_words((size_t)s->c), first = group * p->cg + vector * mixed->lanes;
    size_t n = bnn_min_size(mixed->lanes, p->cg - vector * mixed->lanes);
    uint32_t rows[32];
    size_t filled = 0;
    for (size_t i = 0; i < images; i++) {
        const uint64_t *line = x + ((image + i) * (size_t)s->h + (size_t)y) * (size_t)s->w * words;
        int ix = start;
        for (size_t ox = 0; ox < 4 * p->row_quads; ox++, ix += step) {
            int inside = ix >= 0 && ix < s->w;
            rows[filled++] = inside ? bnn_bits_at(line + (size_t)ix * words, first, n) : 0;
            if (filled == 32) {
                mixed->codes(32, rows, codes);
                codes += mixed->lanes;
                filled = 0;
            }
        }
    }
    if (filled > 0) {
        mixed->codes(filled, rows, codes);
    }
}

static void pack_codes(const bnn_mixed *mixed, const plan *p, const uint64_t *x, size_t group,
                       size_t image, size_t images, const own *mine) {
    const bnn_conv *s = &p->s;
    size_t row = p->words * mixed->lanes, column = (size_t)s->h * p->vectors * row;
    /* The middle column is packed and the others moved, if a row of gy can hold a row of x. */
    int moves = s->stride_w == 1 && (size_t)s->w <= 4 * p->row_quads;
    for (int y = 0; y < s->h; y++) {
        for (size_t vector = 0; vector < p->vectors; vector++) {
            uint32_t *to = mine->codes + ((size_t)y * p->vectors + vector) * row;
            uint32_t *middle = to + (size_t)(s->kw / 2) * column;
            int start = -s->pad_w + s->kw / 2 * s->dil_w;
            if (moves && start == 0) {
                pack_row(mixed, p, x, group, vector, image, images, y, 1, 0, middle);
            }
            for (int kx = 0; kx < s->kw; kx++, to += column) {
                int here = -s->pad_w + kx * s->dil_w;
                if (!moves || start != 0) {
                    pack_row(mixed, p, x, group, vector, image, images, y, s->stride_w, here, to);
                } else if (to != middle) {
                    shift_codes(p->words, mixed->lanes, here, middle, to);
                }
            }
        }
    }
}

/* The tables of row y for filter column kx: all of them, or those that differ from what stands
 * there for column kx - 1. */
static void build(const bnn_mixed *mixed, const plan *p, const float *gy, const bnn_operand *x,
                  size_t channel, size_t count, size_t image, size_t images, int y, int kx, int all,
                  const own *mine) {
    const bnn_conv *s = &p->s;
    const uint8_t *valid = p->valid + (size_t)kx * p->row_quads, *before = valid - p->row_quads;
    size_t o = (size_t)s->o, ow = (size_t)s->ow, area = (size_t)s->h * (size_t)s->w;
    for (size_t i = 0; i < images; i++) {
        const float *row = gy + ((image + i) * (size_t)s->oh + (size_t)y) * ow * o + channel;
        float factor = bnn_row_scale(x, (image + i) * area);
        for (size_t q = 0; q < p->row_quads; q++) {
            if (!all && valid[q] == before[q]) {
                continue;
            }
            const float *v[4];
            for (size_t j = 0; j < 4; j++) {
                v[j] = valid[q] >> j & 1 ? row + (4 * q + j) * o : p->zeros;
            }
            mixed->tables(count, v, 1, factor, mine->tables + (i * p->row_quads + q) * mixed->table,
                          p->line);
        }
    }
}

/* Filter column kx and the filter rows [lo, hi), which see input rows: adds one row of gy to
 * result[channel ..][cols]. */
static void look_up(const bnn_mixed *mixed, const plan *p, size_t count, size_t images, int y,
                    int kx, int lo, int hi, const own *mine, float *result) {
    const bnn_conv *s = &p->s;
    size_t vectors = (size_t)(hi - lo) * p->vectors, chunks = bnn_ceil_div(vectors, mixed->nv);
    size_t row = p->words * mixed->lanes;
    int first_row = y * s->stride_h - s->pad_h;
    for (size_t at = 0; at < count; at += mixed->mr) {
        const float *tables[16];
        float *out[16];
        bnn_mix m = {.taps = 1, .quads = images * p->row_quads, .tables = tables, .out = out};
        m.rows = bnn_min_size(mixed->mr, count - at), m.acc = 1;
        for (size_t r = 0; r < mixed->mr; r++) {
            size_t channel = bnn_min_size(at + r, count - 1);
            tables[r] = mine->tables + channel * p->line;
            out[r] = result + channel * p->cols;
        }
        for (size_t chunk = 0; chunk < chunks; chunk++) {
            size_t first = vectors * chunk / chunks, last = vectors * (chunk + 1) / chunks;
            m.vectors = last - first;
            for (size_t v = first; v < last; v++) {
                int ky = lo + (int)(v / p->vectors), iy = first_row + ky * s->dil_h;
                size_t vector = v % p->vectors, tap = (size_t)(ky * s->kw + kx);
                size_t line = (size_t)(kx * s->h + iy) * p->vectors + vector;
                m.codes[v - first] = mine->codes + line * row;
                m.column[v - first] = tap * p->cg + vector * mixed->lanes;
                m.lanes[v - first] = bnn_min_size(mixed->lanes, p->cg - vector * mixed->lanes);
            }
            mixed->tile(&m);
        }
    }
}

/* One chunk of channels over one piece of the reduction; adds to result. */
static void piece(const bnn_mixed *mixed, const plan *p, const float *gy, const bnn_operand *x,
                  size_t group, size_t chunk, size_t split, const own *mine, float *result) {
    const bnn_conv *s = &p->s;
    size_t channel = group * p->og + chunk * CHUNK;
    size_t count = bnn_min_size(CHUNK, p->og - chunk * CHUNK);
    size_t from = p->blocks * split / p->splits, to = p->blocks * (split + 1) / p->splits;
    for (size_t block = from; block < to; block++) {
        size_t image = block * p->images, images = bnn_min_size(p->images, (size_t)s->n - image);
        pack_codes(mixed, p, x->b1, group, image, images, mine);
        for (int y = 0; y < s->oh; y++) {
            int top = y * s->stride_h - s->pad_h, lo = 0, hi = s->kh;
            while (lo < hi && top + lo * s->dil_h < 0) {
                lo++;
            }
            while (hi > lo && top + (hi - 1) * s->dil_h >= s->h) {
                hi--;
            }
            for (int kx = 0; lo < hi && kx < s->kw; kx++) {
                build(mixed, p, gy, x, channel, count, image, images, y, kx, kx == 0, mine);
                look_up(mixed, p, count, images, y, kx, lo, hi, mine, result);
            }
        }
    }
}

void bnn_conv_mix_w(const bnn_mixed *mixed, const bnn_conv *s, const float *gy,
                    const bnn_operand *x, float *gw, int acc, void *ws) {
    plan p = lay_out(mixed, s, ws);
    size_t whole = (size_t)s->o * p.cols;
    mark_valid(&p);
    memset(p.zeros, 0, (size_t)s->o * sizeof(float));
#pragma omp parallel
    {
        own mine;
        size_t first, last;
        thread_layout(mixed, &p, p.threads + p.thread_bytes * (size_t)omp_get_thread_num(), &mine);
        bnn_share(p.groups * p.chunks * p.splits, &first, &last);
        for (size_t item = first; item < last; item++) {
            size_t split = item % p.splits, chunk = item / p.splits % p.chunks;
            size_t group = item / p.splits / p.chunks, o = group * p.og + chunk * CHUNK;
            float *result = (p.splits > 1 ? p.partial + split * whole : gw) + o * p.cols;
            if (p.splits > 1 || !acc) {
                size_t count = bnn_min_size(CHUNK, p.og - chunk * CHUNK);
                memset(result, 0, count * p.cols * sizeof(float));
            }
            piece(mixed, &p, gy, x, group, chunk, split, &mine, result);
        }
        if (p.splits > 1) {
#pragma omp barrier
            bnn_share(whole, &first, &last);
            for (size_t i = first; i < last; i++) {
                float sum = p.partial[i];
                for (size_t split = 1; split < p.splits; split++) {
                    sum += p.partial[split * whole + i];
                }
                gw[i] = acc ? gw[i] + sum : sum;
            }
        }
    }
}
