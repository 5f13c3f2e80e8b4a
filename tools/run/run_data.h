/* The data a run is trained on, and by which teacher: where they lie, and what they are, so that a
 * run can be repeated, resumed and evaluated from anywhere, and never goes on with others
 * unnoticed. */
#ifndef BNN_TOOLS_RUN_RUN_DATA_H
#define BNN_TOOLS_RUN_RUN_DATA_H

#include <limits.h>

#include "data_loaders/dataset.h"
#include "engine/io/safetensors.h"

/* bnn_dataset_checksum of both splits, as text; "": not known, as in older checkpoints. */
typedef struct bnn_run_data {
    char train[9], test[9];
    char teacher[9]; /* its file's checksum; "": none, or not known */
} bnn_run_data;

void bnn_run_data_of(const bnn_dataset *train, const bnn_dataset *test, bnn_run_data *out);
/* What the metadata of a checkpoint say. */
void bnn_run_data_read(const bnn_st_file *file, bnn_run_data *out);
/* Refuses to go on from the checkpoint `path`, of data that were `was`, with data that are `now`;
 * what is not known agrees with all. */
bnn_code bnn_run_data_same(const char *path, const bnn_run_data *was, const bnn_run_data *now,
                           bnn_error *err);
/* If the checkpoint was trained with other test images than these, of the folder `dir`, says so on
 * stderr in one line, in the name of `program`. */
void bnn_run_data_note(const bnn_st_file *file, const bnn_dataset *test, const char *dir,
                       const char *program);

/* The path as it is to be recorded: absolute and without links, in `room`. As it was given if it is
 * NULL or leads nowhere. */
const char *bnn_recorded_path(const char *path, char room[PATH_MAX]);

#endif
