/* The kinds of reference cases; each prints a line per failure. */
#ifndef BNN_TESTS_GOLDEN_GOLDEN_H
#define BNN_TESTS_GOLDEN_GOLDEN_H

#include "engine/io/safetensors.h"
#include "engine/device.h"

typedef enum golden_result { GOLDEN_PASSED, GOLDEN_FAILED, GOLDEN_SKIPPED } golden_result;

golden_result golden_layer(const char *path, const bnn_st_file *file, const bnn_device *device);
golden_result golden_network(const char *path, const bnn_st_file *file, const bnn_device *device);
golden_result golden_log_mel(const char *path, const bnn_st_file *file, const bnn_device *device);

#endif
