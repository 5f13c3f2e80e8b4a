/* Where the build found no stb_image. */
#include "data_loaders/image/image.h"

static bnn_code absent(const char *name, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "%s: reading image files was left out of this build; install libstb-dev and "
                    "build again",
                    name);
}

bnn_code bnn_image_file_size(const char *name, const unsigned char *bytes, size_t size, int *height,
                             int *width, bnn_error *err) {
    (void)bytes, (void)size, (void)height, (void)width;
    return absent(name, err);
}

bnn_code bnn_image_file_decode(const char *name, const unsigned char *bytes, size_t size,
                               bnn_photo *out, bnn_error *err) {
    (void)bytes, (void)size, (void)out;
    return absent(name, err);
}

bnn_code bnn_image_file_read(const char *name, const unsigned char *bytes, size_t size,
                             bnn_shape picture, int height, int width, uint8_t *rgb,
                             bnn_error *err) {
    (void)bytes, (void)size, (void)picture, (void)height, (void)width, (void)rgb;
    return absent(name, err);
}
