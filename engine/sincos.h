/* Sine and cosine, shared by C and CUDA, so that a compiler can vectorize them: Cody-Waite
 * reduction by pi/2 in three parts and the Cephes polynomials (Moshier), branch-free. Good to 1e-7
 * absolute for |x| <= BNN_SINCOS_MAX; beyond that, and for what is not finite, callers go to libm
 * (conversion to int would be undefined). */
#ifndef BNN_ENGINE_SINCOS_H
#define BNN_ENGINE_SINCOS_H

#include <math.h>
#include <stddef.h>

#define BNN_SINCOS_MAX 4000.0f

/* sin(r) for |r| <= pi/4 */
static inline float bnn_sin_near_0(float r) {
    float z = r * r;
    return ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
}

/* sin(x + quarter * pi/2) */
static inline float bnn_sin_quarter(float x, int quarter) {
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float q = (x * 0.636619772f + round) - round;
    float r = x - q * 1.5703125f;
    r -= q * 4.837512969970703125e-4f;
    r -= q * 7.54978995489188216e-8f;
    int octant = (int)q + quarter;
    float z = r * r;
    float s = bnn_sin_near_0(r);
    float c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f);
    c = c * z * z - 0.5f * z + 1.0f;
    /* Selections as products with 0 and 1, which are exact, and which no compiler makes a branch.
     */
    float odd = (float)(octant & 1), sign = 1.0f - (float)(octant & 2);
    return (odd * c + (1.0f - odd) * s) * sign;
}

/* True if the functions above hold for all of x[n]. */
static inline int bnn_sincos_in_range(size_t n, const float *x) {
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        bad |= !(fabsf(x[i]) <= BNN_SINCOS_MAX);
    }
    return !bad;
}

/* bnn_fourier_slope(m, n) for BNN_FOURIER_LEAST <= m <= 1 and 0.2 (n + 1) <= BNN_SINCOS_MAX. The
 * slope is even, and at the least m it equals its limit at 0. */
#define BNN_FOURIER_LEAST 1e-5f
static inline float bnn_fourier_at(float m, float n) {
    const float two_w_over_pi = 2.0f * BNN_FOURIER_OMEGA / 3.14159265358979f;
    float a = BNN_FOURIER_OMEGA * m;
    return two_w_over_pi * (bnn_sin_quarter(2.0f * (n + 1.0f) * a, 0) / bnn_sin_near_0(a));
}

#endif
