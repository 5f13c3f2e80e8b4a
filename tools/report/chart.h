/* Charts as inline SVG, coloured by the page's style. Lines differ in dash and mark, too, and carry
 * their names, so that no colour is needed to read them. */
#ifndef BNN_TOOLS_REPORT_CHART_H
#define BNN_TOOLS_REPORT_CHART_H

#include <stddef.h>
#include <stdio.h>

#define BNN_CHART_STYLES 8

typedef struct bnn_chart_line {
    const char *name; /* short: it stands at the line's end */
    const double *x;
    const double *y; /* [count]; NAN: no point there */
    size_t count;
    size_t style; /* any number; they repeat after BNN_CHART_STYLES */
} bnn_chart_line;

/* A figure. `description` is for those who cannot see it. */
void bnn_chart_lines(FILE *out, const char *title, const char *x_label, const char *description,
                     const bnn_chart_line *lines, size_t count);
/* A piece of line with its mark, for a legend. */
void bnn_chart_key(FILE *out, size_t style);
/* A bar of 0 to 100 percent, as wide as its cell. */
void bnn_chart_bar(FILE *out, double percent);
/* Two values between `low` <= 0 and `high`, marked in styles 0 and 1, and 0 itself. */
void bnn_chart_pair(FILE *out, double low, double high, double first, double second);

#endif
