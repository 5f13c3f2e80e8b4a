/* From stored bytes to what a network is fed, for every dataset of small pictures: place, crop,
 * flip and normalize in one pass. Everything outside the stored picture is the byte 0 *before*
 * normalization, as in BiBench, so padding becomes -mean/std. */
#ifndef BNN_DATA_LOADERS_AUGMENT_H
#define BNN_DATA_LOADERS_AUGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "data_loaders/dataset.h"

/* A stored picture: pixel (y, x) of channel c is data[y*row + x*column + c*channel], so planes,
 * interleaved pixels and a grey picture shown thrice (channel = 0) are one case. */
typedef struct bnn_image {
    const unsigned char *data;
    int height, width;
    int top, left; /* where its pixel (0, 0) stands in the output */
    size_t row, column, channel;
} bnn_image;

void bnn_normalizer_set(bnn_normalizer *normalizer, const float mean[3], const float std[3]);

/* Output pixel (y, x) shows pixel (y + dy, x + dx), taken from the mirrored column x if flipped:
 * cropping comes first, then the flip. All zero is the test transform. */
typedef struct bnn_augmentation {
    int dy, dx, flip;
} bnn_augmentation;

/* A crop out of the picture padded by `pad` on each side, and a flip in half of the cases if
 * `may_flip`; a function of (seed, epoch, index) alone. */
bnn_augmentation bnn_augment_draw(const bnn_draw *draw, size_t index, int pad, int may_flip);

/* Writes x[height,width,3]. */
void bnn_image_write(const bnn_image *image, const bnn_normalizer *normalizer,
                     bnn_augmentation augmentation, int height, int width, float *x);

/* The same of an image not augmented, and not normalized: bytes[height,width,3]. */
void bnn_image_copy(const bnn_image *image, int height, int width, uint8_t *bytes);

/* The random stream of one use of the data ("data.shuffle"), epoch and sample: for one use no two
 * (epoch, index) share a stream. */
uint64_t bnn_data_stream(const char *use, uint32_t epoch, uint32_t index);

#endif
