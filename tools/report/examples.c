/* The report's drawings of a few test samples, each with what it is and what it was taken for: a
 * cloud of points from above its side, near points over far ones; images and spectrograms pixel by
 * pixel; a text with what each of its tokens takes from each. The decision: all of them are paths
 * of SVG, grouped by colour, so that a page stays one file of some hundred KB that needs nothing
 * else. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report/chart.h"
#include "tools/report/html.h"
#include "tools/report/internal.h"

enum { PANEL = 240, TITLE = 22, EDGE = 4, SHADES = 6 };
enum { CELL = 16, MARGIN = 96 }; /* of attention: a pair of tokens, and room for their names */

static void begin_svg(FILE *out, int width, int height, const char *description) {
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", width, height);
    bnn_html_text(out, description);
    fputs("</title>\n", out);
}

/* What it is, and what it was taken for. */
static void caption(FILE *out, const bnn_example *x) {
    const char *truth = x->name[x->truth[0]], *predicted = x->name[x->predicted[0]];
    fputs("<figcaption>", out);
    if (x->truth[0] == x->predicted[0]) {
        fputs("<b>", out);
        bnn_html_text(out, truth);
        fputs("</b>, right", out);
    } else {
        fputs("taken for <b>", out);
        bnn_html_text(out, predicted);
        fputs("</b>, is ", out);
        bnn_html_text(out, truth);
    }
    fputs("</figcaption></figure>\n", out);
}

/* ---- pictures ----------------------------------------------------------------------------- */
/* Four bits of each of red, green and blue: nobody sees more at this size. Of attention the
 * brightest is `most`. */
static int colour_of(const bnn_example *x, int y, int w, int most) {
    /* From dark to bright, equal steps to the eye. */
    static const int ramp[5][3] = {
        {68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};
    const int16_t *v = x->value + ((size_t)y * (size_t)x->width + (size_t)w) * (size_t)x->channels;
    int colour = 0;
    for (int c = 0; c < 3; c++) {
        const int shade = v[0] * 255 / most, at = shade * 4 / 256, part = shade - at * 64;
        const int value = x->channels == 3 ? v[c]
                          : strcmp(x->field, "image") == 0
                              ? v[0]
                              : ramp[at][c] + (ramp[at + 1][c] - ramp[at][c]) * part / 64;
        colour = colour << 4 | value >> 4;
    }
    return colour;
}

/* The pixels of one colour, each row's neighbours as one line. */
static void draw_colour(FILE *out, const int *colour, int height, int width, int which) {
    fprintf(out, "<path stroke=\"#%03x\" d=\"", (unsigned)which);
    for (int y = 0; y < height; y++) {
        for (int w = 0, run; w < width; w += run) {
            const int *at = colour + (size_t)y * (size_t)width + w;
            for (run = 1; w + run < width && at[run] == at[0];) {
                run++;
            }
            if (at[0] == which) {
                fprintf(out, "M%d %d.5h%d", w, y, run);
            }
        }
    }
    fputs("\"/>\n", out);
}

/* A spectrogram has its low tones below. */
static void draw_pixels(FILE *out, const bnn_example *x, int most) {
    enum { COLOURS = 1 << 12 };
    static int colour[BNN_EXAMPLE_SCENE * BNN_EXAMPLE_SCENE];
    static unsigned char used[COLOURS];
    const int sound = strcmp(x->field, "mel") == 0;
    memset(used, 0, sizeof used);
    for (int y = 0; y < x->height; y++) {
        for (int w = 0; w < x->width; w++) {
            int c = colour_of(x, sound ? x->height - 1 - y : y, w, most);
            colour[(size_t)y * (size_t)x->width + (size_t)w] = c;
            used[c] = 1;
        }
    }
    for (int c = 0; c < COLOURS; c++) {
        if (used[c]) {
            draw_colour(out, colour, x->height, x->width, c);
        }
    }
}

static void draw_picture(FILE *out, const bnn_example *x) {
    char description[64];
    snprintf(description, sizeof description, "%s of a test sample",
             strcmp(x->field, "mel") == 0 ? "mel spectrogram (upwards: higher tones)" : "image");
    fputs("<figure>", out);
    begin_svg(out, x->width, x->height, description);
    fputs("<g class=\"pixels\">\n", out);
    draw_pixels(out, x, 255);
    fputs("</g></svg>", out);
    caption(out, x);
}

/* ---- pictures in which boxes are found ---- */
/* Those found, or those that are there, each with its class, in its class's style. */
static void draw_boxes(FILE *out, const bnn_example *x, int found, double width, double height) {
    for (int i = x->boxes; i-- > 0;) { /* the surest on top */
        const bnn_example_box *b = &x->box[i];
        const double left = b->at[0] * width / 1000.0, top = b->at[1] * height / 1000.0;
        if ((b->score >= 0) != found) {
            continue;
        }
        fprintf(out,
                "<path class=\"l c%d\" fill=\"none\" d=\"M%.1f %.1fH%.1fV%.1fH%.1fz\"/><text "
                "style=\"fill:#fff;stroke:#000;stroke-width:2.5;paint-order:stroke\" x=\"%.1f\" "
                "y=\"%.1f\">",
                b->class % BNN_CHART_STYLES, left, top, b->at[2] * width / 1000.0,
                b->at[3] * height / 1000.0, left, left + 3, top + 13);
        bnn_html_text(out, x->name[b->class]);
        if (found) {
            fprintf(out, " %.0f%%", b->score / 10.0);
        }
        fputs("</text>\n", out);
    }
}

/* Side by side: the pixels are drawn once, and shown twice. */
static void draw_scene(FILE *out, const bnn_example *x, size_t number) {
    const double scale = (double)PANEL / (x->height > x->width ? x->height : x->width);
    const double width = x->width * scale, height = x->height * scale;
    int found = 0;
    fputs("<figure>", out);
    begin_svg(out, (int)(2.0 * width + EDGE), (int)height + TITLE,
              "a test sample: boxes that were found, and those that are there");
    for (int there = 0; there < 2; there++) {
        fprintf(out, "<text class=\"t\" x=\"%.1f\" y=\"15\">%s</text>\n", there * (width + EDGE),
                there ? "true" : "found");
        fprintf(out, "<g transform=\"translate(%.1f %d)\">\n", there * (width + EDGE), TITLE);
        if (there) {
            fprintf(out, "<use href=\"#scene%zu\"/>\n", number);
        } else {
            fprintf(out, "<g id=\"scene%zu\" class=\"pixels\" transform=\"scale(%.4f)\">\n", number,
                    scale);
            draw_pixels(out, x, 255);
            fputs("</g>\n", out);
        }
        draw_boxes(out, x, !there, width, height);
        fputs("</g>\n", out);
    }
    for (int i = 0; i < x->boxes; i++) {
        found += x->box[i].score >= 0;
    }
    fprintf(out, "</svg><figcaption>%d found, %d there</figcaption></figure>\n", found,
            x->boxes - found);
}

/* ---- texts -------------------------------------------------------------------------------- */
/* A token beside its row, or above its column. */
static void draw_token(FILE *out, const char *token, int x, int y, int turn) {
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\"", x, y, turn ? "start" : "end");
    if (turn) {
        fprintf(out, " transform=\"rotate(-90 %d %d)\"", x, y);
    }
    fputs(">", out);
    bnn_html_text(out, token);
    fputs("</text>\n", out);
}

/* A row is a token that looks, a column one that is looked at. */
static void draw_attention(FILE *out, const bnn_example *x, int most) {
    const int size = MARGIN + x->width * CELL;
    begin_svg(out, size, size,
              "attention of a test sample: a row for each token that looks, a "
              "column for each it looks at");
    for (int t = 0; t < x->width; t++) {
        const int middle = MARGIN + t * CELL + CELL / 2 + 4; /* of letters as high as 8 */
        draw_token(out, x->token[t], MARGIN - 4, middle, 0);
        draw_token(out, x->token[t], middle, MARGIN - 4, 1);
    }
    fprintf(out, "<g class=\"pixels\" transform=\"translate(%d %d) scale(%d)\">\n", MARGIN, MARGIN,
            CELL);
    draw_pixels(out, x, most);
    fputs("</g></svg>", out);
}

static void draw_text(FILE *out, const bnn_example *x) {
    int most = 0;
    for (int i = 0; i < x->height * x->width; i++) {
        most = x->value[i] > most ? x->value[i] : most;
    }
    fputs("<figure>", out);
    if (x->height) {
        draw_attention(out, x, most ? most : 1);
    }
    fputs("<p>", out);
    for (int t = 0; t < x->width; t++) {
        fputs(t ? " " : "", out);
        bnn_html_text(out, x->token[t]);
    }
    fputs("</p>\n", out);
    if (x->height) {
        fprintf(out, "<p class=\"note\">Brightest: %.1f%%.</p>\n", most / 10.0);
    }
    caption(out, x);
}

/* ---- clouds ------------------------------------------------------------------------------- */
typedef struct dot {
    float x, y, depth; /* on the panel; larger is farther */
    int index;
} dot;

static int by_depth(const void *a, const void *b) {
    const dot *p = a, *q = b;
    return p->depth != q->depth ? (p->depth < q->depth ? 1 : -1) : p->index - q->index;
}

/* Seen in parallel, from the front right and above the y axis, on which shapes mostly stand;
 * farthest first, as large as fits. */
static void project(const bnn_example *x, dot *dots) {
    const double turn = 0.6, tilt = 0.4;
    double most = 1.0;
    for (int i = 0; i < x->width; i++) {
        const int16_t *v = x->value + 3 * (size_t)i;
        const double a = v[0], h = v[1], b = -v[2];
        const double across = a * cos(turn) + b * sin(turn), far = b * cos(turn) - a * sin(turn);
        const double rise = h * cos(tilt) + far * sin(tilt);
        dots[i] = (dot){(float)across, (float)-rise, (float)(far * cos(tilt) - h * sin(tilt)), i};
        /* (gcc 12 for arm64 fails to vectorize fmax() here, with an internal error.) */
        const double longer = fabs(across) > fabs(rise) ? fabs(across) : fabs(rise);
        if (longer > most) {
            most = longer;
        }
    }
    for (int i = 0; i < x->width; i++) {
        dots[i].x = (float)((1.0 + (double)dots[i].x / most) * (PANEL / 2 - EDGE) + EDGE);
        dots[i].y = (float)((1.0 + (double)dots[i].y / most) * (PANEL / 2 - EDGE) + EDGE);
    }
    qsort(dots, (size_t)x->width, sizeof *dots, by_depth);
}

/* A new path where the style changes: what is nearer has to come later. */
static void draw_dots(FILE *out, const bnn_example *x, const dot *dots, const int32_t *label) {
    int last = -1;
    for (int i = 0; i < x->width; i++) {
        const int shade = i * SHADES / x->width;
        const int style = label ? label[dots[i].index] % BNN_CHART_STYLES : shade;
        if (style != last) {
            fputs(last < 0 ? "" : "\"/>\n", out);
            fprintf(out, "<path class=\"c%d\" ", label ? style : 0);
            if (!label) { /* far ones are fainter */
                fprintf(out, "stroke-opacity=\"%.2f\" ", 0.3 + 0.7 * shade / (SHADES - 1));
            }
            fputs("d=\"", out);
        }
        fprintf(out, "M%.1f %.1fh0", (double)dots[i].x, (double)dots[i].y);
        last = style;
    }
    fputs("\"/>\n", out);
}

static void draw_panel(FILE *out, const bnn_example *x, const dot *dots, const int32_t *label,
                       int left, const char *title) {
    fprintf(out, "<text class=\"t\" x=\"%d\" y=\"15\">%s</text>\n", left + EDGE, title);
    fprintf(out, "<g class=\"dots\" transform=\"translate(%d %d)\">\n", left, TITLE);
    draw_dots(out, x, dots, label);
    fputs("</g>\n", out);
}

/* The legend, with how many points each part has. */
static void legend(FILE *out, const bnn_example *x) {
    fputs("<figcaption><table><thead><tr><th></th><th class=\"t\" scope=\"col\">part</th><th "
          "scope=\"col\">predicted</th><th scope=\"col\">true</th><th scope=\"col\">both</th></tr>"
          "</thead>\n<tbody>\n",
          out);
    for (int c = 0; c < x->classes; c++) {
        int predicted = 0, truth = 0, both = 0;
        for (int i = 0; i < x->labels; i++) {
            predicted += x->predicted[i] == c;
            truth += x->truth[i] == c;
            both += x->predicted[i] == c && x->truth[i] == c;
        }
        if (predicted || truth) {
            fputs("<tr><td>", out);
            bnn_chart_key(out, (size_t)(c % BNN_CHART_STYLES));
            fputs("</td><td class=\"t\">", out);
            bnn_html_text(out, x->name[c]);
            fprintf(out, "</td><td>%d</td><td>%d</td><td>%d</td></tr>\n", predicted, truth, both);
        }
    }
    fputs("</tbody></table></figcaption></figure>\n", out);
}

static void draw_cloud(FILE *out, const bnn_example *x, dot *dots) {
    project(x, dots);
    fputs("<figure>", out);
    if (x->labels == 1) {
        begin_svg(out, PANEL, PANEL, "cloud of points of a test sample");
        fputs("<g class=\"dots\">\n", out);
        draw_dots(out, x, dots, NULL);
        fputs("</g></svg>\n", out);
        caption(out, x);
        return;
    }
    begin_svg(out, 2 * PANEL, PANEL + TITLE,
              "cloud of points of a test sample, coloured by its parts: predicted, and true");
    draw_panel(out, x, dots, x->predicted, 0, "predicted");
    draw_panel(out, x, dots, x->truth, PANEL, "true");
    fputs("</svg>", out);
    legend(out, x);
}

static int is_text(const bnn_example *x) {
    return strcmp(x->field, "ids") == 0;
}

static const char *note_of(const bnn_example *x) {
    if (x->box) {
        return "Test samples: the first ones with something of another class in the first place. "
               "Of "
               "what was found, the surest boxes: at most ten, of at least 10 %.";
    }
    return is_text(x)
               ? "Test samples: the first ones of the classes that come first (of scores: whole "
                 "numbers), and the first one that is not recognized, if there is one; of longer "
                 "texts the first tokens. The pictures are the last layer's attention, a mean over "
                 "its heads: a row is a token that looks, a column one that it looks at, and "
                 "brighter is more. Of a binary network these are shares of heads in which it "
                 "looks there at all."
               : "Test samples: the first ones of the classes that come first, and the first one "
                 "that is not recognized, if there is one.";
}

bnn_code bnn_report_examples(FILE *out, const bnn_results *r, bnn_error *err) {
    const bnn_examples *e = &r->examples;
    dot *dots = malloc(BNN_EXAMPLE_POINTS * sizeof *dots);
    if (!dots) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the examples");
    }
    if (e->count) {
        bnn_html_section(out, "Examples", note_of(&e->example[0]));
        const int large = r->task->by_point || is_text(&e->example[0]) || e->example[0].box;
        fprintf(out, "<div class=\"%s\">\n", large ? "charts" : "shots");
        for (size_t i = 0; i < e->count; i++) {
            if (strcmp(e->example[i].field, "points") == 0) {
                draw_cloud(out, &e->example[i], dots);
            } else if (e->example[i].box) {
                draw_scene(out, &e->example[i], i);
            } else if (is_text(&e->example[i])) {
                draw_text(out, &e->example[i]);
            } else {
                draw_picture(out, &e->example[i]);
            }
        }
        fputs("</div>\n", out);
        bnn_html_section_end(out);
    }
    free(dots);
    return BNN_OK;
}
