#include "tools/report/report_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/model.h"
#include "tools/cli/shell.h"
#include "tools/run/data_spec.h"

enum { LONGEST_COMMAND = sizeof(bnn_shell_word) + 200 };

static int is_there(const bnn_report_run *run, const char *name) {
    char path[4200];
    return snprintf(path, sizeof path, "%s/%s", run->path, name) < (int)sizeof path &&
           access(path, F_OK) == 0;
}

/* The best checkpoint may be newer than its results. */
static bnn_code check_age(const bnn_report_run *run, const char *path, bnn_error *err) {
    bnn_results now = {.arena = run->arena};
    now.model = bnn_arena_format(run->arena, "%s/best.safetensors", run->path);
    if (!now.model) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    }
    if (access(now.model, F_OK) != 0) {
        return BNN_OK;
    }
    bnn_code code = bnn_results_checksum(&now, err);
    if (code == BNN_OK && strcmp(now.checksum, run->results.checksum) != 0) {
        code = bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: results of another checkpoint than the run's best.safetensors is "
                        "now; evaluate again: bnn-eval %s --overwrite",
                        path, bnn_shell_quote(run->path).s);
    }
    return code;
}

static bnn_code read_results(bnn_report_run *run, bnn_error *err) {
    char path[4200];
    snprintf(path, sizeof path, "%s/" BNN_RESULTS_FILE, run->path);
    bnn_code code = bnn_results_read(path, &run->results, err);
    if (code != BNN_OK) {
        return code;
    }
    const bnn_results *r = &run->results;
    const bnn_run_config *c = &run->config;
    run->evaluated = 1;
    if (strcmp(r->algo, c->algo) != 0 || strcmp(r->arch, c->arch) != 0 ||
        strcmp(r->data, c->data) != 0) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: results of %.40s %.40s on %.40s, but the run is of %.40s %.40s on "
                        "%.40s; evaluate again: bnn-eval %s --overwrite",
                        path, r->algo, r->arch, r->data, c->algo, c->arch, c->data,
                        bnn_shell_quote(run->path).s);
    }
    return check_age(run, path, err);
}

bnn_code bnn_report_run_open(const char *path, bnn_report_run *run, bnn_error *err) {
    *run = (bnn_report_run){.path = path, .arena = bnn_arena_create(), .step = {NAN, NAN}};
    if (!run->arena) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    }
    bnn_code code = bnn_run_config_read(path, run->arena, &run->config, err);
    const bnn_dataset_info *data = code == BNN_OK ? bnn_dataset_find(run->config.data) : NULL;
    run->task = data ? bnn_task_find(data->task) : bnn_tasks[0];
    if (code == BNN_OK && is_there(run, "metrics.csv")) {
        const bnn_arch *arch = bnn_arch_find(run->config.arch);
        code = bnn_metrics_read(path, run->task, arch ? arch->losses : NULL, run->arena,
                                &run->metrics, err);
    }
    if (code == BNN_OK && is_there(run, "steps.jsonl")) {
        code = bnn_step_seconds_read(path, &run->step, err);
    }
    if (code == BNN_OK && is_there(run, BNN_RESULTS_FILE)) {
        code = read_results(run, err);
    }
    return code;
}

void bnn_report_run_close(bnn_report_run *run) {
    bnn_results_free(&run->results);
    bnn_arena_free(run->arena);
    run->arena = NULL;
}

int bnn_report_run_has_corruptions(const bnn_report_run *run) {
    const bnn_dataset_info *data = bnn_dataset_find(run->config.data);
    return data && bnn_data_has_corruptions(data);
}

int bnn_report_run_is_float(const bnn_report_run *run) {
    return strcmp(run->config.algo, BNN_FLOAT_ALGORITHM) == 0;
}

/* The command that evaluates what is missing; the results that are there say how. */
static void command(const bnn_report_run *run, const bnn_corruption_list *list,
                    char out[LONGEST_COMMAND]) {
    const bnn_results *r = &run->results;
    const char *source = r->row_count ? r->rows[0].source : "";
    int files = strncmp(source, "file", 4) == 0;
    char how[64] = "", seed[40] = "";
    if (r->row_count) {
        snprintf(how, sizeof how, " --limit-test %lld", (long long)r->samples);
    }
    if (strncmp(source, "seed ", 5) == 0 && strtoull(source + 5, NULL, 10) != 0) {
        snprintf(seed, sizeof seed, " --seed %llu", strtoull(source + 5, NULL, 10));
    }
    int extra = list->count && list->kind[list->count - 1] >= BNN_CORRUPTION_MAIN;
    snprintf(out, LONGEST_COMMAND, "bnn-eval %s --corruptions %s%s%s%s",
             bnn_shell_quote(run->path).s, files ? "DIR" : "make", extra ? " --corruption all" : "",
             seed, how);
}

bnn_code bnn_report_run_need(const bnn_report_run *run, const bnn_corruption_list *list,
                             bnn_error *err) {
    char first[LONGEST_COMMAND];
    const bnn_results *r = &run->results;
    command(run, list, first);
    if (!bnn_report_run_has_corruptions(run)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: is of %s, and corruptions are of images of a class each", run->path,
                        run->config.data);
    }
    if (!run->evaluated || !r->row_count) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s was not evaluated on corruptions; run %s first",
                        run->path, first);
    }
    for (size_t i = 0; i < list->count; i++) {
        const bnn_corruption_result *row = bnn_results_row(r, list->kind[i]);
        if (!row || isnan(bnn_results_row_mean(r, row))) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: %s is %s; run %s first", run->path,
                            bnn_corruption_names[list->kind[i]],
                            row ? "not evaluated to its end" : "not among its results", first);
        }
    }
    return BNN_OK;
}
