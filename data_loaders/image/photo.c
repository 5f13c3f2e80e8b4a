#include "data_loaders/image/photo.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/image/image.h"
#include "data_loaders/image/jpeg.h"
#include "engine/base/arena.h"

#define MOST_TRIES 10
#define LEAST_AREA 0.08
#define WIDEST (4.0 / 3.0)
#define GAP 2.0 /* source pixels a pixel covers at least, of what is decoded shrunk */

void bnn_photo_free(bnn_photo *photo) {
    free(photo->rgbx);
    photo->rgbx = NULL;
}

/* ---- where from, where to ---- */

void bnn_photo_middle(int height, int width, int side, int cut, bnn_axis *y, bnn_axis *x) {
    const int low = height < width ? height : width, high = height < width ? width : height;
    const int longer = (int)fmin((double)side * high / low, INT_MAX);
    *y = (bnn_axis){.size = height, .high = height, .count = height < width ? side : longer};
    *x = (bnn_axis){.size = width, .high = width, .count = height < width ? longer : side};
    y->wanted = x->wanted = cut;
    y->from = (int)nearbyint((y->count - cut) / 2.0); /* to even, as Python rounds */
    x->from = (int)nearbyint((x->count - cut) / 2.0);
}

static bnn_axis all_of(int first, int size, int count) {
    return (bnn_axis){first, size, first, first + size, count, 0, count};
}

/* The largest part of proportions that are allowed, in the middle. */
static void largest_part(int height, int width, int *h, int *w) {
    *h = height;
    *w = width;
    if (width < height / WIDEST) {
        *h = (int)fmax(1.0, nearbyint(width * WIDEST));
    } else if (width > height * WIDEST) {
        *w = (int)fmax(1.0, nearbyint(height * WIDEST));
    }
}

void bnn_photo_random(int height, int width, int cut, bnn_rng *rng, bnn_axis *y, bnn_axis *x) {
    const double area = (double)height * width, widest = log(WIDEST);
    for (int i = 0; i < MOST_TRIES; i++) {
        const double part = area * (LEAST_AREA + (1.0 - LEAST_AREA) * (double)bnn_rng_uniform(rng));
        const double ratio = exp(widest * (2.0 * (double)bnn_rng_uniform(rng) - 1.0));
        const double w = nearbyint(sqrt(part * ratio)), h = nearbyint(sqrt(part / ratio));
        if (w >= 1.0 && h >= 1.0 && w <= width && h <= height) {
            const int top = (int)bnn_rng_below(rng, (uint32_t)(height - (int)h + 1));
            const int left = (int)bnn_rng_below(rng, (uint32_t)(width - (int)w + 1));
            *y = all_of(top, (int)h, cut);
            *x = all_of(left, (int)w, cut);
            return;
        }
    }
    int h, w;
    largest_part(height, width, &h, &w);
    *y = all_of((height - h) / 2, h, cut);
    *x = all_of((width - w) / 2, w, cut);
}

/* ---- weights ---- */

/* Of each pixel that is made: the source pixels it is a sum of, from `first` on. */
typedef struct weights {
    int *first, *count;
    float *weight; /* [wanted][most] */
    int most;
} weights;

static void free_weights(weights *w) {
    free(w->first);
    free(w->count);
    free(w->weight);
}

/* The source pixels that pixel i is made of: a triangle around it, two source pixels wide, or where
 * the picture shrinks two of the new ones (Pillow's BILINEAR). */
static void span_of(const bnn_axis *a, int i, int *first, int *end) {
    const double scale = a->size / a->count, reach = fmax(scale, 1.0);
    const double centre = a->first + (i + 0.5) * scale;
    *first = (int)fmax(a->low, floor(centre - reach + 0.5));
    *end = (int)fmin(a->high, floor(centre + reach + 0.5));
    if (*first >= *end) { /* no pixel's middle is near, where low and high are close together */
        *first = (int)fmin(fmax(a->low, floor(centre)), a->high - 1);
        *end = *first + 1;
    }
}

static void weigh(const bnn_axis *a, int i, int first, int count, float *out) {
    const double scale = a->size / a->count, reach = fmax(scale, 1.0);
    const double centre = a->first + (i + 0.5) * scale;
    double sum = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < count; k++) {
            const double w = fmax(1.0 - fabs((first + k + 0.5 - centre) / reach), 0.0);
            if (pass == 0) {
                sum += w;
            } else {
                out[k] = sum > 0.0 ? (float)(w / sum) : 1.0f / (float)count;
            }
        }
    }
}

static int make_weights(const bnn_axis *a, weights *w) {
    w->first = calloc((size_t)a->wanted + 1, sizeof *w->first);
    w->count = calloc((size_t)a->wanted + 1, sizeof *w->count);
    w->most = 1;
    for (int i = 0; w->first && w->count && i < a->wanted; i++) {
        int end;
        span_of(a, a->from + i, &w->first[i], &end);
        w->count[i] = end - w->first[i];
        w->most = w->count[i] > w->most ? w->count[i] : w->most;
    }
    w->weight = reallocarray(NULL, (size_t)w->most, (size_t)(a->wanted + 1) * sizeof *w->weight);
    if (!w->first || !w->count || !w->weight) {
        return 0;
    }
    for (int i = 0; i < a->wanted; i++) {
        weigh(a, a->from + i, w->first[i], w->count[i], w->weight + (size_t)i * (size_t)w->most);
    }
    return 1;
}

/* ---- resizing ---- */

/* A pixel's four values at once; sums are of floats, in one order everywhere. */
typedef float four __attribute__((vector_size(16)));
typedef int32_t four_integers __attribute__((vector_size(16)));

/* What a resize works with: weights; a source row as floats; rows that are as wide as wanted, the
 * last few of which are kept, row y at y % kept. */
typedef struct work {
    weights y, x;
    four *source, *row;
    size_t wanted;
    const four **mixed; /* [kept]: rows that one is made of */
    int kept, done;     /* rows made so far are those below `done` */
} work;

static void widen(const bnn_photo *p, int y, four *out) {
    const size_t values = 4 * (size_t)p->part.width;
    const uint8_t *in = p->rgbx + (size_t)(y - p->part.top) * values;
    float *to = (float *)out;
    for (size_t i = 0; i < values; i++) {
        to[i] = (float)in[i];
    }
}

static void make_row(const bnn_photo *p, work *w, int y) {
    four *to = w->row + (size_t)(y % w->kept) * w->wanted;
    widen(p, y, w->source);
    for (size_t i = 0; i < w->wanted; i++) {
        const four *from = w->source + (w->x.first[i] - p->part.left);
        const float *weight = w->x.weight + i * (size_t)w->x.most;
        four sum = {0.0f, 0.0f, 0.0f, 0.0f};
        for (int k = 0; k < w->x.count[i]; k++) {
            sum += weight[k] * from[k];
        }
        to[i] = sum;
    }
}

/* Weights are not negative and their sum is 1, but for rounding. */
static void mix_rows(const work *w, int i, uint8_t *rgb) {
    const float *weight = w->y.weight + (size_t)i * (size_t)w->y.most;
    const int count = w->y.count[i];
    for (int k = 0; k < count; k++) {
        w->mixed[k] = w->row + (size_t)((w->y.first[i] + k) % w->kept) * w->wanted;
    }
    for (size_t x = 0; x < w->wanted; x++) {
        four sum = {0.5f, 0.5f, 0.5f, 0.5f};
        for (int k = 0; k < count; k++) {
            sum += weight[k] * w->mixed[k][x];
        }
        const four_integers value = __builtin_convertvector(sum, four_integers);
        for (int c = 0; c < 3; c++) {
            rgb[3 * x + (size_t)c] = (uint8_t)(value[c] > 255 ? 255 : value[c]);
        }
    }
}

static void resize(const bnn_photo *p, const bnn_axis *y, work *w, uint8_t *rgb) {
    for (int i = 0; i < y->wanted; i++) {
        const int first = w->y.first[i], end = first + w->y.count[i];
        for (int r = w->done > first ? w->done : first; r < end; r++) {
            make_row(p, w, r);
        }
        w->done = end > w->done ? end : w->done;
        mix_rows(w, i, rgb + (size_t)i * 3 * w->wanted);
    }
}

bnn_code bnn_resize(const bnn_photo *photo, const bnn_axis *y, const bnn_axis *x, uint8_t *rgb,
                    bnn_error *err) {
    work w = {.wanted = (size_t)x->wanted};
    int room = make_weights(y, &w.y) && make_weights(x, &w.x);
    if (room) {
        w.kept = w.y.most < 1 ? 1 : w.y.most;
        w.source = bnn_alloc_aligned((size_t)photo->part.width * sizeof *w.source);
        w.row = bnn_alloc_aligned((size_t)w.kept * w.wanted * sizeof *w.row);
        w.mixed = calloc((size_t)w.kept, sizeof *w.mixed);
        room = w.source && w.row && w.mixed;
    }
    if (room) {
        resize(photo, y, &w, rgb);
    }
    free_weights(&w.y);
    free_weights(&w.x);
    free(w.source);
    free(w.row);
    free(w.mixed);
    return room ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for an image");
}

/* ---- files ---- */

bnn_code bnn_photo_size(const char *name, const unsigned char *bytes, size_t size, int *height,
                        int *width, bnn_error *err) {
    return (bnn_is_jpeg(bytes, size) ? bnn_jpeg_size : bnn_image_file_size)(name, bytes, size,
                                                                            height, width, err);
}

/* The source pixels that the axis looks at. */
static void look(const bnn_axis *a, int *first, int *size) {
    int end, ignored;
    span_of(a, a->from, first, &ignored);
    span_of(a, a->from + a->wanted - 1, &ignored, &end);
    *size = end - *first;
}

/* The same axis of the photograph shrunk. */
static bnn_axis shrunk(const bnn_axis *a, int by) {
    bnn_axis s = *a;
    s.first /= by;
    s.size /= by;
    s.low = a->low / by;
    s.high = (a->high - 1) / by + 1;
    return s;
}

static int choose_shrink(const bnn_axis *y, const bnn_axis *x) {
    int shrink = 8;
    while (shrink > 1 && fmin(y->size / y->count, x->size / x->count) < GAP * shrink) {
        shrink /= 2;
    }
    return shrink;
}

static bnn_code decode(const char *name, const unsigned char *bytes, size_t size, int shrink,
                       const bnn_axis *y, const bnn_axis *x, bnn_photo *photo, bnn_error *err) {
    bnn_part part;
    if (!bnn_is_jpeg(bytes, size)) {
        return bnn_image_file_decode(name, bytes, size, photo, err);
    }
    look(y, &part.top, &part.height);
    look(x, &part.left, &part.width);
    return bnn_jpeg_part(name, bytes, size, shrink, part, photo, err);
}

bnn_code bnn_photo_resize(const char *name, const unsigned char *bytes, size_t size,
                          const bnn_axis *y, const bnn_axis *x, uint8_t *rgb, bnn_error *err) {
    const int shrink = bnn_is_jpeg(bytes, size) ? choose_shrink(y, x) : 1;
    const bnn_axis by = shrunk(y, shrink);
    const bnn_axis bx = shrunk(x, shrink);
    bnn_photo photo = {0};
    bnn_code code = decode(name, bytes, size, shrink, &by, &bx, &photo, err);
    if (code == BNN_OK && (code = bnn_resize(&photo, &by, &bx, rgb, err)) != BNN_OK) {
        code = bnn_fail_in(err, code, "%s", name);
    }
    bnn_photo_free(&photo);
    return code;
}
