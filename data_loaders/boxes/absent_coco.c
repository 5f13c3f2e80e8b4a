/* Where the build found no yajl. */
#include "data_loaders/boxes/boxes.h"

bnn_code bnn_coco_read(const char *path, FILE *file, bnn_coco *out, bnn_error *err) {
    (void)file, (void)out;
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "%s: COCO was left out of this build; install libyajl-dev and build again",
                    path);
}

void bnn_coco_free(bnn_coco *coco) {
    (void)coco;
}
