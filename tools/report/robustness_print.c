/* The robustness track as text and as JSON. */
#include <math.h>
#include <string.h>

#include "tools/report/robustness.h"
#include "tools/cli/json_file.h"
#include "tools/cli/utf8.h"

/* ---- text --------------------------------------------------------------------------------- */
static void put(FILE *out, int width, int digits, double value) {
    if (isnan(value)) {
        fprintf(out, " %*s", width, "-");
    } else {
        fprintf(out, " %*.*f", width, digits, value);
    }
}

static void print_severities(FILE *out) {
    for (int s = 1; s <= BNN_SEVERITIES; s++) {
        fprintf(out, " %6d", s);
    }
    fprintf(out, " %7s", "mean");
}

static void print_run(const bnn_robustness *r, const bnn_robust_run *run, FILE *out) {
    const bnn_run_config *c = &run->run->config;
    const bnn_results *results = &run->run->results;
    fprintf(out, "%s: %s, %s on %s, %lld images, clean top-1 %.2f%%%s%s\n", run->run->path, c->algo,
            c->arch, c->data, (long long)results->samples, run->clean,
            run->twin ? "; its float twin: " : "", run->twin ? run->twin->run->path : "");
    fprintf(out, "%-18s %20s %20s %21s\n", "", "top-1 %", "", "gap to clean");
    fprintf(out, "%-18s", "corruption");
    print_severities(out);
    print_severities(out);
    fprintf(out, "%s\n", run->twin ? "   float   ratio   error" : "");
    for (size_t i = 0; i < r->list.count; i++) {
        const bnn_corruption_result *row = bnn_results_row(results, r->list.kind[i]);
        double ratio = run->twin ? bnn_gap_ratio(run->twin->gap[i], run->gap[i]) : NAN;
        fprintf(out, "%-18s", bnn_corruption_names[row->kind]);
        for (int s = 1; s <= BNN_SEVERITIES; s++) {
            put(out, 6, 2, bnn_results_cell(row, s));
        }
        put(out, 7, 2, run->clean - run->gap[i]);
        for (int s = 1; s <= BNN_SEVERITIES; s++) {
            put(out, 6, 2, run->clean - bnn_results_cell(row, s));
        }
        put(out, 7, 2, run->gap[i]);
        if (run->twin) {
            put(out, 7, 2, run->twin->gap[i]);
            put(out, 7, 3, ratio);
            put(out, 7, 1, run->error[i]);
        }
        fprintf(out, "%s\n", run->twin && isnan(ratio) ? "  (a gap is not positive)" : "");
    }
    fprintf(out, "%-18s %42.2f %42.2f", "mean", run->clean - run->mean_gap, run->mean_gap);
    if (run->twin) {
        put(out, 7, 2, run->twin->mean_gap);
        fprintf(out, " %7s", "");
        put(out, 7, 1, run->mean_error);
    }
    fprintf(out, "\n\n");
}

static void print_algorithm(const bnn_robustness *r, const bnn_robust_algorithm *a, FILE *out) {
    const size_t all = r->list.count;
    fprintf(out, "%-10s on %-14s %3zu %s", a->algo, a->data, a->architectures,
            a->architectures == 1 ? "network   overall metric" : "networks  overall metric");
    put(out, 7, 4, a->metric);
    if (a->defined < all) {
        fprintf(out, "  (over %zu of %zu corruptions:", a->defined, all);
        put(out, 0, 4, a->metric_of_defined);
        fprintf(out, "; a gap is not positive in");
        for (size_t i = 0; i < all; i++) {
            if (isnan(a->ratio[i])) {
                fprintf(out, " %s", bnn_corruption_names[r->list.kind[i]]);
            }
        }
        fprintf(out, ")");
    }
    fprintf(out, "\n");
}

void bnn_robustness_print(const bnn_robustness *r, FILE *out) {
    for (size_t i = 0; i < r->run_count; i++) {
        print_run(r, &r->runs[i], out);
    }
    fprintf(out,
            "BiBench's robustness, %zu corruptions: root of the mean square of float gap / binary "
            "gap; above 1\nthe binary network loses less than its float twin. error: mean "
            "corruption error, the twin's is 100.\n",
            r->list.count);
    for (size_t i = 0; i < r->algorithm_count; i++) {
        print_algorithm(r, &r->algorithms[i], out);
    }
}

/* ---- JSON --------------------------------------------------------------------------------- */
static json_t *run_rows(const bnn_robustness *r, const bnn_robust_run *run) {
    json_t *rows = json_array();
    for (size_t i = 0; i < r->list.count; i++) {
        const bnn_corruption_result *row = bnn_results_row(&run->run->results, r->list.kind[i]);
        json_t *top1 = json_array(), *gap = json_array();
        for (int s = 1; s <= BNN_SEVERITIES; s++) {
            json_array_append_new(top1, bnn_json_number(bnn_results_cell(row, s)));
            json_array_append_new(gap, bnn_json_number(run->clean - bnn_results_cell(row, s)));
        }
        json_array_append_new(rows,
                              json_pack("{s:s, s:o, s:o, s:f, s:f, s:o}", "corruption",
                                        bnn_corruption_names[row->kind], "top1", top1, "gap", gap,
                                        "mean_top1", run->clean - run->gap[i], "mean_gap",
                                        run->gap[i], "error", bnn_json_number(run->error[i])));
    }
    return rows;
}

static json_t *run_json(const bnn_robustness *r, const bnn_robust_run *run) {
    const bnn_run_config *c = &run->run->config;
    return json_pack("{s:o, s:s, s:s, s:s, s:o?, s:I, s:f, s:f, s:o, s:o}", "run",
                     bnn_utf8_json(run->run->path), "algo", c->algo, "arch", c->arch, "data",
                     c->data, "twin", bnn_utf8_json(run->twin ? run->twin->run->path : NULL),
                     "images", (json_int_t)run->run->results.samples, "clean", run->clean,
                     "mean_gap", run->mean_gap, "mean_error", bnn_json_number(run->mean_error),
                     "rows", run_rows(r, run));
}

static json_t *algorithm_json(const bnn_robustness *r, const bnn_robust_algorithm *a) {
    json_t *rows = json_array(), *undefined = json_array();
    for (size_t i = 0; i < r->list.count; i++) {
        const char *name = bnn_corruption_names[r->list.kind[i]];
        json_array_append_new(rows, json_pack("{s:s, s:f, s:f, s:o}", "corruption", name, "gap",
                                              a->gap[i], "float_gap", a->float_gap[i], "ratio",
                                              bnn_json_number(a->ratio[i])));
        if (isnan(a->ratio[i])) {
            json_array_append_new(undefined, json_string(name));
        }
    }
    return json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o}", "algo", a->algo, "data", a->data,
                     "architectures", (json_int_t)a->architectures, "metric",
                     bnn_json_number(a->metric), "metric_of_defined",
                     bnn_json_number(a->metric_of_defined), "undefined", undefined, "rows", rows);
}

json_t *bnn_robustness_json(const bnn_robustness *r) {
    json_t *runs = json_array(), *algorithms = json_array();
    for (size_t i = 0; i < r->run_count; i++) {
        json_array_append_new(runs, run_json(r, &r->runs[i]));
    }
    for (size_t i = 0; i < r->algorithm_count; i++) {
        json_array_append_new(algorithms, algorithm_json(r, &r->algorithms[i]));
    }
    return json_pack("{s:I, s:o, s:o}", "corruptions", (json_int_t)r->list.count, "algorithms",
                     algorithms, "runs", runs);
}
