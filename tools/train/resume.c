#include "tools/train/resume.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/stream.h"
#include "engine/io/safetensors.h"
#include "tools/cli/shell.h"
#include "tools/train/train_state.h"

static int is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A run's folder has its arguments, config.json, before its first checkpoint. */
static int has_file(const char *folder, const char *name) {
    char path[4200];
    snprintf(path, sizeof path, "%.4100s/%s", folder, name);
    return access(path, F_OK) == 0;
}

bnn_code bnn_resume_find(const char *resume, const char *output, char *checkpoint, char *folder,
                         bnn_error *err) {
    const char *path = *resume ? resume : output;
    if (!path) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--resume: which run? give its folder: --resume RUN");
    }
    if (strlen(path) > 4000) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--resume %s: the path is too long", path);
    }
    if (is_folder(path)) {
        snprintf(folder, 4096, "%s", path);
        snprintf(checkpoint, 4200, "%s/last.safetensors", path);
        const int has_last = has_file(path, "last.safetensors");
        if (!has_last && has_file(path, "best.safetensors")) {
            return bnn_fail(
                err, BNN_ERR_IO,
                "%s: its last.safetensors, from which a run goes on, is not there; copy "
                "it again, or start a new run: --init-from %s/best.safetensors",
                path, bnn_shell_quote(path).s);
        }
        if (!has_last && has_file(path, "config.json")) {
            return bnn_fail(err, BNN_ERR_IO,
                            "%s: the run was killed before it had saved anything; start it again "
                            "with --overwrite",
                            path);
        }
    } else {
        char at[PATH_MAX]; /* the run is where the checkpoint is */
        path = bnn_follow_links(path, at) && strlen(at) <= 4000 ? at : path;
        const char *slash = strrchr(path, '/');
        snprintf(checkpoint, 4200, "%s", path);
        snprintf(folder, 4096, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    }
    if (*resume && output && strcmp(output, folder) != 0) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--output %s: a run is resumed in its own folder, %s; leave --output out",
                        output, folder);
    }
    return BNN_OK;
}

/* One option as JSON, to compare. malloc'd. */
static char *json_of(bnn_option *option) {
    bnn_program one = {.options = option, .option_count = 1};
    return bnn_options_to_json(&one, 1);
}

/* After `option` was set to the run's own value: does the one that was given, `before` as JSON,
 * stand? */
static int compare(bnn_option *option, const char *before, int64_t *grown, bnn_error *err) {
    /* What the run's arguments do not mention, the run was started without. */
    char *now = option->given ? json_of(option) : NULL;
    int same = now && strcmp(now, before) == 0;
    free(now);
    if (!same && option->may_grow && option->given) {
        bnn_program one = {.options = option, .option_count = 1};
        int64_t own = *(int64_t *)option->value;
        option->given = 0;
        bnn_code code = bnn_options_from_json(&one, "--resume", before, strlen(before), err);
        if (code == BNN_OK && *(int64_t *)option->value > own) {
            *grown = own;
            return 1;
        }
    }
    return same;
}

/* Takes the checkpoint's arguments over, then looks whether an option of the command line changed.
 */
static bnn_code apply_arguments(bnn_program *program, const char *checkpoint, const char *args,
                                int64_t *grown, bnn_error *err) {
    size_t n = program->option_count;
    char **before = calloc(n + 1, sizeof *before);
    bnn_code code =
        before ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the arguments");
    for (size_t i = 0; code == BNN_OK && i < n; i++) {
        bnn_option *option = &program->options[i];
        if (option->given == 1 && option->from_config == 2) {
            before[i] = json_of(option);
            option->given = 0;
        }
    }
    if (code == BNN_OK) {
        code = bnn_options_from_json(program, checkpoint, args, strlen(args), err);
    }
    for (size_t i = 0; code == BNN_OK && i < n; i++) {
        if (before[i] && !compare(&program->options[i], before[i], grown, err)) {
            code = bnn_fail(err, BNN_ERR_ARGUMENT,
                            "--%s differs from the run's own; a run is resumed with the arguments "
                            "it was started with, so leave it out",
                            program->options[i].name);
        }
    }
    for (size_t i = 0; before && i < n; i++) {
        free(before[i]);
    }
    free(before);
    return code;
}

bnn_code bnn_resume_options(bnn_program *program, const char *checkpoint, const char *folder,
                            int64_t *grown, bnn_error *err) {
    bnn_st_file *file;
    bnn_train_state state = {0};
    bnn_code code = bnn_st_open(checkpoint, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    code = bnn_train_state_read(checkpoint, file, &state, err);
    if (code == BNN_OK) {
        code = apply_arguments(program, checkpoint, bnn_st_metadata(file, "args"), grown, err);
    }
    bnn_st_close(file);
    /* Where the data lie and such; a folder without it is fine. */
    char path[4200];
    bnn_map map;
    snprintf(path, sizeof path, "%s/config.json", folder);
    if (code == BNN_OK && bnn_map_read(path, &map, NULL) == BNN_OK) {
        for (size_t i = 0; i < program->option_count; i++) {
            bnn_option *option = &program->options[i];
            option->given = option->from_config == 2 ? 1 : option->given;
        }
        code = bnn_options_from_json(program, path, (const char *)map.data, map.size, err);
        bnn_map_close(&map);
    }
    for (size_t i = 0; i < program->option_count; i++) {
        bnn_option *option = &program->options[i];
        option->given = option->from_config == 2 ? 2 : option->given; /* the run's, not typed now */
    }
    return code;
}
