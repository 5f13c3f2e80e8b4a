/* See augment.h. Normalization is a table of 256 values a channel: the same float division as
 * written out, done once. */
#include "data_loaders/augment.h"

#include "engine/base/rng.h"

void bnn_normalizer_set(bnn_normalizer *normalizer, const float mean[3], const float std[3]) {
    for (int c = 0; c < BNN_IMAGE_CHANNELS; c++) {
        for (int v = 0; v < 256; v++) {
            normalizer->value[c][v] = ((float)v - mean[c]) / std[c];
        }
    }
}

uint64_t bnn_data_stream(const char *use, uint32_t epoch, uint32_t index) {
    /* The finalizer of splitmix64 is a bijection: distinct (epoch, index) stay distinct, and they
     * are spread over all streams instead of lying in a row next to another use's. */
    uint64_t z = bnn_hash_name(use) ^ ((uint64_t)epoch << 32 | index);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

bnn_augmentation bnn_augment_draw(const bnn_draw *draw, size_t index, int pad, int may_flip) {
    bnn_rng rng =
        bnn_rng_start(draw->seed, bnn_data_stream("data.augment", draw->epoch, (uint32_t)index));
    uint32_t places = 2 * (uint32_t)pad + 1;
    bnn_augmentation a;
    a.dy = (int)bnn_rng_below(&rng, places) - pad;
    a.dx = (int)bnn_rng_below(&rng, places) - pad;
    a.flip = may_flip && (bnn_rng_u32(&rng) & 1);
    return a;
}

/* One row whose source row is `source`, or NULL where that lies outside the picture. */
static void write_row(const bnn_image *image, const unsigned char *source,
                      const bnn_normalizer *normalizer, bnn_augmentation augmentation, int width,
                      float *x) {
    for (int column = 0; column < width; column++, x += BNN_IMAGE_CHANNELS) {
        int shown = augmentation.flip ? width - 1 - column : column;
        int from = shown + augmentation.dx - image->left;
        if (source && from >= 0 && from < image->width) {
            const unsigned char *pixel = source + (size_t)from * image->column;
            for (int c = 0; c < BNN_IMAGE_CHANNELS; c++) {
                x[c] = normalizer->value[c][pixel[(size_t)c * image->channel]];
            }
        } else {
            for (int c = 0; c < BNN_IMAGE_CHANNELS; c++) {
                x[c] = normalizer->value[c][0];
            }
        }
    }
}

void bnn_image_write(const bnn_image *image, const bnn_normalizer *normalizer,
                     bnn_augmentation augmentation, int height, int width, float *x) {
    for (int y = 0; y < height; y++) {
        int from = y + augmentation.dy - image->top;
        const unsigned char *source = NULL;
        if (from >= 0 && from < image->height) {
            source = image->data + (size_t)from * image->row;
        }
        write_row(image, source, normalizer, augmentation, width, x);
        x += (size_t)width * BNN_IMAGE_CHANNELS;
    }
}

void bnn_image_copy(const bnn_image *image, int height, int width, uint8_t *bytes) {
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            int row = y - image->top, column = x - image->left;
            int inside = row >= 0 && row < image->height && column >= 0 && column < image->width;
            for (size_t c = 0; c < BNN_IMAGE_CHANNELS; c++) {
                size_t at = inside ? (size_t)row * image->row + (size_t)column * image->column : 0;
                *bytes++ = inside ? image->data[at + c * image->channel] : 0;
            }
        }
    }
}
