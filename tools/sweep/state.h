/* What has been done of a cell: FOLDER/state.json in the cell's folder, whole at any moment, and a
 * lock, so that each is worked on by one process at a time and once. */
#ifndef BNN_TOOLS_SWEEP_STATE_H
#define BNN_TOOLS_SWEEP_STATE_H

#include "tools/run/outputs.h"
#include "tools/sweep/plan.h"

/* In their order. */
typedef enum bnn_stage {
    BNN_STAGE_COUNT, /* bnn-train --dry-run: the network's counts */
    BNN_STAGE_TRAIN,
    BNN_STAGE_EVAL,
    BNN_STAGE_INFER, /* bnn-bench infer, alone on the machine */
    BNN_STAGES,
} bnn_stage;

extern const char *const bnn_stage_names[BNN_STAGES + 1];

typedef struct bnn_cell_state {
    double seconds[BNN_STAGES]; /* that its processes took, those that were stopped, too */
    int done[BNN_STAGES];
    int failed, failed_stage;
    char message[400]; /* one line */
} bnn_cell_state;

#define BNN_CELL_PATH 4200

/* SWEEP/CELL[/NAME]; an error if it is too long. NAME may be "". */
bnn_code bnn_cell_path(const char *sweep, const bnn_cell *cell, const char *name,
                       char path[BNN_CELL_PATH], bnn_error *err);

/* Files of a cell's folder, written whole, NULL-terminated; beside them its run's. */
extern const char *const bnn_cell_files[];

/* All files of a sweep that anybody reads: its plan, and those of its cells. */
void bnn_sweep_files(bnn_outputs *outputs, const char *sweep, const bnn_plan *plan);

/* Is there such a stage for this cell? */
int bnn_stage_wanted(const bnn_cell *cell, int stage);
/* The first that is wanted and not done; BNN_STAGES: the cell is done. */
int bnn_next_stage(const bnn_cell *cell, const bnn_cell_state *state);

double bnn_cell_seconds(const bnn_cell_state *state); /* of all stages */

/* `name` is for messages. An error if it is another cell's, or was begun with other options. */
bnn_code bnn_cell_state_parse(const char *name, const char *json, size_t bytes,
                              const bnn_cell *cell, bnn_cell_state *out, bnn_error *err);
/* A cell that nobody has begun has an empty one. */
bnn_code bnn_cell_state_read(const char *sweep, const bnn_cell *cell, bnn_cell_state *out,
                             bnn_error *err);
/* The cell's folder must exist. */
bnn_code bnn_cell_state_write(const char *sweep, const bnn_cell *cell, const bnn_cell_state *state,
                              bnn_error *err);

/* Is somebody at work on it at this moment? */
int bnn_cell_busy(const char *sweep, const bnn_cell *cell);

#endif
