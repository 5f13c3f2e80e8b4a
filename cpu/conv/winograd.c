/* Float products of 3 by 3 filters by Winograd's minimal filtering, F(2x2, 3x3) (Winograd 1980;
 * Lavin and Gray, CVPR 2016): a patch of 4 by 4 pixels and a filter become sixteen values each,
 * sums of theirs, whose products, added up over the channels, are sixteen sums of which a square of
 * four results is made. That is 16 multiplications where the plain product has 36. Since the sums
 * have few terms and no factor but a half, the results are as good as plain ones but for about a
 * bit; but a value that is not finite also spoils the results beside its own. What is in the middle
 * is sixteen products of matrices, made by the tiles of f32.c. A block of patches is small enough
 * for a near cache. The gradient of the image is the same product, with the filters turned. */
#include "cpu/conv/conv.h"

/* The most products that one register adds up, as in f32.c. */
#define SLICE 192

/* Patches of a block: many share the filters, but their values are to stay in a near cache. */
#define MOST 96
#define LEAST 48
#define VALUES ((size_t)MOST * 128)

/* Floats of filters transformed at a time, for as many panels: all of a large layer's would be
 * most of its memory. */
#define FILTERS ((size_t)1 << 20)

typedef struct plan {
    bnn_patches patches;
    size_t groups, depth, cols, panels; /* of a group: channels of a pixel, of a result */
    size_t block, blocks;
    size_t together; /* panels whose filters there is room for, at most those of all groups */
    float *zeros;    /* a pixel of them */
    float *filters;  /* [together][BNN_PATCH][depth][nr] */
    char *threads;
    size_t thread_bytes, used;
} plan;

/* A thread's own. */
typedef struct own {
    float *v;                     /* [BNN_PATCH][v_step]: of patches, [block][depth] */
    float *m;                     /* [BNN_PATCH][block][nr] */
    const float **a;              /* [BNN_PATCH][block]: the rows of v */
    float **c;                    /* [BNN_PATCH][block]: of m */
    const float *(*x)[BNN_PATCH]; /* [block] */
    size_t (*at)[BNN_SQUARE];     /* [block] */
    float *taps;                  /* [9][SLICE][nr] */
    float *outside;               /* [nr]: what nobody wants is written there */
} own;

/* A line more, lest a patch's values all fall on one set of a cache. */
static size_t v_step(const plan *p) {
    return p->block * p->depth + 16;
}

static size_t thread_layout(const bnn_micro *micro, const plan *p, void *base, own *mine) {
    size_t used = 0, nr = micro->f32_nr;
    mine->v = bnn_take(base, &used, BNN_PATCH * v_step(p) * sizeof(float));
    mine->m = bnn_take(base, &used, BNN_PATCH * p->block * nr * sizeof(float));
    mine->a = bnn_take(base, &used, BNN_PATCH * p->block * sizeof(float *));
    mine->c = bnn_take(base, &used, BNN_PATCH * p->block * sizeof(float *));
    mine->x = bnn_take(base, &used, p->block * sizeof *mine->x);
    mine->at = bnn_take(base, &used, p->block * sizeof *mine->at);
    mine->taps = bnn_take(base, &used, 9 * SLICE * nr * sizeof(float));
    mine->outside = bnn_take(base, &used, nr * sizeof(float));
    return used;
}

static plan lay_out(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                    int backward, void *ws) {
    plan p = {.patches = bnn_patches_of(s, backward), .groups = (size_t)s->groups};
    own mine;
    size_t panel;
    p.depth = (size_t)(backward ? s->o : s->c) / p.groups;
    p.cols = (size_t)(backward ? s->c : s->o) / p.groups;
    p.panels = bnn_ceil_div(p.cols, micro->f32_nr);
    panel = BNN_PATCH * p.depth * micro->f32_nr;
    p.block = VALUES / p.depth < LEAST ? LEAST : bnn_min_size(VALUES / p.depth, MOST);
    p.blocks = bnn_ceil_div(p.patches.count, p.block);
    p.together = bnn_min_size(p.groups * p.panels, bnn_ceil_div(FILTERS, panel));
    p.zeros = bnn_take(ws, &p.used, p.depth * sizeof(float));
    p.filters = bnn_take(ws, &p.used, p.together * panel * sizeof(float));
    p.thread_bytes = thread_layout(micro, &p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)device->threads * p.thread_bytes);
    if (ws != NULL) {
        memset(p.zeros, 0, p.depth * sizeof(float));
    }
    return p;
}

size_t bnn_conv_winograd_bytes(const bnn_device *device, const bnn_micro *micro,
                               const bnn_conv *s) {
    size_t forward = lay_out(device, micro, s, 0, NULL).used;
    size_t backward = lay_out(device, micro, s, 1, NULL).used;
    return forward > backward ? forward : backward;
}

/* Windows of single steps, and enough channels and whole squares of results for what is saved to
 * be more than what the transforms cost. */
int bnn_conv_winograd_pays(const bnn_conv *s) {
    bnn_patches v = bnn_patches_of(s, 0);
    size_t plain = 9 * (size_t)s->oh * (size_t)s->ow, here = BNN_PATCH * v.rows * v.cols;
    return s->kh == 3 && s->kw == 3 && s->stride_h == 1 && s->stride_w == 1 && s->dil_h == 1 &&
           s->dil_w == 1 && s->c / s->groups >= 16 && s->o / s->groups >= 16 &&
           4 * plain > 5 * here;
}

typedef struct product {
    const bnn_micro *micro;
    const plan *p;
    const float *in, *w;
    float *out;
    const bnn_result *end; /* what becomes of the sums, or NULL */
    int backward, acc;
    size_t first, last;   /* panels, counted over all groups */
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

static void transform_filters(const void *job, bnn_member me) {
    const product *j = job;
    const plan *p = j->p;
    size_t nr = j->micro->f32_nr, first, last, len;
    own mine;
    thread_layout(j->micro, p, p->threads + p->thread_bytes * me.thread, &mine);
    bnn_share(me, j->last - j->first, &first, &last);
    for (size_t i = first; i < last; i++) {
        size_t group = (j->first + i) / p->panels, column = (j->first + i) % p->panels * nr;
        size_t n = bnn_min_size(nr, p->cols - column);
        if (n < nr) {
            memset(mine.taps, 0, 9 * SLICE * nr * sizeof(float));
        }
        for (size_t from = 0; from < p->depth; from += len) {
            len = bnn_min_size(SLICE, p->depth - from);
            for (size_t tap = 0; tap < 9; tap++) {
                pack_tap(j, group, column, n, tap, from, len, mine.taps + tap * len * nr);
            }
            float *to = j->made + (i * BNN_PATCH * p->depth + from) * nr;
            j->micro->f32_filter(len * nr, mine.taps, len * nr, to, p->depth * nr);
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
    for (size_t t = 0; t < count; t++) {
        j->micro->f32_patch(p->depth, mine->x[t], mine->v + t * p->depth, v_step(p));
    }
    bnn_patches_place(v, p->groups * p->cols, first, count, mine->at);
}

/* One panel of columns for a block; `panel` counts from j->first. */
static void multiply(const product *j, size_t panel, size_t n, size_t count, const own *mine) {
    const plan *p = j->p;
    size_t nr = j->micro->f32_nr, tiles = bnn_ceil_div(count, j->micro->f32_mr);
    size_t longest = bnn_ceil_div(p->depth, bnn_ceil_div(p->depth, SLICE));
    bnn_f32_runs run = {.taps = 1, .lda = p->block, .n = n};
    for (size_t value = 0; value < BNN_PATCH; value++) {
        for (run.first = 0; run.first < p->depth; run.first += longest) {
            run.depth = bnn_min_size(longest, p->depth - run.first);
            run.acc = run.first > 0;
            run.b = j->filters + ((panel * BNN_PATCH + value) * p->depth + run.first) * nr;
            for (size_t i = 0; i < tiles; i++) { /* of even heights, one row apart at most */
                size_t r = count * i / tiles;
                run.a = mine->a + value * p->block + r;
                run.c = mine->c + value * p->block + r;
                run.m = count * (i + 1) / tiles - r;
                j->micro->f32_indirect(&run);
            }
        }
    }
}

static void leave_block(const product *j, size_t group, size_t column, size_t n, size_t count,
                        const own *mine) {
    const plan *p = j->p;
    size_t nr = j->micro->f32_nr, channel = group * p->cols + column;
    for (size_t t = 0; t < count; t++) {
        float *y[BNN_SQUARE], *inside[BNN_SQUARE];
        size_t results = 0;
        for (size_t k = 0; k < BNN_SQUARE; k++) {
            y[k] = mine->outside;
            if (mine->at[t][k] != SIZE_MAX) {
                y[k] = inside[results++] = j->out + mine->at[t][k] + channel;
            }
        }
        j->micro->f32_result(n, mine->m + t * nr, p->block * nr, y, j->acc);
        if (j->end != NULL) {
            j->micro->f32_end(j->end, channel, results, n, inside);
        }
    }
}

static void start_thread(const product *j, bnn_member me, own *mine) {
    const plan *p = j->p;
    thread_layout(j->micro, p, p->threads + p->thread_bytes * me.thread, mine);
    memset(mine->outside, 0, j->micro->f32_nr * sizeof(float));
    for (size_t i = 0; i < BNN_PATCH * p->block; i++) {
        mine->a[i] = mine->v + i / p->block * v_step(p) + i % p->block * p->depth;
        mine->c[i] = mine->m + i * j->micro->f32_nr;
    }
}

/* The (block, panel) pairs that a thread gets hold of. Each result is computed in one order, with
 * whatever others. */
static void walk(const void *job, bnn_member me) {
    const product *j = job;
    const plan *p = j->p;
    size_t nr = j->micro->f32_nr, panels = j->last - j->first, entered = SIZE_MAX, first, last;
    own mine;
    if (j->made != NULL) {
        transform_filters(j, me);
        bnn_wait_for_all(me);
    }
    start_thread(j, me, &mine);
    while (bnn_next_run(j->items, me, &first, &last)) {
        for (size_t item = first; item < last; item++) {
            size_t block = item / panels, panel = item % panels;
            size_t group = (j->first + panel) / p->panels;
            size_t column = (j->first + panel) % p->panels * nr, patch = block * p->block;
            size_t count = bnn_min_size(p->block, p->patches.count - patch);
            size_t n = bnn_min_size(nr, p->cols - column);
            if (entered != block * p->groups + group) {
                entered = block * p->groups + group;
                enter_block(j, group, patch, count, &mine);
            }
            multiply(j, panel, n, count, &mine);
            leave_block(j, group, column, n, count, &mine);
        }
    }
}

/* All panels: with filters that are transformed at once, else as many as there is room for. */
static void walk_all(const bnn_device *device, const bnn_conv *s, product *j,
                     const float *transformed) {
    const plan *p = j->p;
    size_t panels = p->groups * p->panels, together = transformed ? panels : p->together;
    j->filters = transformed ? transformed : p->filters;
    j->made = transformed ? NULL : p->filters;
    for (j->first = 0; j->first < panels; j->first = j->last) {
        j->last = bnn_min_size(panels, j->first + together);
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
    return BNN_PATCH * (size_t)s->c * columns * sizeof(float);
}

void bnn_conv_prepare_winograd(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                               const float *w, float *filters, void *ws) {
    plan p = lay_out(device, micro, s, 0, ws);
    product job = {.micro = micro, .p = &p, .w = w, .last = p.groups * p.panels, .made = filters};
    size_t work = bnn_conv_winograd_prepared_bytes(micro, s) / sizeof(float);
    bnn_together(device, work, transform_filters, &job);
}
