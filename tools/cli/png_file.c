#include "tools/cli/png_file.h"

#include <png.h>
#include <string.h>

#include "engine/base/file.h"

bnn_code bnn_png_write(const char *path, int height, int width, const uint8_t *rgb,
                       bnn_error *err) {
    bnn_atomic_file *file;
    bnn_code code = bnn_atomic_open(path, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = (png_uint_32)width;
    image.height = (png_uint_32)height;
    image.format = PNG_FORMAT_RGB;
    if (!png_image_write_to_stdio(&image, bnn_atomic_stream(file), 0, rgb, 0, NULL)) {
        bnn_atomic_abandon(file);
        return bnn_fail(err, BNN_ERR_IO, "%s: cannot be written (%s)", path, image.message);
    }
    return bnn_atomic_commit(file, err);
}
