/* Decoding by stb_image. Scaling is our own few lines, since what a network sees must not depend on
 * a library's version: the mean of what a pixel covers where the image shrinks, linear between
 * pixels where it grows. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <stb_image.h>

#include "data_loaders/image/image.h"
#include "data_loaders/image/png.h"

typedef struct decoded {
    const unsigned char *data; /* [height,width,4] */
    int height, width;
} decoded;

/* Part of the picture along one axis: `size` pixels of it from `first` on become `count`. */
typedef struct axis {
    double first, size;
    int count;
} axis;

/* The weights of the source pixels *from, *from + 1, ... that target pixel `i` sees; how many. */
static int weigh(const axis *a, int i, int limit, int *from, double *weight) {
    const double scale = a->size / a->count, reach = fmax(scale, 1.0) / 2.0;
    const double centre = a->first + (i + 0.5) * scale;
    const int first = (int)floor(centre - reach - 0.5), last = (int)ceil(centre + reach - 0.5);
    double sum = 0.0;
    int n = 0;
    *from = first < 0 ? 0 : first;
    for (int p = *from; p <= last && p < limit; p++) {
        /* A box as wide as the step between target pixels, or a triangle of two source pixels. */
        double left = fmax(centre - reach, p), right = fmin(centre + reach, p + 1.0);
        double w = scale > 1.0 ? right - left : 1.0 - fabs(p + 0.5 - centre);
        weight[n++] = w > 0.0 ? w : 0.0;
        sum += w > 0.0 ? w : 0.0;
    }
    for (int k = 0; k < n; k++) {
        weight[k] /= sum;
    }
    return n;
}

/* One target pixel: over black, by its opacity. */
static void mix(const decoded *p, int y, int rows, const double *wy, int x, int columns,
                const double *wx, uint8_t *rgb) {
    double sum[3] = {0.0, 0.0, 0.0};
    for (int r = 0; r < rows; r++) {
        const unsigned char *pixel = p->data + 4 * ((size_t)(y + r) * (size_t)p->width + (size_t)x);
        for (int c = 0; c < columns; c++, pixel += 4) {
            double weight = wy[r] * wx[c] * pixel[3] / 255.0;
            for (int k = 0; k < 3; k++) {
                sum[k] += weight * pixel[k];
            }
        }
    }
    for (int k = 0; k < 3; k++) {
        rgb[k] = (uint8_t)(sum[k] + 0.5);
    }
}

/* rgb[height][width][3], of rows that are `row` bytes apart. */
static bnn_code scale(const decoded *p, int height, int width, uint8_t *rgb, size_t row,
                      bnn_error *err) {
    /* The largest centred part of the wanted proportions. */
    double part_h = p->height, part_w = p->width;
    if (part_w * height > part_h * width) {
        part_w = part_h * width / height;
    } else {
        part_h = part_w * height / width;
    }
    const axis y = {(p->height - part_h) / 2.0, part_h, height};
    const axis x = {(p->width - part_w) / 2.0, part_w, width};
    double *wy = malloc(((size_t)p->height + 3) * sizeof *wy);
    double *wx = malloc(((size_t)p->width + 3) * sizeof *wx);
    for (int i = 0; wy && wx && i < height; i++) {
        int first_row, rows = weigh(&y, i, p->height, &first_row, wy);
        for (int j = 0; j < width; j++) {
            int first, columns = weigh(&x, j, p->width, &first, wx);
            mix(p, first_row, rows, wy, first, columns, wx, rgb + (size_t)i * row + 3 * (size_t)j);
        }
    }
    bnn_code code = wy && wx ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    free(wy);
    free(wx);
    return code;
}

/* By the weights of ITU-R BT.601; what is grey stays as it is. */
static void make_grey(int height, int width, uint8_t *rgb, size_t row) {
    for (int i = 0; i < height; i++) {
        uint8_t *p = rgb + (size_t)i * row;
        for (int j = 0; j < width; j++, p += 3) {
            p[0] = p[1] = p[2] = (uint8_t)((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000);
        }
    }
}

static bnn_code place(const decoded *p, bnn_shape as, int height, int width, uint8_t *rgb,
                      bnn_error *err) {
    const size_t row = 3 * (size_t)width;
    uint8_t *corner = rgb + (size_t)((height - as.h) / 2) * row + 3 * ((width - as.w) / 2);
    memset(rgb, 0, (size_t)height * row);
    bnn_code code = scale(p, as.h, as.w, corner, row, err);
    if (code == BNN_OK && as.c == 1) {
        make_grey(as.h, as.w, corner, row);
    }
    return code;
}

/* ---- the file's bytes ---- */

/* What stb_image reads: it goes on where a file ends early, and leaves pixels as memory was. */
typedef struct source {
    const unsigned char *bytes;
    size_t size, at;
    int cut; /* more was asked for than there is */
} source;

enum { READ_AHEAD = 128 }; /* stb_image's own buffer, which is filled as far as it goes */

static int read_bytes(void *user, char *to, int size) {
    source *s = user;
    size_t wanted = (size_t)size, left = s->size - s->at, count = wanted < left ? wanted : left;
    s->cut |= (wanted > 0 && count == 0) || (count < wanted && size != READ_AHEAD);
    memcpy(to, s->bytes + s->at, count);
    if (size <= READ_AHEAD) { /* larger ones end what reads them; some claim a gigabyte */
        memset(to + count, 0, wanted - count);
    }
    s->at += count;
    return (int)count;
}

/* A negative count goes back. */
static void skip_bytes(void *user, int count) {
    source *s = user;
    int64_t to = (int64_t)s->at + count;
    s->at = to < 0 ? 0 : (size_t)to < s->size ? (size_t)to : s->size;
}

static int at_end(void *user) {
    const source *s = user;
    return s->at == s->size;
}

static const stbi_io_callbacks callbacks = {read_bytes, skip_bytes, at_end};

/* Is a number in a PNM's header too large for whoever reads it next, which lets it wrap around? */
static int has_huge_number(const unsigned char *bytes, size_t size) {
    size_t at = 2;
    for (int number = 0; number < 3; number++) {
        int digits = 0, comment = 0;
        for (; at < size && bytes[at] && (comment || strchr(" \t\n\v\f\r#", bytes[at])); at++) {
            comment = bytes[at] == '#' || (comment && bytes[at] != '\n' && bytes[at] != '\r');
        }
        for (; at < size && bytes[at] >= '0' && bytes[at] <= '9'; at++) {
            digits += digits || bytes[at] != '0';
        }
        if (digits > 9) {
            return 1;
        }
    }
    return 0;
}

bnn_code bnn_image_file_size(const char *name, const unsigned char *bytes, size_t size, int *height,
                             int *width, bnn_error *err) {
    int channels;
    if (size > 1 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '4') {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: a PNM image of kind P%c (%s), which is not read; convert it to P5, P6 "
                        "or PNG",
                        name, bytes[1], bytes[1] == '4' ? "of bits" : "written as text");
    }
    const int pnm = size > 1 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6');
    const int known = size <= INT_MAX && !(pnm && has_huge_number(bytes, size)) &&
                      stbi_info_from_memory(bytes, (int)size, width, height, &channels);
    if (known && bytes[0] == 'B' && *height < 0 && *height > INT_MIN) {
        *height = -*height; /* of a BMP whose rows go down */
    }
    if (!known || *width < 1 || *height < 1) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: not an image that is known (JPEG, PNG, BMP, GIF, TGA, PNM), or "
                        "damaged",
                        name);
    }
    if ((size_t)*width > BNN_IMAGE_FILE_PIXELS / (size_t)*height) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: %d x %d pixels are too many; make it smaller",
                        name, *width, *height);
    }
    if (bytes[0] == 'P' && stbi_is_16_bit_from_memory(bytes, (int)size)) { /* read out of bounds */
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: a PNM image of 16 bits a value; save it with 8, or as PNG", name);
    }
    return BNN_OK;
}

bnn_code bnn_image_file_decode(const char *name, const unsigned char *bytes, size_t size,
                               bnn_photo *out, bnn_error *err) {
    int w, h, channels;
    bnn_code code = bnn_image_file_size(name, bytes, size, &h, &w, err);
    if (code != BNN_OK) {
        return code;
    }
    if (bnn_png_check(bytes, size) == BNN_PNG_DAMAGED) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: the image is damaged (its checksum is another); copy it again", name);
    }
    source from = {bytes, size, 0, 0};
    unsigned char *data = stbi_load_from_callbacks(&callbacks, &from, &w, &h, &channels, 4);
    if (from.cut) {
        stbi_image_free(data);
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: the image is cut off; copy it again", name);
    }
    if (!data) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: the image is damaged (%s)", name,
                        stbi_failure_reason());
    }
    *out = (bnn_photo){data, {0, 0, h, w}, h, w};
    return BNN_OK;
}

bnn_code bnn_image_file_read(const char *name, const unsigned char *bytes, size_t size,
                             bnn_shape picture, int height, int width, uint8_t *rgb,
                             bnn_error *err) {
    bnn_photo photo;
    bnn_code code = bnn_image_file_decode(name, bytes, size, &photo, err);
    if (code != BNN_OK) {
        return code;
    }
    code =
        place(&(decoded){photo.rgbx, photo.height, photo.width}, picture, height, width, rgb, err);
    bnn_photo_free(&photo);
    return code == BNN_OK ? BNN_OK : bnn_fail_in(err, code, "%s", name);
}
