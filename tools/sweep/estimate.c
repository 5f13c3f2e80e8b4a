/* What a sweep would take. Of each kind of cell (the same but for the seed) the time is that of a
 * finished one, or follows from a step that was measured: a training is started as it would be, on
 * a few samples, and stopped after some steps. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "models/model.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/json_file.h"
#include "tools/cli/progress.h"
#include "tools/corrupt/corruption_list.h"
#include "tools/run/data_spec.h"
#include "tools/run/run_record.h"
#include "tools/sweep/sweep.h"
#include "tools/train/recipes.h"

#define PROBE_SECONDS 30.0
#define PROBE_BATCHES 6
#define FORWARD (1.0 / 3.0) /* of a step */

enum { PROBE_BYTES = 600, LINE_BYTES = 130 };

typedef struct kind {
    size_t cell, cells;                            /* the first, and how many */
    int64_t epochs, batch, train, test, evaluated; /* samples of what is trained, tested, ... */
    double step, seconds;                          /* of a step and of a cell; NAN: not known */
    double bytes, checkpoints;
    const char *source;     /* "finished", "measured", or why not */
    const char *impossible; /* why it cannot be trained, or NULL */
} kind;

/* ---- what the plan says -------------------------------------------------------------------- */
static int64_t option(const json_t *options, const char *name, int64_t otherwise) {
    const json_t *value = json_object_get(options, name);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : otherwise;
}

static const char *text_option(const bnn_cell *cell, const char *name) {
    return json_string_value(json_object_get(cell->options, name));
}

static int same_kind(const bnn_cell *a, const bnn_cell *b) {
    return a->group == b->group && a->variant_number == b->variant_number && a->algo == b->algo &&
           a->arch == b->arch && a->data == b->data;
}

/* A step of one takes as long as of the other. */
static int same_step(const bnn_cell *a, const bnn_cell *b) {
    static const char *const sizes[] = {"batch-size", "points",  "length",
                                        "accumulate", "freeze",  "canvas",
                                        "teacher",    "distill", "group-by-length"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const json_t *x = json_object_get(a->options, sizes[i]);
        const json_t *y = json_object_get(b->options, sizes[i]);
        if ((x || y) && !json_equal(x, y)) {
            return 0;
        }
    }
    return a->algo == b->algo && a->arch == b->arch && a->data == b->data;
}

static bnn_code count_samples(const bnn_sweep *sweep, const bnn_cell *cell, kind *k,
                              bnn_error *err) {
    const bnn_dataset_info *info = bnn_dataset_find(cell->data);
    const bnn_data_choice choice = {.words = text_option(cell, "words"),
                                    .category = text_option(cell, "category"),
                                    .test_genres = text_option(cell, "test-genres"),
                                    .vocab = text_option(cell, "vocab"),
                                    .years = text_option(cell, "years"),
                                    .points = option(cell->options, "points", 0),
                                    .length = option(cell->options, "length", 0)};
    const struct {
        bnn_split split;
        int64_t limit, *count;
    } sets[] = {{BNN_SPLIT_TRAIN, option(cell->options, "limit-train", 0), &k->train},
                {BNN_SPLIT_TEST, option(cell->options, "limit-test", 0), &k->test},
                {BNN_SPLIT_TEST, option(cell->group->eval, "limit-test", 0), &k->evaluated}};
    const char *dir = bnn_plan_data_dir(&sweep->plan, cell->data);
    bnn_dataset_options chosen;
    bnn_code code = bnn_data_choose(info, &choice, &chosen, err);
    for (size_t i = 0; i < sizeof sets / sizeof *sets && code == BNN_OK; i++) {
        bnn_dataset *set = NULL;
        chosen.limit = (size_t)sets[i].limit;
        code = bnn_dataset_open(info, dir, sets[i].split, &chosen, &set, err);
        *sets[i].count = code == BNN_OK ? (int64_t)set->count : 0;
        bnn_dataset_close(set);
    }
    return code;
}

/* Test sets beside the clean one that the evaluation goes through. */
static int64_t corrupted_sets(const json_t *eval) {
    const char *names = json_string_value(json_object_get(eval, "corruption"));
    bnn_corruption_list list;
    bnn_error why;
    return json_object_get(eval, "corruptions") &&
                   bnn_corruption_list_parse(names ? names : "main", &list, &why) == BNN_OK
               ? (int64_t)list.count * (option(eval, "severity", 0) ? 1 : BNN_SEVERITIES)
               : 0;
}

/* ---- from a finished cell ------------------------------------------------------------------ */
static double folder_bytes(const char *path) {
    double sum = 0.0;
    DIR *entries = opendir(path);
    const struct dirent *entry;
    while (entries && (entry = readdir(entries))) {
        struct stat info;
        if (fstatat(dirfd(entries), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode)) {
            sum += (double)info.st_size;
        }
    }
    if (entries) {
        closedir(entries);
    }
    return sum;
}

static int from_finished(const bnn_sweep *sweep, kind *k) {
    const bnn_plan *plan = &sweep->plan;
    char run[BNN_CELL_PATH];
    bnn_step_seconds steps;
    bnn_error why = {0};
    for (size_t i = k->cell; i < plan->cell_count; i++) {
        bnn_cell_state state;
        if (same_kind(&plan->cells[i], &plan->cells[k->cell]) && *sweep->folder &&
            bnn_cell_state_read(sweep->folder, &plan->cells[i], &state, &why) == BNN_OK &&
            bnn_next_stage(&plan->cells[i], &state) == BNN_STAGES &&
            bnn_cell_path(sweep->folder, &plan->cells[i], "run", run, &why) == BNN_OK) {
            k->seconds = bnn_cell_seconds(&state);
            k->bytes = folder_bytes(run);
            k->source = "finished";
            if (bnn_step_seconds_read(run, &steps, &why) == BNN_OK) {
                k->step = steps.median;
            }
            return 1;
        }
    }
    return 0;
}

/* ---- from a few steps ---------------------------------------------------------------------- */
/* Steps are written when some have been made, or a second is over. */
static int has_steps(const char *run) {
    char path[PROBE_BYTES];
    struct stat info;
    snprintf(path, sizeof path, "%.500s/steps.jsonl", run);
    return stat(path, &info) == 0 && info.st_size > 0;
}

static int await(pid_t pid, const char *run) {
    const struct timespec pause = {0, 20000000};
    const double start = bnn_now();
    double first = INFINITY; /* when there were steps */
    int status, told = 0;
    while (waitpid(pid, &status, WNOHANG) != pid) {
        const double now = bnn_now();
        first = isinf(first) && has_steps(run) ? now : first;
        if (!told && (now > first + 1.0 || now > start + PROBE_SECONDS || bnn_interrupted())) {
            kill(pid, SIGTERM);
            told = 1;
        }
        nanosleep(&pause, NULL);
    }
    return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || told) ? 0 : status;
}

/* The command line, on few samples, or where `dry` as a plan alone. */
static bnn_code probe_command(const bnn_sweep *sweep, const kind *k, int dry, const char *run,
                              bnn_command *c, bnn_error *err) {
    const int64_t few = PROBE_BATCHES * k->batch;
    bnn_sweep small = *sweep;
    bnn_cell cell = sweep->plan.cells[k->cell];
    cell.options = json_deep_copy(cell.options);
    if (!cell.options) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    }
    json_object_set_new(cell.options, "limit-train", json_integer(few < k->train ? few : k->train));
    json_object_set_new(cell.options, "limit-test",
                        json_integer(k->batch < k->test ? k->batch : k->test));
    small.plan.cells = &cell;
    bnn_command_add(c, "%s", sweep->train);
    bnn_code code = bnn_sweep_options(&small, 0, 0, c, err);
    json_decref(cell.options);
    bnn_command_add(c, dry ? "--dry-run" : "--output");
    if (!dry) {
        bnn_command_add(c, "%s", run);
    }
    bnn_command_add(c, "--threads");
    bnn_command_add(c, "%lld", (long long)bnn_sweep_threads(sweep));
    return code == BNN_OK && c->short_of_memory ? bnn_fail(err, BNN_ERR_MEMORY, "out of memory")
                                                : code;
}

/* Seconds of a step and bytes of a checkpoint; of a dry one nothing but whether it can be. */
static bnn_code probe(const bnn_sweep *sweep, kind *k, int dry, bnn_error *err) {
    const char *temporary = getenv("TMPDIR");
    char folder[PROBE_BYTES], run[PROBE_BYTES], log[PROBE_BYTES], last[PROBE_BYTES], why[200];
    bnn_command command = {.arena = bnn_arena_create()};
    bnn_step_seconds steps;
    struct stat info;
    pid_t pid;
    snprintf(folder, sizeof folder, "%.400s/bnn-sweep.XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    if (!command.arena || !mkdtemp(folder)) {
        bnn_arena_free(command.arena);
        return bnn_fail_errno(err, folder, "make the folder", errno);
    }
    snprintf(run, sizeof run, "%.500s/run", folder);
    snprintf(log, sizeof log, "%.500s/log.txt", folder);
    snprintf(last, sizeof last, "%.500s/last.safetensors", run);
    bnn_code code = probe_command(sweep, k, dry, run, &command, err);
    if (code == BNN_OK && !(code = bnn_job_start(&command, log, -1, &pid, err))) {
        const int status = await(pid, run);
        if (status) {
            bnn_job_message(log, status, why, sizeof why);
            code = bnn_fail(err, BNN_ERR_ARGUMENT, "%s", why);
        } else if (!dry) {
            code = bnn_step_seconds_read(run, &steps, err);
            k->step = code == BNN_OK ? steps.median : NAN;
            k->bytes = stat(last, &info) == 0 ? 2.0 * (double)info.st_size : NAN;
        }
    }
    bnn_remove_tree(folder, NULL); /* what is left is in nobody's way */
    bnn_arena_free(command.arena);
    return code;
}

/* From the seconds of a step. */
static void reckon(const bnn_sweep *sweep, kind *k) {
    const bnn_cell *cell = &sweep->plan.cells[k->cell];
    const int64_t of_step = k->batch * option(cell->options, "accumulate", 1);
    const double steps = (double)((k->train + of_step - 1) / of_step * k->epochs);
    const double sample = FORWARD * k->step / (double)of_step;
    const int64_t tests = k->test * k->epochs;
    const int64_t evaluations = k->evaluated * (1 + corrupted_sets(cell->group->eval));
    k->seconds = steps * k->step + sample * (double)(tests + evaluations);
    k->checkpoints = k->bytes;
    k->bytes += LINE_BYTES * steps;
}

static bnn_code measure_kind(const bnn_sweep *sweep, kind *kinds, size_t n, int measure,
                             bnn_error *err) {
    kind *k = &kinds[n];
    const bnn_cell *cell = &sweep->plan.cells[k->cell];
    bnn_error why = {0};
    const bnn_recipe *recipe = bnn_recipe_find(cell->data, cell->arch, cell->algo);
    k->step = k->seconds = k->bytes = NAN;
    k->epochs = option(cell->options, "epochs", recipe->epochs);
    k->batch = option(cell->options, "batch-size", recipe->batch_size);
    k->source = bnn_sweep_has_data(sweep, cell) ? "not measured" : "no data; --data-dir";
    if (!bnn_stage_wanted(cell, BNN_STAGE_TRAIN)) {
        k->source = "nothing is trained";
        k->seconds = k->bytes = 0.0;
        return BNN_OK;
    }
    if (from_finished(sweep, k) || !measure || !bnn_sweep_has_data(sweep, cell)) {
        return BNN_OK;
    }
    bnn_code code = count_samples(sweep, cell, k, &why);
    for (size_t i = 0; i < n && isnan(k->step); i++) {
        if (strcmp(kinds[i].source, "measured") == 0 &&
            same_step(&sweep->plan.cells[kinds[i].cell], cell)) {
            k->step = kinds[i].step;
            k->bytes = kinds[i].checkpoints;
            k->source = "measured";
        }
    }
    /* Where one like it was measured, only whether it can be. */
    code = code == BNN_OK ? probe(sweep, k, !isnan(k->step), &why) : code;
    k->source = code == BNN_OK ? "measured" : "cannot be trained";
    if (code != BNN_OK) {
        k->step = NAN;
        k->impossible = bnn_arena_format(sweep->plan.arena, "%s", why.text);
        if (!k->impossible) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
        }
    }
    reckon(sweep, k);
    return BNN_OK;
}

/* ---- the table ----------------------------------------------------------------------------- */
static void print_kind(const bnn_sweep *sweep, const kind *k, FILE *out) {
    const bnn_cell *cell = &sweep->plan.cells[k->cell];
    char one[32], all[32], step[32] = "-", disk[32] = "-";
    bnn_clock_text(k->seconds, one);
    bnn_clock_text(k->seconds * (double)k->cells, all);
    if (!isnan(k->step)) {
        snprintf(step, sizeof step, "%.4f", k->step);
    }
    if (!isnan(k->bytes)) {
        snprintf(disk, sizeof disk, "%.1f", k->bytes * (double)k->cells / 1048576.0);
    }
    fprintf(out, "%-14s %-9s %-17s %-16s %-16s %5zu %6lld %9s %9s %10s %9s  %s\n",
            cell->group->name, cell->algo, cell->arch, cell->data, cell->variant, k->cells,
            (long long)k->epochs, step, one, all, disk, k->source);
    fflush(out);
}

static json_t *kind_json(const bnn_sweep *sweep, const kind *k) {
    const bnn_cell *cell = &sweep->plan.cells[k->cell];
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:s}", "group",
                     cell->group->name, "algo", cell->algo, "arch", cell->arch, "data", cell->data,
                     "variant", cell->variant, "cells", (json_int_t)k->cells, "epochs",
                     (json_int_t)k->epochs, "step_seconds", bnn_json_number(k->step), "seconds",
                     bnn_json_number(k->seconds), "bytes", bnn_json_number(k->bytes), "source",
                     k->source);
}

static size_t find_kinds(const bnn_plan *plan, kind *kinds) {
    size_t count = 0;
    for (size_t i = 0; i < plan->cell_count; i++) {
        size_t k = 0;
        while (k < count && !same_kind(&plan->cells[kinds[k].cell], &plan->cells[i])) {
            k++;
        }
        if (k == count) {
            kinds[count++] = (kind){.cell = i, .source = ""};
        }
        kinds[k].cells++;
    }
    return count;
}

static void print_total(const bnn_sweep *sweep, const kind *kinds, size_t count, FILE *out) {
    double seconds = 0.0, bytes = 0.0;
    size_t unknown = 0;
    char text[32];
    for (size_t i = 0; i < count; i++) {
        if (isnan(kinds[i].seconds)) {
            unknown += kinds[i].cells;
        } else {
            seconds += kinds[i].seconds * (double)kinds[i].cells;
            bytes += kinds[i].bytes * (double)kinds[i].cells;
        }
    }
    bnn_clock_text(seconds, text);
    const long long threads = (long long)bnn_sweep_threads(sweep);
    fprintf(out, "\n%zu cells, %s of work on %lld %s, %.1f MiB", sweep->plan.cell_count, text,
            threads, threads == 1 ? "thread" : "threads each", bytes / 1048576.0);
    fprintf(out, unknown ? "; of %zu the time is not known\n" : "\n", unknown);
}

bnn_code bnn_sweep_estimate(const bnn_sweep *sweep, int measure, FILE *out, json_t **json,
                            bnn_error *err) {
    kind *kinds = calloc(sweep->plan.cell_count, sizeof *kinds);
    bnn_code code = kinds ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    const size_t count = kinds ? find_kinds(&sweep->plan, kinds) : 0;
    json_t *rows = json_array();
    fprintf(out, "%-14s %-9s %-17s %-16s %-16s %5s %6s %9s %9s %10s %9s  %s\n", "group", "algo",
            "network", "data", "variant", "cells", "epochs", "s a step", "a cell", "all", "MiB",
            "time is");
    const kind *bad = NULL; /* the first that cannot be trained, of so many */
    size_t impossible = 0;
    for (size_t i = 0; i < count && code == BNN_OK && !bnn_interrupted(); i++) {
        code = measure_kind(sweep, kinds, i, measure, err);
        if (code == BNN_OK) {
            print_kind(sweep, &kinds[i], out);
            impossible += kinds[i].impossible != NULL;
            bad = !bad && kinds[i].impossible ? &kinds[i] : bad;
            json_array_append_new(rows, kind_json(sweep, &kinds[i]));
        }
    }
    if (code == BNN_OK && !bnn_interrupted()) {
        print_total(sweep, kinds, count, out);
    }
    *json = json_pack("{s:s, s:I, s:I, s:o}", "title", sweep->plan.title, "cells",
                      (json_int_t)sweep->plan.cell_count, "threads",
                      (json_int_t)bnn_sweep_threads(sweep), "kinds", rows);
    if (code == BNN_OK && bad) {
        const bnn_cell *cell = &sweep->plan.cells[bad->cell];
        code = bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%zu of %zu lines cannot be trained; %s, %s %s %s: %s", impossible, count,
                        cell->group->name, cell->algo, cell->arch, cell->data, bad->impossible);
    }
    free(kinds);
    return code;
}
