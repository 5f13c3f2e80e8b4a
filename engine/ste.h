/* Surrogate gradients (straight-through estimators) as plain data, shared by C and CUDA: the sign
 * has slope 0 almost everywhere, so its backward multiplies by the slope of a stand-in. */
#ifndef BNN_ENGINE_STE_H
#define BNN_ENGINE_STE_H

#include <math.h>

typedef enum bnn_ste_kind {
    BNN_STE_CLIP,      /* 1 for |x| <= p: Hubara et al. 2016; p = 1, or ReCU's quantile bound */
    BNN_STE_CLIP_OPEN, /* 1 for |x| < p */
    BNN_STE_TRIANGLE,  /* max(0, 2 - 2|x|): Liu et al. 2018 (Bi-Real Net), eq. 6 */
    BNN_STE_FOURIER,   /* F_p(x) for |x| <= 1: Xu et al. 2021 (FDA), eq. 8; p + 1 terms */
} bnn_ste_kind;

/* `p` is the kind's parameter; what takes none ignores it. */
typedef struct bnn_ste {
    bnn_ste_kind kind;
    float p;
} bnn_ste;

#define BNN_FOURIER_OMEGA 0.1f

/* True where the slope is 0 or 1, so that one bit a value is all a backward must keep. */
static inline int bnn_ste_is_mask(bnn_ste_kind kind) {
    return kind == BNN_STE_CLIP || kind == BNN_STE_CLIP_OPEN;
}

/* F_n(x) = (2w/pi) sin(2(n+1)wx) / sin(wx), the sum of n+1 cosines in closed form. */
static inline float bnn_fourier_slope(float x, float n) {
    const float two_w_over_pi = 2.0f * BNN_FOURIER_OMEGA / 3.14159265358979f;
    float a = BNN_FOURIER_OMEGA * x;
    if (fabsf(a) < 1e-4f) {
        return two_w_over_pi * 2.0f * (n + 1.0f);
    }
    return two_w_over_pi * sinf(2.0f * (n + 1.0f) * a) / sinf(a);
}

static inline float bnn_ste_slope(bnn_ste ste, float x) {
    float m = fabsf(x);
    switch (ste.kind) {
    case BNN_STE_CLIP:
        return m <= ste.p ? 1.0f : 0.0f;
    case BNN_STE_CLIP_OPEN:
        return m < ste.p ? 1.0f : 0.0f;
    case BNN_STE_TRIANGLE:
        return m < 1.0f ? 2.0f - 2.0f * m : 0.0f;
    case BNN_STE_FOURIER:
        return m <= 1.0f ? bnn_fourier_slope(x, ste.p) : 0.0f;
    }
    return 0.0f;
}

#endif
