/* A model file opened for inference: a checkpoint with its parameters, of this program or of
 * another tool, or a packed file. */
#ifndef BNN_MODELS_FILES_LOADED_H
#define BNN_MODELS_FILES_LOADED_H

#include "models/files/checkpoint.h"
#include "models/predictor.h"

typedef struct bnn_loaded {
    char path[4096];
    bnn_device device;
    bnn_st_file *file;
    bnn_spec spec;                     /* texts point into file */
    bnn_params *params;                /* of a checkpoint */
    int packed, foreign;               /* or else a checkpoint of this program's */
    size_t binary_weights, parameters; /* of a packed file that names its constants, those */
    size_t file_bytes;
} bnn_loaded;

/* Checks the file's format and reads a checkpoint's parameters. Close it in any case. */
bnn_code bnn_loaded_open(const char *path, const bnn_device *device, bnn_loaded *l, bnn_error *err);
/* The same where something is given for what the metadata may lack; NULL: nothing can be. */
bnn_code bnn_loaded_open_as(const char *path, const bnn_spec_given *given, const bnn_device *device,
                            bnn_loaded *l, bnn_error *err);
/* The same for a file that is parsed already and belongs to `l` from here on, even after an error;
 * `name` is for messages (fuzzing, tests). */
bnn_code bnn_loaded_from_file(const char *name, bnn_st_file *file, size_t file_bytes,
                              const bnn_spec_given *given, const bnn_device *device, bnn_loaded *l,
                              bnn_error *err);
void bnn_loaded_close(bnn_loaded *l);
bnn_code bnn_loaded_predictor(const bnn_loaded *l, bnn_predictor **out, bnn_error *err);

#endif
