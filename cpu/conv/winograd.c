/* Float products of 3 by 3 filters by Winograd's minimal filtering, F(m x m, 3x3) (Winograd 1980;
 * Lavin and Gray, CVPR 2016): a patch of m + 2 by m + 2 pixels and a filter become that many values
 * each, whose products, added up over the channels, are sums of which a square of m by m results is
 * made. With m = 2 that is 16 multiplications where the plain product has 36, and the results are
 * as good as plain ones but for half a bit; with m = 4, 36 where it has 144, at the cost of a bit
 * or two (an error of 8e-7 of the results' size, where plain sums have 3e-7). A value that is not
 * finite also spoils the results beside its own. What is in the middle are products of matrices,
 * made by the tiles of f32.c. A block of patches is small enough for a near cache; of many channels
 * it has a slice at a time. The gradient of the image is the same product, with the filters turned.
 */
#include "cpu/conv/conv.h"

/* The most products that one register adds up, as in f32.c. */
#define SLICE 192

/* Patches of a block: many share the filters, but their values are to stay in a near cache. */
#define MOST 96
#define LEAST 32
#define VALUES ((size_t)LEAST * 176 * 36)

/* Panels that share a slice of the patches' values, where there are several slices. */
#define WIDE 4

/* Floats of filters transformed at a time, for as many strips, at least one: all of a large layer's
 * would be most of its memory. */
#define FILTERS ((size_t)1 << 20)

/* Transforming filters (or packing them, of the plain product) takes as long as the products of so
 * many patches (or pixels). */
#define FILTERS_AS 24

typedef struct plan {
    bnn_patches patches;
    size_t groups, depth, cols, panels; /* of a group: channels of a pixel, of a result */
    const bnn_winograd *transforms;
    size_t pixels, results; /* of a patch, of a square */
    size_t block, blocks;   /* of patches */
    size_t slice, slices;   /* of the depth, whose values a thread has at a time */
    size_t wide, strips;    /* panels of a strip, which share them; strips of a group */
    size_t together; /* strips whose filters there is room for, at most those of all groups */
    float *zeros;    /* a pixel of them */
    float *filters;  /* [together * wide][pixels][depth][nr] */
    char *threads;
    size_t thread_bytes, used;
} plan;

/* A thread's own. */
typedef struct own {
    float *v;        /* [pixels][v_step]: of patches, [block][slice] */
    float *m;        /* [wide][pixels][m_step]: [block][nr] */
    const float **a; /* [pixels][block]: the rows of v */
    float **c;       /* [wide][pixels][block]: of m */
    const float **x; /* [block][pixels] */
    size_t *at;      /* [block][results] */
    float *taps;     /* [9][SLICE][nr] */
    float *outside;  /* [nr]: what nobody wants is written there */
} own;

/* A line more, lest a patch's values all fall on one set of a cache. */
static size_t v_step(const plan *p) {
    return p->block * p->slice + 16;
}

static size_t m_step(const bnn_micro *micro, const plan *p) {
    return p->block * micro->f32_nr + 16;
}

static size_t thread_layout(const bnn_micro *micro, const plan *p, void *base, own *mine) {
    size_t used = 0, nr = micro->f32_nr, values = p->pixels * p->block;
    mine->v = bnn_take(base, &used, p->pixels * v_step(p) * sizeof(float));
    mine->m = bnn_take(base, &used, p->wide * p->pixels * m_step(micro, p) * sizeof(float));
    mine->a = bnn_take(base, &used, values * sizeof(float *));
    mine->c = bnn_take(base, &used, p->wide * values * sizeof(float *));
    mine->x = bnn_take(base, &used, values * sizeof(float *));
    mine->at = bnn_take(base, &used, p->block * p->results * sizeof(size_t));
    mine->taps = bnn_take(base, &used, 9 * SLICE * nr * sizeof(float));
    mine->outside = bnn_take(base, &used, nr * sizeof(float));
    return used;
}

static plan lay_out(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                    int backward, void *ws) {
    const bnn_winograd *transforms = bnn_conv_winograd_of(micro, s, backward);
    plan p = {.patches = bnn_patches_of(s, transforms->m, backward),
              .groups = (size_t)s->groups,
              .transforms = transforms};
    own mine;
    size_t panel, most;
    p.pixels = p.patches.pixels, p.results = p.patches.results;
    p.depth = (size_t)(backward ? s->o : s->c) / p.groups;
    p.cols = (size_t)(backward ? s->c : s->o) / p.groups;
    p.panels = bnn_ceil_div(p.cols, micro->f32_nr);
    panel = p.pixels * p.depth * micro->f32_nr;
    p.slices = bnn_ceil_div(p.depth, SLICE);
    p.slice = bnn_ceil_div(bnn_ceil_div(p.depth, p.slices), 16) * 16; /* whole vectors */
    p.wide = p.slices > 1 ? bnn_min_size(WIDE, p.panels) : 1;
    p.strips = bnn_ceil_div(p.panels, p.wide);
    most = VALUES / (p.pixels * p.slice);
    p.block = most < LEAST ? LEAST : bnn_min_size(most, MOST);
    p.blocks = bnn_ceil_div(p.patches.count, p.block);
    p.together = bnn_min_size(p.groups * p.strips, bnn_ceil_div(FILTERS, p.wide * panel));
    p.zeros = bnn_take(ws, &p.used, p.depth * sizeof(float));
    p.filters = bnn_take(ws, &p.used, p.together * p.wide * panel * sizeof(float));
    p.thread_bytes = thread_layout(micro, &p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)device->threads * p.thread_bytes);
    if (ws != NULL) {
        memset(p.zeros, 0, p.depth * sizeof(float));
    }
    return p;
}

size_t bnn_conv_winograd_bytes(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                               int gradient) {
    return lay_out(device, micro, s, gradient, NULL).used;
}

/* Windows of single steps, and enough channels and whole squares of results for what is saved to
 * be more than what the transforms cost: of patches, and for gradients of filters, too. How the
 * forward computes a sample does not depend on how many there are, and it may find filters
 * prepared.
 *
 * Large squares are for gradients alone: they lose three times as much, and the forward's results
 * go through signs and kinks, where a value on the other side of 0 has another gradient. */
const bnn_winograd *bnn_conv_winograd_of(const bnn_micro *micro, const bnn_conv *s, int gradient) {
    size_t filters = gradient ? FILTERS_AS : 0, products[2];
    size_t plain = 9 * ((size_t)s->n * (size_t)s->oh * (size_t)s->ow + filters);
    int least = (s->c < s->o ? s->c : s->o) / s->groups;
    if (s->kh != 3 || s->kw != 3 || s->stride_h != 1 || s->stride_w != 1 || s->dil_h != 1 ||
        s->dil_w != 1 || least < 16) {
        return NULL;
    }
    for (size_t i = 0; i < 2; i++) {
        bnn_patches v = bnn_patches_of(s, micro->winograd[i].m, 0);
        products[i] = v.pixels * (v.count + filters);
    }
    int large = gradient && products[1] < products[0];
    return 3 * products[large] < 2 * plain ? &micro->winograd[large] : NULL;
}

typedef struct product {
    const bnn_micro *micro;
    const plan *p;
    const float *in, *w;
    float *out;
    const bnn_result *end; /* what becomes of the sums, or NULL */
    int backward, acc;
    size_t first, last;   /* strips, counted over all groups */
    float *made;          /* their filters, to be transformed; NULL: they are */
    const float *filters; /* the same, to read */
    bnn_queue *items;
} product;

/* ---- filters ---- */

/* Rows from .. from + len of one tap, n columns, [len][nr]. Filters lie as [o][tap][c]: forward
 * they are the columns, backward channels are, and the windows are turned. */
static void pack_tap(const product *j, size_t group, size_t column, size_t n, size_t tap,
                     size_t from, size_t len, float *panel) {
    const plan *p = j->p;
    const bnn_micro *micro = j->micro;
    if (!j->backward) {
        const float *w = j->w + ((group * p->cols + column) * 9 + tap) * p->depth + from;
        micro->f32_columns(len, n, 9 * p->depth, w, micro->f32_nr, panel);
        return;
    }
    const float *row[SLICE];
    for (size_t i = 0; i < len; i++) {
        row[i] = j->w + ((group * p->depth + from + i) * 9 + 8 - tap) * p->cols;
    }
    micro->f32_rows(len, n, row, column, micro->f32_nr, panel);
}

/* The first panel of a strip, counted over all groups. */
static size_t panel_of(const plan *p, size_t strip) {
    return strip / p->strips * p->panels + strip % p->strips * p->wide;
}

static void transform_filters(const void *job, bnn_member me) {
    const product *j = job;
    const plan *p = j->p;
    size_t nr = j->micro->f32_nr, base = panel_of(p, j->first), first, last, len;
    own mine;
    thread_layout(j->micro, p, p->threads + p->thread_bytes * me.thread, &mine);
    bnn_share(me, panel_of(p, j->last) - base, &first, &last);
    for (size_t i = first; i < last; i++) {
        size_t group = (base + i) / p->panels, column = (base + i) % p->panels * nr;
        size_t n = bnn_min_size(nr, p->cols - column);
        if (n < nr) {
            memset(mine.taps, 0, 9 * SLICE * nr * sizeof(float));
        }
        for (size_t from = 0; from < p->depth; from += len) {
            len = bnn_min_size(SLICE, p->depth - from);
            for (size_t tap = 0; tap < 9; tap++) {
                pack_tap(j, group, column, n, tap, from, len, mine.taps + tap * len * nr);
            }
            float *to = j->made + (i * p->pixels * p->depth + from) * nr;
            p->transforms->filter(len * nr, mine.taps, len * nr, to, p->depth * nr);
        }
    }
}

/* ---- the product ---- */

/* A block's patches, and where its results stand. */
static void enter_block(const product *j, size_t group, size_t first, size_t count,
                        const own *mine) {
    const plan *p = j->p;
    const bnn_patches *v = &p->patches;
    bnn_patches_point(v, j->in + group * p->depth, p->groups * p->depth, p->zeros, first, count,
                      mine->x);
    bnn_patches_place(v, p->groups * p->cols, first, count, mine->at);
}

static void transform_patches(const product *j, size_t from, size_t len, size_t count,
                              const own *mine) {
    const plan *p = j->p;
    for (size_t t = 0; t < count; t++) {
        p->transforms->patch(len, mine->x + t * p->pixels, from, mine->v + t * p->slice, v_step(p));
    }
}

/* One panel of columns for a block, of the channels from .. from + len: onto the sums, or their
 * beginning. `panel` counts from that of j->first, `place` within the strip. */
static void multiply(const product *j, size_t panel, size_t place, size_t n, size_t from,
                     size_t len, size_t count, const own *mine) {
    const plan *p = j->p;
    size_t nr = j->micro->f32_nr, tiles = bnn_ceil_div(count, j->micro->f32_mr);
    bnn_f32_runs run = {.taps = 1, .lda = p->block, .n = n, .depth = len, .acc = from > 0};
    for (size_t value = 0; value < p->pixels; value++) {
        run.b = j->filters + ((panel * p->pixels + value) * p->depth + from) * nr;
        for (size_t i = 0; i < tiles; i++) { /* of even heights, one row apart at most */
            size_t r = count * i / tiles;
            run.a = mine->a + value * p->block + r;
            run.c = mine->c + (place * p->pixels + value) * p->block + r;
            run.m = count * (i + 1) / tiles - r;
            j->micro->f32_indirect(&run);
        }
    }
}

static void leave_block(const product *j, size_t group, size_t column, size_t place, size_t n,
                        size_t count, const own *mine) {
    const plan *p = j->p;
    size_t nr = j->micro->f32_nr, channel = group * p->cols + column;
    const float *m = mine->m + place * p->pixels * m_step(j->micro, p);
    for (size_t t = 0; t < count; t++) {
        float *y[BNN_SQUARE_MOST], *inside[BNN_SQUARE_MOST];
        size_t results = 0;
        for (size_t k = 0; k < p->results; k++) {
            size_t at = mine->at[t * p->results + k];
            y[k] = mine->outside;
            if (at != SIZE_MAX) {
                y[k] = inside[results++] = j->out + at + channel;
            }
        }
        p->transforms->result(n, m + t * nr, m_step(j->micro, p), y, j->acc);
        if (j->end != NULL) {
            j->micro->f32_end(j->end, channel, results, n, inside);
        }
    }
}

static void start_thread(const product *j, bnn_member me, own *mine) {
    const plan *p = j->p;
    thread_layout(j->micro, p, p->threads + p->thread_bytes * me.thread, mine);
    memset(mine->outside, 0, j->micro->f32_nr * sizeof(float));
    for (size_t i = 0; i < p->pixels * p->block; i++) {
        mine->a[i] = mine->v + i / p->block * v_step(p) + i % p->block * p->slice;
    }
    for (size_t i = 0; i < p->wide * p->pixels * p->block; i++) {
        mine->c[i] = mine->m + i / p->block * m_step(j->micro, p) + i % p->block * j->micro->f32_nr;
    }
}

/* The panels of a strip for a block whose patches have been entered. */
static void compute(const product *j, size_t strip, size_t count, int transformed,
                    const own *mine) {
    const plan *p = j->p;
    size_t nr = j->micro->f32_nr, group = strip / p->strips, first = strip % p->strips * p->wide;
    size_t panels = bnn_min_size(p->wide, p->panels - first), len;
    size_t base = panel_of(p, strip) - panel_of(p, j->first);
    for (size_t from = 0; from < p->depth; from += len) {
        len = bnn_min_size(p->slice, p->depth - from);
        if (!transformed) {
            transform_patches(j, from, len, count, mine);
        }
        for (size_t i = 0; i < panels; i++) {
            size_t n = bnn_min_size(nr, p->cols - (first + i) * nr);
            multiply(j, base + i, i, n, from, len, count, mine);
        }
    }
    for (size_t i = 0; i < panels; i++) {
        size_t column = (first + i) * nr;
        leave_block(j, group, column, i, bnn_min_size(nr, p->cols - column), count, mine);
    }
}

/* The (block, strip) pairs that a thread gets hold of. Each result is computed in one order, with
 * whatever others. */
static void walk(const void *job, bnn_member me) {
    const product *j = job;
    const plan *p = j->p;
    size_t strips = j->last - j->first, entered = SIZE_MAX, first, last;
    own mine;
    if (j->made != NULL) {
        transform_filters(j, me);
        bnn_wait_for_all(me);
    }
    start_thread(j, me, &mine);
    while (bnn_next_run(j->items, me, &first, &last)) {
        for (size_t item = first; item < last; item++) {
            size_t block = item / strips, strip = j->first + item % strips;
            size_t group = strip / p->strips, patch = block * p->block;
            size_t count = bnn_min_size(p->block, p->patches.count - patch);
            int again = entered == block * p->groups + group;
            if (!again) {
                entered = block * p->groups + group;
                enter_block(j, group, patch, count, &mine);
            }
            compute(j, strip, count, again && p->slices == 1, &mine);
        }
    }
}

/* All strips: with filters that are transformed at once, else as many as there is room for. */
static void walk_all(const bnn_device *device, const bnn_conv *s, product *j,
                     const float *transformed) {
    const plan *p = j->p;
    size_t strips = p->groups * p->strips, together = transformed ? strips : p->together;
    j->filters = transformed ? transformed : p->filters;
    j->made = transformed ? NULL : p->filters;
    for (j->first = 0; j->first < strips; j->first = j->last) {
        j->last = bnn_min_size(strips, j->first + together);
        bnn_queue items = {.total = (j->last - j->first) * p->blocks};
        j->items = &items;
        bnn_together(device, bnn_conv_macs(s) / BNN_F32_MACS, walk, j);
    }
}

void bnn_conv_forward_winograd(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                               const float *x, const bnn_operand *w, const bnn_result *y,
                               void *ws) {
    plan p = lay_out(device, micro, s, 0, ws);
    product job = {.micro = micro, .p = &p, .in = x, .w = w->f32, .out = y->f32, .end = y};
    walk_all(device, s, &job, w->prepared);
}

void bnn_conv_backward_x_winograd(const bnn_device *device, const bnn_micro *micro,
                                  const bnn_conv *s, const float *gy, const float *w, float *gx,
                                  int acc, void *ws) {
    plan p = lay_out(device, micro, s, 1, ws);
    product job = {.micro = micro, .p = &p, .in = gy, .w = w, .out = gx, .backward = 1, .acc = acc};
    walk_all(device, s, &job, NULL);
}

size_t bnn_conv_winograd_prepared_bytes(const bnn_micro *micro, const bnn_conv *s) {
    size_t groups = (size_t)s->groups, nr = micro->f32_nr;
    size_t columns = bnn_ceil_div((size_t)s->o / groups, nr) * nr;
    size_t side = bnn_conv_winograd_of(micro, s, 0)->m + 2;
    return side * side * (size_t)s->c * columns * sizeof(float);
}

void bnn_conv_prepare_winograd(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                               const float *w, float *filters, void *ws) {
    plan p = lay_out(device, micro, s, 0, ws);
    product job = {.micro = micro, .p = &p, .w = w, .last = p.groups * p.strips, .made = filters};
    size_t work = bnn_conv_winograd_prepared_bytes(micro, s) / sizeof(float);
    bnn_together(device, work, transform_filters, &job);
}
