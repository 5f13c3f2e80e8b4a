/* Paths that others wrote, and folders that are removed whole. */
#ifndef BNN_TOOLS_FETCH_PATH_H
#define BNN_TOOLS_FETCH_PATH_H

#include <stddef.h>

#include "engine/base/status.h"

#define BNN_FETCH_PATH 4096

/* `name`, relative, without "." and doubled slashes; a slash at its end is dropped, so that "." is
 * "". 0: it is absolute, has "..", a control character or a backslash, or is too long. */
int bnn_safe_path(const char *name, char out[BNN_FETCH_PATH]);
/* What stands of `path` behind the folder `inside`, "" being all: "VOC2007/a" behind "VOCdevkit".
 * NULL: it lies elsewhere, or is the folder itself or one above. Both are safe paths. */
const char *bnn_path_inside(const char *path, const char *inside);
/* FOLDER/NAME; an error if that is too long. */
bnn_code bnn_path_join(char out[BNN_FETCH_PATH], const char *folder, const char *name,
                       bnn_error *err);

#endif
