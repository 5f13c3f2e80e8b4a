/* The table of the corruptions and their parameters (those of ImageNet-C and CIFAR-10-C), and what
 * making one image has in common: memory, random numbers, the way back to bytes. */
#include "data_loaders/corruption/corruption.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data_loaders/augment.h"
#include "data_loaders/corruption/internal.h"

const char *const bnn_corruption_names[BNN_CORRUPTION_KINDS + 1] = {"gaussian_noise",
                                                                    "shot_noise",
                                                                    "impulse_noise",
                                                                    "defocus_blur",
                                                                    "glass_blur",
                                                                    "motion_blur",
                                                                    "zoom_blur",
                                                                    "snow",
                                                                    "frost",
                                                                    "fog",
                                                                    "brightness",
                                                                    "contrast",
                                                                    "elastic_transform",
                                                                    "pixelate",
                                                                    "jpeg_compression",
                                                                    "speckle_noise",
                                                                    "gaussian_blur",
                                                                    "spatter",
                                                                    "saturate",
                                                                    NULL};

/* In the order of the names. */
static bnn_corruption_apply *const apply[BNN_CORRUPTION_KINDS] = {
    bnn_apply_gaussian_noise,
    bnn_apply_shot_noise,
    bnn_apply_impulse_noise,
    bnn_apply_defocus_blur,
    bnn_apply_glass_blur,
    bnn_apply_motion_blur,
    bnn_apply_zoom_blur,
    bnn_apply_snow,
    bnn_apply_frost,
    bnn_apply_fog,
    bnn_apply_brightness,
    bnn_apply_contrast,
    bnn_apply_elastic_transform,
    bnn_apply_pixelate,
    bnn_apply_jpeg_compression,
    bnn_apply_speckle_noise,
    bnn_apply_gaussian_blur,
    bnn_apply_spatter,
    bnn_apply_saturate,
};

/* CIFAR-10-C. */
const bnn_corruption_set bnn_corruption_set_32 = {
    .gaussian_noise = {.04, .06, .08, .09, .10},
    .shot_noise = {500, 250, 100, 75, 50},
    .impulse_noise = {.01, .02, .03, .05, .07},
    .speckle_noise = {.06, .1, .12, .16, .2},
    .gaussian_blur = {.4, .6, .7, .8, 1},
    .brightness = {.05, .1, .15, .2, .3},
    .contrast = {.75, .5, .4, .3, .15},
    .pixelate = {.95, .9, .85, .75, .65},
    .jpeg_compression = {80, 65, 58, 50, 40},
    .defocus_blur = {{.3, .4}, {.4, .5}, {.5, .6}, {1, .2}, {1.5, .1}},
    .glass_blur = {{.05, 1, 1}, {.25, 1, 1}, {.4, 1, 1}, {.25, 1, 2}, {.4, 1, 2}},
    .motion_blur = {{6, 1}, {6, 1.5}, {6, 2}, {8, 2}, {9, 2.5}},
    .zoom_blur = {{1.06, .01}, {1.11, .01}, {1.16, .01}, {1.21, .01}, {1.26, .01}},
    .snow = {{.1, .2, 1, .6, 8, 3, .95},
             {.1, .2, 1, .5, 10, 4, .9},
             {.15, .3, 1.75, .55, 10, 4, .9},
             {.25, .3, 2.25, .6, 12, 6, .85},
             {.3, .3, 1.25, .65, 14, 12, .8}},
    .frost = {{1, .2}, {1, .3}, {.9, .4}, {.85, .4}, {.75, .45}},
    .frost_scale = .2,
    .fog = {{.2, 3}, {.5, 3}, {.75, 2.5}, {1, 2}, {1.5, 1.75}},
    .fog_side = 32,
    .elastic_transform =
        {{0, 0, .08}, {.05, .2, .07}, {.08, .06, .06}, {.1, .04, .05}, {.1, .03, .03}},
    .spatter = {{.62, .1, .7, .7, .5, 0},
                {.65, .1, .8, .7, .5, 0},
                {.65, .3, 1, .69, .5, 0},
                {.65, .1, .7, .69, .6, 1},
                {.65, .1, .5, .68, .6, 1}},
    .saturate = {{.3, 0}, {.1, 0}, {1.5, 0}, {2, .1}, {2.5, .2}},
};

/* ImageNet-C: of the side of elastic transforms 244 is meant where 224 is, and kept so. */
#define OF_224(x) ((x)*244.0 / 224.0)
const bnn_corruption_set bnn_corruption_set_224 = {
    .gaussian_noise = {.08, .12, .18, .26, .38},
    .shot_noise = {60, 25, 12, 5, 3},
    .impulse_noise = {.03, .06, .09, .17, .27},
    .speckle_noise = {.15, .2, .35, .45, .6},
    .gaussian_blur = {1, 2, 3, 4, 6},
    .brightness = {.1, .2, .3, .4, .5},
    .contrast = {.4, .3, .2, .1, .05},
    .pixelate = {.6, .5, .4, .3, .25},
    .jpeg_compression = {25, 18, 15, 10, 7},
    .defocus_blur = {{3, .1}, {4, .5}, {6, .5}, {8, .5}, {10, .5}},
    .glass_blur = {{.7, 1, 2}, {.9, 2, 1}, {1, 2, 3}, {1.1, 3, 2}, {1.5, 4, 2}},
    .motion_blur = {{10, 3}, {15, 5}, {15, 8}, {15, 12}, {20, 15}},
    .zoom_blur = {{1.11, .01}, {1.16, .01}, {1.21, .02}, {1.26, .02}, {1.31, .03}},
    .snow = {{.1, .3, 3, .5, 10, 4, .8},
             {.2, .3, 2, .5, 12, 4, .7},
             {.55, .3, 4, .9, 12, 8, .7},
             {.55, .3, 4.5, .85, 12, 8, .65},
             {.55, .3, 2.5, .85, 12, 12, .55}},
    .frost = {{1, .4}, {.8, .6}, {.7, .7}, {.65, .7}, {.6, .75}},
    .frost_scale = 1,
    .fog = {{1.5, 2}, {2, 2}, {2.5, 1.7}, {2.5, 1.5}, {3, 1.4}},
    .fog_side = 256,
    .elastic_transform = {{OF_224(2), OF_224(.7), OF_224(.1)},
                          {OF_224(2), OF_224(.08), OF_224(.2)},
                          {OF_224(.05), OF_224(.01), OF_224(.02)},
                          {OF_224(.07), OF_224(.01), OF_224(.02)},
                          {OF_224(.12), OF_224(.01), OF_224(.02)}},
    .spatter = {{.65, .3, 4, .69, .6, 0},
                {.65, .3, 3, .68, .6, 0},
                {.65, .3, 2, .68, .5, 0},
                {.65, .3, 1, .65, 1.5, 1},
                {.67, .4, 1, .65, 1.5, 1}},
    .saturate = {{.3, 0}, {.1, 0}, {2, 0}, {5, .1}, {20, .2}},
};

static const struct {
    int side;
    const bnn_corruption_set *set;
} sets[] = {{32, &bnn_corruption_set_32}, {224, &bnn_corruption_set_224}};

struct bnn_corruptor {
    const bnn_corruption_set *set;
    int height, width;
    uint64_t seed;
    bnn_texture frost[BNN_FROST_TEXTURES];
};

uint32_t bnn_corruptor_checksum(const bnn_corruptor *corruptor) {
    uLong sum = 0;
    for (int i = 0; i < BNN_FROST_TEXTURES; i++) {
        const bnn_texture *t = &corruptor->frost[i];
        sum = crc32_z(sum, t->data, 3 * (size_t)t->height * (size_t)t->width);
    }
    return (uint32_t)sum;
}

int bnn_corruptor_reads(const bnn_corruptor *corruptor, dev_t device, ino_t inode) {
    for (int i = 0; i < BNN_FROST_TEXTURES; i++) {
        const bnn_file_id *file = &corruptor->frost[i].file;
        if (inode != 0 && file->device == device && file->inode == inode) {
            return 1;
        }
    }
    return 0;
}

int bnn_corruption_find(const char *name) {
    for (int i = 0; i < BNN_CORRUPTION_KINDS; i++) {
        if (strcmp(bnn_corruption_names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

bnn_code bnn_corruptor_create(int height, int width, uint64_t seed, const char *frost_dir,
                              bnn_corruptor **out, bnn_error *err) {
    *out = NULL;
    const bnn_corruption_set *set = NULL;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        set = height == sets[i].side && width == sets[i].side ? sets[i].set : set;
    }
    if (!set) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "corruptions of %dx%d images: there are parameters for 32x32 and 224x224 "
                        "only",
                        width, height);
    }
    bnn_corruptor *c = calloc(1, sizeof *c);
    if (!c) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the corruptions");
    }
    c->set = set;
    c->height = height;
    c->width = width;
    c->seed = seed;
    bnn_code code =
        frost_dir ? bnn_frost_load(frost_dir, c->set->frost_scale, height, width, c->frost, err)
                  : bnn_frost_make(height, width, c->frost, err);
    if (code != BNN_OK) {
        bnn_corruptor_free(c);
        return code;
    }
    *out = c;
    return BNN_OK;
}

void bnn_corruptor_free(bnn_corruptor *corruptor) {
    if (corruptor) {
        for (int i = 0; i < BNN_FROST_TEXTURES; i++) {
            free(corruptor->frost[i].data);
        }
        free(corruptor);
    }
}

/* A stream of its own for each (corruption, severity, image). */
static uint64_t stream_of(int kind, int severity, size_t index) {
    char use[64] = "corruption.";
    strcat(use, bnn_corruption_names[kind]);
    return bnn_data_stream(use, (uint32_t)severity, (uint32_t)index);
}

bnn_code bnn_corrupt(const bnn_corruptor *c, int kind, int severity, size_t index,
                     const uint8_t *in, uint8_t *out, bnn_error *err) {
    if (kind < 0 || kind >= BNN_CORRUPTION_KINDS || severity < 1 || severity > BNN_SEVERITIES) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "corruption %d at severity %d: there are %d corruptions, and severities 1 "
                        "to %d",
                        kind, severity, BNN_CORRUPTION_KINDS, BNN_SEVERITIES);
    }
    bnn_corruption_job job = {.set = c->set,
                              .frost = c->frost,
                              .level = severity - 1,
                              .height = c->height,
                              .width = c->width,
                              .pixels = (size_t)c->height * (size_t)c->width,
                              .in = in,
                              .out = out,
                              .rng = bnn_rng_start(c->seed, stream_of(kind, severity, index)),
                              .err = err};
    size_t fractal = (size_t)c->set->fog_side * (size_t)c->set->fog_side;
    double *memory = malloc((BNN_JOB_PLANES * job.pixels + fractal) * sizeof(double));
    if (!memory) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for a corrupted image");
    }
    job.scratch = memory;
    job.x = bnn_job_take(&job, 3 * job.pixels);
    for (size_t i = 0; i < 3 * job.pixels; i++) {
        job.x[i] = in[i] / 255.0;
    }
    bnn_code code = apply[kind](&job);
    free(memory);
    return code;
}

double *bnn_job_take(bnn_corruption_job *job, size_t n) {
    double *taken = job->scratch;
    job->scratch += n;
    return taken;
}

void bnn_job_store(bnn_corruption_job *job, const double *x) {
    for (size_t i = 0; i < 3 * job->pixels; i++) {
        double v = x[i] < 0.0 ? 0.0 : x[i] > 1.0 ? 1.0 : x[i];
        job->out[i] = (uint8_t)(v * 255.0);
    }
}

double bnn_job_uniform(bnn_corruption_job *job) {
    return ((double)bnn_rng_u32(&job->rng) + 0.5) * 0x1p-32;
}

double bnn_job_between(bnn_corruption_job *job, double low, double high) {
    return low + (high - low) * bnn_job_uniform(job);
}
