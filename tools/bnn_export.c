/* bnn-export: from a checkpoint to a file for deployment. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/stream.h"
#include "tools/run/find_model.h"
#include "tools/run/given.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/names.h"
#include "tools/run/outputs.h"
#include "tools/export/export_model.h"
#include "tools/cli/shell.h"
#include "tools/cli/start.h"

static const char *format = "packed", *output, *part;
static bool emulate, fuse, float16;
static int64_t max_bytes;
static bnn_given given;
static const char *operands[1];

static const char *const parts[] = {"rpn", NULL};

static bnn_option options[] = {
    {"format", BNN_OPTION_STRING, &format, "NAME", NULL, .default_text = NULL,
     .choices = bnn_format_names},
    {"output", BNN_OPTION_STRING, &output, "FILE", "File to write, or - for standard output.",
     .default_text = "MODEL's name with the format's suffix"},
    {"emulate", BNN_OPTION_FLAG, &emulate, NULL,
     "Let floats do what the format has no binary way for, instead of refusing it: exact, but "
     "slow.",
     .default_text = NULL},
    {"fuse", BNN_OPTION_FLAG, &fuse, NULL,
     "Factors and shifts of a channel become part of the format's binary products: smaller and "
     "faster, but rounded otherwise, so that a sign in several hundred images may differ.",
     .default_text = NULL},
    {"max-bytes", BNN_OPTION_INT, &max_bytes, "N",
     "Refuse a network that works in more memory than N bytes where it will run (c).",
     .default_text = "any number", .min = 1, .max = 4e9},
    {"float16", BNN_OPTION_FLAG, &float16, NULL,
     "Round what is not bits to half precision (packed, lce, onnx): smaller, and no longer exactly "
     "the checkpoint.",
     .default_text = NULL},
    {"part", BNN_OPTION_STRING, &part, "NAME",
     "Of a detector of two stages export the first alone: rpn (lce, onnx).", .default_text = "all",
     .choices = parts},
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
                   "exactly the checkpoint's predictions. Another tool's weights (safetensors, a "
                   "file of torch.save, a folder of Hugging Face's layout) are exported where they "
                   "have PyTorch's names of the same network.",
    .examples = "bnn-export runs/reactnet-resnet20-fashion_mnist --output model.bnn\n"
                "bnn-export model.pth --arch resnet18 --algo bnn --data cifar10",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands = operands,
    .min_operands = 1,
    .max_operands = 1,
};

static const char *default_output(const char *model, const char *suffix, char *buffer,
                                  size_t size) {
    const char *dot = strrchr(model, '.');
    int stem = (int)(dot && !strchr(dot, '/') ? (size_t)(dot - model) : strlen(model));
    snprintf(buffer, size, "%.*s%s", stem, model, suffix);
    return buffer;
}

static void print_notes(const char *notes) {
    while (*notes) {
        size_t length = strcspn(notes, "\n");
        printf("note: %.*s\n", (int)length, notes);
        notes += length + (notes[length] != '\0');
    }
}

/* `twin` parameters has the float twin: what an algorithm adds makes no file smaller. */
static void print_result(const bnn_loaded *model, const char *path, const bnn_export_report *report,
                         size_t twin) {
    const size_t bytes = report->bytes;
    const bnn_shell_word shown = bnn_shell_show(path);
    double float_bytes = 4.0 * (double)twin;
    if (bnn_is_stream(path)) {
        printf("%s: %zu binary weights of %zu\n", shown.s, model->binary_weights,
               model->parameters);
    } else if (part) {
        printf("%s: %zu bytes, the first stage of two\n", shown.s, bytes);
    } else {
        printf("%s: %zu bytes, %.2f times smaller than float weights (%zu binary weights of %zu)\n",
               shown.s, bytes, float_bytes / (double)bytes, model->binary_weights,
               model->parameters);
    }
    if (model->spec.binarizer && model->spec.binarizer->float_work) {
        printf("note: %s keeps float work in every binary layer: %s\n", model->spec.binarizer->name,
               model->spec.binarizer->float_work);
    }
    print_notes(report->notes);
}

static bnn_code check_options(const bnn_export_format *to, bnn_error *err) {
    const char *unknown = emulate && !to->emulates   ? "--emulate"
                          : fuse && !to->fuses       ? "--fuse"
                          : float16 && !to->halves   ? "--float16"
                          : max_bytes && !to->bounds ? "--max-bytes"
                          : part && !to->heads       ? "--part"
                                                     : NULL;
    return unknown
               ? bnn_fail(err, BNN_ERR_ARGUMENT,
                          "%s: the format %s has no use for that; leave it out", unknown, to->name)
               : BNN_OK;
}

/* The second file that comes with --output, if there is one. */
static bnn_code add_beside(const bnn_export_format *to, const bnn_spec *spec, bnn_outputs *outputs,
                           bnn_error *err) {
    char beside[4352];
    const char *path = beside;
    bnn_code code = bnn_export_beside(to, spec, output, beside, sizeof beside, err);
    if (code == BNN_OK && *beside) {
        bnn_outputs_result(outputs, "--output", &path);
    }
    return code;
}

static bnn_code export(const bnn_found_model *found, bnn_error *err) {
    bnn_loaded model = {0};
    bnn_outputs outputs = {0};
    char buffer[4300];
    const char *why;
    const bnn_export_format *to = bnn_export_format_find(format);
    const bnn_export_request how = {.emulate = emulate,
                                    .fuse = fuse,
                                    .float16 = float16,
                                    .first_stage = part != NULL,
                                    .max_bytes = (size_t)max_bytes};
    bnn_export_report report = {0};
    bnn_device device;
    size_t twin = 0;
    bnn_code code = bnn_cpu_device(NULL, 0, &device, &why)
                        ? BNN_OK
                        : bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s", why);
    output = output ? output : default_output(found->path, to->suffix, buffer, sizeof buffer);
    bnn_outputs_read(&outputs, "MODEL", found->path);
    bnn_outputs_run_of(&outputs, found->path);
    bnn_outputs_result(&outputs, "--output", &output);
    if (code == BNN_OK && !(code = check_options(to, err)) &&
        !(code = bnn_given_open(&given, found->path, &device, &model, err)) &&
        !(code = add_beside(to, &model.spec, &outputs, err)) &&
        !(code = bnn_outputs_check(&outputs, err)) &&
        !(code = bnn_twin_parameters(&model.spec, &device, &twin, err)) &&
        !(code = bnn_export_model(&model, to, &how, output, &report, err))) {
        print_result(&model, output, &report, twin);
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

/* "packed: one file ...; lce: ..." */
static void describe_formats(void) {
    static char text[2048];
    size_t used = 0;
    for (const bnn_export_format *const *f = bnn_export_formats; *f; f++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s: %s", used ? "; " : "",
                                 (*f)->name, (*f)->title);
    }
    snprintf(text + used, sizeof text - used, ".");
    options[0].help = text;
}

int main(int argc, char **argv) {
    describe_formats();
    return bnn_start(&program, argc, argv, work);
}
