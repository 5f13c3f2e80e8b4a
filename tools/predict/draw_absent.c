/* Where the build found no stb_easy_font: boxes without a text. */
#include "tools/predict/draw.h"

int bnn_text_height(int scale) {
    (void)scale;
    return 0;
}

int bnn_text_width(const char *text, int scale) {
    (void)text, (void)scale;
    return 0;
}

void bnn_draw_text(const bnn_canvas *c, int y, int x, int scale, const uint8_t rgb[3],
                   const char *text) {
    (void)c, (void)y, (void)x, (void)scale, (void)rgb, (void)text;
}
