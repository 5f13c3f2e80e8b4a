/* Photographs of any size, as networks see them: decoded, cut and resized. What a network is
 * trained on comes from Python's common loaders, so this does what these do (Pillow, torchvision):
 * bilinear with antialiasing, the test transform and the random crop; an orientation in a file's
 * EXIF data is not applied. */
#ifndef BNN_DATA_LOADERS_IMAGE_PHOTO_H
#define BNN_DATA_LOADERS_IMAGE_PHOTO_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/rng.h"
#include "engine/base/status.h"

/* A part of a picture, in whole pixels. */
typedef struct bnn_part {
    int top, left, height, width;
} bnn_part;

/* Pixels of a photograph, or of a part of it, maybe shrunk. */
typedef struct bnn_photo {
    uint8_t *rgbx; /* [part.height][part.width][4], owned; the fourth value is any */
    bnn_part part; /* of the photograph, shrunk, that is: */
    int height, width;
} bnn_photo;

void bnn_photo_free(bnn_photo *photo);

/* What the file's header says. `name` is for messages. */
bnn_code bnn_photo_size(const char *name, const unsigned char *bytes, size_t size, int *height,
                        int *width, bnn_error *err);

/* One axis of a resize: `size` pixels of the source from `first` on become `count`, of which only
 * those from `from` on, `wanted` of them, are made. Source pixels outside [low, high) are not
 * looked at. */
typedef struct bnn_axis {
    double first, size;
    int low, high;
    int count, from, wanted;
} bnn_axis;

/* Decodes of the file what the axes look at, and resizes it by them into rgb[y->wanted][x->wanted]
 * [3]; the axes are in pixels of the whole photograph. Where every pixel made covers at least two
 * source pixels a side even then, a JPEG is decoded shrunk, as Pillow's `reducing_gap` of 2 would.
 */
bnn_code bnn_photo_resize(const char *name, const unsigned char *bytes, size_t size,
                          const bnn_axis *y, const bnn_axis *x, uint8_t *rgb, bnn_error *err);

/* The usual test transform: the short side becomes `side`, then the middle is cut out. */
void bnn_photo_middle(int height, int width, int side, int cut, bnn_axis *y, bnn_axis *x);
/* A random part (torchvision's RandomResizedCrop): .08 to 1 of the area, 3/4 to 4/3 wide to high,
 * drawn up to ten times until it fits; then the largest in the middle. It becomes cut x cut. */
void bnn_photo_random(int height, int width, int cut, bnn_rng *rng, bnn_axis *y, bnn_axis *x);

/* Of pixels in memory; the axes are in those of the photograph as it is, of which out has what they
 * look at. */
bnn_code bnn_resize(const bnn_photo *photo, const bnn_axis *y, const bnn_axis *x, uint8_t *rgb,
                    bnn_error *err);

#endif
