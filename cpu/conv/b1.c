/* The binary product: XNOR-popcount over bit rows. For a tile of output pixels the windows' bits
 * are gathered into one row of bytes per pixel, whole bytes per tap (so 16 channels take 2 bytes,
 * not a word), then met with packed channels. The lines a run of windows slides over are laid out
 * first, pixels side by side with zeros for padding; a window then is a few copies without a
 * branch. Those zero bits would count as -1; `offset[class][o]` takes that back exactly: pixels
 * with the same set of valid taps are one class, and classes are few (corners, edges, inside). The
 * integer is offset - 2 * popcount. */
#include "cpu/conv/conv.h"

/* What stands where in the workspace. */
typedef struct plan {
    size_t groups, cg, og, taps, tap_bytes, kb;
    size_t runs, run; /* a window's runs of taps side by side in a line; bytes of one */
    size_t nr, tail_width, panels; /* panels of nr channels, the last one perhaps narrower */
    size_t channel_bytes;          /* of a packed filter */
    size_t group_bytes;            /* of the packed filters of a group */
    size_t pixels, block_rows, blocks;
    int row_classes, col_classes;
    /* What depends on the shape and the filters alone, in memory of its own if it was prepared. */
    int32_t *row_class, *col_class; /* [oh], [ow]: where in `offset` the class begins */
    int32_t *row_taps, *col_taps;   /* first and last + 1 valid tap of each class */
    int32_t *tap_sums;              /* bits of filters, of a panel: [tap][filter] (sum_taps) */
    int32_t *offset;                /* [row class][col class][o] */
    uint8_t *filters;               /* [groups][group_bytes] */
    char *threads;
    size_t line_bytes, thread_bytes, prepared_bytes;
    size_t used;
} plan;

/* A thread's own. */
typedef struct own {
    uint8_t *lines;       /* [kh][line_bytes] */
    const uint8_t **runs; /* [runs]: where a segment's first window finds its runs */
    uint8_t *rows;        /* a block of windows, not yet packed */
    uint8_t *tiles;       /* packed */
    int32_t *class_at;    /* [block_rows] */
    float *xscale;        /* [block_rows] */
    int32_t *count;       /* [pixels of a finish][width] */
} own;

enum { COUNTS = 1024 }; /* finished at once: 4 KiB that stay in L1 */

static size_t thread_layout(const bnn_micro *micro, const bnn_conv *s, const plan *p, void *base,
                            own *mine) {
    size_t used = 0, rows = p->block_rows < 64 ? 64 : p->block_rows; /* or a panel of filters */
    mine->lines = bnn_take(base, &used, (size_t)s->kh * p->line_bytes);
    mine->runs = bnn_take(base, &used, p->runs * sizeof *mine->runs);
    mine->rows = bnn_take(base, &used, rows * p->kb + 64);
    mine->tiles = mine->rows;
    if (micro->b1_pack_a != NULL) {
        mine->tiles = bnn_take(base, &used, p->block_rows * p->kb * micro->b1_a_bytes);
    }
    mine->class_at = bnn_take(base, &used, p->block_rows * sizeof(int32_t));
    mine->xscale = bnn_take(base, &used, p->block_rows * sizeof(float));
    mine->count = bnn_take(base, &used, COUNTS * sizeof(int32_t));
    return used;
}

/* The valid taps [lo, hi) of output position `out` along one axis. */
static void valid_taps(int out, int stride, int pad, int dil, int kernel, int size, int *lo,
                       int *hi) {
    int from = out * stride - pad;
    *lo = from >= 0 ? 0 : (-from + dil - 1) / dil;
    *lo = *lo > kernel ? kernel : *lo;
    *hi = from >= size ? 0 : (size - 1 - from) / dil + 1;
    *hi = *hi > kernel ? kernel : *hi;
    *hi = *hi < *lo ? *lo : *hi;
}

/* Numbers the distinct sets of valid taps along one axis (both ends only ever fall, so equal sets
 * are neighbours); fills class_of[outs] and taps[class][2] unless they are NULL. */
static int classify(int outs, int stride, int pad, int dil, int kernel, int size, int32_t *class_of,
                    int32_t *taps) {
    int classes = 0, last_lo = -1, last_hi = -1;
    for (int out = 0; out < outs; out++) {
        int lo, hi;
        valid_taps(out, stride, pad, dil, kernel, size, &lo, &hi);
        if (lo != last_lo || hi != last_hi) {
            last_lo = lo, last_hi = hi;
            if (taps != NULL) {
                taps[2 * classes] = lo, taps[2 * classes + 1] = hi;
            }
            classes++;
        }
        if (class_of != NULL) {
            class_of[out] = classes - 1;
        }
    }
    return classes;
}

static size_t filters_layout(const bnn_conv *s, plan *p, void *base) {
    size_t used = 0, o = (size_t)s->o;
    size_t classes = (size_t)p->row_classes * (size_t)p->col_classes;
    p->row_class = bnn_take(base, &used, (size_t)s->oh * sizeof(int32_t));
    p->col_class = bnn_take(base, &used, (size_t)s->ow * sizeof(int32_t));
    p->row_taps = bnn_take(base, &used, 2 * (size_t)p->row_classes * sizeof(int32_t));
    p->col_taps = bnn_take(base, &used, 2 * (size_t)p->col_classes * sizeof(int32_t));
    p->tap_sums = bnn_take(base, &used, o * p->taps * sizeof(int32_t));
    p->offset = bnn_take(base, &used, classes * o * sizeof(int32_t));
    p->filters = bnn_take(base, &used, p->groups * p->group_bytes);
    return used;
}

static plan lay_out(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                    void *prepared, void *ws) {
    plan p = {.groups = (size_t)s->groups, .taps = (size_t)s->kh * (size_t)s->kw};
    size_t o = (size_t)s->o, mr = micro->b1_mr;
    own mine;
    p.cg = (size_t)s->c / p.groups, p.og = o / p.groups;
    p.tap_bytes = (p.cg + 7) / 8;
    p.kb = (p.taps * p.tap_bytes + 7) & ~(size_t)7;
    p.runs = s->dil_w == 1 ? (size_t)s->kh : p.taps;
    p.run = p.taps / p.runs * p.tap_bytes;
    p.nr = micro->b1_nr, p.panels = bnn_ceil_div(p.og, p.nr);
    size_t tail = p.og - (p.panels - 1) * p.nr;
    p.tail_width = tail <= 16 ? 16 : tail <= 32 ? 32 : 64;
    p.channel_bytes = p.kb * micro->b1_w_bytes;
    p.group_bytes = ((p.panels - 1) * p.nr + p.tail_width) * p.channel_bytes;
    p.pixels = (size_t)s->n * (size_t)s->oh * (size_t)s->ow;
    size_t tiles = 65536 / (p.kb * mr); /* of bits; packed they stay in L2 */
    p.block_rows = mr * (tiles < 2 ? 2 : tiles > 16 ? 16 : tiles);
    p.blocks = bnn_ceil_div(p.pixels, p.block_rows);
    size_t segment = bnn_min_size(p.block_rows, (size_t)s->ow);
    size_t columns = (segment - 1) * (size_t)s->stride_w + (size_t)((s->kw - 1) * s->dil_w) + 1;
    p.line_bytes = (columns * p.tap_bytes + 16 + 63) & ~(size_t)63;
    p.row_classes = classify(s->oh, s->stride_h, s->pad_h, s->dil_h, s->kh, s->h, NULL, NULL);
    p.col_classes = classify(s->ow, s->stride_w, s->pad_w, s->dil_w, s->kw, s->w, NULL, NULL);
    p.prepared_bytes = filters_layout(s, &p, NULL);
    filters_layout(s, &p, prepared == NULL ? bnn_take(ws, &p.used, p.prepared_bytes) : prepared);
    p.thread_bytes = thread_layout(micro, s, &p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)device->threads * p.thread_bytes);
    return p;
}

size_t bnn_conv_b1_bytes(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s) {
    return lay_out(device, micro, s, NULL, NULL).used;
}

size_t bnn_conv_b1_prepared_bytes(const bnn_device *device, const bnn_micro *micro,
                                  const bnn_conv *s) {
    return lay_out(device, micro, s, NULL, NULL).prepared_bytes;
}

/* Bits of `n` words: bytes add up in their places, sixteen words at a time. */
static int32_t popcount(size_t n, const uint64_t *w) {
    int32_t count = 0;
    while (n > 0) {
        uint64_t bytes = 0;
        size_t here = n < 16 ? n : 16;
        for (size_t i = 0; i < here; i++) {
            uint64_t v = w[i] - (w[i] >> 1 & 0x5555555555555555u);
            v = (v & 0x3333333333333333u) + (v >> 2 & 0x3333333333333333u);
            bytes += (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fu;
        }
        bytes = (bytes & 0x00ff00ff00ff00ffu) + (bytes >> 8 & 0x00ff00ff00ff00ffu);
        count += (int32_t)(bytes * 0x0001000100010001u >> 48);
        n -= here, w += here;
    }
    return count;
}

/* Classes as places in `offset`. */
static void number_classes(const bnn_conv *s, const plan *p) {
    classify(s->oh, s->stride_h, s->pad_h, s->dil_h, s->kh, s->h, p->row_class, p->row_taps);
    classify(s->ow, s->stride_w, s->pad_w, s->dil_w, s->kw, s->w, p->col_class, p->col_taps);
    for (int i = 0; i < s->oh; i++) {
        p->row_class[i] *= p->col_classes * s->o;
    }
    for (int i = 0; i < s->ow; i++) {
        p->col_class[i] *= s->o;
    }
}

/* Where the sums of the taps in the first y rows and x columns lie; nothing is 0. */
static const int32_t *sums_up_to(const bnn_conv *s, const int32_t *sum, size_t n, int y, int x) {
    static const int32_t none[64];
    return y == 0 || x == 0 ? none : sum + (size_t)((y - 1) * s->kw + x - 1) * n;
}

/* Bits of n <= 64 filters, added up over the taps above and to the left: sum[tap][filter]. */
static void sum_taps(const bnn_conv *s, const plan *p, const uint64_t *w, size_t n, int32_t *sum) {
    size_t words = bnn_words(p->cg);
    int32_t *to = sum;
    for (int y = 0; y < s->kh; y++) {
        int32_t row[64] = {0};
        for (int x = 0; x < s->kw; x++, to += n, w += words) {
            const int32_t *above = sums_up_to(s, sum, n, y, x + 1);
            for (size_t j = 0; j < n; j++) {
                row[j] += popcount(words, w + j * p->taps * words);
                to[j] = row[j] + above[j];
            }
        }
    }
}

/* Offsets of filters first .. first+n for every class. */
static void compute_offsets(const bnn_conv *s, const plan *p, const uint64_t *w, size_t first,
                            size_t n) {
    int32_t *sum = p->tap_sums + first * p->taps;
    sum_taps(s, p, w + first * p->taps * bnn_words(p->cg), n, sum);
    const int32_t *all = sums_up_to(s, sum, n, s->kh, s->kw);
    for (int class = 0; class < p->row_classes * p->col_classes; class ++) {
        const int32_t *rows = p->row_taps + 2 * (class / p->col_classes);
        const int32_t *cols = p->col_taps + 2 * (class % p->col_classes);
        const int32_t *from = sums_up_to(s, sum, n, rows[0], cols[0]);
        const int32_t *right = sums_up_to(s, sum, n, rows[0], cols[1]);
        const int32_t *below = sums_up_to(s, sum, n, rows[1], cols[0]);
        const int32_t *to = sums_up_to(s, sum, n, rows[1], cols[1]);
        int32_t valid = (rows[1] - rows[0]) * (cols[1] - cols[0]) * (int32_t)p->cg;
        int32_t *offset = p->offset + (size_t) class * (size_t)s->o + first;
        for (size_t j = 0; j < n; j++) {
            int32_t inside = to[j] - right[j] - below[j] + from[j];
            offset[j] = valid + 2 * (all[j] - inside);
        }
    }
}

/* Packs one panel of filters, gathered to the same rows of whole bytes per tap. */
static void pack_filters(const bnn_micro *micro, const bnn_conv *s, const plan *p,
                         const uint64_t *w, size_t group, size_t panel, const own *mine) {
    size_t words = bnn_words(p->cg), first = group * p->og + panel * p->nr;
    size_t n = bnn_min_size(p->nr, p->og - panel * p->nr);
    compute_offsets(s, p, w, first, n);
    for (size_t j = 0; j < n; j++) {
        uint8_t *row = mine->rows + j * p->kb, *to = row;
        for (size_t t = 0; t < p->taps; t++, to += p->tap_bytes) {
            memcpy(to, w + ((first + j) * p->taps + t) * words, words * 8);
        }
        memset(to, 0, (size_t)(row + p->kb - to));
    }
    micro->b1_pack_w(p->kb, n, panel + 1 == p->panels ? p->tail_width : p->nr, mine->rows,
                     p->filters + group * p->group_bytes + panel * p->nr * p->channel_bytes);
}

typedef struct packing {
    const bnn_micro *micro;
    const bnn_conv *s;
    const plan *p;
    const uint64_t *w;
} packing;

static void pack_share(const void *job, bnn_member me) {
    const packing *j = job;
    const plan *p = j->p;
    own mine;
    size_t first, last;
    thread_layout(j->micro, j->s, p, p->threads + p->thread_bytes * me.thread, &mine);
    bnn_share(me, p->groups * p->panels, &first, &last);
    for (size_t i = first; i < last; i++) {
        pack_filters(j->micro, j->s, p, j->w, i / p->panels, i % p->panels, &mine);
    }
}

static void prepare(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                    const plan *p, const uint64_t *w) {
    packing job = {micro, s, p, w};
    number_classes(s, p);
    bnn_together(device, p->groups * p->group_bytes, pack_share, &job);
}

void bnn_conv_prepare_b1(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                         const uint64_t *w, void *prepared, void *ws) {
    plan p = lay_out(device, micro, s, prepared, ws);
    prepare(device, micro, s, &p, w);
}

/* Bits first .. first+n of `from`, a row of `total` bits, to `to`, in whole words; what lies behind
 * the last bit is written as zeros and may be overwritten by the next tap. */
static void copy_bits(const uint64_t *from, size_t total, size_t first, size_t n, uint8_t *to) {
    size_t count = bnn_words(n), word = first / 64, shift = first % 64;
    if (shift == 0 && (n % 64 == 0 || first + n == total)) {
        for (size_t i = 0; i < count; i++) {
            memcpy(to + 8 * i, from + word + i, 8);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t v = from[word + i] >> shift;
        if (shift != 0 && word + i + 1 < bnn_words(total)) {
            v |= from[word + i + 1] << (64 - shift);
        }
        if (n - i * 64 < 64) {
            v &= ((uint64_t)1 << (n - i * 64)) - 1;
        }
        memcpy(to + 8 * i, &v, 8);
    }
}

/* Pixels x0 .. x0+n of an input row, the channels of a group: tap_bytes each, side by side, with
 * zeros where there is no image. Returns where that is: in `to`, or in the image itself. */
static const uint8_t *lay_line(const bnn_conv *s, const plan *p, const uint64_t *x, size_t image,
                               int y, int x0, int n, size_t group, uint8_t *to) {
    size_t words = bnn_words((size_t)s->c), size = p->tap_bytes;
    int inside = y >= 0 && y < s->h;
    int lo = !inside || -x0 > n ? n : x0 < 0 ? -x0 : 0;
    int hi = !inside || s->w - x0 < lo ? lo : s->w - x0 > n ? n : s->w - x0;
    uint8_t *at = to + (size_t)lo * size;
    memset(to, 0, (size_t)lo * size);
    if (lo < hi) {
        size_t count = (size_t)(hi - lo), row = image * (size_t)s->h + (size_t)y;
        const uint64_t *from = x + (row * (size_t)s->w + (size_t)(x0 + lo)) * words;
        if (size == 8 * words && hi - lo == n) {
            return (const uint8_t *)from;
        }
        if (size == 8 * words) {
            memcpy(at, from, count * size);
        } else if (words == 1 && s->groups == 1) {
            for (size_t i = 0; i < count; i++) {
                memcpy(at + i * size, from + i, 8);
            }
        } else {
            for (size_t i = 0; i < count; i++) {
                copy_bits(from + i * words, (size_t)s->c, group * p->cg, p->cg, at + i * size);
            }
        }
    }
    memset(to + (size_t)hi * size, 0, (size_t)(n - hi) * size + 8);
    return to;
}

/* `n` windows, `step` bytes from each other, to rows of kb bytes: of every run `words` whole words
 * and, under a mask, what is left. Bytes behind a run are overwritten by the next one; rows are
 * written in order, so that holds from row to row too. */
static inline void copy_windows(const plan *p, const uint8_t *const *from, size_t runs,
                                size_t words, int rest, size_t step, size_t n, uint8_t *row) {
    uint64_t v, mask = ((uint64_t)1 << p->run % 8 * 8) - 1;
    for (size_t at = 0; n-- > 0; at += step, row += p->kb) {
        uint8_t *to = row;
        memset(row + p->kb - 8, 0, 8);
        for (size_t k = 0; k < runs; k++, to += p->run) {
            memcpy(to, from[k] + at, 8 * words);
            if (rest) {
                memcpy(&v, from[k] + at + 8 * words, 8);
                v &= mask;
                memcpy(to + 8 * words, &v, 8);
            }
        }
    }
}

/* The windows of `n` neighbours in a row of the output. */
static void gather(const bnn_conv *s, const plan *p, const uint64_t *x, size_t image, int oy,
                   int ox, size_t n, size_t group, uint8_t *row, const own *mine) {
    int columns = ((int)n - 1) * s->stride_w + (s->kw - 1) * s->dil_w + 1;
    size_t step = (size_t)s->stride_w * p->tap_bytes, words = p->run / 8;
    size_t per_line = p->runs / (size_t)s->kh;
    for (int ky = 0; ky < s->kh; ky++) {
        const uint8_t *line = lay_line(s, p, x, image, oy * s->stride_h - s->pad_h + ky * s->dil_h,
                                       ox * s->stride_w - s->pad_w, columns, group,
                                       mine->lines + (size_t)ky * p->line_bytes);
        for (size_t i = 0; i < per_line; i++) {
            mine->runs[(size_t)ky * per_line + i] = line + i * (size_t)s->dil_w * p->tap_bytes;
        }
    }
    /* Constants make the copies of the usual windows a few moves. */
    if (p->runs == 3 && p->run < 8) {
        copy_windows(p, mine->runs, 3, 0, 1, step, n, row);
    } else if (p->runs == 3 && p->run == 12) {
        copy_windows(p, mine->runs, 3, 1, 1, step, n, row);
    } else if (p->runs == 3 && p->run == 24) {
        copy_windows(p, mine->runs, 3, 3, 0, step, n, row);
    } else {
        copy_windows(p, mine->runs, p->runs, words, p->run % 8 != 0, step, n, row);
    }
}

/* A window's pixels share their factor; it is taken where the window begins. */
void bnn_conv_b1_scales(const bnn_conv *s, const bnn_operand *x, size_t image, int oy, int ox,
                        size_t n, float *scale) {
    int iy = oy * s->stride_h - s->pad_h;
    while (iy < 0) {
        iy += s->dil_h;
    }
    iy = iy >= s->h ? s->h - 1 : iy;
    size_t line = image * (size_t)s->h + (size_t)iy;
    for (size_t i = 0; i < n; i++, ox++) {
        int ix = ox * s->stride_w - s->pad_w;
        while (ix < 0) {
            ix += s->dil_w;
        }
        ix = ix >= s->w ? s->w - 1 : ix;
        scale[i] = bnn_row_scale(x, line * (size_t)s->w + (size_t)ix);
    }
}

/* Gathers and packs a block of output pixels for one group. */
static void pack_block(const bnn_micro *micro, const bnn_conv *s, const plan *p,
                       const bnn_operand *x, size_t group, size_t first, size_t count,
                       const own *mine) {
    size_t mr = micro->b1_mr, ow = (size_t)s->ow, oh = (size_t)s->oh, n;
    for (size_t at = 0; at < count; at += n) {
        size_t pixel = first + at, image = pixel / ow / oh;
        int oy = (int)(pixel / ow % oh), ox = (int)(pixel % ow);
        n = bnn_min_size(ow - (size_t)ox, count - at);
        gather(s, p, x->b1, image, oy, ox, n, group, mine->rows + at * p->kb, mine);
        for (size_t i = 0; i < n; i++) {
            mine->class_at[at + i] = p->row_class[oy] + p->col_class[(size_t)ox + i];
        }
        if (x->scale != NULL) {
            bnn_conv_b1_scales(s, x, image, oy, ox, n, mine->xscale + at);
        }
    }
    size_t filled = bnn_ceil_div(count, mr) * mr;
    memset(mine->rows + count * p->kb, 0, (filled - count) * p->kb);
    for (size_t at = 0; micro->b1_pack_a != NULL && at < filled; at += mr) {
        micro->b1_pack_a(p->kb, mine->rows + at * p->kb,
                         mine->tiles + at * p->kb * micro->b1_a_bytes);
    }
}

/* The result's lines, on their way while their counts are computed. */
static void expect_result(const bnn_finish *f, size_t pixel, size_t pixels) {
    size_t size = f->y->f32 != NULL ? sizeof(float) : f->y->i16 != NULL ? sizeof(int16_t) : 0;
    const char *to = f->y->f32 != NULL ? (const char *)f->y->f32 : (const char *)f->y->i16;
    for (size_t i = pixel; size && i < pixel + pixels; i++) {
        const char *line = to + (i * f->channels + f->column) * size;
        for (size_t at = 0; at < f->n * size; at += 64) {
            __builtin_prefetch(line + at, 1, 2);
        }
    }
}

static void block_times_panel(const bnn_micro *micro, const plan *p, size_t group, size_t panel,
                              size_t first, size_t count, const own *mine, const bnn_result *y) {
    size_t mr = micro->b1_mr, column = group * p->og + panel * p->nr;
    size_t width = panel + 1 == p->panels ? p->tail_width : p->nr;
    const uint8_t *w = p->filters + group * p->group_bytes + panel * p->nr * p->channel_bytes;
    bnn_finish f = {.n = bnn_min_size(p->nr, p->og - panel * p->nr), .width = width};
    f.count = mine->count, f.offset = p->offset + column, f.column = column;
    f.channels = p->groups * p->og, f.y = y;
    for (size_t at = 0; at < count; at += f.pixels) {
        f.pixels = bnn_min_size(COUNTS / width, count - at);
        expect_result(&f, first + at, f.pixels);
        for (size_t i = 0; i < f.pixels; i += mr) {
            micro->b1_tile(p->kb, width, mine->tiles + (at + i) * p->kb * micro->b1_a_bytes, w,
                           mine->count + i * width);
        }
        f.first = first + at, f.class_at = mine->class_at + at, f.xscale = mine->xscale + at;
        micro->b1_finish(&f);
    }
}

typedef struct product {
    const bnn_micro *micro;
    const bnn_conv *s;
    const plan *p;
    const bnn_operand *x;
    const bnn_result *y;
    size_t together; /* panels of an item */
    bnn_queue *items;
} product;

static void multiply(const void *job, bnn_member me) {
    const product *j = job;
    const plan *p = j->p;
    own mine;
    size_t first, last, packed = SIZE_MAX, units = p->groups * p->panels;
    thread_layout(j->micro, j->s, p, p->threads + p->thread_bytes * me.thread, &mine);
    for (size_t i = 0; j->x->scale == NULL && i < p->block_rows; i++) {
        mine.xscale[i] = 1.0f;
    }
    while (bnn_next_run(j->items, me, &first, &last)) {
        for (size_t i = first * j->together; i < last * j->together; i++) {
            size_t panel = i % p->panels, group = i / p->panels % p->groups;
            size_t row = i / units * p->block_rows;
            size_t count = bnn_min_size(p->block_rows, p->pixels - row);
            if (packed != i / p->panels) {
                packed = i / p->panels;
                pack_block(j->micro, j->s, p, j->x, group, row, count, &mine);
            }
            block_times_panel(j->micro, p, group, panel, row, count, &mine, j->y);
        }
    }
}

void bnn_conv_forward_b1(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                         const bnn_operand *x, const bnn_operand *w, const bnn_result *y,
                         void *ws) {
    plan p = lay_out(device, micro, s, (void *)(uintptr_t)w->prepared,
                     ws); /* only read if it is there */
    size_t units = p.groups * p.panels;
    /* Panels may share words of bits: then whoever has a pixel has all of its channels. */
    int shared = p.groups > 1 || p.nr < 64;
    size_t together = (y->b1 != NULL || y->sign != NULL) && shared ? units : 1;
    bnn_queue items = {.total = p.blocks * units / together};
    product job = {micro, s, &p, x, y, together, &items};
    if (w->prepared == NULL) {
        prepare(device, micro, s, &p, w->b1);
    }
    bnn_together(device, bnn_conv_macs(s) / BNN_B1_MACS, multiply, &job);
}
