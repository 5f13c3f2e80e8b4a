/* The binary product: XNOR-popcount over bit rows. For a tile of output pixels the windows' bits
 * are gathered into one row of bytes per pixel, whole bytes per tap (so 16 channels take 2 bytes,
 * not a word), then met with packed channels. A tap on padding is gathered as zero bits, which
 * would count as -1; `offset[class][o]` takes that back exactly: pixels with the same set of valid
 * taps are one class, and classes are few (corners, edges, inside). y = offset - 2 * popcount. */
#include "cpu/conv.h"

/* What stands where in the workspace. */
typedef struct plan {
    size_t groups, cg, og, taps, tap_bytes, kb;
    size_t tail_width, panels; /* panels of 64 channels, the last one perhaps narrower */
    size_t group_bytes;        /* of the packed filters of a group */
    size_t pixels, block_rows, blocks;
    int row_classes, col_classes;
    int32_t *row_class, *col_class; /* [oh], [ow] */
    int32_t *row_taps, *col_taps;   /* first and last + 1 valid tap of each class */
    int32_t *tap_count;             /* popcount of filter o at tap: [o][taps] */
    int32_t *offset;                /* [row class][col class][o] */
    float *wscale;                  /* [o] */
    uint8_t *filters;               /* [groups][group_bytes] */
    char *threads;
    size_t thread_bytes;
    size_t used;
} plan;

/* A thread's own. */
typedef struct own {
    uint8_t *rows;        /* gathered, not yet packed */
    uint8_t *tiles;       /* a block of packed pixels */
    int32_t *pixel_class; /* [block_rows] */
    float *xscale;        /* [block_rows] */
    int32_t *count;       /* [mr][64] */
} own;

static size_t thread_layout(const bnn_micro *micro, const plan *p, void *base, own *mine) {
    size_t used = 0;
    mine->rows = bnn_take(base, &used, 64 * p->kb + 64);
    mine->tiles = bnn_take(base, &used, p->block_rows * p->kb * micro->b1_a_bytes);
    mine->pixel_class = bnn_take(base, &used, p->block_rows * sizeof(int32_t));
    mine->xscale = bnn_take(base, &used, p->block_rows * sizeof(float));
    mine->count = bnn_take(base, &used, micro->b1_mr * 64 * sizeof(int32_t));
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

static plan lay_out(const bnn_micro *micro, const bnn_conv *s, void *ws) {
    plan p = {.groups = (size_t)s->groups, .taps = (size_t)s->kh * (size_t)s->kw};
    size_t o = (size_t)s->o, mr = micro->b1_mr;
    own mine;
    p.cg = (size_t)s->c / p.groups, p.og = o / p.groups;
    p.tap_bytes = (p.cg + 7) / 8;
    p.kb = (p.taps * p.tap_bytes + 7) & ~(size_t)7;
    p.panels = bnn_ceil_div(p.og, 64);
    size_t tail = p.og - (p.panels - 1) * 64;
    p.tail_width = tail <= 16 ? 16 : tail <= 32 ? 32 : 64;
    p.group_bytes = ((p.panels - 1) * 64 + p.tail_width) * p.kb;
    p.pixels = (size_t)s->n * (size_t)s->oh * (size_t)s->ow;
    size_t tiles = 65536 / (p.kb * mr * micro->b1_a_bytes);
    p.block_rows = mr * (tiles < 2 ? 2 : tiles > 16 ? 16 : tiles);
    p.blocks = bnn_ceil_div(p.pixels, p.block_rows);
    p.row_classes = classify(s->oh, s->stride_h, s->pad_h, s->dil_h, s->kh, s->h, NULL, NULL);
    p.col_classes = classify(s->ow, s->stride_w, s->pad_w, s->dil_w, s->kw, s->w, NULL, NULL);
    size_t classes = (size_t)p.row_classes * (size_t)p.col_classes;
    p.row_class = bnn_take(ws, &p.used, (size_t)s->oh * sizeof(int32_t));
    p.col_class = bnn_take(ws, &p.used, (size_t)s->ow * sizeof(int32_t));
    p.row_taps = bnn_take(ws, &p.used, 2 * (size_t)p.row_classes * sizeof(int32_t));
    p.col_taps = bnn_take(ws, &p.used, 2 * (size_t)p.col_classes * sizeof(int32_t));
    p.tap_count = bnn_take(ws, &p.used, o * p.taps * sizeof(int32_t));
    p.offset = bnn_take(ws, &p.used, classes * o * sizeof(int32_t));
    p.wscale = bnn_take(ws, &p.used, o * sizeof(float));
    p.filters = bnn_take(ws, &p.used, p.groups * p.group_bytes);
    p.thread_bytes = thread_layout(micro, &p, NULL, &mine);
    p.threads = bnn_take(ws, &p.used, (size_t)omp_get_max_threads() * p.thread_bytes);
    return p;
}

size_t bnn_conv_b1_bytes(const bnn_micro *micro, const bnn_conv *s) {
    return lay_out(micro, s, NULL).used;
}

static int32_t popcount64(uint64_t v) {
    v -= v >> 1 & 0x5555555555555555u;
    v = (v & 0x3333333333333333u) + (v >> 2 & 0x3333333333333333u);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int32_t)(v * 0x0101010101010101u >> 56);
}

/* Classes, scales and offsets; small beside the product. */
static void prepare(const bnn_conv *s, const bnn_operand *w, const plan *p) {
    size_t words = bnn_words(p->cg), o_count = (size_t)s->o;
    classify(s->oh, s->stride_h, s->pad_h, s->dil_h, s->kh, s->h, p->row_class, p->row_taps);
    classify(s->ow, s->stride_w, s->pad_w, s->dil_w, s->kw, s->w, p->col_class, p->col_taps);
    for (size_t o = 0; o < o_count; o++) {
        p->wscale[o] = bnn_row_scale(w, o * p->taps);
        for (size_t t = 0; t < p->taps; t++) {
            int32_t count = 0;
            for (size_t i = 0; i < words; i++) {
                count += popcount64(w->b1[(o * p->taps + t) * words + i]);
            }
            p->tap_count[o * p->taps + t] = count;
        }
    }
    for (int class = 0; class < p->row_classes * p->col_classes; class ++) {
        const int32_t *rows = p->row_taps + 2 * (class / p->col_classes);
        const int32_t *cols = p->col_taps + 2 * (class % p->col_classes);
        int32_t valid = (rows[1] - rows[0]) * (cols[1] - cols[0]) * (int32_t)p->cg;
        for (size_t o = 0; o < o_count; o++) {
            const int32_t *count = p->tap_count + o * p->taps;
            int32_t invalid = 0;
            for (int ky = 0; ky < s->kh; ky++) {
                for (int kx = 0; kx < s->kw; kx++, count++) {
                    int in = ky >= rows[0] && ky < rows[1] && kx >= cols[0] && kx < cols[1];
                    invalid += in ? 0 : *count;
                }
            }
            p->offset[(size_t) class * o_count + o] = valid + 2 * invalid;
        }
    }
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

/* The window of output pixel (image, oy, ox) as one row of kb bytes. */
static void gather(const bnn_conv *s, const plan *p, const uint64_t *x, size_t image, int oy,
                   int ox, size_t group, uint8_t *row) {
    size_t words = bnn_words((size_t)s->c), count = bnn_words(p->cg);
    int one_word = words == 1 && p->groups == 1;
    uint8_t *to = row;
    for (int ky = 0; ky < s->kh; ky++) {
        int y = oy * s->stride_h - s->pad_h + ky * s->dil_h, ix = ox * s->stride_w - s->pad_w;
        int inside = y >= 0 && y < s->h;
        const uint64_t *line = x;
        line += inside ? (image * (size_t)s->h + (size_t)y) * (size_t)s->w * words : 0;
        for (int kx = 0; kx < s->kw; kx++, to += p->tap_bytes, ix += s->dil_w) {
            int valid = inside && ix >= 0 && ix < s->w;
            if (one_word) {
                uint64_t v = valid ? line[ix] : 0;
                memcpy(to, &v, 8);
            } else if (valid) {
                copy_bits(line + (size_t)ix * words, (size_t)s->c, group * p->cg, p->cg, to);
            } else {
                for (size_t i = 0; i < count; i++) {
                    memset(to + 8 * i, 0, 8);
                }
            }
        }
    }
    for (; to < row + p->kb; to++) { /* less than a word */
        *to = 0;
    }
}

/* Packs one panel of filters, gathered to the same rows of whole bytes per tap. */
static void pack_filters(const bnn_micro *micro, const plan *p, const uint64_t *w, size_t group,
                         size_t panel, const own *mine) {
    size_t words = bnn_words(p->cg), first = group * p->og + panel * 64;
    size_t n = bnn_min_size(64, p->og - panel * 64);
    for (size_t j = 0; j < n; j++) {
        uint8_t *row = mine->rows + j * p->kb, *to = row;
        for (size_t t = 0; t < p->taps; t++, to += p->tap_bytes) {
            memcpy(to, w + ((first + j) * p->taps + t) * words, words * 8);
        }
        memset(to, 0, (size_t)(row + p->kb - to));
    }
    micro->b1_pack_w(p->kb, n, panel + 1 == p->panels ? p->tail_width : 64, mine->rows,
                     p->filters + group * p->group_bytes + panel * 64 * p->kb);
}

/* Gathers and packs a block of output pixels for one group. */
static void pack_block(const bnn_micro *micro, const bnn_conv *s, const plan *p,
                       const bnn_operand *x, size_t group, size_t first, size_t count,
                       const own *mine) {
    size_t mr = micro->b1_mr, ow = (size_t)s->ow, oh = (size_t)s->oh;
    size_t image = first / ow / oh;
    int oy = (int)(first / ow % oh), ox = (int)(first % ow);
    for (size_t at = 0; at < count; at += mr) {
        size_t valid = bnn_min_size(mr, count - at);
        for (size_t i = 0; i < valid; i++, ox++) {
            if (ox == s->ow) {
                ox = 0;
                if (++oy == s->oh) {
                    oy = 0;
                    image++;
                }
            }
            int row = p->row_class[oy], col = p->col_class[ox];
            gather(s, p, x->b1, image, oy, ox, group, mine->rows + i * p->kb);
            mine->pixel_class[at + i] = row * p->col_classes + col;
            mine->xscale[at + i] = 1.0f;
            if (x->scale != NULL) {
                /* A window's pixels share their factor; take it where the window begins. */
                int y = oy * s->stride_h - s->pad_h + p->row_taps[2 * row] * s->dil_h;
                int ix = ox * s->stride_w - s->pad_w + p->col_taps[2 * col] * s->dil_w;
                y = y < 0 ? 0 : y >= s->h ? s->h - 1 : y;
                ix = ix < 0 ? 0 : ix >= s->w ? s->w - 1 : ix;
                size_t line = image * (size_t)s->h + (size_t)y;
                mine->xscale[at + i] = bnn_row_scale(x, line * (size_t)s->w + (size_t)ix);
            }
        }
        memset(mine->rows + valid * p->kb, 0, (mr - valid) * p->kb);
        micro->b1_pack_a(p->kb, mine->rows, mine->tiles + at * p->kb * micro->b1_a_bytes);
    }
}

static void block_times_panel(const bnn_micro *micro, const bnn_conv *s, const plan *p,
                              size_t group, size_t panel, size_t first, size_t count,
                              const own *mine, float *y) {
    size_t mr = micro->b1_mr, o = (size_t)s->o;
    size_t column = group * p->og + panel * 64, n = bnn_min_size(64, p->og - panel * 64);
    size_t width = panel + 1 == p->panels ? p->tail_width : 64;
    const uint8_t *w = p->filters + group * p->group_bytes + panel * 64 * p->kb;
    for (size_t at = 0; at < count; at += mr) {
        size_t valid = bnn_min_size(mr, count - at);
        micro->b1_tile(p->kb, width, mine->tiles + at * p->kb * micro->b1_a_bytes, w, mine->count);
        for (size_t i = 0; i < valid; i++) {
            const int32_t *offset = p->offset + (size_t)mine->pixel_class[at + i] * o + column;
            micro->b1_finish(n, mine->count + i * width, offset, mine->xscale[at + i],
                             p->wscale + column, y + (first + at + i) * o + column);
        }
    }
}

void bnn_conv_forward_b1(const bnn_micro *micro, const bnn_conv *s, const bnn_operand *x,
                         const bnn_operand *w, float *y, void *ws) {
    plan p = lay_out(micro, s, ws);
    prepare(s, w, &p);
#pragma omp parallel
    {
        own mine;
        size_t first, last, packed = SIZE_MAX;
        thread_layout(micro, &p, p.threads + p.thread_bytes * (size_t)omp_get_thread_num(), &mine);
        bnn_share(p.groups * p.panels, &first, &last);
        for (size_t i = first; i < last; i++) {
            pack_filters(micro, &p, w->b1, i / p.panels, i % p.panels, &mine);
        }
#pragma omp barrier
        bnn_share(p.groups * p.blocks * p.panels, &first, &last);
        for (size_t i = first; i < last; i++) {
            size_t panel = i % p.panels, block = i / p.panels % p.blocks;
            size_t group = i / p.panels / p.blocks, row = block * p.block_rows;
            size_t count = bnn_min_size(p.block_rows, p.pixels - row);
            if (packed != i / p.panels) {
                packed = i / p.panels;
                pack_block(micro, s, &p, x, group, row, count, &mine);
            }
            block_times_panel(micro, s, &p, group, panel, row, count, &mine, y);
        }
    }
}
