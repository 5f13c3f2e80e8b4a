/* What the drivers of the products share. A driver gets the machine kernels as its first argument;
 * its `..._layout` function places everything it needs in the workspace, and doubles as the
 * computation of the workspace's size when called with ws = NULL: the two cannot disagree. */
#ifndef BNN_CPU_CONV_CONV_H
#define BNN_CPU_CONV_CONV_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cpu/tiles/tiles.h"

static inline size_t bnn_ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

static inline size_t bnn_max_size(size_t a, size_t b) {
    return a > b ? a : b;
}

static inline size_t bnn_min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* The next `bytes` of a workspace, rounded up to whole cache lines. */
static inline void *bnn_take(void *ws, size_t *used, size_t bytes) {
    void *p = ws == NULL ? NULL : (char *)ws + *used;
    *used += (bytes + 63) & ~(size_t)63;
    return p;
}

/* One of the threads that compute something together. */
typedef struct bnn_member {
    size_t thread, threads;
} bnn_member;

/* Calls part(job, me) in each thread of a team for so much work (bnn_team). A team of one is the
 * caller, without OpenMP, which takes some hundred ns to make a team of any size. threads.c. */
void bnn_together(const bnn_device *device, size_t work,
                  void (*part)(const void *job, bnn_member me), const void *job);

/* Waits for all of the team; for all of them to call. */
static inline void bnn_wait_for_all(bnn_member me) {
    if (me.threads > 1) {
#pragma omp barrier
    }
}

/* This thread's contiguous share of `total` items. */
static inline void bnn_share(bnn_member me, size_t total, size_t *first, size_t *last) {
    *first = total * me.thread / me.threads;
    *last = total * (me.thread + 1) / me.threads;
}

/* Items that threads take in runs, long ones first: a thread that something else slows down takes
 * fewer. No result may depend on where runs begin. */
typedef struct bnn_queue {
    size_t total;
    _Atomic size_t taken;
} bnn_queue;

/* The next run of items, or 0 if none is left. */
static inline int bnn_next_run(bnn_queue *q, bnn_member me, size_t *first, size_t *last) {
    size_t cuts = 2 * me.threads;
    *first = q->taken;
    if (me.threads == 1) { /* all of them, without what threads need to agree */
        atomic_store_explicit(&q->taken, q->total, memory_order_relaxed);
        *last = q->total;
        return *first < q->total;
    }
    do {
        if (*first == q->total) {
            return 0;
        }
        *last = *first + bnn_ceil_div(q->total - *first, cuts);
    } while (!atomic_compare_exchange_weak(&q->taken, first, *last));
    return 1;
}

/* A thread's share of the sums of `splits` results of n values each, in order, into or onto gw; the
 * first of them is written over. */
static inline void bnn_add_splits(bnn_member me, size_t splits, size_t n, float *partial, float *gw,
                                  int acc) {
    size_t first, last;
    bnn_share(me, n, &first, &last);
    for (size_t split = 1; split < splits; split++) {
        const float *more = partial + split * n;
        for (size_t i = first; i < last; i++) {
            partial[i] += more[i];
        }
    }
    for (size_t i = first; i < last; i++) {
        gw[i] = acc ? gw[i] + partial[i] : partial[i];
    }
}

/* Multiply-adds of its forward, and of either of its gradients. */
static inline size_t bnn_conv_macs(const bnn_conv *s) {
    size_t pixels = (size_t)s->n * (size_t)s->oh * (size_t)s->ow;
    return pixels * (size_t)s->o * (size_t)(s->c / s->groups) * (size_t)s->kh * (size_t)s->kw;
}

/* Each output pixel sees one input pixel, at its own place. */
static inline int bnn_conv_is_pixel_wise(const bnn_conv *s) {
    return s->kh == 1 && s->kw == 1 && s->stride_h == 1 && s->stride_w == 1 && s->pad_h == 0 &&
           s->pad_w == 0;
}

/* Whether anything becomes of a float product (f32_end). */
static inline int bnn_result_ends(const bnn_result *y) {
    return y->a != NULL || y->b != NULL || y->add != NULL || y->clamp != NULL;
}

/* A machine kernel that not every instruction set has. */
static inline void bnn_call(void (*kernel)(void)) {
    if (kernel != NULL) {
        kernel();
    }
}

/* The factor of row `row` of an operand held as bits. */
static inline float bnn_row_scale(const bnn_operand *v, size_t row) {
    return v->scale == NULL ? 1.0f : v->scale[row / v->rows_per_scale];
}

/* conv.c: each choosing among those below; kernels.h tells what they do. */
size_t bnn_conv_workspace(const bnn_stream *stream, const bnn_conv *s, int bits, int gradients);
void bnn_conv_forward(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *x,
                      const bnn_operand *w, const bnn_result *y, void *ws);
size_t bnn_conv_prepared_bytes(const bnn_stream *stream, const bnn_conv *s, int bits);
void bnn_conv_prepare(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *w,
                      void *prepared, void *ws);
void bnn_conv_backward_x(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                         const bnn_operand *w, float *gx, int acc, void *ws);
void bnn_conv_backward_w(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                         const bnn_operand *x, float *gw, int acc, void *ws);

/* attention.c */
size_t bnn_bi_attention_workspace(const bnn_stream *stream, const bnn_attention *s, int backward);
void bnn_bi_attention(const bnn_stream *stream, const bnn_attention *s, const uint64_t *q,
                      const uint64_t *k, const uint64_t *v, const int32_t *mask,
                      const uint64_t *keep, float *context, uint64_t *a, uint64_t *window,
                      void *ws);
void bnn_bi_attention_backward(const bnn_stream *stream, const bnn_attention *s,
                               const float *gcontext, const uint64_t *q, const uint64_t *k,
                               const uint64_t *v, const uint64_t *a, const uint64_t *window,
                               float *gq, int acc_q, float *gk, int acc_k, float *gv, int acc_v,
                               void *ws);

/* linear.c: forwards that pack nothing. A linear layer of floats is always one. */
static inline int bnn_conv_is_linear(const bnn_conv *s) {
    return bnn_conv_is_pixel_wise(s) && s->h == 1 && s->w == 1 && s->groups == 1;
}

void bnn_conv_forward_linear(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                             const bnn_operand *x, const bnn_operand *w, const bnn_result *y);
int bnn_conv_forward_few_pays(const bnn_conv *s, const bnn_operand *w);
void bnn_conv_forward_few(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                          const bnn_operand *x, const bnn_operand *w, const bnn_result *y);

/* few.c: gradients that pack nothing; `bits`: the operand that is no gradient. */
int bnn_conv_few_x_pays(const bnn_conv *s, int bits);
void bnn_conv_few_x(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                    const float *gy, const bnn_operand *w, float *gx, int acc);
int bnn_conv_few_w_pays(const bnn_conv *s, int bits);
void bnn_conv_few_w(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                    const float *gy, const bnn_operand *x, float *gw, int acc);

/* b1.c: bits times bits. */
void bnn_conv_forward_b1(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                         const bnn_operand *x, const bnn_operand *w, const bnn_result *y, void *ws);
void bnn_conv_prepare_b1(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                         const uint64_t *w, void *prepared, void *ws);
size_t bnn_conv_b1_prepared_bytes(const bnn_device *device, const bnn_micro *micro,
                                  const bnn_conv *s);
/* The input's factors of the windows of n neighbours in a row of the output. */
void bnn_conv_b1_scales(const bnn_conv *s, const bnn_operand *x, size_t image, int oy, int ox,
                        size_t n, float *scale);
size_t bnn_conv_b1_bytes(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s);

/* depthwise.c: one input channel a group; the gradients also with bits. */
static inline int bnn_conv_is_depthwise(const bnn_conv *s) {
    return s->groups > 1 && s->groups == s->c;
}

void bnn_conv_forward_depthwise(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                                const bnn_operand *x, const bnn_operand *w, const bnn_result *y,
                                void *ws);
void bnn_conv_backward_x_depthwise(const bnn_device *device, const bnn_micro *micro,
                                   const bnn_conv *s, const float *gy, const bnn_operand *w,
                                   float *gx, int acc, void *ws);
void bnn_conv_backward_w_depthwise(const bnn_device *device, const bnn_micro *micro,
                                   const bnn_conv *s, const float *gy, const bnn_operand *x,
                                   float *gw, int acc, void *ws);
void bnn_conv_prepare_depthwise(const bnn_conv *s, const bnn_operand *w, float *filters);
size_t bnn_conv_depthwise_prepared_bytes(const bnn_conv *s);
size_t bnn_conv_depthwise_bytes(const bnn_device *device, const bnn_conv *s);

/* depthwise_b1.c: its forward with bits. */
void bnn_conv_forward_depthwise_b1(const bnn_device *device, const bnn_micro *micro,
                                   const bnn_conv *s, const bnn_operand *x, const bnn_operand *w,
                                   const bnn_result *y, void *ws);
void bnn_conv_prepare_depthwise_b1(const bnn_conv *s, const uint64_t *w, uint64_t *filters);
size_t bnn_conv_depthwise_b1_prepared_bytes(const bnn_conv *s);
size_t bnn_conv_depthwise_b1_bytes(const bnn_device *device, const bnn_conv *s);

/* f32.c and weights.c: floats, or bits expanded to floats. */
void bnn_conv_forward_f32(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                          const float *x, const bnn_operand *w, const bnn_result *y, void *ws);
void bnn_conv_backward_x_f32(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                             const float *gy, const bnn_operand *w, float *gx, int acc, void *ws);
void bnn_conv_backward_w_f32(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                             const float *gy, const bnn_operand *x, float *gw, int acc, void *ws);
void bnn_conv_prepare_f32(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                          const float *w, float *panels);
size_t bnn_conv_f32_prepared_bytes(const bnn_micro *micro, const bnn_conv *s);
size_t bnn_conv_f32_bytes(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                          int gradient);
size_t bnn_conv_weights_bytes(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s);

/* winograd.c and winograd_w.c: the same, of 3 by 3 filters, with fewer multiplications. Which
 * transforms are best for the shape of a sample, for a gradient or the forward; NULL: none pays,
 * and none of the others works. */
const bnn_winograd *bnn_conv_winograd_of(const bnn_micro *micro, const bnn_conv *s, int gradient);
void bnn_conv_forward_winograd(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                               const float *x, const bnn_operand *w, const bnn_result *y, void *ws);
void bnn_conv_backward_x_winograd(const bnn_device *device, const bnn_micro *micro,
                                  const bnn_conv *s, const float *gy, const float *w, float *gx,
                                  int acc, void *ws);
void bnn_conv_backward_w_winograd(const bnn_device *device, const bnn_micro *micro,
                                  const bnn_conv *s, const float *gy, const float *x, float *gw,
                                  int acc, void *ws);
void bnn_conv_prepare_winograd(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                               const float *w, float *filters, void *ws);
size_t bnn_conv_winograd_prepared_bytes(const bnn_micro *micro, const bnn_conv *s);
size_t bnn_conv_winograd_bytes(const bnn_device *device, const bnn_micro *micro, const bnn_conv *s,
                               int gradient);
size_t bnn_conv_winograd_w_bytes(const bnn_device *device, const bnn_micro *micro,
                                 const bnn_conv *s);

/* Images cut into squares of m by m results, and the patches of m + 2 by m + 2 pixels that these
 * see, in rows, image after image. */
enum { BNN_PATCH_MOST = 36, BNN_SQUARE_MOST = 16 };
typedef struct bnn_patches {
    int h, w, out_h, out_w;    /* pixels, results */
    int pad_h, pad_w;          /* how far outside the first patch begins */
    size_t m, pixels, results; /* of a patch, of a square */
    size_t rows, cols, count;
} bnn_patches;

bnn_patches bnn_patches_of(const bnn_conv *s, size_t m, int backward);
/* patches.c: x[i * pixels + k] = where pixel k of patch first + i begins, i < n; `zeros` for one
 * outside of its image. */
void bnn_patches_point(const bnn_patches *v, const float *images, size_t channels,
                       const float *zeros, size_t first, size_t n, const float **x);
/* at[i * results + k] = how far from the first result k of square first + i is, in floats; SIZE_MAX
 * if there is none. */
void bnn_patches_place(const bnn_patches *v, size_t channels, size_t first, size_t n, size_t *at);

/* What the taps of a float product read of an image of rows of pixels: position (i, j) of a grid
 * reads, for tap (ky, kx), pixel (i*step_h + off_h[ky], j*step_w + off_w[kx]). The `depth` channels
 * of a group in one pixel are a run. Where that is short, the pixels of a row of taps make up one
 * run together, since a run's fixed cost would outweigh its products. windows.c. */
typedef struct bnn_windows {
    const float *image;
    int h, w;
    size_t channels, depth;
    int gh, gw, step_h, step_w; /* the grid */
    int th, tw;
    int *off_h, *off_w; /* [th], [tw] */
    float *zeros;       /* a run of them, for padding */
} bnn_windows;

/* Takes room for the arrays of *v out of a workspace, for any windows of this convolution. */
void bnn_windows_lay_out(bnn_windows *v, const bnn_conv *s, size_t depth, void *ws, size_t *used);
/* Output pixels and what they see of the input. */
void bnn_windows_forward(bnn_windows *v, const bnn_conv *s, const float *x);
/* How many runs a position has, and how long they are; th * tw * v->depth values together. */
size_t bnn_windows_runs(const bnn_windows *v, size_t *depth);
/* Values of a position that may have to be copied to make up runs. */
size_t bnn_windows_joined(const bnn_conv *s, size_t depth);
/* a[run * lda + p] = where the run of position first + p begins, p < count. `joined` has room for
 * `count` times bnn_windows_joined values. */
void bnn_windows_point(const bnn_windows *v, size_t group, size_t first, size_t count, size_t lda,
                       const float **a, float *joined);

/* The taps of one axis that reach pixels of phase `phase`: pixel p hears from output pixel
 * (p + pad - k*dil) / stride if that divides. Returns how many. */
int bnn_phase_taps(int phase, int kernel, int stride, int pad, int dil, int *off, int *tap);

/* The backward products with bits as one operand, mixed_x.c and mixed_w.c, for the shapes
 * that fill their tables and lanes; for the others the bits are expanded to floats. */
static inline int bnn_conv_mix_x_pays(const bnn_conv *s) {
    return s->c / s->groups >= 8 && s->o / s->groups >= 3;
}

void bnn_conv_mix_x(const bnn_device *device, const bnn_mixed *mixed, const bnn_conv *s,
                    const float *gy, const bnn_operand *w, float *gx, int acc, void *ws);
size_t bnn_conv_mix_x_bytes(const bnn_device *device, const bnn_mixed *mixed, const bnn_conv *s);
int bnn_conv_mix_w_pays(const bnn_conv *s);
/* Whether it can also do with the factors of this input. */
int bnn_conv_mix_w_fits(const bnn_conv *s, const bnn_operand *x);
void bnn_conv_mix_w(const bnn_device *device, const bnn_mixed *mixed, const bnn_conv *s,
                    const float *gy, const bnn_operand *x, float *gw, int acc, void *ws);
size_t bnn_conv_mix_w_bytes(const bnn_device *device, const bnn_mixed *mixed, const bnn_conv *s);

/* A tile's sums over all its quads, of which no more than a run's are added one after another. */
static inline void bnn_mix_sum(const bnn_mixed *mixed, const bnn_mix *m) {
    if (m->taps * m->quads <= mixed->run) {
        mixed->tile(m);
        return;
    }
    size_t at_once = m->quads < mixed->run ? mixed->run / m->quads : 1;
    bnn_mix part = *m;
    for (size_t tap = 0; tap < m->taps; tap += at_once) {
        part.taps = bnn_min_size(at_once, m->taps - tap), part.delta = m->delta + tap;
        for (size_t v = 0; v < m->vectors; v++) {
            part.codes[v] = m->codes[v] + tap * m->words * mixed->lanes;
        }
        for (size_t first = 0; first < m->quads; first += mixed->run) {
            part.quads = bnn_min_size(mixed->run, m->quads - first);
            part.skip = m->skip + first, part.first = m->first + first;
            mixed->tile(&part);
            part.acc = 1;
        }
    }
}

/* n <= 32 bits of a row from `first` on; the bits above them are anything. */
static inline uint32_t bnn_bits_at(const uint64_t *row, size_t first, size_t n) {
    size_t shift = first % 64;
    uint64_t v = row[first / 64] >> shift;
    if (shift + n > 64) {
        v |= row[first / 64 + 1] << (64 - shift);
    }
    return (uint32_t)v;
}

#endif
