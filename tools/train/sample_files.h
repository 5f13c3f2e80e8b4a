/* What a network sees of test samples and what it makes of them as NumPy arrays, for who compares
 * an exported model with this one in another engine. */
#ifndef BNN_TOOLS_TRAIN_SAMPLE_FILES_H
#define BNN_TOOLS_TRAIN_SAMPLE_FILES_H

#include "engine/io/npy.h"
#include "models/model.h"

/* Float32 [samples,H,W,C], normalized, and [samples,classes] or [samples,points,classes]. Either is
 * NULL where its path is. */
typedef struct bnn_sample_files {
    bnn_npy_writer *inputs, *outputs;
} bnn_sample_files;

bnn_code bnn_sample_files_open(const bnn_spec *spec, size_t samples, const char *inputs,
                               const char *outputs, bnn_sample_files *files, bnn_error *err);
/* They appear whole. */
bnn_code bnn_sample_files_commit(bnn_sample_files *files, bnn_error *err);
void bnn_sample_files_abandon(bnn_sample_files *files); /* after a commit too */

#endif
