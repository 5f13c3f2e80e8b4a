/* The corruptions: each one's exact values where they can be worked out by hand, its statistics
 * where it is random, and what all have in common: an image depends on seed, corruption, severity
 * and index, on nothing else. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <jpeglib.h>
#include <png.h>

#include "data_loaders/augment.h"
#include "data_loaders/corruption/corruption.h"
#include "data_loaders/corruption/internal.h"
#include "data_loaders/internal.h"

#define SIDE 32
#define SAMPLE (SIDE * SIDE * 3)

static bnn_corruptor *corruptor;
static uint8_t in[SAMPLE], out[SAMPLE];

static bnn_corruptor *create(uint64_t seed) {
    bnn_corruptor *c;
    bnn_error err = {0};
    ck_assert_msg(bnn_corruptor_create(SIDE, SIDE, seed, NULL, &c, &err) == BNN_OK, "%s", err.text);
    return c;
}

static void setup(void) {
    corruptor = create(0);
}

static void teardown(void) {
    bnn_corruptor_free(corruptor);
}

static void corrupt(const bnn_corruptor *c, const char *name, int severity, size_t index,
                    const uint8_t *from, uint8_t *to) {
    bnn_error err = {0};
    int kind = bnn_corruption_find(name);
    ck_assert_int_ge(kind, 0);
    ck_assert_msg(bnn_corrupt(c, kind, severity, index, from, to, &err) == BNN_OK, "%s", err.text);
}

/* Waves with some grain: something to blur and something to brighten. */
static void picture(size_t index, uint8_t *to) {
    bnn_rng rng = bnn_rng_start(index, 77);
    for (int i = 0; i < SAMPLE; i++) {
        double y = i / 96, x = i / 3 % SIDE, phase = (double)index + i % 3;
        double v = 120 + 50 * sin(0.4 * y + phase) + 40 * cos(0.31 * x + 2 * phase);
        to[i] = (uint8_t)(v + 20 * (double)bnn_rng_uniform(&rng));
    }
}

static void fill(uint8_t r, uint8_t g, uint8_t b) {
    for (int i = 0; i < SAMPLE; i += 3) {
        in[i] = r;
        in[i + 1] = g;
        in[i + 2] = b;
    }
}

static void expect_all(int r, int g, int b) {
    for (int i = 0; i < SAMPLE; i++) {
        ck_assert_int_eq(out[i], i % 3 == 0 ? r : i % 3 == 1 ? g : b);
    }
}

static double change(const char *name, int severity) {
    double sum = 0.0;
    for (size_t i = 0; i < 30; i++) {
        picture(i, in);
        corrupt(corruptor, name, severity, i, in, out);
        for (int k = 0; k < SAMPLE; k++) {
            sum += abs(out[k] - in[k]);
        }
    }
    return sum / (30 * SAMPLE);
}

/* ---- what all have in common -------------------------------------------------------------- */
START_TEST(table) {
    ck_assert_str_eq(bnn_corruption_names[0], "gaussian_noise");
    ck_assert_str_eq(bnn_corruption_names[BNN_CORRUPTION_MAIN - 1], "jpeg_compression");
    ck_assert_str_eq(bnn_corruption_names[18], "saturate");
    ck_assert_ptr_null(bnn_corruption_names[19]);
    for (int i = 0; i < BNN_CORRUPTION_KINDS; i++) {
        ck_assert_int_eq(bnn_corruption_find(bnn_corruption_names[i]), i);
    }
    ck_assert_int_eq(bnn_corruption_find("fogg"), -1);
}
END_TEST

START_TEST(refusals) {
    bnn_corruptor *c = (bnn_corruptor *)1;
    bnn_error err = {0};
    ck_assert_int_eq(bnn_corrupt(corruptor, 19, 1, 0, in, out, &err), BNN_ERR_ARGUMENT);
    ck_assert_int_eq(bnn_corrupt(corruptor, -1, 1, 0, in, out, &err), BNN_ERR_ARGUMENT);
    ck_assert_int_eq(bnn_corrupt(corruptor, 0, 0, 0, in, out, &err), BNN_ERR_ARGUMENT);
    ck_assert_int_eq(bnn_corrupt(corruptor, 0, 6, 0, in, out, &err), BNN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.text, "severities 1 to 5"));
    ck_assert_int_eq(bnn_corruptor_create(224, 225, 0, NULL, &c, &err), BNN_ERR_UNSUPPORTED);
    ck_assert_ptr_null(c);
    bnn_corruptor_free(NULL);
}
END_TEST

/* Of 224x224, with ImageNet-C's parameters: every kind at every severity is the same again, changes
 * the image, and writes nothing beside it; what only moves or blurs keeps what is of one colour. */
START_TEST(of_224) {
    enum { LARGE = 224, VALUES = LARGE * LARGE * 3 };
    static const char *const keep[] = {"defocus_blur", "motion_blur",       "zoom_blur",
                                       "glass_blur",   "elastic_transform", "pixelate",
                                       "gaussian_blur"};
    static uint8_t large[VALUES], first[VALUES + 1], again[VALUES];
    bnn_corruptor *c;
    bnn_error err = {0};
    const char *name = bnn_corruption_names[_i];
    ck_assert_int_eq(bnn_corruptor_create(LARGE, LARGE, 0, NULL, &c, &err), BNN_OK);
    for (int i = 0; i < VALUES; i++) {
        large[i] = (uint8_t)(60 + (i / 3 % LARGE * (1 + i % 3) + i / 3 / LARGE * 2) % 130);
    }
    for (int severity = 1; severity <= BNN_SEVERITIES; severity += 2) {
        long change = 0;
        first[VALUES] = 77;
        corrupt(c, name, severity, 3, large, first);
        corrupt(c, name, severity, 3, large, again);
        ck_assert_mem_eq(first, again, VALUES);
        ck_assert_int_eq(first[VALUES], 77);
        for (int i = 0; i < VALUES; i++) {
            change += abs(first[i] - large[i]);
        }
        ck_assert_int_gt(change, VALUES / 2);
        ck_assert_int_lt(change, 120L * VALUES);
    }
    for (size_t k = 0; k < sizeof keep / sizeof *keep; k++) {
        memset(large, 128, sizeof large);
        for (int severity = 4; severity <= 5 && strcmp(keep[k], name) == 0; severity++) {
            corrupt(c, name, severity, 3, large, first);
            for (int i = 0; i < VALUES; i++) {
                ck_assert_int_le(abs(first[i] - 127), 2); /* a kernel's border is reflected */
            }
        }
    }
    bnn_corruptor_free(c);
}
END_TEST

/* Kinds that draw no random number. */
static int is_fixed(int kind) {
    static const char *const names[] = {"defocus_blur",     "zoom_blur",     "brightness",
                                        "contrast",         "pixelate",      "saturate",
                                        "jpeg_compression", "gaussian_blur", NULL};
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], bnn_corruption_names[kind]) == 0) {
            return 1;
        }
    }
    return 0;
}

START_TEST(depends_on_its_key_alone) {
    static uint8_t again[SAMPLE];
    const char *name = bnn_corruption_names[_i];
    bnn_corruptor *twin = create(0), *other = create(1);
    picture(3, in);
    for (int severity = 1; severity <= BNN_SEVERITIES; severity++) {
        corrupt(corruptor, name, severity, 3, in, out);
        corrupt(twin, name, severity, 4, in, again);
        int random = memcmp(out, again, SAMPLE) != 0;
        corrupt(other, name, severity, 3, in, again);
        random += memcmp(out, again, SAMPLE) != 0;
        ck_assert_int_eq(random, is_fixed(_i) ? 0 : 2);
        corrupt(twin, name, severity, 3, in, again);
        ck_assert_mem_eq(out, again, SAMPLE);
    }
    bnn_corruptor_free(twin);
    bnn_corruptor_free(other);
}
END_TEST

START_TEST(same_at_any_thread_count) {
    enum { IMAGES = 64 };
    static uint8_t one[IMAGES][SAMPLE], many[IMAGES][SAMPLE];
    int failed = 0;
    for (size_t i = 0; i < IMAGES; i++) {
        picture(i, in);
        corrupt(corruptor, bnn_corruption_names[_i], 1 + (int)i % 5, i, in, one[i]);
    }
#pragma omp parallel for num_threads(4) schedule(dynamic, 1) reduction(+ : failed)
    for (size_t i = 0; i < IMAGES; i++) {
        uint8_t mine[SAMPLE];
        picture(i, mine);
        failed += bnn_corrupt(corruptor, _i, 1 + (int)i % 5, i, mine, many[i], NULL) != BNN_OK;
    }
    ck_assert_int_eq(failed, 0);
    ck_assert_mem_eq(one, many, sizeof one);
}
END_TEST

/* Not so by their parameters: glass_blur, motion_blur (3 to 4), frost, elastic_transform (the
 * affine part shrinks), spatter, saturate. */
START_TEST(severity_grows) {
    static const char *const growing[] = {"gaussian_noise",
                                          "shot_noise",
                                          "impulse_noise",
                                          "defocus_blur",
                                          "zoom_blur",
                                          "snow",
                                          "fog",
                                          "brightness",
                                          "contrast",
                                          "jpeg_compression",
                                          "speckle_noise",
                                          "gaussian_blur",
                                          NULL};
    for (int i = 0; growing[i]; i++) {
        double last = 0.0;
        for (int severity = 1; severity <= BNN_SEVERITIES; severity++) {
            double now = change(growing[i], severity);
            ck_assert_msg(now > last, "%s: %g at severity %d, %g before", growing[i], now, severity,
                          last);
            last = now;
        }
    }
    ck_assert(change("motion_blur", 5) > change("motion_blur", 1));
    ck_assert(change("glass_blur", 4) > change("glass_blur", 1));
    ck_assert(change("frost", 3) > change("frost", 1));
    ck_assert(change("saturate", 5) > change("saturate", 3));
    ck_assert(change("elastic_transform", 5) > 1.0);
    ck_assert(change("spatter", 3) > change("spatter", 1));
    ck_assert(change("spatter", 5) > change("spatter", 4));
    ck_assert(change("pixelate", 5) > change("pixelate", 1));
}
END_TEST

/* ---- exact values ------------------------------------------------------------------------- */
START_TEST(brightness_by_hand) {
    fill(100, 50, 25);
    corrupt(corruptor, "brightness", 1, 0, in, out); /* 100 + .05 * 255 = 112.75; in proportion */
    expect_all(112, 56, 28);
    fill(0, 0, 0);
    corrupt(corruptor, "brightness", 1, 0, in, out);
    expect_all(12, 12, 12);
    fill(255, 255, 255);
    corrupt(corruptor, "brightness", 5, 0, in, out);
    expect_all(255, 255, 255);
    fill(20, 40, 240);
    corrupt(corruptor, "brightness", 5, 0, in, out); /* V stops at 1 */
    expect_all(21, 42, 255);
}
END_TEST

START_TEST(contrast_by_hand) {
    for (int i = 0; i < SAMPLE; i++) {
        in[i] = i < SAMPLE / 2 ? 10 : 201; /* mean 105.5 */
    }
    corrupt(corruptor, "contrast", 1, 0, in, out);
    ck_assert_int_eq(out[0], 33);           /* 105.5 - .75 * 95.5 = 33.875 */
    ck_assert_int_eq(out[SAMPLE - 1], 177); /* 177.125 */
    corrupt(corruptor, "contrast", 5, 0, in, out);
    ck_assert_int_eq(out[0], 91);           /* 91.175 */
    ck_assert_int_eq(out[SAMPLE - 1], 119); /* 119.825 */
}
END_TEST

START_TEST(saturate_by_hand) {
    fill(200, 101, 101);
    corrupt(corruptor, "saturate", 1, 0, in, out); /* 200 - .3 * 99 = 170.3 */
    expect_all(200, 170, 170);
    corrupt(corruptor, "saturate", 3, 0, in, out); /* 200 - 1.5 * 99 = 51.5 */
    expect_all(200, 51, 51);
    fill(10, 201, 110);
    corrupt(corruptor, "saturate", 5, 0, in, out); /* saturation full; 201 * (100 / 191) = 105.2 */
    expect_all(0, 201, 105);
    fill(121, 121, 121);
    corrupt(corruptor, "saturate", 4, 0, in, out); /* grey has hue 0: 121 * .9 = 108.9 */
    expect_all(121, 108, 108);
}
END_TEST

/* 32 to 24 and back: of four pixels the outer two stay, the middle two become their mean. */
START_TEST(pixelate_by_hand) {
    picture(1, in);
    for (int i = 0; i < SAMPLE; i++) {
        in[i] = in[i % 96]; /* all rows alike */
    }
    corrupt(corruptor, "pixelate", 4, 0, in, out);
    for (int i = 0; i < SAMPLE; i++) {
        int at = i / 3 % 4, group = i - 3 * at;
        int expected = at == 0 || at == 3 ? in[i] : (in[group + 3] + in[group + 6] + 1) / 2;
        ck_assert_int_eq(out[i], expected);
    }
}
END_TEST

/* Blurs and the like leave a plain image as it is. */
START_TEST(plain_images_stay) {
    static const char *const kind[] = {"motion_blur",       "pixelate",  "jpeg_compression",
                                       "defocus_blur",      "zoom_blur", "gaussian_blur",
                                       "elastic_transform", "glass_blur"};
    for (size_t k = 0; k < sizeof kind / sizeof *kind; k++) {
        for (int severity = 1; severity <= BNN_SEVERITIES; severity++) {
            fill(128, 128, 128);
            corrupt(corruptor, kind[k], severity, 0, in, out);
            for (int i = 0; i < SAMPLE; i++) { /* floats are cut off: 127.99 is 127 */
                ck_assert_int_ge(out[i], k < 3 ? 128 : k < 7 ? 127 : 126);
                ck_assert_int_le(out[i], 128);
            }
        }
    }
    fill(0, 0, 0);
    corrupt(corruptor, "fog", 5, 0, in, out); /* in proportion to the brightest value */
    expect_all(0, 0, 0);
    corrupt(corruptor, "shot_noise", 5, 0, in, out);
    expect_all(0, 0, 0);
    corrupt(corruptor, "speckle_noise", 5, 0, in, out);
    expect_all(0, 0, 0);
}
END_TEST

START_TEST(defocus_weights) {
    fill(0, 0, 0);
    in[3 * (16 * SIDE + 16)] = 255;
    corrupt(corruptor, "defocus_blur", 4, 0, in, out); /* a disk of five, edges almost sharp */
    ck_assert_int_eq(out[3 * (16 * SIDE + 16)], 50);
    ck_assert_int_eq(out[3 * (15 * SIDE + 16)], 50);
    ck_assert_int_eq(out[3 * (16 * SIDE + 18)], 0);
    ck_assert_int_eq(out[3 * (16 * SIDE + 16) + 1], 0);
}
END_TEST

/* ---- statistics --------------------------------------------------------------------------- */
static void moments(const char *name, int severity, double *mean, double *deviation) {
    double sum = 0.0, square = 0.0;
    enum { IMAGES = 40 };
    for (size_t n = 0; n < IMAGES; n++) {
        corrupt(corruptor, name, severity, n, in, out);
        for (int i = 0; i < SAMPLE; i++) {
            sum += out[i] + 0.5; /* what cutting off takes */
            square += (out[i] + 0.5) * (out[i] + 0.5);
        }
    }
    *mean = sum / (IMAGES * SAMPLE);
    *deviation = sqrt(square / (IMAGES * SAMPLE) - *mean * *mean);
}

START_TEST(noise_moments) {
    double mean, deviation;
    fill(128, 128, 128);
    moments("gaussian_noise", 1, &mean, &deviation);
    ck_assert_double_eq_tol(mean, 128, 0.2);
    ck_assert_double_eq_tol(deviation, 0.04 * 255, 0.1);
    moments("gaussian_noise", 5, &mean, &deviation);
    ck_assert_double_eq_tol(deviation, 0.10 * 255, 0.2);
    moments("speckle_noise", 3, &mean, &deviation);
    ck_assert_double_eq_tol(mean, 128, 0.2);
    ck_assert_double_eq_tol(deviation, 0.12 * 128, 0.2);
    moments("shot_noise", 5, &mean, &deviation);
    ck_assert_double_eq_tol(mean, 128, 0.5);
    ck_assert_double_eq_tol(deviation, sqrt(128.0 / 255 * 50) / 50 * 255, 0.3);
    fill(20, 20, 20); /* less than ten events: the other way of drawing them */
    moments("shot_noise", 5, &mean, &deviation);
    ck_assert_double_eq_tol(mean, 20, 0.5);
    ck_assert_double_eq_tol(deviation, sqrt(20.0 / 255 * 50) / 50 * 255, 0.3);
}
END_TEST

START_TEST(impulse_rates) {
    const double amount[BNN_SEVERITIES] = {.01, .02, .03, .05, .07};
    enum { IMAGES = 100 };
    fill(128, 128, 128);
    for (int severity = 1; severity <= BNN_SEVERITIES; severity++) {
        int pepper = 0, salt = 0, pixels = 0;
        for (size_t n = 0; n < IMAGES; n++) {
            corrupt(corruptor, "impulse_noise", severity, n, in, out);
            for (int i = 0; i < SAMPLE; i++) {
                ck_assert(out[i] == 128 || out[i] == 0 || out[i] == 255);
                pepper += out[i] == 0;
                salt += out[i] == 255;
                pixels += i % 3 == 0 && out[i] != 128 && out[i + 1] != 128 && out[i + 2] != 128;
            }
        }
        const double expected = amount[severity - 1] * IMAGES * SAMPLE / 2;
        ck_assert_double_eq_tol(pepper, expected, 5 * sqrt(expected));
        ck_assert_double_eq_tol(salt, expected, 5 * sqrt(expected));
        ck_assert_int_lt(pixels, pepper / 20); /* channels are hit on their own */
    }
}
END_TEST

/* ---- frost -------------------------------------------------------------------------------- */
/* Progressive: many scans, one for each frequency of a color. */
static void write_jpeg(const char *folder, const char *name, int side, int progressive) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    uint8_t *row = malloc(3 * (size_t)side);
    ck_assert(file != NULL && row != NULL);
    for (int i = 0; i < 3 * side; i++) {
        row[i] = (uint8_t)(i % 3 == 0 ? 200 : i % 3 == 1 ? 100 : 50);
    }
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, file);
    info.image_width = info.image_height = (JDIMENSION)side;
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 100, TRUE);
    jpeg_scan_info scans[1 + 3 * (DCTSIZE2 - 1)] = {
        {.comps_in_scan = 3, .component_index = {0, 1, 2}}};
    for (int i = 1; i < (int)(sizeof scans / sizeof scans[0]); i++) {
        const int frequency = 1 + (i - 1) / 3;
        scans[i] = (jpeg_scan_info){
            .comps_in_scan = 1, .component_index = {(i - 1) % 3}, .Ss = frequency, .Se = frequency};
    }
    if (progressive) {
        info.scan_info = scans;
        info.num_scans = sizeof scans / sizeof scans[0];
    }
    jpeg_start_compress(&info, TRUE);
    for (int y = 0; y < side; y++) {
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    free(row);
    fclose(file);
}

static void expect_no_frost(const char *folder, bnn_code expected, const char *text) {
    bnn_corruptor *c;
    bnn_error err = {0};
    ck_assert_int_eq(bnn_corruptor_create(SIDE, SIDE, 0, folder, &c, &err), expected);
    ck_assert_msg(strstr(err.text, text) != NULL, "no \"%s\" in: %s", text, err.text);
    ck_assert_ptr_null(c);
}

START_TEST(frost_photographs) {
    static const char *const files[] = {"frost1.png", "frost2.png", "frost3.png", "frost4.jpg",
                                        "frost5.jpg"};
    char folder[] = "/tmp/bnn-check-frost-XXXXXX", path[128], command[128];
    bnn_corruptor *c;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    expect_no_frost("/nowhere", BNN_ERR_IO, "--frost-dir");
    expect_no_frost(folder, BNN_ERR_IO, "frost1.png: no such file");
    for (int i = 0; i < 5; i++) {
        write_jpeg(folder, files[i], 400, 0); /* by its content, not by its name */
    }
    ck_assert_int_eq(bnn_corruptor_create(SIDE, SIDE, 0, folder, &c, NULL), BNN_OK);
    fill(100, 100, 100);
    corrupt(c, "frost", 2, 0, in, out); /* in + .3 * frost */
    for (int i = 0; i < SAMPLE; i++) {
        int expected = 100 + (i % 3 == 0 ? 60 : i % 3 == 1 ? 30 : 15);
        ck_assert_int_le(abs(out[i] - expected), 1);
    }
    for (int i = 0; i < 5; i++) {
        struct stat file;
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        ck_assert_int_eq(stat(path, &file), 0);
        ck_assert(bnn_corruptor_reads(c, file.st_dev, file.st_ino));
        ck_assert(!bnn_corruptor_reads(corruptor, file.st_dev, file.st_ino));
        ck_assert(!bnn_corruptor_reads(c, file.st_dev, 0));
    }
    ck_assert(!bnn_corruptor_reads(corruptor, 0, 0));
    bnn_corruptor_free(c);
    write_jpeg(folder, files[3], 160, 0); /* 32x32 when shrunk: no room for a random crop */
    expect_no_frost(folder, BNN_ERR_FORMAT, "frost4.jpg: a photograph of 32x32");
    snprintf(path, sizeof path, "%s/%s", folder, files[2]);
    ck_assert_int_eq(truncate(path, 300), 0);
    expect_no_frost(folder, BNN_ERR_FORMAT, "frost3.png: ");
    FILE *file = fopen(path, "wb");
    fputs("\x89PNG\r\n\x1a\nand nothing more", file);
    fclose(file);
    expect_no_frost(folder, BNN_ERR_FORMAT, "frost3.png: no PNG image");
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

static void write_png(const char *path, int side) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)side,
                       .height = (png_uint_32)side,
                       .format = PNG_FORMAT_RGB};
    uint8_t *pixels = malloc(3 * (size_t)side * (size_t)side);
    ck_assert_ptr_nonnull(pixels);
    for (int i = 0; i < 3 * side * side; i++) {
        pixels[i] = (uint8_t)((unsigned)i * (unsigned)i / 7); /* not to be packed into nothing */
    }
    ck_assert(png_image_write_to_file(&image, path, 0, pixels, 0, NULL));
    free(pixels);
}

/* Any part of a photograph that is missing or changed is an error, though the decoders would go on
 * with grey in its place. */
START_TEST(damaged_photographs) {
    static const char *const files[] = {"frost1.png", "frost2.png", "frost3.png", "frost4.jpg",
                                        "frost5.jpg"};
    char folder[] = "/tmp/bnn-check-frost-XXXXXX", path[128], command[128], text[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        if (i < 3) {
            write_png(path, 170);
        } else {
            write_jpeg(folder, files[i], 170, 0);
        }
    }
    bnn_corruptor *c;
    bnn_error err = {0};
    bnn_code code = bnn_corruptor_create(SIDE, SIDE, 0, folder, &c, &err);
    ck_assert_msg(code == BNN_OK, "%s", err.text);
    bnn_corruptor_free(c);
    const char *name = files[_i ? 4 : 1];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(text, sizeof text, "%s: no %s image that can be read", name, _i ? "JPEG" : "PNG");
    static unsigned char bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    ck_assert_uint_gt(size, 1000);
    const size_t cuts[] = {1, 2, 4, 12, 13, 100, size / 2, size - 700};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        file = fopen(path, "wb");
        fwrite(bytes, 1, size - cuts[i], file);
        fclose(file);
        expect_no_frost(folder, BNN_ERR_FORMAT, text);
    }
    memcpy(bytes + size - 200, "\xff\xd9", 2); /* an end before the end; JPEG has no sums */
    file = fopen(path, "wb");
    fwrite(bytes, 1, size, file);
    fclose(file);
    expect_no_frost(folder, BNN_ERR_FORMAT, text);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

typedef struct photograph {
    uint8_t bytes[65536];
    size_t size;
} photograph;

static photograph jpeg_of(const char *folder, int side, int progressive) {
    photograph p = {.size = 0};
    char path[128];
    write_jpeg(folder, "frost1.png", side, progressive);
    snprintf(path, sizeof path, "%s/frost1.png", folder);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    p.size = fread(p.bytes, 1, sizeof p.bytes, file);
    fclose(file);
    return p;
}

/* Where the last marker of this kind is. */
static size_t marker(const photograph *p, uint8_t kind) {
    size_t at = p->size - 2;
    while (at > 0 && (p->bytes[at] != 0xff || p->bytes[at + 1] != kind)) {
        at--;
    }
    ck_assert_uint_gt(at, 0);
    return at;
}

static void expect_no_photograph(const char *folder, const photograph *p, bnn_code code,
                                 const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/frost1.png", folder);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(p->bytes, 1, p->size, file), p->size);
    fclose(file);
    expect_no_frost(folder, code, text);
}

/* Appends a chunk of a PNG file: `name` and data. */
static void put_chunk(photograph *p, const char *name, const char *data, size_t size) {
    uint8_t *at = p->bytes + p->size;
    memset(at, 0, 4);
    at[3] = (uint8_t)size;
    memcpy(at + 4, name, 4);
    memcpy(at + 8, data, size);
    unsigned long sum = crc32(0, at + 4, (uInt)(4 + size));
    for (size_t i = 0; i < 4; i++) {
        at[8 + size + i] = (uint8_t)(sum >> (24 - 8 * i));
    }
    p->size += 12 + size;
}

/* A few bytes can ask for much: an image that is not there, or one gone over again and again. */
START_TEST(hostile_photographs) {
    char folder[] = "/tmp/bnn-check-frost-XXXXXX", command[128];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    photograph p = jpeg_of(folder, 400, 0);
    uint8_t *frame = p.bytes + marker(&p, 0xc0);
    frame[5] = frame[7] = 0x40; /* 16384 + 144 rows and columns */
    expect_no_photograph(folder, &p, BNN_ERR_FORMAT, "too many pixels");
    p = jpeg_of(folder, 400, 1);
    expect_no_photograph(folder, &p, BNN_ERR_FORMAT, "too many scans");
    p.size = 8;
    memcpy(p.bytes, "\x89PNG\r\n\x1a\n", p.size);
    put_chunk(&p, "IHDR", "\0\0\x20\0\0\0\x10\0\1\0\0\0\0", 13); /* 8192 x 4096 */
    put_chunk(&p, "IDAT", "", 0);
    put_chunk(&p, "IEND", "", 0);
    expect_no_photograph(folder, &p, BNN_ERR_MEMORY, "too many for a texture");
    p.bytes[8 + 25] = 0x55; /* 1.4 GB of data that are not there, which libpng would clear */
    expect_no_photograph(folder, &p, BNN_ERR_FORMAT, "cut off or damaged");
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* ---- as a data set ------------------------------------------------------------------------ */
static const bnn_field fields[] = {{"image", BNN_F32, {1, SIDE, SIDE, 3}},
                                   {"class", BNN_I32, {1, 1, 1, 1}}};
static const bnn_dataset_info info = {
    .name = "waves", .field = fields, .fields = 2, .classes = 10, .std = {1, 1, 1}};

static bnn_code waves_pixels(const bnn_dataset *dataset, size_t index, uint8_t *bytes,
                             int32_t *label, bnn_error *err) {
    (void)dataset;
    if (index == 11) {
        return bnn_fail(err, BNN_ERR_FORMAT, "waves.jpg: torn");
    }
    picture(index, bytes);
    *label = (int32_t)index % 10;
    return BNN_OK;
}

START_TEST(as_a_data_set) {
    static float x[SAMPLE];
    bnn_dataset clean = {.info = &info, .count = 12, .pixels = waves_pixels}, *d;
    bnn_error err = {0};
    const float mean[3] = {10, 20, 30}, std[3] = {40, 50, 60}; /* not the row's */
    int kind = bnn_corruption_find("spatter");
    bnn_data_describe(&clean, &info);
    bnn_dataset_normalize(&clean, mean, std);
    ck_assert_int_eq(bnn_corrupted_open(corruptor, &clean, kind, 3, &d, &err), BNN_OK);
    ck_assert_uint_eq(d->count, 12);
    int32_t label = -1;
    void *const into[] = {x, &label};
    for (size_t n = 0; n < 11; n++) {
        picture(n, in);
        corrupt(corruptor, "spatter", 3, n, in, out);
        /* augmentation is without effect */
        ck_assert_int_eq(d->sample(d, n, &(bnn_draw){9, 9}, into, &err), BNN_OK);
        ck_assert_int_eq(label, (int)n % 10);
        for (int i = 0; i < SAMPLE; i++) {
            ck_assert(x[i] == ((float)out[i] - mean[i % 3]) / std[i % 3]);
        }
    }
    ck_assert_int_eq(d->sample(d, 11, NULL, into, &err), BNN_ERR_FORMAT);
    ck_assert_str_eq(err.text, "waves.jpg: torn");
    bnn_dataset_close(d);
    ck_assert_int_eq(bnn_corrupted_open(corruptor, &clean, kind, 6, &d, &err), BNN_ERR_ARGUMENT);
    clean.pixels = NULL;
    ck_assert_int_eq(bnn_corrupted_open(corruptor, &clean, kind, 1, &d, &err), BNN_ERR_UNSUPPORTED);
    ck_assert_ptr_null(d);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("corruptions");
    TCase *tests = tcase_create("corruptions");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, table);
    tcase_add_test(tests, refusals);
    tcase_add_loop_test(tests, depends_on_its_key_alone, 0, BNN_CORRUPTION_KINDS);
    tcase_add_loop_test(tests, same_at_any_thread_count, 0, BNN_CORRUPTION_KINDS);
    tcase_add_test(tests, severity_grows);
    tcase_add_test(tests, brightness_by_hand);
    tcase_add_test(tests, contrast_by_hand);
    tcase_add_test(tests, saturate_by_hand);
    tcase_add_test(tests, pixelate_by_hand);
    tcase_add_test(tests, plain_images_stay);
    tcase_add_test(tests, defocus_weights);
    tcase_add_loop_test(tests, of_224, 0, BNN_CORRUPTION_KINDS);
    tcase_add_test(tests, noise_moments);
    tcase_add_test(tests, impulse_rates);
    tcase_add_test(tests, frost_photographs);
    tcase_add_loop_test(tests, damaged_photographs, 0, 2);
    tcase_add_test(tests, hostile_photographs);
    tcase_add_test(tests, as_a_data_set);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
