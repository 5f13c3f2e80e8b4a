/* Fuzz target: a photograph of any format, as a data set of photographs reads it: the middle of it,
 * a random part, and each way of shrinking. */
#include <string.h>

#include "data_loaders/image/image.h"
#include "tests/fuzz/fuzz.h"

enum { MOST = 24 };

static int resize(const uint8_t *data, size_t size, const bnn_axis *y, const bnn_axis *x) {
    static uint8_t rgb[MOST * MOST * 3 + 16];
    bnn_error err = {0};
    const size_t values = (size_t)y->wanted * (size_t)x->wanted * 3;
    memset(rgb + values, 0x5a, 16);
    const int accepted = bnn_accepted(bnn_photo_resize("input", data, size, y, x, rgb, &err), &err);
    for (size_t i = 0; i < 16; i++) {
        bnn_insist(rgb[values + i] == 0x5a);
    }
    return accepted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int cut[] = {1, 7, MOST};
    bnn_error err = {0};
    bnn_axis y, x;
    int height, width;
    if (!bnn_accepted(bnn_photo_size("input", data, size, &height, &width, &err), &err)) {
        return 0;
    }
    bnn_insist(height > 0 && width > 0);
    for (int i = 0; i < 3; i++) {
        bnn_rng rng = bnn_rng_start(size, (uint64_t)i);
        bnn_photo_middle(height, width, cut[i] + i, cut[i], &y, &x);
        if (!resize(data, size, &y, &x)) {
            return 0;
        }
        bnn_photo_random(height, width, cut[i], &rng, &y, &x);
        resize(data, size, &y, &x); /* what lies above may be damaged where this is not */
    }
    return 0;
}
