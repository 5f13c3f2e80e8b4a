/* The report's charts: what metrics.csv holds, of one run (training beside test) or of several (a
 * chart for each column). */
#include <stddef.h>
#include <stdio.h>
#include <math.h>

#include "tools/report/chart.h"
#include "tools/report/html.h"
#include "tools/report/internal.h"

/* Column `name` of the metrics; NAN where there is none. */
static double value_of(const bnn_metrics *m, size_t row, const char *name) {
    int column = bnn_metrics_column(m, name);
    return column < 0 ? NAN : m->value[row * m->columns + (size_t)column];
}

/* What one chart is of. The metric is the main one of those that are followed in training, too. */
typedef struct subject {
    char title[80];
    char training[80], test[80]; /* columns */
} subject;

static subject loss_of(void) {
    return (subject){"Loss", "train_loss", "test_loss"};
}

static subject metric_of(const bnn_report_run *run) {
    const bnn_metric *m = run->task->metrics, *shown = m;
    subject s;
    for (int i = 0; m[i].key && !shown->training; i++) {
        shown = &m[i];
    }
    snprintf(s.title, sizeof s.title, "%.40s %.20s", shown->name, shown->unit);
    snprintf(s.training, sizeof s.training, "train_%.40s", shown->key);
    snprintf(s.test, sizeof s.test, "test_%.40s", shown->key);
    return s;
}

/* 0 when memory is out. */
static int make_line(bnn_arena *arena, const bnn_metrics *m, const char *column, const char *name,
                     size_t style, bnn_chart_line *out) {
    double *x = bnn_arena_alloc(arena, (m->count + 1) * sizeof *x);
    double *y = bnn_arena_alloc(arena, (m->count + 1) * sizeof *y);
    for (size_t i = 0; x && y && i < m->count; i++) {
        x[i] = m->value[i * m->columns] + 1.0;
        y[i] = value_of(m, i, column);
    }
    *out = (bnn_chart_line){name, x, y, m->count, style};
    return x && y && name;
}

/* Two charts of two lines. */
static int draw_one(FILE *out, bnn_arena *arena, const bnn_report_run *run) {
    const subject subjects[2] = {loss_of(), metric_of(run)};
    for (size_t chart = 0; chart < 2; chart++) {
        const subject *s = &subjects[chart];
        bnn_chart_line lines[2];
        char text[240];
        if (!make_line(arena, &run->metrics, s->training, "train", 0, &lines[0]) ||
            !make_line(arena, &run->metrics, s->test, "test", 1, &lines[1])) {
            return 0;
        }
        const size_t last = run->metrics.count - 1;
        snprintf(text, sizeof text, "%.80s by epoch; after the last: training %.4g, test %.4g",
                 s->title, lines[0].y[last], lines[1].y[last]);
        bnn_chart_lines(out, s->title, "epoch", text, NULL, lines, 2);
    }
    return 1;
}

/* One chart of a column, a line a run. */
static int draw_column(FILE *out, bnn_arena *arena, const bnn_report_run *runs, size_t count,
                       const char *when, const char *title, const char *column) {
    char text[120];
    bnn_chart_line *lines = bnn_arena_alloc(arena, count * sizeof *lines);
    for (size_t i = 0; lines && i < count; i++) {
        const char *name = bnn_arena_format(arena, "%zu", i + 1);
        if (!make_line(arena, &runs[i].metrics, column, name, i, &lines[i])) {
            return 0;
        }
    }
    snprintf(text, sizeof text, "%.20s %.80s", when, title);
    if (lines) {
        bnn_chart_lines(out, text, "epoch", text, NULL, lines, count);
    }
    return lines != NULL;
}

/* The metric is that of the first run; runs of other tasks have no such line. */
static int draw_many(FILE *out, bnn_arena *arena, const bnn_report_run *runs, size_t count) {
    const subject subjects[2] = {loss_of(), metric_of(&runs[0])};
    int drawn = 1;
    for (size_t chart = 0; chart < 2 && drawn; chart++) {
        const subject *s = &subjects[chart];
        drawn = draw_column(out, arena, runs, count, "Training", s->title, s->training) &&
                draw_column(out, arena, runs, count, "Test", s->title, s->test);
    }
    return drawn;
}

bnn_code bnn_report_curves(FILE *out, const bnn_report_run *runs, size_t count, bnn_error *err) {
    size_t epochs = 0;
    for (size_t i = 0; i < count; i++) {
        epochs += runs[i].metrics.count;
    }
    bnn_html_section(out, "Training",
                     !epochs      ? "No epoch has been finished yet."
                     : count == 1 ? "Training values are means over the epoch, while the weights "
                                    "change; test values are of its end."
                                  : "Lines carry the runs' numbers.");
    bnn_arena *arena = bnn_arena_create();
    int drawn = arena != NULL;
    if (drawn && epochs) {
        fputs("<div class=\"charts\">\n", out);
        drawn = count == 1 ? draw_one(out, arena, runs) : draw_many(out, arena, runs, count);
        fputs("</div>\n", out);
    }
    bnn_arena_free(arena);
    bnn_html_section_end(out);
    return drawn ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the charts");
}

double bnn_report_best(const bnn_report_run *run) {
    const bnn_metrics *m = &run->metrics;
    return m->count ? m->value[m->count * m->columns - 1] : NAN; /* the last column */
}
