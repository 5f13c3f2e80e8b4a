/* Runs that differ by nothing but their seed: what they come to on average, and how sure that is.
 */
#include <math.h>
#include <string.h>

#include "tools/report/html.h"
#include "tools/report/internal.h"
#include "tools/tracks/tracks.h"

static int same_but_seed(const bnn_run_config *a, const bnn_run_config *b) {
    return strcmp(a->but_seed, b->but_seed) == 0;
}

/* Those like run `first`, each seed once: the numbers of them that are known. */
typedef struct seeds {
    size_t runs, best_count, clean_count, step_count;
    int64_t samples; /* of the first that was evaluated */
    double best[BNN_MAX_RUNS], clean[BNN_MAX_RUNS], step[BNN_MAX_RUNS];
} seeds;

static void add(double value, double *list, size_t *count) {
    if (!isnan(value)) {
        list[(*count)++] = value;
    }
}

static int seed_is_there(const bnn_report_run *runs, size_t first, size_t k) {
    for (size_t i = first; i < k; i++) {
        if (same_but_seed(&runs[i].config, &runs[k].config) &&
            runs[i].config.seed == runs[k].config.seed) {
            return 1;
        }
    }
    return 0;
}

static seeds gather(const bnn_report_run *runs, size_t count, size_t first) {
    seeds s = {0};
    int apart = 0;
    for (size_t k = first; k < count && s.runs < BNN_MAX_RUNS; k++) {
        if (!same_but_seed(&runs[k].config, &runs[first].config) || seed_is_there(runs, first, k)) {
            continue;
        }
        s.runs++;
        add(bnn_report_best(&runs[k]), s.best, &s.best_count);
        if (runs[k].evaluated) {
            s.samples = s.samples ? s.samples : runs[k].results.samples;
            apart |= s.samples != runs[k].results.samples;
            add(runs[k].results.metric[0], s.clean, &s.clean_count);
        }
        add(runs[k].step.median, s.step, &s.step_count);
    }
    s.clean_count = apart ? 0 : s.clean_count;
    return s;
}

static int begins(const bnn_report_run *runs, size_t k) {
    for (size_t i = 0; i < k; i++) {
        if (same_but_seed(&runs[i].config, &runs[k].config)) {
            return 0;
        }
    }
    return 1;
}

/* "71.20 ± 0.31", of one run without the interval. */
static void interval_cell(FILE *out, const double *value, size_t count, int digits) {
    const double half = bnn_confidence(value, count);
    if (!count) {
        fputs("<td>-</td>", out);
    } else if (isnan(half)) {
        fprintf(out, "<td>%.*f</td>", digits, bnn_mean(value, count));
    } else {
        fprintf(out, "<td>%.*f \302\261 %.*f</td>", digits, bnn_mean(value, count), digits, half);
    }
}

static void row(FILE *out, const bnn_run_config *c, const seeds *s) {
    const char *const texts[] = {c->algo, c->arch, c->data};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        fputs(i ? "<td class=\"t\">" : "<tr><th scope=\"row\">", out);
        bnn_html_text(out, texts[i]);
        fputs(i ? "</td>" : "</th>", out);
    }
    fprintf(out, "<td>%zu</td>", s->runs);
    interval_cell(out, s->best, s->best_count, 2);
    interval_cell(out, s->clean, s->clean_count, 2);
    interval_cell(out, s->step, s->step_count, 4);
    fputs("</tr>\n", out);
}

void bnn_report_seeds(FILE *out, const bnn_report_run *runs, size_t count) {
    size_t most = 0;
    for (size_t k = 0; k < count; k++) {
        const seeds s = gather(runs, count, k);
        most = s.runs > most ? s.runs : most;
    }
    if (most < 2) {
        return;
    }
    bnn_html_section(out, "Over seeds",
                     "Of runs that differ by nothing but their seed, the mean, and the interval "
                     "that holds the mean of all seeds with 95 % confidence (Student's t). No "
                     "mean of what was evaluated on different numbers of samples.");
    fputs("<div class=\"wide\"><table><thead><tr><th>algorithm</th><th class=\"t\" scope=\"col\">"
          "network</th><th class=\"t\" scope=\"col\">data</th><th scope=\"col\">seeds</th><th "
          "scope=\"col\">best test</th><th scope=\"col\">clean</th><th scope=\"col\">s a step"
          "</th></tr></thead>\n<tbody>\n",
          out);
    for (size_t k = 0; k < count; k++) {
        if (begins(runs, k)) {
            const seeds s = gather(runs, count, k);
            row(out, &runs[k].config, &s);
        }
    }
    fputs("</tbody></table></div>\n", out);
    bnn_html_section_end(out);
}
