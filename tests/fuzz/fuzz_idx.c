/* Fuzz target: an IDX file in memory, plain or gzip-compressed, read as images and as labels. What
 * the parser accepts must be readable to its last byte. */
#include <math.h>

#include "data_loaders/internal.h"
#include "tests/fuzz/fuzz.h"

#define MOST_READ 8 /* images, at either end: 64 KiB can hold 86,000 when unpacked */

static void read_images(const bnn_idx *idx) {
    const bnn_dataset_info *info = &bnn_dataset_fashion_mnist;
    static float x[32 * 32 * 3];
    bnn_normalizer normalizer;
    bnn_normalizer_set(&normalizer, info->mean, info->std);
    for (size_t i = 0; i < idx->count; i++) {
        if (i == MOST_READ && idx->count > 2 * MOST_READ) {
            i = idx->count - MOST_READ;
        }
        bnn_image image = bnn_idx_image(idx->data, i);
        bnn_augmentation augmentation = bnn_augment_draw(&(bnn_draw){1, 0}, i, 4, 1);
        bnn_image_write(&image, &normalizer, augmentation, info->field[0].shape.h,
                        info->field[0].shape.w, x);
        for (size_t j = 0; j < sizeof x / sizeof *x; j++) {
            bnn_insist(isfinite(x[j]));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int kind = BNN_IDX_IMAGES; kind <= BNN_IDX_LABELS; kind++) {
        bnn_error err = {0};
        bnn_idx idx;
        bnn_code code = bnn_idx_parse("input", data, size, (bnn_idx_kind)kind, 10, &idx, &err);
        if (!bnn_accepted(code, &err)) {
            bnn_insist(!idx.data && idx.count == 0);
            continue;
        }
        bnn_insist(idx.count > 0);
        if (kind == BNN_IDX_IMAGES) {
            read_images(&idx);
        } else {
            uint8_t most = 0;
            for (size_t i = 0; i < idx.count; i++) {
                most = idx.data[i] > most ? idx.data[i] : most;
            }
            bnn_insist(most < 10);
        }
        bnn_idx_free(&idx);
    }
    return 0;
}
