/* The gradient of the filters, gw[o][tap][c] = sum over output pixels of gy[p][o] * x[pixel(p,
 * tap)][c]: a product with a short result and a very long reduction. Blocks of pixels are packed:
 * gy into tiles of channels, the image into panels of columns (a column is a (tap, channel) pair).
 * Where columns alone are too few to share among threads the reduction is cut as well, into a
 * number of pieces that only the shape decides, each with its own partial result, added in order.
 */
#include "cpu/conv.h"

#define BLOCK 256 /* pixels; a panel of them stays in L1 */

typedef struct plan {
    size_t groups, cg, og, taps, cols, panels, tiles;
    size_t pixels, blocks, splits;
    float *partial; /* [splits][o][cols], if splits > 1 */
    char *threads;
    size_t thread_bytes;
    size_t used;
} plan;

/* A thread's own: a block of pixels as (first row, first column, image), and the packed operands.
 */
typedef struct own {
    int *y, *x;
    size_t *image; /* index of the image's first pixel */
    float *a;      /* [tiles][BLOCK][mr] */
    float *b;      /* [BLOCK][nr] */
} own;

static size_t thread_layout(const bnn_micro *micro, const plan *p, void *base, own *mine) {
    size_t used = 0;
    mine->y = bnn_take(base, &used, BLOCK * sizeof(int));
    mine->x = bnn_take(base, &used, BLOCK * sizeof(int));
    mine->image = bnn_take(base, &used, BLOCK * sizeof(size_t));
    mine->a = bnn_take(base, &used, p->tiles * micro->f32_mr * BLOCK * sizeof(float));
    mine->b = bnn_take(base, &used, micro->f32_nr * BLOCK * sizeof(float));
    return used;
}

static plan lay_out(const bnn_micro *micro, const bnn_conv *s, void *ws) {
    plan p = {.groups = (size_t)s->groups, .taps = (size_t)s->kh * (size_t)s->kw};
    own mine;
    p.cg = (size_t)s->c / p.groups, p.og = (size_t)s->o / p.groups;
    p.cols = p.taps * p.cg;
    p.panels = bnn_ceil_div(p.cols, micro->f32_nr);
    p.tiles = bnn_ceil_div(p.og, micro->f32_mr);
    p.pixels = (size_t)s->n * (size_t)s->oh * (size_t)s->ow;
    p.blocks = bnn_ceil_div(p.pixels, BLOCK);
    /* Instruction sets with different panels may cut differently: only threads must not matter. */
    p.splits = bnn_min_size(128 / bnn_min_size(128, p.groups * p.panels), p.blocks / 2);
    p.splits = bnn_min_size(p.splits, 16);
    p.splits = p.splits < 1 ? 1 : p.splits;
    if (p.splits > 1) {
        p.partial = bnn_take(ws, &p.used, p.splits * (size_t)s->o * p.cols * sizeof(float));
    }
    p.thread_bytes = thread_layout(micro, &p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)omp_get_max_threads() * p.thread_bytes);
    return p;
}

size_t bnn_conv_weights_bytes(const bnn_micro *micro, const bnn_conv *s) {
    return lay_out(micro, s, NULL).used;
}

/* Where the windows of `count` output pixels begin. */
static void locate(const bnn_conv *s, size_t first, size_t count, const own *mine) {
    size_t ow = (size_t)s->ow, oh = (size_t)s->oh;
    for (size_t i = 0; i < count; i++) {
        size_t p = first + i;
        mine->x[i] = (int)(p % ow) * s->stride_w - s->pad_w;
        mine->y[i] = (int)(p / ow % oh) * s->stride_h - s->pad_h;
        mine->image[i] = p / ow / oh * (size_t)s->h * (size_t)s->w;
    }
}

/* gy[count][..] of one group into tiles of mr channels. */
static void pack_gy(size_t mr, size_t og, size_t stride, size_t count, const float *gy, float *a) {
    for (size_t o = 0; o < og; o += mr, a += BLOCK * mr) {
        size_t m = bnn_min_size(mr, og - o);
        for (size_t p = 0; p < count; p++) {
            const float *from = gy + p * stride + o;
            float *to = a + p * mr;
            for (size_t i = 0; i < m; i++) {
                to[i] = from[i];
            }
            for (size_t i = m; i < mr; i++) {
                to[i] = 0.0f;
            }
        }
    }
}

/* Channels ch .. ch+len of the group under one tap, for all pixels of the block. */
static void pack_run(const bnn_micro *micro, const bnn_conv *s, const bnn_operand *x, size_t tap,
                     size_t channel, size_t len, size_t count, const own *mine, float *b) {
    size_t nr = micro->f32_nr, c = (size_t)s->c, words = bnn_words(c);
    int dy = (int)(tap / (size_t)s->kw) * s->dil_h, dx = (int)(tap % (size_t)s->kw) * s->dil_w;
    for (size_t p = 0; p < count; p++, b += nr) {
        int iy = mine->y[p] + dy, ix = mine->x[p] + dx;
        if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) {
            for (size_t i = 0; i < len; i++) {
                b[i] = 0.0f;
            }
            continue;
        }
        size_t pixel = mine->image[p] + (size_t)iy * (size_t)s->w + (size_t)ix;
        if (x->b1 != NULL) {
            micro->b1_expand(len, x->b1 + pixel * words, channel, bnn_row_scale(x, pixel), b);
        } else if (len == 16) {
            memcpy(b, x->f32 + pixel * c + channel, 16 * sizeof(float));
        } else {
            const float *from = x->f32 + pixel * c + channel;
            for (size_t i = 0; i < len; i++) {
                b[i] = from[i];
            }
        }
    }
}

static void pack_panel(const bnn_micro *micro, const bnn_conv *s, const plan *p,
                       const bnn_operand *x, size_t group, size_t panel, size_t count,
                       const own *mine) {
    size_t nr = micro->f32_nr, col = panel * nr, end = bnn_min_size(col + nr, p->cols);
    size_t n = end - col;
    for (size_t at = col; at < end;) {
        size_t tap = at / p->cg, channel = at % p->cg;
        size_t len = bnn_min_size(p->cg - channel, end - at);
        pack_run(micro, s, x, tap, group * p->cg + channel, len, count, mine, mine->b + (at - col));
        at += len;
    }
    for (size_t i = 0; n < nr && i < count; i++) {
        memset(mine->b + i * nr + n, 0, (nr - n) * sizeof(float));
    }
}

/* Panels [first, last) of one group over one piece of the reduction, into result[og][cols]. */
static void piece(const bnn_micro *micro, const bnn_conv *s, const plan *p, const float *gy,
                  const bnn_operand *x, size_t group, size_t split, size_t first, size_t last,
                  const own *mine, float *result, int acc) {
    size_t mr = micro->f32_mr, nr = micro->f32_nr;
    size_t from = p->blocks * split / p->splits, to = p->blocks * (split + 1) / p->splits;
    for (size_t block = from; block < to; block++) {
        size_t pixel = block * BLOCK, count = bnn_min_size(BLOCK, p->pixels - pixel);
        int add = acc || block > from;
        locate(s, pixel, count, mine);
        pack_gy(mr, p->og, (size_t)s->o, count, gy + pixel * (size_t)s->o + group * p->og, mine->a);
        for (size_t panel = first; panel < last; panel++) {
            size_t n = bnn_min_size(nr, p->cols - panel * nr);
            pack_panel(micro, s, p, x, group, panel, count, mine);
            for (size_t tile = 0; tile < p->tiles; tile++) {
                size_t m = bnn_min_size(mr, p->og - tile * mr);
                micro->f32_outer(count, mine->a + tile * BLOCK * mr, mine->b, m, n,
                                 result + tile * mr * p->cols + panel * nr, p->cols, add);
            }
        }
    }
}

void bnn_conv_backward_w(const bnn_micro *micro, const bnn_conv *s, const float *gy,
                         const bnn_operand *x, float *gw, int acc, void *ws) {
    if (x->b1 != NULL && bnn_conv_mix_w_fits(s, x)) {
        bnn_conv_mix_w(micro->mixed, s, gy, x, gw, acc, ws);
        return;
    }
    plan p = lay_out(micro, s, ws);
    size_t whole = (size_t)s->o * p.cols;
#pragma omp parallel
    {
        own mine;
        size_t first, last;
        thread_layout(micro, &p, p.threads + p.thread_bytes * (size_t)omp_get_thread_num(), &mine);
        bnn_share(p.groups * p.splits * p.panels, &first, &last);
        while (first < last) {
            size_t panel = first % p.panels, split = first / p.panels % p.splits;
            size_t group = first / p.panels / p.splits;
            size_t end = bnn_min_size(p.panels, panel + (last - first));
            float *base = p.splits > 1 ? p.partial + split * whole : gw;
            piece(micro, s, &p, gy, x, group, split, panel, end, &mine,
                  base + group * p.og * p.cols, p.splits > 1 ? 0 : acc);
            first += end - panel;
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
