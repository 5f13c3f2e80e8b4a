/* bnn-sweep: a plan of many trainings, worked on by processes of the other programs. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/json_file.h"
#include "tools/cli/lock.h"
#include "tools/cli/start.h"
#include "tools/report/sweep_page.h"
#include "tools/run/outputs.h"
#include "tools/sweep/sweep.h"

/* The plans that come with the program. */
#define PLANS "bibench, quick, cifar10, training-cost, complexity"

static const char *output, *data_dir, *cell, *backend = "local", *json_file, *html;
static int64_t jobs = 1, threads = 0, limit = 0, every = 0;
static bool retry, no_measure;
static const char *operands[2];

static const char *const backends[] = {"local", "make", "slurm", NULL};

enum { PLAN = 1, RUN = 2, STATUS = 4, PAGE_SECONDS = 30 };

static bnn_option options[] = {
    {"output", BNN_OPTION_STRING, &output, "DIR", "Folder of the sweep.",
     .default_text = "sweeps/PLAN"},
    {"data-dir", BNN_OPTION_STRING, &data_dir, "DATA=DIR,...",
     "Where data sets lie; DATA may be a pattern, as glue_*. The sweep remembers it.",
     .default_text = "as the plan says; where the system keeps Fashion-MNIST"},
    {"jobs", BNN_OPTION_INT, &jobs, "N", "Cells at a time.", .min = 1, .max = 1024, .letter = 'j'},
    {"threads", BNN_OPTION_INT, &threads, "N",
     "Processors of each cell; results do not depend on it.", .default_text = "all, by --jobs",
     .min = 1, .max = 1024},
    {"limit", BNN_OPTION_INT, &limit, "N",
     "Train and test on the first N samples only, to see a plan run; of a new sweep.",
     .default_text = "all", .min = 1, .max = 1e9},
    {"retry", BNN_OPTION_FLAG, &retry, NULL, "Try cells that failed again.", .default_text = NULL},
    {"cell", BNN_OPTION_STRING, &cell, "NAME", "Work on this cell alone, as schedulers ask for.",
     .default_text = "all"},
    {"backend", BNN_OPTION_STRING, &backend, "NAME",
     "Who runs the cells: local, this program; make, a Makefile that is written; slurm, array jobs "
     "that are written, and submitted where there is sbatch.",
     .choices = backends},
    {"no-measure", BNN_OPTION_FLAG, &no_measure, NULL,
     "With plan: start no trainings; the time is told of kinds of cells that are finished.",
     .default_text = NULL},
    {"json", BNN_OPTION_STRING, &json_file, "FILE",
     "With plan and status: the table as JSON; - for standard output.", .default_text = NULL},
    {"html", BNN_OPTION_STRING, &html, "FILE",
     "With status: the table as a page, which a browser reads again by itself while cells run.",
     .default_text = NULL},
    {"every", BNN_OPTION_INT, &every, "SECONDS",
     "With status: again and again, until no cell waits or runs.", .default_text = "once", .min = 1,
     .max = 86400},
};

/* Which commands an option is for. */
static const struct {
    const char *option;
    int commands;
    const char *with;
} uses[] = {{"output", RUN, "run"},
            {"data-dir", PLAN | RUN, "plan and run"},
            {"jobs", PLAN | RUN, "plan and run"},
            {"threads", PLAN | RUN, "plan and run"},
            {"limit", PLAN | RUN, "plan and run"},
            {"retry", RUN, "run"},
            {"cell", RUN, "run"},
            {"backend", RUN, "run"},
            {"no-measure", PLAN, "plan"},
            {"json", PLAN | STATUS, "plan and status"},
            {"html", STATUS, "status"},
            {"every", STATUS, "status"}};

static bnn_program program = {
    .name = "bnn-sweep",
    .summary = "train and measure many networks by one plan",
    .usage = "plan|run|status PLAN|SWEEP [options]",
    .description =
        "A PLAN is a JSON file that lists algorithms, networks, data sets, hyper-parameters and "
        "seeds; the name of one that comes with the program will do: " PLANS
        ". Each combination is a cell: a training (bnn-train), its evaluation (bnn-eval), the "
        "counts of the network and, if the plan has the track, its speed (bnn-bench). A SWEEP is "
        "the folder of a plan that was begun.\n"
        "plan prints the cells, with the time and the disk they take: of finished cells, or "
        "measured from a few real steps of each kind. run works on them, --jobs at a time; stop it "
        "at any moment, or kill it: the same command goes on where it was, and a cell is done "
        "once, even if several work on one folder. A cell that fails is left, with its log.txt, "
        "for --retry. status prints what has become of them, with --html also as a page. "
        "bnn-report bibench SWEEP makes the "
        "six tables of BiBench of it.\n"
        "A plan: {\"groups\": [{\"name\": \"first\", \"algos\": [\"fp32\", \"bnn\"], \"archs\": "
        "[\"resnet*\"], \"data\": [\"cifar10\"], \"seeds\": [1, 2], \"options\": {\"epochs\": 10}, "
        "\"binary\": {\"init-from\": \"{twin}/best.safetensors\"}, \"variants\": {\"sgd\": "
        "{\"optimizer\": \"sgd\"}, \"adam\": {}}, \"eval\": {\"corruptions\": \"make\"}, "
        "\"tracks\": [\"task\", \"robustness\"], \"minutes\": 60}]}. Options are bnn-train's, "
        "those "
        "of eval bnn-eval's; {twin} is the run of the float twin. What is left out: all names, "
        "seed 1, all tracks but training.",
    .examples = "bnn-sweep plan quick --data-dir cifar10=cifar-10-batches-bin\n"
                "bnn-sweep run quick --data-dir cifar10=cifar-10-batches-bin -j 2\n"
                "bnn-sweep status sweeps/quick\n"
                "bnn-sweep status sweeps/quick --html status.html --every 30\n"
                "bnn-sweep run my-plan.json --output /scratch/sweep --backend slurm\n"
                "bnn-report bibench sweeps/quick",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands = operands,
    .min_operands = 2,
    .max_operands = 2,
};

static int is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A file; or one of those that come with the program, by its name. */
static bnn_code find_plan(const char *name, char path[4200], bnn_error *err) {
    static const char *const ways[] = {BNN_DATA_FROM_BIN, "share/bnn"};
    char own[4096];
    snprintf(path, 4200, "%s", name);
    if (access(path, F_OK) == 0 || strchr(name, '/')) {
        return BNN_OK;
    }
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(own, '/');
    for (size_t i = 0; slash && i < sizeof ways / sizeof *ways; i++) {
        snprintf(path, 4200, "%.*s/%s/plans/%.100s.json", (int)(slash - own), own, ways[i], name);
        if (access(path, F_OK) == 0) {
            return BNN_OK;
        }
    }
    return bnn_fail(err, BNN_ERR_ARGUMENT,
                    "%s: there is no such file, and no plan of that name comes with the program "
                    "(" PLANS ")",
                    name);
}

/* "sweeps/quick" of "dir/quick.json". */
static void default_folder(const char *plan, char out[4096]) {
    const char *slash = strrchr(plan, '/'), *name = slash ? slash + 1 : plan;
    const char *dot = strrchr(name, '.');
    snprintf(out, 4096, "sweeps/%.*s", dot ? (int)(dot - name) : (int)strlen(name), name);
}

/* What a sweep that is there remembers, where it is not said anew. */
static bnn_code remember(bnn_sweep *sweep, bnn_error *err) {
    char path[4200];
    bnn_plan old;
    snprintf(path, sizeof path, "%.4000s/" BNN_SWEEP_PLAN, sweep->folder);
    if (access(path, F_OK) != 0) {
        return BNN_OK;
    }
    bnn_code code = bnn_plan_read(path, &old, err);
    if (code == BNN_OK) {
        json_t *dirs = json_object_get(sweep->plan.root, "data-dirs");
        json_t *known = json_object_get(old.root, "data-dirs");
        const json_t *most = json_object_get(old.root, "limit");
        if (dirs ? known && json_object_update_missing(dirs, known)
                 : known && json_object_set(sweep->plan.root, "data-dirs", known)) {
            code = bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
        } else if (most && !limit) {
            code = bnn_plan_set_limit(&sweep->plan, json_integer_value(most), err);
        }
    }
    bnn_plan_free(&old);
    return code;
}

/* The folder's plan, or a file; the folder's name in the sweep, if there is one. */
static bnn_code open_plan(bnn_sweep *sweep, int is_run, bnn_error *err) {
    char path[4200];
    const char *name = operands[1];
    bnn_code code = BNN_OK;
    if (is_folder(name)) {
        if (limit) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "--limit has no effect on a sweep that was begun");
        }
        if (output) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "--output has no effect on a sweep that was begun: %s is its folder",
                            name);
        }
        snprintf(sweep->folder, sizeof sweep->folder, "%.4000s", name);
        snprintf(path, sizeof path, "%.4000s/" BNN_SWEEP_PLAN, name);
        if (access(path, F_OK) != 0) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "%s: no folder of a sweep, it has no " BNN_SWEEP_PLAN, name);
        }
    } else {
        if ((code = find_plan(name, path, err)) != BNN_OK) {
            return code;
        }
        if (is_run && output) {
            snprintf(sweep->folder, sizeof sweep->folder, "%.4000s", output);
        } else if (is_run) {
            default_folder(path, sweep->folder);
        }
    }
    if ((code = bnn_plan_read(path, &sweep->plan, err)) == BNN_OK && limit) {
        code = bnn_plan_set_limit(&sweep->plan, limit, err);
    }
    if (code == BNN_OK && *sweep->folder && !is_folder(name)) {
        code = remember(sweep, err);
    }
    return code == BNN_OK ? bnn_plan_set_data_dirs(&sweep->plan, data_dir, err) : code;
}

static bnn_code find_programs(bnn_sweep *sweep, bnn_error *err) {
    bnn_code code = bnn_program_beside("bnn-train", sweep->train, err);
    code = code == BNN_OK ? bnn_program_beside("bnn-eval", sweep->eval, err) : code;
    return code == BNN_OK ? bnn_program_beside("bnn-bench", sweep->bench, err) : code;
}

static bnn_code write_json(json_t *json, bnn_code code, bnn_error *err) {
    if (json_file && code == BNN_OK) {
        return bnn_json_write(json_file, json, err);
    }
    json_decref(json);
    return code;
}

static bnn_code plan(bnn_sweep *sweep, bnn_error *err) {
    json_t *json = NULL;
    bnn_code code = bnn_sweep_estimate(sweep, !no_measure, stdout, &json, err);
    return write_json(json, code, err);
}

/* Does any cell still wait or run? */
static int goes_on(const json_t *json) {
    const json_t *cells = json_object_get(json, "cells");
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const char *state = json_string_value(json_object_get(json_array_get(cells, i), "state"));
        if (state && (strcmp(state, "runs") == 0 || strcmp(state, "waits") == 0)) {
            return 1;
        }
    }
    return 0;
}

static bnn_code status_once(bnn_sweep *sweep, int *more, bnn_error *err) {
    json_t *json = NULL;
    bnn_code code = bnn_sweep_status(sweep, stdout, &json, err);
    if (code == BNN_OK && html) {
        code =
            json ? bnn_sweep_page(json, sweep->folder, html, every ? (int)every : PAGE_SECONDS, err)
                 : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    }
    *more = goes_on(json);
    return write_json(json, code, err);
}

static bnn_code status(bnn_sweep *sweep, bnn_error *err) {
    const struct timespec pause = {(time_t)every, 0};
    int more = 1;
    bnn_code code = BNN_OK;
    if (!*sweep->folder) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s: status is of a sweep's folder, not of a plan",
                        operands[1]);
    }
    for (;;) {
        code = status_once(sweep, &more, err);
        if (code != BNN_OK || !every || !more || bnn_interrupted()) {
            return code;
        }
        fflush(stdout);
        nanosleep(&pause, NULL); /* a signal ends it */
        if (bnn_interrupted()) {
            return BNN_OK;
        }
        fputs(isatty(STDOUT_FILENO) ? "\033[H\033[J" : "\n", stdout);
    }
}

/* One at a time, who cleans up what killed ones were writing; others need a moment only. */
static bnn_code write_plan(const char *path, json_t *root, bnn_error *err) {
    const bnn_lock_text text = {program.name, path, "is writing it; start again"};
    const struct timespec pause = {0, 20000000};
    bnn_lock lock;
    bnn_code code = bnn_lock_file(&lock, path, &text, err);
    for (int tries = 0; code == BNN_ERR_ARGUMENT && tries < 100; tries++) {
        nanosleep(&pause, NULL);
        code = bnn_lock_file(&lock, path, &text, err);
    }
    if (code == BNN_OK) {
        bnn_atomic_clean(path);
        code = bnn_json_write(path, json_incref(root), err);
        bnn_lock_remove(&lock);
    }
    return code;
}

/* What is there is of these cells: a plan that is refused does not take the place of theirs. */
static bnn_code check_begun(const bnn_sweep *sweep, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (size_t i = 0; code == BNN_OK && i < sweep->plan.cell_count; i++) {
        bnn_cell_state state;
        code = bnn_cell_state_read(sweep->folder, &sweep->plan.cells[i], &state, err);
    }
    return code;
}

/* The folder remembers the plan, and where the data are. */
static bnn_code run(bnn_sweep *sweep, bnn_error *err) {
    char path[4200];
    snprintf(path, sizeof path, "%.4000s/" BNN_SWEEP_PLAN, sweep->folder);
    bnn_code code = bnn_make_folder(sweep->folder, err);
    if (code == BNN_OK && (!is_folder(operands[1]) || data_dir) &&
        !(code = check_begun(sweep, err))) {
        code = write_plan(path, sweep->plan.root, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    if (strcmp(backend, "make") == 0) {
        return bnn_sweep_write_make(sweep, err);
    }
    return strcmp(backend, "slurm") == 0 ? bnn_sweep_write_slurm(sweep, err)
                                         : bnn_sweep_run(sweep, err);
}

typedef struct command {
    const char *name;
    int bit;
    bnn_code (*run)(bnn_sweep *, bnn_error *);
} command;

static const command commands[] = {
    {"plan", PLAN, plan}, {"run", RUN, run}, {"status", STATUS, status}};

enum { COMMANDS = sizeof commands / sizeof *commands };

/* An option that would do nothing was meant otherwise. */
static bnn_code check_options(const command *c, bnn_error *err) {
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        if (bnn_options_given(&program, uses[i].option) && !(uses[i].commands & c->bit)) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s goes with %s, not with %s", uses[i].option,
                            uses[i].with, c->name);
        }
    }
    return BNN_OK;
}

static bnn_code check_outputs(const bnn_sweep *sweep, bnn_error *err) {
    bnn_outputs outputs = {0};
    bnn_outputs_read(&outputs, "PLAN", is_folder(operands[1]) ? NULL : operands[1]);
    if (*sweep->folder && (json_file || html)) { /* they are many */
        bnn_sweep_files(&outputs, sweep->folder, &sweep->plan);
    }
    bnn_outputs_result(&outputs, "--json", &json_file);
    bnn_outputs_result(&outputs, "--html", &html);
    bnn_code code = bnn_outputs_check(&outputs, err);
    bnn_outputs_free(&outputs);
    return code;
}

static bnn_code work(bnn_error *err) {
    static bnn_sweep sweep;
    const command *c = bnn_command_find(operands[0], commands, sizeof *commands, COMMANDS, err);
    bnn_code code = c ? check_options(c, err) : BNN_ERR_ARGUMENT;
    sweep.jobs = jobs;
    sweep.threads = threads;
    sweep.retry = retry;
    sweep.only = BNN_NO_CELL;
    if (code == BNN_OK && !(code = find_programs(&sweep, err)) &&
        !(code = open_plan(&sweep, c->bit == RUN, err)) && !(code = check_outputs(&sweep, err)) &&
        !(code = cell               ? bnn_plan_find(&sweep.plan, cell, &sweep.only, err)
                 : c->bit == STATUS ? BNN_OK
                                    : bnn_sweep_check_options(&sweep, operands[1], err))) {
        code = c->run(&sweep, err);
    }
    bnn_plan_free(&sweep.plan);
    return code;
}

int main(int argc, char **argv) {
    program.commands = commands;
    program.command_size = sizeof *commands;
    program.command_count = COMMANDS;
    return bnn_start(&program, argc, argv, work);
}
