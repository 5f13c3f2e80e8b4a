/* Files of JSON, whole. */
#ifndef BNN_TOOLS_CLI_JSON_FILE_H
#define BNN_TOOLS_CLI_JSON_FILE_H

#include <jansson.h>

#include "engine/base/status.h"

/* Writes it, atomically or to a stream, and lets go of it; NULL stands for memory that is out. */
bnn_code bnn_json_write(const char *path, json_t *root, bnn_error *err);
/* NULL and an error: it cannot be read, is larger than 64 MiB, or is no JSON. */
json_t *bnn_json_read(const char *path, bnn_error *err);
/* A number, or null for NAN. */
json_t *bnn_json_number(double value);

#endif
