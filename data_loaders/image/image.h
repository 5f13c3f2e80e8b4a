/* A user's own image file, of any common format (JPEG, PNG, BMP, GIF, TGA, PNM P5 and P6), as a
 * network of images sees one. */
#ifndef BNN_DATA_LOADERS_IMAGE_IMAGE_H
#define BNN_DATA_LOADERS_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "data_loaders/image/photo.h"
#include "engine/base/shape.h"
#include "engine/base/status.h"

/* Of a file at most: no small file shall take seconds, or gigabytes. */
#define BNN_IMAGE_FILE_PIXELS ((size_t)1 << 26)

/* Of a file of any of these formats but JPEG (bnn_photo_size, bnn_photo_resize): what its header
 * says, and all its pixels, what is transparent as if it were not. Errors as below. */
bnn_code bnn_image_file_size(const char *name, const unsigned char *bytes, size_t size, int *height,
                             int *width, bnn_error *err);
bnn_code bnn_image_file_decode(const char *name, const unsigned char *bytes, size_t size,
                               bnn_photo *out, bnn_error *err);

/* Decodes the file's bytes, cuts the largest centred part of the proportions of `picture` out of
 * the image, and shrinks or enlarges it to that size; of one channel, it becomes grey. It stands in
 * the middle of rgb[height][width][3], which is no smaller, with black around. What is transparent
 * lies on black. `name` is for messages. BNN_ERR_UNSUPPORTED where it was left out of the build. */
bnn_code bnn_image_file_read(const char *name, const unsigned char *bytes, size_t size,
                             bnn_shape picture, int height, int width, uint8_t *rgb,
                             bnn_error *err);

#endif
