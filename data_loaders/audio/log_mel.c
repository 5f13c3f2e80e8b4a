/* Log-mel features as torchaudio defines them (MelSpectrogram, HTK scale, normalized by the window,
 * then decibels without a floor but 1e-10): 2048 samples a frame, every 512, around its middle, the
 * clip mirrored at its ends. The FFT of a frame's real numbers is one of half as many complex
 * numbers: kissfft's own such one keeps a buffer in its plan, so threads could not share it. */
#include <kiss_fft.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/audio/audio.h"

#define PI 3.14159265358979323846
#define N 2048
#define HALF (N / 2)
#define BINS (HALF + 1)
#define HOP 512
#define LEAST 1e-10

typedef struct complex_number {
    double r, i;
} complex_number;

struct bnn_log_mel {
    kiss_fft_cfg plan;         /* of HALF points; only read */
    double window[N];          /* Hann, periodic; its squares sum to 1 */
    complex_number turn[BINS]; /* exp(-2 pi i k / N) */
    int band[BINS];            /* the filter that rises at this bin; the one before it falls */
    double rise[BINS];         /* its height there, 0 to 1: triangles that stand side by side */
};

static double mel_of(double hertz) {
    return 2595 * log10(1 + hertz / 700);
}

static double hertz_of(double mel) {
    return 700 * (pow(10, mel / 2595) - 1);
}

/* Corners of the filters lie evenly on the mel scale; between them, heights are linear in hertz. */
static void make_filters(bnn_log_mel *mel) {
    const double step = mel_of(BNN_SOUND_RATE / 2.0) / (BNN_MELS + 1);
    int band = 0;
    for (int k = 0; k < BINS; k++) {
        double hertz = (double)k * BNN_SOUND_RATE / N;
        while (band < BNN_MELS && hertz >= hertz_of(step * (band + 1))) {
            band++;
        }
        double low = hertz_of(step * band), high = hertz_of(step * (band + 1));
        mel->band[k] = band;
        mel->rise[k] = (hertz - low) / (high - low);
    }
}

bnn_code bnn_log_mel_create(bnn_log_mel **out, bnn_error *err) {
    bnn_log_mel *mel = calloc(1, sizeof *mel);
    *out = mel;
    if (mel) {
        mel->plan = kiss_fft_alloc(HALF, 0, NULL, NULL);
    }
    if (!mel || !mel->plan) {
        free(mel);
        *out = NULL;
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the features of sound");
    }
    const double scale = 1 / sqrt(3.0 * N / 8); /* the sum of a Hann window's squares */
    for (int i = 0; i < N; i++) {
        mel->window[i] = scale * (0.5 - 0.5 * cos(2 * PI * i / N));
    }
    for (int k = 0; k < BINS; k++) {
        mel->turn[k] = (complex_number){cos(2 * PI * k / N), -sin(2 * PI * k / N)};
    }
    make_filters(mel);
    return BNN_OK;
}

void bnn_log_mel_free(bnn_log_mel *mel) {
    if (mel) {
        kiss_fft_free(mel->plan);
        free(mel);
    }
}

/* The clip's windowed samples around `middle`. */
static void cut_frame(const bnn_log_mel *mel, const float *clip, int middle, kiss_fft_cpx *frame) {
    float *x = &frame[0].r;
    for (int i = 0; i < N; i++) {
        int at = middle - HALF + i;
        at = at < 0 ? -at : at >= BNN_CLIP ? 2 * (BNN_CLIP - 1) - at : at;
        x[i] = (float)((double)clip[at] * mel->window[i]);
    }
}

/* The even samples are the real, the odd the imaginary parts of what was transformed to z. */
static void power_of(const bnn_log_mel *mel, const kiss_fft_cpx *z, double *power) {
    for (int k = 0; k < BINS; k++) {
        kiss_fft_cpx a = z[k % HALF], b = z[(HALF - k) % HALF];
        double even_r = 0.5 * ((double)a.r + (double)b.r);
        double even_i = 0.5 * ((double)a.i - (double)b.i);
        double odd_r = 0.5 * ((double)a.i + (double)b.i);
        double odd_i = 0.5 * ((double)b.r - (double)a.r);
        complex_number t = mel->turn[k];
        double r = even_r + t.r * odd_r - t.i * odd_i;
        double i = even_i + t.r * odd_i + t.i * odd_r;
        power[k] = r * r + i * i;
    }
}

static void bands_of(const bnn_log_mel *mel, const double *power, double band[BNN_MELS]) {
    double all[BNN_MELS + 2] = {
        0}; /* also the one that would end, and begin, at the scale's ends */
    for (int k = 0; k < BINS; k++) {
        double rising = power[k] * mel->rise[k];
        all[mel->band[k] + 1] += rising;
        all[mel->band[k]] += power[k] - rising;
    }
    memcpy(band, all + 1, BNN_MELS * sizeof *band);
}

void bnn_log_mel_of(const bnn_log_mel *mel, const float clip[BNN_CLIP],
                    float out[BNN_MELS * BNN_FRAMES]) {
    kiss_fft_cpx frame[HALF], z[HALF];
    double power[BINS], band[BNN_MELS];
    for (int f = 0; f < BNN_FRAMES; f++) {
        cut_frame(mel, clip, f * HOP, frame);
        kiss_fft(mel->plan, frame, z);
        power_of(mel, z, power);
        bands_of(mel, power, band);
        for (int m = 0; m < BNN_MELS; m++) {
            out[m * BNN_FRAMES + f] = (float)(10 * log10(fmax(band[m], LEAST)));
        }
    }
}
