#include "tools/sweep/state.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/text.h"
#include "models/model.h"
#include "tools/cli/json_file.h"
#include "tools/run/results.h"
#include "tools/sweep/sweep.h"
#include "tools/tracks/tracks.h"

#define FORMAT "bnn-cell-1"

enum { LARGEST_FILE = 1 << 22 };

const char *const bnn_stage_names[BNN_STAGES + 1] = {"count", "train", "eval", "infer", NULL};

bnn_code bnn_cell_path(const char *sweep, const bnn_cell *cell, const char *name,
                       char path[BNN_CELL_PATH], bnn_error *err) {
    int length =
        snprintf(path, BNN_CELL_PATH, "%s/%s%s%s", sweep, cell->name, *name ? "/" : "", name);
    return length < BNN_CELL_PATH
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_ARGUMENT, "%s: the path is too long", sweep);
}

const char *const bnn_cell_files[] = {"state.json", "complexity.json", "infer.json", NULL};

void bnn_sweep_files(bnn_outputs *outputs, const char *sweep, const bnn_plan *plan) {
    char folder[BNN_CELL_PATH], run[BNN_CELL_PATH];
    bnn_error why;
    bnn_outputs_read_in(outputs, "a sweep's file", sweep, BNN_SWEEP_PLAN);
    for (size_t i = 0; i < plan->cell_count; i++) {
        const bnn_cell *cell = &plan->cells[i];
        if (bnn_cell_path(sweep, cell, "", folder, &why) != BNN_OK ||
            bnn_cell_path(sweep, cell, "run", run, &why) != BNN_OK || access(folder, F_OK) != 0) {
            continue; /* nothing has been written there */
        }
        for (size_t k = 0; bnn_cell_files[k]; k++) {
            bnn_outputs_read_in(outputs, "a sweep's file", folder, bnn_cell_files[k]);
        }
        bnn_outputs_read_run(outputs, run);
        bnn_outputs_read_in(outputs, "a run's file", run, BNN_RESULTS_FILE);
    }
}

/* What a network comes to can be told without training it. */
int bnn_stage_wanted(const bnn_cell *cell, int stage) {
    if (cell->group->tracks == 1u << BNN_TRACK_COMPLEXITY) {
        return stage == BNN_STAGE_COUNT;
    }
    return stage != BNN_STAGE_INFER ||
           ((cell->group->tracks & 1u << BNN_TRACK_INFERENCE) && cell->first_seed &&
            cell->variant_number == 0 && strcmp(cell->algo, BNN_FLOAT_ALGORITHM) != 0);
}

int bnn_next_stage(const bnn_cell *cell, const bnn_cell_state *state) {
    int stage = 0;
    while (stage < BNN_STAGES && (state->done[stage] || !bnn_stage_wanted(cell, stage))) {
        stage++;
    }
    return stage;
}

double bnn_cell_seconds(const bnn_cell_state *state) {
    double sum = 0.0;
    for (int i = 0; i < BNN_STAGES; i++) {
        sum += state->seconds[i];
    }
    return sum;
}

/* What makes it this cell: where data lie and how many threads there are does not. */
static json_t *identity(const bnn_cell *cell) {
    json_t *options = json_deep_copy(cell->options);
    json_object_del(options, "threads");
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:O*}", "algo", cell->algo, "arch", cell->arch,
                     "data", cell->data, "seed", (json_int_t)cell->seed, "options", options, "eval",
                     cell->group->eval);
}

/* ---- reading ------------------------------------------------------------------------------- */
static bnn_code damaged(const char *name, const char *key, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: '%s' is missing or damaged; remove the cell's folder to begin it anew",
                    name, key);
}

static bnn_code read_stages(const char *name, const json_t *stages, bnn_cell_state *out,
                            bnn_error *err) {
    if (!json_is_object(stages)) {
        return damaged(name, "stages", err);
    }
    for (int i = 0; i < BNN_STAGES; i++) {
        const json_t *stage = json_object_get(stages, bnn_stage_names[i]);
        const json_t *seconds = json_object_get(stage, "seconds");
        const json_t *done = json_object_get(stage, "done");
        if (stage && (!json_is_number(seconds) || !json_is_boolean(done) ||
                      !(json_number_value(seconds) >= 0.0))) {
            return damaged(name, bnn_stage_names[i], err);
        }
        out->seconds[i] = json_number_value(seconds);
        out->done[i] = json_is_true(done);
    }
    return BNN_OK;
}

static bnn_code read_failure(const char *name, const json_t *failed, bnn_cell_state *out,
                             bnn_error *err) {
    const char *stage = json_string_value(json_object_get(failed, "stage"));
    const char *message = json_string_value(json_object_get(failed, "message"));
    if (!failed) {
        return BNN_OK;
    }
    for (int i = 0; stage && message && i < BNN_STAGES; i++) {
        if (strcmp(stage, bnn_stage_names[i]) == 0) {
            out->failed = 1;
            out->failed_stage = i;
            snprintf(out->message, sizeof out->message, "%s", message);
            for (char *c = out->message; *c; c++) {
                *c = bnn_text_shown(*c);
            }
            return BNN_OK;
        }
    }
    return damaged(name, "failed", err);
}

bnn_code bnn_cell_state_parse(const char *name, const char *json, size_t bytes,
                              const bnn_cell *cell, bnn_cell_state *out, bnn_error *err) {
    *out = (bnn_cell_state){0};
    json_t *root = bnn_json_parse(name, json, bytes, "", err);
    json_t *own = identity(cell);
    const char *format = json_string_value(json_object_get(root, "format"));
    bnn_code code = BNN_OK;
    if (!root) {
        code = BNN_ERR_FORMAT;
    } else if (!own) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    } else if (!format || strcmp(format, FORMAT) != 0) {
        code = damaged(name, "format", err);
    } else if (!json_equal(json_object_get(root, "of"), own)) {
        code = bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: the cell was begun with other options than the plan now has; choose "
                        "another --output, or remove its folder to begin it anew",
                        name);
    } else if ((code = read_stages(name, json_object_get(root, "stages"), out, err)) == BNN_OK) {
        code = read_failure(name, json_object_get(root, "failed"), out, err);
    }
    json_decref(own);
    json_decref(root);
    return code;
}

/* A run that was removed since is not done, nor is what came of it. */
static bnn_code look_for_run(const char *sweep, const bnn_cell *cell, bnn_cell_state *state,
                             bnn_error *err) {
    char path[BNN_CELL_PATH];
    bnn_code code = bnn_cell_path(sweep, cell, "run/config.json", path, err);
    if (code == BNN_OK && state->done[BNN_STAGE_TRAIN] && access(path, F_OK) != 0) {
        state->done[BNN_STAGE_TRAIN] = state->done[BNN_STAGE_EVAL] = 0;
        state->done[BNN_STAGE_INFER] = 0;
    }
    return code;
}

bnn_code bnn_cell_state_read(const char *sweep, const bnn_cell *cell, bnn_cell_state *out,
                             bnn_error *err) {
    char path[BNN_CELL_PATH];
    bnn_map map;
    *out = (bnn_cell_state){0};
    bnn_code code = bnn_cell_path(sweep, cell, "state.json", path, err);
    if (code != BNN_OK || access(path, F_OK) != 0) {
        return code;
    }
    if ((code = bnn_map_read(path, &map, err)) == BNN_OK) {
        code = map.size > LARGEST_FILE
                   ? bnn_fail(err, BNN_ERR_FORMAT, "%s: larger than 4 MiB: no cell's state", path)
                   : bnn_cell_state_parse(path, (const char *)map.data, map.size, cell, out, err);
        bnn_map_close(&map);
    }
    return code == BNN_OK ? look_for_run(sweep, cell, out, err) : code;
}

/* ---- writing ------------------------------------------------------------------------------- */
bnn_code bnn_cell_state_write(const char *sweep, const bnn_cell *cell, const bnn_cell_state *state,
                              bnn_error *err) {
    char path[BNN_CELL_PATH];
    json_t *stages = json_object(), *failed = NULL;
    bnn_code code = bnn_cell_path(sweep, cell, "state.json", path, err);
    for (int i = 0; i < BNN_STAGES; i++) {
        if (state->done[i] || state->seconds[i] > 0.0) {
            json_object_set_new(
                stages, bnn_stage_names[i],
                json_pack("{s:f, s:b}", "seconds", state->seconds[i], "done", state->done[i]));
        }
    }
    if (state->failed) {
        failed = json_pack("{s:s, s:s}", "stage", bnn_stage_names[state->failed_stage], "message",
                           state->message);
        failed = failed ? failed /* the log may have had other bytes than text */
                        : json_pack("{s:s, s:s}", "stage", bnn_stage_names[state->failed_stage],
                                    "message", "see its log");
    }
    json_t *root = json_pack("{s:s, s:s, s:o, s:o, s:o*}", "format", FORMAT, "cell", cell->name,
                             "of", identity(cell), "stages", stages, "failed", failed);
    if (code != BNN_OK) {
        json_decref(root);
        return code;
    }
    return bnn_json_write(path, root, err);
}

int bnn_cell_busy(const char *sweep, const bnn_cell *cell) {
    char path[BNN_CELL_PATH];
    if (bnn_cell_path(sweep, cell, ".lock", path, NULL) != BNN_OK) {
        return 0;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int busy = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (fd >= 0) {
        close(fd);
    }
    return busy;
}
