/* What happens to an image between the sensor and the network: brightness, contrast, saturation,
 * elastic distortion, coarse pixels, JPEG. */
#include <math.h>
#include <string.h>

#include "data_loaders/corruption/internal.h"

/* ---- colour ------------------------------------------------------------------------------- */
static double clip(double v) {
    return v < 0.0 ? 0.0 : v > 1.0 ? 1.0 : v;
}

static void to_hsv(const double rgb[3], double hsv[3]) {
    double max = fmax(rgb[0], fmax(rgb[1], rgb[2]));
    double range = max - fmin(rgb[0], fmin(rgb[1], rgb[2])), hue = 0.0;
    if (range > 0.0) {
        if (rgb[2] == max) {
            hue = 4.0 + (rgb[0] - rgb[1]) / range;
        } else if (rgb[1] == max) {
            hue = 2.0 + (rgb[2] - rgb[0]) / range;
        } else {
            hue = (rgb[1] - rgb[2]) / range;
        }
    }
    hue /= 6.0;
    hsv[0] = hue - floor(hue);
    hsv[1] = range > 0.0 ? range / max : 0.0;
    hsv[2] = max;
}

static void to_rgb(const double hsv[3], double rgb[3]) {
    /* Which of the four values each channel takes, by sixths of the hue. */
    static const int choice[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3},
                                     {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
    const double sixth = floor(hsv[0] * 6.0), part = hsv[0] * 6.0 - sixth, v = hsv[2];
    const double value[4] = {v, v * (1.0 - hsv[1]), v * (1.0 - part * hsv[1]),
                             v * (1.0 - (1.0 - part) * hsv[1])};
    for (int c = 0; c < 3; c++) {
        rgb[c] = value[choice[(int)sixth % 6][c]];
    }
}

bnn_code bnn_apply_brightness(bnn_corruption_job *job) {
    const double added = job->set->brightness[job->level];
    for (double *x = job->x; x < job->x + 3 * job->pixels; x += 3) {
        double hsv[3];
        to_hsv(x, hsv);
        hsv[2] = clip(hsv[2] + added);
        to_rgb(hsv, x);
    }
    bnn_job_store(job, job->x);
    return BNN_OK;
}

bnn_code bnn_apply_saturate(bnn_corruption_job *job) {
    const double factor = job->set->saturate[job->level].factor;
    const double offset = job->set->saturate[job->level].offset;
    for (double *x = job->x; x < job->x + 3 * job->pixels; x += 3) {
        double hsv[3];
        to_hsv(x, hsv);
        hsv[1] = clip(hsv[1] * factor + offset);
        to_rgb(hsv, x);
    }
    bnn_job_store(job, job->x);
    return BNN_OK;
}

bnn_code bnn_apply_contrast(bnn_corruption_job *job) {
    const double factor = job->set->contrast[job->level];
    double mean[3] = {0.0, 0.0, 0.0};
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        mean[i % 3] += job->x[i];
    }
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        double m = mean[i % 3] / (double)job->pixels;
        job->x[i] = (job->x[i] - m) * factor + m;
    }
    bnn_job_store(job, job->x);
    return BNN_OK;
}

/* ---- elastic transform -------------------------------------------------------------------- */
/* The affine map that takes three points of the image to moved ones: out(y, x) shows the image at
 * map[0..2] . (x, y, 1) across and map[3..5] . (x, y, 1) down. */
static void make_affine(bnn_corruption_job *job, double reach, double map[6]) {
    const int side = job->height < job->width ? job->height : job->width, part = side / 3;
    const double cy = job->height / 2, cx = job->width / 2; /* whole pixels */
    const double from[3][2] = {
        {cx + part, cy + part}, {cx + part, cy - part}, {cx - part, cy - part}};
    double to[3][2];
    for (int i = 0; i < 6; i++) {
        to[i / 2][i % 2] = from[i / 2][i % 2] + bnn_job_between(job, -reach, reach);
    }
    /* Backwards, by Cramer's rule: (x, y) in the plane of `to` is to[2] + a * u + b * v. */
    const double ux = to[0][0] - to[2][0], uy = to[0][1] - to[2][1];
    const double vx = to[1][0] - to[2][0], vy = to[1][1] - to[2][1];
    const double area = ux * vy - uy * vx;
    for (int k = 0; k < 2; k++) {
        double fu = from[0][k] - from[2][k], fv = from[1][k] - from[2][k];
        double dx = (fu * vy - fv * uy) / area, dy = (fv * ux - fu * vx) / area;
        map[3 * k] = dx;
        map[3 * k + 1] = dy;
        map[3 * k + 2] = from[2][k] - dx * to[2][0] - dy * to[2][1];
    }
}

static double *make_displacement(bnn_corruption_job *job, double alpha, double sigma) {
    double *field = bnn_job_take(job, job->pixels);
    for (size_t i = 0; i < job->pixels; i++) {
        field[i] = bnn_job_between(job, -1.0, 1.0);
    }
    bnn_filter_gaussian(job, field, 1, sigma, 3.0, BNN_BORDER_REFLECT);
    for (size_t i = 0; i < job->pixels; i++) {
        field[i] *= alpha;
    }
    return field;
}

bnn_code bnn_apply_elastic_transform(bnn_corruption_job *job) {
    const double side = job->height < job->width ? job->height : job->width;
    const double alpha = job->set->elastic_transform[job->level].alpha * side;
    const double sigma = job->set->elastic_transform[job->level].sigma * side;
    double map[6], *moved = bnn_job_take(job, 3 * job->pixels);
    make_affine(job, job->set->elastic_transform[job->level].affine * side, map);
    for (size_t i = 0; i < job->pixels; i++) {
        double y = (double)(i / (size_t)job->width), x = (double)(i % (size_t)job->width);
        bnn_filter_sample(job, job->x, 3, map[3] * x + map[4] * y + map[5],
                          map[0] * x + map[1] * y + map[2], BNN_BORDER_REFLECT_101, moved + 3 * i);
    }
    const double *dx = make_displacement(job, alpha, sigma);
    const double *dy = make_displacement(job, alpha, sigma);
    for (size_t i = 0; i < job->pixels; i++) {
        double y = (double)(i / (size_t)job->width), x = (double)(i % (size_t)job->width);
        bnn_filter_sample(job, moved, 3, y + dy[i], x + dx[i], BNN_BORDER_REFLECT, job->x + 3 * i);
    }
    bnn_job_store(job, job->x);
    return BNN_OK;
}

/* ---- pixelate ----------------------------------------------------------------------------- */
/* Pillow's box filter along one axis: each output is the plain mean of the inputs whose centres lie
 * in its box (one or two more or less, no parts of pixels), in 22-bit fixed point, rounded. */
static void box_lines(const uint8_t *in, int n_in, size_t in_step, int n_out, size_t out_step,
                      uint8_t *out) {
    const double scale = (double)n_in / n_out, support = 0.5 * (scale < 1.0 ? 1.0 : scale);
    for (int i = 0; i < n_out; i++) {
        const double centre = (i + 0.5) * scale;
        int first = (int)(centre - support + 0.5), last = (int)(centre + support + 0.5);
        first = first < 0 ? 0 : first;
        last = last > n_in ? n_in : last;
        while (first < last - 1 && (first - centre + 0.5) / (2 * support) <= -0.5) {
            first++;
        }
        while (last > first + 1 && (last - 1 - centre + 0.5) / (2 * support) > 0.5) {
            last--;
        }
        const int weight = (int)(0.5 + (1 << 22) / (double)(last - first));
        int sum = 1 << 21;
        for (int k = first; k < last; k++) {
            sum += weight * in[(size_t)k * in_step];
        }
        out[(size_t)i * out_step] = (uint8_t)(sum >> 22);
    }
}

static void box_resize(const uint8_t *in, int height, int width, int new_height, int new_width,
                       uint8_t *between, uint8_t *out) {
    const size_t row = 3 * (size_t)width, new_row = 3 * (size_t)new_width;
    for (size_t y = 0; y < (size_t)height; y++) {
        for (size_t c = 0; c < 3; c++) {
            box_lines(in + y * row + c, width, 3, new_width, 3, between + y * new_row + c);
        }
    }
    for (size_t i = 0; i < new_row; i++) {
        box_lines(between + i, height, new_row, new_height, new_row, out + i);
    }
}

bnn_code bnn_apply_pixelate(bnn_corruption_job *job) {
    const double part = job->set->pixelate[job->level];
    const int height = (int)(job->height * part), width = (int)(job->width * part);
    uint8_t *between = (uint8_t *)bnn_job_take(job, job->pixels);
    uint8_t *small = (uint8_t *)bnn_job_take(job, job->pixels);
    box_resize(job->in, job->height, job->width, height, width, between, small);
    box_resize(small, height, width, job->height, job->width, between, job->out);
    return BNN_OK;
}

bnn_code bnn_apply_jpeg_compression(bnn_corruption_job *job) {
    return bnn_jpeg_round_trip(job->in, job->height, job->width,
                               job->set->jpeg_compression[job->level], job->out, job->err);
}
