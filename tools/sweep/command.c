/* A cell's stages as command lines. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "data_loaders/dataset.h"
#include "engine/device.h"
#include "tools/cli/options.h"
#include "tools/sweep/sweep.h"

static const char twin_mark[] = "{twin}";

int64_t bnn_sweep_threads(const bnn_sweep *sweep) {
    const int64_t share = bnn_cpu_threads() / sweep->jobs;
    return sweep->threads ? sweep->threads : share > 1 ? share : 1;
}

int bnn_sweep_has_data(const bnn_sweep *sweep, const bnn_cell *cell) {
    if (!bnn_stage_wanted(cell, BNN_STAGE_TRAIN)) {
        return 1;
    }
    const char *usual = bnn_dataset_find(cell->data)->default_dir;
    return bnn_plan_data_dir(&sweep->plan, cell->data) || (usual && access(usual, F_OK) == 0);
}

/* The text, with the twin's run in place of its mark. */
static void add_text(const bnn_sweep *sweep, const bnn_cell *cell, const char *key,
                     const char *text, bnn_command *c) {
    const char *mark = strstr(text, twin_mark);
    bnn_command_add(c, "--%s", key);
    if (!mark || cell->twin == BNN_NO_CELL) {
        bnn_command_add(c, "%s", text);
        return;
    }
    bnn_command_add(c, "%.*s%s/%s/run%s", (int)(mark - text), text, sweep->folder,
                    sweep->plan.cells[cell->twin].name, mark + strlen(twin_mark));
}

static void add_options(const bnn_sweep *sweep, const bnn_cell *cell, const json_t *options,
                        int with_twin, bnn_command *c) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)options, key, value) {
        const char *text = json_string_value(value);
        if (text && (with_twin || !strstr(text, twin_mark))) {
            add_text(sweep, cell, key, text, c);
        } else if (json_is_true(value)) {
            bnn_command_add(c, "--%s", key);
        } else if (json_is_integer(value)) {
            bnn_command_add(c, "--%s", key);
            bnn_command_add(c, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        } else if (json_is_real(value)) {
            bnn_command_add(c, "--%s", key);
            bnn_command_add(c, "%.17g", json_real_value(value));
        }
    }
}

static void add_data_dir(const bnn_sweep *sweep, const bnn_cell *cell, bnn_command *c) {
    const char *dir = bnn_plan_data_dir(&sweep->plan, cell->data);
    if (dir) {
        bnn_command_add(c, "--data-dir");
        bnn_command_add(c, "%s", dir);
    }
}

static void add_threads(const bnn_sweep *sweep, const bnn_cell *cell, bnn_command *c) {
    const json_t *own = json_object_get(cell->options, "threads");
    bnn_command_add(c, "--threads");
    bnn_command_add(c, "%" PRId64,
                    json_is_integer(own) ? (int64_t)json_integer_value(own)
                                         : bnn_sweep_threads(sweep));
}

static void add_network(const bnn_sweep *sweep, const bnn_cell *cell, int with_twin,
                        bnn_command *c) {
    json_t *options = json_copy(cell->options);
    if (!options) {
        c->short_of_memory = 1;
        return;
    }
    json_object_del(options, "threads");
    bnn_command_add(c, "--algo");
    bnn_command_add(c, "%s", cell->algo);
    bnn_command_add(c, "--arch");
    bnn_command_add(c, "%s", cell->arch);
    bnn_command_add(c, "--data");
    bnn_command_add(c, "%s", cell->data);
    bnn_command_add(c, "--seed");
    bnn_command_add(c, "%" PRId64, cell->seed);
    add_options(sweep, cell, options, with_twin, c);
    json_decref(options);
}

bnn_code bnn_sweep_options(const bnn_sweep *sweep, size_t cell, int with_twin, bnn_command *c,
                           bnn_error *err) {
    add_network(sweep, &sweep->plan.cells[cell], with_twin, c);
    add_data_dir(sweep, &sweep->plan.cells[cell], c);
    return c->short_of_memory ? bnn_fail(err, BNN_ERR_MEMORY, "out of memory") : BNN_OK;
}

/* A dry run has no seed and no files. */
static bnn_code count_command(const bnn_sweep *sweep, const bnn_cell *cell, bnn_command *c,
                              bnn_error *err) {
    char out[BNN_CELL_PATH];
    bnn_command_add(c, "%s", sweep->train);
    add_network(sweep, cell, 0, c);
    bnn_command_add(c, "--dry-run");
    bnn_command_add(c, "--json");
    bnn_code code = bnn_cell_path(sweep->folder, cell, "complexity.json", out, err);
    bnn_command_add(c, "%s", out);
    return code;
}

/* From its first moment on a run is resumed. */
static bnn_code train_command(const bnn_sweep *sweep, const bnn_cell *cell, bnn_command *c,
                              bnn_error *err) {
    char run[BNN_CELL_PATH], last[BNN_CELL_PATH];
    bnn_code code = bnn_cell_path(sweep->folder, cell, "run", run, err);
    code = code == BNN_OK ? bnn_cell_path(sweep->folder, cell, "run/last.safetensors", last, err)
                          : code;
    if (code != BNN_OK) {
        return code;
    }
    bnn_command_add(c, "%s", sweep->train);
    if (access(last, F_OK) == 0) {
        bnn_command_add(c, "--resume");
        bnn_command_add(c, "%s", run);
    } else {
        add_network(sweep, cell, 1, c);
        bnn_command_add(c, "--output");
        bnn_command_add(c, "%s", run);
    }
    add_data_dir(sweep, cell, c);
    add_threads(sweep, cell, c);
    return BNN_OK;
}

static bnn_code eval_command(const bnn_sweep *sweep, const bnn_cell *cell, bnn_command *c,
                             bnn_error *err) {
    char run[BNN_CELL_PATH];
    bnn_code code = bnn_cell_path(sweep->folder, cell, "run", run, err);
    bnn_command_add(c, "%s", sweep->eval);
    bnn_command_add(c, "%s", run);
    bnn_command_add(c, "--quiet");
    add_options(sweep, cell, cell->group->eval, 1, c);
    add_data_dir(sweep, cell, c);
    add_threads(sweep, cell, c);
    return code;
}

/* One sample, one thread: the track is about latency. */
static bnn_code infer_command(const bnn_sweep *sweep, const bnn_cell *cell, bnn_command *c,
                              bnn_error *err) {
    char model[BNN_CELL_PATH], out[BNN_CELL_PATH];
    bnn_code code = bnn_cell_path(sweep->folder, cell, "run/best.safetensors", model, err);
    code = code == BNN_OK ? bnn_cell_path(sweep->folder, cell, "infer.json", out, err) : code;
    if (code == BNN_OK) {
        const char *const words[] = {sweep->bench, "infer",     model, "--batch-size",
                                     "1",          "--threads", "1",   "--repeat",
                                     "5",          "--json",    out};
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            bnn_command_add(c, "%s", words[i]);
        }
    }
    return code;
}

bnn_code bnn_sweep_check_command(const bnn_sweep *sweep, size_t index, int of_eval, bnn_command *c,
                                 bnn_error *err) {
    const bnn_cell *cell = &sweep->plan.cells[index];
    bnn_command_add(c, "%s", of_eval ? sweep->eval : sweep->train);
    if (of_eval) {
        add_options(sweep, cell, cell->group->eval, 1, c);
    } else {
        add_network(sweep, cell, 1, c);
        add_threads(sweep, cell, c);
    }
    bnn_command_add(c, "--" BNN_CHECK_OPTIONS);
    return c->short_of_memory ? bnn_fail(err, BNN_ERR_MEMORY, "out of memory") : BNN_OK;
}

bnn_code bnn_sweep_command(const bnn_sweep *sweep, size_t cell, int stage, bnn_command *c,
                           bnn_error *err) {
    static bnn_code (*const stages[BNN_STAGES])(const bnn_sweep *, const bnn_cell *, bnn_command *,
                                                bnn_error *) = {[BNN_STAGE_COUNT] = count_command,
                                                                [BNN_STAGE_TRAIN] = train_command,
                                                                [BNN_STAGE_EVAL] = eval_command,
                                                                [BNN_STAGE_INFER] = infer_command};
    bnn_code code = stages[stage](sweep, &sweep->plan.cells[cell], c, err);
    return code == BNN_OK && c->short_of_memory ? bnn_fail(err, BNN_ERR_MEMORY, "out of memory")
                                                : code;
}
