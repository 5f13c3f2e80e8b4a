/* The textures of the frost corruption: the photographs of the published images, from a folder, or
 * textures computed here for those who have none. */
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/corruption/internal.h"
#include "data_loaders/image/png.h"
#include "data_loaders/internal.h"
#include "engine/base/file.h"

#define CURE                                                                                       \
    "--frost-dir must name the folder with frost1.png, frost2.png, frost3.png, frost4.jpg and "    \
    "frost5.jpg (https://github.com/hendrycks/robustness); without it textures are computed"

/* ---- photographs -------------------------------------------------------------------------- */
static const char *const files[BNN_FROST_TEXTURES] = {"frost1.png", "frost2.png", "frost3.png",
                                                      "frost4.jpg", "frost5.jpg"};

/* An alpha channel is dropped, not blended: so are the published images made. */
static bnn_code decode_png(const char *path, const bnn_map *map, bnn_texture *out, bnn_error *err) {
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    if (bnn_png_check(map->data, map->size) != BNN_PNG_WHOLE) { /* libpng sees only what it needs */
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: no PNG image that can be read (it is cut off or damaged); copy it "
                        "again",
                        path);
    }
    if (!png_image_begin_read_from_memory(&image, map->data, map->size)) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: no PNG image that can be read (%s)", path,
                        image.message);
    }
    const size_t pixels = (size_t)image.width * image.height;
    image.format = PNG_FORMAT_RGBA;
    uint8_t *rgba = pixels <= BNN_PHOTOGRAPH_PIXELS ? malloc(4 * pixels) : NULL;
    if (!rgba) {
        png_image_free(&image);
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: %zu pixels, too many for a texture", path,
                        pixels);
    }
    if (!png_image_finish_read(&image, NULL, rgba, 0, NULL)) {
        free(rgba);
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: no PNG image that can be read (%s)", path,
                        image.message);
    }
    for (size_t i = 0; i < pixels; i++) {
        memmove(rgba + 3 * i, rgba + 4 * i, 3);
    }
    *out = (bnn_texture){.height = (int)image.height, .width = (int)image.width, .data = rgba};
    return BNN_OK;
}

/* Linear between pixels, no smoothing before, as OpenCV shrinks. */
static bnn_code shrink(const char *path, const bnn_texture *in, double scale, bnn_texture *out,
                       bnn_error *err) {
    bnn_texture small = {.height = (int)nearbyint(in->height * scale),
                         .width = (int)nearbyint(in->width * scale)};
    small.data = malloc(3 * (size_t)small.height * (size_t)small.width + 1);
    if (!small.data) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    }
    uint8_t *to = small.data;
    for (int i = 0; i < small.height; i++) {
        double y = fmin(fmax((i + 0.5) / scale - 0.5, 0), in->height - 1);
        const int top = (int)y, below = top + 1 < in->height ? top + 1 : top;
        for (int j = 0; j < small.width; j++) {
            double x = fmin(fmax((j + 0.5) / scale - 0.5, 0), in->width - 1);
            const int left = (int)x, right = left + 1 < in->width ? left + 1 : left;
            for (int c = 0; c < 3; c++) {
                const uint8_t *upper = in->data + (size_t)top * (size_t)in->width * 3 + c;
                const uint8_t *lower = in->data + (size_t)below * (size_t)in->width * 3 + c;
                double a = upper[3 * left] + (x - left) * (upper[3 * right] - upper[3 * left]);
                double b = lower[3 * left] + (x - left) * (lower[3 * right] - lower[3 * left]);
                *to++ = (uint8_t)nearbyint(a + (y - top) * (b - a));
            }
        }
    }
    *out = small;
    return BNN_OK;
}

static bnn_code load_photograph(const char *path, double scale, bnn_texture *out, bnn_error *err) {
    bnn_map map;
    bnn_texture whole = {0};
    bnn_code code = bnn_data_check_file(path, CURE, err);
    if (code == BNN_OK) {
        code = bnn_map_read(path, &map, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    /* What it is says its beginning, not its name. */
    code = map.size >= 8 && memcmp(map.data, "\x89PNG\r\n\x1a\n", 8) == 0
               ? decode_png(path, &map, &whole, err)
               : bnn_jpeg_decode(path, map.data, map.size, &whole, err);
    const bnn_file_id file = {map.device, map.inode};
    bnn_map_close(&map);
    if (code == BNN_OK) {
        code = shrink(path, &whole, scale, out, err);
        out->file = file;
    }
    free(whole.data);
    return code;
}

bnn_code bnn_frost_load(const char *dir, double scale, int height, int width,
                        bnn_texture texture[BNN_FROST_TEXTURES], bnn_error *err) {
    bnn_code code = bnn_data_check_folder(dir, CURE, err);
    for (int i = 0; i < BNN_FROST_TEXTURES && code == BNN_OK; i++) {
        char path[BNN_DATA_PATH_MAX];
        code = bnn_data_join(path, dir, files[i], err);
        if (code == BNN_OK) {
            code = load_photograph(path, scale, &texture[i], err);
        }
        if (code == BNN_OK && (texture[i].height <= height || texture[i].width <= width)) {
            code = bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: a photograph of %dx%d after shrinking, expected more than %dx%d",
                            path, texture[i].height, texture[i].width, height, width);
        }
    }
    return code;
}

/* ---- computed ----------------------------------------------------------------------------- */
#define FRACTAL 256

/* What each texture looks like: its mean colour and its deviation, as those of the photographs. */
static const struct {
    double colour[3], deviation;
} looks[BNN_FROST_TEXTURES] = {{{78, 149, 166}, 16},
                               {{201, 205, 214}, 18},
                               {{199, 206, 212}, 18},
                               {{138, 153, 166}, 26},
                               {{112, 123, 135}, 34}};

/* Ridges of a rough fractal as crystals, on a slow change of light; mean 0, deviation 1. */
static void combine(double *crystal, const double *light, size_t n) {
    double sum = 0.0, square = 0.0;
    for (size_t i = 0; i < n; i++) {
        double ridge = 1.0 - fabs(2.0 * crystal[i] - 1.0);
        crystal[i] = ridge + 0.3 * light[i];
        sum += crystal[i];
        square += crystal[i] * crystal[i];
    }
    const double mean = sum / (double)n, deviation = sqrt(square / (double)n - mean * mean);
    for (size_t i = 0; i < n; i++) {
        crystal[i] = (crystal[i] - mean) / deviation;
    }
}

static void paint(const double *crystal, const double colour[3], double deviation, bnn_texture *t) {
    for (int y = 0; y < t->height; y++) {
        for (int x = 0; x < t->width; x++) {
            double v = deviation * crystal[(size_t)(y % FRACTAL) * FRACTAL + (size_t)(x % FRACTAL)];
            uint8_t *to = t->data + 3 * ((size_t)y * (size_t)t->width + (size_t)x);
            for (int c = 0; c < 3; c++) {
                to[c] = (uint8_t)fmin(fmax(colour[c] + v, 0.0), 255.0);
            }
        }
    }
}

bnn_code bnn_frost_make(int height, int width, bnn_texture texture[BNN_FROST_TEXTURES],
                        bnn_error *err) {
    const size_t cells = (size_t)FRACTAL * FRACTAL;
    double *crystal = malloc(2 * cells * sizeof *crystal);
    bnn_code code = crystal ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for frost");
    for (int i = 0; i < BNN_FROST_TEXTURES && code == BNN_OK; i++) {
        bnn_texture *t = &texture[i];
        t->height = 3 * height;
        t->width = 4 * width;
        t->data = malloc(3 * (size_t)t->height * (size_t)t->width);
        if (!t->data) {
            code = bnn_fail(err, BNN_ERR_MEMORY, "out of memory for frost");
            break;
        }
        /* The same textures whatever the user's seed: they stand for five fixed photographs. */
        bnn_rng rng = bnn_rng_start((uint64_t)i, bnn_hash_name("corruption.frost texture"));
        bnn_fractal(&rng, FRACTAL, 1.1, crystal);
        bnn_fractal(&rng, FRACTAL, 2.2, crystal + cells);
        combine(crystal, crystal + cells, cells);
        paint(crystal, looks[i].colour, looks[i].deviation, t);
    }
    free(crystal);
    return code;
}
