/* Files of JSON, whole. */
#ifndef BNN_TOOLS_CLI_JSON_FILE_H
#define BNN_TOOLS_CLI_JSON_FILE_H

#include <jansson.h>

#include "engine/base/status.h"

/* Writes it, atomically or to a stream, and lets go of it; NULL stands for memory that is out. */
bnn_code bnn_json_write(const char *path, json_t *root, bnn_error *err);
/* Of a text that `name` names, which may be NULL if it has no bytes. NULL and an error, which
 * closes with `cure` ("; evaluate again", or ""): it is no JSON. */
json_t *bnn_json_parse(const char *name, const char *json, size_t bytes, const char *cure,
                       bnn_error *err);
/* A number, or null for NAN. */
json_t *bnn_json_number(double value);

#endif
