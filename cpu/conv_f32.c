/* The float products y = x w and gx = gy w^T as implicit GEMM over indirection (as in XNNPACK): the
 * activations are never copied; a tile gets, for each tap, pointers to its pixels' channel runs, or
 * to a row of zeros where the tap falls on padding. Both products are the same walk over a grid of
 * result pixels. The gradient of a strided convolution is walked phase by phase (pixel mod stride):
 * in one phase the same taps hit every pixel, and no product with an inserted zero is computed. */
#include "cpu/conv.h"

/* Runs shorter than this are gathered into one long run per pixel: a tap's fixed cost would
 * otherwise outweigh its products (a stem with 3 channels). */
#define GATHER_DEPTH 16

/* Result pixel (i, j) of an image reads, for tap (ky, kx), pixel (i*step_h + off_h[ky],
 * j*step_w + off_w[kx]) of `a`, and stands at (out_y + i*out_sy, out_x + j*out_sx) of `out`. */
typedef struct grid {
    size_t n;
    int gh, gw;
    int step_h, step_w;
    int th, tw;
    int *off_h, *off_w; /* [th], [tw] */
    int *tap_h, *tap_w; /* which filter rows and columns these taps are */
    const float *a;
    int ah, aw;
    size_t a_channels, depth; /* of a pixel; of a group */
    float *out;
    int out_h, out_w, out_y, out_x, out_sy, out_sx;
    size_t out_channels, cols;
    size_t groups;
} grid;

/* Where things stand in the workspace. */
typedef struct area {
    float *panels; /* [groups][ceil(cols/nr)][taps*depth][nr] */
    float *zeros;
    int *off; /* off_h, off_w, tap_h, tap_w */
    char *threads;
    size_t thread_bytes;
    size_t used;
} area;

/* A block is what one thread walks with all panels of the filters before it goes on. */
static size_t tiles_per_block(size_t depth) {
    size_t tiles = 4096 / (depth == 0 ? 1 : depth);
    return tiles < 4 ? 4 : tiles > 16 ? 16 : tiles;
}

static size_t thread_layout(const bnn_micro *micro, size_t taps, size_t depth, void *base,
                            const float ***a, float ***c, float **gathered) {
    size_t used = 0, rows = tiles_per_block(depth) * micro->f32_mr;
    *a = bnn_take(base, &used, rows * taps * sizeof(float *));
    *c = bnn_take(base, &used, rows * sizeof(float *));
    *gathered = bnn_take(base, &used, depth < GATHER_DEPTH ? rows * taps * depth * 4 : 0);
    return used;
}

static area lay_out(const bnn_micro *micro, const bnn_conv *s, size_t depth, size_t cols,
                    void *ws) {
    area m = {0};
    size_t taps = (size_t)s->kh * (size_t)s->kw, groups = (size_t)s->groups;
    size_t padded = bnn_ceil_div(cols, micro->f32_nr) * micro->f32_nr;
    const float **a;
    float **c, *gathered;
    m.panels = bnn_take(ws, &m.used, groups * padded * taps * depth * sizeof(float));
    m.zeros = bnn_take(ws, &m.used, depth * sizeof(float));
    m.off = bnn_take(ws, &m.used, 2 * ((size_t)s->kh + (size_t)s->kw) * sizeof(int));
    m.thread_bytes = thread_layout(micro, taps, depth, NULL, &a, &c, &gathered);
    m.threads = bnn_take(ws, &m.used, (size_t)omp_get_max_threads() * m.thread_bytes);
    return m;
}

size_t bnn_conv_f32_bytes(const bnn_micro *micro, const bnn_conv *s) {
    size_t cg = (size_t)(s->c / s->groups), og = (size_t)(s->o / s->groups);
    size_t forward = lay_out(micro, s, cg, og, NULL).used;
    size_t backward = lay_out(micro, s, og, cg, NULL).used;
    return forward > backward ? forward : backward;
}

/* Pointers for `rows` result pixels from `first` on; what fills the last tile up reads zeros. */
static void point(const grid *g, size_t mr, const float *zeros, size_t group, size_t first,
                  size_t rows, const float **a, float **c) {
    size_t taps = (size_t)g->th * (size_t)g->tw, filled = bnn_ceil_div(rows, mr) * mr;
    int j = (int)(first % (size_t)g->gw), i = (int)(first / (size_t)g->gw % (size_t)g->gh);
    size_t image = first / ((size_t)g->gw * (size_t)g->gh);
    for (size_t r = 0; r < filled; r++) {
        const float **tap = a + r / mr * taps * mr + r % mr;
        if (r >= rows) {
            for (size_t t = 0; t < taps; t++) {
                tap[t * mr] = zeros;
            }
            continue;
        }
        size_t out_row = image * (size_t)g->out_h + (size_t)(g->out_y + i * g->out_sy);
        size_t out_pixel = out_row * (size_t)g->out_w + (size_t)(g->out_x + j * g->out_sx);
        c[r] = g->out + out_pixel * g->out_channels + group * g->cols;
        for (int ky = 0; ky < g->th; ky++) {
            int y = i * g->step_h + g->off_h[ky];
            int inside = y >= 0 && y < g->ah;
            const float *row = g->a + group * g->depth;
            row += inside ? (image * (size_t)g->ah + (size_t)y) * (size_t)g->aw * g->a_channels : 0;
            for (int kx = 0; kx < g->tw; kx++, tap += mr) {
                int x = j * g->step_w + g->off_w[kx];
                *tap = inside && x >= 0 && x < g->aw ? row + (size_t)x * g->a_channels : zeros;
            }
        }
        if (++j == g->gw) {
            j = 0;
            if (++i == g->gh) {
                i = 0;
                image++;
            }
        }
    }
}

/* Replaces the taps' pointers of a block by one pointer a pixel to its values, gathered. */
static void gather(size_t mr, size_t taps, size_t depth, size_t tiles, const float **a,
                   float *gathered) {
    for (size_t tile = 0; tile < tiles; tile++) {
        for (size_t i = 0; i < mr; i++) {
            float *run = gathered + (tile * mr + i) * taps * depth, *to = run;
            for (size_t t = 0; t < taps; t++) {
                const float *from = a[(tile * taps + t) * mr + i];
                for (size_t k = 0; k < depth; k++) {
                    *to++ = from[k];
                }
            }
        }
    }
    for (size_t r = 0; r < tiles * mr; r++) {
        a[r] = gathered + r * taps * depth;
    }
}

/* A thread's share of all (group, block, panel) triples. Each result is computed by one tile in one
 * order, whoever does it. */
static void walk(const bnn_micro *micro, const grid *g, const area *m, int acc) {
    size_t mr = micro->f32_mr, nr = micro->f32_nr;
    size_t taps = (size_t)g->th * (size_t)g->tw, k = taps * g->depth;
    size_t rows = g->n * (size_t)g->gh * (size_t)g->gw;
    size_t block_rows = tiles_per_block(g->depth) * mr, blocks = bnn_ceil_div(rows, block_rows);
    size_t panels = bnn_ceil_div(g->cols, nr);
    int gathers = taps > 1 && g->depth < GATHER_DEPTH;
    size_t first, last, pointed = SIZE_MAX;
    const float **a;
    float **c, *gathered;
    thread_layout(micro, taps, g->depth,
                  m->threads + m->thread_bytes * (size_t)omp_get_thread_num(), &a, &c, &gathered);
    bnn_share(g->groups * blocks * panels, &first, &last);
    for (size_t item = first; item < last; item++) {
        size_t panel = item % panels, block = item / panels % blocks;
        size_t group = item / panels / blocks, row = block * block_rows;
        size_t here = bnn_min_size(block_rows, rows - row), tiles = bnn_ceil_div(here, mr);
        if (pointed != item / panels) {
            pointed = item / panels;
            point(g, mr, m->zeros, group, row, here, a, c);
            if (gathers) {
                gather(mr, taps, g->depth, tiles, a, gathered);
            }
        }
        const float *b = m->panels + (group * panels + panel) * k * nr;
        size_t n = bnn_min_size(nr, g->cols - panel * nr), tile_taps = gathers ? 1 : taps;
        for (size_t tile = 0; tile < tiles; tile++) {
            float *out[16];
            size_t valid = bnn_min_size(mr, here - tile * mr);
            for (size_t i = 0; i < valid; i++) {
                out[i] = c[tile * mr + i] + panel * nr;
            }
            micro->f32_indirect(tile_taps, k / tile_taps, a + tile * tile_taps * mr, b, valid, n,
                                out, acc);
        }
    }
}

/* One forward panel: filters o0 .. o0+n of w[o][k] become columns. */
static void pack_forward(size_t k, size_t nr, size_t n, const float *w, float *panel) {
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < n; j++) {
            panel[i * nr + j] = w[j * k + i];
        }
        for (size_t j = n; j < nr; j++) {
            panel[i * nr + j] = 0.0f;
        }
    }
}

/* One backward panel: channels c0 .. c0+n of one group's filters, for the grid's taps. */
static void pack_backward(const bnn_micro *micro, const bnn_conv *s, const grid *g,
                          const bnn_operand *w, size_t group, size_t c0, float *panel) {
    size_t nr = micro->f32_nr, cg = g->cols, n = bnn_min_size(nr, cg - c0);
    size_t taps = (size_t)s->kh * (size_t)s->kw, words = bnn_words(cg);
    for (int ky = 0; ky < g->th; ky++) {
        for (int kx = 0; kx < g->tw; kx++) {
            size_t tap = (size_t)g->tap_h[ky] * (size_t)s->kw + (size_t)g->tap_w[kx];
            for (size_t o = group * g->depth; o < (group + 1) * g->depth; o++, panel += nr) {
                size_t row = o * taps + tap;
                if (w->b1 != NULL) {
                    micro->b1_expand(n, w->b1 + row * words, c0, bnn_row_scale(w, row), panel);
                } else {
                    memcpy(panel, w->f32 + row * cg + c0, n * sizeof(float));
                }
                memset(panel + n, 0, (nr - n) * sizeof(float));
            }
        }
    }
}

static void conv_forward_f32(const bnn_micro *micro, const bnn_conv *s, const float *x,
                             const float *w, float *y, void *ws) {
    size_t groups = (size_t)s->groups, cg = (size_t)s->c / groups, og = (size_t)s->o / groups;
    size_t nr = micro->f32_nr, panels = bnn_ceil_div(og, nr);
    size_t k = (size_t)s->kh * (size_t)s->kw * cg;
    area m = lay_out(micro, s, cg, og, ws);
    grid g = {.n = (size_t)s->n, .gh = s->oh, .gw = s->ow, .step_h = s->stride_h};
    g.step_w = s->stride_w, g.th = s->kh, g.tw = s->kw;
    g.off_h = m.off, g.off_w = m.off + s->kh;
    g.a = x, g.ah = s->h, g.aw = s->w, g.a_channels = (size_t)s->c, g.depth = cg;
    g.out = y, g.out_h = s->oh, g.out_w = s->ow, g.out_sy = 1, g.out_sx = 1;
    g.out_channels = (size_t)s->o, g.cols = og, g.groups = groups;
    for (int i = 0; i < s->kh; i++) {
        g.off_h[i] = i * s->dil_h - s->pad_h;
    }
    for (int i = 0; i < s->kw; i++) {
        g.off_w[i] = i * s->dil_w - s->pad_w;
    }
    memset(m.zeros, 0, cg * sizeof(float));
#pragma omp parallel
    {
        size_t first, last;
        bnn_share(groups * panels, &first, &last);
        for (size_t p = first; p < last; p++) {
            size_t o0 = p % panels * nr, n = bnn_min_size(nr, og - o0);
            pack_forward(k, nr, n, w + (p / panels * og + o0) * k, m.panels + p * k * nr);
        }
#pragma omp barrier
        walk(micro, &g, &m, 0);
    }
}

int bnn_phase_taps(int phase, int kernel, int stride, int pad, int dil, int *off, int *tap) {
    int count = 0;
    for (int k = 0; k < kernel; k++) {
        int from = phase + pad - k * dil;
        if (from % stride == 0) {
            off[count] = from / stride;
            tap[count++] = k;
        }
    }
    return count;
}

static void zero_phase(const grid *g) {
    for (size_t image = 0; image < g->n; image++) {
        for (int i = 0; i < g->gh; i++) {
            size_t row = image * (size_t)g->out_h + (size_t)(g->out_y + i * g->out_sy);
            for (int j = 0; j < g->gw; j++) {
                size_t pixel = row * (size_t)g->out_w + (size_t)(g->out_x + j * g->out_sx);
                memset(g->out + pixel * g->out_channels, 0, g->out_channels * sizeof(float));
            }
        }
    }
}

static void backward_phase(const bnn_micro *micro, const bnn_conv *s, const bnn_operand *w,
                           const grid *g, const area *m, int acc) {
    size_t nr = micro->f32_nr, panels = bnn_ceil_div(g->cols, nr);
    size_t k = (size_t)g->th * (size_t)g->tw * g->depth;
    if (k == 0) {
        if (!acc) {
            zero_phase(g);
        }
        return;
    }
#pragma omp parallel
    {
        size_t first, last;
        bnn_share(g->groups * panels, &first, &last);
        for (size_t p = first; p < last; p++) {
            pack_backward(micro, s, g, w, p / panels, p % panels * nr, m->panels + p * k * nr);
        }
#pragma omp barrier
        walk(micro, g, m, acc);
    }
}

void bnn_conv_backward_x(const bnn_micro *micro, const bnn_conv *s, const float *gy,
                         const bnn_operand *w, float *gx, int acc, void *ws) {
    size_t groups = (size_t)s->groups, cg = (size_t)s->c / groups, og = (size_t)s->o / groups;
    if (w->b1 != NULL && bnn_conv_mix_x_pays(s)) {
        bnn_conv_mix_x(micro->mixed, s, gy, w, gx, acc, ws);
        return;
    }
    area m = lay_out(micro, s, og, cg, ws);
    grid g = {.n = (size_t)s->n, .step_h = 1, .step_w = 1};
    g.off_h = m.off, g.off_w = m.off + s->kh;
    g.tap_h = m.off + s->kh + s->kw, g.tap_w = g.tap_h + s->kh;
    g.a = gy, g.ah = s->oh, g.aw = s->ow, g.a_channels = (size_t)s->o, g.depth = og;
    g.out = gx, g.out_h = s->h, g.out_w = s->w, g.out_sy = s->stride_h, g.out_sx = s->stride_w;
    g.out_channels = (size_t)s->c, g.cols = cg, g.groups = groups;
    memset(m.zeros, 0, og * sizeof(float));
    for (g.out_y = 0; g.out_y < s->stride_h && g.out_y < s->h; g.out_y++) {
        g.gh = (s->h - g.out_y + s->stride_h - 1) / s->stride_h;
        g.th = bnn_phase_taps(g.out_y, s->kh, s->stride_h, s->pad_h, s->dil_h, g.off_h, g.tap_h);
        for (g.out_x = 0; g.out_x < s->stride_w && g.out_x < s->w; g.out_x++) {
            g.gw = (s->w - g.out_x + s->stride_w - 1) / s->stride_w;
            g.tw =
                bnn_phase_taps(g.out_x, s->kw, s->stride_w, s->pad_w, s->dil_w, g.off_w, g.tap_w);
            backward_phase(micro, s, w, &g, &m, acc);
        }
    }
}

void bnn_conv_forward(const bnn_micro *micro, const bnn_conv *s, const bnn_operand *x,
                      const bnn_operand *w, float *y, void *ws) {
    if (x->b1 != NULL) {
        bnn_conv_forward_b1(micro, s, x, w, y, ws);
    } else {
        conv_forward_f32(micro, s, x->f32, w->f32, y, ws);
    }
}

static size_t most(size_t a, size_t b) {
    return a > b ? a : b;
}

size_t bnn_conv_workspace(const bnn_micro *micro, const bnn_conv *s, int bits) {
    size_t weights = bnn_conv_weights_bytes(micro, s);
    if (!bits) {
        return most(bnn_conv_f32_bytes(micro, s), weights);
    }
    if (bnn_conv_mix_w_pays(s)) { /* the input's factors decide whether it fits, too */
        weights = most(weights, bnn_conv_mix_w_bytes(micro->mixed, s));
    }
    size_t x = bnn_conv_mix_x_pays(s) ? bnn_conv_mix_x_bytes(micro->mixed, s)
                                      : bnn_conv_f32_bytes(micro, s);
    return most(bnn_conv_b1_bytes(micro, s), most(x, weights));
}
