#include "tools/bench/torch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT "torch_step.py"

/* Beside the program, as it is installed (BNN_DATA_FROM_BIN is the way from its folder) or built.
 */
static bnn_code find_script(char *path, size_t size, bnn_error *err) {
    static const char *const ways[] = {BNN_DATA_FROM_BIN, "share/bnn"};
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(program, '/');
    for (size_t i = 0; slash && i < sizeof ways / sizeof *ways; i++) {
        int n = snprintf(path, size, "%.*s/%s/" SCRIPT, (int)(slash - program), program, ways[i]);
        if (n > 0 && (size_t)n < size && access(path, R_OK) == 0) {
            return BNN_OK;
        }
    }
    return bnn_fail(err, BNN_ERR_IO,
                    SCRIPT " is not where this program was installed; install it again");
}

bnn_code bnn_torch_start(const bnn_step_config *c, const char *precision, bnn_worker **out,
                         bnn_error *err) {
    char script[4300], batch[16], size[16], classes[16], threads[16];
    const char *pythons[] = {getenv("BNN_PYTHON"), "python3", "/usr/bin/python3"};
    bnn_code code = find_script(script, sizeof script, err);
    if (code != BNN_OK) {
        return code;
    }
    snprintf(batch, sizeof batch, "%zu", c->batch_size);
    snprintf(size, sizeof size, "%d", c->spec.height);
    snprintf(classes, sizeof classes, "%d", c->spec.classes);
    snprintf(threads, sizeof threads, "%d", c->device.threads);
    for (size_t i = 0; i < sizeof pythons / sizeof *pythons; i++) {
        const char *const argv[] = {pythons[i], script,  c->spec.arch->name, batch, size,
                                    classes,    threads, precision,          NULL};
        if (pythons[i] && *pythons[i] &&
            (code = bnn_worker_exec(argv, out, err)) != BNN_ERR_UNSUPPORTED) {
            return code;
        }
    }
    return code;
}
