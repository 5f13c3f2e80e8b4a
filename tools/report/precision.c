/* The report's curves of precision by recall, of networks that find boxes: a chart for each class
 * of which there is something. */
#include "tools/report/chart.h"
#include "tools/report/html.h"
#include "tools/report/internal.h"

enum { FEW = 24 }; /* charts that are shown without being asked for */

static void draw_class(FILE *out, const bnn_class_result *class, size_t style) {
    static const double whole[4] = {0.0, 100.0, 0.0, 100.0};
    double recall[BNN_CURVE_POINTS], precision[BNN_CURVE_POINTS];
    char title[120], text[200];
    for (int i = 0; i < BNN_CURVE_POINTS; i++) {
        recall[i] = i * 100.0 / (BNN_CURVE_POINTS - 1);
        precision[i] = class->curve[i] / 10.0;
    }
    const bnn_chart_line line = {"", recall, precision, BNN_CURVE_POINTS, style};
    snprintf(title, sizeof title, "%.80s, AP %.1f %%", class->name, class->value);
    snprintf(text, sizeof text, "%.110s: precision in percent, by recall in percent", title);
    bnn_chart_lines(out, title, "recall", text, whole, &line, 1);
}

void bnn_report_precision(FILE *out, const bnn_results *r) {
    size_t count = 0;
    for (size_t c = 0; c < r->class_count; c++) {
        count += r->classes[c].curve != NULL;
    }
    if (!count) {
        return;
    }
    bnn_html_section(
        out, "Precision by recall",
        "Of boxes that overlap with what is there by at least a half, from the surest "
        "on: what part of all that is there has been found, and what precision is left "
        "at that; both in percent.");
    if (count > FEW) {
        fprintf(out, "<details><summary>%zu classes</summary>\n", count);
    }
    fputs("<div class=\"charts\">\n", out);
    for (size_t c = 0; c < r->class_count; c++) {
        if (r->classes[c].curve) {
            draw_class(out, &r->classes[c], 0);
        }
    }
    fputs(count > FEW ? "</div></details>\n" : "</div>\n", out);
    bnn_html_section_end(out);
}
