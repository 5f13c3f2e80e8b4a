/* Fuzz target: an annotation of PASCAL VOC. What is accepted has sound boxes of known classes. */
#include <math.h>

#include "data_loaders/boxes/boxes.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"dog", "person", "car"};
    bnn_boxed_set boxes = {.photos = 0};
    bnn_error err = {0};
    bnn_insist(bnn_boxed_add_photo(&boxes, "photo", -1, &err) == BNN_OK);
    bnn_code code = bnn_voc_parse("input", (const char *)data, size, names, 3, &boxes, &err);
    if (bnn_accepted(code, &err)) {
        bnn_insist(boxes.photo[0].count == boxes.objects && boxes.objects <= BNN_MOST_BOXES);
        for (size_t i = 0; i < boxes.objects; i++) {
            const bnn_object *o = &boxes.object[i];
            bnn_insist(o->class >= 0 && o->class < 3 && isfinite(o->area));
            bnn_insist(o->box[0] < o->box[2] && o->box[1] < o->box[3]);
        }
    }
    bnn_boxed_close(&boxes.base);
    return 0;
}
