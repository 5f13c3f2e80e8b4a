/* Forwards whose filters serve too few pixels to be worth packing: they are read as they lie. All
 * linear layers of floats are such, since the order of their sums must not depend on how many
 * samples there are: a batch is evaluated in parts. Products of bits are integers, so these choose
 * by their sizes. */
#include "cpu/conv/conv.h"

enum {
    ROWS = 64,    /* of an item of floats: while filters stay in L1 */
    COLUMNS = 32, /* of it */
    SLICE = 1024, /* of a reduction of floats: what one sum adds up, and four filters in L1 */
    PIXELS = 16   /* of an item of bits, which is 64 filters wide */
};

typedef struct product {
    const bnn_micro *micro;
    const bnn_operand *x, *w;
    const bnn_result *y;
    size_t rows, c, o;
    bnn_queue *items;
} product;

static void item_f32(const product *j, size_t row, size_t column) {
    size_t m = bnn_min_size(ROWS, j->rows - row), n = bnn_min_size(COLUMNS, j->o - column);
    bnn_inner p = {.m = m, .n = n, .lda = j->c, .ldb = j->c, .ldc = j->o};
    p.c = j->y->f32 + row * j->o + column;
    for (size_t k = 0; k < j->c; k += SLICE) {
        p.depth = bnn_min_size(SLICE, j->c - k);
        p.a = j->x->f32 + row * j->c + k;
        p.b = j->w->f32 + column * j->c + k;
        p.acc = k > 0;
        j->micro->f32_inner(&p);
    }
    if (bnn_result_ends(j->y)) {
        float *c[ROWS];
        for (size_t i = 0; i < m; i++) {
            c[i] = p.c + i * j->o;
        }
        j->micro->f32_end(j->y, column, m, n, c);
    }
}

static void forward_f32(const void *job, bnn_member me) {
    const product *j = job;
    size_t item, last, columns = bnn_ceil_div(j->o, COLUMNS);
    while (bnn_next_run(j->items, me, &item, &last)) {
        for (; item < last; item++) {
            item_f32(j, item / columns * ROWS, item % columns * COLUMNS);
        }
    }
}

void bnn_conv_forward_linear(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                             const bnn_operand *x, const bnn_operand *w, const bnn_result *y) {
    product job = {micro, x, w, y, (size_t)s->n, (size_t)s->c, (size_t)s->o, NULL};
    bnn_queue items = {.total = bnn_ceil_div(job.rows, ROWS) * bnn_ceil_div(job.o, COLUMNS)};
    job.items = &items;
    bnn_together(device, bnn_conv_macs(s) / BNN_F32_MACS, forward_f32, &job);
}

int bnn_conv_forward_few_pays(const bnn_conv *s, const bnn_operand *w) {
    size_t rows = (size_t)s->n * (size_t)s->h * (size_t)s->w;
    return bnn_conv_is_pixel_wise(s) && s->groups == 1 && w->prepared == NULL &&
           (rows <= 8 || s->o <= 16);
}

/* Pixels' integers are all c less twice what is counted. */
static void item_b1(const product *j, size_t row, size_t column, const int32_t *offset) {
    static const int32_t class_at[PIXELS];
    size_t words = bnn_words(j->c), n = bnn_min_size(64, j->o - column);
    int32_t count[PIXELS * 64];
    float scale[PIXELS];
    bnn_finish f = {.n = n, .width = n <= 16 ? 16 : 64, .count = count, .offset = offset};
    f.pixels = bnn_min_size(PIXELS, j->rows - row);
    f.class_at = class_at, f.xscale = scale, f.y = j->y;
    f.first = row, f.column = column, f.channels = j->o;
    for (size_t i = 0; i < f.pixels; i++) {
        scale[i] = bnn_row_scale(j->x, row + i);
        memset(count + i * f.width + n, 0, (f.width - n) * sizeof *count);
        j->micro->b1_inner(words, n, j->x->b1 + (row + i) * words, j->w->b1 + column * words,
                           count + i * f.width);
    }
    j->micro->b1_finish(&f);
}

static void forward_b1(const void *job, bnn_member me) {
    const product *j = job;
    size_t item, last, columns = bnn_ceil_div(j->o, 64);
    int32_t offset[64];
    for (size_t i = 0; i < 64; i++) {
        offset[i] = (int32_t)j->c;
    }
    while (bnn_next_run(j->items, me, &item, &last)) {
        for (; item < last; item++) {
            item_b1(j, item / columns * PIXELS, item % columns * 64, offset);
        }
    }
}

void bnn_conv_forward_few(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                          const bnn_operand *x, const bnn_operand *w, const bnn_result *y) {
    size_t rows = (size_t)s->n * (size_t)s->h * (size_t)s->w;
    product job = {micro, x, w, y, rows, (size_t)s->c, (size_t)s->o, NULL};
    bnn_queue items = {.total = bnn_ceil_div(rows, PIXELS) * bnn_ceil_div(job.o, 64)};
    job.items = &items;
    bnn_together(device, bnn_conv_macs(s) / BNN_B1_MACS, forward_b1, &job);
}
