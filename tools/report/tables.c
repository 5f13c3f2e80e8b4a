/* The report's tables of corruptions: of one run, of several side by side, and BiBench's metric. */
#include <math.h>
#include <string.h>

#include "tools/report/chart.h"
#include "tools/report/html.h"
#include "tools/report/internal.h"

/* ---- one run ------------------------------------------------------------------------------ */
static void range_of(const bnn_results *r, double *low, double *high) {
    *low = *high = r->metric[0];
    for (size_t i = 0; i < r->row_count; i++) {
        for (int s = 1; s <= BNN_SEVERITIES; s++) {
            double value = bnn_results_cell(&r->rows[i], s);
            *low = fmin(*low, value); /* both ignore NAN */
            *high = fmax(*high, value);
        }
    }
}

static void heat_rows(FILE *out, const bnn_results *r, double low, double high) {
    const double clean = r->metric[0];
    for (size_t i = 0; i < r->row_count; i++) {
        const bnn_corruption_result *row = &r->rows[i];
        const double mean = bnn_results_row_mean(r, row);
        fputs("<tr>", out);
        fputs("<th scope=\"row\">", out);
        bnn_html_text(out, bnn_corruption_names[row->kind]);
        fputs("</th>", out);
        for (int s = 1; s <= BNN_SEVERITIES; s++) {
            bnn_html_heat_cell(out, bnn_results_cell(row, s), low, high);
        }
        bnn_html_number_cell(out, mean, 2);
        bnn_html_number_cell(out, clean - mean, 2);
        fputs("</tr>\n", out);
    }
    const double mean = bnn_results_mean(r);
    fputs("<tr class=\"sum\"><th scope=\"row\">mean</th>", out);
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        double sum = 0.0;
        for (size_t i = 0; i < r->row_count; i++) {
            sum += bnn_results_cell(&r->rows[i], s + 1);
        }
        bnn_html_number_cell(out, sum / (double)r->row_count, 2);
    }
    bnn_html_number_cell(out, mean, 2);
    bnn_html_number_cell(out, clean - mean, 2);
    fputs("</tr>\n", out);
}

void bnn_report_heat_map(FILE *out, const bnn_report_run *run) {
    const bnn_results *r = &run->results;
    double low, high;
    range_of(r, &low, &high);
    fputs("<div class=\"wide\"><table class=\"heat\"><thead><tr><th>severity</th>", out);
    for (int s = 1; s <= BNN_SEVERITIES; s++) {
        fprintf(out, "<th scope=\"col\">%d</th>", s);
    }
    fputs("<th scope=\"col\">mean</th><th scope=\"col\">gap</th></tr></thead>\n<tbody>\n", out);
    heat_rows(out, r, low, high);
    fprintf(out,
            "</tbody></table></div>\n<p class=\"note\">Top-1 accuracy in percent, of %lld images; "
            "clean: %.2f. gap: clean minus mean. The shade goes from %.2f (faint) to %.2f "
            "(strong).</p>\n",
            (long long)r->samples, r->metric[0], low, high);
}

/* ---- several runs ------------------------------------------------------------------------- */
void bnn_report_run_columns(FILE *out, const bnn_report_run *runs, size_t count) {
    for (size_t k = 0; k < count; k++) {
        fprintf(out, "<th scope=\"col\">%zu ", k + 1);
        bnn_html_text(out, runs[k].config.algo);
        fputs("</th>", out);
    }
}

static void means_of_row(FILE *out, const bnn_report_run *runs, size_t count, int kind, double low,
                         double high) {
    for (size_t k = 0; k < count; k++) {
        const bnn_results *r = &runs[k].results;
        const bnn_corruption_result *row = bnn_results_row(r, kind);
        bnn_html_heat_cell(out, row ? bnn_results_row_mean(r, row) : NAN, low, high);
    }
}

void bnn_report_corruption_means(FILE *out, const bnn_report_run *runs, size_t count) {
    double low = 100.0, high = 0.0;
    int kinds[BNN_CORRUPTION_KINDS] = {0};
    for (size_t k = 0; k < count; k++) {
        const bnn_results *r = &runs[k].results;
        for (size_t i = 0; i < r->row_count; i++) {
            kinds[r->rows[i].kind] = 1;
            low = fmin(low, bnn_results_row_mean(r, &r->rows[i]));
            high = fmax(high, bnn_results_row_mean(r, &r->rows[i]));
        }
        high = r->row_count ? fmax(high, r->metric[0]) : high;
    }
    fputs("<div class=\"wide\"><table class=\"heat\"><thead><tr><th>run</th>", out);
    bnn_report_run_columns(out, runs, count);
    fputs("</tr></thead>\n<tbody>\n<tr><th scope=\"row\">clean</th>", out);
    for (size_t k = 0; k < count; k++) {
        const bnn_results *r = &runs[k].results;
        bnn_html_heat_cell(out, r->row_count ? r->metric[0] : NAN, low, high);
    }
    fputs("</tr>\n", out);
    for (int kind = 0; kind < BNN_CORRUPTION_KINDS; kind++) {
        if (kinds[kind]) {
            fprintf(out, "<tr><th scope=\"row\">%s</th>", bnn_corruption_names[kind]);
            means_of_row(out, runs, count, kind, low, high);
            fputs("</tr>\n", out);
        }
    }
    fprintf(out,
            "</tbody></table></div>\n<p class=\"note\">Top-1 accuracy in percent, mean over the "
            "severities. The shade goes from %.2f (faint) to %.2f (strong).</p>\n",
            low, high);
}

/* ---- the metric --------------------------------------------------------------------------- */
static void metric_rows(FILE *out, const bnn_robustness *r) {
    for (size_t k = 0; k < r->algorithm_count; k++) {
        const bnn_robust_algorithm *a = &r->algorithms[k];
        fputs("<tr><th scope=\"row\">", out);
        bnn_html_text(out, a->algo);
        fputs("</th><td class=\"t\">", out);
        bnn_html_text(out, a->data);
        fprintf(out, "</td><td>%zu</td>", a->architectures);
        bnn_html_number_cell(out, a->metric, 4);
        bnn_html_number_cell(out, a->metric_of_defined, 4);
        fprintf(out, "<td>%zu of %zu</td></tr>\n", a->defined, r->list.count);
    }
}

static void error_rows(FILE *out, const bnn_robustness *r) {
    for (size_t k = 0; k < r->run_count; k++) {
        const bnn_robust_run *run = &r->runs[k];
        if (!run->twin) {
            continue;
        }
        fputs("<tr><th scope=\"row\">", out);
        bnn_html_text(out, run->run->path);
        fputs("</th><td class=\"t\">", out);
        bnn_html_text(out, run->twin->run->path);
        fputs("</td>", out);
        bnn_html_number_cell(out, run->clean, 2);
        bnn_html_number_cell(out, run->twin->clean, 2);
        bnn_html_number_cell(out, run->mean_gap, 2);
        bnn_html_number_cell(out, run->twin->mean_gap, 2);
        bnn_html_number_cell(out, run->mean_error, 2);
        fputs("</tr>\n", out);
    }
}

static void gap_row(FILE *out, const char *name, const bnn_robust_algorithm *a, size_t i,
                    double low, double high) {
    fprintf(out, "<tr><th scope=\"row\">%s</th>", name);
    bnn_html_number_cell(out, a->gap[i], 2);
    bnn_html_number_cell(out, a->float_gap[i], 2);
    if (isnan(a->ratio[i])) {
        fputs("<td>a gap is not positive</td>", out);
    } else {
        bnn_html_number_cell(out, a->ratio[i], 3);
    }
    fputs("<td class=\"pair\">", out);
    bnn_chart_pair(out, low, high, a->gap[i], a->float_gap[i]);
    fputs("</td></tr>\n", out);
}

static void gap_table(FILE *out, const bnn_robustness *r, const bnn_robust_algorithm *a) {
    char heading[200];
    double low = 0.0, high = 0.0;
    for (size_t i = 0; i < r->list.count; i++) {
        low = fmin(low, fmin(a->gap[i], a->float_gap[i]));
        high = fmax(high, fmax(a->gap[i], a->float_gap[i]));
    }
    snprintf(heading, sizeof heading, "%.80s on %.80s: gaps by corruption", a->algo, a->data);
    bnn_html_element(out, "h3", heading);
    fputs("\n<div class=\"wide\"><table><thead><tr><th>corruption</th><th scope=\"col\">binary "
          "gap ",
          out);
    bnn_chart_key(out, 0);
    fputs("</th><th scope=\"col\">float gap ", out);
    bnn_chart_key(out, 1);
    fprintf(
        out,
        "</th><th scope=\"col\">float / binary</th><th class=\"t\" scope=\"col\">from %.2f to %.2f "
        "points</th></tr></thead>\n<tbody>\n",
        low, high);
    for (size_t i = 0; i < r->list.count; i++) {
        gap_row(out, bnn_corruption_names[r->list.kind[i]], a, i, low, high);
    }
    fputs("</tbody></table></div>\n", out);
}

void bnn_report_robustness(FILE *out, const bnn_robustness *r, const char *why_not) {
    bnn_html_section(
        out, "Robustness beside the float twin",
        r ? "BiBench's overall metric of an algorithm: the root of the mean square, over the "
            "corruptions, of float gap / binary gap, where a gap is clean accuracy minus accuracy "
            "on the corruption. Above 1, the binary network loses less than its float twin. "
            "Where the binary gap is not positive, or the float one is negative, the ratio says "
            "nothing, and there is no overall metric, only one over the other corruptions."
          : why_not);
    if (r) {
        fputs("<div class=\"wide\"><table><thead><tr><th>algorithm</th><th class=\"t\" "
              "scope=\"col\">data</th><th scope=\"col\">networks</th><th scope=\"col\">overall "
              "metric</th><th scope=\"col\">where defined</th><th scope=\"col\">defined in</th>"
              "</tr></thead>\n<tbody>\n",
              out);
        metric_rows(out, r);
        fputs("</tbody></table></div>\n<h3>Mean corruption error</h3>\n<p class=\"note\">The "
              "error on a corruption, summed over severities, divided by the twin's; the mean of "
              "these, in percent. The twin's own is 100.</p>\n<div class=\"wide\"><table><thead>"
              "<tr><th>binary run</th><th class=\"t\" scope=\"col\">float twin</th><th "
              "scope=\"col\">clean</th><th scope=\"col\">twin's</th><th scope=\"col\">mean gap"
              "</th><th scope=\"col\">twin's</th><th scope=\"col\">mean corruption error</th></tr>"
              "</thead>\n<tbody>\n",
              out);
        error_rows(out, r);
        fputs("</tbody></table></div>\n", out);
        for (size_t k = 0; k < r->algorithm_count; k++) {
            gap_table(out, r, &r->algorithms[k]);
        }
    }
    bnn_html_section_end(out);
}
