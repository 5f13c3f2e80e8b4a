/* JPEG by libjpeg: Pillow, which the published images were made with, uses it as well, and its
 * tables are what a quality means. Its errors are turned into statuses; it prints nothing. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "data_loaders/corruption/internal.h"

#define MAX_SCANS 100 /* of a progressive photograph, which has about 10 */

typedef struct catcher {
    struct jpeg_error_mgr base;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
} catcher;

static void on_error(j_common_ptr info) {
    catcher *c = (catcher *)info->err;
    c->base.format_message(info, c->text);
    longjmp(c->back, 1);
}

/* Below 0 it warns of corrupt data, which libjpeg would replace by grey; others are of no interest.
 */
static void on_warning(j_common_ptr info, int level) {
    if (level < 0) {
        on_error(info);
    }
}

static void give_up(j_common_ptr info, const char *why) {
    catcher *c = (catcher *)info->err;
    snprintf(c->text, sizeof c->text, "%s", why);
    longjmp(c->back, 1);
}

/* Each scan of some bytes goes over the whole image. */
static void on_progress(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number > MAX_SCANS) {
        give_up(info, "too many scans");
    }
}

static struct jpeg_error_mgr *catch_errors(catcher *c) {
    jpeg_std_error(&c->base);
    c->base.error_exit = on_error;
    c->base.emit_message = on_warning;
    return &c->base;
}

/* What must outlive a longjmp lives in here, behind a pointer. */
typedef struct encoder {
    struct jpeg_compress_struct info;
    catcher errors;
    unsigned char *bytes;
    unsigned long size;
} encoder;

static int encode(encoder *e, const uint8_t *in, int height, int width, int quality) {
    e->info.err = catch_errors(&e->errors);
    if (setjmp(e->errors.back)) {
        jpeg_destroy_compress(&e->info);
        return 0;
    }
    jpeg_create_compress(&e->info);
    jpeg_mem_dest(&e->info, &e->bytes, &e->size);
    e->info.image_width = (JDIMENSION)width;
    e->info.image_height = (JDIMENSION)height;
    e->info.input_components = 3;
    e->info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&e->info);
    jpeg_set_quality(&e->info, quality, TRUE);
    jpeg_start_compress(&e->info, TRUE);
    while (e->info.next_scanline < e->info.image_height) {
        JSAMPROW row =
            (JSAMPROW)(uintptr_t)(in + (size_t)e->info.next_scanline * 3 * (size_t)width);
        jpeg_write_scanlines(&e->info, &row, 1);
    }
    jpeg_finish_compress(&e->info);
    jpeg_destroy_compress(&e->info);
    return 1;
}

typedef struct decoder {
    struct jpeg_decompress_struct info;
    catcher errors;
    struct jpeg_progress_mgr progress;
    bnn_texture image; /* data == NULL: to be allocated, of the file's size */
    int owned;
} decoder;

static int decode(decoder *d, const unsigned char *bytes, size_t size) {
    d->info.err = catch_errors(&d->errors);
    if (setjmp(d->errors.back)) {
        jpeg_destroy_decompress(&d->info);
        return 0;
    }
    jpeg_create_decompress(&d->info);
    jpeg_mem_src(&d->info, bytes, (unsigned long)size);
    jpeg_read_header(&d->info, TRUE);
    if ((size_t)d->info.image_width * d->info.image_height > BNN_PHOTOGRAPH_PIXELS) {
        give_up((j_common_ptr)&d->info, "too many pixels");
    }
    d->progress.progress_monitor = on_progress;
    d->info.progress = &d->progress;
    d->info.out_color_space = JCS_RGB;
    jpeg_start_decompress(&d->info);
    d->image.height = (int)d->info.output_height;
    d->image.width = (int)d->info.output_width;
    const size_t row = 3 * (size_t)d->info.output_width;
    if (!d->image.data) {
        d->image.data = malloc(row * d->info.output_height);
        d->owned = 1;
    }
    if (!d->image.data) {
        give_up((j_common_ptr)&d->info, "out of memory");
    }
    while (d->info.output_scanline < d->info.output_height) {
        JSAMPROW line = d->image.data + row * d->info.output_scanline;
        jpeg_read_scanlines(&d->info, &line, 1);
    }
    jpeg_finish_decompress(&d->info);
    jpeg_destroy_decompress(&d->info);
    return 1;
}

bnn_code bnn_jpeg_round_trip(const uint8_t *in, int height, int width, int quality, uint8_t *out,
                             bnn_error *err) {
    encoder e;
    decoder d;
    memset(&e, 0, sizeof e);
    memset(&d, 0, sizeof d);
    d.image.data = out;
    bnn_code code = BNN_OK;
    if (!encode(&e, in, height, width, quality)) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "JPEG compression: %s", e.errors.text);
    } else if (!decode(&d, e.bytes, e.size)) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "JPEG compression: %s", d.errors.text);
    }
    free(e.bytes);
    return code;
}

bnn_code bnn_jpeg_decode(const char *name, const unsigned char *bytes, size_t size,
                         bnn_texture *out, bnn_error *err) {
    decoder d;
    memset(&d, 0, sizeof d);
    if (!decode(&d, bytes, size)) {
        if (d.owned) {
            free(d.image.data);
        }
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: no PNG or JPEG image that can be read (%s)", name,
                        d.errors.text);
    }
    *out = d.image;
    return BNN_OK;
}
