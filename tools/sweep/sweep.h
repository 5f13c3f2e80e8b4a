/* A sweep: a plan and the folder of its cells. */
#ifndef BNN_TOOLS_SWEEP_SWEEP_H
#define BNN_TOOLS_SWEEP_SWEEP_H

#include <stdio.h>

#include "tools/sweep/job.h"
#include "tools/sweep/state.h"

#define BNN_SWEEP_PLAN "plan.json"

typedef struct bnn_sweep {
    bnn_plan plan;
    char folder[4096];
    char train[4200], eval[4200], bench[4200]; /* programs */
    int64_t jobs, threads;                     /* at once; of each, 0: the processors' share */
    int retry;                                 /* failed cells are tried again */
    size_t only;                               /* one cell, or BNN_NO_CELL */
} bnn_sweep;

/* A cell as others see it. */
typedef enum bnn_cell_phase {
    BNN_CELL_WAITS,
    BNN_CELL_NO_DATA, /* nobody said where they are */
    BNN_CELL_BLOCKED, /* the twin that it starts from failed, or has no data */
    BNN_CELL_RUNS,
    BNN_CELL_FAILED,
    BNN_CELL_DONE,
} bnn_cell_phase;

/* The phase, from the files alone; an error if they are damaged or of another plan. */
bnn_code bnn_sweep_phase(const bnn_sweep *sweep, size_t cell, bnn_cell_state *state,
                         bnn_cell_phase *out, bnn_error *err);
/* Has the plan a folder of the cell's data, or the data a usual one? A cell that is not trained
 * needs none. */
int bnn_sweep_has_data(const bnn_sweep *sweep, const bnn_cell *cell);

/* The command line of a stage. */
bnn_code bnn_sweep_command(const bnn_sweep *sweep, size_t cell, int stage, bnn_command *command,
                           bnn_error *err);
/* Options of a cell, as bnn-train takes them; those that name the twin only if `with_twin`. */
bnn_code bnn_sweep_options(const bnn_sweep *sweep, size_t cell, int with_twin, bnn_command *command,
                           bnn_error *err);
/* Asks bnn-train, or bnn-eval, whether it takes the cell's options. */
bnn_code bnn_sweep_check_command(const bnn_sweep *sweep, size_t cell, int of_eval,
                                 bnn_command *command, bnn_error *err);
/* Asks both of each group; `name` of the plan is for messages. */
bnn_code bnn_sweep_check_options(const bnn_sweep *sweep, const char *name, bnn_error *err);
/* Threads of one process. */
int64_t bnn_sweep_threads(const bnn_sweep *sweep);

/* Works on the cells until all are done or have failed, or a signal comes; tells on stdout what
 * becomes of them. An error if some failed. */
bnn_code bnn_sweep_run(bnn_sweep *sweep, bnn_error *err);

/* "acc 71.20%", of the cell's evaluation; "" before it. */
void bnn_sweep_score(const bnn_sweep *sweep, const bnn_cell *cell, char text[80]);
void bnn_clock_text(double seconds, char text[32]); /* "1:02:03"; "-" of NAN */

/* A table of the cells; and as JSON, or NULL when memory is out. */
bnn_code bnn_sweep_status(const bnn_sweep *sweep, FILE *out, json_t **json, bnn_error *err);

/* What all of it would take: of each kind of cell, measured from finished cells of the sweep, else
 * (`measure`) from a few real steps. */
bnn_code bnn_sweep_estimate(const bnn_sweep *sweep, int measure, FILE *out, json_t **json,
                            bnn_error *err);

/* FOLDER/Makefile. */
bnn_code bnn_sweep_write_make(const bnn_sweep *sweep, bnn_error *err);
/* FOLDER/slurm/: an array job for the cells that need no other, and one for those that do; submits
 * both if there is sbatch. */
bnn_code bnn_sweep_write_slurm(const bnn_sweep *sweep, bnn_error *err);

#endif
