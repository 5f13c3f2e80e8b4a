#include <math.h>
#include <string.h>

#include "data_loaders/boxes/boxes.h"

#define MOST_RATIO 4.0
#define LEAST_CROP 0.3
#define MOST_ROUNDS 50 /* of drawing what a part must overlap */
#define MOST_TRIES 50  /* of drawing such a part */

static double between(bnn_rng *rng, double low, double high) {
    return low + (high - low) * (double)bnn_rng_uniform(rng);
}

static int half(bnn_rng *rng) {
    return (int)(bnn_rng_u32(rng) & 1);
}

/* ---- parts ---- */

/* In whole pixels. */
static bnn_seen_part expand(bnn_rng *rng, int height, int width) {
    bnn_seen_part f = {.height = height, .width = width};
    if (half(rng)) {
        return f;
    }
    const double ratio = between(rng, 1.0, MOST_RATIO);
    f.height = floor(height * ratio);
    f.width = floor(width * ratio);
    f.left = -floor(between(rng, 0.0, f.width - width));
    f.top = -floor(between(rng, 0.0, f.height - height));
    return f;
}

static double overlap(const bnn_seen_part *f, const float *box) {
    const double w = fmin(f->left + f->width, (double)box[2]) - fmax(f->left, (double)box[0]);
    const double h = fmin(f->top + f->height, (double)box[3]) - fmax(f->top, (double)box[1]);
    const double area = ((double)box[2] - (double)box[0]) * ((double)box[3] - (double)box[1]);
    return w > 0.0 && h > 0.0 ? w * h / (f->width * f->height + area - w * h) : 0.0;
}

static int has_middle(const bnn_seen_part *f, const float *box) {
    const double x = 0.5 * ((double)box[0] + (double)box[2]);
    const double y = 0.5 * ((double)box[1] + (double)box[3]);
    return x > f->left && x < f->left + f->width && y > f->top && y < f->top + f->height;
}

/* Whether it overlaps each object by that much at least, and has the middle of one. */
static int suits(const bnn_seen_part *f, double least, const bnn_object *object, size_t objects) {
    int middles = objects == 0;
    for (size_t i = 0; i < objects; i++) {
        if (overlap(f, object[i].box) < least) {
            return 0;
        }
        middles |= has_middle(f, object[i].box);
    }
    return middles;
}

static size_t keep_within(const bnn_seen_part *f, bnn_object *object, size_t objects) {
    size_t kept = 0;
    for (size_t i = 0; i < objects; i++) {
        bnn_object o = object[i];
        if (!has_middle(f, o.box)) {
            continue;
        }
        o.box[0] = fmaxf(o.box[0], (float)f->left);
        o.box[1] = fmaxf(o.box[1], (float)f->top);
        o.box[2] = fminf(o.box[2], (float)(f->left + f->width));
        o.box[3] = fminf(o.box[3], (float)(f->top + f->height));
        object[kept++] = o;
    }
    return kept;
}

/* A part in whole pixels; none (no height) where what was drawn is too narrow. */
static bnn_seen_part draw_part(bnn_rng *rng, const bnn_seen_part *of) {
    bnn_seen_part part = {0};
    const double w = between(rng, LEAST_CROP, 1.0) * of->width;
    const double h = between(rng, LEAST_CROP, 1.0) * of->height;
    const double left = between(rng, 0.0, of->width - w), top = between(rng, 0.0, of->height - h);
    if (h >= 0.5 * w && h <= 2.0 * w) {
        part = (bnn_seen_part){.left = of->left + floor(left),
                               .top = of->top + floor(top),
                               .width = floor(left + w) - floor(left),
                               .height = floor(top + h) - floor(top)};
    }
    return part;
}

bnn_seen_part bnn_frame_draw(bnn_rng *rng, int height, int width, bnn_object *object,
                             size_t *objects) {
    /* All of it; or a part that overlaps every object so much; or any. */
    static const double least[] = {-1.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.0};
    const bnn_seen_part whole = expand(rng, height, width);
    bnn_seen_part f = whole;
    int found = 0;
    for (int round = 0; round < MOST_ROUNDS && !found; round++) {
        const double wanted = least[bnn_rng_below(rng, sizeof least / sizeof *least)];
        found = wanted < 0.0;
        for (int i = 0; i < MOST_TRIES && !found; i++) {
            f = draw_part(rng, &whole);
            found = f.height >= 1.0 && f.width >= 1.0 && suits(&f, wanted, object, *objects);
        }
        f = found && wanted >= 0.0 ? f : whole;
    }
    *objects = keep_within(&f, object, *objects);
    f.flip = half(rng);
    return f;
}

/* ---- colours ---- */

typedef struct distortion {
    float brightness, contrast, saturation, hue; /* added, times, times, added in degrees */
    int contrast_first, changes_hue;
    int from[3]; /* the channel that each becomes */
} distortion;

static distortion draw_distortion(bnn_rng *rng) {
    distortion d = {.contrast = 1.0f, .saturation = 1.0f, .from = {0, 1, 2}};
    if (half(rng)) {
        d.brightness = (float)between(rng, -32.0, 32.0);
    }
    d.contrast_first = half(rng);
    if (half(rng)) {
        d.contrast = (float)between(rng, 0.5, 1.5);
    }
    if (half(rng)) {
        d.saturation = (float)between(rng, 0.5, 1.5);
        d.changes_hue = 1;
    }
    if (half(rng)) {
        d.hue = (float)between(rng, -18.0, 18.0);
        d.changes_hue = 1;
    }
    if (half(rng)) {
        uint32_t order[3];
        bnn_rng_permutation(rng, 3, order);
        for (int c = 0; c < 3; c++) {
            d.from[c] = (int)order[c];
        }
    }
    return d;
}

/* Hue (in sixths of the circle, 0 to 6), saturation and value, as OpenCV has them, and back. */
static void turn_hue(float *p, float saturation, float degrees) {
    const float most = fmaxf(p[0], fmaxf(p[1], p[2])), least = fminf(p[0], fminf(p[1], p[2]));
    const float chroma = most - least;
    float sixth = 0.0f;
    if (chroma > 0.0f) {
        sixth = most == p[0]   ? (p[1] - p[2]) / chroma
                : most == p[1] ? 2.0f + (p[2] - p[0]) / chroma
                               : 4.0f + (p[0] - p[1]) / chroma;
    }
    sixth += degrees / 60.0f;
    sixth -= 6.0f * floorf(sixth / 6.0f);
    /* By saturation, what is below the value grows or shrinks: chroma / value is what it is. */
    const float wider = chroma * saturation;
    for (int c = 0; c < 3; c++) {
        float place = sixth + (c == 0 ? 5.0f : c == 1 ? 3.0f : 1.0f);
        place -= 6.0f * floorf(place / 6.0f);
        const float share = fmaxf(0.0f, fminf(1.0f, fminf(place, 4.0f - place)));
        p[c] = most - wider * share;
    }
}

void bnn_distort_colours(bnn_rng *rng, float *pixels, size_t count) {
    const distortion d = draw_distortion(rng);
    const float before = d.contrast_first ? d.contrast : 1.0f;
    const float after = d.contrast_first ? 1.0f : d.contrast;
    for (size_t i = 0; i < count; i++, pixels += 3) {
        float p[3];
        for (int c = 0; c < 3; c++) {
            p[c] = (pixels[c] + d.brightness) * before;
        }
        if (d.changes_hue) {
            turn_hue(p, d.saturation, d.hue);
        }
        for (int c = 0; c < 3; c++) {
            pixels[c] = p[d.from[c]] * after;
        }
    }
}
