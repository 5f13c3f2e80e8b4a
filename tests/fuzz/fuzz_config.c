/* The configuration parser on arbitrary bytes. Whatever they are, a refusal is one line, and what
 * is accepted can be recorded and read back to the very same record. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/options.h"
#include "tools/options_internal.h"

static const char *const algorithms[] = {"bnn", "xnor", "reactnet", NULL};

static bool augment;
static int64_t batch_size, seed;
static double lr, any;
static const char *algo, *data, *resume, *out;

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
    {.name = "augment", .type = BNN_OPTION_FLAG, .value = &augment, .from_config = 1},
    {.name = "resume", .type = BNN_OPTION_OPTIONAL_STRING, .value = &resume, .from_config = 1},
    {.name = "out", .type = BNN_OPTION_STRING, .value = &out},
};

static bnn_program program = {
    .name = "bnn-fuzz",
    .summary = "read a configuration",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
};

static const char *const seeds[] = {
    "{\"algo\":\"reactnet\",\"lr\":0.001,\"batch-size\":64,\"augment\":true}",
    "{\"seed\":-9223372036854775808,\"any\":-1.7976931348623157e308,\"resume\":\"\"}",
    "{\"data\":\"/a b/\\u00e9\\n\\\"\\\\\",\"batch_size\":1,\"lr\":1e-3,\"any\":5}",
    "{\"alog\":\"reactnt\"}",
    "{\"algo\":\"reactnt\",\"out\":\"x\"}",
    "[{\"algo\":null}, 1e999, [[[[]]]]]",
    "{}",
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

static void insist(int condition) {
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    bnn_error err = {.code = BNN_OK};
    set_defaults();
    if (bnn_options_from_json(&program, "fuzz.json", (const char *)bytes, size, &err)) {
        insist(err.code && err.text[0] && !strpbrk(err.text, "\n\r\033"));
    } else {
        char *first = bnn_options_to_json(&program, 1);
        insist(first && !out);
        set_defaults();
        insist(!bnn_options_from_json(&program, "fuzz.json", first, strlen(first), &err));
        char *second = bnn_options_to_json(&program, 1);
        insist(second && !strcmp(first, second));
        free(first);
        free(second);
    }
    bnn_options_forget_strings();
    return 0;
}

size_t bnn_fuzz_seed(int index, uint8_t *bytes, size_t max) {
    if (index < 0 || (size_t)index >= sizeof seeds / sizeof seeds[0])
        return 0;
    size_t size = strlen(seeds[index]);
    if (size > max)
        return 0;
    memcpy(bytes, seeds[index], size);
    return size;
}
