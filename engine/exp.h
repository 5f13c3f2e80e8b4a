/* The exponential function and what is made of it, shared by C and CUDA, so that a compiler can
 * vectorize it: argument reduction and the Cephes polynomials (Moshier), branch-free, good to some
 * 1e-7 relative. What is not finite gives a NaN. */
#ifndef BNN_ENGINE_EXP_H
#define BNN_ENGINE_EXP_H

#include <float.h>
#include <math.h>
#include <stdint.h>

typedef union bnn_float_bits {
    float value;
    int32_t bits;
} bnn_float_bits;

/* x < y ? a : b without a comparison, of which a compiler may make a branch: the sign of x - y is
 * spread over a mask. (0 is added because -0 - 0 = -0.) */
static inline float bnn_less(float x, float y, float a, float b) {
    bnn_float_bits of_a = {a}, of_b = {b}, difference = {(x - y) + 0.0f};
    int32_t mask = difference.bits >> 31;
    of_a.bits = (of_a.bits & mask) | (of_b.bits & ~mask);
    return of_a.value;
}

/* exp(x); 0 where that is no normal float, and never more than exp(88). */
static inline float bnn_exp(float x) {
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float at = bnn_less(x, -87.0f, -87.0f, bnn_less(x, 88.0f, x, 88.0f));
    bnn_float_bits rounded = {at * 1.44269504f + round};
    float n = rounded.value - round;
    float r = at - n * 0.693359375f;
    r += n * 2.12194440e-4f;
    float p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    /* 2^n; the low bits of what was rounded are n, without a conversion that a NaN would break. */
    bnn_float_bits power = {.bits = (int32_t)(((uint32_t)rounded.bits - 0x4B400000u + 127u) << 23)};
    return bnn_less(x, -87.0f, 0.0f, p * power.value) + (x - x);
}

/* tanh(x) */
static inline float bnn_tanh(float x) {
    float a = fabsf(x), z = x * x;
    float p = -5.70498872745e-3f * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float near_0 = p * z * x + x;
    float far = copysignf(1.0f - 2.0f / (bnn_exp(2.0f * bnn_less(a, 10.0f, a, 10.0f)) + 1.0f), x);
    return bnn_less(a, 0.625f, near_0, far) + (x - x);
}

/* The probability that a standard normal exceeds a >= 0, erfc(a / sqrt(2)) / 2, relative error
 * 1e-6 where a < 4 (Press et al., Numerical Recipes, 6.2, erfcc). */
static inline float bnn_normal_tail(float a) {
    float z = bnn_less(a, 14.0f, a, 14.0f), t = 1.0f / (1.0f + 0.353553391f * z);
    float p = 0.17087277f * t - 0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t - 1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t - 0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t - 1.26551223f;
    return 0.5f * t * bnn_exp(p - 0.5f * z * z);
}

/* x Phi(x), the exact GELU (Hendrycks & Gimpel 2016). Its sign is that of x whatever is lost: of a
 * negative number it is at most the first float below 0 that is normal. */
static inline float bnn_gelu(float x) {
    float tail = bnn_normal_tail(fabsf(x)), y = x * bnn_less(x, 0.0f, tail, 1.0f - tail);
    return bnn_less(x, 0.0f, bnn_less(y, -FLT_MIN, y, -FLT_MIN), y);
}

/* Its derivative, Phi(x) + x phi(x). */
static inline float bnn_gelu_slope(float x) {
    float a = fabsf(x), z = bnn_less(a, 14.0f, a, 14.0f), tail = bnn_normal_tail(a);
    return bnn_less(x, 0.0f, tail, 1.0f - tail) + 0.398942280f * x * bnn_exp(-0.5f * z * z);
}

#endif
