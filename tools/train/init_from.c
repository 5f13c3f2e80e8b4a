#include "tools/train/init_from.h"

#include <stdio.h>
#include <unistd.h>

#include "models/files/init_from.h"

enum { MOST_NOTES = 10 };

static void print(const bnn_init_result *r, const char *file) {
    for (size_t i = 0; i < r->note_count && i < MOST_NOTES; i++) {
        fprintf(stderr, "bnn-train: note: not taken: %s\n", r->notes[i]);
    }
    if (r->note_count > MOST_NOTES) {
        fprintf(stderr, "bnn-train: note: and %zu more\n", r->note_count - MOST_NOTES);
    }
    if (r->fresh) {
        fprintf(stderr,
                "bnn-train: note: %s is of a classifier, which this network begins as: the other "
                "%zu tensors of the network start anew\n",
                file, r->fresh);
    }
    if (r->unused) {
        fprintf(stderr, "bnn-train: note: %zu tensors of %s have no place in this network\n",
                r->unused, file);
    }
}

bnn_code bnn_init_from_file(const bnn_train_settings *settings, bnn_params *params,
                            bnn_error *err) {
    bnn_init_result result;
    char best[4200];
    bnn_arena *arena = bnn_arena_create();
    if (!arena) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    }
    snprintf(best, sizeof best, "%s/best.safetensors", settings->init_from); /* of a run */
    const char *from = access(best, F_OK) == 0 ? best : settings->init_from;
    bnn_code code = bnn_init_from(from, &settings->spec, &settings->device, settings->init_partial,
                                  params, arena, &result, err);
    if (code == BNN_OK) {
        print(&result, from);
        printf("took %zu of %zu tensors from %s\n", result.taken, params->count, from);
    }
    bnn_arena_free(arena);
    return code;
}
