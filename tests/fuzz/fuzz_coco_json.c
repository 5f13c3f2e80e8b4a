/* Fuzz target: COCO's instances. What is accepted stands in order, and its names are texts. */
#include <stdio.h>
#include <string.h>

#include "data_loaders/boxes/boxes.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bnn_coco coco = {0};
    bnn_error err = {0};
    char nothing[1] = "";
    FILE *file = fmemopen(size ? (void *)(uintptr_t)data : nothing, size ? size : 1, "rb");
    bnn_insist(file != NULL);
    bnn_code code = bnn_coco_read("input", file, &coco, &err);
    fclose(file);
    if (bnn_accepted(code, &err)) {
        bnn_insist(coco.images > 0 && coco.categories > 0);
        for (size_t i = 0; i < coco.images; i++) {
            bnn_insist(coco.image[i].name + strlen(coco.names.at + coco.image[i].name) <
                       coco.names.bytes);
            bnn_insist(i == 0 || coco.image[i - 1].id < coco.image[i].id);
        }
        for (size_t i = 1; i < coco.annotations; i++) {
            bnn_insist(coco.annotation[i - 1].image <= coco.annotation[i].image);
        }
        for (size_t i = 0; i < coco.categories; i++) {
            bnn_insist(*coco.category[i].name != '\0');
        }
    }
    bnn_coco_free(&coco);
    return 0;
}
