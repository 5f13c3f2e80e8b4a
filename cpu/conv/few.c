/* The gradients of products of few pixels, or with few outputs, one pixel at a time: sums of the
 * filters' rows by a pixel's gradients, or of the pixels' by an output's. Floats or bits, they are
 * read as they lie: codes, tables and panels cost more than so few results. */
#include "cpu/conv/conv.h"

enum {
    RESULTS = 64,   /* rows of the result at a time, at most */
    SHARED = 16,    /* of them, where they are sums of several rows */
    COLUMNS = 1024, /* of a result, at most: whole words */
    COUNT = BNN_WEIGHTED_ROWS
};

/* One pixel is seen by an output's pixel; the others by none. */
static int is_one_tap(const bnn_conv *s) {
    return s->kh == 1 && s->kw == 1 && s->pad_h == 0 && s->pad_w == 0 && s->groups == 1;
}

static size_t pixels_of(const bnn_conv *s) {
    return (size_t)s->n * (size_t)s->oh * (size_t)s->ow;
}

int bnn_conv_few_x_pays(const bnn_conv *s, int bits) {
    size_t pixels = pixels_of(s);
    return is_one_tap(s) && (pixels <= (bits ? 8 : 16) || s->o <= 16);
}

int bnn_conv_few_w_pays(const bnn_conv *s, int bits) {
    size_t pixels = pixels_of(s);
    return is_one_tap(s) && bnn_conv_is_pixel_wise(s) &&
           (pixels <= (bits ? 8 : 16) || (s->o <= 16 && pixels <= 256));
}

typedef struct product {
    const bnn_micro *micro;
    const bnn_conv *s;
    const float *gy;
    const bnn_operand *rows; /* w or x */
    size_t count, results, width;
    size_t a_row, a_step; /* of gy, from a result to the next and from a row */
    float *g;
    size_t together, columns; /* results at a time, and their columns */
    int acc, strided;         /* results are pixels of the input, strides apart */
    bnn_queue *items;
} product;

/* Where row `result` of the result stands. */
static float *place(const product *j, size_t result) {
    const bnn_conv *s = j->s;
    if (j->strided) {
        size_t ow = (size_t)s->ow, oh = (size_t)s->oh;
        size_t y = result / ow % oh * (size_t)s->stride_h, x = result % ow * (size_t)s->stride_w;
        result = (result / ow / oh * (size_t)s->h + y) * (size_t)s->w + x;
    }
    return j->g + result * j->width;
}

/* The weights, with the rows' factors. */
static void scale_weights(const product *j, bnn_weighted *p, size_t first, float *scaled) {
    for (size_t t = 0; t < p->count; t++) {
        float factor = bnn_row_scale(j->rows, first + t);
        for (size_t i = 0; i < p->m; i++) {
            scaled[i * COUNT + t] = p->a[i * p->a_row + t * p->a_step] * factor;
        }
    }
    p->a = scaled, p->a_row = COUNT, p->a_step = 1;
}

static void item(const product *j, size_t result, size_t column) {
    float *c[RESULTS], scaled[SHARED * COUNT];
    float expanded[COLUMNS] __attribute__((aligned(64)));
    bnn_weighted p = {.m = bnn_min_size(j->together, j->results - result),
                      .n = bnn_min_size(j->columns, j->width - column),
                      .c = c,
                      .acc = j->acc};
    for (size_t i = 0; i < p.m; i++) {
        c[i] = place(j, result + i) + column;
    }
    int expands = j->rows->b1 != NULL && p.m > SHARED;
    for (size_t t = 0; t < j->count; t += COUNT, p.acc = 1) {
        p.count = bnn_min_size(COUNT, j->count - t);
        p.a = j->gy + result * j->a_row + t * j->a_step, p.a_row = j->a_row, p.a_step = j->a_step;
        if (j->rows->scale != NULL && !expands) {
            scale_weights(j, &p, t, scaled);
        }
        if (expands) { /* a single row for so many */
            j->micro->b1_expand(p.n, j->rows->b1, column, bnn_row_scale(j->rows, 0), expanded);
            p.rows = expanded;
            j->micro->f32_weighted(&p);
        } else if (j->rows->b1 != NULL) {
            p.step = bnn_words(j->width);
            p.signs = j->rows->b1 + t * p.step + column / 64;
            j->micro->b1_weighted(&p);
        } else {
            p.step = j->width;
            p.rows = j->rows->f32 + t * p.step + column;
            j->micro->f32_weighted(&p);
        }
    }
}

static void add_up(const void *job, bnn_member me) {
    const product *j = job;
    size_t columns = bnn_ceil_div(j->width, j->columns), at, last;
    while (bnn_next_run(j->items, me, &at, &last)) {
        for (; at < last; at++) {
            item(j, at / columns * j->together, at % columns * j->columns);
        }
    }
}

static void add_up_all(const bnn_device *device, product *job) {
    bnn_queue items = {.total = bnn_ceil_div(job->results, job->together) *
                                bnn_ceil_div(job->width, job->columns)};
    job->items = &items;
    bnn_together(device, bnn_conv_macs(job->s) / BNN_F32_MACS, add_up, job);
}

void bnn_conv_few_x(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                    const float *gy, const bnn_operand *w, float *gx, int acc) {
    size_t o = (size_t)s->o, c = (size_t)s->c, all = (size_t)s->n * (size_t)s->h * (size_t)s->w;
    if (!acc && pixels_of(s) < all) {
        memset(gx, 0, all * c * sizeof(float));
    }
    product job = {micro, s, gy, w, .count = o, .results = pixels_of(s), .width = c};
    job.a_row = o, job.a_step = 1, job.g = gx, job.acc = acc;
    job.together = 4, job.columns = 256;
    job.strided = s->stride_h > 1 || s->stride_w > 1;
    add_up_all(device, &job);
}

void bnn_conv_few_w(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                    const float *gy, const bnn_operand *x, float *gw, int acc) {
    size_t o = (size_t)s->o, c = (size_t)s->c;
    product job = {micro, s, gy, x, .count = pixels_of(s), .results = o, .width = c};
    job.a_row = 1, job.a_step = o, job.g = gw, job.acc = acc;
    job.together = job.count == 1 ? RESULTS : SHARED, job.columns = COLUMNS;
    add_up_all(device, &job);
}
