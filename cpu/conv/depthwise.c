/* Convolutions of one input channel a group: each output is a few products and adds, too few for
 * tiles of any product. So channels are the vectors: lines of pixels times filters that are laid
 * out a row of channels a tap. A gradient expands bits to +-1 first (the forward of bits is in
 * depthwise_b1.c). A channel with several filters is repeated for each. */
#include "cpu/conv/conv.h"

enum { BATCH = 16, PIECES = 16 }; /* pixels finished at once; slices of the filters' gradient */

typedef struct plan {
    size_t c, o, each, taps;
    size_t line;    /* values of a line of pixels, each with all of its outputs */
    float *filters; /* [taps][o] */
    int *seen_by;   /* [kw][w]: the output column that column x is seen by through tap kx, or -1 */
    size_t lines, pieces;
    double *partial; /* [pieces][taps][o] */
    char *threads;
    size_t thread_bytes, used;
} plan;

/* A product, of what it has. */
typedef struct product {
    const bnn_micro *micro;
    const bnn_conv *s;
    const plan *p;
    const bnn_operand *x;
    const bnn_result *y;
    const float *gy;
    float *g; /* gx or gw */
    int acc;
    bnn_queue *items;
} product;

/* A thread's own. */
typedef struct own {
    float *lines;         /* [kh][line] */
    size_t *held;         /* [kh]: which lines of the input these are, from 1 on */
    const float **row;    /* [kh]: where the lines of a window are */
    const float **a, **b; /* [taps] or [ow]: pairs of rows to multiply */
    float *once;          /* [c]: a pixel's channels before they are repeated */
    float *sums;          /* [BATCH][o], or [taps][o] */
} own;

static size_t thread_layout(const bnn_conv *s, const plan *p, void *base, own *mine) {
    size_t used = 0, most = p->taps > BATCH ? p->taps : BATCH;
    size_t pairs = p->taps > (size_t)s->ow ? p->taps : (size_t)s->ow;
    mine->lines = bnn_take(base, &used, (size_t)s->kh * p->line * sizeof(float));
    mine->held = bnn_take(base, &used, (size_t)s->kh * sizeof(size_t));
    mine->row = bnn_take(base, &used, (size_t)s->kh * sizeof(float *));
    mine->a = bnn_take(base, &used, pairs * sizeof(float *));
    mine->b = bnn_take(base, &used, pairs * sizeof(float *));
    mine->once = bnn_take(base, &used, p->c * sizeof(float));
    mine->sums = bnn_take(base, &used, most * p->o * sizeof(float));
    return used;
}

static plan lay_out(const bnn_device *device, const bnn_conv *s, void *ws) {
    plan p = {.c = (size_t)s->c, .o = (size_t)s->o, .taps = (size_t)s->kh * (size_t)s->kw};
    own mine;
    p.each = p.o / p.c;
    p.line = (size_t)s->w * p.o;
    p.lines = (size_t)s->n * (size_t)s->oh;
    p.pieces = bnn_min_size(PIECES, p.lines);
    p.filters = bnn_take(ws, &p.used, p.taps * p.o * sizeof(float));
    p.seen_by = bnn_take(ws, &p.used, (size_t)s->kw * (size_t)s->w * sizeof(int));
    p.partial = bnn_take(ws, &p.used, p.pieces * p.taps * p.o * sizeof(double));
    p.thread_bytes = thread_layout(s, &p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)device->threads * p.thread_bytes);
    return p;
}

static own own_of(const bnn_conv *s, const plan *p, bnn_member me) {
    own mine;
    thread_layout(s, p, p->threads + p->thread_bytes * me.thread, &mine);
    memset(mine.held, 0, (size_t)s->kh * sizeof(size_t));
    return mine;
}

size_t bnn_conv_depthwise_bytes(const bnn_device *device, const bnn_conv *s) {
    return lay_out(device, s, NULL).used;
}

size_t bnn_conv_depthwise_prepared_bytes(const bnn_conv *s) {
    return (size_t)s->kh * (size_t)s->kw * (size_t)s->o * sizeof(float);
}

/* Filters [o][taps] to [taps][o], bits as +-1 times their scale. */
void bnn_conv_prepare_depthwise(const bnn_conv *s, const bnn_operand *w, float *filters) {
    size_t o = (size_t)s->o, taps = (size_t)s->kh * (size_t)s->kw;
    for (size_t j = 0; w->b1 == NULL && j < o; j++) {
        for (size_t t = 0; t < taps; t++) {
            filters[t * o + j] = w->f32[j * taps + t];
        }
    }
    for (size_t j = 0; w->b1 != NULL && j < o; j++) {
        float scale = bnn_row_scale(w, j * taps), sign[2] = {-scale, scale};
        for (size_t t = 0; t < taps; t++) { /* a row of one channel: a word of its own */
            filters[t * o + j] = sign[w->b1[j * taps + t] & 1];
        }
    }
}

/* Inlined with a constant, the loop over `each` vanishes. */
static inline void repeat(const float *values, size_t n, const size_t each, float *to) {
    for (size_t j = 0; j < n; j++) {
        for (size_t k = 0; k < each; k++) {
            to[j * each + k] = values[j];
        }
    }
}

/* Line `index` of the input, from n * h + y on: a pixel's channels, each repeated for its filters.
 * Bits are those of a gradient, which has their factors. */
static const float *line_of(const bnn_micro *micro, const bnn_conv *s, const plan *p,
                            const bnn_operand *x, size_t index, const own *mine, size_t slot) {
    size_t first = index * (size_t)s->w;
    if (x->b1 == NULL && p->each == 1) {
        return x->f32 + first * p->c;
    }
    float *to = mine->lines + slot * p->line;
    if (mine->held[slot] == index + 1) {
        return to;
    }
    for (size_t i = 0; i < (size_t)s->w; i++) {
        float *at = to + i * p->o, *expanded = p->each == 1 ? at : mine->once;
        const float *values = expanded;
        if (x->b1 == NULL) {
            values = x->f32 + (first + i) * p->c;
        } else {
            micro->b1_expand(p->c, x->b1 + (first + i) * bnn_words(p->c), 0,
                             bnn_row_scale(x, first + i), expanded);
        }
        if (p->each == 2) {
            repeat(values, p->c, 2, at);
        } else if (p->each > 1) {
            repeat(values, p->c, p->each, at);
        }
    }
    mine->held[slot] = index + 1;
    return to;
}

/* The lines that the windows of output line `index` see; those outside the image are NULL. */
static void see_lines(const bnn_micro *micro, const bnn_conv *s, const plan *p,
                      const bnn_operand *x, size_t index, const own *mine) {
    size_t image = index / (size_t)s->oh;
    for (int ky = 0; ky < s->kh; ky++) {
        int y = (int)(index % (size_t)s->oh) * s->stride_h - s->pad_h + ky * s->dil_h;
        int inside = y >= 0 && y < s->h;
        size_t line = image * (size_t)s->h + (size_t)(inside ? y : 0);
        /* Lines of one window lie dil_h apart, so none takes another's slot. */
        size_t slot = (size_t)((inside ? y : 0) / s->dil_h % s->kh);
        mine->row[ky] = inside ? line_of(micro, s, p, x, line, mine, slot) : NULL;
    }
}

/* All products of the window at column ox. */
static void window(const bnn_micro *micro, const bnn_conv *s, const plan *p, const own *mine,
                   int ox, float *sum) {
    size_t count = 0;
    for (int ky = 0; ky < s->kh; ky++) {
        for (int kx = 0; kx < s->kw && mine->row[ky] != NULL; kx++) {
            int x = ox * s->stride_w - s->pad_w + kx * s->dil_w;
            if (x >= 0 && x < s->w) {
                mine->a[count] = mine->row[ky] + (size_t)x * p->o;
                mine->b[count++] = p->filters + (size_t)(ky * s->kw + kx) * p->o;
            }
        }
    }
    micro->f32_dots(count, mine->a, mine->b, p->o, sum, 0);
}

static void finish(const bnn_micro *micro, const plan *p, const bnn_result *y, size_t first,
                   size_t count, const own *mine) {
    float *row[BATCH];
    for (size_t i = 0; i < count; i++) {
        row[i] = y->f32 + (first + i) * p->o;
        memcpy(row[i], mine->sums + i * p->o, p->o * sizeof(float));
    }
    if (bnn_result_ends(y)) {
        micro->f32_end(y, 0, count, p->o, row);
    }
}

static void forward(const void *job, bnn_member me) {
    const product *j = job;
    const bnn_conv *s = j->s;
    const plan *p = j->p;
    own mine = own_of(s, p, me);
    size_t line, last;
    while (bnn_next_run(j->items, me, &line, &last)) {
        for (; line < last; line++) {
            see_lines(j->micro, s, p, j->x, line, &mine);
            for (int ox = 0; ox < s->ow; ox += BATCH) {
                size_t first = line * (size_t)s->ow + (size_t)ox;
                size_t count = bnn_min_size(BATCH, (size_t)(s->ow - ox));
                for (size_t i = 0; i < count; i++) {
                    window(j->micro, s, p, &mine, ox + (int)i, mine.sums + i * p->o);
                }
                finish(j->micro, p, j->y, first, count, &mine);
            }
        }
    }
}

void bnn_conv_forward_depthwise(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                                const bnn_operand *x, const bnn_operand *w, const bnn_result *y,
                                void *ws) {
    plan p = lay_out(device, s, ws);
    bnn_queue lines = {.total = p.lines};
    product job = {micro, s, &p, .x = x, .y = y, .items = &lines};
    if (w->prepared != NULL) {
        p.filters = (float *)(uintptr_t)w->prepared; /* only read */
    } else {
        bnn_conv_prepare_depthwise(s, w, p.filters);
    }
    bnn_together(device, bnn_conv_macs(s) / BNN_F32_MACS, forward, &job);
}

/* The output pixel that pixel `at` of an input's axis is seen by through tap k; -1 if none. */
static int seen_by(int at, int k, int stride, int pad, int dil, int size) {
    int from = at + pad - k * dil;
    return from >= 0 && from % stride == 0 && from / stride < size ? from / stride : -1;
}

/* A line of the input's gradient: adds to `to`, or writes it, a pixel with all of its outputs. */
static void gather_x(const bnn_micro *micro, const bnn_conv *s, const plan *p, const float *gy,
                     size_t line, const own *mine, float *to, int acc) {
    size_t image = line / (size_t)s->h;
    for (int ky = 0; ky < s->kh; ky++) {
        int y = seen_by((int)(line % (size_t)s->h), ky, s->stride_h, s->pad_h, s->dil_h, s->oh);
        size_t out = image * (size_t)s->oh + (size_t)(y < 0 ? 0 : y);
        mine->row[ky] = y < 0 ? NULL : gy + out * (size_t)s->ow * p->o;
    }
    for (int x = 0; x < s->w; x++) {
        size_t count = 0;
        for (int ky = 0; ky < s->kh; ky++) {
            for (int kx = 0; kx < s->kw && mine->row[ky] != NULL; kx++) {
                int ox = p->seen_by[kx * s->w + x];
                if (ox >= 0) {
                    mine->a[count] = mine->row[ky] + (size_t)ox * p->o;
                    mine->b[count++] = p->filters + (size_t)(ky * s->kw + kx) * p->o;
                }
            }
        }
        micro->f32_dots(count, mine->a, mine->b, p->o, to + (size_t)x * p->o, acc);
    }
}

static void backward_x(const void *job, bnn_member me) {
    const product *j = job;
    const bnn_conv *s = j->s;
    const plan *p = j->p;
    own mine = own_of(s, p, me);
    size_t line, last;
    while (bnn_next_run(j->items, me, &line, &last)) {
        for (; line < last; line++) {
            float *to = j->g + line * (size_t)s->w * p->c;
            if (p->each == 1) {
                gather_x(j->micro, s, p, j->gy, line, &mine, to, j->acc);
                continue;
            }
            gather_x(j->micro, s, p, j->gy, line, &mine, mine.lines, 0);
            for (size_t i = 0; i < (size_t)s->w * p->c; i++) {
                float sum = j->acc ? to[i] : 0.0f;
                for (size_t k = 0; k < p->each; k++) {
                    sum += mine.lines[i * p->each + k];
                }
                to[i] = sum;
            }
        }
    }
}

void bnn_conv_backward_x_depthwise(const bnn_device *device, const bnn_micro *micro,
                                   const bnn_conv *s, const float *gy, const bnn_operand *w,
                                   float *gx, int acc, void *ws) {
    plan p = lay_out(device, s, ws);
    bnn_queue lines = {.total = (size_t)s->n * (size_t)s->h};
    product job = {micro, s, &p, .gy = gy, .g = gx, .acc = acc, .items = &lines};
    bnn_conv_prepare_depthwise(s, w, p.filters);
    for (int k = 0; k < s->kw; k++) {
        for (int i = 0; i < s->w; i++) {
            p.seen_by[k * s->w + i] = seen_by(i, k, s->stride_w, s->pad_w, s->dil_w, s->ow);
        }
    }
    bnn_together(device, bnn_conv_macs(s) / BNN_F32_MACS, backward_x, &job);
}

/* One output line's part of the filters' gradient, in float. */
static void gather_w(const bnn_micro *micro, const bnn_conv *s, const plan *p, const float *gy,
                     const own *mine) {
    for (int ky = 0; ky < s->kh; ky++) {
        for (int kx = 0; kx < s->kw; kx++) {
            size_t count = 0;
            for (int ox = 0; ox < s->ow && mine->row[ky] != NULL; ox++) {
                int x = ox * s->stride_w - s->pad_w + kx * s->dil_w;
                if (x >= 0 && x < s->w) {
                    mine->a[count] = gy + (size_t)ox * p->o;
                    mine->b[count++] = mine->row[ky] + (size_t)x * p->o;
                }
            }
            micro->f32_dots(count, mine->a, mine->b, p->o,
                            mine->sums + (size_t)(ky * s->kw + kx) * p->o, 0);
        }
    }
}

/* The pieces in order, to [o][taps]. */
static void add_pieces(const plan *p, bnn_member me, float *gw, int acc) {
    size_t first, last, whole = p->taps * p->o;
    bnn_share(me, p->o, &first, &last);
    for (size_t j = first; j < last; j++) {
        for (size_t t = 0; t < p->taps; t++) {
            double sum = 0.0;
            for (size_t i = 0; i < p->pieces; i++) {
                sum += p->partial[i * whole + t * p->o + j];
            }
            gw[j * p->taps + t] = (acc ? gw[j * p->taps + t] : 0.0f) + (float)sum;
        }
    }
}

static void backward_w(const void *job, bnn_member me) {
    const product *j = job;
    const bnn_conv *s = j->s;
    const plan *p = j->p;
    own mine = own_of(s, p, me);
    size_t piece, last, whole = p->taps * p->o;
    while (bnn_next_run(j->items, me, &piece, &last)) {
        for (; piece < last; piece++) {
            double *sum = p->partial + piece * whole;
            memset(sum, 0, whole * sizeof(double));
            for (size_t line = p->lines * piece / p->pieces;
                 line < p->lines * (piece + 1) / p->pieces; line++) {
                see_lines(j->micro, s, p, j->x, line, &mine);
                gather_w(j->micro, s, p, j->gy + line * (size_t)s->ow * p->o, &mine);
                for (size_t i = 0; i < whole; i++) {
                    sum[i] += (double)mine.sums[i];
                }
            }
        }
    }
    bnn_wait_for_all(me);
    add_pieces(p, me, j->g, j->acc);
}

void bnn_conv_backward_w_depthwise(const bnn_device *device, const bnn_micro *micro,
                                   const bnn_conv *s, const float *gy, const bnn_operand *x,
                                   float *gw, int acc, void *ws) {
    plan p = lay_out(device, s, ws);
    bnn_queue pieces = {.total = p.pieces};
    product job = {micro, s, &p, .x = x, .gy = gy, .g = gw, .acc = acc, .items = &pieces};
    bnn_together(device, bnn_conv_macs(s) / BNN_F32_MACS, backward_w, &job);
}
