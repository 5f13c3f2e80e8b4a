/* The kernel table: everything that touches tensor memory, as functions over raw pointers. Ops are
 * written once against it; cpu/ and cuda/ each fill one. A kernel never allocates and never fails:
 * shapes were checked when the graph was built, and what it needs beside its operands comes as
 * `ws`, a workspace of as many bytes as the matching ..._workspace function says.
 *
 * Layout. Activations are channels-last, [N,H,W,C], so a pixel is a run of C values; filters are
 * [O,KH,KW,C/groups]. In bits, each such run is a row of bnn_words(C) 64-bit words, bit i of word
 * i/64 is value i, set for +1 (x >= 0) and clear for -1; the bits behind the last value are 0.
 * A "plane" is one bit a value over n values without rows: bnn_words(n) words.
 *
 * Results are the same, bit for bit, at any number of threads; what has only bits for operands is
 * the same on any instruction set. `acc` != 0 adds to the result instead of replacing it. Floats
 * are never contracted to fused operations but in the float products.
 *
 * Every kernel gets the stream first whose device it runs on (device.h). Its operands are that
 * device's memory; structs and what they point to otherwise are the host's. */
#ifndef BNN_ENGINE_KERNELS_H
#define BNN_ENGINE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/ste.h"

static inline size_t bnn_words(size_t bits) {
    return (bits + 63) / 64;
}

typedef struct bnn_device bnn_device;
typedef struct bnn_stream bnn_stream;

/* How exact products of floats are on a device that has faster ones for less; at least as exact as
 * the format of that name, of 23, 10 or 7 bits behind the point. Sums are of floats at any, and
 * products of bits exact. The CPU has the first alone. */
typedef enum bnn_precision {
    BNN_PRECISION_FP32,
    BNN_PRECISION_TF32,
    BNN_PRECISION_BF16
} bnn_precision;

/* A convolution, or with h = kh = 1 a 1-D one, or with h = w = kh = kw = 1 a linear layer. */
typedef struct bnn_conv {
    int n, h, w, c; /* input [n,h,w,c] */
    int o, kh, kw;  /* filters [o,kh,kw,c/groups] */
    int oh, ow;     /* output [n,oh,ow,o] */
    int stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups;
} bnn_conv;

/* A product's operand: exactly one of f32 and b1 is set. `scale` (b1 only, may be NULL) multiplies
 * the +-1 values, one factor for every `rows_per_scale` consecutive rows (a row: one pixel's
 * channels of an input; for filters all kh*kw rows of one filter share a factor). */
typedef struct bnn_operand {
    const float *f32;
    const uint64_t *b1;
    const float *scale;
    size_t rows_per_scale;
    const void *prepared; /* filters of a forward: what conv_prepare made of them, or NULL */
} bnn_operand;

/* Values a row-wise kernel reads: exactly one is set, or none where they are optional. */
typedef struct bnn_numbers {
    const float *f32;
    const int16_t *i16;
} bnn_numbers;

/* What becomes of a forward product, each step as the kernel of that name does it, value for value.
 * Exactly one of f32, i16 and b1 is set; the latter two for bits without a scale of the input. */
typedef struct bnn_result {
    float *f32;               /* [n,oh,ow,o] */
    const float *a, *b;       /* [o] or NULL: affine */
    const float *add;         /* [n,oh,ow,o] or NULL: then add; not f32 itself */
    const float *clamp;       /* {lo, hi} or NULL: then clamp */
    uint64_t *sign;           /* of a product of bits, or NULL: sign_pack of f32 */
    int16_t *i16;             /* [n,oh,ow,o]: the integer; kh * kw * c / groups <= 32767 */
    uint64_t *b1;             /* threshold_pack of the integer */
    const int32_t *threshold; /* [o] */
} bnn_result;

/* Values in four dimensions that lie by strides: value [i,j,k,l] of size [0..3] is at the sum of
 * its indices times `from` in x, `to` in y. A stride of 0 in `from` repeats; in `to` all meet in
 * one place, and must add. */
typedef struct bnn_move {
    size_t size[4], from[4], to[4];
} bnn_move;

/* Places of a pooling window along an axis, with `ceil_mode` also one that hangs over the end, if
 * it begins within the values or the padding before them; 0: it does not fit. */
static inline int bnn_pooled(int size, int kernel, int stride, int pad, int ceil_mode) {
    int room = size + 2 * pad - kernel + (ceil_mode ? stride - 1 : 0);
    int count = room < 0 ? 0 : room / stride + 1;
    return count - (ceil_mode && (count - 1) * stride >= size + pad);
}

/* Where random numbers come from: word i of a Philox stream is a function of these and i alone
 * (engine/base/rng.h). */
typedef struct bnn_random {
    uint64_t seed, stream;
} bnn_random;

/* Attention of n samples of t tokens: q, k, v [n,1,t,heads*d], a head's d channels side by side.
 * dropout: the probability that a probability is dropped, by `random`. */
typedef struct bnn_soft_attention {
    int n, t, heads, d;
    float dropout;
    bnn_random random;
} bnn_soft_attention;

/* What is added to the score of a token that is padding (Devlin et al., BERT, NAACL 2019). */
#define BNN_MASKED (-10000.0f)

/* Attention on bits over t tokens of c channels, of which a head has c / heads neighbours. The
 * surrogate of a score passes where |q k'| <= reach, and its gradient is `factor` times that of the
 * integer q k'. */
typedef struct bnn_attention {
    size_t n, t, c, heads; /* q, k, v [n,1,t,c]; t and c / heads at most BNN_ATTENTION_MOST */
    int reach;
    float factor;
    float own; /* of its own value, what is added to a token's context; 0: nothing */
} bnn_attention;
#define BNN_ATTENTION_MOST 8192

/* ---- boxes of a detector: x1 y1 x2 y2, in pixels; std[4] of kernels is the host's ---- */

/* Of a map of h x w cells: in each `count` boxes, [h][w][count], about (cell + offset) * stride. */
#define BNN_ANCHORS_MOST 16
typedef struct bnn_anchors {
    int h, w, count;
    float stride, offset;
    float width[BNN_ANCHORS_MOST], height[BNN_ANCHORS_MOST];
} bnn_anchors;

/* Of a batch of n images: [n][count], or of `shared` [count] for all. Of 5 columns the first is the
 * image's number, -1 where there is no box (torchvision's rois). */
typedef struct bnn_boxes {
    const float *at;
    size_t n, count;
    int shared, columns; /* 4 or 5 */
} bnn_boxes;

/* The boxes that are to be found, [n][count], their classes (-1: there is none), and which of them
 * nobody learns (NULL: there are no such). */
typedef struct bnn_ground_truth {
    const float *box;
    const int32_t *label, *ignore;
    size_t count;
} bnn_ground_truth;

/* Whom a box belongs to, by intersection over union (mmdetection's MaxIoUAssigner): from `positive`
 * on the first truth of most overlap, below `negative` nobody. With `best`, every truth gets, from
 * an overlap of `least` on, the first box that it overlaps most, or with `ties` all such. */
typedef struct bnn_matching {
    float positive, negative, least;
    int best, ties;
} bnn_matching;

/* `count` of an image's boxes, of which at most `positives` are positive; drawn by `random`, or
 * without `dice` of n in order those of number floor(j n / k). */
typedef struct bnn_sampling {
    int count, positives, dice;
    bnn_random random;
} bnn_sampling;

/* What losses are divided by: of an image the positives, positives and negatives, each at least
 * one; or all that count, at least one altogether. */
typedef enum bnn_box_count { BNN_COUNT_POSITIVE, BNN_COUNT_BOTH, BNN_COUNT_ALL } bnn_box_count;

/* Greedy suppression of [n][rows] boxes, for each of `classes`, whose scores are the first of
 * `columns` values a row. Of those above `score` each of the levels, so many rows one behind the
 * other, gives the best `most`; what overlaps a better one of its class by more than `overlap` is
 * suppressed, and the best `keep` stay. Equals by number, row * classes + class. A box of NAN is
 * none, and takes no place among the best. */
#define BNN_LEVELS_MOST 8
typedef struct bnn_nms {
    size_t n, rows, classes, columns;
    int by_class; /* boxes [n][rows][classes][4], not [n][rows][4] */
    int sized;    /* boxes without a size are none */
    int rois;     /* the result is [n][keep][5], as of bnn_boxes; else [n][keep][6]: box, score,
                     class (-1: none) */
    size_t level[BNN_LEVELS_MOST]; /* rows; 0 ends */
    size_t most, keep;
    float score, overlap;
} bnn_nms;

/* Regions of a map [n,h,w,c] as size x size pixels each (He et al., Mask R-CNN 2017): bilinear at
 * points in the middle of ceil(region / size) parts of a pixel, of boxes times `scale`, less half
 * a pixel. */
typedef struct bnn_roi_align {
    int n, h, w, c, size;
    float scale;
    size_t rois; /* [rois][5], as of bnn_boxes */
} bnn_roi_align;

/* Hidden values of a bottleneck, at most. */
#define BNN_BOTTLENECK_MOST 64

typedef struct bnn_kernels {
    const char *name;              /* backend and instruction set, "cpu avx2" */
    const struct bnn_micro *micro; /* what the CPU's products are made of (cpu/tiles/tiles.h) */

    /* ---- blocks ---- */
    /* Kernels marked (block) work on a block of consecutive rows and on the thread that calls them;
     * `first` is the block's first row where a row's number matters. About so many values of a
     * tensor are best given to them at a time; all rows may be. */
    size_t block_values;
    /* What of the values it works on a thread has in a cache of its own. */
    size_t cache_bytes;
    /* Calls body(context, i, worker) for all i < count; 0 <= worker < device->threads. */
    void (*for_each)(const bnn_stream *stream, size_t count,
                     void (*body)(void *context, size_t i, int worker), void *context);

    /* ---- bits ---- */
    /* (block) bits[rows][words(c)] of x[rows][c]. */
    void (*sign_pack)(const bnn_stream *stream, size_t rows, size_t c, const float *x,
                      uint64_t *bits);
    /* (block) x[r][c] = +-1, times scale[(first + r) / rows_per_scale] where scale is not NULL. */
    void (*sign_unpack)(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                        const bnn_operand *bits, float *x);
    /* (block) plane bit = slope of a mask-like surrogate (bnn_ste_is_mask) at x, over n values.
     * `p` is the surrogate's parameter, or NULL for ste.p. */
    void (*ste_plane)(const bnn_stream *stream, size_t n, const float *x, bnn_ste ste,
                      const float *p, uint64_t *plane);
    /* (block) gx = plane ? g : 0. gx may be g when acc = 0. */
    void (*plane_backward)(const bnn_stream *stream, size_t n, const float *g,
                           const uint64_t *plane, float *gx, int acc);
    /* (block) gx[r][i] = g[r][i] * slope(x[r][i]) * s, s = scale[(first + r) / per_scale], or 1. gx
     * may be g when acc = 0. */
    void (*ste_backward)(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                         size_t per_scale, const float *g, const float *x, bnn_ste ste,
                         const float *p, const float *scale, float *gx, int acc);
    /* (block) bits of (x >= t), per channel: threshold[c] = 2t + flip, bit = (x >= t) != flip. x
     * holds integers of magnitude below 2^24. */
    void (*threshold_pack)(const bnn_stream *stream, size_t rows, size_t c, const float *x,
                           const int32_t *threshold, uint64_t *bits);

    /* ---- the three products ---- */
    /* Bytes for operands that are bits, or float: of the forward, or of all three products. */
    size_t (*conv_workspace)(const bnn_stream *stream, const bnn_conv *s, int bits, int gradients);
    /* y = x * w (zero padding contributes exactly 0). Both operands bits: XNOR-popcount, and the
     * integer times the input's scale; the filters' is not looked at (a factor of a channel can
     * be deferred, and what is left is exact). Both float: float product. Never mixed. */
    void (*conv_forward)(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *x,
                         const bnn_operand *w, const bnn_result *y, void *ws);
    /* What the forward first makes of its filters (`bits`: they are bits) for a product of this
     * shape depends on nothing else, so inference makes it once: in `prepared`, 64-byte aligned. 0
     * bytes: there is nothing to make. */
    size_t (*conv_prepared_bytes)(const bnn_stream *stream, const bnn_conv *s, int bits);
    void (*conv_prepare)(const bnn_stream *stream, const bnn_conv *s, const bnn_operand *w,
                         void *prepared, void *ws);
    /* gx = dL/dx given gy[n,oh,ow,o] and the filters as fed to the forward (float, or +-1 bits with
     * their scale: the mixed product). */
    void (*conv_backward_x)(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                            const bnn_operand *w, float *gx, int acc, void *ws);
    /* gw[o,kh,kw,c/groups] = dL/dw given gy and the input as fed to the forward. */
    void (*conv_backward_w)(const bnn_stream *stream, const bnn_conv *s, const float *gy,
                            const bnn_operand *x, float *gw, int acc, void *ws);

    /* ---- attention on bits (BiBERT: Qin et al. 2022) ---- */
    /* For the forward, or for the forward and the backward. */
    size_t (*bi_attention_workspace)(const bnn_stream *stream, const bnn_attention *s,
                                     int backward);
    /* context[n,1,t,c] = A v + own v, with A[i][j] = 1 where q_i k_j' > 0 and mask[n][j] != 0, else
     * 0; sums of signs, as floats. For the backward (both NULL: none) it leaves A and where a
     * score's surrogate passes, rows of bits [n,heads,t,t]; such are `keep`, too, whose clear bits
     * take scores out (dropout), NULL for none. */
    void (*bi_attention)(const bnn_stream *stream, const bnn_attention *s, const uint64_t *q,
                         const uint64_t *k, const uint64_t *v, const int32_t *mask,
                         const uint64_t *keep, float *context, uint64_t *a, uint64_t *window,
                         void *ws);
    /* Gradients of the signs q, k and v, each NULL where it is not wanted. */
    void (*bi_attention_backward)(const bnn_stream *stream, const bnn_attention *s,
                                  const float *gcontext, const uint64_t *q, const uint64_t *k,
                                  const uint64_t *v, const uint64_t *a, const uint64_t *window,
                                  float *gq, int acc_q, float *gk, int acc_k, float *gv, int acc_v,
                                  void *ws);

    /* ---- element-wise ---- */
    void (*fill)(const bnn_stream *stream, size_t n, float value, float *x);
    /* (block) */
    void (*copy)(const bnn_stream *stream, size_t n, const float *x, float *y, int acc);
    /* (block) y = a + b; y may be a or b. */
    void (*add)(const bnn_stream *stream, size_t n, const float *a, const float *b, float *y);
    /* (block) y = s[(first + r) / per_scale] * x, or x where s is NULL. */
    void (*to_float)(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                     size_t per_scale, const int16_t *x, const float *s, float *y);
    /* (block) y = min(max(x, lo), hi); plane (may be NULL) bit = lo < x && x < hi. A NaN stays a
     * NaN. y may be x. */
    void (*clamp)(const bnn_stream *stream, size_t n, const float *x, float lo, float hi, float *y,
                  uint64_t *plane);
    /* (block) y[r][c] = (a ? a[c] : 1) * x[r][c] + (b ? b[c] : 0). y may be x when acc = 0. */
    void (*affine)(const bnn_stream *stream, size_t rows, size_t c, bnn_numbers x, const float *a,
                   const float *b, float *y, int acc);
    /* y[to] = factor * x[from], or that added, over all of the move's values. */
    void (*move)(const bnn_stream *stream, const bnn_move *m, float factor, const float *x,
                 float *y, int acc);
    /* (block) y = x, plus value where r % c is the column: the diagonals of c by c matrices. y may
     * be x. */
    void (*add_diagonal)(const bnn_stream *stream, size_t first, size_t rows, size_t c, float value,
                         const float *x, float *y);
    /* (block) y = x > 0 ? x : slope * x, of one slope or one a channel (He et al. 2015). y may be
     * x. */
    void (*prelu)(const bnn_stream *stream, size_t rows, size_t c, const float *x,
                  const float *slope, size_t slopes, float *y);
    /* (block) At 0 the derivative is the slope. gx may be g when acc = 0. */
    void (*prelu_backward)(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                           const float *x, const float *slope, size_t slopes, float *gx, int acc);
    /* (block) Sums, by piece and of sums_bytes(c) as channel_sums has them, of what the slope's
     * gradient is; then that. */
    void (*prelu_sums)(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                       const float *x, int reset, void *sums);
    void (*prelu_finish)(const bnn_stream *stream, size_t c, size_t pieces, const void *sums,
                         size_t slopes, float *gslope, int acc);

    /* ---- sums of channels, over the rows of [rows][c] ---- */
    /* A piece's sums take sums_bytes(c), 8-byte aligned; those of all pieces lie one behind the
     * other. `reset` starts them anew, else a block's are added. */
    size_t (*sums_bytes)(const bnn_stream *stream, size_t c);
    /* (block) What mean and variance of x need. */
    void (*channel_moments)(const bnn_stream *stream, size_t rows, size_t c, bnn_numbers x,
                            int reset, void *sums);
    /* (block) Sums of g, and of g * (x - centre) where x is given; centre[c] may be NULL, for 0. */
    void (*channel_sums)(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                         bnn_numbers x, const double *centre, int reset, void *sums);
    /* All pieces become one, in the place of the first: of moments, and of sums about one centre.
     */
    void (*merge_moments)(const bnn_stream *stream, size_t c, size_t pieces, void *sums);
    void (*merge_sums)(const bnn_stream *stream, size_t c, size_t pieces, void *sums);
    /* sum[c] and dot[c] of channel_sums without centre; either may be NULL. */
    void (*channel_sums_finish)(const bnn_stream *stream, size_t c, size_t pieces, const void *sums,
                                float *sum, float *dot, int acc);

    /* ---- batch normalization over the rows of [rows][c] (Ioffe & Szegedy 2015) ---- */
    /* Of the value x * scale (scale[c] >= 0, or NULL for 1): an exact integer times the scale of a
     * binary product stays exact up to the one rounding of y, which is what decides the next sign.
     * From moments to state[4c], of which the third c are the channels' means of x; running
     * statistics, of the value, r += momentum * (batch - r), with the unbiased variance (PyTorch's
     * rule). */
    void (*batch_norm_finish)(const bnn_stream *stream, size_t c, size_t pieces, const void *sums,
                              const float *scale, const float *weight, const float *bias, float eps,
                              float momentum, float *running_mean, float *running_var,
                              double *state);
    /* The same from running statistics; without the means. */
    void (*batch_norm_fixed)(const bnn_stream *stream, size_t c, const float *scale,
                             const float *weight, const float *bias, float eps,
                             const float *running_mean, const float *running_var, double *state);
    /* coefficient[4c] for batch_norm_backward, where statistics are the running ones. */
    void (*batch_norm_fixed_backward)(const bnn_stream *stream, size_t c, const float *weight,
                                      float eps, const float *running_var, float *coefficient);
    /* (block) y = (value - mean) / sqrt(variance + eps) * weight + bias, rounded as if once. */
    void (*batch_norm)(const bnn_stream *stream, size_t rows, size_t c, bnn_numbers x,
                       const double *state, float *y);
    /* From channel_sums of g and x about state + 2C to the parameters' gradients, each NULL where
     * it is not wanted, and coefficient[4c]. */
    void (*batch_norm_backward_finish)(const bnn_stream *stream, size_t c, size_t pieces,
                                       const void *sums, const float *scale, const float *weight,
                                       const double *state, float *gweight, float *gbias, int acc,
                                       float *coefficient);
    /* (block) The gradient of the value. gx may be g when acc = 0. */
    void (*batch_norm_backward)(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                                bnn_numbers x, const float *coefficient, float *gx, int acc);

    /* ---- statistics of groups: each per_group consecutive rows of [rows][c] ---- */
    /* (block) Sums of |x|, one a group; a block's are added unless the group begins in it. */
    void (*group_abs_sums)(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                           size_t per_group, const float *x, double *sums);
    /* mean = sums / len */
    void (*group_abs_mean)(const bnn_stream *stream, size_t groups, size_t len, const double *sums,
                           float *mean);
    /* ReCU (Xu et al. 2021, eq. 10): bound = -mean ln(2 - 2 tau) of what group_abs_sums adds up
     * over len values altogether; infinite for tau = 1. tau[1], bound[1]. */
    void (*recu_bound)(const bnn_stream *stream, size_t groups, size_t len, const double *sums,
                       const float *tau, float *bound);
    /* (block) Three numbers a group: what mean and variance need. */
    void (*group_moments)(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                          size_t per_group, const float *x, double *sums);
    /* mean[groups] and r = (unbiased variance + eps)^-1/2, or 1 if !scale, over len values each. */
    void (*normalize_finish)(const bnn_stream *stream, size_t groups, size_t len,
                             const double *sums, int scale, float eps, float *mean, float *r);
    /* (block) y = gain * (x - center * mean) * r */
    void (*normalize)(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                      size_t per_group, const float *x, int center, float gain, const float *mean,
                      const float *r, float *y);
    /* (block) Two numbers a group: sums of g, and of g * (x - center * mean); x = NULL where
     * nothing is divided by a deviation. */
    void (*group_dots)(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                       size_t per_group, const float *g, const float *x, int center,
                       const float *mean, double *sums);
    /* (block) gx = gain * [r (g - center * mean(g)) - r^3 (x - mean) * sum(g * (x - center * mean))
     * / (len-1)], without the second term if x is NULL. */
    void (*normalize_backward)(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                               size_t per_group, const float *g, const float *x, int center,
                               float gain, const float *mean, const float *r, const double *sums,
                               float *gx, int acc);

    /* ---- algorithm-specific element-wise ---- */
    /* (block) XNOR-Net++: y[n][i][j][c] = x * so[c] * sh[i] * sv[j] (rank-1 scale, Bulat &
     * Tzimiropoulos 2019); a row is a pixel; sh may be NULL (ones). y may be x when acc = 0. */
    void (*outer_scale)(const bnn_stream *stream, size_t first, size_t rows, size_t h, size_t w,
                        size_t c, bnn_numbers x, const float *so, const float *sh, const float *sv,
                        float *y, int acc);
    /* Gradients of so[c], sh[h], sv[w]: sums by piece (block), then the vectors, each NULL where it
     * is not wanted. */
    size_t (*outer_sums_bytes)(const bnn_stream *stream, size_t h, size_t w, size_t c);
    void (*outer_scale_sums)(const bnn_stream *stream, size_t first, size_t rows, size_t h,
                             size_t w, size_t c, const float *g, bnn_numbers x, const float *so,
                             const float *sh, const float *sv, int reset, void *sums);
    void (*outer_scale_finish)(const bnn_stream *stream, size_t h, size_t w, size_t c,
                               size_t pieces, const void *sums, float *gso, float *gsh, float *gsv,
                               int acc);
    /* (block) FDA: y[r][i] = s * (sign(x) + alpha * (lin + 0.1 sin(x))), s[(first + r) /
     * per_scale]; lin and s may be NULL (0 and 1); alpha[1]. */
    void (*noisy_sign)(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                       size_t per_scale, const float *x, const float *lin, const float *s,
                       const float *alpha, float *y);
    /* (block) With u = s * g: gx = u * (F_n(x) 1[|x| <= 1] + alpha * 0.1 cos(x)), glin = alpha * u;
     * either may be NULL; alpha[1], n[1]. */
    void (*noisy_sign_backward)(const bnn_stream *stream, size_t first, size_t rows, size_t c,
                                size_t per_scale, const float *g, const float *x, const float *s,
                                const float *alpha, const float *n, float *gx, int gx_acc,
                                float *glin, int glin_acc);

    /* (block) y = w2^T max(w1 x, 0) in each row; w1, w2 [hidden][c], hidden <= BNN_BOTTLENECK_MOST.
     */
    void (*bottleneck)(const bnn_stream *stream, size_t rows, size_t c, size_t hidden,
                       const float *x, const float *w1, const float *w2, float *y);
    /* (block) Sums by piece of the gradients of w1 and w2; and gx, unless NULL, which may be g. */
    size_t (*bottleneck_bytes)(const bnn_stream *stream, size_t c, size_t hidden);
    void (*bottleneck_backward)(const bnn_stream *stream, size_t rows, size_t c, size_t hidden,
                                const float *g, const float *x, const float *w1, const float *w2,
                                int reset, void *sums, float *gx, int acc);
    /* Either gradient may be NULL. */
    void (*bottleneck_finish)(const bnn_stream *stream, size_t c, size_t hidden, size_t pieces,
                              const void *sums, float *gw1, int acc1, float *gw2, int acc2);

    /* ---- text ---- */
    /* (block) y = x Phi(x), GELU by the error function (Hendrycks & Gimpel 2016). Its sign counts:
     * of a negative x it is at most -FLT_MIN. y may be x. */
    void (*gelu)(const bnn_stream *stream, size_t n, const float *x, float *y);
    /* (block) gx = g * (Phi(x) + x phi(x)); may be g when acc = 0. */
    void (*gelu_backward)(const bnn_stream *stream, size_t n, const float *g, const float *x,
                          float *gx, int acc);
    /* (block) y may be x; the backward reads y, and gx may be g when acc = 0. */
    void (*tanh)(const bnn_stream *stream, size_t n, const float *x, float *y);
    void (*tanh_backward)(const bnn_stream *stream, size_t n, const float *g, const float *y,
                          float *gx, int acc);
    /* (block) Each row: y = (x - mean) / sqrt(biased variance + eps) * weight[c] + bias[c] (Ba et
     * al. 2016). y may be x. */
    void (*layer_norm)(const bnn_stream *stream, size_t rows, size_t c, const float *x,
                       const float *weight, const float *bias, float eps, float *y);
    /* (block) Sums, as channel_sums has them, of g and of g times the normalized x: the gradients
     * of bias and weight; and gx, which may be g when acc = 0. Either may be NULL. */
    void (*layer_norm_backward)(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                                const float *x, const float *weight, float eps, int reset,
                                void *sums, float *gx, int acc);
    /* (block) y = x / (1 - p), or with probability p 0 (Srivastava et al. 2014). x[0] is value
     * `first` of what is drawn for; y may be x when acc = 0. Also the gradient. */
    void (*dropout)(const bnn_stream *stream, size_t first, size_t n, const float *x, float p,
                    bnn_random random, float *y, int acc);
    /* Rows of bits [rows][words(c)], each clear with probability p: where dropout of as many values
     * keeps them. */
    void (*keep)(const bnn_stream *stream, size_t rows, size_t c, float p, bnn_random random,
                 uint64_t *bits);
    /* y[n][c] = rows id[i] of a table [rows][c], floats or bits; where that is no row of it, zeros.
     * id = NULL: row i % period. */
    void (*table_rows)(const bnn_stream *stream, size_t n, size_t c, const bnn_operand *table,
                       size_t rows, const int32_t *id, size_t period, float *y);
    /* The gradient of the whole table, terms in the order of i; none for row `padding`. */
    void (*table_rows_backward)(const bnn_stream *stream, size_t n, size_t c, const float *g,
                                size_t rows, const int32_t *id, size_t period, size_t padding,
                                float *gtable, int acc);
    /* y = softmax(q k' / sqrt(d) + (mask ? 0 : BNN_MASKED)) v a head (Vaswani et al. 2017); mask
     * [n][t]. The softmax runs over the second token. */
    size_t (*attention_workspace)(const bnn_stream *stream, const bnn_soft_attention *s);
    void (*attention)(const bnn_stream *stream, const bnn_soft_attention *s, const float *q,
                      const float *k, const float *v, const int32_t *mask, float *y, void *ws);
    /* Each gradient may be NULL. */
    void (*attention_backward)(const bnn_stream *stream, const bnn_soft_attention *s,
                               const float *g, const float *q, const float *k, const float *v,
                               const int32_t *mask, float *gq, int acc_q, float *gk, int acc_k,
                               float *gv, int acc_v, void *ws);

    /* ---- pooling ---- */
    /* Max over kernel x kernel windows of [n,h,w,c], padding never wins; index (may be NULL) keeps
     * which tap won (the first of equals), one byte a value, for the backward. kernel <= 15. There
     * are bnn_pooled() windows. */
    void (*max_pool)(const bnn_stream *stream, int n, int h, int w, int c, int kernel, int stride,
                     int pad, int ceil_mode, const float *x, float *y, uint8_t *index);
    void (*max_pool_backward)(const bnn_stream *stream, int n, int h, int w, int c, int kernel,
                              int stride, int pad, int ceil_mode, const float *g,
                              const uint8_t *index, float *gx, int acc);
    /* y[n][c] = mean of x[n][:][c] over hw pixels. */
    void (*global_avg_pool)(const bnn_stream *stream, size_t n, size_t hw, size_t c, const float *x,
                            float *y);
    void (*global_avg_pool_backward)(const bnn_stream *stream, size_t n, size_t hw, size_t c,
                                     const float *g, float *gx, int acc);
    /* y[n][c] = shift + max of x[n][:][c] over rows; index (may be NULL) keeps the row that won,
     * the first of equals. */
    void (*global_max_pool)(const bnn_stream *stream, size_t n, size_t rows, size_t c, float shift,
                            const float *x, float *y, int32_t *index);
    void (*global_max_pool_backward)(const bnn_stream *stream, size_t n, size_t rows, size_t c,
                                     const float *g, const int32_t *index, float *gx, int acc);

    /* ---- loss ---- */
    /* Softmax cross-entropy of logits[n][classes] against label[n], rows of label -1 left out,
     * summed over divisor[1], or over n where that is NULL; keeps probability[n][classes] for the
     * backward. Not finite if any logit that counts is not. */
    void (*cross_entropy)(const bnn_stream *stream, size_t n, size_t classes, const float *logits,
                          const int32_t *label, const float *divisor, float *probability,
                          float *loss);
    /* glogits = gloss[0] * (probability - onehot) / divisor */
    void (*cross_entropy_backward)(const bnn_stream *stream, size_t n, size_t classes,
                                   const float *probability, const int32_t *label,
                                   const float *divisor, const float *gloss, float *glogits,
                                   int acc);
    /* Mean of (x - target)^2, of n values. */
    void (*squared_error)(const bnn_stream *stream, size_t n, const float *x, const float *target,
                          float *loss);
    /* gx = gloss[0] * 2 (x - target) / n */
    void (*squared_error_backward)(const bnn_stream *stream, size_t n, const float *x,
                                   const float *target, const float *gloss, float *gx, int acc);
    /* norm[n] = 2-norms of x[n][len], and their mean; a norm of 0 has no gradient. */
    void (*norm_mean)(const bnn_stream *stream, size_t n, size_t len, const float *x, float *norm,
                      float *mean);
    void (*norm_mean_backward)(const bnn_stream *stream, size_t n, size_t len, const float *gmean,
                               const float *x, const float *norm, float *gx, int acc);

    /* Mean over all values of -softmax(teacher) log softmax(student), logits [n][classes]; keeps
     * difference = softmax(student) - softmax(teacher) for the backward. Not finite if a logit of
     * the student is not. */
    void (*soft_cross_entropy)(const bnn_stream *stream, size_t n, size_t classes,
                               const float *student, const float *teacher, float *difference,
                               float *loss);
    /* gstudent = gloss[0] * difference / count, count = n * classes. */
    void (*soft_cross_entropy_backward)(const bnn_stream *stream, size_t count,
                                        const float *difference, const float *gloss,
                                        float *gstudent, int acc);
    /* Direction matching (BiBERT: Qin et al. 2022): | s / |s| - t / |t| | of whole tensors of n
     * values, of which those <= floor count as 0; 0 / 0 is 0. state[3]: |s|, |t| and the loss. ws:
     * direction_bytes. */
    size_t (*direction_bytes)(const bnn_stream *stream, size_t n);
    void (*direction_matching)(const bnn_stream *stream, size_t n, float floor,
                               const float *student, const float *teacher, double *state,
                               float *loss, void *ws);
    /* The student's. Where it has no direction, or the teacher's, it is 0. */
    void (*direction_matching_backward)(const bnn_stream *stream, size_t n, float floor,
                                        const float *gloss, const float *student,
                                        const float *teacher, const double *state, float *gstudent,
                                        int acc);

    /* ---- detection ---- */
    /* (block) y = weight[c] * x / (|x| + eps) in each row (Liu et al., ParseNet 2015). */
    void (*l2_norm)(const bnn_stream *stream, size_t rows, size_t c, const float *x,
                    const float *weight, float eps, float *y);
    /* (block) Sums of g and of g times the normalized x, as channel_sums has them; and gx, which
     * may be g when acc = 0. Either may be NULL. */
    void (*l2_norm_backward)(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                             const float *x, const float *weight, float eps, int reset, void *sums,
                             float *gx, int acc);
    /* (block) Of each row, plus row (first + r) / per_mask of mask[][c], which may be NULL. y may
     * be x; the backward reads y, and gx may be g when acc = 0. */
    void (*softmax)(const bnn_stream *stream, size_t first, size_t rows, size_t c, const float *x,
                    size_t per_mask, const float *mask, float *y);
    void (*softmax_backward)(const bnn_stream *stream, size_t rows, size_t c, const float *g,
                             const float *y, float *gx, int acc);
    /* y[rois][size][size][c] of x [n,h,w,c]; a region of no image is 0. */
    void (*roi_align)(const bnn_stream *stream, const bnn_roi_align *s, const float *x,
                      const float *rois, float *y);
    void (*roi_align_backward)(const bnn_stream *stream, const bnn_roi_align *s, const float *g,
                               const float *rois, float *gx, int acc);
    /* The sum of |d| - beta / 2 from |d| = beta on, d^2 / (2 beta) below (beta 0: |d|), over
     * divisor[1]; d = x - target[rows][4] of rows of a label from 0 on, below `background`. x is
     * [rows][4], or by_class [rows][background][4], of which the label's count. */
    void (*smooth_l1)(const bnn_stream *stream, size_t rows, int background, int by_class,
                      float beta, const float *x, const float *target, const int32_t *label,
                      const float *divisor, float *loss);
    void (*smooth_l1_backward)(const bnn_stream *stream, size_t rows, int background, int by_class,
                               float beta, const float *x, const float *target,
                               const int32_t *label, const float *divisor, const float *gloss,
                               float *gx, int acc);
    /* The sum of binary cross-entropies of logits x[n] over divisor[1]; label 0: it is there, 1: it
     * is not, -1: left out. */
    void (*objectness)(const bnn_stream *stream, size_t n, const float *x, const int32_t *label,
                       const float *divisor, float *loss);
    void (*objectness_backward)(const bnn_stream *stream, size_t n, const float *x,
                                const int32_t *label, const float *divisor, const float *gloss,
                                float *gx, int acc);
    /* frame[n][2]: height and width of what is seen of images [n][h][w][c], up to the last row and
     * column in which a value is not 0; of an image of zeros all. */
    void (*frame)(const bnn_stream *stream, size_t n, size_t h, size_t w, size_t c, const float *x,
                  float *frame);
    /* box[h][w][count][4] for all images; with `frame`, box[n][h][w][count][5] as of bnn_boxes,
     * none where the middle is beyond the image's frame[n][2]. */
    void (*anchors)(const bnn_stream *stream, const bnn_anchors *anchors, size_t n,
                    const float *frame, float *box);
    /* Where an image has so many items that are put in order, of which `keep` stay. */
    size_t (*boxes_workspace)(const bnn_stream *stream, size_t items, size_t keep);
    /* assigned[n][count] = 1 + the truth's number, 0: nobody, -1: neither. items: the truths. */
    void (*assign)(const bnn_stream *stream, const bnn_boxes *boxes, const bnn_ground_truth *truth,
                   const bnn_matching *matching, int32_t *assigned, void *ws);
    /* sampled = assigned, or -1 where it is not taken, [n][count]. items: count. */
    void (*sample)(const bnn_stream *stream, size_t n, size_t count, const bnn_sampling *sampling,
                   const int32_t *assigned, int32_t *sampled, void *ws);
    /* Of the truths, each assigned to itself, and the boxes behind them, `sampling->count` of an
     * image: positives, negatives, then none. sampled [n][][5] and assigned [n][]. items: three
     * times truths and boxes of an image. */
    void (*sample_rois)(const bnn_stream *stream, const bnn_boxes *boxes,
                        const bnn_ground_truth *truth, const bnn_matching *matching,
                        const bnn_sampling *sampling, float *sampled, int32_t *assigned, void *ws);
    /* target[n][count][4]: from each box to its truth, in sizes of the box and logarithms, over
     * std[4] (Girshick et al., R-CNN 2014); 0 where there is none. */
    void (*box_targets)(const bnn_stream *stream, const bnn_boxes *boxes,
                        const bnn_ground_truth *truth, const int32_t *assigned, const float *std,
                        float *target);
    /* box[n][count][per_box][4]: back again, of deltas of this form, |ln| of sizes at most
     * ln(1000 / 16), cut off at the image's frame[n][2], or without it at height and width unless
     * they are 0; NAN where there is no box. */
    void (*decode_boxes)(const bnn_stream *stream, const bnn_boxes *boxes, size_t per_box,
                         const float *delta, const float *std, float height, float width,
                         const float *frame, float *box);
    /* label[n][count] = the truth's class, or 0 where truth is NULL; background where it is
     * nobody's; -1 for neither. */
    void (*box_labels)(const bnn_stream *stream, size_t n, size_t count,
                       const bnn_ground_truth *truth, const int32_t *assigned, int background,
                       int32_t *label);
    void (*box_count)(const bnn_stream *stream, size_t n, size_t count, const int32_t *label,
                      int background, bnn_box_count rule, float *result);
    /* Of the background's rows of an image `ratio` times as many as it has others keep their label,
     * those of most cross-entropy; the rest of them become -1 (Liu et al., SSD 2016). logits
     * [n][count][background + 1]. items: count. */
    void (*hard_negatives)(const bnn_stream *stream, size_t n, size_t count, int background,
                           int ratio, const float *logits, const int32_t *label, int32_t *hard,
                           void *ws);
    /* index[n][keep]: numbers of what stays, -1 behind them. items: rows * classes. */
    void (*nms)(const bnn_stream *stream, const bnn_nms *s, const float *score, const float *box,
                float *result, int32_t *index, void *ws);

    /* ---- optimizers over flat buffers, one pass (semantics of torch.optim) ---- */
    /* g times min(1, max_norm / (its 2-norm + 1e-6)) (torch.nn.utils.clip_grad_norm_). */
    void (*clip_norm)(const bnn_stream *stream, size_t n, float max_norm, float *g);
    /* g += weight_decay * w; v = momentum * v + g (first step: v = g); w -= lr * (nesterov ?
     * g + momentum * v : v). v may be NULL when momentum = 0. */
    void (*sgd_step)(const bnn_stream *stream, size_t n, float *w, const float *g, float *v,
                     float lr, float momentum, float weight_decay, int nesterov, int first);
    /* Adam (Kingma & Ba 2015), or AdamW (Loshchilov & Hutter 2019) if decoupled; step counts
     * from 1. */
    void (*adam_step)(const bnn_stream *stream, size_t n, float *w, const float *g, float *m,
                      float *v, float lr, float beta1, float beta2, float eps, float weight_decay,
                      int decoupled, uint64_t step);
    /* An exponential moving average: a += weight * (w - a). */
    void (*average_step)(const bnn_stream *stream, size_t n, const float *w, float weight,
                         float *a);
} bnn_kernels;

/* The CPU's table. `isa`: "generic", "avx2", "avx512", "avx512_vpopcntdq", "amx", "neon", or NULL
 * for the best the machine has (capped by the environment variable BNN_ISA). NULL and *why set to a
 * static text if that name is unknown or this CPU or build lacks it. The table is immutable and
 * lives forever. */
const bnn_kernels *bnn_cpu_kernels(const char *isa, const char **why);
#endif
