/* Noise: Gaussian, of counted photons (shot), of dead and saturated sensor elements (impulse), and
 * multiplicative (speckle). */
#include <math.h>

#include "data_loaders/corruption/internal.h"

bnn_code bnn_apply_gaussian_noise(bnn_corruption_job *job) {
    const double deviation = job->set->gaussian_noise[job->level];
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        job->x[i] += deviation * (double)bnn_rng_normal(&job->rng);
    }
    bnn_job_store(job, job->x);
    return BNN_OK;
}

bnn_code bnn_apply_speckle_noise(bnn_corruption_job *job) {
    const double deviation = job->set->speckle_noise[job->level];
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        job->x[i] += job->x[i] * (deviation * (double)bnn_rng_normal(&job->rng));
    }
    bnn_job_store(job, job->x);
    return BNN_OK;
}

/* Of values, not of pixels: half of the replaced ones become 0, half 1. */
bnn_code bnn_apply_impulse_noise(bnn_corruption_job *job) {
    const double amount = job->set->impulse_noise[job->level];
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        double u = bnn_job_uniform(job);
        if (u < amount) {
            job->x[i] = u < amount / 2 ? 0.0 : 1.0;
        }
    }
    bnn_job_store(job, job->x);
    return BNN_OK;
}

/* log((k)!) from the gamma function that writes to no global. */
static double log_factorial(double k) {
    int sign;
    return lgamma_r(k + 1.0, &sign);
}

/* Small means: multiplies uniform numbers until they fall under e^-mean. */
static double poisson_small(bnn_corruption_job *job, double mean) {
    const double limit = exp(-mean);
    double k = 0.0, product = bnn_job_uniform(job);
    while (product > limit) {
        product *= bnn_job_uniform(job);
        k++;
    }
    return k;
}

/* Transformed rejection with squeeze (PTRS): W. Hoermann, "The transformed rejection method for
 * generating Poisson random variables", 1993. */
static double poisson_large(bnn_corruption_job *job, double mean) {
    const double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
    const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), squeeze = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = bnn_job_uniform(job) - 0.5, v = bnn_job_uniform(job);
        double us = 0.5 - fabs(u);
        double k = floor((2 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && v <= squeeze) {
            return k;
        }
        if (k < 0 || (us < 0.013 && v > us)) {
            continue;
        }
        if (log(v * inverse_alpha / (a / (us * us) + b)) <=
            k * log(mean) - mean - log_factorial(k)) {
            return k;
        }
    }
}

bnn_code bnn_apply_shot_noise(bnn_corruption_job *job) {
    const double events = job->set->shot_noise[job->level];
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        double mean = job->x[i] * events;
        if (mean > 0.0) {
            job->x[i] = (mean < 10 ? poisson_small(job, mean) : poisson_large(job, mean)) / events;
        }
    }
    bnn_job_store(job, job->x);
    return BNN_OK;
}
