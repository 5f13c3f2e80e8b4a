/* The options that fuzz_config and fuzz_command_line set: one of each kind. */
#ifndef BNN_TESTS_FUZZ_OPTIONS_TABLE_H
#define BNN_TESTS_FUZZ_OPTIONS_TABLE_H

#include <math.h>
#include <stdbool.h>

#include "tools/cli/options.h"
#include "tools/cli/options_internal.h"

static const char *const algorithms[] = {"bnn", "xnor", "reactnet", NULL};

static bool augment;
static int64_t batch_size, seed;
static double lr, any;
static const char *algo, *data, *resume, *out, *operands[2];

static bnn_option options[] = {
    {.name = "algo",
     .type = BNN_OPTION_STRING,
     .value = &algo,
     .choices = algorithms,
     .from_config = 1},
    {.name = "data", .type = BNN_OPTION_STRING, .value = &data, .from_config = 1},
    {.name = "batch-size",
     .type = BNN_OPTION_INT,
     .value = &batch_size,
     .min = 1,
     .max = 65536,
     .from_config = 1},
    {.name = "seed",
     .type = BNN_OPTION_INT,
     .value = &seed,
     .min = -9.3e18,
     .max = 9.3e18,
     .from_config = 1},
    {.name = "lr", .type = BNN_OPTION_REAL, .value = &lr, .min = 0, .max = 10, .from_config = 1},
    {.name = "any",
     .type = BNN_OPTION_REAL,
     .value = &any,
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .from_config = 1},
    {.name = "augment",
     .type = BNN_OPTION_FLAG,
     .value = &augment,
     .from_config = 1,
     .letter = 'a'},
    {.name = "resume", .type = BNN_OPTION_OPTIONAL_STRING, .value = &resume, .from_config = 1},
    {.name = "out", .type = BNN_OPTION_STRING, .value = &out},
};

static bnn_program program = {
    .name = "bnn-fuzz",
    .summary = "read options",
    .usage = "FROM [TO]",
    .operands = operands,
    .min_operands = 1,
    .max_operands = 2,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
};

static void set_defaults(void) {
    augment = false;
    batch_size = 128;
    seed = 1;
    lr = 0.1;
    any = 0;
    algo = algorithms[0];
    data = resume = out = NULL;
}

#endif
