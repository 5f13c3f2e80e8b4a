/* What the files of the corruptions share: their parameters, one image at work, and filters. */
#ifndef BNN_DATA_LOADERS_CORRUPTION_INTERNAL_H
#define BNN_DATA_LOADERS_CORRUPTION_INTERNAL_H

#include "data_loaders/corruption/corruption.h"
#include "engine/base/rng.h"

/* The parameters of all corruptions, [severity - 1]. Another image size is another of these. */
typedef struct bnn_corruption_set {
    double gaussian_noise[BNN_SEVERITIES]; /* standard deviation */
    double shot_noise[BNN_SEVERITIES];     /* events of a full value */
    double impulse_noise[BNN_SEVERITIES];  /* part of the values replaced */
    double speckle_noise[BNN_SEVERITIES];  /* relative standard deviation */
    double gaussian_blur[BNN_SEVERITIES];  /* sigma */
    double brightness[BNN_SEVERITIES];     /* added to V of HSV */
    double contrast[BNN_SEVERITIES];       /* factor about the mean */
    double pixelate[BNN_SEVERITIES];       /* part of the side that is left */
    int jpeg_compression[BNN_SEVERITIES];  /* quality */
    struct {
        double radius, alias;
    } defocus_blur[BNN_SEVERITIES];
    struct {
        double sigma;
        int reach, rounds;
    } glass_blur[BNN_SEVERITIES];
    struct {
        double radius, sigma;
    } motion_blur[BNN_SEVERITIES];
    struct {
        double end, step;
    } zoom_blur[BNN_SEVERITIES];
    struct {
        double mean, deviation, zoom, threshold, radius, sigma, keep;
    } snow[BNN_SEVERITIES];
    struct {
        double image, frost;
    } frost[BNN_SEVERITIES];
    double frost_scale; /* of the photographs */
    struct {
        double amount, decay;
    } fog[BNN_SEVERITIES];
    int fog_side; /* of the fractal, a power of two, at least the image's */
    struct {
        double alpha, sigma, affine; /* parts of the image's side */
    } elastic_transform[BNN_SEVERITIES];
    struct {
        double mean, deviation, sigma, threshold, strength;
        int mud;
    } spatter[BNN_SEVERITIES];
    struct {
        double factor, offset;
    } saturate[BNN_SEVERITIES];
} bnn_corruption_set;

extern const bnn_corruption_set bnn_corruption_set_32, bnn_corruption_set_224;

#define BNN_FROST_TEXTURES 5

typedef struct bnn_texture {
    int height, width;
    uint8_t *data;    /* [height,width,3], owned */
    bnn_file_id file; /* of the photograph; no file has the inode 0 */
} bnn_texture;

/* Of a photograph at most: no small file shall take seconds. */
#define BNN_PHOTOGRAPH_PIXELS ((size_t)1 << 24)
/* Reads the photographs and shrinks them; each must hold a height x width crop. */
bnn_code bnn_frost_load(const char *dir, double scale, int height, int width,
                        bnn_texture texture[BNN_FROST_TEXTURES], bnn_error *err);
/* Ice-like textures for those who have no photographs. */
bnn_code bnn_frost_make(int height, int width, bnn_texture texture[BNN_FROST_TEXTURES],
                        bnn_error *err);

/* One image at work. */
typedef struct bnn_corruption_job {
    const bnn_corruption_set *set;
    const bnn_texture *frost;
    int level; /* severity - 1 */
    int height, width;
    size_t pixels;     /* height * width */
    const uint8_t *in; /* [height,width,3] */
    double *x;         /* the same, of the scale [0, 1] */
    uint8_t *out;
    bnn_rng rng;
    double *scratch; /* what bnn_job_take hands out */
    bnn_error *err;
} bnn_corruption_job;

/* A corruption: fills job->out. */
typedef bnn_code bnn_corruption_apply(bnn_corruption_job *job);
bnn_corruption_apply bnn_apply_gaussian_noise, bnn_apply_shot_noise, bnn_apply_impulse_noise,
    bnn_apply_speckle_noise;
bnn_corruption_apply bnn_apply_defocus_blur, bnn_apply_glass_blur, bnn_apply_motion_blur,
    bnn_apply_zoom_blur, bnn_apply_gaussian_blur;
bnn_corruption_apply bnn_apply_snow, bnn_apply_frost, bnn_apply_fog, bnn_apply_spatter;
bnn_corruption_apply bnn_apply_brightness, bnn_apply_contrast, bnn_apply_saturate,
    bnn_apply_elastic_transform, bnn_apply_pixelate, bnn_apply_jpeg_compression;

/* The scratch memory of a job is this many doubles an image pixel, beside the fractal. */
#define BNN_JOB_PLANES 16
/* n doubles, not set; they go with the job. */
double *bnn_job_take(bnn_corruption_job *job, size_t n);
/* job->out = x[height,width,3] clipped to [0, 1], times 255, cut off (not rounded). */
void bnn_job_store(bnn_corruption_job *job, const double *x);
/* Uniform in (0, 1), 32 bits; in (low, high). */
double bnn_job_uniform(bnn_corruption_job *job);
double bnn_job_between(bnn_corruption_job *job, double low, double high);

/* ---- filters ------------------------------------------------------------------------------ */
typedef enum bnn_border {
    BNN_BORDER_NEAREST,    /* a a | a b c | c c */
    BNN_BORDER_REFLECT,    /* b a | a b c | c b */
    BNN_BORDER_REFLECT_101 /* c b | a b c | b a */
} bnn_border;

/* Where index i of a line of n is read when it may lie outside. */
int bnn_border_index(int i, int n, bnn_border border);
/* Gaussian blur in place of x[height,width,channels], the kernel cut off at truncate * sigma. */
void bnn_filter_gaussian(bnn_corruption_job *job, double *x, int channels, double sigma,
                         double truncate, bnn_border border);
/* Adds to out[height,width,channels] the centre of `x` enlarged by `zoom` (linear between the
 * outer pixels' centres, as scipy.ndimage.zoom has it). */
void bnn_filter_add_zoom(const bnn_corruption_job *job, const double *x, int channels, double zoom,
                         double *out);
/* ImageMagick's motion blur of bytes: a half Gaussian along a line. */
void bnn_filter_motion(const bnn_corruption_job *job, const uint8_t *x, int channels, double radius,
                       double sigma, double degrees, uint8_t *out);
/* x[height,width,channels] at the point (y, x), linear between pixels. */
void bnn_filter_sample(const bnn_corruption_job *job, const double *image, int channels, double y,
                       double x, bnn_border border, double *out);
/* Diamond-square fractal on a torus, side a power of two, scaled to [0, 1]. */
void bnn_fractal(bnn_rng *rng, int side, double decay, double *map);

/* ---- JPEG --------------------------------------------------------------------------------- */
/* Encodes and decodes in[height,width,3] (4:2:0, the standard tables). */
bnn_code bnn_jpeg_round_trip(const uint8_t *in, int height, int width, int quality, uint8_t *out,
                             bnn_error *err);
/* Decodes a file's bytes to colours; out->data is malloc'd. */
bnn_code bnn_jpeg_decode(const char *name, const unsigned char *bytes, size_t size,
                         bnn_texture *out, bnn_error *err);

#endif
