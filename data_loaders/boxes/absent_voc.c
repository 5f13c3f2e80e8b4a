/* Where the build found no expat. */
#include "data_loaders/boxes/boxes.h"

bnn_code bnn_voc_parse(const char *name, const char *bytes, size_t size, const char *const *names,
                       int classes, bnn_boxed_set *out, bnn_error *err) {
    (void)bytes, (void)size, (void)names, (void)classes, (void)out;
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "%s: PASCAL VOC was left out of this build; install libexpat1-dev and build "
                    "again",
                    name);
}
