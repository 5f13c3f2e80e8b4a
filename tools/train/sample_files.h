/* What a network sees of test samples and what it makes of them, for who compares an exported model
 * with this one in another engine: NumPy arrays, and classes as text. */
#ifndef BNN_TOOLS_TRAIN_SAMPLE_FILES_H
#define BNN_TOOLS_TRAIN_SAMPLE_FILES_H

#include "engine/io/npy.h"
#include "models/model.h"

/* Float32 [samples,H,W,C], normalized, or of a network with several inputs, which are integers,
 * int32 [samples,inputs,H,W,C]; and float32 [samples,classes], [samples,points,classes], or of
 * detectors [samples,detections,6]. Either
 * is NULL where its path is. */
typedef struct bnn_sample_files {
    bnn_npy_writer *inputs, *outputs;
} bnn_sample_files;

bnn_code bnn_sample_files_open(const bnn_spec *spec, size_t samples, const char *inputs,
                               const char *outputs, bnn_sample_files *files, bnn_error *err);
/* They appear whole. */
bnn_code bnn_sample_files_commit(bnn_sample_files *files, bnn_error *err);
void bnn_sample_files_abandon(bnn_sample_files *files); /* after a commit too */

/* A line a sample, of as many classes as it has rows, or values where these are given. */
bnn_code bnn_predictions_write(const char *path, const int32_t *prediction, const float *value,
                               size_t samples, size_t rows, bnn_error *err);

#endif
