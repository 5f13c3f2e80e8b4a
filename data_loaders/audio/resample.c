/* Another sampling rate, by a windowed sinc (Smith and Gossett, "A Flexible Sampling-Rate
 * Conversion Method", ICASSP 1984): what lies below the lower of the two Nyquist frequencies stays,
 * what lies above goes, instead of folding back into the bands that a network hears. */
#include <math.h>
#include <stdint.h>

#include "data_loaders/audio/internal.h"

#define PI 3.14159265358979323846
#define CROSSINGS 32 /* zeros of the sinc on each side */
#define ROLLOFF 0.94 /* where it begins to fall, in parts of the Nyquist frequency */
#define BETA 10.0    /* of the Kaiser window: 100 dB down */

static int greatest_divisor(int a, int b) {
    while (b) {
        int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The modified Bessel function of order 0. */
static double bessel(double x) {
    double sum = 1, term = 1;
    for (int k = 1; term > 1e-12 * sum; k++) {
        term *= (x / 2 / k) * (x / 2 / k);
        sum += term;
    }
    return sum;
}

/* The low pass at `x` samples from its middle; `cutoff` in parts of the Nyquist frequency. */
static double filter(double x, double cutoff) {
    double place = x * cutoff / CROSSINGS;
    if (fabs(place) >= 1) {
        return 0;
    }
    double window = bessel(BETA * sqrt(1 - place * place)) / 2815.716628466254; /* bessel(BETA) */
    double sinc = x == 0 ? 1 : sin(PI * cutoff * x) / (PI * cutoff * x);
    return cutoff * sinc * window;
}

size_t bnn_resampled_count(size_t count, int from, int to) {
    return (size_t)(((uint64_t)count * (uint64_t)to + (uint64_t)from - 1) / (uint64_t)from);
}

void bnn_resample(const float *in, size_t size, int from, int to, float *out, size_t count) {
    enum { MOST_TAPS = 2048 }; /* from 384 kHz it takes 1636 */
    const int divisor = greatest_divisor(from, to);
    const int64_t up = to / divisor, down = from / divisor;
    const double cutoff = ROLLOFF * (to < from ? (double)to / from : 1);
    int reach = (int)ceil(CROSSINGS / cutoff);
    reach = reach < MOST_TAPS / 2 ? reach : MOST_TAPS / 2;
    /* Every up'th sample lies alike between those it is made of: its filter is made once. */
    for (int64_t phase = 0; phase < up && phase < (int64_t)count; phase++) {
        double tap[MOST_TAPS];
        const double offset = (double)(phase * down % up) / (double)up;
        for (int t = 0; t < 2 * reach; t++) {
            tap[t] = filter(t - reach + 1 - offset, cutoff);
        }
        for (int64_t i = phase; i < (int64_t)count; i += up) {
            int64_t first = i * down / up - reach + 1;
            double sum = 0;
            for (int t = 0; t < 2 * reach; t++) {
                if (first + t >= 0 && first + t < (int64_t)size) {
                    sum += tap[t] * (double)in[first + t];
                }
            }
            out[i] = (float)sum;
        }
    }
}
