/* A checkpoint as a resumed training reads it, on arbitrary bytes: its state, and the parameters
 * and optimizer's values of a network of two parameters; then as weights that another tool wrote.
 * What is accepted is what the file says. Networks that a file names itself: fuzz_model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "tests/fuzz/fuzz.h"
#include "tools/train/train_state.h"

#define MOST_DATA ((size_t)1 << 16)

static const bnn_param descriptions[] = {
    {.name = "w",
     .ndim = 4,
     .shape = {2, 3, 1, 2},
     .outer = 2,
     .channels = 3,
     .space = 2,
     .inner = 1,
     .memory = {2, 1, 2, 3},
     .trainable = 1},
    {.name = "b",
     .ndim = 1,
     .shape = {2},
     .outer = 2,
     .channels = 1,
     .space = 1,
     .inner = 1,
     .memory = {1, 1, 1, 2}},
};

static bnn_params *params;
static bnn_optimizer optimizer;

static void set_up(void) {
    const char *why;
    bnn_device device;
    bnn_error err;
    bnn_insist(bnn_cpu_device(NULL, 1, &device, &why));
    params = bnn_params_create();
    bnn_insist(params != NULL);
    for (size_t i = 0; i < sizeof descriptions / sizeof descriptions[0]; i++) {
        bnn_insist(bnn_params_register(params, &descriptions[i], &err) != NULL);
    }
    bnn_insist(bnn_params_allocate(params, &err) == BNN_OK &&
               bnn_optimizer_init(&optimizer, bnn_optimizer_find("adam"), &device,
                                  params->value_count, &err) == BNN_OK);
}

/* ---- the state ---- */

/* A file without tensors that records `s`; its size. */
static size_t record(const bnn_train_state *s, uint8_t *out, size_t room) {
    bnn_meta meta[BNN_TRAIN_STATE_META];
    bnn_arena *arena = bnn_arena_create();
    bnn_insist(arena != NULL);
    size_t count = bnn_train_state_meta(s, "adam", "", arena, meta);
    int size = snprintf((char *)out + 8, room - 8,
                        "{\"__metadata__\":{\"format\":\"" BNN_CHECKPOINT_FORMAT "\"");
    for (size_t i = 0; i < count; i++) {
        size += snprintf((char *)out + 8 + size, room - 8 - (size_t)size, ",\"%s\":\"%s\"",
                         meta[i].key, meta[i].value);
    }
    size += snprintf((char *)out + 8 + size, room - 8 - (size_t)size, "}}");
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)((uint64_t)size >> (8 * i));
    }
    bnn_arena_free(arena);
    return 8 + (size_t)size;
}

#define SUMS 2 /* of a score */

static void check_state(const bnn_train_state *s) {
    uint8_t first[1024], second[1024];
    bnn_error err = {0};
    double sums[SUMS];
    bnn_train_state again = {.score = {.count = SUMS, .sum = sums}};
    bnn_st_file *file;
    bnn_insist(s->epoch <= 1000000000 && s->best_phase >= 0 && s->best_phase <= 100);
    size_t size = record(s, first, sizeof first);
    bnn_insist(bnn_st_parse("again", first, size, &file, &err) == BNN_OK);
    bnn_insist(bnn_train_state_read("again", file, &again, &err) == BNN_OK);
    bnn_insist(record(&again, second, sizeof second) == size && memcmp(first, second, size) == 0);
    bnn_st_close(file);
}

/* ---- the values ---- */

static void check_values(const bnn_st_file *file, const char *name, const bnn_param *param,
                         const float *memory) {
    float values[12];
    const bnn_st_tensor *t = bnn_st_find(file, name);
    bnn_insist(t && t->bytes == param->count * sizeof *values && t->bytes <= sizeof values);
    bnn_param_to_file(param, memory, values);
    bnn_insist(memcmp(values, t->data, t->bytes) == 0);
    for (size_t i = 0; i < param->count; i++) {
        bnn_insist(values[i] == values[i]);
    }
}

static void read_values(const bnn_st_file *file) {
    const bnn_param *w = params->list[0], *b = params->list[1];
    const bnn_weights weights = {.path = "input", .file = file, .exact = 1};
    bnn_error err = {0};
    if (bnn_accepted(bnn_weights_read_params(&weights, params, &err), &err)) {
        bnn_insist(bnn_weights_check_params(&weights, params, &err) == BNN_OK);
        check_values(file, "w", w, bnn_param_data(params, w));
        check_values(file, "b", b, bnn_param_data(params, b));
    }
    err = (bnn_error){0};
    if (bnn_accepted(bnn_checkpoint_read_optimizer(&weights, params, &optimizer, &err), &err)) {
        check_values(file, "optimizer.w.exp_avg", w, optimizer.slot[0] + w->offset);
        check_values(file, "optimizer.w.exp_avg_sq", w, optimizer.slot[1] + w->offset);
    }
}

/* In the names and the number types of other tools. */
static void read_foreign(const bnn_st_file *file) {
    bnn_weights weights;
    bnn_error err = {0};
    if (!bnn_accepted(bnn_weights_open("input", file, params, &weights, &err), &err)) {
        return;
    }
    for (size_t i = 0; i < params->count; i++) {
        const bnn_param *param = params->list[i];
        float *values = bnn_param_data(params, param);
        char why[BNN_WHY_BYTES];
        if (!bnn_weights_find(&weights, param->name, param, why)) {
            bnn_insist(why[0] && !strpbrk(why, "\n\r\033"));
        } else if (bnn_accepted(bnn_weights_read(&weights, param->name, param, values, &err),
                                &err)) {
            for (size_t j = 0; j < param->count; j++) {
                bnn_insist(isfinite(values[j]));
            }
        }
    }
}

static void run(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_st_file *file;
    double sums[SUMS];
    bnn_train_state state = {.score = {.count = SUMS, .sum = sums}};
    if (!bnn_accepted(bnn_st_parse("input", data, size, &file, &err), &err)) {
        return;
    }
    if (bnn_accepted(bnn_train_state_read("input", file, &state, &err), &err)) {
        check_state(&state);
    }
    read_values(file);
    read_foreign(file);
    bnn_st_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!params) {
        set_up();
    }
    run(data, size);
    uint8_t *whole = bnn_completed(data, size, MOST_DATA, &size);
    if (whole) {
        run(whole, size);
        free(whole);
    }
    return 0;
}
