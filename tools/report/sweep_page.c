#include "tools/report/sweep_page.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/base/file.h"
#include "tools/report/html.h"
#include "tools/run/run_data.h"
#include "tools/sweep/sweep.h"

const char *bnn_page_link_base(const char *page, const char *sweep, char base[PATH_MAX + 2]) {
    char room[PATH_MAX];
    const int beside = !strchr(page, '/') && sweep[0] != '/';
    snprintf(base, PATH_MAX + 2, "%s/", beside ? sweep : bnn_recorded_path(sweep, room));
    return base;
}

static const char *text_of(const json_t *cell, const char *key) {
    const char *text = json_string_value(json_object_get(cell, key));
    return text ? text : "";
}

static double number_of(const json_t *cell, const char *key) {
    return json_number_value(json_object_get(cell, key));
}

static void tile(FILE *out, size_t count, const char *what) {
    fprintf(out, "<div class=\"tile\"><b>%zu</b><span>", count);
    bnn_html_text(out, what);
    fputs("</span></div>\n", out);
}

static size_t count_of(const json_t *cells, const char *state) {
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(cells); i++) {
        count += strcmp(text_of(json_array_get(cells, i), "state"), state) == 0;
    }
    return count;
}

/* How far the training is. */
static void bar(FILE *out, double done, double all) {
    if (all <= 0.0) {
        fputs("<td></td>", out);
        return;
    }
    fprintf(out,
            "<td>%.0f/%.0f <svg viewBox=\"0 0 44 8\" aria-hidden=\"true\"><rect class=\"g\" "
            "fill=\"none\" width=\"44\" height=\"8\"/><rect class=\"bar\" width=\"%.1f\" "
            "height=\"8\"/></svg></td>",
            done, all, 44.0 * (done < all ? done / all : 1.0));
}

static void row(FILE *out, const json_t *cell, const char *base) {
    char link[PATH_MAX + 500], took[32], score[64] = "";
    const json_t *value = json_object_get(cell, "value");
    const double seconds = number_of(cell, "seconds");
    snprintf(link, sizeof link, "%s%.400s/", base, text_of(cell, "cell"));
    fputs("<tr><th>", out);
    bnn_html_link(out, link, text_of(cell, "cell"));
    fputs("</th>", out);
    fputs("<td class=\"t\">", out);
    bnn_html_text(out, text_of(cell, "state"));
    fputs("</td>", out);
    bar(out, number_of(cell, "epochs_done"), number_of(cell, "epochs"));
    if (json_is_number(value)) {
        snprintf(score, sizeof score, "%.20s %.4g", text_of(cell, "metric"),
                 json_number_value(value));
    }
    bnn_clock_text(seconds, took);
    fputs("<td>", out);
    bnn_html_text(out, score);
    fprintf(out, "</td><td>%s</td><td class=\"p\">", seconds > 0.0 ? took : "");
    bnn_html_text(out, text_of(cell, "message"));
    fputs("</td></tr>\n", out);
}

static void put_page(FILE *out, const json_t *status, const char *folder, const char *base,
                     int seconds) {
    static const char *const states[] = {"done", "runs", "waits", "FAILED", "blocked", "no data"};
    const json_t *cells = json_object_get(status, "cells");
    const char *title = text_of(status, "title");
    const int over = count_of(cells, "runs") + count_of(cells, "waits") == 0;
    char subtitle[400], when[64];
    const time_t now = time(NULL);
    struct tm parts;
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &parts));
    snprintf(subtitle, sizeof subtitle, "%.200s: %zu cells, as of %s%s", folder,
             json_array_size(cells), when, over ? "" : "; this page looks again by itself");
    bnn_html_begin_again(out, *title ? title : "A sweep", subtitle, over ? 0 : seconds);
    fputs("<div class=\"tiles\">\n", out);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        const size_t count = count_of(cells, states[i]);
        if (count || i == 0) {
            tile(out, count, states[i]);
        }
    }
    fputs("</div>\n", out);
    bnn_html_section(out, "Cells", NULL);
    fputs("<div class=\"wide\"><table><thead><tr><th>cell</th><th class=\"t\">state</th><th>epochs"
          "</th><th>score</th><th>time</th><th class=\"t\"></th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < json_array_size(cells); i++) {
        row(out, json_array_get(cells, i), base);
    }
    fputs("</tbody></table></div>\n", out);
    bnn_html_section_end(out);
    bnn_html_end(out);
}

bnn_code bnn_sweep_page(const json_t *status, const char *folder, const char *page, int seconds,
                        bnn_error *err) {
    char base[PATH_MAX + 2];
    bnn_atomic_file *file;
    bnn_code code = bnn_atomic_open(page, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    put_page(bnn_atomic_stream(file), status, folder, bnn_page_link_base(page, folder, base),
             seconds);
    return bnn_atomic_commit(file, err);
}
