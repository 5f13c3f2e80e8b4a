/* A photograph with what was found in it: boxes in their class's colour, with a line of text each.
 */
#ifndef BNN_TOOLS_PREDICT_DRAW_H
#define BNN_TOOLS_PREDICT_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/file.h"
#include "engine/base/status.h"

typedef struct bnn_canvas {
    int height, width;
    uint8_t *rgb; /* [height][width][3] */
} bnn_canvas;

/* The photograph of a file, in its own size; free(canvas->rgb) in any case. `name` is for messages.
 */
bnn_code bnn_canvas_open(const char *name, const bnn_map *file, bnn_canvas *canvas, bnn_error *err);
/* The part of the rectangle [y0, y1) x [x0, x1) that is on the canvas. */
void bnn_draw_fill(const bnn_canvas *canvas, int y0, int x0, int y1, int x1, const uint8_t rgb[3]);
/* A frame around box (x1 y1 x2 y2, in pixels), and `text` at its top left, above it if there is
 * room. `colour` is any number: equal ones look the same, others differ. */
void bnn_draw_box(const bnn_canvas *canvas, const double box[4], int colour, const char *text);

/* ---- draw_text.c; where it was left out of the build, there is no text ---- */
/* A line's height, and this one's width, in pixels of a font whose own are `scale` wide. */
int bnn_text_height(int scale);
int bnn_text_width(const char *text, int scale);
/* Its upper left corner is at (y, x); what is no ASCII becomes a question mark. */
void bnn_draw_text(const bnn_canvas *canvas, int y, int x, int scale, const uint8_t rgb[3],
                   const char *text);

#endif
