/* Blur: out of focus, behind structured glass, by motion, by zooming, Gaussian. */
#include <math.h>
#include <string.h>

#include "data_loaders/corruption/internal.h"

bnn_code bnn_apply_gaussian_blur(bnn_corruption_job *job) {
    bnn_filter_gaussian(job, job->x, 3, job->set->gaussian_blur[job->level], 4.0,
                        BNN_BORDER_NEAREST);
    bnn_job_store(job, job->x);
    return BNN_OK;
}

/* ---- defocus ------------------------------------------------------------------------------ */
#define REACH 10 /* of a kernel at most */
#define SIDE (2 * REACH + 1)

/* A disk whose edge is smoothed by a Gaussian of 3x3 (up to a radius of 8, on a grid that reaches
 * to 8) or 5x5; at the grid's border, reflected. Returns how far the grid reaches. */
static int make_disk(double radius, double alias, double kernel[SIDE * SIDE]) {
    const int reach = radius <= 8.0 ? 8 : (int)radius, side = 2 * reach + 1;
    const int smoothed = radius <= 8.0 ? 1 : 2;
    double plain[SIDE * SIDE], sum = 0.0, w[5], total = 0.0;
    for (int k = -smoothed; k <= smoothed; k++) {
        w[k + smoothed] = exp(-k * k / (2.0 * alias * alias));
        total += w[k + smoothed];
    }
    for (int y = -reach; y <= reach; y++) {
        for (int x = -reach; x <= reach; x++) {
            double inside = y * y + x * x <= radius * radius;
            plain[(y + reach) * side + x + reach] = inside;
            sum += inside;
        }
    }
    for (int i = 0; i < side * side; i++) {
        kernel[i] = 0.0;
        for (int dy = -smoothed; dy <= smoothed; dy++) {
            for (int dx = -smoothed; dx <= smoothed; dx++) {
                int y = bnn_border_index(i / side + dy, side, BNN_BORDER_REFLECT_101);
                int x = bnn_border_index(i % side + dx, side, BNN_BORDER_REFLECT_101);
                kernel[i] += w[dy + smoothed] / total * (w[dx + smoothed] / total) *
                             plain[y * side + x] / sum;
            }
        }
    }
    return reach;
}

bnn_code bnn_apply_defocus_blur(bnn_corruption_job *job) {
    double kernel[SIDE * SIDE];
    double *out = bnn_job_take(job, 3 * job->pixels);
    const size_t row = 3 * (size_t)job->width;
    const int reach = make_disk(job->set->defocus_blur[job->level].radius,
                                job->set->defocus_blur[job->level].alias, kernel);
    const int side = 2 * reach + 1;
    memset(out, 0, 3 * job->pixels * sizeof *out);
    for (int k = 0; k < side * side; k++) {
        const double weight = kernel[k];
        for (int i = 0; weight != 0.0 && i < job->height; i++) {
            int y = bnn_border_index(i + k / side - reach, job->height, BNN_BORDER_REFLECT_101);
            for (int j = 0; j < job->width; j++) {
                int x = bnn_border_index(j + k % side - reach, job->width, BNN_BORDER_REFLECT_101);
                const double *from = job->x + (size_t)y * row + 3 * (size_t)x;
                double *to = out + (size_t)i * row + 3 * (size_t)j;
                for (int c = 0; c < 3; c++) {
                    to[c] += weight * from[c];
                }
            }
        }
    }
    bnn_job_store(job, out);
    return BNN_OK;
}

/* ---- glass -------------------------------------------------------------------------------- */
/* The published images' exchange of two pixels is none: both end with the neighbour's value. Kept,
 * so that the images are of the same kind. */
static void shuffle_pixels(bnn_corruption_job *job, int reach, uint8_t *bytes) {
    const uint32_t choices = 2 * (uint32_t)reach;
    for (int y = job->height - reach; y > reach; y--) {
        for (int x = job->width - reach; x > reach; x--) {
            int dx = (int)bnn_rng_below(&job->rng, choices) - reach;
            int dy = (int)bnn_rng_below(&job->rng, choices) - reach;
            uint8_t *here = bytes + 3 * ((size_t)y * (size_t)job->width + (size_t)x);
            memmove(here, bytes + 3 * ((size_t)(y + dy) * (size_t)job->width + (size_t)(x + dx)),
                    3);
        }
    }
}

bnn_code bnn_apply_glass_blur(bnn_corruption_job *job) {
    const double sigma = job->set->glass_blur[job->level].sigma;
    bnn_filter_gaussian(job, job->x, 3, sigma, 4.0, BNN_BORDER_NEAREST);
    bnn_job_store(job, job->x);
    for (int i = 0; i < job->set->glass_blur[job->level].rounds; i++) {
        shuffle_pixels(job, job->set->glass_blur[job->level].reach, job->out);
    }
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        job->x[i] = job->out[i] / 255.0;
    }
    bnn_filter_gaussian(job, job->x, 3, sigma, 4.0, BNN_BORDER_NEAREST);
    bnn_job_store(job, job->x);
    return BNN_OK;
}

/* ---- motion and zoom ---------------------------------------------------------------------- */
bnn_code bnn_apply_motion_blur(bnn_corruption_job *job) {
    bnn_filter_motion(job, job->in, 3, job->set->motion_blur[job->level].radius,
                      job->set->motion_blur[job->level].sigma, bnn_job_between(job, -45.0, 45.0),
                      job->out);
    return BNN_OK;
}

/* The factors are those of numpy.arange(1, end, step), rounding included: where (end - 1) / step
 * falls a little over a whole number, the end itself is one of them, and the step is the distance
 * of the first two. Both decide how some factors round to whole pixels. */
bnn_code bnn_apply_zoom_blur(bnn_corruption_job *job) {
    const double end = job->set->zoom_blur[job->level].end;
    const double step = job->set->zoom_blur[job->level].step;
    const int zooms = (int)ceil((end - 1.0) / step);
    const double distance = (1.0 + step) - 1.0;
    double *sum = bnn_job_take(job, 3 * job->pixels);
    memcpy(sum, job->x, 3 * job->pixels * sizeof *sum);
    for (int i = 0; i < zooms; i++) {
        bnn_filter_add_zoom(job, job->x, 3, 1.0 + i * distance, sum);
    }
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        sum[i] /= zooms + 1;
    }
    bnn_job_store(job, sum);
    return BNN_OK;
}
