/* The gradient of the filters, gw[o][tap][c] = sum over output pixels of gy[p][o] * x[pixel(p,
 * tap)][c]: a product with a short result and a very long reduction. Blocks of pixels are packed:
 * gy into tiles of channels, the image into panels of columns (a column is a (tap, channel) pair).
 * Where columns alone are too few to share among threads the reduction is cut as well, into a
 * number of slices that only the shape decides, each with its own partial result, added in order.
 */
#include "cpu/conv/conv.h"

#define BLOCK 256 /* pixels; a panel of them stays in L1 */

typedef struct plan {
    bnn_windows in;
    size_t groups, og, cols, panels, tiles;
    size_t pixels, blocks, splits;
    float *partial; /* [splits][o][cols], if splits > 1 */
    char *threads;
    size_t thread_bytes;
    size_t used;
} plan;

/* A thread's own: where a block's windows and gradients begin, and the packed operands. */
typedef struct own {
    const float **x;  /* [runs][BLOCK] */
    const float **gy; /* [BLOCK] */
    float *joined;    /* [BLOCK] times bnn_windows_joined */
    float *a;         /* [tiles][BLOCK][mr] */
    float *b;         /* [BLOCK][nr] */
} own;

static size_t thread_layout(const bnn_micro *micro, const bnn_conv *s, const plan *p, void *base,
                            own *mine) {
    size_t used = 0, cg = p->in.depth, taps = (size_t)s->kh * (size_t)s->kw;
    mine->x = bnn_take(base, &used, BLOCK * taps * sizeof(float *));
    mine->gy = bnn_take(base, &used, BLOCK * sizeof(float *));
    mine->a = bnn_take(base, &used, p->tiles * micro->f32_mr * BLOCK * sizeof(float));
    mine->joined = bnn_take(base, &used, BLOCK * bnn_windows_joined(s, cg) * sizeof(float));
    mine->b = bnn_take(base, &used, micro->f32_nr * BLOCK * sizeof(float));
    return used;
}

static plan lay_out(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s, void *ws) {
    plan p = {.groups = (size_t)s->groups};
    own mine;
    size_t cg = (size_t)s->c / p.groups;
    p.og = (size_t)s->o / p.groups;
    p.cols = (size_t)s->kh * (size_t)s->kw * cg;
    p.panels = bnn_ceil_div(p.cols, micro->f32_nr);
    p.tiles = bnn_ceil_div(p.og, micro->f32_mr);
    p.pixels = (size_t)s->n * (size_t)s->oh * (size_t)s->ow;
    p.blocks = bnn_ceil_div(p.pixels, BLOCK);
    /* Instruction sets with different panels may cut differently: only threads must not matter. */
    p.splits = bnn_min_size(128 / bnn_min_size(128, p.groups * p.panels), p.blocks / 2);
    p.splits = bnn_min_size(p.splits, 16);
    p.splits = p.splits < 1 ? 1 : p.splits;
    bnn_windows_lay_out(&p.in, s, cg, ws, &p.used);
    if (p.splits > 1) {
        p.partial = bnn_take(ws, &p.used, p.splits * (size_t)s->o * p.cols * sizeof(float));
    }
    p.thread_bytes = thread_layout(micro, s, &p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)device->threads * p.thread_bytes);
    return p;
}

size_t bnn_conv_weights_bytes(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s) {
    return lay_out(device, micro, s, NULL).used;
}

/* Channels ch .. ch+len of the group under one tap, for `count` pixels, out of bits. */
static void expand_run(const bnn_micro *micro, const bnn_conv *s, const bnn_operand *x, size_t tap,
                       size_t channel, size_t len, size_t first, size_t count, float *b) {
    size_t words = bnn_words((size_t)s->c), ow = (size_t)s->ow, oh = (size_t)s->oh;
    int dy = (int)(tap / (size_t)s->kw) * s->dil_h - s->pad_h;
    int dx = (int)(tap % (size_t)s->kw) * s->dil_w - s->pad_w;
    for (size_t p = first; p < first + count; p++, b += micro->f32_nr) {
        int iy = (int)(p / ow % oh) * s->stride_h + dy, ix = (int)(p % ow) * s->stride_w + dx;
        if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) {
            memset(b, 0, len * sizeof(float));
            continue;
        }
        size_t pixel = (p / ow / oh * (size_t)s->h + (size_t)iy) * (size_t)s->w + (size_t)ix;
        micro->b1_expand(len, x->b1 + pixel * words, channel, bnn_row_scale(x, pixel), b);
    }
}

/* Columns of x for the pixels first .. first + count, of which columns come in runs. */
static void pack_panel(const bnn_micro *micro, const bnn_conv *s, const plan *p,
                       const bnn_operand *x, size_t group, size_t panel, size_t first, size_t count,
                       const own *mine) {
    size_t nr = micro->f32_nr, col = panel * nr, end = bnn_min_size(col + nr, p->cols);
    size_t run = p->in.depth, len;
    if (x->b1 == NULL) {
        bnn_windows_runs(&p->in, &run);
    }
    for (size_t at = col; at < end; at += len) {
        float *b = mine->b + (at - col);
        size_t t = at / run, from = at % run;
        len = bnn_min_size(run - from, end - at);
        if (x->b1 == NULL) {
            micro->f32_rows(count, len, mine->x + t * BLOCK, from, nr, b);
        } else {
            expand_run(micro, s, x, t, group * run + from, len, first, count, b);
        }
    }
    for (size_t i = 0; end - col < nr && i < count; i++) {
        memset(mine->b + i * nr + (end - col), 0, (col + nr - end) * sizeof(float));
    }
}

/* Tiles are of even heights, one row apart at most. */
static size_t first_row(const plan *p, size_t tile) {
    return p->og * tile / p->tiles;
}

/* Panels [first, last) of one group over one slice of the reduction, into result[og][cols]. */
static void slice(const bnn_micro *micro, const bnn_conv *s, const plan *p, const float *gy,
                  const bnn_operand *x, size_t group, size_t split, size_t first, size_t last,
                  const own *mine, float *result, int acc) {
    size_t mr = micro->f32_mr, nr = micro->f32_nr;
    size_t from = p->blocks * split / p->splits, to = p->blocks * (split + 1) / p->splits;
    for (size_t block = from; block < to; block++) {
        size_t pixel = block * BLOCK, count = bnn_min_size(BLOCK, p->pixels - pixel);
        int add = acc || block > from;
        if (x->b1 == NULL) {
            bnn_windows_point(&p->in, group, pixel, count, BLOCK, mine->x, mine->joined);
        }
        for (size_t i = 0; i < count; i++) {
            mine->gy[i] = gy + (pixel + i) * (size_t)s->o + group * p->og;
        }
        for (size_t i = 0; i < p->tiles; i++) {
            size_t o = first_row(p, i), m = first_row(p, i + 1) - o;
            micro->f32_rows(count, m, mine->gy, o, mr, mine->a + i * BLOCK * mr);
        }
        for (size_t panel = first; panel < last; panel++) {
            size_t n = bnn_min_size(nr, p->cols - panel * nr);
            pack_panel(micro, s, p, x, group, panel, pixel, count, mine);
            for (size_t i = 0; i < p->tiles; i++) {
                size_t o = first_row(p, i), m = first_row(p, i + 1) - o;
                micro->f32_outer(count, mine->a + i * BLOCK * mr, mr, mine->b, m, n,
                                 result + o * p->cols + panel * nr, p->cols, add);
            }
        }
    }
}

typedef struct product {
    const bnn_micro *micro;
    const bnn_conv *s;
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
    own mine;
    size_t first, last, whole = (size_t)j->s->o * p->cols;
    thread_layout(j->micro, j->s, p, p->threads + p->thread_bytes * me.thread, &mine);
    while (bnn_next_run(j->items, me, &first, &last)) {
        while (first < last) {
            size_t panel = first % p->panels, split = first / p->panels % p->splits;
            size_t group = first / p->panels / p->splits;
            size_t end = bnn_min_size(p->panels, panel + (last - first));
            float *base = p->splits > 1 ? p->partial + split * whole : j->gw;
            slice(j->micro, j->s, p, j->gy, j->x, group, split, panel, end, &mine,
                  base + group * p->og * p->cols, p->splits > 1 ? 0 : j->acc);
            first += end - panel;
        }
    }
    if (p->splits > 1) {
        bnn_wait_for_all(me);
        bnn_add_splits(me, p->splits, whole, p->partial, j->gw, j->acc);
    }
}

void bnn_conv_backward_w_f32(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                             const float *gy, const bnn_operand *x, float *gw, int acc, void *ws) {
    plan p = lay_out(device, micro, s, ws);
    bnn_queue items = {.total = p.groups * p.splits * p.panels};
    product job = {micro, s, &p, gy, x, gw, acc, &items};
    bnn_windows_forward(&p.in, s, x->f32);
    bnn_together(device, bnn_conv_macs(s) / BNN_F32_MACS, multiply, &job);
}
