/* bnn-export: from a checkpoint to a file for deployment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/find_model.h"
#include "tools/given.h"
#include "tools/interrupt.h"
#include "tools/names.h"
#include "tools/options.h"
#include "tools/pack.h"

static const char *const formats[] = {"packed", NULL};
static const char *format = "packed", *output;
static bnn_given given;
static const char *operands[1];

static bnn_option options[] = {
    {"format", BNN_OPTION_STRING, &format, "NAME",
     "packed: one file with 1-bit weights, batch norms folded to integer thresholds where a sign "
     "follows, run by bnn-eval and libbnn.",
     .default_text = NULL, .choices = formats},
    {"output", BNN_OPTION_STRING, &output, "FILE", "File to write.",
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
    printf("%s: %zu bytes, %.2f times smaller than float weights (%zu binary weights of %zu)\n",
           path, bytes, float_bytes / (double)bytes, model->binary_weights, model->parameters);
    if (model->spec.binarizer && model->spec.binarizer->float_work) {
        printf("note: %s keeps float work in every binary layer: %s\n", model->spec.binarizer->name,
               model->spec.binarizer->float_work);
    }
}

static bnn_code export(const bnn_found_model *found, bnn_loaded *model, bnn_error *err) {
    char buffer[4300];
    const char *why, *path = output ? output : default_output(found->path, buffer, sizeof buffer);
    size_t bytes = 0;
    bnn_device device;
    bnn_code code = bnn_cpu_device(NULL, 0, &device, &why)
                        ? bnn_given_open(&given, found->path, &device, model, err)
                        : bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s", why);
    if (code == BNN_OK && !(code = bnn_pack(model, path, &bytes, err))) {
        print_result(model, path, bytes);
    }
    return code;
}

int main(int argc, char **argv) {
    static bnn_found_model found;
    bnn_loaded model = {0};
    bnn_error err = {0};
    bnn_names_fill();
    bnn_parse_result parsed = bnn_options_parse(&program, argc, argv);
    if (parsed != BNN_PARSE_RUN) {
        return parsed == BNN_PARSE_DONE ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    bnn_interrupt_catch();
    bnn_arena *arena = bnn_arena_create();
    bnn_code code = arena ? bnn_find_model(operands[0], arena, &found, &err)
                          : bnn_fail(&err, BNN_ERR_MEMORY, "out of memory");
    if (code == BNN_OK) {
        code = export(&found, &model, &err);
    }
    if (code != BNN_OK) {
        fprintf(stderr, "bnn-export: %s\n", err.text);
    }
    bnn_loaded_close(&model);
    bnn_arena_free(arena);
    return code == BNN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
