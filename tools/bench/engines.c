#include "tools/bench/engines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli/interrupt.h"

/* What trains computes in float; what infers may do so in integers. */
static const bnn_engine torch = {"torch", "torch_step.py", {"fp32", "bf16"}};
static const bnn_engine torch_compile = {"torch-compile", "torch_step.py", {"fp32", "bf16"}};
/* Of data, what is measured is which samples are made. */
static const bnn_engine torchvision = {"torchvision", "data_torch.py", {"train", "test"}};
static const bnn_engine onnxruntime = {"onnxruntime", "onnx_infer.py", {"fp32", "int8"}};
static const bnn_engine openvino = {"openvino", "onnx_infer.py", {"fp32", "int8"}};
const bnn_engine bnn_lce_engine = {"lce", NULL, {NULL}};

const bnn_engine *const bnn_train_engines[] = {&torch, &torch_compile, NULL};
const bnn_engine *const bnn_data_engines[] = {&torchvision, NULL};
const bnn_engine *const bnn_infer_engines[] = {&onnxruntime, &openvino, &bnn_lce_engine, NULL};

int bnn_engine_chosen(const bnn_bench *bench, const bnn_engine *engine) {
    size_t e = 0;
    while (bench->engines[e] && bench->engines[e] != engine) {
        e++;
    }
    return bench->engines[e] != NULL;
}

int bnn_engines_of_twin(const bnn_bench *bench) {
    size_t e = 0;
    while (bench->engines[e] && !bench->engines[e]->script) {
        e++;
    }
    return bench->engines[e] != NULL;
}

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

/* What all scripts are told (worker.py) between the network's name and the folder; the number of
 * parameters lets them see that they have the same network. */
enum { BATCH, CHANNELS, HEIGHT, WIDTH, CLASSES, PARAMETERS, THREADS, NUMBERS };

typedef char numbers[NUMBERS][24];

static bnn_code tell(const bnn_spec *spec, const bnn_device *device, size_t batch, numbers text,
                     bnn_error *err) {
    size_t number[NUMBERS] = {[BATCH] = batch,
                              [CHANNELS] = (size_t)spec->channels,
                              [HEIGHT] = (size_t)spec->height,
                              [WIDTH] = (size_t)spec->width,
                              [CLASSES] = (size_t)spec->classes,
                              [THREADS] = (size_t)device->threads};
    bnn_code code = bnn_twin_parameters(spec, device, &number[PARAMETERS], err);
    for (int i = 0; i < NUMBERS; i++) {
        snprintf(text[i], sizeof text[i], "%zu", number[i]);
    }
    return code;
}

/* The interpreter that this variable names, or NULL. */
static const char *named_by(const char *variable) {
    const char *named = getenv(variable);
    return named && *named ? named : NULL;
}

/* The first interpreter that has what argv[1] needs becomes argv[0]. */
static bnn_code exec_script(const char *named, const char **argv, bnn_worker **out,
                            bnn_error *err) {
    const char *const pythons[] = {named ? named : "python3", named ? NULL : "/usr/bin/python3",
                                   NULL};
    bnn_code code = BNN_ERR_UNSUPPORTED;
    for (size_t i = 0; pythons[i] && code == BNN_ERR_UNSUPPORTED; i++) {
        argv[0] = pythons[i];
        code = bnn_worker_exec(argv, out, err);
    }
    return code;
}

bnn_code bnn_exported_start(void *self, bnn_worker **out, bnn_error *err) {
    const bnn_exported *exported = self;
    char script[4300], threads[24];
    const char *argv[] = {NULL, script, exported->path, threads, NULL};
    snprintf(threads, sizeof threads, "%d", exported->threads);
    bnn_code code = find_script("exported_infer.py", script, sizeof script, err);
    const char *named = exported->larq ? named_by("BNN_LCE_PYTHON") : NULL;
    if (code == BNN_OK) {
        code = exec_script(named ? named : named_by("BNN_PYTHON"), argv, out, err);
    }
    if (code == BNN_OK || code == BNN_ERR_UNSUPPORTED) {
        return code;
    }
    const char *engine = exported->larq ? "Larq Compute Engine" : "ONNX Runtime";
    return code == BNN_ERR_IO
               ? bnn_fail_in(err, code, "%s: %s died of it, so it is probably damaged",
                             exported->path, engine)
               : bnn_fail_in(err, code, "%s: does not run in %s", exported->path, engine);
}

bnn_code bnn_engines_start(const bnn_bench *bench, const bnn_spec *twin, size_t batch_size,
                           const char *folder, bnn_baselines *baselines, bnn_error *err) {
    char path[4300];
    numbers told;
    bnn_code code = BNN_OK;
    if (bnn_engines_of_twin(bench)) {
        code = tell(twin, &bench->device, batch_size, told, err);
    }
    for (size_t e = 0; bench->engines[e] && code == BNN_OK && !bnn_interrupted(); e++) {
        const bnn_engine *engine = bench->engines[e];
        if (!engine->script) {
            continue;
        }
        code = find_script(engine->script, path, sizeof path, err);
        for (size_t p = 0; p < BNN_ENGINE_PRECISIONS && code == BNN_OK && !bnn_interrupted(); p++) {
            bnn_baseline *baseline = &baselines->list[baselines->count++];
            const char *argv[NUMBERS + 7] = {NULL, path, engine->name, engine->precisions[p],
                                             twin->arch->name};
            for (int n = 0; n < NUMBERS; n++) {
                argv[n + 5] = told[n];
            }
            argv[NUMBERS + 5] = folder;
            snprintf(baseline->name, sizeof baseline->name, "%s %s", engine->name,
                     engine->precisions[p]);
            /* Another framework's trouble costs its own rows only. */
            if (exec_script(named_by("BNN_PYTHON"), argv, &baseline->worker, err) != BNN_OK &&
                !bnn_interrupted()) {
                bnn_bench_note(err);
            }
        }
    }
    return code;
}
