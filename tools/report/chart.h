/* Charts as inline SVG, coloured by the page's style. Lines differ in dash and mark, too, and carry
 * their names, so that no colour is needed to read them. */
#ifndef BNN_TOOLS_REPORT_CHART_H
#define BNN_TOOLS_REPORT_CHART_H

#include <stddef.h>
#include <stdio.h>

#define BNN_CHART_STYLES 9

typedef struct bnn_chart_line {
    const char *name; /* short: it stands at the line's end */
    const double *x;
    const double *y; /* [count]; NAN: no point there */
    size_t count;
    size_t style; /* any number; they repeat after BNN_CHART_STYLES */
} bnn_chart_line;

/* A figure. `description` is for those who cannot see it. range: from where to where x goes, then
 * y; NULL: as the lines do. */
void bnn_chart_lines(FILE *out, const char *title, const char *x_label, const char *description,
                     const double *range, const bnn_chart_line *lines, size_t count);

/* BiBench's picture: an axis for each track, from the middle (0) to the rim (1), a line for each
 * algorithm; NAN: not known, drawn as 0. */
typedef struct bnn_radar_line {
    const char *name;
    const double *value; /* [axes] */
    size_t style;
} bnn_radar_line;
void bnn_chart_radar(FILE *out, const char *title, const char *description, const char *const *axis,
                     size_t axes, const bnn_radar_line *lines, size_t count);

/* A box a name: quartiles, the median, the least and the most, and each value. */
typedef struct bnn_box {
    const char *name;
    const double *value;
    size_t count, style;
} bnn_box;
void bnn_chart_boxes(FILE *out, const char *title, const char *description, const bnn_box *boxes,
                     size_t count);

/* Bars from 0 on, side by side in groups: value[group * names + name]; NAN: none. */
void bnn_chart_bars(FILE *out, const char *title, const char *description, const char *const *group,
                    size_t groups, const char *const *name, size_t names, const double *value);

/* Points that carry their names; x on a logarithmic scale. */
typedef struct bnn_chart_point {
    const char *name;
    double x, y;
    size_t style;
} bnn_chart_point;
void bnn_chart_points(FILE *out, const char *title, const char *x_label, const char *description,
                      const bnn_chart_point *points, size_t count);

/* A piece of line with its mark, for a legend. */
void bnn_chart_key(FILE *out, size_t style);
/* A bar of 0 to 100 percent, as wide as its cell. */
void bnn_chart_bar(FILE *out, double percent);
/* Two values between `low` <= 0 and `high`, marked in styles 0 and 1, and 0 itself. */
void bnn_chart_pair(FILE *out, double low, double high, double first, double second);

#endif
