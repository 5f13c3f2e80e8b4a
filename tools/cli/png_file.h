/* Pictures as PNG files. */
#ifndef BNN_TOOLS_CLI_PNG_FILE_H
#define BNN_TOOLS_CLI_PNG_FILE_H

#include <stdint.h>

#include "engine/base/status.h"

/* rgb[height][width][3], whole or not at all, or to a stream. */
bnn_code bnn_png_write(const char *path, int height, int width, const uint8_t *rgb, bnn_error *err);

#endif
