/* What the files of charts share: scales, marks, the frame of a picture. */
#ifndef BNN_TOOLS_REPORT_CHART_PARTS_H
#define BNN_TOOLS_REPORT_CHART_PARTS_H

#include "tools/report/chart.h"

typedef struct bnn_axis {
    double low, high, step;
} bnn_axis;

/* From `low` to `high` in about `wanted` steps that are round; `whole`: of whole numbers. */
bnn_axis bnn_axis_fit(double low, double high, int wanted, int whole);
/* How many, behind the first. */
int bnn_axis_ticks(const bnn_axis *a);

/* <svg>, with its description; the caller closes it. */
void bnn_chart_begin(FILE *out, int width, int height, const char *description);
/* class and dashes of a line of this style. */
void bnn_chart_line_attributes(size_t style, char text[120]);
#define BNN_CHART_LABELS 64

/* A name beside a point; one that has to move, as others are near, is led to. */
typedef struct bnn_chart_label {
    const char *name;
    double x, y; /* of the point */
    size_t style;
    double at; /* of the text, as y: set here */
} bnn_chart_label;
void bnn_chart_labels(FILE *out, bnn_chart_label *labels, size_t count, double top, double bottom);

void bnn_chart_mark(FILE *out, size_t style, double x, double y);

#endif
