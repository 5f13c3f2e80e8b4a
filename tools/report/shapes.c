/* Charts that are not of lines over time. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report/chart_parts.h"
#include "tools/report/html.h"

#define PI 3.14159265358979323846

enum { WIDTH = 480, HEIGHT = 290, LEFT = 46, RIGHT = 16, TOP = 34, BOTTOM = 56 };

static void begin(FILE *out, int height, const char *title, const char *description) {
    fputs("<figure>", out);
    bnn_chart_begin(out, WIDTH, height, description);
    fputs("<text class=\"t\" x=\"4\" y=\"16\">", out);
    bnn_html_text(out, title);
    fputs("</text>\n", out);
}

static void end(FILE *out) {
    fputs("</svg></figure>\n", out);
}

static void text(FILE *out, double x, double y, const char *anchor, const char *what) {
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    bnn_html_text(out, what);
    fputs("</text>", out);
}

/* A name that leans, so that many fit side by side. */
static void leaning(FILE *out, double x, double y, const char *what) {
    fprintf(out, "<text transform=\"translate(%.1f %.1f) rotate(-35)\" text-anchor=\"end\">", x, y);
    bnn_html_text(out, what);
    fputs("</text>", out);
}

/* ---- radar --------------------------------------------------------------------------------- */
enum { RADAR = 340, MIDDLE_X = 240, MIDDLE_Y = 186, RADIUS = 126, RINGS = 4 };

typedef struct place {
    double x, y;
} place;

static place on_axis(size_t i, size_t axes, double value) {
    const double angle = 2.0 * PI * (double)i / (double)axes - PI / 2.0;
    return (place){MIDDLE_X + RADIUS * value * cos(angle), MIDDLE_Y + RADIUS * value * sin(angle)};
}

static void polygon(FILE *out, const char *attributes, size_t axes, const double *value,
                    double all) {
    fprintf(out, "<path %s d=\"", attributes);
    for (size_t i = 0; i < axes; i++) {
        const double v = value ? (isnan(value[i]) ? 0.0 : fmin(fmax(value[i], 0.0), 1.0)) : all;
        const place p = on_axis(i, axes, v);
        fprintf(out, "%s%.1f %.1f", i ? "L" : "M", p.x, p.y);
    }
    fputs("z\"/>", out);
}

void bnn_chart_radar(FILE *out, const char *title, const char *description, const char *const *axis,
                     size_t axes, const bnn_radar_line *lines, size_t count) {
    begin(out, RADAR, title, description);
    for (int ring = 1; ring <= RINGS; ring++) {
        polygon(out, "class=\"g\" fill=\"none\"", axes, NULL, (double)ring / RINGS);
    }
    for (size_t i = 0; i < axes; i++) {
        const place rim = on_axis(i, axes, 1.0), name = on_axis(i, axes, 1.12);
        const double side = name.x - MIDDLE_X;
        fprintf(out, "<path class=\"g\" d=\"M%d %dL%.1f %.1f\"/>", MIDDLE_X, MIDDLE_Y, rim.x,
                rim.y);
        text(out, name.x, name.y + 4,
             fabs(side) < 1.0 ? "middle"
             : side > 0.0     ? "start"
                              : "end",
             axis[i]);
    }
    fputs("\n", out);
    for (size_t k = 0; k < count; k++) {
        char attributes[120];
        bnn_chart_line_attributes(lines[k].style, attributes);
        polygon(out, attributes, axes, lines[k].value, 0.0);
        for (size_t i = 0; i < axes; i++) {
            const double v = lines[k].value[i];
            const place p = on_axis(i, axes, isnan(v) ? 0.0 : fmin(fmax(v, 0.0), 1.0));
            bnn_chart_mark(out, lines[k].style, p.x, p.y);
        }
        fputs("\n", out);
    }
    end(out);
}

/* ---- a scale to the left ------------------------------------------------------------------- */
static double place_y(const bnn_axis *a, double y) {
    return HEIGHT - BOTTOM - (y - a->low) / (a->high - a->low) * (HEIGHT - TOP - BOTTOM);
}

static void draw_scale(FILE *out, const bnn_axis *a) {
    const int digits = (int)fmin(fmax(-floor(log10(a->step) + 1e-9), 0.0), 6.0);
    for (int i = 0; i <= bnn_axis_ticks(a); i++) {
        const double y = a->low + i * a->step;
        char number[48];
        snprintf(number, sizeof number, "%.*f", digits, fabs(y) < 1e-6 * a->step ? 0.0 : y);
        fprintf(out, "<path class=\"g\" d=\"M%d %.1fH%d\"/>", LEFT, place_y(a, y), WIDTH - RIGHT);
        text(out, LEFT - 7, place_y(a, y) + 4, "end", number);
    }
    fputs("\n", out);
}

/* ---- boxes --------------------------------------------------------------------------------- */
static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values, between which it is linear. */
static double quantile(const double *value, size_t count, double part) {
    const double at = part * (double)(count - 1);
    const size_t low = (size_t)at, high = low + 1 < count ? low + 1 : low;
    return value[low] + (at - (double)low) * (value[high] - value[low]);
}

static void draw_box(FILE *out, const bnn_axis *a, const bnn_box *box, double x, double width) {
    double *sorted = malloc((box->count + 1) * sizeof *sorted);
    if (!sorted || !box->count) {
        free(sorted);
        return;
    }
    memcpy(sorted, box->value, box->count * sizeof *sorted);
    qsort(sorted, box->count, sizeof *sorted, ascending);
    const double least = place_y(a, sorted[0]), most = place_y(a, sorted[box->count - 1]);
    const double low = place_y(a, quantile(sorted, box->count, 0.25));
    const double high = place_y(a, quantile(sorted, box->count, 0.75));
    const double median = place_y(a, quantile(sorted, box->count, 0.5));
    fprintf(out, "<path class=\"a\" d=\"M%.1f %.1fV%.1f\"/>", x, least, most);
    fprintf(out,
            "<rect class=\"c%zu\" fill=\"var(--card)\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
            "height=\"%.1f\"/>",
            box->style % BNN_CHART_STYLES, x - width / 2.0, high, width, low - high);
    fprintf(out, "<path class=\"l c%zu\" d=\"M%.1f %.1fh%.1f\"/>", box->style % BNN_CHART_STYLES,
            x - width / 2.0, median, width);
    for (size_t i = 0; i < box->count; i++) {
        fprintf(out, "<circle class=\"f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"1.8\"/>",
                box->style % BNN_CHART_STYLES, x, place_y(a, sorted[i]));
    }
    fputs("\n", out);
    free(sorted);
}

void bnn_chart_boxes(FILE *out, const char *title, const char *description, const bnn_box *boxes,
                     size_t count) {
    double low = DBL_MAX, high = -DBL_MAX;
    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < boxes[k].count; i++) {
            low = fmin(low, boxes[k].value[i]);
            high = fmax(high, boxes[k].value[i]);
        }
    }
    const bnn_axis a = bnn_axis_fit(low, high, 5, 0);
    const double each = (double)(WIDTH - LEFT - RIGHT) / (double)(count ? count : 1);
    begin(out, HEIGHT, title, description);
    draw_scale(out, &a);
    for (size_t k = 0; k < count; k++) {
        const double x = LEFT + each * ((double)k + 0.5);
        draw_box(out, &a, &boxes[k], x, fmin(0.6 * each, 34.0));
        leaning(out, x + 6, HEIGHT - BOTTOM + 16, boxes[k].name);
    }
    end(out);
}

/* ---- bars ---------------------------------------------------------------------------------- */
void bnn_chart_bars(FILE *out, const char *title, const char *description, const char *const *group,
                    size_t groups, const char *const *name, size_t names, const double *value) {
    double low = 0.0, high = 0.0;
    for (size_t i = 0; i < groups * names; i++) {
        low = fmin(low, value[i]); /* both ignore NAN */
        high = fmax(high, value[i]);
    }
    const bnn_axis a = bnn_axis_fit(low, high, 5, 0);
    const double each = (double)(WIDTH - LEFT - RIGHT) / (double)(groups ? groups : 1);
    const double width = 0.84 * each / (double)(names ? names : 1);
    begin(out, HEIGHT, title, description);
    draw_scale(out, &a);
    for (size_t g = 0; g < groups; g++) {
        const double left = LEFT + each * (double)g;
        for (size_t k = 0; k < names; k++) {
            const double v = value[g * names + k], zero = place_y(&a, 0.0);
            if (isnan(v)) {
                continue;
            }
            const double at = place_y(&a, v);
            fprintf(out,
                    "<rect class=\"f%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">",
                    k % BNN_CHART_STYLES, left + 0.08 * each + width * (double)k, fmin(at, zero),
                    0.9 * width, fabs(zero - at));
            fputs("<title>", out);
            bnn_html_text(out, name[k]);
            fprintf(out, " %.4g</title></rect>", v);
        }
        leaning(out, left + each / 2.0 + 6, HEIGHT - BOTTOM + 16, group[g]);
        fputs("\n", out);
    }
    end(out);
}

/* ---- points -------------------------------------------------------------------------------- */
/* Powers of ten, and their halves and doubles where there is room. */
static void draw_powers(FILE *out, double low, double high, const char *x_label) {
    static const double parts[] = {1.0, 2.0, 5.0};
    const double bottom = HEIGHT - BOTTOM, decades = high - low;
    for (int power = (int)floor(low); power <= (int)floor(high); power++) {
        for (int i = 0; i < (decades < 2.5 ? 3 : 1); i++) {
            const double x = (double)power + log10(parts[i]);
            const double at = LEFT + (x - low) / decades * (WIDTH - LEFT - 2 * RIGHT - 90);
            char number[48];
            snprintf(number, sizeof number, "%g", pow(10.0, power) * parts[i]);
            if (x >= low - 1e-9 && x <= high + 1e-9) {
                fprintf(out, "<path class=\"a\" d=\"M%.1f %.1fv4\"/>", at, bottom);
                text(out, at, bottom + 17, "middle", number);
            }
        }
    }
    text(out, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 18, "middle", x_label);
    fputs("\n", out);
}

void bnn_chart_points(FILE *out, const char *title, const char *x_label, const char *description,
                      const bnn_chart_point *points, size_t count) {
    double x[2] = {DBL_MAX, -DBL_MAX}, y[2] = {DBL_MAX, -DBL_MAX};
    bnn_chart_label label[BNN_CHART_LABELS];
    size_t labels = 0;
    for (size_t i = 0; i < count; i++) {
        if (points[i].x > 0.0 && !isnan(points[i].y)) {
            x[0] = fmin(x[0], log10(points[i].x));
            x[1] = fmax(x[1], log10(points[i].x));
            y[0] = fmin(y[0], points[i].y);
            y[1] = fmax(y[1], points[i].y);
        }
    }
    if (x[0] > x[1]) {
        return; /* there is nothing to show */
    }
    const double low = x[0] - 0.1, high = x[1] + 0.1;
    const bnn_axis a = bnn_axis_fit(y[0], y[1], 5, 0);
    begin(out, HEIGHT, title, description);
    draw_scale(out, &a);
    draw_powers(out, low, high, x_label);
    for (size_t i = 0; i < count; i++) {
        if (points[i].x > 0.0 && !isnan(points[i].y)) {
            const double at =
                LEFT + (log10(points[i].x) - low) / (high - low) * (WIDTH - LEFT - 2 * RIGHT - 90);
            bnn_chart_mark(out, points[i].style, at, place_y(&a, points[i].y));
            if (labels < BNN_CHART_LABELS) {
                label[labels++] = (bnn_chart_label){points[i].name, at, place_y(&a, points[i].y),
                                                    points[i].style, 0.0};
            }
        }
    }
    bnn_chart_labels(out, label, labels, TOP, HEIGHT - BOTTOM);
    end(out);
}
