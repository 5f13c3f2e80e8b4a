/* The filters that several corruptions are made of. Each follows the library the published images
 * were made with (scikit-image, SciPy, ImageMagick), border and rounding included. */
#include <math.h>
#include <string.h>

#include "data_loaders/corruption/internal.h"

int bnn_border_index(int i, int n, bnn_border border) {
    if (n == 1) {
        return 0;
    }
    while (i < 0 || i >= n) {
        if (border == BNN_BORDER_NEAREST) {
            return i < 0 ? 0 : n - 1;
        }
        int edge = border == BNN_BORDER_REFLECT; /* is the outer pixel repeated? */
        i = i < 0 ? -i - edge : 2 * n - 2 + edge - i;
    }
    return i;
}

/* Convolves one line of n values, `stride` apart. */
static void blur_line(double *x, int n, size_t stride, const double *kernel, int radius,
                      bnn_border border, double *line) {
    for (int i = -radius; i < n + radius; i++) {
        line[i + radius] = x[(size_t)bnn_border_index(i, n, border) * stride];
    }
    for (int i = 0; i < n; i++) {
        const double *centre = line + i + radius;
        double sum = kernel[0] * centre[0];
        for (int k = 1; k <= radius; k++) {
            sum += kernel[k] * (centre[-k] + centre[k]);
        }
        x[(size_t)i * stride] = sum;
    }
}

void bnn_filter_gaussian(bnn_corruption_job *job, double *x, int channels, double sigma,
                         double truncate, bnn_border border) {
    const int radius = (int)(truncate * sigma + 0.5);
    if (radius == 0) {
        return;
    }
    const int longest = job->height > job->width ? job->height : job->width;
    double *before = job->scratch, sum = 0.0;
    double *kernel = bnn_job_take(job, (size_t)radius + 1);
    double *line = bnn_job_take(job, (size_t)(longest + 2 * radius));
    for (int k = 0; k <= radius; k++) {
        kernel[k] = exp(-0.5 * k * k / (sigma * sigma));
        sum += k ? 2 * kernel[k] : kernel[k];
    }
    for (int k = 0; k <= radius; k++) {
        kernel[k] /= sum;
    }
    const size_t row = (size_t)job->width * (size_t)channels;
    for (size_t i = 0; i < row; i++) {
        blur_line(x + i, job->height, row, kernel, radius, border, line);
    }
    for (int y = 0; y < job->height; y++) {
        for (int c = 0; c < channels; c++) {
            blur_line(x + (size_t)y * row + c, job->width, (size_t)channels, kernel, radius, border,
                      line);
        }
    }
    job->scratch = before;
}

/* One axis of a zoom: output i lies between source pixels at[i] and at[i] + 1. */
typedef struct zoom_axis {
    int crop, top, size, trim;
} zoom_axis;

static zoom_axis zoom_of(int n, double zoom) {
    zoom_axis a;
    a.crop = (int)ceil(n / zoom);
    a.top = (n - a.crop) / 2;
    a.size = (int)nearbyint(a.crop * zoom);
    a.trim = (a.size - n) / 2;
    return a;
}

static int zoom_at(const zoom_axis *a, int i, double *part) {
    double at = a->size > 1 ? (double)(i + a->trim) * (a->crop - 1) / (a->size - 1) : 0.0;
    int lower = (int)at;
    lower = lower > a->crop - 2 ? a->crop - 2 : lower;
    lower = lower < 0 ? 0 : lower;
    *part = at - lower;
    return lower + a->top;
}

void bnn_filter_add_zoom(const bnn_corruption_job *job, const double *x, int channels, double zoom,
                         double *out) {
    const zoom_axis rows = zoom_of(job->height, zoom), columns = zoom_of(job->width, zoom);
    const size_t row = (size_t)job->width * (size_t)channels;
    for (int i = 0; i < job->height; i++) {
        double down, right;
        const double *upper = x + (size_t)zoom_at(&rows, i, &down) * row;
        const double *lower = rows.crop > 1 ? upper + row : upper;
        for (int j = 0; j < job->width; j++) {
            size_t left = (size_t)zoom_at(&columns, j, &right) * (size_t)channels;
            size_t next = columns.crop > 1 ? left + (size_t)channels : left;
            for (int c = 0; c < channels; c++) {
                double above = upper[left + c] + right * (upper[next + c] - upper[left + c]);
                double below = lower[left + c] + right * (lower[next + c] - lower[left + c]);
                *out++ += above + down * (below - above);
            }
        }
    }
}

/* The line has 2 * ceil(radius) + 1 taps, all on one side of the pixel: ImageMagick takes the width
 * of a two-sided kernel for it. */
void bnn_filter_motion(const bnn_corruption_job *job, const uint8_t *x, int channels, double radius,
                       double sigma, double degrees, uint8_t *out) {
    enum { MAX_TAPS = 256 };
    double weight[MAX_TAPS], sum = 0.0;
    int dx[MAX_TAPS], dy[MAX_TAPS], taps = 2 * (int)ceil(radius) + 1;
    const double angle = degrees * (3.14159265358979323846 / 180.0);
    taps = taps < MAX_TAPS ? taps : MAX_TAPS;
    for (int i = 0; i < taps; i++) {
        weight[i] = exp(-(double)i * i / (2.0 * sigma * sigma));
        sum += weight[i];
        dx[i] = (int)ceil(i * cos(angle) - 0.5);
        dy[i] = (int)ceil(i * sin(angle) - 0.5);
    }
    for (int i = 0; i < job->height; i++) {
        for (int j = 0; j < job->width; j++, out += channels) {
            double value[3] = {0.0, 0.0, 0.0};
            for (int k = 0; k < taps; k++) {
                int y = bnn_border_index(i + dy[k], job->height, BNN_BORDER_NEAREST);
                int column = bnn_border_index(j + dx[k], job->width, BNN_BORDER_NEAREST);
                const uint8_t *pixel =
                    x + ((size_t)y * (size_t)job->width + (size_t)column) * (size_t)channels;
                for (int c = 0; c < channels; c++) {
                    /* NOLINTNEXTLINE(clang-analyzer-core.*): 3 at most */
                    value[c] += weight[k] * pixel[c];
                }
            }
            for (int c = 0; c < channels; c++) {
                /* NOLINTNEXTLINE(clang-analyzer-core.*): 3 at most */
                out[c] = (uint8_t)(value[c] / sum + 0.5);
            }
        }
    }
}

void bnn_filter_sample(const bnn_corruption_job *job, const double *image, int channels, double y,
                       double x, bnn_border border, double *out) {
    const int top = (int)floor(y), left = (int)floor(x);
    const double down = y - top, right = x - left;
    const size_t row = (size_t)job->width * (size_t)channels;
    const double *upper = image + (size_t)bnn_border_index(top, job->height, border) * row;
    const double *lower = image + (size_t)bnn_border_index(top + 1, job->height, border) * row;
    const size_t a = (size_t)bnn_border_index(left, job->width, border) * (size_t)channels;
    const size_t b = (size_t)bnn_border_index(left + 1, job->width, border) * (size_t)channels;
    for (int c = 0; c < channels; c++) {
        double above = upper[a + c] + right * (upper[b + c] - upper[a + c]);
        double below = lower[a + c] + right * (lower[b + c] - lower[a + c]);
        out[c] = above + down * (below - above);
    }
}

/* ---- the fractal -------------------------------------------------------------------------- */
static double wibble_by(bnn_rng *rng, double wibble) {
    return wibble * wibble * (2.0 * (((double)bnn_rng_u32(rng) + 0.5) * 0x1p-32) - 1.0);
}

void bnn_fractal(bnn_rng *rng, int side, double decay, double *map) {
    const int mask = side - 1;
    double wibble = 100.0, low = 0.0, high = 0.0;
#define AT(y, x) map[(size_t)((y)&mask) * (size_t)side + (size_t)((x)&mask)]
    memset(map, 0, (size_t)side * (size_t)side * sizeof *map);
    for (int step = side; step >= 2; step /= 2, wibble /= decay) {
        const int half = step / 2;
        for (int y = 0; y < side; y += step) {
            for (int x = 0; x < side; x += step) {
                double sum = AT(y, x) + AT(y + step, x) + AT(y, x + step) + AT(y + step, x + step);
                AT(y + half, x + half) = sum / 4 + wibble_by(rng, wibble);
            }
        }
        for (int y = 0; y < side; y += step) {
            for (int x = 0; x < side; x += step) {
                double across = AT(y, x) + AT(y, x + step);
                double along = AT(y, x) + AT(y + step, x);
                across += AT(y + half, x + half) + AT(y - half, x + half);
                along += AT(y + half, x + half) + AT(y + half, x - half);
                AT(y, x + half) = across / 4 + wibble_by(rng, wibble);
                AT(y + half, x) = along / 4 + wibble_by(rng, wibble);
            }
        }
    }
#undef AT
    const size_t n = (size_t)side * (size_t)side;
    low = high = map[0];
    for (size_t i = 1; i < n; i++) {
        low = map[i] < low ? map[i] : low;
        high = map[i] > high ? map[i] : high;
    }
    for (size_t i = 0; i < n; i++) {
        map[i] = high > low ? (map[i] - low) / (high - low) : 0.0;
    }
}
