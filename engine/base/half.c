#include "engine/base/half.h"

#include <math.h>
#include <string.h>

float bnn_half_value(uint16_t half) {
    int exponent = half >> 10 & 31, fraction = half & 1023;
    float value = exponent == 0    ? ldexpf((float)fraction, -24)
                  : exponent == 31 ? (fraction ? NAN : INFINITY)
                                   : ldexpf((float)(1024 + fraction), exponent - 25);
    return half & 0x8000 ? -value : value;
}

uint16_t bnn_half_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) {
        return (uint16_t)(sign | 0x7e00); /* not a number */
    }
    if (bits >= 0x477ff000) { /* 65520 */
        return (uint16_t)(sign | 0x7c00);
    }
    /* Below the smallest normal half, units of 2^-24; else a fraction of 10 bits behind the
     * exponent, whose carry goes into it. */
    const int exponent = (int)(bits >> 23) - 127, drop = exponent < -14 ? -exponent - 1 : 13;
    if (drop > 24) {
        return (uint16_t)sign;
    }
    const uint32_t whole =
        exponent < -14 ? (bits & 0x7fffff) | 0x800000 : bits - ((uint32_t)112 << 23);
    const uint32_t kept = whole >> drop, rest = whole & ((1u << drop) - 1), half = 1u << (drop - 1);
    return (uint16_t)(sign | (kept + (rest > half || (rest == half && (kept & 1)))));
}

int bnn_half_are(size_t count, const float *values) {
    size_t i = 0;
    while (i < count && bnn_half_value(bnn_half_of(values[i])) == values[i]) {
        i++;
    }
    return i == count;
}

void bnn_half_list(size_t count, const float *values, uint16_t *halves) {
    for (size_t i = 0; i < count; i++) {
        halves[i] = bnn_half_of(values[i]);
    }
}
