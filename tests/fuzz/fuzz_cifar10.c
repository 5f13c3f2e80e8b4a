/* Fuzz target: a CIFAR-10 batch file in memory. What the parser accepts must be readable to its
 * last record, with finite pixels and labels within the classes. */
#include <math.h>

#include "data_loaders/internal.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const bnn_dataset_info *info = &bnn_dataset_cifar10;
    static float x[32 * 32 * 3];
    bnn_normalizer normalizer;
    bnn_error err = {0};
    size_t records = 0;
    if (!bnn_accepted(bnn_cifar10_parse("input", data, size, &records, &err), &err)) {
        return 0;
    }
    bnn_normalizer_set(&normalizer, info->mean, info->std);
    for (size_t i = 0; i < records; i++) {
        bnn_image image = bnn_cifar10_image(data, i);
        bnn_augmentation augmentation = bnn_augment_draw(&(bnn_draw){size, 0}, i, 4, 1);
        bnn_image_write(&image, &normalizer, augmentation, info->field[0].shape.h,
                        info->field[0].shape.w, x);
        for (size_t j = 0; j < sizeof x / sizeof *x; j++) {
            bnn_insist(isfinite(x[j]));
        }
        bnn_insist(data[i * BNN_CIFAR10_RECORD] < info->classes);
    }
    return 0;
}
