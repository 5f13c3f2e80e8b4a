/* Text by stb_easy_font, whose letters are rectangles: no font file is needed anywhere. */
#include <string.h>

/* Its functions take texts that they do not change as if they did, and not all of them are used. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#include <stb_easy_font.h>
#pragma GCC diagnostic pop

#include "tools/predict/draw.h"

enum { LINE = 11, LONGEST = 256, QUAD = 64, LETTER = 24 * QUAD };

/* Rectangles of four corners each: x, y, z, colour. */
typedef struct corner {
    float x, y, z;
    unsigned char colour[4];
} corner;

/* What the font has letters of. */
static void printable(const char *text, char out[LONGEST + 1]) {
    size_t n = 0;
    for (; *text && n < LONGEST; text++) {
        if (((unsigned char)*text & 0xC0) != 0x80) { /* no further byte of a letter */
            out[n++] = (char)(*text >= ' ' && *text <= '~' ? *text : '?');
        }
    }
    out[n] = '\0';
}

int bnn_text_height(int scale) {
    return LINE * scale;
}

int bnn_text_width(const char *text, int scale) {
    char line[LONGEST + 1];
    printable(text, line);
    return stb_easy_font_width(line) * scale;
}

void bnn_draw_text(const bnn_canvas *c, int y, int x, int scale, const uint8_t rgb[3],
                   const char *text) {
    char line[LONGEST + 1], letter[2] = "";
    corner quads[LETTER / sizeof(corner)];
    printable(text, line);
    for (const char *at = line; *at; at++) {
        letter[0] = *at;
        const int count = stb_easy_font_print(0.0f, 0.0f, letter, NULL, quads, sizeof quads);
        for (int q = 0; q < count; q++) {
            const corner *from = &quads[4 * q], *to = &quads[4 * q + 2];
            bnn_draw_fill(c, y + (int)from->y * scale, x + (int)from->x * scale,
                          y + (int)to->y * scale, x + (int)to->x * scale, rgb);
        }
        x += stb_easy_font_width(letter) * scale;
    }
}
