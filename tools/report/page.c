#include "tools/report/page.h"

#include <math.h>
#include <string.h>

#include "tools/report/chart.h"
#include "tools/report/html.h"
#include "tools/report/internal.h"

/* ---- a run's facts ------------------------------------------------------------------------ */
static void fact(FILE *out, const char *name, const char *value) {
    fputs("<div>", out);
    bnn_html_element(out, "dt", name);
    bnn_html_element(out, "dd", value);
    fputs("</div>\n", out);
}

static void fact_number(FILE *out, const char *name, const char *format, double value) {
    char text[64];
    if (value >= 0.0) { /* neither NAN nor "not mentioned" */
        snprintf(text, sizeof text, format, value);
        fact(out, name, text);
    }
}

static void facts_of_results(FILE *out, const bnn_results *r) {
    char text[64];
    snprintf(text, sizeof text, "%s, checksum %.20s", r->packed ? "packed" : "checkpoint",
             r->checksum);
    fact(out, "evaluated", r->model);
    fact(out, "its file", text);
    fact(out, "evaluated on", r->isa);
    fact_number(out, "test samples evaluated", "%.0f", (double)r->samples);
}

static void facts(FILE *out, const bnn_report_run *run) {
    const bnn_run_config *c = &run->config;
    bnn_html_section(out, "The run", NULL);
    fputs("<dl class=\"facts\">\n", out);
    fact(out, "algorithm", c->algo);
    fact(out, "network", c->arch);
    fact(out, "data set", c->data);
    fact_number(out, "epochs planned", "%.0f", (double)c->epochs);
    fact_number(out, "epochs done", "%.0f", (double)run->metrics.count);
    fact_number(out, "training samples, the first", "%.0f", (double)c->limit_train);
    fact_number(out, "batch size", "%.0f", (double)c->batch_size);
    fact(out, "optimizer", c->optimizer ? c->optimizer : "not recorded");
    fact_number(out, "learning rate", "%g", c->lr);
    fact(out, "schedule", c->scheduler ? c->scheduler : "not recorded");
    fact_number(out, "seed", "%.0f", (double)c->seed);
    fact_number(out, "seconds a step (median)", "%.4f", run->step.median);
    const bnn_metric *m = &run->task->metrics[0];
    char best[80], value[64];
    if (!isnan(bnn_report_best(run))) { /* a correlation may be below zero */
        snprintf(best, sizeof best, "best test %.40s in training%s%.8s", m->title,
                 *m->unit ? ", " : "", m->unit);
        snprintf(value, sizeof value, "%.2f", bnn_report_best(run));
        fact(out, best, value);
    }
    if (run->evaluated) {
        facts_of_results(out, &run->results);
    }
    fputs("</dl>\n", out);
    bnn_html_section_end(out);
}

static void tile(FILE *out, const char *format, double value, const char *name) {
    char text[64];
    if (!isnan(value)) {
        snprintf(text, sizeof text, format, value);
        fputs("<div class=\"tile\">", out);
        bnn_html_element(out, "b", text);
        bnn_html_element(out, "span", name);
        fputs("</div>\n", out);
    }
}

static const char *format_of(const bnn_metric *m) {
    return *m->unit ? "%.2f%%" : "%.2f";
}

static void tiles(FILE *out, const bnn_report_run *run) {
    const bnn_results *r = &run->results;
    const bnn_metric *m = run->task->metrics;
    char best[80], name[80];
    snprintf(best, sizeof best, "best test %.40s in training", m->title);
    fputs("<div class=\"tiles\">\n", out);
    tile(out, format_of(m), bnn_report_best(run), best);
    tile(out, "%.4f s", run->step.median, "a training step");
    if (run->evaluated) {
        double clean = r->metric[0], mean = bnn_results_mean(r);
        snprintf(name, sizeof name, "%.40s%s", m->title, r->row_count ? ", clean images" : "");
        tile(out, format_of(m), clean, name);
        for (int i = 1; m[i].key && !r->row_count; i++) {
            tile(out, format_of(&m[i]), r->metric[i], m[i].title);
        }
        tile(out, "%.2f%%", mean, "accuracy, corrupted images");
        tile(out, "%.2f", clean - mean, "gap, points");
    }
    fputs("</div>\n", out);
}

/* ---- one run ------------------------------------------------------------------------------ */
static void classes(FILE *out, const bnn_report_run *run) {
    const bnn_results *r = &run->results;
    const bnn_metric *m = &r->task->metrics[r->task->grouped];
    char note[120];
    if (r->class_count == 0) {
        return;
    }
    snprintf(note, sizeof note, "%.20s of %lld clean test samples; all together: %.2f%%.", m->name,
             (long long)r->samples, r->metric[r->task->grouped]);
    bnn_html_section(out, "Per class", note);
    fprintf(out,
            "<div class=\"wide\"><table><thead><tr><th>class</th><th scope=\"col\">samples</th><th "
            "scope=\"col\">%s %%</th><th></th></tr></thead>\n<tbody>\n",
            m->name);
    for (size_t c = 0; c < r->class_count; c++) {
        const bnn_class_result *class = &r->classes[c];
        const double percent = class->value;
        fputs("<tr><th scope=\"row\">", out);
        bnn_html_text(out, class->name);
        fprintf(out, "</th><td>%lld</td>", (long long)class->samples);
        bnn_html_number_cell(out, percent, 2);
        fputs("<td class=\"fill\">", out);
        bnn_chart_bar(out, isnan(percent) ? 0.0 : percent);
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
    bnn_html_section_end(out);
}

/* Which classes are taken for which. */
static void confusion(FILE *out, const bnn_results *r) {
    int64_t most = 1;
    for (size_t i = 0; i < r->class_count * r->class_count; i++) {
        most = r->confusion[i] > most ? r->confusion[i] : most;
    }
    bnn_html_section(out, "Confusion", "A row a class, a column a prediction; counts of samples.");
    fputs("<div class=\"wide\"><table class=\"heat\"><thead><tr><th></th>", out);
    for (size_t p = 0; p < r->class_count; p++) {
        fputs("<th scope=\"col\">", out);
        bnn_html_text(out, r->classes[p].name);
        fputs("</th>", out);
    }
    fputs("</tr></thead>\n<tbody>\n", out);
    for (size_t c = 0; c < r->class_count; c++) {
        fputs("<tr><th scope=\"row\">", out);
        bnn_html_text(out, r->classes[c].name);
        fputs("</th>", out);
        for (size_t p = 0; p < r->class_count; p++) {
            bnn_html_heat_count(out, r->confusion[c * r->class_count + p], most);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
    bnn_html_section_end(out);
}

static void not_evaluated(FILE *out, const bnn_report_run *run) {
    bnn_html_section(out, "Not evaluated", NULL);
    fputs("<p>What each class comes to, and images when they are corrupted, is told by "
          "<code>bnn-eval ",
          out);
    bnn_html_text(out, run->path);
    fputs(bnn_report_run_has_corruptions(run) ? " --corruptions make</code>.</p>\n"
                                              : "</code>.</p>\n",
          out);
    bnn_html_section_end(out);
}

bnn_code bnn_report_page_run(FILE *out, const bnn_report_run *run, const bnn_robustness *robustness,
                             bnn_error *err) {
    char title[300];
    snprintf(title, sizeof title, "%.80s %.80s on %.80s", run->config.algo, run->config.arch,
             run->config.data);
    bnn_html_begin(out, title, run->path);
    tiles(out, run);
    bnn_code code = bnn_report_curves(out, run, 1, err);
    if (run->evaluated) {
        classes(out, run);
        if (run->results.confusion) {
            confusion(out, &run->results);
        }
        bnn_report_precision(out, &run->results);
        code = code == BNN_OK ? bnn_report_examples(out, &run->results, err) : code;
    } else {
        not_evaluated(out, run);
    }
    if (run->results.row_count) {
        bnn_html_section(out, "Accuracy on corruptions", NULL);
        bnn_report_heat_map(out, run);
        bnn_html_section_end(out);
    }
    if (robustness) {
        bnn_report_robustness(out, robustness, NULL);
    }
    facts(out, run);
    bnn_html_end(out);
    return code;
}

/* ---- several ------------------------------------------------------------------------------ */
static void text_cell(FILE *out, const char *text) {
    fputs("<td class=\"t\">", out);
    bnn_html_text(out, text);
    fputs("</td>", out);
}

static void run_row(FILE *out, const bnn_report_run *run, size_t number) {
    const bnn_run_config *c = &run->config;
    const bnn_results *r = &run->results;
    const double clean = run->evaluated ? r->metric[0] : NAN;
    fprintf(out, "<tr><td>%zu</td><td>", number + 1);
    bnn_chart_key(out, number);
    fputs("</td>", out);
    text_cell(out, c->algo);
    text_cell(out, c->arch);
    text_cell(out, c->data);
    fprintf(out, "<td>%zu", run->metrics.count);
    if (c->epochs >= 0) {
        fprintf(out, " of %lld", (long long)c->epochs);
    }
    fputs("</td>", out);
    bnn_html_number_cell(out, c->seed >= 0 ? (double)c->seed : NAN, 0);
    bnn_html_number_cell(out, run->step.median, 4);
    bnn_html_number_cell(out, bnn_report_best(run), 2);
    bnn_html_number_cell(out, clean, 2);
    bnn_html_number_cell(out, bnn_results_mean(r), 2);
    text_cell(out, run->evaluated ? r->isa : "-");
    fputs("<td class=\"p\">", out);
    bnn_html_text(out, run->path);
    fputs("</td></tr>\n", out);
}

static void run_table(FILE *out, const bnn_report_run *runs, size_t count) {
    static const char *const columns[] = {
        "",         "",          "algorithm", "network",   "data",         "epochs", "seed",
        "s a step", "best test", "clean",     "corrupted", "evaluated on", "folder"};
    bnn_html_section(out, "Runs",
                     "s a step: median of the training steps. best test: the main metric in "
                     "training, percent. clean and corrupted: the same of the evaluation.");
    fputs("<div class=\"wide\"><table><thead><tr>", out);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        const char *text = (i >= 2 && i <= 4) || i >= 11 ? " class=\"t\"" : "";
        fprintf(out, "<th scope=\"col\"%s>%s</th>", text, columns[i]);
    }
    fputs("</tr></thead>\n<tbody>\n", out);
    for (size_t i = 0; i < count; i++) {
        run_row(out, &runs[i], i);
    }
    fputs("</tbody></table></div>\n", out);
    bnn_html_section_end(out);
}

/* Of the runs on the data set of the first one that was evaluated on classes. */
static void class_table(FILE *out, const bnn_report_run *runs, size_t count) {
    const bnn_results *first = NULL;
    for (size_t k = 0; k < count && !first; k++) {
        first = runs[k].evaluated && runs[k].results.class_count ? &runs[k].results : NULL;
    }
    if (!first) {
        return;
    }
    bnn_html_section(out, "Per class", "Of the clean test samples, in percent, by run.");
    fputs("<div class=\"wide\"><table class=\"heat\"><thead><tr><th>class</th>", out);
    bnn_report_run_columns(out, runs, count);
    fputs("</tr></thead>\n<tbody>\n", out);
    for (size_t c = 0; c < first->class_count; c++) {
        fputs("<tr><th scope=\"row\">", out);
        bnn_html_text(out, first->classes[c].name);
        fputs("</th>", out);
        for (size_t k = 0; k < count; k++) {
            const bnn_results *r = &runs[k].results;
            int same = runs[k].evaluated && r->class_count == first->class_count &&
                       strcmp(r->data, first->data) == 0;
            bnn_html_heat_cell(out, same ? r->classes[c].value : NAN, 0.0, 100.0);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
    bnn_html_section_end(out);
}

static void corruptions(FILE *out, const bnn_report_run *runs, size_t count) {
    size_t evaluated = 0;
    for (size_t k = 0; k < count; k++) {
        evaluated += runs[k].results.row_count != 0;
    }
    if (!evaluated) {
        return;
    }
    bnn_html_section(out, "Accuracy on corruptions", NULL);
    bnn_report_corruption_means(out, runs, count);
    for (size_t k = 0; k < count; k++) {
        if (runs[k].results.row_count) {
            fprintf(out, "<details><summary>%zu: ", k + 1);
            bnn_html_text(out, runs[k].path);
            fputs(", every severity</summary>\n", out);
            bnn_report_heat_map(out, &runs[k]);
            fputs("</details>\n", out);
        }
    }
    bnn_html_section_end(out);
}

bnn_code bnn_report_page_compare(FILE *out, const bnn_report_run *runs, size_t count,
                                 const bnn_robustness *robustness, const char *why_not,
                                 bnn_error *err) {
    char title[64];
    snprintf(title, sizeof title, "%zu runs side by side", count);
    bnn_html_begin(out, title, "bnn-report " BNN_VERSION);
    run_table(out, runs, count);
    bnn_report_seeds(out, runs, count);
    bnn_code code = bnn_report_curves(out, runs, count, err);
    bnn_report_robustness(out, robustness, why_not);
    corruptions(out, runs, count);
    class_table(out, runs, count);
    bnn_html_end(out);
    return code;
}
