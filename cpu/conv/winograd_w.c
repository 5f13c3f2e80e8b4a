/* The gradient of 3 by 3 filters by the transposes of Winograd's transforms (winograd.c): squares
 * of the gradient become as many values as the patches do, and their products, added up over all
 * patches, are as many sums for a filter and channel, of which the gradients of nine taps are made.
 * That is 16 multiplications for the 36 of weights.c, or 36 for its 144. An item is a
 * part of the filters times a panel of channels, whose sums stay in a near cache; where these are
 * too few for threads to share the patches are cut as well, by the shape alone, into slices with
 * partial results. */
#include "cpu/conv/conv.h"

/* Values of a block's patches for one channel; a panel of one of its values stays in L1. */
#define VALUES 1024
#define FILTERS 128 /* of a part, at most */

typedef struct plan {
    bnn_patches patches;
    size_t groups, og, cg, panels, parts;
    size_t row; /* floats of a patch's filters, once spread */
    const bnn_winograd *transforms;
    size_t block, blocks, splits;
    float *zeros;   /* [row], at least nr */
    float *partial; /* [splits][o][9][cg], if splits > 1 */
    char *threads;
    size_t thread_bytes, used;
} plan;

/* A thread's own. */
typedef struct own {
    const float **x; /* [block][pixels] */
    size_t *at;      /* [block][results] */
    float *v;        /* [pixels][v_step]: [block][nr] */
    float *z;        /* [pixels][z_step]: [block][row] */
    float *u;        /* [pixels][filters of a part][nr]: the sums */
} own;

/* A line more, lest a patch's values all fall on one set of a cache. */
static size_t v_step(const bnn_micro *micro, const plan *p) {
    return p->block * micro->f32_nr + 16;
}

static size_t z_step(const plan *p) {
    return p->block * p->row + 16;
}

static size_t thread_layout(const bnn_micro *micro, const plan *p, void *base, own *mine) {
    size_t used = 0, nr = micro->f32_nr, pixels = p->patches.pixels;
    mine->x = bnn_take(base, &used, pixels * p->block * sizeof(float *));
    mine->at = bnn_take(base, &used, p->block * p->patches.results * sizeof(size_t));
    mine->v = bnn_take(base, &used, pixels * v_step(micro, p) * sizeof(float));
    mine->z = bnn_take(base, &used, pixels * z_step(p) * sizeof(float));
    mine->u = bnn_take(base, &used, pixels * p->row * nr * sizeof(float));
    return used;
}

static plan lay_out(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s, void *ws) {
    const bnn_winograd *transforms = bnn_conv_winograd_of(micro, s, 1);
    plan p = {.patches = bnn_patches_of(s, transforms->m, 0),
              .groups = (size_t)s->groups,
              .transforms = transforms};
    own mine;
    p.og = (size_t)s->o / p.groups, p.cg = (size_t)s->c / p.groups;
    p.panels = bnn_ceil_div(p.cg, micro->f32_nr);
    p.parts = bnn_ceil_div(p.og, FILTERS);
    /* A line more than the filters: room for a whole tile, and rows on different sets of a cache.
     */
    p.row = (bnn_ceil_div(p.og, p.parts) + 31) / 16 * 16;
    p.block = VALUES / p.patches.pixels;
    p.blocks = bnn_ceil_div(p.patches.count, p.block);
    p.splits = bnn_min_size(32 / bnn_min_size(32, p.groups * p.panels * p.parts), p.blocks / 2);
    p.splits = p.splits < 1 ? 1 : p.splits;
    size_t zeros = (p.row > micro->f32_nr ? p.row : micro->f32_nr) * sizeof(float);
    p.zeros = bnn_take(ws, &p.used, zeros);
    if (p.splits > 1) {
        p.partial = bnn_take(ws, &p.used, p.splits * (size_t)s->o * 9 * p.cg * sizeof(float));
    }
    p.thread_bytes = thread_layout(micro, &p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)device->threads * p.thread_bytes);
    if (ws != NULL) {
        memset(p.zeros, 0, zeros);
    }
    return p;
}

size_t bnn_conv_winograd_w_bytes(const bnn_device *device, const bnn_micro *micro,
                                 const bnn_conv *s) {
    return lay_out(device, micro, s, NULL).used;
}

typedef struct product {
    const bnn_micro *micro;
    const plan *p;
    const float *gy, *x;
    float *gw;
    int acc;
    bnn_queue *items;
} product;

/* Filters o .. o + m and channels c .. c + n, of all channels of the maps. */
typedef struct item {
    size_t o, m, c, n, split;
} item;

static item item_of(const plan *p, size_t nr, size_t index) {
    size_t panel = index % p->panels, part = index / p->panels % p->parts;
    size_t group = index / p->panels / p->parts / p->splits;
    size_t first = p->og * part / p->parts, end = p->og * (part + 1) / p->parts;
    return (item){group * p->og + first, end - first, group * p->cg + panel * nr,
                  bnn_min_size(nr, p->cg - panel * nr), index / p->panels / p->parts % p->splits};
}

/* The values of `count` patches and of what became of them. */
static void enter_block(const product *j, const item *it, size_t first, size_t count,
                        const own *mine) {
    const plan *p = j->p;
    const bnn_patches *v = &p->patches;
    size_t nr = j->micro->f32_nr, channels = p->groups * p->cg, filters = p->groups * p->og;
    bnn_patches_point(v, j->x + it->c, channels, p->zeros, first, count, mine->x);
    bnn_patches_place(v, filters, first, count, mine->at);
    for (size_t t = 0; t < count; t++) {
        const float *y[BNN_SQUARE_MOST];
        for (size_t k = 0; k < v->results; k++) {
            size_t at = mine->at[t * v->results + k];
            y[k] = at == SIZE_MAX ? p->zeros : j->gy + at + it->o;
        }
        p->transforms->patch(it->n, mine->x + t * v->pixels, 0, mine->v + t * nr,
                             v_step(j->micro, p));
        p->transforms->spread(it->m, y, mine->z + t * p->row, z_step(p));
    }
}

/* Onto the sums, or their beginning. */
static void multiply(const product *j, const item *it, size_t count, int add, const own *mine) {
    const plan *p = j->p;
    size_t nr = j->micro->f32_nr, tiles = bnn_ceil_div(it->m, j->micro->f32_mr);
    for (size_t value = 0; value < p->patches.pixels; value++) {
        const float *z = mine->z + value * z_step(p), *v = mine->v + value * v_step(j->micro, p);
        float *u = mine->u + value * p->row * nr;
        for (size_t i = 0; i < tiles; i++) { /* of even heights, one row apart at most */
            size_t o = it->m * i / tiles, m = it->m * (i + 1) / tiles - o;
            j->micro->f32_outer(count, z + o, p->row, v, m, it->n, u + o * nr, nr, add);
        }
    }
}

static void gather(const product *j, const item *it, const own *mine) {
    const plan *p = j->p;
    size_t nr = j->micro->f32_nr, cg = p->cg, whole = p->groups * p->og * 9 * cg;
    int parts = p->splits > 1;
    float *gw = parts ? p->partial + it->split * whole : j->gw;
    for (size_t o = 0; o < it->m; o++) {
        float *to = gw + (it->o + o) * 9 * cg + it->c % cg;
        p->transforms->gather(it->n, mine->u + o * nr, p->row * nr, to, cg, parts ? 0 : j->acc);
    }
}

static void walk(const void *job, bnn_member me) {
    const product *j = job;
    const plan *p = j->p;
    size_t first, last;
    own mine;
    thread_layout(j->micro, p, p->threads + p->thread_bytes * me.thread, &mine);
    while (bnn_next_run(j->items, me, &first, &last)) {
        for (size_t i = first; i < last; i++) {
            item it = item_of(p, j->micro->f32_nr, i);
            size_t from = p->blocks * it.split / p->splits;
            size_t to = p->blocks * (it.split + 1) / p->splits;
            for (size_t block = from; block < to; block++) {
                size_t count = bnn_min_size(p->block, p->patches.count - block * p->block);
                enter_block(j, &it, block * p->block, count, &mine);
                multiply(j, &it, count, block > from, &mine);
            }
            gather(j, &it, &mine);
        }
    }
    if (p->splits > 1) {
        bnn_wait_for_all(me);
        bnn_add_splits(me, p->splits, p->groups * p->og * 9 * p->cg, p->partial, j->gw, j->acc);
    }
}

void bnn_conv_backward_w_winograd(const bnn_device *device, const bnn_micro *micro,
                                  const bnn_conv *s, const float *gy, const float *x, float *gw,
                                  int acc, void *ws) {
    plan p = lay_out(device, micro, s, ws);
    bnn_queue items = {.total = p.groups * p.splits * p.parts * p.panels};
    product job = {micro, &p, gy, x, gw, acc, &items};
    bnn_together(device, bnn_conv_macs(s) / BNN_F32_MACS, walk, &job);
}
