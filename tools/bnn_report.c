/* bnn-report: what runs have come to, as numbers and as a page to read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/stream.h"
#include "tools/cli/interrupt.h"
#include "tools/run/outputs.h"
#include "tools/report/page.h"
#include "tools/cli/start.h"

static const char *output, *json_file, *twin, *corruption = "main";
static const char *operands[BNN_MAX_RUNS + 1];

static bnn_option options[] = {
    {"output", BNN_OPTION_STRING, &output, "FILE", "The page to write, or - for standard output.",
     .default_text = "run: RUN/report.html; compare: it must be given"},
    {"twin", BNN_OPTION_STRING, &twin, "RUN",
     "With run: the run of its float twin, for the robustness metric.", .default_text = NULL},
    {"corruption", BNN_OPTION_STRING, &corruption, "NAME,...",
     "Corruptions the robustness metric is of; main: the 15 of the benchmark, all: these and the "
     "extra four.",
     .default_text = "main"},
    {"json", BNN_OPTION_STRING, &json_file, "FILE",
     "With robustness: write all numbers as JSON; - for standard output.", .default_text = NULL},
};

static bnn_program program = {
    .name = "bnn-report",
    .summary = "report on runs: curves, classes, robustness",
    .usage = "run|compare|robustness RUN... [options]",
    .description =
        "run RUN writes a page about a run of bnn-train: curves, accuracy per class and on "
        "corruptions. compare RUN... writes one about several, side by side. robustness RUN... "
        "prints what binary networks lose on corrupted images beside what their float twins "
        "(fp32 runs of the same network and data set, named among the runs) lose: the gap for "
        "each corruption and severity, the mean corruption error and BiBench's overall metric.\n"
        "Accuracies per class and on corruptions are those of bnn-eval RUN --corruptions make, "
        "which writes RUN/" BNN_RESULTS_FILE ". A page is one file without scripts that needs "
        "nothing from elsewhere.",
    .examples = "bnn-report run runs/reactnet-resnet20-cifar10\n"
                "bnn-report compare runs/*-resnet20-cifar10 --output compare.html\n"
                "bnn-report robustness runs/bnn-resnet20-cifar10 runs/fp32-resnet20-cifar10",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands = operands,
    .min_operands = 2,
    .max_operands = BNN_MAX_RUNS + 1,
};

typedef struct report {
    char path[4200]; /* of the page */
    bnn_outputs outputs;
    bnn_report_run runs[BNN_MAX_RUNS + 1];
    size_t count;
    bnn_corruption_list list;
    bnn_robustness robustness;
} report;

static bnn_code open_run(report *r, const char *path, bnn_error *err) {
    return bnn_report_run_open(path, &r->runs[r->count++], err);
}

static void read_run(bnn_outputs *outputs, const char *path) {
    bnn_outputs_read_run(outputs, path);
    bnn_outputs_read_in(outputs, "a run's file", path, BNN_RESULTS_FILE);
}

/* No page takes the place of what it is about. */
static bnn_code check_outputs(report *r, bnn_error *err) {
    for (int i = 1; i < program.operand_count; i++) {
        read_run(&r->outputs, operands[i]);
    }
    if (twin) {
        read_run(&r->outputs, twin);
    }
    bnn_outputs_result(&r->outputs, "--output", &output);
    bnn_outputs_result(&r->outputs, "--json", &json_file);
    return bnn_outputs_check(&r->outputs, err);
}

/* Closes `file`, for good or ill. */
static bnn_code finish(bnn_atomic_file *file, bnn_code code, bnn_error *err) {
    if (code == BNN_OK) {
        return bnn_atomic_commit(file, err);
    }
    bnn_atomic_abandon(file);
    return code;
}

static bnn_code write_json(const char *path, json_t *root, bnn_error *err) {
    bnn_atomic_file *file;
    bnn_code code = bnn_atomic_open(path, &file, err);
    if (code == BNN_OK) {
        if (root) {
            (void)json_dumpf(root, bnn_atomic_stream(file),
                             JSON_INDENT(2) | JSON_REAL_PRECISION(9));
            fputc('\n', bnn_atomic_stream(file));
        } else {
            code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
        }
        code = finish(file, code, err);
    }
    json_decref(root);
    return code;
}

static bnn_code run_robustness(report *r, bnn_error *err) {
    bnn_code code = bnn_robustness_compute(r->runs, r->count, &r->list, &r->robustness, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_robustness_print(&r->robustness, stdout);
    return json_file ? write_json(json_file, bnn_robustness_json(&r->robustness), err) : BNN_OK;
}

static bnn_code run_page(report *r, bnn_error *err) {
    bnn_atomic_file *file;
    bnn_code code = BNN_OK;
    if (!twin) {
        bnn_options_note(&program, "corruption", "says nothing to run without --twin");
    }
    if (twin && (code = open_run(r, twin, err)) == BNN_OK) {
        code = bnn_robustness_compute(r->runs, r->count, &r->list, &r->robustness, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    if ((code = bnn_atomic_open(output, &file, err)) != BNN_OK) {
        return code;
    }
    code = bnn_report_page_run(bnn_atomic_stream(file), &r->runs[0], twin ? &r->robustness : NULL,
                               err);
    return finish(file, code, err);
}

static bnn_code compare_page(report *r, bnn_error *err) {
    bnn_error why_not = {0};
    bnn_atomic_file *file;
    bnn_code none = bnn_robustness_compute(r->runs, r->count, &r->list, &r->robustness, &why_not);
    bnn_code code = bnn_atomic_open(output, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    code = bnn_report_page_compare(bnn_atomic_stream(file), r->runs, r->count,
                                   none == BNN_OK ? &r->robustness : NULL, why_not.text, err);
    return finish(file, code, err);
}

/* An option that would do nothing was meant otherwise. */
static bnn_code check_options(report *r, const char *command, bnn_error *err) {
    const struct {
        const char *option, *value, *with, *or_with;
    } uses[] = {{"output", output, "run", "compare"},
                {"twin", twin, "run", "run"},
                {"json", json_file, "robustness", "robustness"}};
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        if (uses[i].value && strcmp(command, uses[i].with) != 0 &&
            strcmp(command, uses[i].or_with) != 0) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s goes with %s, not with %s", uses[i].option,
                            uses[i].with, command);
        }
    }
    if (strcmp(command, "run") == 0 && program.operand_count > 2) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "run takes one run; for several, bnn-report compare RUN... --output FILE");
    }
    if (strcmp(command, "compare") == 0 && (!output || !*output)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "compare: --output FILE must be given");
    }
    if (strcmp(command, "run") == 0 && !output) {
        snprintf(r->path, sizeof r->path, "%s/report.html", operands[1]);
        output = r->path;
    }
    return BNN_OK;
}

static bnn_code report_all(report *r, bnn_error *err) {
    static const char *const names[] = {"run", "compare", "robustness", NULL};
    static bnn_code (*const commands[])(report *, bnn_error *) = {run_page, compare_page,
                                                                  run_robustness};
    size_t which = 0;
    while (names[which] && strcmp(names[which], operands[0]) != 0) {
        which++;
    }
    if (!names[which]) {
        const char *near = bnn_nearest_name(operands[0], names);
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%.80s: must be run, compare or robustness%s%s%s",
                        operands[0], near ? " (did you mean " : "", near ? near : "",
                        near ? "?)" : "");
    }
    bnn_code code = check_options(r, names[which], err);
    if (code == BNN_OK) {
        code = bnn_corruption_list_parse(corruption, &r->list, err);
    }
    for (int i = 1; i < program.operand_count && code == BNN_OK; i++) {
        code = open_run(r, operands[i], err);
    }
    if (code == BNN_OK) {
        code = check_outputs(r, err);
    }
    if (code == BNN_OK) {
        code = commands[which](r, err);
    }
    if (code == BNN_OK && output && !bnn_is_stream(output)) {
        printf("%s\n", output);
    }
    return code;
}

static bnn_code work(bnn_error *err) {
    static report r;
    bnn_code code = report_all(&r, err);
    for (size_t i = 0; i < r.count; i++) {
        bnn_report_run_close(&r.runs[i]);
    }
    bnn_outputs_free(&r.outputs);
    bnn_interrupt_forget();
    return code;
}

int main(int argc, char **argv) {
    return bnn_start(&program, argc, argv, work);
}
