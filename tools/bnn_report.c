/* bnn-report: what runs have come to, as numbers and as a page to read. */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/stream.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/json_file.h"
#include "tools/run/outputs.h"
#include "tools/run/run_data.h"
#include "tools/report/bibench.h"
#include "tools/report/devices.h"
#include "tools/report/page.h"
#include "tools/report/sweep_page.h"
#include "tools/sweep/state.h"
#include "tools/cli/start.h"

static const char *output, *json_file, *twin, *corruption = "main", *tables;
static bool count_emulated, ratio_of_means, sample_spread, mean_seeds, severities_apart,
    multiply_scales;
static const char *operands[BNN_MAX_RUNS + 1];

static bnn_option options[] = {
    {"output", BNN_OPTION_STRING, &output, "FILE", "The page to write, or - for standard output.",
     .default_text = "run: RUN/report.html; bibench: SWEEP/report.html; compare: it must be given"},
    {"twin", BNN_OPTION_STRING, &twin, "RUN",
     "With run: the run of its float twin, for the robustness metric.", .default_text = NULL},
    {"corruption", BNN_OPTION_STRING, &corruption, "NAME,...",
     "Corruptions the robustness metric is of; main: the 15 of the benchmark, all: these and the "
     "extra four.",
     .default_text = "main"},
    {"json", BNN_OPTION_STRING, &json_file, "FILE",
     "With robustness, inference and bibench: write all numbers as JSON; - for standard output.",
     .default_text = NULL},
    {"tables", BNN_OPTION_STRING, &tables, "DIR",
     "With bibench: write each table there, as CSV, JSON and LaTeX.", .default_text = NULL},
    {"ratio-of-means", BNN_OPTION_FLAG, &ratio_of_means, NULL,
     "With bibench: of a group, divide the means of accuracy and of time, instead of averaging "
     "ratios. (Times of training are means over a network's configurations in either case.)",
     .default_text = NULL},
    {"sample-spread", BNN_OPTION_FLAG, &sample_spread, NULL,
     "With bibench: estimate the spread of accuracy from a sample (n-1), instead of a population.",
     .default_text = NULL},
    {"mean-seeds", BNN_OPTION_FLAG, &mean_seeds, NULL,
     "With bibench: average the seeds before the spread over configurations is taken, instead of "
     "counting them as configurations.",
     .default_text = NULL},
    {"severities-apart", BNN_OPTION_FLAG, &severities_apart, NULL,
     "With bibench: each severity of a corruption is a task, instead of their mean.",
     .default_text = NULL},
    {"multiply-scales", BNN_OPTION_FLAG, &multiply_scales, NULL,
     "With bibench: count the multiplications by scales of channels, instead of folding them away.",
     .default_text = NULL},
    {"count-emulated", BNN_OPTION_FLAG, &count_emulated, NULL,
     "With inference and bibench: count what bnn-export --emulate wrote in floats as it was "
     "measured. "
     "Without, as in BiBench, an algorithm that an engine has no way to deploy (xnor and xnorpp in "
     "Larq Compute Engine and daBNN, reactnet in daBNN) counts 0 there.",
     .default_text = NULL},
};

enum { RUN = 1, COMPARE = 2, ROBUSTNESS = 4, INFERENCE = 8, BIBENCH = 16 };

/* Which commands an option is for. */
static const struct {
    const char *option;
    int commands;
    const char *with;
} uses[] = {
    {"output", RUN | COMPARE | BIBENCH, "run, compare and bibench"},
    {"twin", RUN, "run"},
    {"corruption", RUN | COMPARE | ROBUSTNESS | BIBENCH, "run, compare, robustness and bibench"},
    {"json", ROBUSTNESS | INFERENCE | BIBENCH, "robustness, inference and bibench"},
    {"tables", BIBENCH, "bibench"},
    {"ratio-of-means", BIBENCH, "bibench"},
    {"sample-spread", BIBENCH, "bibench"},
    {"mean-seeds", BIBENCH, "bibench"},
    {"severities-apart", BIBENCH, "bibench"},
    {"multiply-scales", BIBENCH, "bibench"},
    {"count-emulated", INFERENCE | BIBENCH, "inference and bibench"}};

static bnn_program program = {
    .name = "bnn-report",
    .summary =
        "report on runs, sweeps and devices: curves, classes, robustness, inference, BiBench",
    .usage = "run|compare|robustness RUN... | bibench SWEEP | inference FILE... [options]",
    .description =
        "run RUN writes a page about a run of bnn-train: curves, accuracy per class and on "
        "corruptions. compare RUN... writes one about several, side by side; of those that differ "
        "by nothing but their seed also the mean, with its 95 % confidence. robustness RUN... "
        "prints what binary networks lose on corrupted images beside what their float twins "
        "(fp32 runs of the same network and data set, named among the runs) lose: the gap for "
        "each corruption and severity, the mean corruption error and BiBench's overall metric.\n"
        "Accuracies per class and on corruptions are those of bnn-eval RUN --corruptions make, "
        "which writes RUN/" BNN_RESULTS_FILE ". A page is one file without scripts that needs "
        "nothing from elsewhere.\n"
        "bibench SWEEP makes a page of a sweep of bnn-sweep: BiBench's six tracks, whose overall "
        "metrics it prints, with a table and pictures of each, every number a link to the run's "
        "own "
        "page. What the article leaves open is an option.\n"
        "inference FILE... puts files of bnn-bench infer --json together, from one machine or "
        "many, in one table of networks and devices, with BiBench's overall metric of each "
        "algorithm: the root of the mean square of how many times faster and how many times "
        "smaller than its float twin it is, on average over devices and engines, for one sample at "
        "a time. Of a folder it takes all *.json in it and in its folders; the folder that a file "
        "lies in names its device, as tools/board.sh leaves board/HOST/MODEL.json.",
    .examples = "bnn-report run runs/reactnet-resnet20-cifar10\n"
                "bnn-report compare runs/*-resnet20-cifar10 --output compare.html\n"
                "bnn-report robustness runs/bnn-resnet20-cifar10 runs/fp32-resnet20-cifar10\n"
                "bnn-report bibench sweeps/quick --tables tables\n"
                "bnn-report inference board laptop.json",
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
    bnn_device_table devices;
    bnn_bibench bibench;
} report;

static bnn_code open_run(report *r, const char *path, bnn_error *err) {
    return bnn_report_run_open(path, &r->runs[r->count++], err);
}

static void read_run(bnn_outputs *outputs, const char *path) {
    bnn_outputs_read_run(outputs, path);
    bnn_outputs_read_in(outputs, "a run's file", path, BNN_RESULTS_FILE);
}

static bnn_code open_runs(report *r, bnn_error *err) {
    bnn_code code = bnn_corruption_list_parse(corruption, &r->list, err);
    for (int i = 1; i < program.operand_count && code == BNN_OK; i++) {
        code = open_run(r, operands[i], err);
        read_run(&r->outputs, operands[i]);
    }
    if (twin) {
        read_run(&r->outputs, twin);
    }
    return code;
}

static bnn_code open_files(report *r, bnn_error *err) {
    bnn_code code = BNN_OK;
    for (int i = 1; i < program.operand_count && code == BNN_OK; i++) {
        code = bnn_device_table_find(&r->devices, operands[i], err);
    }
    for (size_t i = 0; i < r->devices.file_count; i++) {
        bnn_outputs_read(&r->outputs, "a file of bnn-bench", r->devices.files[i]);
    }
    return code == BNN_OK ? bnn_device_table_read(&r->devices, err) : code;
}

/* No page takes the place of what it is about. */
static bnn_code check_outputs(report *r, bnn_error *err) {
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

static bnn_code run_robustness(report *r, bnn_error *err) {
    bnn_code code = bnn_robustness_compute(r->runs, r->count, &r->list, &r->robustness, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_robustness_print(&r->robustness, stdout);
    return json_file ? bnn_json_write(json_file, bnn_robustness_json(&r->robustness), err) : BNN_OK;
}

static bnn_code run_inference(report *r, bnn_error *err) {
    r->devices.count_emulated = count_emulated;
    bnn_code code = bnn_device_table_compute(&r->devices, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_device_table_print(&r->devices, stdout);
    return json_file ? bnn_json_write(json_file, bnn_device_table_json(&r->devices), err) : BNN_OK;
}

static bnn_code run_page(report *r, bnn_error *err) {
    bnn_atomic_file *file;
    bnn_code code = BNN_OK;
    if (!twin) {
        bnn_options_note(&program, "corruption", "has no effect on run without --twin");
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

/* ---- bibench ---- */

static bnn_code open_sweep(report *r, bnn_error *err) {
    char base[PATH_MAX + 2];
    r->bibench.options =
        (bnn_bibench_options){.mean = ratio_of_means ? BNN_RATIO_OF_MEANS : BNN_MEAN_OF_RATIOS,
                              .sample_spread = sample_spread,
                              .mean_seeds = mean_seeds,
                              .severities_apart = severities_apart,
                              .scalings = multiply_scales,
                              .count_emulated = count_emulated};
    bnn_code code = bnn_corruption_list_parse(corruption, &r->bibench.options.corruptions, err);
    if (code == BNN_OK) {
        code = bnn_bibench_read(&r->bibench, operands[1],
                                bnn_options_given(&program, "output")
                                    ? bnn_page_link_base(output, operands[1], base)
                                    : "",
                                err);
    }
    if (code == BNN_OK) {
        bnn_sweep_files(&r->outputs, operands[1], &r->bibench.plan);
    }
    return code;
}

static bnn_code sweep_page(report *r, bnn_error *err) {
    bnn_atomic_file *file;
    bnn_code code = bnn_bibench_compute(&r->bibench, err);
    if (code != BNN_OK || (code = bnn_bibench_write_runs(&r->bibench, err)) != BNN_OK) {
        return code;
    }
    bnn_track_table_text(&r->bibench.summary, stdout);
    if (json_file &&
        (code = bnn_json_write(json_file, bnn_bibench_json(&r->bibench), err)) != BNN_OK) {
        return code;
    }
    if ((tables && (code = bnn_bibench_write_tables(&r->bibench, tables, err)) != BNN_OK) ||
        (code = bnn_atomic_open(output, &file, err)) != BNN_OK) {
        return code;
    }
    return finish(file, bnn_bibench_page(&r->bibench, bnn_atomic_stream(file), err), err);
}

typedef struct command {
    const char *name;
    int bit;
    bnn_code (*open)(report *, bnn_error *);
    bnn_code (*run)(report *, bnn_error *);
} command;

static const command commands[] = {{"run", RUN, open_runs, run_page},
                                   {"compare", COMPARE, open_runs, compare_page},
                                   {"robustness", ROBUSTNESS, open_runs, run_robustness},
                                   {"bibench", BIBENCH, open_sweep, sweep_page},
                                   {"inference", INFERENCE, open_files, run_inference}};

enum { COMMANDS = sizeof commands / sizeof *commands };

/* An option that would do nothing was meant otherwise. */
static bnn_code check_options(report *r, const command *c, bnn_error *err) {
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        if (bnn_options_given(&program, uses[i].option) && !(uses[i].commands & c->bit)) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s goes with %s, not with %s", uses[i].option,
                            uses[i].with, c->name);
        }
    }
    if (c->bit == RUN && program.operand_count > 2) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "run takes one run; for several, bnn-report compare RUN... --output FILE");
    }
    if (c->bit == COMPARE && (!output || !*output)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "compare: --output FILE must be given");
    }
    if (c->bit == BIBENCH && program.operand_count > 2) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "bibench takes one sweep");
    }
    if (c->bit & (RUN | BIBENCH) && !output) {
        snprintf(r->path, sizeof r->path, "%s/report.html", operands[1]);
        output = r->path;
    }
    return BNN_OK;
}

static bnn_code report_all(report *r, bnn_error *err) {
    const command *c = bnn_command_find(operands[0], commands, sizeof *commands, COMMANDS, err);
    bnn_code code = c ? check_options(r, c, err) : BNN_ERR_ARGUMENT;
    if (c && code == BNN_OK && (code = c->open(r, err)) == BNN_OK &&
        (code = check_outputs(r, err)) == BNN_OK) {
        code = c->run(r, err);
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
    bnn_device_table_free(&r.devices);
    bnn_bibench_free(&r.bibench);
    bnn_outputs_free(&r.outputs);
    bnn_interrupt_forget();
    return code;
}

int main(int argc, char **argv) {
    program.commands = commands;
    program.command_size = sizeof *commands;
    program.command_count = COMMANDS;
    return bnn_start(&program, argc, argv, work);
}
