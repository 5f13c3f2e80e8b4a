#include "tools/bench/python.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/bench.h"

/* Beside the program, as it is installed (BNN_DATA_FROM_BIN is the way from its folder) or built.
 */
static bnn_code find_script(const char *script, char *path, size_t size, bnn_error *err) {
    static const char *const ways[] = {BNN_DATA_FROM_BIN, "share/bnn"};
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(program, '/');
    for (size_t i = 0; slash && i < sizeof ways / sizeof *ways; i++) {
        int n =
            snprintf(path, size, "%.*s/%s/%s", (int)(slash - program), program, ways[i], script);
        if (n > 0 && (size_t)n < size && access(path, R_OK) == 0) {
            return BNN_OK;
        }
    }
    return bnn_fail(err, BNN_ERR_IO, "%s is not where this program was installed; install it again",
                    script);
}

/* What all scripts are told (worker.py), behind the network's name; the number of parameters lets
 * them see that they have the same network. */
enum { BATCH, CHANNELS, HEIGHT, WIDTH, CLASSES, PARAMETERS, THREADS, NUMBERS };

static bnn_code tell(const bnn_spec *spec, const bnn_device *device, size_t batch,
                     char text[NUMBERS][24], bnn_error *err) {
    size_t number[NUMBERS] = {[BATCH] = batch,
                              [CHANNELS] = (size_t)spec->channels,
                              [HEIGHT] = (size_t)spec->height,
                              [WIDTH] = (size_t)spec->width,
                              [CLASSES] = (size_t)spec->classes,
                              [THREADS] = (size_t)device->threads};
    bnn_code code = bnn_bench_parameters(spec, device, &number[PARAMETERS], err);
    for (int i = 0; i < NUMBERS; i++) {
        snprintf(text[i], sizeof text[i], "%zu", number[i]);
    }
    return code;
}

bnn_code bnn_python_start(const char *script, const bnn_spec *spec, const bnn_device *device,
                          size_t batch_size, const char *precision, bnn_worker **out,
                          bnn_error *err) {
    char path[4300], told[NUMBERS][24];
    const char *pythons[] = {getenv("BNN_PYTHON"), "python3", "/usr/bin/python3"};
    bnn_code code = find_script(script, path, sizeof path, err);
    if (code != BNN_OK || (code = tell(spec, device, batch_size, told, err)) != BNN_OK) {
        return code;
    }
    for (size_t i = 0; i < sizeof pythons / sizeof *pythons; i++) {
        const char *argv[NUMBERS + 5] = {pythons[i], path, spec->arch->name};
        for (int n = 0; n < NUMBERS; n++) {
            argv[n + 3] = told[n];
        }
        argv[NUMBERS + 3] = precision;
        if (pythons[i] && *pythons[i] &&
            (code = bnn_worker_exec(argv, out, err)) != BNN_ERR_UNSUPPORTED) {
            return code;
        }
    }
    return code;
}
