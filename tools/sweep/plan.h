/* A plan: which algorithms, networks, data sets, hyper-parameters and seeds, as a JSON file names
 * them, and the cells that follow, each one training and what is measured of it.
 *
 *  {"title": TEXT, "data-dirs": {DATA: DIR}, "groups": [
 *    {"name": NAME, "tracks": [NAME], "algos": [NAME], "archs": [NAME], "data": [NAME],
 *     "seeds": [N], "variants": {NAME: OPTIONS}, "options": OPTIONS, "binary": OPTIONS,
 *     "float": OPTIONS, "eval": OPTIONS, "minutes": N}], "limit": N}
 *
 * Names are of the tables, with * and ? as in a shell, behind ! taken out again; of networks and
 * data sets those pairs that go together. OPTIONS are those of bnn-train, by their long names; of
 * "eval", of bnn-eval. In their texts {twin} is the run of the float twin in the same group. */
#ifndef BNN_TOOLS_SWEEP_PLAN_H
#define BNN_TOOLS_SWEEP_PLAN_H

#include <stdint.h>

#include <jansson.h>

#include "engine/base/arena.h"
#include "engine/base/status.h"

#define BNN_MAX_CELLS 100000
#define BNN_MAX_CELL_NAME 200
#define BNN_NO_CELL SIZE_MAX

typedef struct bnn_sweep_group {
    const char *name;
    unsigned tracks;     /* bits of bnn_track_names */
    const json_t *eval;  /* options, or NULL */
    double minutes;      /* of work that a cell may take; 0: any */
    const json_t *given; /* as the plan has it */
} bnn_sweep_group;

typedef struct bnn_cell {
    const char *name; /* GROUP/ALGO-ARCH-DATA[-VARIANT]-sSEED: its folder in that of the sweep */
    const bnn_sweep_group *group;
    const char *algo, *arch, *data; /* the tables' names */
    const char *variant;            /* or "" */
    int variant_number;
    int64_t seed;
    json_t *options; /* of bnn-train, but for the ones above */
    size_t twin;     /* the float cell like it, or BNN_NO_CELL */
    int needs_twin;  /* its options name it */
    int first_seed;
} bnn_cell;

typedef struct bnn_plan {
    bnn_arena *arena;
    json_t *root;
    const char *title; /* or "" */
    bnn_sweep_group *groups;
    bnn_cell *cells;
    size_t group_count, cell_count, cell_capacity;
} bnn_plan;

/* `name` is for messages. Free it in any case. */
bnn_code bnn_plan_parse(const char *name, const char *json, size_t bytes, bnn_plan *out,
                        bnn_error *err);
bnn_code bnn_plan_read(const char *path, bnn_plan *out, bnn_error *err);
void bnn_plan_free(bnn_plan *plan);

/* The folder of a data set, as the plan names it; or NULL. A pattern may name several sets. */
const char *bnn_plan_data_dir(const bnn_plan *plan, const char *data);
/* DATA=DIR,... of a command line, into the plan; absolute. */
bnn_code bnn_plan_set_data_dirs(bnn_plan *plan, const char *list, bnn_error *err);

/* Every cell uses at most so many samples of either split. Remembered in the plan. */
bnn_code bnn_plan_set_limit(bnn_plan *plan, int64_t limit, bnn_error *err);

/* The cell of this name; an error that names the nearest. */
bnn_code bnn_plan_find(const bnn_plan *plan, const char *cell, size_t *out, bnn_error *err);

#endif
