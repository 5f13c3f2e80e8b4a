/* Which files a program reads and writes: no output may be an input or another output, whatever
 * they are called. Said before any work. */
#ifndef BNN_TOOLS_RUN_OUTPUTS_H
#define BNN_TOOLS_RUN_OUTPUTS_H

#include <stddef.h>
#include <sys/stat.h>

#include "data_loaders/corruption/corruption.h"
#include "data_loaders/dataset.h"
#include "engine/base/status.h"

typedef enum bnn_file_role {
    BNN_FILE_READ,
    BNN_FILE_RESULT, /* a file or a stream that the user named */
    BNN_FILE_OWN,    /* a file of a folder, by a name of ours; never a stream */
    BNN_FILE_SCREEN, /* standard output or error, where it leads to a file */
} bnn_file_role;

/* What is there counts by device and inode; what is not there yet, by its folder's and its name. */
typedef struct bnn_file_use {
    bnn_file_role role;
    const char *option; /* what the user knows it by */
    char *path;
    int known, by_descriptor;
    mode_t type; /* 0: not there yet */
    dev_t device;
    ino_t inode;
    char *name; /* NULL where it is there */
} bnn_file_use;

typedef struct bnn_outputs {
    bnn_file_use *use;
    size_t count;
    int short_of_memory;
} bnn_outputs;

/* A NULL path is none. `option` is kept. */
void bnn_outputs_read(bnn_outputs *outputs, const char *option, const char *path);
/* All files of a run, its results excepted; and of the run whose folder a model lies in, if there
 * is one; a NULL model is none. */
void bnn_outputs_read_run(bnn_outputs *outputs, const char *folder);
void bnn_outputs_run_of(bnn_outputs *outputs, const char *model);
/* FOLDER/NAME. */
void bnn_outputs_read_in(bnn_outputs *outputs, const char *option, const char *folder,
                         const char *name);
void bnn_outputs_own(bnn_outputs *outputs, const char *option, const char *folder,
                     const char *name);
/* The file of an output option; "-" becomes the name of standard output. */
void bnn_outputs_result(bnn_outputs *outputs, const char *option, const char **path);

/* May all be written, and none over another? From then on, where a result goes to standard output,
 * it has that for itself: what is printed for people goes to standard error. Where standard output
 * is closed, and what is printed all there is, that is an error. */
bnn_code bnn_outputs_check(bnn_outputs *outputs, bnn_error *err);
/* The same of what was opened by now, NULL being nothing: does it read a file that is to be
 * written? */
bnn_code bnn_outputs_spare_data(const bnn_outputs *outputs, const bnn_dataset *dataset,
                                bnn_error *err);
bnn_code bnn_outputs_spare_corruptions(const bnn_outputs *outputs,
                                       const bnn_corruptions *corruptions, bnn_error *err);
bnn_code bnn_outputs_spare_frost(const bnn_outputs *outputs, const bnn_corruptor *corruptor,
                                 bnn_error *err);
void bnn_outputs_free(bnn_outputs *outputs);

#endif
