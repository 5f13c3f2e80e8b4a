/* Fuzz target: a user's image file of any format, as bnn-predict reads it. What is accepted is
 * scaled to any size, and writes nothing beside it. The colours are not looked at: those that a
 * damaged palette or table lacks are whatever stb_image had in memory. */
#include <string.h>

#include "data_loaders/image/image.h"
#include "tests/fuzz/fuzz.h"

/* Smaller than most files' images in both ways, in one, and larger. */
static const int sides[][2] = {{1, 1}, {3, 17}, {40, 9}};
/* All of it, or less, and grey. */
static const bnn_shape pictures[] = {{1, 1, 1, 3}, {1, 2, 10, 1}, {1, 40, 9, 1}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t rgb[40 * 17 * 3];
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        const int height = sides[i][0], width = sides[i][1];
        bnn_error err = {0};
        memset(rgb, 0x5a, sizeof rgb);
        bnn_code code =
            bnn_image_file_read("input", data, size, pictures[i], height, width, rgb, &err);
        if (!bnn_accepted(code, &err)) {
            return 0;
        }
        for (size_t k = (size_t)height * (size_t)width * 3; k < sizeof rgb; k++) {
            bnn_insist(rgb[k] == 0x5a);
        }
    }
    return 0;
}
