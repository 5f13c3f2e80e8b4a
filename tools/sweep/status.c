#include <math.h>
#include <string.h>
#include <unistd.h>

#include "data_loaders/dataset.h"
#include "tools/cli/json_file.h"
#include "tools/run/results.h"
#include "tools/run/run_record.h"
#include "tools/sweep/sweep.h"

static const char *const phase_names[] = {
    [BNN_CELL_WAITS] = "waits", [BNN_CELL_NO_DATA] = "no data", [BNN_CELL_BLOCKED] = "blocked",
    [BNN_CELL_RUNS] = "runs",   [BNN_CELL_FAILED] = "FAILED",   [BNN_CELL_DONE] = "done"};

enum { PHASES = sizeof phase_names / sizeof *phase_names };

void bnn_clock_text(double seconds, char text[32]) {
    const long s = isfinite(seconds) ? (long)(seconds + 0.5) : 0;
    if (!isfinite(seconds)) {
        snprintf(text, 32, "-");
    } else if (s >= 3600) {
        snprintf(text, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(text, 32, "%ld:%02ld", s / 60, s % 60);
    }
}

/* The main metric of the evaluation, with its label; NAN before it. */
static double score_of(const bnn_sweep *sweep, const bnn_cell *cell, const bnn_metric **metric) {
    char path[BNN_CELL_PATH];
    bnn_results results = {0};
    bnn_error why = {0};
    double score = NAN;
    if (bnn_cell_path(sweep->folder, cell, "run/" BNN_RESULTS_FILE, path, &why) == BNN_OK &&
        access(path, F_OK) == 0 && bnn_results_read(path, &results, &why) == BNN_OK) {
        *metric = &results.task->metrics[0];
        score = results.metric[0];
    }
    bnn_results_free(&results);
    return score;
}

void bnn_sweep_score(const bnn_sweep *sweep, const bnn_cell *cell, char text[80]) {
    const bnn_metric *m = NULL;
    const double score = score_of(sweep, cell, &m);
    *text = '\0';
    if (m) {
        char value[BNN_METRIC_TEXT];
        snprintf(text, 80, "%.20s %s", m->label, bnn_metric_text(m, score, value));
    }
}

/* Epochs, of how many; 0 of a run that has not begun. */
static void epochs_of(const bnn_sweep *sweep, const bnn_cell *cell, int64_t *done, int64_t *all) {
    char path[BNN_CELL_PATH];
    bnn_error why = {0};
    bnn_run_config config;
    bnn_metrics metrics;
    const bnn_dataset_info *data = bnn_dataset_find(cell->data);
    bnn_arena *arena = bnn_arena_create();
    *done = *all = 0;
    if (arena && bnn_cell_path(sweep->folder, cell, "run", path, &why) == BNN_OK &&
        bnn_run_config_read(path, arena, &config, &why) == BNN_OK) {
        *all = config.epochs > 0 ? config.epochs : 0;
        const bnn_arch *arch = bnn_arch_find(cell->arch);
        if (bnn_metrics_read(path, bnn_task_find(data->task), arch ? arch->losses : NULL, arena,
                             &metrics, &why) == BNN_OK) {
            *done = (int64_t)metrics.count;
        }
    }
    bnn_arena_free(arena);
}

static json_t *cell_json(const bnn_sweep *sweep, const bnn_cell *cell, const bnn_cell_state *state,
                         bnn_cell_phase phase, int64_t done, int64_t all) {
    const bnn_metric *m = NULL;
    const double score = score_of(sweep, cell, &m);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:s*, s:o, s:f, s:s*}",
                     "cell", cell->name, "group", cell->group->name, "algo", cell->algo, "arch",
                     cell->arch, "data", cell->data, "variant", cell->variant, "seed",
                     (json_int_t)cell->seed, "state", phase_names[phase], "epochs_done",
                     (json_int_t)done, "epochs", (json_int_t)all, "metric", m ? m->key : NULL,
                     "value", bnn_json_number(score), "seconds", bnn_cell_seconds(state), "message",
                     phase == BNN_CELL_FAILED ? state->message : NULL);
}

static void print_cell(const bnn_sweep *sweep, const bnn_cell *cell, const bnn_cell_state *state,
                       bnn_cell_phase phase, int64_t done, int64_t all, FILE *out) {
    char score[80], took[32], epochs[48] = "";
    bnn_sweep_score(sweep, cell, score);
    bnn_clock_text(bnn_cell_seconds(state), took);
    if (all) {
        snprintf(epochs, sizeof epochs, "%lld/%lld", (long long)done, (long long)all);
    }
    fprintf(out, "%-48s %-8s %9s  %-14s %9s  %s\n", cell->name, phase_names[phase], epochs, score,
            bnn_cell_seconds(state) > 0.0 ? took : "",
            phase == BNN_CELL_FAILED ? state->message : "");
}

bnn_code bnn_sweep_status(const bnn_sweep *sweep, FILE *out, json_t **json, bnn_error *err) {
    size_t count[PHASES] = {0};
    json_t *cells = json_array();
    fprintf(out, "%-48s %-8s %9s  %-14s %9s\n", "cell", "state", "epochs", "score", "time");
    for (size_t i = 0; i < sweep->plan.cell_count; i++) {
        const bnn_cell *cell = &sweep->plan.cells[i];
        bnn_cell_state state;
        bnn_cell_phase phase;
        int64_t done, all;
        bnn_code code = bnn_sweep_phase(sweep, i, &state, &phase, err);
        if (code != BNN_OK) {
            json_decref(cells);
            return code;
        }
        count[phase]++;
        epochs_of(sweep, cell, &done, &all);
        print_cell(sweep, cell, &state, phase, done, all, out);
        json_array_append_new(cells, cell_json(sweep, cell, &state, phase, done, all));
    }
    fprintf(out, "\n%zu cells:", sweep->plan.cell_count);
    for (int i = PHASES; i-- > 0;) {
        if (count[i]) {
            fprintf(out, " %zu %s", count[i], phase_names[i]);
        }
    }
    fprintf(out, "\n");
    *json = json_pack("{s:s, s:o}", "title", sweep->plan.title, "cells", cells);
    return BNN_OK;
}
