#include "tools/predict/draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/image/photo.h"

bnn_code bnn_canvas_open(const char *name, const bnn_map *file, bnn_canvas *c, bnn_error *err) {
    *c = (bnn_canvas){0};
    bnn_code code = bnn_photo_size(name, file->data, file->size, &c->height, &c->width, err);
    if (code != BNN_OK) {
        return code;
    }
    c->rgb = malloc((size_t)c->height * (size_t)c->width * 3);
    if (!c->rgb) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for a picture", name);
    }
    const bnn_axis y = {0.0, c->height, 0, c->height, c->height, 0, c->height};
    const bnn_axis x = {0.0, c->width, 0, c->width, c->width, 0, c->width};
    return bnn_photo_resize(name, file->data, file->size, &y, &x, c->rgb, err);
}

static int limited(int value, int most) {
    return value < 0 ? 0 : value > most ? most : value;
}

void bnn_draw_fill(const bnn_canvas *c, int y0, int x0, int y1, int x1, const uint8_t rgb[3]) {
    const int left = limited(x0, c->width), right = limited(x1, c->width);
    for (int y = limited(y0, c->height); y < limited(y1, c->height); y++) {
        uint8_t *row = c->rgb + (size_t)y * (size_t)c->width * 3;
        for (int x = left; x < right; x++) {
            memcpy(row + 3 * (size_t)x, rgb, 3);
        }
    }
}

/* Hues by steps of the golden ratio: any few numbers in a row are far from each other. */
static void colour_of(int number, uint8_t rgb[3]) {
    const double hue = fmod(number * 0.618033988749895, 1.0) * 6.0;
    for (int k = 0; k < 3; k++) {
        const double at = fmod(hue + (k == 0 ? 0.0 : k == 1 ? 4.0 : 2.0), 6.0);
        const double part = fmin(fmax(fabs(at - 3.0) - 1.0, 0.0), 1.0);
        rgb[k] = (uint8_t)(48.0 + 207.0 * part);
    }
}

/* Black or white, whichever is read better on it (luma of ITU-R BT.601). */
static const uint8_t *ink_on(const uint8_t rgb[3]) {
    static const uint8_t black[3] = {0, 0, 0}, white[3] = {255, 255, 255};
    return 299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] > 128000 ? black : white;
}

/* Four bars inside of the box. */
static void draw_frame(const bnn_canvas *c, const int at[4], int thick, const uint8_t rgb[3]) {
    const int x0 = at[0], y0 = at[1], x1 = at[2], y1 = at[3];
    bnn_draw_fill(c, y0, x0, y0 + thick, x1, rgb);
    bnn_draw_fill(c, y1 - thick, x0, y1, x1, rgb);
    bnn_draw_fill(c, y0, x0, y1, x0 + thick, rgb);
    bnn_draw_fill(c, y0, x1 - thick, y1, x1, rgb);
}

void bnn_draw_box(const bnn_canvas *c, const double box[4], int colour, const char *text) {
    const int longer = c->height > c->width ? c->height : c->width;
    const int scale = longer < 450 ? 1 : (longer + 150) / 300, thick = scale + 1;
    uint8_t rgb[3];
    int at[4];
    colour_of(colour, rgb);
    for (int k = 0; k < 4; k++) {
        at[k] = (int)lround(fmin(fmax(box[k], 0.0), k % 2 ? c->height : c->width));
    }
    draw_frame(c, at, thick, rgb);
    const int height = bnn_text_height(scale), width = bnn_text_width(text, scale) + 2 * scale;
    const int top = at[1] >= height ? at[1] - height : at[1];
    int left = at[0] + width > c->width ? c->width - width : at[0];
    left = left < 0 ? 0 : left;
    bnn_draw_fill(c, top, left, top + height, left + width, rgb);
    bnn_draw_text(c, top + scale, left + scale, scale, ink_on(rgb), text);
}
