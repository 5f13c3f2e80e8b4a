#include "tools/report/robustness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "models/model.h"

/* ---- may they be compared? ---------------------------------------------------------------- */
static int same_config(const bnn_report_run *a, const bnn_report_run *b, int with_algo) {
    return strcmp(a->config.arch, b->config.arch) == 0 &&
           strcmp(a->config.data, b->config.data) == 0 &&
           (!with_algo || strcmp(a->config.algo, b->config.algo) == 0);
}

static bnn_code differ(const bnn_report_run *a, const bnn_report_run *b, const char *what,
                       const char *of_a, const char *of_b, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_ARGUMENT,
                    "%s and %s do not compare: %s of the one %.60s, of the other %.60s; "
                    "evaluate both with the same options of bnn-eval",
                    a->path, b->path, what, of_a, of_b);
}

static bnn_code differ_in_count(const bnn_report_run *a, const bnn_report_run *b, const char *what,
                                int64_t of_a, int64_t of_b, bnn_error *err) {
    char text_a[24], text_b[24];
    snprintf(text_a, sizeof text_a, "%lld", (long long)of_a);
    snprintf(text_b, sizeof text_b, "%lld", (long long)of_b);
    return differ(a, b, what, text_a, text_b, err);
}

/* The same images, as far as the results tell. */
static bnn_code check_images(const bnn_report_run *a, const bnn_report_run *b,
                             const bnn_corruption_list *list, bnn_error *err) {
    const bnn_results *x = &a->results, *y = &b->results;
    if (strcmp(x->data, y->data) != 0) {
        return differ(a, b, "the data set", x->data, y->data, err);
    }
    if (x->samples != y->samples) {
        return differ_in_count(a, b, "the images", x->samples, y->samples, err);
    }
    for (int s = 0; s < BNN_SEVERITIES; s++) {
        if (x->wanted[s] != y->wanted[s]) {
            char what[32];
            snprintf(what, sizeof what, "severity %d", s + 1);
            return differ(a, b, what, x->wanted[s] ? "is there" : "is missing",
                          y->wanted[s] ? "is there" : "is missing", err);
        }
    }
    for (size_t i = 0; i < list->count; i++) {
        const char *name = bnn_corruption_names[list->kind[i]];
        const bnn_corruption_result *of_x = bnn_results_row(x, list->kind[i]);
        const bnn_corruption_result *of_y = bnn_results_row(y, list->kind[i]);
        if (strcmp(of_x->source, of_y->source) != 0) {
            return differ(a, b, name, of_x->source, of_y->source, err);
        }
        if (of_x->images != of_y->images) {
            return differ_in_count(a, b, name, of_x->images, of_y->images, err);
        }
    }
    return BNN_OK;
}

static bnn_code check_runs(const bnn_report_run *runs, size_t count,
                           const bnn_corruption_list *list, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < count && code == BNN_OK; i++) {
        code = bnn_report_run_need(&runs[i], list, err);
        for (size_t j = 0; j < i && code == BNN_OK; j++) {
            if (same_config(&runs[i], &runs[j], 1)) {
                return bnn_fail(err, BNN_ERR_ARGUMENT,
                                "%s and %s are both %.40s %.40s on %.40s; name one of them",
                                runs[j].path, runs[i].path, runs[i].config.algo,
                                runs[i].config.arch, runs[i].config.data);
            }
            if (strcmp(runs[i].config.data, runs[j].config.data) == 0) {
                code = check_images(&runs[j], &runs[i], list, err);
            }
        }
    }
    return code;
}

static bnn_code find_twins(bnn_robustness *r, bnn_error *err) {
    size_t binary = 0;
    for (size_t i = 0; i < r->run_count; i++) {
        const bnn_report_run *run = r->runs[i].run;
        if (bnn_report_run_is_float(run)) {
            continue;
        }
        binary++;
        for (size_t j = 0; j < r->run_count; j++) {
            const bnn_report_run *other = r->runs[j].run;
            if (bnn_report_run_is_float(other) && same_config(run, other, 0)) {
                r->runs[i].twin = &r->runs[j];
            }
        }
        if (!r->runs[i].twin) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "%s has no float twin among the runs; train one (bnn-train "
                            "--algo " BNN_FLOAT_ALGORITHM
                            " --arch %.40s --data %.40s), evaluate it, and "
                            "name its folder",
                            run->path, run->config.arch, run->config.data);
        }
    }
    return binary ? BNN_OK
                  : bnn_fail(err, BNN_ERR_ARGUMENT,
                             "no binary network among the runs: nothing to compare");
}

/* ---- the numbers -------------------------------------------------------------------------- */
static void measure(const bnn_corruption_list *list, bnn_robust_run *out) {
    const bnn_results *r = &out->run->results;
    double sum = 0.0;
    out->clean = r->metric[0];
    for (size_t i = 0; i < list->count; i++) {
        out->gap[i] = out->clean - bnn_results_row_mean(r, bnn_results_row(r, list->kind[i]));
        sum += out->gap[i];
    }
    out->mean_gap = sum / (double)list->count;
}

/* The mean of the severities' errors: as good as their sum, in a ratio. */
static double error_of(const bnn_robust_run *run, size_t i) {
    return 100.0 - (run->clean - run->gap[i]);
}

static void measure_error(size_t corruptions, bnn_robust_run *out) {
    double sum = 0.0;
    for (size_t i = 0; i < corruptions; i++) {
        double twin = out->twin ? error_of(out->twin, i) : 0.0;
        out->error[i] = twin > 0.0 ? 100.0 * error_of(out, i) / twin : NAN;
        sum += out->error[i];
    }
    out->mean_error = sum / (double)corruptions;
}

static int belongs(const bnn_robust_run *run, const bnn_robust_algorithm *a) {
    return strcmp(run->run->config.algo, a->algo) == 0 &&
           strcmp(run->run->config.data, a->data) == 0;
}

static void average(const bnn_robustness *r, bnn_robust_algorithm *a) {
    for (size_t k = 0; k < r->run_count; k++) {
        if (belongs(&r->runs[k], a)) {
            a->architectures++;
            for (size_t i = 0; i < r->list.count; i++) {
                a->gap[i] += r->runs[k].gap[i];
                a->float_gap[i] += r->runs[k].twin->gap[i];
            }
        }
    }
    bnn_ratio ratio[BNN_CORRUPTION_KINDS];
    for (size_t i = 0; i < r->list.count; i++) {
        a->gap[i] /= (double)a->architectures;
        a->float_gap[i] /= (double)a->architectures;
        a->ratio[i] = bnn_gap_ratio(a->float_gap[i], a->gap[i]);
        ratio[i] = (bnn_ratio){bnn_corruption_names[r->list.kind[i]], a->float_gap[i], a->gap[i]};
    }
    const bnn_overall o = bnn_overall_of(ratio, r->list.count, BNN_RATIO_OF_MEANS);
    a->metric = o.metric;
    a->metric_of_defined = o.metric_of_defined;
    a->defined = o.defined;
}

static void add_algorithm(bnn_robustness *r, const bnn_robust_run *run) {
    for (size_t i = 0; i < r->algorithm_count; i++) {
        if (belongs(run, &r->algorithms[i])) {
            return;
        }
    }
    bnn_robust_algorithm *a = &r->algorithms[r->algorithm_count++];
    *a = (bnn_robust_algorithm){.algo = run->run->config.algo, .data = run->run->config.data};
    average(r, a);
}

bnn_code bnn_robustness_compute(const bnn_report_run *runs, size_t count,
                                const bnn_corruption_list *list, bnn_robustness *out,
                                bnn_error *err) {
    *out = (bnn_robustness){.list = *list};
    if (count > BNN_MAX_RUNS) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%zu runs: at most %d at once", count, BNN_MAX_RUNS);
    }
    bnn_code code = check_runs(runs, count, list, err);
    if (code != BNN_OK) {
        return code;
    }
    out->run_count = count;
    for (size_t i = 0; i < count; i++) {
        out->runs[i].run = &runs[i];
        measure(list, &out->runs[i]);
    }
    if ((code = find_twins(out, err)) != BNN_OK) {
        return code;
    }
    for (size_t i = 0; i < count; i++) {
        measure_error(list->count, &out->runs[i]);
        if (out->runs[i].twin) {
            add_algorithm(out, &out->runs[i]);
        }
    }
    return BNN_OK;
}
