#include "tools/report/chart.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "tools/report/chart_parts.h"
#include "tools/report/html.h"

/* The picture's own units; the page scales it. */
enum { WIDTH = 480, HEIGHT = 290, LEFT = 46, RIGHT = 52, TOP = 34, BOTTOM = 42 };
enum { MARKS = 12, LABEL_STEP = 14 };

/* Solid, then ever other dashes. */
static const char *const dashes[BNN_CHART_STYLES] = {
    "none", "7 4", "2 4", "10 4 2 4", "14 4", "4 3 1 3", "1 3", "12 3 3 3", "5 2"};

typedef struct frame {
    bnn_axis x, y;
} frame;

/* ---- scales ------------------------------------------------------------------------------- */
/* 1, 2 or 5 times a power of ten, for about `wanted` steps. */
static double nice_step(double range, int wanted) {
    double raw = range / wanted, unit = pow(10.0, floor(log10(raw)));
    double part = raw / unit;
    return unit * (part <= 1.0 ? 1.0 : part <= 2.0 ? 2.0 : part <= 5.0 ? 5.0 : 10.0);
}

bnn_axis bnn_axis_fit(double low, double high, int wanted, int whole) {
    if (!(high - low > 1e-9 * fabs(high))) { /* one value, or none */
        double middle = high >= low ? low : 0.0, room = fmax(0.5, 1e-3 * fabs(middle));
        low = middle - room;
        high = middle + room;
    }
    double step = nice_step(high - low, wanted);
    step = whole ? fmax(step, 1.0) : step;
    return whole
               ? (bnn_axis){low, high, step}
               : (bnn_axis){floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step, step};
}

static double place_x(const frame *f, double x) {
    return LEFT + (x - f->x.low) / (f->x.high - f->x.low) * (WIDTH - LEFT - RIGHT);
}

static double place_y(const frame *f, double y) {
    return HEIGHT - BOTTOM - (y - f->y.low) / (f->y.high - f->y.low) * (HEIGHT - TOP - BOTTOM);
}

static frame fit_all(const bnn_chart_line *lines, size_t count) {
    double x[2] = {DBL_MAX, -DBL_MAX}, y[2] = {DBL_MAX, -DBL_MAX};
    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < lines[k].count; i++) {
            if (!isnan(lines[k].y[i])) {
                x[0] = fmin(x[0], lines[k].x[i]);
                x[1] = fmax(x[1], lines[k].x[i]);
                y[0] = fmin(y[0], lines[k].y[i]);
                y[1] = fmax(y[1], lines[k].y[i]);
            }
        }
    }
    return (frame){bnn_axis_fit(x[0], x[1], 8, 1), bnn_axis_fit(y[0], y[1], 5, 0)};
}

/* Behind the first. */
int bnn_axis_ticks(const bnn_axis *a) {
    return (int)((a->high - a->low) / a->step + 0.5);
}

static void draw_axes(FILE *out, const frame *f, const char *x_label) {
    const double bottom = HEIGHT - BOTTOM;
    const int digits = (int)fmin(fmax(-floor(log10(f->y.step) + 1e-9), 0.0), 6.0);
    for (int i = 0; i <= bnn_axis_ticks(&f->y); i++) {
        double y = f->y.low + i * f->y.step, at = place_y(f, y);
        double shown = fabs(y) < 1e-6 * f->y.step ? 0.0 : y;
        fprintf(out, "<path class=\"g\" d=\"M%d %.1fH%d\"/>", LEFT, at, WIDTH - RIGHT);
        fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.*f</text>\n", LEFT - 7,
                at + 4, digits, shown);
    }
    const double first = ceil(f->x.low / f->x.step) * f->x.step;
    for (int i = 0; first + i * f->x.step <= f->x.high; i++) {
        double x = first + i * f->x.step, at = place_x(f, x);
        fprintf(out, "<path class=\"a\" d=\"M%.1f %.1fv4\"/>", at, bottom);
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.6g</text>\n", at,
                bottom + 17, x);
    }
    fprintf(out, "<path class=\"a\" d=\"M%d %.1fH%d\"/>", LEFT, bottom, WIDTH - RIGHT);
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + WIDTH - RIGHT) / 2,
            HEIGHT - 8);
    bnn_html_text(out, x_label);
    fputs("</text>\n", out);
}

/* ---- lines -------------------------------------------------------------------------------- */
void bnn_chart_mark(FILE *out, size_t style, double x, double y) {
    static const char *const shapes[BNN_CHART_STYLES] = {"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
                                                         "m-3.6 -3.6h7.2v7.2h-7.2z",
                                                         "m0 -4.8l4.5 8h-9z",
                                                         "m0 -5l5 5l-5 5l-5 -5z",
                                                         "m-4 0h8m-4 -4v8",
                                                         "m-3.4 -3.4l6.8 6.8m0 -6.8l-6.8 6.8",
                                                         "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
                                                         "m0 4.8l4.5 -8h-9z",
                                                         "m0 -4.6v9.2m-4.6 -4.6h9.2"};
    const size_t s = style % BNN_CHART_STYLES;
    char fill[8];
    snprintf(fill, sizeof fill, s == 6 ? "hollow" : "f%zu", s);
    fprintf(out, "<path class=\"m c%zu %s\" d=\"M%.1f %.1f%s\"/>", s, fill, x, y, shapes[s]);
}

void bnn_chart_line_attributes(size_t style, char attributes[120]) {
    const size_t s = style % BNN_CHART_STYLES;
    snprintf(attributes, 120, "class=\"l c%zu\" stroke-dasharray=\"%s\"", s, dashes[s]);
}

static void draw_line(FILE *out, const frame *f, const bnn_chart_line *line) {
    const size_t s = line->style % BNN_CHART_STYLES;
    /* Lines close together are marked in different places. */
    const size_t every = (line->count + MARKS - 1) / MARKS, first = every * s / BNN_CHART_STYLES;
    const char *move = "M";
    char attributes[120];
    bnn_chart_line_attributes(s, attributes);
    fprintf(out, "<path %s d=\"", attributes);
    for (size_t i = 0; i < line->count; i++) {
        if (isnan(line->y[i])) {
            move = "M";
            continue;
        }
        fprintf(out, "%s%.1f %.1f", move, place_x(f, line->x[i]), place_y(f, line->y[i]));
        move = "L";
    }
    fputs("\"/>", out);
    for (size_t i = 0; i < line->count; i++) {
        if (!isnan(line->y[i]) && (i % every == first || i + 1 == line->count)) {
            bnn_chart_mark(out, s, place_x(f, line->x[i]), place_y(f, line->y[i]));
        }
    }
    fputs("\n", out);
}

static int higher_first(const void *a, const void *b) {
    double x = ((const bnn_chart_label *)a)->y, y = ((const bnn_chart_label *)b)->y;
    return (x > y) - (x < y);
}

/* Apart, downwards, then back up where the room ends. */
static void spread(bnn_chart_label *labels, size_t n, double top, double bottom) {
    const double step = fmin(LABEL_STEP, (bottom - top) / (double)(n + 1));
    double room = bottom;
    for (size_t i = 0; i < n; i++) {
        labels[i].at = i ? fmax(labels[i].y, labels[i - 1].at + step) : labels[i].y;
    }
    for (size_t i = n; i-- > 0; room = labels[i].at - step) {
        labels[i].at = fmin(labels[i].at, room);
    }
}

void bnn_chart_labels(FILE *out, bnn_chart_label *labels, size_t n, double top, double bottom) {
    qsort(labels, n, sizeof *labels, higher_first);
    spread(labels, n, top, bottom);
    for (size_t i = 0; i < n; i++) {
        const bnn_chart_label *l = &labels[i];
        int moved = fabs(l->at - l->y) > 3.0;
        if (moved) {
            fprintf(out, "<path class=\"c%zu\" d=\"M%.1f %.1fL%.1f %.1f\"/>",
                    l->style % BNN_CHART_STYLES, l->x + 6, l->y, l->x + 17, l->at);
        }
        fprintf(out, "<text class=\"t\" x=\"%.1f\" y=\"%.1f\">", l->x + (moved ? 20 : 9),
                l->at + 4);
        bnn_html_text(out, l->name);
        fputs("</text>", out);
    }
    fputs("\n", out);
}

/* Names at the lines' ends. */
static void draw_labels(FILE *out, const frame *f, const bnn_chart_line *lines, size_t count) {
    bnn_chart_label labels[BNN_CHART_LABELS];
    size_t n = 0;
    for (size_t k = 0; k < count && n < BNN_CHART_LABELS; k++) {
        size_t last = lines[k].count;
        while (last > 0 && isnan(lines[k].y[last - 1])) {
            last--;
        }
        if (last > 0) {
            labels[n++] = (bnn_chart_label){lines[k].name, place_x(f, lines[k].x[last - 1]),
                                            place_y(f, lines[k].y[last - 1]), lines[k].style, 0.0};
        }
    }
    bnn_chart_labels(out, labels, n, TOP, HEIGHT - BOTTOM);
}

void bnn_chart_begin(FILE *out, int width, int height, const char *description) {
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", width, height);
    bnn_html_text(out, description);
    fputs("</title>\n", out);
}

void bnn_chart_lines(FILE *out, const char *title, const char *x_label, const char *description,
                     const double *range, const bnn_chart_line *lines, size_t count) {
    const frame f = range ? (frame){bnn_axis_fit(range[0], range[1], 8, 1),
                                    bnn_axis_fit(range[2], range[3], 5, 0)}
                          : fit_all(lines, count);
    fputs("<figure>", out);
    bnn_chart_begin(out, WIDTH, HEIGHT, description);
    fprintf(out, "<text class=\"t\" x=\"%d\" y=\"16\">", 4);
    bnn_html_text(out, title);
    fputs("</text>\n", out);
    draw_axes(out, &f, x_label);
    for (size_t k = 0; k < count; k++) {
        draw_line(out, &f, &lines[k]);
    }
    draw_labels(out, &f, lines, count);
    fputs("</svg></figure>\n", out);
}

void bnn_chart_key(FILE *out, size_t style) {
    const size_t s = style % BNN_CHART_STYLES;
    fprintf(out,
            "<svg viewBox=\"0 0 44 14\" aria-hidden=\"true\"><path class=\"l c%zu\" "
            "stroke-dasharray=\"%s\" d=\"M1 7H43\"/>",
            s, dashes[s]);
    bnn_chart_mark(out, s, 22, 7);
    fputs("</svg>", out);
}

/* ---- in cells of a table ------------------------------------------------------------------ */
void bnn_chart_bar(FILE *out, double percent) {
    fprintf(out,
            "<svg class=\"fill\" viewBox=\"0 0 100 14\" preserveAspectRatio=\"none\" "
            "aria-hidden=\"true\"><path class=\"g\" vector-effect=\"non-scaling-stroke\" "
            "d=\"M0 7H100\"/><rect class=\"bar\" width=\"%.2f\" height=\"14\"/></svg>",
            percent);
}

void bnn_chart_pair(FILE *out, double low, double high, double first, double second) {
    enum { LONG = 400, EDGE = 8 };
    const double scale = (LONG - 2 * EDGE) / (high > low ? high - low : 1.0);
    const double a = EDGE + (first - low) * scale, b = EDGE + (second - low) * scale;
    fprintf(out, "<svg class=\"pair\" viewBox=\"0 0 %d 16\" aria-hidden=\"true\">", LONG);
    fprintf(out, "<path class=\"g\" d=\"M0 8H%d\"/><path class=\"a\" d=\"M%.1f 1V15\"/>", LONG,
            EDGE - low * scale);
    fprintf(out, "<path class=\"a\" d=\"M%.1f 8H%.1f\"/>", a, b);
    bnn_chart_mark(out, 0, a, 8);
    bnn_chart_mark(out, 1, b, 8);
    fputs("</svg>", out);
}
