/* bnn-export: from a checkpoint to a file for deployment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/stream.h"
#include "tools/run/find_model.h"
#include "tools/run/given.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/names.h"
#include "tools/run/outputs.h"
#include "tools/export/pack.h"
#include "tools/cli/start.h"

static const char *const formats[] = {"packed", NULL};
static const char *format = "packed", *output;
static bnn_given given;
static const char *operands[1];

static bnn_option options[] = {
    {"format", BNN_OPTION_STRING, &format, "NAME",
     "packed: one file with 1-bit weights, batch norms folded to integer thresholds where a sign "
     "follows, run by bnn-eval and libbnn.",
     .default_text = NULL, .choices = formats},
    {"output", BNN_OPTION_STRING, &output, "FILE", "File to write, or - for standard output.",
     .default_text = "MODEL's name with .bnn"},
    {"arch", BNN_OPTION_STRING, &given.arch, "NAME",
     "Network, of a MODEL that another tool wrote: its metadata do not name it.",
     .default_text = NULL, .choices = bnn_arch_names},
    {"algo", BNN_OPTION_STRING, &given.algo, "NAME", "Algorithm, likewise.", .default_text = NULL,
     .choices = bnn_algorithm_names},
    {"data", BNN_OPTION_STRING, &given.data, "NAME",
     "Data set it was trained on, likewise: it says how large its images are, of how many classes, "
     "and how they are normalized.",
     .default_text = NULL, .choices = bnn_dataset_names},
};

static bnn_program program = {
    .name = "bnn-export",
    .summary = "export a trained network for deployment",
    .usage = "MODEL [options]",
    .description = "Reads MODEL, a checkpoint of bnn-train or a run's folder (its "
                   "best.safetensors), and writes it for deployment. The exported network gives "
                   "exactly the checkpoint's predictions. A safetensors file of another tool is "
                   "exported where its tensors have PyTorch's names of the same network.",
    .examples = "bnn-export runs/reactnet-resnet20-fashion_mnist --output model.bnn\n"
                "bnn-export pytorch.safetensors --arch resnet18 --algo bnn --data cifar10",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands = operands,
    .min_operands = 1,
    .max_operands = 1,
};

static const char *default_output(const char *model, char *buffer, size_t size) {
    const char *dot = strrchr(model, '.');
    int stem = (int)(dot && !strchr(dot, '/') ? (size_t)(dot - model) : strlen(model));
    snprintf(buffer, size, "%.*s.bnn", stem, model);
    return buffer;
}

static void print_result(const bnn_loaded *model, const char *path, size_t bytes) {
    double float_bytes = 4.0 * (double)model->parameters;
    if (bnn_is_stream(path)) {
        printf("%s: %zu binary weights of %zu\n", path, model->binary_weights, model->parameters);
    } else {
        printf("%s: %zu bytes, %.2f times smaller than float weights (%zu binary weights of %zu)\n",
               path, bytes, float_bytes / (double)bytes, model->binary_weights, model->parameters);
    }
    if (model->spec.binarizer && model->spec.binarizer->float_work) {
        printf("note: %s keeps float work in every binary layer: %s\n", model->spec.binarizer->name,
               model->spec.binarizer->float_work);
    }
}

static bnn_code export(const bnn_found_model *found, bnn_error *err) {
    bnn_loaded model = {0};
    bnn_outputs outputs = {0};
    char buffer[4300];
    const char *why;
    size_t bytes = 0;
    bnn_device device;
    bnn_code code = bnn_cpu_device(NULL, 0, &device, &why)
                        ? BNN_OK
                        : bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s", why);
    output = output ? output : default_output(found->path, buffer, sizeof buffer);
    bnn_outputs_read(&outputs, "MODEL", found->path);
    bnn_outputs_run_of(&outputs, found->path);
    bnn_outputs_result(&outputs, "--output", &output);
    if (code == BNN_OK && !(code = bnn_given_open(&given, found->path, &device, &model, err)) &&
        !(code = bnn_outputs_check(&outputs, err)) &&
        !(code = bnn_pack(&model, output, &bytes, err))) {
        print_result(&model, output, bytes);
        bnn_interrupt_forget();
    }
    bnn_outputs_free(&outputs);
    bnn_loaded_close(&model);
    return code;
}

static bnn_code work(bnn_error *err) {
    static bnn_found_model found;
    bnn_arena *arena = bnn_arena_create();
    bnn_code code = arena ? bnn_find_model(operands[0], arena, &found, err)
                          : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    if (code == BNN_OK) {
        code = export(&found, err);
    }
    bnn_arena_free(arena);
    return code;
}

int main(int argc, char **argv) {
    return bnn_start(&program, argc, argv, work);
}
