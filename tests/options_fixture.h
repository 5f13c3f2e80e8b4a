/* What the two tests of the options table share: a table with an option of every kind, and a parse
 * whose output streams go to files, as the exact one line on stderr is part of the contract. */
#ifndef BNN_TESTS_OPTIONS_FIXTURE_H
#define BNN_TESTS_OPTIONS_FIXTURE_H

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/options.h"
#include "tools/options_internal.h"

static const char *const algorithms[] = {"bnn", "xnor", "bireal", "reactnet", "ir-net", NULL};

static bool augment;
static int64_t batch_size, seed, threads;
static double lr, decay, shift;
static const char *algo, *data, *resume, *out;
static const char *operands[2];

static bnn_option options[] = {
    {.name = "algo",
     .type = BNN_OPTION_STRING,
     .value = &algo,
     .argument = "NAME",
     .help = "Binarization algorithm.",
     .choices = algorithms,
     .from_config = 1},
    {.name = "batch-size",
     .type = BNN_OPTION_INT,
     .value = &batch_size,
     .argument = "N",
     .help = "Images a step; a long sentence, so that it has to be wrapped at some place, and "
             "then once more, with C:\\path and 'quotes'.",
     .min = 1,
     .max = 65536,
     .from_config = 1},
    {.name = "seed",
     .type = BNN_OPTION_INT,
     .value = &seed,
     .argument = "N",
     .help = ".Starts with a dot.",
     .min = -9.3e18,
     .max = 9.3e18,
     .from_config = 1},
    {.name = "threads",
     .type = BNN_OPTION_INT,
     .value = &threads,
     .argument = "N",
     .help = "Threads.",
     .default_text = "all cores",
     .min = 1,
     .max = 1024,
     .from_config = 1},
    {.name = "lr",
     .type = BNN_OPTION_REAL,
     .value = &lr,
     .argument = "X",
     .help = "Learning rate.",
     .min = 0,
     .max = 10,
     .from_config = 1},
    {.name = "a-rather-long-name-for-weight-decay",
     .type = BNN_OPTION_REAL,
     .value = &decay,
     .argument = "X",
     .help = "Weight decay.",
     .min = 0,
     .max = HUGE_VAL,
     .from_config = 1},
    {.name = "shift",
     .type = BNN_OPTION_REAL,
     .value = &shift,
     .argument = "X",
     .help = "Any number.",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .from_config = 1},
    {.name = "augment",
     .type = BNN_OPTION_FLAG,
     .value = &augment,
     .help = "Augment.",
     .from_config = 1},
    {.name = "data",
     .type = BNN_OPTION_STRING,
     .value = &data,
     .argument = "DIR",
     .help = "Folder of the data.",
     .from_config = 1},
    {.name = "resume",
     .type = BNN_OPTION_OPTIONAL_STRING,
     .value = &resume,
     .argument = "DIR",
     .help = "Continue a run."},
    {.name = "out", .type = BNN_OPTION_STRING, .value = &out, .help = "Folder of the run."},
};

static bnn_program program = {
    .name = "bnn-train",
    .summary = "train a network",
    .usage = "[options]",
    .description = "Trains a network; this sentence is long enough to be wrapped before its end.\n"
                   "A second paragraph.",
    .examples = "bnn-train --algo reactnet\n.dotted --line\n",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .operands = operands,
};

static char printed[16384], refused[4096]; /* stdout and stderr of the last parse */

static void reset(void) {
    augment = false;
    batch_size = 128;
    seed = 1;
    threads = -1; /* outside its range: not chosen */
    lr = 0.001;
    decay = NAN;
    shift = 0;
    algo = "reactnet";
    data = resume = out = NULL;
    program.min_operands = program.max_operands = 0;
    program.usage = "[options]";
}

static void read_back(FILE *file, char *text, size_t bytes) {
    rewind(file);
    size_t length = fread(text, 1, bytes - 1, file);
    text[length] = '\0';
    fclose(file);
}

/* The words of `line`, split at blanks; '_' alone stands for an empty word. */
static bnn_parse_result parse(const char *line) {
    static char words[4096];
    char *argv[64] = {words};
    int argc = 1;
    snprintf(words, sizeof words, "bnn-train %s", line);
    strtok(words, " ");
    for (char *word; (word = strtok(NULL, " "));)
        argv[argc++] = strcmp(word, "_") ? word : word + 1;
    FILE *out_file = tmpfile(), *err_file = tmpfile();
    ck_assert(out_file && err_file);
    fflush(stdout);
    int old_out = dup(STDOUT_FILENO), old_err = dup(STDERR_FILENO);
    dup2(fileno(out_file), STDOUT_FILENO);
    dup2(fileno(err_file), STDERR_FILENO);
    bnn_parse_result result = bnn_options_parse(&program, argc, argv);
    fflush(stdout);
    dup2(old_out, STDOUT_FILENO);
    dup2(old_err, STDERR_FILENO);
    close(old_out);
    close(old_err);
    read_back(out_file, printed, sizeof printed);
    read_back(err_file, refused, sizeof refused);
    return result;
}

static void check_run(const char *line) {
    bnn_parse_result result = parse(line);
    ck_assert_msg(result == BNN_PARSE_RUN, "'%s' was refused: %s", line, refused);
    ck_assert_str_eq(refused, "");
    ck_assert_str_eq(printed, "");
}

/* Exactly this one line. */
static void check_refusal(const char *line, const char *message) {
    char expected[1024];
    ck_assert_msg(parse(line) == BNN_PARSE_ERROR, "'%s' was accepted", line);
    snprintf(expected, sizeof expected, "bnn-train: %s\n", message);
    ck_assert_str_eq(refused, expected);
    ck_assert_str_eq(printed, "");
}

static bnn_option *option_named(const char *name) {
    return bnn_option_find(&program, name, strlen(name), 0);
}

#endif
