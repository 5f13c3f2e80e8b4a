/* Fuzz target: a user's image file of any format, as bnn-predict reads it. What is accepted fills
 * every pixel of every size asked for, with nothing but what the file says. */
#include <string.h>

#include "data_loaders/image/image.h"
#include "tests/fuzz/fuzz.h"

/* Smaller than most files' images in both ways, in one, and larger. */
static const int sides[][2] = {{1, 1}, {3, 17}, {40, 9}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t rgb[2][40 * 17 * 3];
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        const int height = sides[i][0], width = sides[i][1];
        const size_t bytes = (size_t)height * (size_t)width * 3;
        for (int k = 0; k < 2; k++) {
            bnn_error err = {0};
            memset(rgb[k], k ? 0xff : 0, sizeof rgb[k]);
            bnn_code code = bnn_image_file_read("input", data, size, height, width, rgb[k], &err);
            if (!bnn_accepted(code, &err)) {
                return 0;
            }
            bnn_insist(rgb[k][bytes] == rgb[k][sizeof rgb[k] - 1]);
        }
        bnn_insist(memcmp(rgb[0], rgb[1], bytes) == 0);
    }
    return 0;
}
