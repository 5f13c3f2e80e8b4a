/* JPEG by libjpeg: Pillow, which the published images were made with, uses it as well, and its
 * tables are what a quality means. */
#include <stdlib.h>
#include <string.h>

#include "data_loaders/corruption/internal.h"
#include "data_loaders/image/jpeg.h"

/* What must outlive a longjmp lives in here, behind a pointer. */
typedef struct encoder {
    struct jpeg_compress_struct info;
    bnn_jpeg_catcher errors;
    unsigned char *bytes;
    unsigned long size;
} encoder;

static int encode(encoder *e, const uint8_t *in, int height, int width, int quality) {
    e->info.err = bnn_jpeg_catch(&e->errors);
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

/* All of it, as red, green, blue; *out is NULL: to be allocated, of the file's size. */
static bnn_code decode(const char *name, const unsigned char *bytes, size_t size, bnn_texture *out,
                       bnn_error *err) {
    bnn_photo photo = {0};
    int height, width;
    bnn_code code = bnn_jpeg_size(name, bytes, size, &height, &width, err);
    if (code == BNN_OK && (size_t)height * (size_t)width > BNN_PHOTOGRAPH_PIXELS) {
        code = bnn_fail(err, BNN_ERR_FORMAT, "%s: %d x %d pixels, too many for a texture", name,
                        width, height);
    }
    if (code != BNN_OK || (code = bnn_jpeg_part(name, bytes, size, 1,
                                                (bnn_part){0, 0, height, width}, &photo, err))) {
        return code;
    }
    const size_t pixels = (size_t)height * (size_t)width;
    uint8_t *rgb = out->data ? out->data : malloc(3 * pixels);
    for (size_t i = 0; rgb && i < pixels; i++) {
        memcpy(rgb + 3 * i, photo.rgbx + 4 * i, 3);
    }
    bnn_photo_free(&photo);
    *out = (bnn_texture){.height = height, .width = width, .data = rgb};
    return rgb ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
}

bnn_code bnn_jpeg_round_trip(const uint8_t *in, int height, int width, int quality, uint8_t *out,
                             bnn_error *err) {
    encoder e;
    memset(&e, 0, sizeof e);
    bnn_texture decoded = {.data = out};
    bnn_code code = encode(&e, in, height, width, quality)
                        ? decode("JPEG compression", e.bytes, e.size, &decoded, err)
                        : bnn_fail(err, BNN_ERR_MEMORY, "JPEG compression: %s", e.errors.text);
    free(e.bytes);
    return code;
}

bnn_code bnn_jpeg_decode(const char *name, const unsigned char *bytes, size_t size,
                         bnn_texture *out, bnn_error *err) {
    *out = (bnn_texture){.data = NULL};
    return decode(name, bytes, size, out, err);
}
