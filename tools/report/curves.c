/* The report's charts: what metrics.csv holds, of one run (training beside test) or of several (a
 * chart for each column). */
#include <stddef.h>
#include <stdio.h>
#include <math.h>

#include "tools/report/chart.h"
#include "tools/report/html.h"
#include "tools/report/internal.h"

typedef struct column {
    const char *title, *name;
    size_t offset; /* in a bnn_epoch_record */
} column;

static const column columns[] = {
    {"Training loss", "train", offsetof(bnn_epoch_record, train_loss)},
    {"Test loss", "test", offsetof(bnn_epoch_record, test_loss)},
    {"Training accuracy, top-1 %", "train", offsetof(bnn_epoch_record, train_top1)},
    {"Test accuracy, top-1 %", "test", offsetof(bnn_epoch_record, test_top1)}};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static double value_of(const bnn_epoch_record *row, const column *c) {
    return *(const double *)((const char *)row + c->offset);
}

/* 0 when memory is out. */
static int make_line(bnn_arena *arena, const bnn_metrics *m, const column *c, const char *name,
                     size_t style, bnn_chart_line *out) {
    double *x = bnn_arena_alloc(arena, (m->count + 1) * sizeof *x);
    double *y = bnn_arena_alloc(arena, (m->count + 1) * sizeof *y);
    for (size_t i = 0; x && y && i < m->count; i++) {
        x[i] = (double)m->epoch[i].epoch + 1.0;
        y[i] = value_of(&m->epoch[i], c);
    }
    *out = (bnn_chart_line){name, x, y, m->count, style};
    return x && y && name;
}

/* Two charts of two lines. */
static int draw_one(FILE *out, bnn_arena *arena, const bnn_report_run *run) {
    static const char *const titles[] = {"Loss", "Accuracy, top-1 %"};
    for (size_t chart = 0; chart < 2; chart++) {
        bnn_chart_line lines[2];
        char text[200];
        const column *c = &columns[2 * chart];
        if (!make_line(arena, &run->metrics, &c[0], c[0].name, 0, &lines[0]) ||
            !make_line(arena, &run->metrics, &c[1], c[1].name, 1, &lines[1])) {
            return 0;
        }
        const size_t last = run->metrics.count - 1;
        snprintf(text, sizeof text, "%s by epoch; after the last: training %.4g, test %.4g",
                 titles[chart], lines[0].y[last], lines[1].y[last]);
        bnn_chart_lines(out, titles[chart], "epoch", text, lines, 2);
    }
    return 1;
}

static int draw_many(FILE *out, bnn_arena *arena, const bnn_report_run *runs, size_t count) {
    for (size_t k = 0; k < COLUMNS; k++) {
        bnn_chart_line *lines = bnn_arena_alloc(arena, count * sizeof *lines);
        for (size_t i = 0; lines && i < count; i++) {
            const char *name = bnn_arena_format(arena, "%zu", i + 1);
            if (!make_line(arena, &runs[i].metrics, &columns[k], name, i, &lines[i])) {
                return 0;
            }
        }
        if (!lines) {
            return 0;
        }
        bnn_chart_lines(out, columns[k].title, "epoch", columns[k].title, lines, count);
    }
    return 1;
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
    return run->metrics.count ? run->metrics.epoch[run->metrics.count - 1].best_top1 : NAN;
}
