/* Weather: snow, frost on the lens, fog. What splashes on the lens is in spatter.c. */
#include <string.h>

#include "data_loaders/corruption/internal.h"

/* Flakes: the largest values of enlarged noise, drawn into streaks. */
static void make_flakes(bnn_corruption_job *job, uint8_t *flakes) {
    const double threshold = job->set->snow[job->level].threshold;
    double *noise = bnn_job_take(job, job->pixels), *layer = bnn_job_take(job, job->pixels);
    uint8_t *sharp = (uint8_t *)bnn_job_take(job, job->pixels);
    for (size_t i = 0; i < job->pixels; i++) {
        noise[i] = job->set->snow[job->level].mean +
                   job->set->snow[job->level].deviation * (double)bnn_rng_normal(&job->rng);
    }
    memset(layer, 0, job->pixels * sizeof *layer);
    bnn_filter_add_zoom(job, noise, 1, job->set->snow[job->level].zoom, layer);
    for (size_t i = 0; i < job->pixels; i++) {
        double v = layer[i] < threshold || layer[i] < 0.0 ? 0.0 : layer[i] > 1.0 ? 1.0 : layer[i];
        sharp[i] = (uint8_t)(v * 255.0);
    }
    bnn_filter_motion(job, sharp, 1, job->set->snow[job->level].radius,
                      job->set->snow[job->level].sigma, bnn_job_between(job, -135.0, -45.0),
                      flakes);
}

bnn_code bnn_apply_snow(bnn_corruption_job *job) {
    const double keep = job->set->snow[job->level].keep;
    uint8_t *flakes = (uint8_t *)bnn_job_take(job, job->pixels);
    make_flakes(job, flakes);
    for (size_t i = 0; i < job->pixels; i++) {
        double *x = job->x + 3 * i;
        double grey = 1.5 * (0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2]) + 0.5;
        /* The layer, and the layer turned by 180 degrees. */
        double snow = flakes[i] / 255.0 + flakes[job->pixels - 1 - i] / 255.0;
        for (int c = 0; c < 3; c++) {
            x[c] = keep * x[c] + (1.0 - keep) * (x[c] > grey ? x[c] : grey) + snow;
        }
    }
    bnn_job_store(job, job->x);
    return BNN_OK;
}

bnn_code bnn_apply_frost(bnn_corruption_job *job) {
    const double image = job->set->frost[job->level].image;
    const double frost = job->set->frost[job->level].frost;
    const bnn_texture *t = &job->frost[bnn_rng_below(&job->rng, BNN_FROST_TEXTURES)];
    const size_t top = bnn_rng_below(&job->rng, (uint32_t)(t->height - job->height));
    const size_t left = bnn_rng_below(&job->rng, (uint32_t)(t->width - job->width));
    const size_t row = 3 * (size_t)job->width;
    for (size_t y = 0; y < (size_t)job->height; y++) {
        const uint8_t *ice = t->data + 3 * ((top + y) * (size_t)t->width + left);
        for (size_t i = 0; i < row; i++) {
            double v = image * job->in[y * row + i] + frost * ice[i];
            job->out[y * row + i] = (uint8_t)(v > 255.0 ? 255.0 : v);
        }
    }
    return BNN_OK;
}

bnn_code bnn_apply_fog(bnn_corruption_job *job) {
    const double amount = job->set->fog[job->level].amount;
    const int side = job->set->fog_side;
    double *fog = bnn_job_take(job, (size_t)side * (size_t)side), max = 0.0;
    bnn_fractal(&job->rng, side, job->set->fog[job->level].decay, fog);
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        max = job->x[i] > max ? job->x[i] : max;
    }
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        size_t y = i / 3 / (size_t)job->width, x = i / 3 % (size_t)job->width;
        job->x[i] = (job->x[i] + amount * fog[y * (size_t)side + x]) * max / (max + amount);
    }
    bnn_job_store(job, job->x);
    return BNN_OK;
}
