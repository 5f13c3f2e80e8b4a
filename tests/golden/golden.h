/* The kinds of reference cases, and what they share; each prints a line per failure. */
#ifndef BNN_TESTS_GOLDEN_GOLDEN_H
#define BNN_TESTS_GOLDEN_GOLDEN_H

#include "engine/device.h"
#include "engine/io/safetensors.h"

typedef enum golden_result { GOLDEN_PASSED, GOLDEN_FAILED, GOLDEN_SKIPPED } golden_result;

golden_result golden_layer(const char *path, const bnn_st_file *file, const bnn_device *device);
golden_result golden_op(const char *path, const bnn_st_file *file, const bnn_device *device);
/* Ops that decide and have no gradient: anchors, matching, suppression. */
golden_result golden_detect(const char *path, const bnn_st_file *file, const bnn_device *device);
golden_result golden_bert_adam(const char *path, const bnn_st_file *file, const bnn_device *device);
golden_result golden_network(const char *path, const bnn_st_file *file, const bnn_device *device);
golden_result golden_ssd(const char *path, const bnn_st_file *file, const bnn_device *device);
golden_result golden_faster_rcnn(const char *path, const bnn_st_file *file,
                                 const bnn_device *device);
golden_result golden_part_iou(const char *path, const bnn_st_file *file, const bnn_device *device);
golden_result golden_average_precision(const char *path, const bnn_st_file *file,
                                       const bnn_device *device);
golden_result golden_log_mel(const char *path, const bnn_st_file *file, const bnn_device *device);
golden_result golden_glue(const char *path, const bnn_st_file *file, const bnn_device *device);
golden_result golden_wordpiece(const char *path, const bnn_st_file *file, const bnn_device *device);
golden_result golden_bert_features(const char *path, const bnn_st_file *file,
                                   const bnn_device *device);

/* ---- common.c ---- */
/* A file's metadata, or `missing`. */
const char *golden_text(const bnn_st_file *file, const char *key, const char *missing);
int golden_integer(const bnn_st_file *file, const char *key, int missing);
/* Whether the file tells what float rounding may do to its numbers. */
int golden_tells_noise(const bnn_st_file *file);
/* The tolerance of `what`: `base`, or ten times the noise that the file tells of it; INFINITY where
 * that is more than a tenth, which is not compared. */
double golden_tolerance(const bnn_st_file *file, const char *what, double base);
/* The largest difference from a tensor of F32, by its largest value. */
double golden_relative_max(const bnn_st_tensor *want, const float *got);
double golden_norm(const float *x, size_t count);
/* Of a gradient or a map, of which a file has two numbers: the error of its 2-norm, or if that is
 * larger, of its sum against the largest sum that norm allows; 0 where the norm is below `floor`.
 */
double golden_norm_error(const bnn_st_tensor *want, const float *x, size_t count, double floor);

#endif
