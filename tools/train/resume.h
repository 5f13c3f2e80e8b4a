/* Resuming a run: which checkpoint, and with which arguments. */
#ifndef BNN_TOOLS_TRAIN_RESUME_H
#define BNN_TOOLS_TRAIN_RESUME_H

#include "tools/cli/options.h"

/* From --resume's value ("" for a bare one) and --output (or NULL) to a checkpoint file
 * [4200 bytes] and the run folder it lies in [4096]. */
bnn_code bnn_resume_find(const char *resume, const char *output, char *checkpoint, char *folder,
                         bnn_error *err);
/* Sets the options to the run's own: those in the checkpoint, then the rest of config.json. One
 * given on the command line that differs from the run's is an error; only what does not change the
 * result (from_config 1) may. One that may grow, and is larger than the run's, stays as given; then
 * *grown is the run's own value. */
bnn_code bnn_resume_options(bnn_program *program, const char *checkpoint, const char *folder,
                            int64_t *grown, bnn_error *err);

#endif
