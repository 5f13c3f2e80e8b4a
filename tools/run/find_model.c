#include "tools/run/find_model.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models/files/weights_file.h"
#include "tools/cli/shell.h"

bnn_code bnn_find_model(const char *operand, bnn_arena *arena, bnn_found_model *out,
                        bnn_error *err) {
    struct stat info;
    size_t length = strlen(operand);
    *out = (bnn_found_model){0};
    if (stat(operand, &info) != 0 || !S_ISDIR(info.st_mode)) {
        snprintf(out->path, sizeof out->path, "%s", operand);
        return BNN_OK;
    }
    while (length > 1 && operand[length - 1] == '/') {
        length--;
    }
    if (bnn_weights_folder_is(operand)) {
        snprintf(out->path, sizeof out->path, "%.*s", (int)length, operand);
        return BNN_OK;
    }
    snprintf(out->folder, sizeof out->folder, "%.*s", (int)length, operand);
    snprintf(out->path, sizeof out->path, "%.*s/best.safetensors", (int)length, operand);
    bnn_code code = bnn_run_config_read(out->folder, arena, &out->config, err);
    if (code == BNN_OK && access(out->path, F_OK) != 0) {
        code =
            bnn_fail(err, BNN_ERR_ARGUMENT,
                     "%s: no epoch of the run is its best, as none is finished, or none could be "
                     "scored; go on with bnn-train --resume %s, or name %s/last.safetensors",
                     out->folder, bnn_shell_quote(out->folder).s, out->folder);
    }
    return code;
}
