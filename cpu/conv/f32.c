/* The float products y = x w and gx = gy w^T as implicit GEMM over indirection (as in XNNPACK): the
 * activations are not copied; a tile gets, for each tap, pointers to its pixels' channel runs, or
 * to a row of zeros where the tap falls on padding. Both products are the same walk over a grid of
 * result pixels. The gradient of a strided convolution is walked phase by phase (pixel mod stride):
 * in one phase the same taps hit every pixel, and no product with an inserted zero is computed.
 * Filters are packed a slice at a time, just before a block of pixels uses the slice out of L1: a
 * block is large enough for that to cost next to nothing, and no packed copy goes through memory;
 * but with few pixels it would cost, so inference, whose filters stay, packs them once. */
#include "cpu/conv/conv.h"

/* Result pixels of a block; a multiple of every tile's height. */
#define BLOCK 264

/* The most products that one register adds up before the sum goes to the result: a slice of a panel
 * of this length stays in L1, and a sum of floats loses about a bit each time it grows fourfold. */
#define SLICE 192

/* Result pixel (i, j) of an image, one for each position of the windows, stands at (out_y +
 * i*out_sy, out_x + j*out_sx) of `out`. */
typedef struct grid {
    bnn_windows in;
    int *tap_h, *tap_w; /* which filter rows and columns the windows' taps are */
    float *out;
    size_t n, out_h, out_w, out_y, out_x, out_sy, out_sx;
    size_t out_channels, cols, groups;
    const bnn_operand *w;
    const float *panels;   /* prepared filters, [groups][panels][taps*depth][nr], or NULL */
    const bnn_result *end; /* what becomes of the sums, or NULL */
    /* Rows from .. from + len, n columns, of one group's filters as [taps*depth][cols]. */
    void (*pack)(const bnn_micro *micro, const bnn_conv *s, const struct grid *g, size_t group,
                 size_t column, size_t n, size_t from, size_t len, float *panel);
    char *threads;
    size_t thread_bytes;
} grid;

/* What a thread has for itself. */
typedef struct own {
    const float **a; /* [runs][BLOCK] */
    float **pixel;   /* [BLOCK]: of the result */
    float **c;       /* [BLOCK]: the same, first column of a panel */
    float *panel;    /* [SLICE][nr] */
    float *joined;   /* [BLOCK] times bnn_windows_joined */
} own;

static size_t thread_layout(const bnn_micro *micro, const bnn_conv *s, size_t depth, void *base,
                            own *mine) {
    size_t used = 0, taps = (size_t)s->kh * (size_t)s->kw;
    mine->a = bnn_take(base, &used, BLOCK * taps * sizeof(float *));
    mine->pixel = bnn_take(base, &used, BLOCK * sizeof(float *));
    mine->c = bnn_take(base, &used, BLOCK * sizeof(float *));
    mine->panel = bnn_take(base, &used, SLICE * micro->f32_nr * sizeof(float));
    mine->joined = bnn_take(base, &used, BLOCK * bnn_windows_joined(s, depth) * sizeof(float));
    return used;
}

/* Returns the bytes used. */
static size_t lay_out(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                      size_t depth, void *ws, grid *g) {
    size_t used = 0;
    own mine;
    bnn_windows_lay_out(&g->in, s, depth, ws, &used);
    g->tap_h = bnn_take(ws, &used, (size_t)s->kh * sizeof(int));
    g->tap_w = bnn_take(ws, &used, (size_t)s->kw * sizeof(int));
    g->thread_bytes = thread_layout(micro, s, depth, NULL, &mine);
    g->threads = bnn_take(ws, &used, (size_t)device->threads * g->thread_bytes);
    return used;
}

size_t bnn_conv_f32_bytes(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                          int gradient) {
    grid g;
    return lay_out(device, micro, s, (size_t)((gradient ? s->o : s->c) / s->groups), NULL, &g);
}

/* Where `rows` result pixels from `first` on stand. */
static void place(const grid *g, size_t group, size_t first, size_t rows, float **pixel) {
    const bnn_windows *v = &g->in;
    size_t gw = (size_t)v->gw, gh = (size_t)v->gh, len;
    for (size_t r = 0; r < rows; r += len) {
        size_t image = (first + r) / gw / gh, i = (first + r) / gw % gh, j = (first + r) % gw;
        size_t row = image * g->out_h + g->out_y + i * g->out_sy;
        float *to = g->out + (row * g->out_w + g->out_x + j * g->out_sx) * g->out_channels;
        len = bnn_min_size(rows - r, gw - j);
        for (size_t l = 0; l < len; l++) {
            pixel[r + l] = to + group * g->cols + l * g->out_sx * g->out_channels;
        }
    }
}

/* Asks for what the next tile of so many rows will read: the first panel of a block finds the image
 * in memory, where pixels a stride apart are no pattern that a processor would foresee. */
static void fetch_next(const bnn_f32_runs *p, size_t rows) {
    for (size_t t = 0; t < p->taps; t++) {
        for (size_t r = p->m; r < p->m + rows; r++) {
            const float *run = p->a[t * p->lda + r] + p->first;
            for (size_t k = 0; k < p->depth; k += 16) {
                __builtin_prefetch(run + k);
            }
        }
    }
}

/* One panel of columns for a block of pixels, whose pointers stand in `mine`. */
static void multiply(const bnn_micro *micro, const bnn_conv *s, const grid *g, size_t group,
                     size_t column, size_t rows, const own *mine, int acc) {
    size_t nr = micro->f32_nr, depth, runs = bnn_windows_runs(&g->in, &depth);
    size_t slices = bnn_ceil_div(depth, SLICE), longest = bnn_ceil_div(depth, slices);
    size_t together = slices > 1 ? 1 : SLICE / depth;
    together = bnn_ceil_div(runs, bnn_ceil_div(runs, together));
    size_t tiles = bnn_ceil_div(rows, micro->f32_mr);
    size_t k = (size_t)g->in.th * (size_t)g->in.tw * g->in.depth;
    size_t panel = group * bnn_ceil_div(g->cols, nr) + column / nr;
    bnn_f32_runs p = {.lda = BLOCK, .b = mine->panel, .n = bnn_min_size(nr, g->cols - column)};
    if (p.n < nr) {
        memset(mine->panel, 0, SLICE * nr * sizeof(float));
    }
    for (size_t r = 0; r < rows; r++) {
        mine->c[r] = mine->pixel[r] + column;
    }
    for (size_t t = 0; t < runs; t += together) {
        p.taps = bnn_min_size(together, runs - t);
        for (p.first = 0; p.first < depth; p.first += longest) {
            p.depth = bnn_min_size(longest, depth - p.first);
            p.acc = acc || t + p.first > 0;
            if (g->panels != NULL) {
                p.b = g->panels + (panel * k + t * depth + p.first) * nr;
            } else {
                g->pack(micro, s, g, group, column, p.n, t * depth + p.first, p.taps * p.depth,
                        mine->panel);
            }
            for (size_t i = 0; i < tiles; i++) { /* of even heights, one row apart at most */
                size_t r = rows * i / tiles;
                p.a = mine->a + t * BLOCK + r;
                p.c = mine->c + r;
                p.m = rows * (i + 1) / tiles - r;
                if (column == 0) {
                    fetch_next(&p, bnn_min_size(p.m, rows - r - p.m));
                }
                micro->f32_indirect(&p);
            }
        }
    }
    if (g->end != NULL) {
        micro->f32_end(g->end, group * g->cols + column, rows, p.n, mine->c);
    }
}

static size_t blocks_of(const grid *g) {
    return bnn_ceil_div(g->n * (size_t)g->in.gh * (size_t)g->in.gw, BLOCK);
}

typedef struct product {
    const bnn_micro *micro;
    const bnn_conv *s;
    const grid *g;
    bnn_queue *items;
    int acc;
} product;

/* The (group, block, panel) triples that a thread gets hold of. Each result is computed by one tile
 * in one order, whoever does it. */
static void walk(const void *job, bnn_member me) {
    const product *j = job;
    const bnn_micro *micro = j->micro;
    const grid *g = j->g;
    size_t rows = g->n * (size_t)g->in.gh * (size_t)g->in.gw, blocks = blocks_of(g);
    size_t panels = bnn_ceil_div(g->cols, micro->f32_nr);
    size_t first, last, pointed = SIZE_MAX;
    own mine;
    thread_layout(micro, j->s, g->in.depth, g->threads + g->thread_bytes * me.thread, &mine);
    while (bnn_next_run(j->items, me, &first, &last)) {
        for (size_t item = first; item < last; item++) {
            size_t panel = item % panels, block = item / panels % blocks;
            size_t group = item / panels / blocks, row = block * BLOCK;
            size_t here = bnn_min_size(BLOCK, rows - row);
            if (pointed != item / panels) {
                pointed = item / panels;
                bnn_windows_point(&g->in, group, row, here, BLOCK, mine.a, mine.joined);
                place(g, group, row, here, mine.pixel);
            }
            multiply(micro, j->s, g, group, panel * micro->f32_nr, here, &mine, j->acc);
        }
    }
}

static void walk_all(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                     const grid *g, int acc) {
    bnn_queue items = {g->groups * blocks_of(g) * bnn_ceil_div(g->cols, micro->f32_nr), 0};
    product job = {micro, s, g, &items, acc};
    bnn_together(device, bnn_conv_macs(s) / BNN_F32_MACS, walk, &job);
}

/* Filters are the columns: w[o][k] transposed. */
static void pack_forward(const bnn_micro *micro, const bnn_conv *s, const grid *g, size_t group,
                         size_t column, size_t n, size_t from, size_t len, float *panel) {
    size_t k = (size_t)s->kh * (size_t)s->kw * g->in.depth;
    const float *w = g->w->f32 + (group * g->cols + column) * k + from;
    micro->f32_columns(len, n, k, w, micro->f32_nr, panel);
}

/* Which rows of cg weights, [o][kh][kw], the rows from .. from + len of the product are. */
static void filter_rows(const bnn_conv *s, const grid *g, size_t group, size_t from, size_t len,
                        size_t *row) {
    size_t taps = (size_t)s->kh * (size_t)s->kw, depth = g->in.depth, tw = (size_t)g->in.tw, end;
    for (size_t i = from; i < from + len; i = end) {
        size_t t = i / depth, o = group * depth + i % depth;
        size_t tap = (size_t)g->tap_h[t / tw] * (size_t)s->kw + (size_t)g->tap_w[t % tw];
        end = bnn_min_size(from + len, (t + 1) * depth);
        for (size_t r = i; r < end; r++) {
            row[r - from] = (o + r - i) * taps + tap;
        }
    }
}

/* Channels are the columns. Rows lie far apart, so those of the next slice are asked for now. */
static void pack_backward(const bnn_micro *micro, const bnn_conv *s, const grid *g, size_t group,
                          size_t column, size_t n, size_t from, size_t len, float *panel) {
    size_t words = bnn_words(g->cols), k = (size_t)g->in.th * (size_t)g->in.tw * g->in.depth;
    size_t row[2 * SLICE], known = bnn_min_size(2 * len, k - from);
    filter_rows(s, g, group, from, known, row);
    if (g->w->b1 != NULL) {
        for (size_t i = 0; i < len; i++) {
            micro->b1_expand(n, g->w->b1 + row[i] * words, column, bnn_row_scale(g->w, row[i]),
                             panel + i * micro->f32_nr);
        }
        return;
    }
    const float *at[2 * SLICE] = {NULL};
    for (size_t i = 0; i < known; i++) {
        at[i] = g->w->f32 + row[i] * g->cols;
    }
    micro->f32_rows(len, n, at, column, micro->f32_nr, panel);
    for (size_t i = len; i < known; i++) {
        __builtin_prefetch(at[i] + column, 0, 2);
        __builtin_prefetch(at[i] + column + n - 1, 0, 2);
    }
}

void bnn_conv_forward_f32(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                          const float *x, const bnn_operand *w, const bnn_result *y, void *ws) {
    grid g = {.out = y->f32, .n = (size_t)s->n, .out_h = (size_t)s->oh, .out_w = (size_t)s->ow};
    g.out_sy = 1, g.out_sx = 1, g.groups = (size_t)s->groups;
    g.out_channels = (size_t)s->o, g.cols = g.out_channels / g.groups;
    g.w = w, g.pack = pack_forward, g.panels = w->prepared, g.end = y;
    lay_out(device, micro, s, (size_t)(s->c / s->groups), ws, &g);
    bnn_windows_forward(&g.in, s, x);
    walk_all(device, micro, s, &g, 0);
}

/* Whether each pixel along an axis is reached by some tap. */
static int reaches_all(int kernel, int stride, int pad, int dil, int *off, int *tap) {
    int all = 1;
    for (int phase = 0; phase < stride; phase++) {
        all &= bnn_phase_taps(phase, kernel, stride, pad, dil, off, tap) > 0;
    }
    return all;
}

typedef struct values {
    float *x;
    size_t n;
} values;

static void clear(const void *job, bnn_member me) {
    const values *v = job;
    size_t first, last;
    bnn_share(me, v->n, &first, &last);
    memset(v->x + first, 0, (last - first) * sizeof(float));
}

void bnn_conv_backward_x_f32(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                             const float *gy, const bnn_operand *w, float *gx, int acc, void *ws) {
    grid g = {.out = gx, .n = (size_t)s->n, .out_h = (size_t)s->h, .out_w = (size_t)s->w};
    g.out_sy = (size_t)s->stride_h, g.out_sx = (size_t)s->stride_w, g.groups = (size_t)s->groups;
    g.out_channels = (size_t)s->c, g.cols = g.out_channels / g.groups;
    g.w = w, g.pack = pack_backward;
    lay_out(device, micro, s, (size_t)(s->o / s->groups), ws, &g);
    bnn_windows *v = &g.in;
    v->image = gy, v->h = s->oh, v->w = s->ow, v->channels = (size_t)s->o;
    v->step_h = 1, v->step_w = 1;
    if (!acc && !(reaches_all(s->kh, s->stride_h, s->pad_h, s->dil_h, v->off_h, g.tap_h) &&
                  reaches_all(s->kw, s->stride_w, s->pad_w, s->dil_w, v->off_w, g.tap_w))) {
        values all = {gx, (size_t)s->n * g.out_h * g.out_w * g.out_channels};
        bnn_together(device, all.n, clear, &all);
    }
    for (int y = 0; y < s->stride_h && y < s->h; y++) {
        g.out_y = (size_t)y, v->gh = (s->h - y + s->stride_h - 1) / s->stride_h;
        v->th = bnn_phase_taps(y, s->kh, s->stride_h, s->pad_h, s->dil_h, v->off_h, g.tap_h);
        for (int x = 0; x < s->stride_w && x < s->w; x++) {
            g.out_x = (size_t)x, v->gw = (s->w - x + s->stride_w - 1) / s->stride_w;
            v->tw = bnn_phase_taps(x, s->kw, s->stride_w, s->pad_w, s->dil_w, v->off_w, g.tap_w);
            if (v->th > 0 && v->tw > 0) {
                walk_all(device, micro, s, &g, acc);
            }
        }
    }
}

size_t bnn_conv_f32_prepared_bytes(const bnn_micro *micro, const bnn_conv *s) {
    size_t groups = (size_t)s->groups, nr = micro->f32_nr;
    size_t columns = bnn_ceil_div((size_t)s->o / groups, nr) * nr;
    return (size_t)s->kh * (size_t)s->kw * (size_t)s->c * columns * sizeof(float);
}

typedef struct packing {
    const bnn_micro *micro;
    const bnn_conv *s;
    const float *w;
    float *panels;
} packing;

static void pack_share(const void *job, bnn_member me) {
    const packing *j = job;
    const bnn_conv *s = j->s;
    size_t groups = (size_t)s->groups, og = (size_t)s->o / groups, nr = j->micro->f32_nr;
    size_t k = (size_t)s->kh * (size_t)s->kw * (size_t)s->c / groups;
    size_t count = bnn_ceil_div(og, nr), first, last;
    bnn_share(me, groups * count, &first, &last);
    for (size_t p = first; p < last; p++) {
        size_t o0 = p % count * nr, n = bnn_min_size(nr, og - o0);
        j->micro->f32_columns(k, n, k, j->w + (p / count * og + o0) * k, nr,
                              j->panels + p * k * nr);
    }
}

void bnn_conv_prepare_f32(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                          const float *w, float *panels) {
    size_t bytes = bnn_conv_f32_prepared_bytes(micro, s);
    packing job = {micro, s, w, panels};
    memset(panels, 0, bytes);
    bnn_together(device, bytes / sizeof(float), pack_share, &job);
}
