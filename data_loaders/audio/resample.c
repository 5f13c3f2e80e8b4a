/* Another sampling rate, by a windowed sinc (Smith and Gossett, "A Flexible Sampling-Rate
 * Conversion Method", ICASSP 1984): what lies below the lower of the two Nyquist frequencies stays,
 * what lies above goes, instead of folding back into the bands that a network hears. The filter is
 * a table, read between its points: any two rates cost alike. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "data_loaders/audio/internal.h"

#define PI 3.14159265358979323846
#define CROSSINGS 32 /* zeros of the sinc on each side */
#define POINTS 1024  /* of the table, from one to the next */
#define TABLE (CROSSINGS * POINTS)
#define ROLLOFF 0.94 /* where it begins to fall, in parts of the Nyquist frequency */
#define BETA 10.0    /* of the Kaiser window: 100 dB down */

/* The modified Bessel function of order 0. */
static double bessel(double x) {
    double sum = 1, term = 1;
    for (int k = 1; term > 1e-12 * sum; k++) {
        term *= (x / 2 / k) * (x / 2 / k);
        sum += term;
    }
    return sum;
}

/* One half of the filter, and the zero behind it. */
static void make_table(float table[TABLE + 1]) {
    const double top = bessel(BETA);
    table[0] = 1;
    for (int i = 1; i <= TABLE; i++) {
        double x = (double)i / POINTS, place = x / CROSSINGS;
        double window = bessel(BETA * sqrt(1 - place * place)) / top;
        table[i] = (float)(window * sin(PI * x) / (PI * x));
    }
    table[TABLE] = 0;
}

static double filter(const float *table, double x) {
    double place = fabs(x) * POINTS;
    if (place >= TABLE) {
        return 0;
    }
    int i = (int)place;
    return (double)table[i] + (place - i) * ((double)table[i + 1] - (double)table[i]);
}

size_t bnn_resampled_count(size_t count, int from, int to) {
    return (size_t)(((uint64_t)count * (uint64_t)to + (uint64_t)from - 1) / (uint64_t)from);
}

bnn_code bnn_resample(const float *in, size_t size, int from, int to, float *out, size_t count,
                      bnn_error *err) {
    float *table = malloc((TABLE + 1) * sizeof *table);
    if (!table) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for another sampling rate");
    }
    make_table(table);
    const double cutoff = ROLLOFF * (to < from ? (double)to / from : 1);
    const int64_t reach = (int64_t)ceil(CROSSINGS / cutoff);
    for (int64_t i = 0; i < (int64_t)count; i++) {
        const int64_t middle = i * from / to;
        const double offset = (double)(i * from % to) / to;
        int64_t first = middle - reach < 0 ? 0 : middle - reach;
        int64_t last = middle + reach < (int64_t)size ? middle + reach : (int64_t)size - 1;
        double sum = 0;
        for (int64_t k = first; k <= last; k++) {
            double x = (double)(k - middle) - offset;
            sum += filter(table, x * cutoff) * (double)in[k];
        }
        out[i] = (float)(cutoff * sum);
    }
    free(table);
    return BNN_OK;
}
