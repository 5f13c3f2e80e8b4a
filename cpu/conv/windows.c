/* What the taps of a float product see of an image, as pointers to runs of channels (conv.h has
 * what a run is): with them the products read images where they are, and nothing is ever expanded
 * to the matrix whose product a convolution is. */
#include "cpu/conv/conv.h"

/* Runs shorter than this are joined to one for each row of taps: a tap's fixed cost would otherwise
 * outweigh its products (a stem with 3 channels). */
#define SHORT_RUN 16

static int joins(int tw, size_t depth) {
    return tw > 1 && depth < SHORT_RUN;
}

size_t bnn_windows_joined(const bnn_conv *s, size_t depth) {
    return joins(s->kw, depth) ? (size_t)s->kh * (size_t)s->kw * depth : 0;
}

void bnn_windows_lay_out(bnn_windows *v, const bnn_conv *s, size_t depth, void *ws, size_t *used) {
    size_t zeros = (joins(s->kw, depth) ? (size_t)s->kw : 1) * depth * sizeof(float);
    v->zeros = bnn_take(ws, used, zeros);
    v->off_h = bnn_take(ws, used, (size_t)s->kh * sizeof(int));
    v->off_w = bnn_take(ws, used, (size_t)s->kw * sizeof(int));
    v->depth = depth;
    if (ws != NULL) {
        memset(v->zeros, 0, zeros);
    }
}

void bnn_windows_forward(bnn_windows *v, const bnn_conv *s, const float *x) {
    v->image = x, v->h = s->h, v->w = s->w, v->channels = (size_t)s->c;
    v->gh = s->oh, v->gw = s->ow, v->step_h = s->stride_h, v->step_w = s->stride_w;
    v->th = s->kh, v->tw = s->kw;
    for (int i = 0; i < s->kh; i++) {
        v->off_h[i] = i * s->dil_h - s->pad_h;
    }
    for (int i = 0; i < s->kw; i++) {
        v->off_w[i] = i * s->dil_w - s->pad_w;
    }
}

size_t bnn_windows_runs(const bnn_windows *v, size_t *depth) {
    int joined = joins(v->tw, v->depth);
    *depth = joined ? (size_t)v->tw * v->depth : v->depth;
    return (size_t)v->th * (joined ? 1 : (size_t)v->tw);
}

/* Which of `len` pixels, `step` apart from x on, lie inside a row of w pixels. */
static void inside(int x, int step, int w, size_t len, size_t *from, size_t *to) {
    int lo = x < 0 ? (-x + step - 1) / step : 0, hi = x < w ? (w - 1 - x) / step + 1 : 0;
    *to = bnn_min_size((size_t)hi, len);
    *from = bnn_min_size((size_t)lo, *to);
}

/* The runs of one tap for `len` positions in a row; row is NULL where all of it is padding. */
static void point_tap(const bnn_windows *v, const float *row, int x, size_t len, const float **a) {
    size_t from = 0, to = 0;
    if (row != NULL) {
        inside(x, v->step_w, v->w, len, &from, &to);
    }
    for (size_t l = 0; l < from; l++) {
        a[l] = v->zeros;
    }
    if (from < to) {
        const float *at = row + (size_t)(x + (int)from * v->step_w) * v->channels;
        for (size_t l = from; l < to; l++) {
            a[l] = at + (l - from) * (size_t)v->step_w * v->channels;
        }
    }
    for (size_t l = to; l < len; l++) {
        a[l] = v->zeros;
    }
}

/* The same for a row of taps joined to one run; what is not one run in the image is copied,
 * positions being `stride` values apart in `joined`. */
static void point_joined(const bnn_windows *v, const float *row, int j, size_t len, float *joined,
                         size_t stride, const float **a) {
    int adjacent = v->depth == v->channels && v->off_w[v->tw - 1] - v->off_w[0] == v->tw - 1;
    for (size_t l = 0; l < len; l++, j++, joined += stride) {
        int x = j * v->step_w + v->off_w[0];
        if (row == NULL) {
            a[l] = v->zeros;
            continue;
        }
        if (adjacent && x >= 0 && x + v->tw <= v->w) {
            a[l] = row + (size_t)x * v->channels;
            continue;
        }
        a[l] = joined;
        for (int kx = 0; kx < v->tw; kx++) {
            x = j * v->step_w + v->off_w[kx];
            int in = x >= 0 && x < v->w;
            const float *from = in ? row + (size_t)x * v->channels : v->zeros;
            for (size_t k = 0; k < v->depth; k++) {
                joined[(size_t)kx * v->depth + k] = from[k];
            }
        }
    }
}

void bnn_windows_point(const bnn_windows *v, size_t group, size_t first, size_t count, size_t lda,
                       const float **a, float *joined) {
    size_t gw = (size_t)v->gw, gh = (size_t)v->gh, len, depth;
    size_t runs = bnn_windows_runs(v, &depth);
    for (size_t r = 0; r < count; r += len, a += len) {
        size_t image = (first + r) / gw / gh;
        int j = (int)((first + r) % gw), i = (int)((first + r) / gw % gh);
        len = bnn_min_size(count - r, gw - (size_t)j);
        const float **run = a;
        for (int ky = 0; ky < v->th; ky++) {
            int y = i * v->step_h + v->off_h[ky];
            const float *row = NULL;
            if (y >= 0 && y < v->h) {
                row = v->image + group * v->depth;
                row += (image * (size_t)v->h + (size_t)y) * (size_t)v->w * v->channels;
            }
            if (joins(v->tw, v->depth)) {
                float *to = joined + (r * runs + (size_t)ky) * depth;
                point_joined(v, row, j, len, to, runs * depth, run);
                run += lda;
                continue;
            }
            for (int kx = 0; kx < v->tw; kx++, run += lda) {
                point_tap(v, row, j * v->step_w + v->off_w[kx], len, run);
            }
        }
    }
}

int bnn_phase_taps(int phase, int kernel, int stride, int pad, int dil, int *off, int *tap) {
    int count = 0;
    for (int k = 0; k < kernel; k++) {
        int from = phase + pad - k * dil;
        if (from % stride == 0) {
            off[count] = from / stride;
            tap[count++] = k;
        }
    }
    return count;
}
