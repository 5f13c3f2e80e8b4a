#include "tools/fetch/path.h"

#include <stdio.h>
#include <string.h>

int bnn_safe_path(const char *name, char out[BNN_FETCH_PATH]) {
    size_t length = 0;
    if (*name == '/') {
        return 0;
    }
    while (*name) {
        const size_t part = strcspn(name, "/");
        for (size_t i = 0; i < part; i++) {
            if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '\\') {
                return 0;
            }
        }
        const int here = part == 0 || (part == 1 && *name == '.');
        if ((part == 2 && memcmp(name, "..", 2) == 0) || part > 255 ||
            length + part + 2 > BNN_FETCH_PATH) {
            return 0;
        }
        if (!here) {
            if (length) {
                out[length++] = '/';
            }
            memcpy(out + length, name, part);
            length += part;
        }
        name += part;
        name += *name == '/';
    }
    out[length] = '\0';
    return 1;
}

const char *bnn_path_inside(const char *path, const char *inside) {
    const size_t length = strlen(inside);
    if (length == 0) {
        return *path ? path : NULL;
    }
    return strncmp(path, inside, length) == 0 && path[length] == '/' ? path + length + 1 : NULL;
}

bnn_code bnn_path_join(char out[BNN_FETCH_PATH], const char *folder, const char *name,
                       bnn_error *err) {
    const int length = snprintf(out, BNN_FETCH_PATH, "%s/%s", folder, name);
    return length < BNN_FETCH_PATH
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_ARGUMENT, "%s: the path is too long", folder);
}
