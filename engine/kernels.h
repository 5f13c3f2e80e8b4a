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
 * are never contracted to fused operations but in the float products. */
#ifndef BNN_ENGINE_KERNELS_H
#define BNN_ENGINE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/ste.h"

static inline size_t bnn_words(size_t bits) {
    return (bits + 63) / 64;
}

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
} bnn_operand;

typedef struct bnn_kernels {
    const char *name; /* backend and instruction set, "cpu avx2" */

    /* ---- bits ---- */
    /* bits[rows][words(c)] of x[rows][c]. */
    void (*sign_pack)(size_t rows, size_t c, const float *x, uint64_t *bits);
    /* x[rows][c] = +-1, times scale[row / rows_per_scale] where scale is not NULL. */
    void (*sign_unpack)(size_t rows, size_t c, const bnn_operand *bits, float *x);
    /* plane bit = slope of a mask-like surrogate (bnn_ste_is_mask) at x, over n values. */
    void (*ste_plane)(size_t n, const float *x, bnn_ste ste, uint64_t *plane);
    /* gx = plane ? g : 0. gx may be g when acc = 0. */
    void (*plane_backward)(size_t n, const float *g, const uint64_t *plane, float *gx, int acc);
    /* gx[r][i] = g[r][i] * slope(x[r][i]) * (scale ? scale[r] : 1). gx may be g when acc = 0. */
    void (*ste_backward)(size_t rows, size_t len, const float *g, const float *x, bnn_ste ste,
                         const float *scale, float *gx, int acc);
    /* bits of (x >= t), per channel: threshold[c] = 2t + flip, bit = (x >= t) != flip. x holds
     * integers of magnitude below 2^24. */
    void (*threshold_pack)(size_t rows, size_t c, const float *x, const int32_t *threshold,
                           uint64_t *bits);

    /* ---- the three products ---- */
    /* For operands that are bits, or float; all three products. For as many threads as are set now
     * (bnn_set_threads): set them before graphs are built. */
    size_t (*conv_workspace)(const bnn_conv *s, int bits);
    /* y = x * w (zero padding contributes exactly 0). Both operands bits: XNOR-popcount, and
     * y = (xscale * wscale) * (float)integer, the scales multiplied first. Both float: float
     * product. Never mixed. */
    void (*conv_forward)(const bnn_conv *s, const bnn_operand *x, const bnn_operand *w, float *y,
                         void *ws);
    /* gx = dL/dx given gy[n,oh,ow,o] and the filters as fed to the forward (float, or +-1 bits with
     * their scale: the mixed product). */
    void (*conv_backward_x)(const bnn_conv *s, const float *gy, const bnn_operand *w, float *gx,
                            int acc, void *ws);
    /* gw[o,kh,kw,c/groups] = dL/dw given gy and the input as fed to the forward. */
    void (*conv_backward_w)(const bnn_conv *s, const float *gy, const bnn_operand *x, float *gw,
                            int acc, void *ws);

    /* ---- element-wise ---- */
    void (*fill)(size_t n, float value, float *x);
    void (*copy)(size_t n, const float *x, float *y, int acc);
    /* y = a + b; y may be a or b. */
    void (*add)(size_t n, const float *a, const float *b, float *y);
    /* y = min(max(x, lo), hi); plane (may be NULL) bit = lo < x && x < hi. A NaN stays a NaN. y may
     * be x. */
    void (*clamp)(size_t n, const float *x, float lo, float hi, float *y, uint64_t *plane);
    /* y[r][c] = (a ? a[c] : 1) * x[r][c] + (b ? b[c] : 0). y may be x when acc = 0. */
    void (*affine)(size_t rows, size_t c, const float *x, const float *a, const float *b, float *y,
                   int acc);
    /* sum[c] = sum over rows of g (sum may be NULL), dot[c] = sum over rows of g * x (x and dot may
     * be NULL together). acc applies to both. */
    size_t (*channel_sums_workspace)(size_t rows, size_t c);
    void (*channel_sums)(size_t rows, size_t c, const float *g, const float *x, float *sum,
                         float *dot, int acc, void *ws);

    /* ---- batch normalization over the rows of [rows][c] (Ioffe & Szegedy 2015) ---- */
    size_t (*batch_norm_workspace)(size_t rows, size_t c);
    /* Training, of the value x * scale (scale[c] >= 0, or NULL for 1): an exact integer times the
     * scale of a binary product stays exact up to the one rounding of y, which is what decides the
     * next sign. Keeps mean[c] of x and rstd[c] = 1/sqrt(biased variance of the value + eps) for
     * the backward; running statistics, of the value, r += momentum * (batch - r), with the
     * unbiased variance (PyTorch's rule). */
    void (*batch_norm_forward)(size_t rows, size_t c, const float *x, const float *scale,
                               const float *weight, const float *bias, float eps, float momentum,
                               float *running_mean, float *running_var, float *mean, float *rstd,
                               float *y, void *ws);
    /* gx is the gradient of the value; it may be g when gx_acc = 0, and NULL (none wanted). */
    void (*batch_norm_backward)(size_t rows, size_t c, const float *g, const float *x,
                                const float *scale, const float *weight, const float *mean,
                                const float *rstd, float *gx, int gx_acc, float *gweight,
                                float *gbias, int gp_acc, void *ws);

    /* ---- statistics over the values of each row of [rows][len] ---- */
    /* out[r] = mean |x[r][:]| */
    void (*row_abs_mean)(size_t rows, size_t len, const float *x, float *out);
    /* y = gain * (x - center * mean) * r, r = (unbiased variance + eps)^-1/2, or 1 if !scale.
     * Keeps mean[rows] and r[rows] for the backward. y may not be x. */
    void (*normalize_rows)(size_t rows, size_t len, const float *x, int center, int scale,
                           float gain, float eps, float *mean, float *r, float *y);
    /* gx = gain * [r (g - center * mean(g)) - r^3 (x - mean) * sum(g * (x - center * mean)) /
     * (len-1)], the second term only if scale. */
    void (*normalize_rows_backward)(size_t rows, size_t len, const float *g, const float *x,
                                    int center, int scale, float gain, const float *mean,
                                    const float *r, float *gx, int acc);

    /* ---- algorithm-specific element-wise ---- */
    /* XNOR-Net++: y[n][i][j][c] = x * so[c] * sh[i] * sv[j] (rank-1 scale, Bulat & Tzimiropoulos
     * 2019); sh may be NULL (ones), and gsh with it. y may be x when acc = 0. */
    void (*outer_scale)(size_t n, size_t h, size_t w, size_t c, const float *x, const float *so,
                        const float *sh, const float *sv, float *y, int acc);
    /* Gradients of so[c], sh[h], sv[w]. */
    size_t (*outer_scale_workspace)(size_t n, size_t h, size_t w, size_t c);
    void (*outer_scale_backward)(size_t n, size_t h, size_t w, size_t c, const float *g,
                                 const float *x, const float *so, const float *sh, const float *sv,
                                 float *gso, float *gsh, float *gsv, int acc, void *ws);
    /* FDA: y[r][i] = s[r] * (sign(x) + alpha * (lin + 0.1 sin(x))); lin and s may be NULL (0 and
     * 1). */
    void (*noisy_sign)(size_t rows, size_t len, const float *x, const float *lin, const float *s,
                       float alpha, float *y);
    /* With u = s * g: gx = u * (F_n(x) 1[|x| <= 1] + alpha * 0.1 cos(x)), glin = alpha * u
     * (glin may be NULL). */
    void (*noisy_sign_backward)(size_t rows, size_t len, const float *g, const float *x,
                                const float *s, float alpha, float n, float *gx, int gx_acc,
                                float *glin, int glin_acc);

    /* ---- pooling ---- */
    /* Max over kernel x kernel windows of [n,h,w,c], padding never wins; index (may be NULL) keeps
     * which tap won (the first of equals), one byte a value, for the backward. kernel <= 15. */
    void (*max_pool)(int n, int h, int w, int c, int kernel, int stride, int pad, const float *x,
                     float *y, uint8_t *index);
    void (*max_pool_backward)(int n, int h, int w, int c, int kernel, int stride, int pad,
                              const float *g, const uint8_t *index, float *gx, int acc);
    /* y[n][c] = mean of x[n][:][c] over hw pixels. */
    void (*global_avg_pool)(size_t n, size_t hw, size_t c, const float *x, float *y);
    void (*global_avg_pool_backward)(size_t n, size_t hw, size_t c, const float *g, float *gx,
                                     int acc);

    /* ---- loss ---- */
    /* Mean softmax cross-entropy of logits[n][classes] against label[n]; keeps
     * probability[n][classes] for the backward. Not finite if any logit is not. */
    void (*cross_entropy)(size_t n, size_t classes, const float *logits, const int32_t *label,
                          float *probability, float *loss);
    /* glogits = gloss[0] * (probability - onehot) / n */
    void (*cross_entropy_backward)(size_t n, size_t classes, const float *probability,
                                   const int32_t *label, const float *gloss, float *glogits,
                                   int acc);

    /* ---- optimizers over flat buffers, one pass (semantics of torch.optim) ---- */
    /* g += weight_decay * w; v = momentum * v + g (first step: v = g); w -= lr * (nesterov ?
     * g + momentum * v : v). v may be NULL when momentum = 0. */
    void (*sgd_step)(size_t n, float *w, const float *g, float *v, float lr, float momentum,
                     float weight_decay, int nesterov, int first);
    /* Adam (Kingma & Ba 2015), or AdamW (Loshchilov & Hutter 2019) if decoupled; step counts
     * from 1. */
    void (*adam_step)(size_t n, float *w, const float *g, float *m, float *v, float lr, float beta1,
                      float beta2, float eps, float weight_decay, int decoupled, uint64_t step);
} bnn_kernels;

/* The CPU's table. `isa`: "generic", "avx2", "avx512", "amx", "neon", or NULL for the best the
 * machine has (capped by the environment variable BNN_ISA). NULL and *why set to a static text if
 * that name is unknown or this CPU or build lacks it. The table is immutable and lives forever. */
const bnn_kernels *bnn_cpu_kernels(const char *isa, const char **why);

/* Threads the CPU kernels use from now on; n < 1 means all processors. Returns the number set. */
int bnn_set_threads(int n);
/* Threads they use now. */
int bnn_threads(void);

#endif
