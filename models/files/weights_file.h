/* Weights as people have them: a file of safetensors or of PyTorch's, or a folder as Hugging Face
 * lays it out, whose weights may be spread over several files. */
#ifndef BNN_MODELS_FILES_WEIGHTS_FILE_H
#define BNN_MODELS_FILES_WEIGHTS_FILE_H

#include "engine/io/safetensors.h"

/* Names are today's: what was called LayerNorm.gamma and LayerNorm.beta is found as its weight and
 * bias. */
bnn_code bnn_weights_file_open(const char *path, bnn_st_file **out, bnn_error *err);

/* Whether a folder holds such weights. */
int bnn_weights_folder_is(const char *path);

#endif
