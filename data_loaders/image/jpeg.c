#include "data_loaders/image/jpeg.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>

#include "data_loaders/image/image.h"

#ifndef JCS_EXTENSIONS
#error "This libjpeg is not libjpeg-turbo, of which parts of photographs are had"
#endif

#define MAX_SCANS 100 /* of a progressive photograph, which has about 10 */
#define APART 4       /* pixels beside a part that its colours are made of, where they are halved */

static void on_error(j_common_ptr info) {
    bnn_jpeg_catcher *c = (bnn_jpeg_catcher *)info->err;
    c->base.format_message(info, c->text);
    longjmp(c->back, 1);
}

/* Below 0 it warns of corrupt data, which libjpeg would replace by grey; others are of no interest,
 * nor are bytes that no image needs. */
static void on_warning(j_common_ptr info, int level) {
    const int code = info->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM &&
        code != JWRN_JFIF_MAJOR) {
        on_error(info);
    }
}

struct jpeg_error_mgr *bnn_jpeg_catch(bnn_jpeg_catcher *c) {
    jpeg_std_error(&c->base);
    c->base.error_exit = on_error;
    c->base.emit_message = on_warning;
    return &c->base;
}

static void give_up(j_common_ptr info, const char *why) {
    bnn_jpeg_catcher *c = (bnn_jpeg_catcher *)info->err;
    snprintf(c->text, sizeof c->text, "%s", why);
    longjmp(c->back, 1);
}

/* Each scan of some bytes goes over the whole image. */
static void on_progress(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number > MAX_SCANS) {
        give_up(info, "too many scans");
    }
}

/* What must outlive a longjmp lives in here, behind a pointer. */
typedef struct decoder {
    struct jpeg_decompress_struct info;
    bnn_jpeg_catcher errors;
    struct jpeg_progress_mgr progress;
    const unsigned char *bytes;
    size_t size;
    int shrink;
    bnn_part part; /* wanted; then, had */
    bnn_photo photo;
} decoder;

static void read_header(decoder *d) {
    jpeg_create_decompress(&d->info);
    jpeg_mem_src(&d->info, d->bytes, (unsigned long)d->size);
    jpeg_read_header(&d->info, TRUE);
    if ((size_t)d->info.image_width * d->info.image_height > BNN_IMAGE_FILE_PIXELS) {
        give_up((j_common_ptr)&d->info, "too many pixels");
    }
}

static int decode_header(decoder *d) {
    d->info.err = bnn_jpeg_catch(&d->errors);
    if (setjmp(d->errors.back)) {
        jpeg_destroy_decompress(&d->info);
        return 0;
    }
    read_header(d);
    d->photo.height = (int)d->info.image_height;
    d->photo.width = (int)d->info.image_width;
    jpeg_destroy_decompress(&d->info);
    return 1;
}

static int larger(int a, int b) {
    return a > b ? a : b;
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* Columns: whole blocks, with room for what the colours at the borders are made of. Rows are as
 * they are wanted: libjpeg sees to what is above them. */
static void choose_part(decoder *d) {
    const int width = (int)d->info.output_width, height = (int)d->info.output_height;
    JDIMENSION left = (JDIMENSION)larger(0, smaller(d->part.left, width - 1) - APART);
    JDIMENSION columns =
        (JDIMENSION)smaller(width, larger(d->part.left, 0) + larger(d->part.width, 1) + APART) -
        left;
    if (left > 0 || columns < d->info.output_width) {
        jpeg_crop_scanline(&d->info, &left, &columns);
    }
    const int top = larger(0, smaller(d->part.top, height - 1));
    const int bottom = smaller(height, larger(d->part.top + d->part.height, top + 1));
    d->photo = (bnn_photo){
        .part = {top, (int)left, bottom - top, (int)columns}, .height = height, .width = width};
    d->photo.rgbx = malloc(4 * (size_t)columns * (size_t)(bottom - top));
    if (!d->photo.rgbx) {
        give_up((j_common_ptr)&d->info, "out of memory");
    }
}

static void read_rows(decoder *d) {
    const size_t row = 4 * (size_t)d->photo.part.width;
    const JDIMENSION end = (JDIMENSION)(d->photo.part.top + d->photo.part.height);
    if (d->photo.part.top > 0) {
        jpeg_skip_scanlines(&d->info, (JDIMENSION)d->photo.part.top);
    }
    while (d->info.output_scanline < end) {
        JSAMPROW line =
            d->photo.rgbx + row * (d->info.output_scanline - (JDIMENSION)d->photo.part.top);
        jpeg_read_scanlines(&d->info, &line, 1);
    }
}

/* a * b / 255, rounded, as Pillow computes it. */
static int scaled(int a, int b) {
    const int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
}

static void from_cmyk(bnn_photo *photo) {
    uint8_t *p = photo->rgbx;
    const size_t pixels = (size_t)photo->part.height * (size_t)photo->part.width;
    for (size_t i = 0; i < pixels; i++, p += 4) {
        for (int c = 0; c < 3; c++) {
            p[c] = (uint8_t)(p[3] - scaled(255 - p[c], p[3]));
        }
    }
}

static int decode_part(decoder *d) {
    d->info.err = bnn_jpeg_catch(&d->errors);
    if (setjmp(d->errors.back)) {
        jpeg_destroy_decompress(&d->info);
        return 0;
    }
    read_header(d);
    const int inks = d->info.jpeg_color_space == JCS_CMYK || d->info.jpeg_color_space == JCS_YCCK;
    d->progress.progress_monitor = on_progress;
    d->info.progress = &d->progress;
    d->info.out_color_space = inks ? JCS_CMYK : JCS_EXT_RGBX;
    d->info.scale_num = 1;
    d->info.scale_denom = (unsigned)d->shrink;
    jpeg_start_decompress(&d->info);
    choose_part(d);
    read_rows(d);
    if (d->info.output_scanline == d->info.output_height) {
        jpeg_finish_decompress(&d->info); /* sees whether the file has an end */
    }
    jpeg_destroy_decompress(&d->info);
    if (inks) {
        from_cmyk(&d->photo);
    }
    return 1;
}

int bnn_is_jpeg(const unsigned char *bytes, size_t size) {
    return size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

static bnn_code refuse(const char *name, const decoder *d, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT, "%s: no JPEG image that can be read (%s); copy it again",
                    name, d->errors.text);
}

bnn_code bnn_jpeg_size(const char *name, const unsigned char *bytes, size_t size, int *height,
                       int *width, bnn_error *err) {
    decoder d;
    memset(&d, 0, sizeof d);
    d.bytes = bytes;
    d.size = size;
    if (!decode_header(&d)) {
        return refuse(name, &d, err);
    }
    *height = d.photo.height;
    *width = d.photo.width;
    return BNN_OK;
}

bnn_code bnn_jpeg_part(const char *name, const unsigned char *bytes, size_t size, int shrink,
                       bnn_part part, bnn_photo *out, bnn_error *err) {
    decoder d;
    memset(&d, 0, sizeof d);
    d.bytes = bytes;
    d.size = size;
    d.shrink = shrink;
    d.part = part;
    if (!decode_part(&d)) {
        bnn_photo_free(&d.photo);
        return refuse(name, &d, err);
    }
    *out = d.photo;
    return BNN_OK;
}
