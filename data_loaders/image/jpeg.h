/* JPEG by libjpeg-turbo: its errors become statuses, it prints nothing, and of a photograph only
 * the part that is wanted is decoded. */
#ifndef BNN_DATA_LOADERS_IMAGE_JPEG_H
#define BNN_DATA_LOADERS_IMAGE_JPEG_H

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>

#include <jpeglib.h>

#include "data_loaders/image/photo.h"

/* What libjpeg calls when something is wrong: goes back to where `back` was set, with a text.
 * Damaged data is an error, too, where libjpeg would warn and go on with grey. */
typedef struct bnn_jpeg_catcher {
    struct jpeg_error_mgr base;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
} bnn_jpeg_catcher;

struct jpeg_error_mgr *bnn_jpeg_catch(bnn_jpeg_catcher *catcher);

/* Whether bytes begin as a JPEG file does. */
int bnn_is_jpeg(const unsigned char *bytes, size_t size);
bnn_code bnn_jpeg_size(const char *name, const unsigned char *bytes, size_t size, int *height,
                       int *width, bnn_error *err);
/* Of the photograph shrunk by `shrink` (1, 2, 4 or 8) at least this part of it, in its pixels, each
 * as if all had been decoded. Colours as Pillow's convert("RGB") has them: grey thrice; CMYK, which
 * stands inverted in files, over black. */
bnn_code bnn_jpeg_part(const char *name, const unsigned char *bytes, size_t size, int shrink,
                       bnn_part part, bnn_photo *out, bnn_error *err);

#endif
