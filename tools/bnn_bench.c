/* bnn-bench: how fast everything is, and how much faster than what. The measurements themselves are
 * bench_*.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "tools/bench/bench.h"
#include "tools/bench/engines.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/names.h"
#include "tools/run/data_spec.h"
#include "tools/run/find_model.h"
#include "tools/run/outputs.h"
#include "tools/cli/start.h"

static const char *arch = "resnet18", *algo, *filter, *json_file, *compare, *data = "cifar10",
                  *data_dir, *vocab, *years;
static int64_t batch_size = 0, image_size = 0, points = 0, tokens = 0, classes = 0, threads = 0,
               repeat = 7;
static bnn_device_choice where = {.device = "cpu", .precision = "usual"};
static bool scaling, with_data;
static const char *operands[2];

enum {
    GEMM = 1,
    CONV = 2,
    TRAIN = 4,
    DATA = 8,
    INFER = 16,
    NETWORKS = GEMM | CONV | TRAIN | INFER
};

static bnn_option options[] = {
    {"arch", BNN_OPTION_STRING, &arch, "NAME",
     "Network; gemm and conv measure the shapes of its binary layers.", .choices = bnn_arch_names},
    {"algo", BNN_OPTION_STRING, &algo, "NAME,...", "Binarization algorithms, or fp32.",
     .default_text = "all for train, reactnet for conv and infer"},
    {"batch-size", BNN_OPTION_INT, &batch_size, "N", "Samples at a time.",
     .default_text = "64; gemm and conv measure 64 images of 32 pixels and 1 of 224", .min = 1,
     .max = 65536},
    {"image-size", BNN_OPTION_INT, &image_size, "N", "Images of N by N pixels.",
     .default_text = "32", .min = 8, .max = 4096},
    {"points", BNN_OPTION_INT, &points, "N", "Clouds of N points.",
     .default_text = "the data set's: 1024 for classes, 4096 for parts", .min = 1,
     .max = BNN_MAX_SIDE},
    {"length", BNN_OPTION_INT, &tokens, "N", "Texts of N tokens.",
     .default_text = "the data set's: 64", .min = BNN_TEXT_LEAST, .max = BNN_MAX_SIDE},
    {"classes", BNN_OPTION_INT, &classes, "N", "Classes of the network.",
     .default_text = "the data set's; 1000 for images of 224 pixels and more", .min = 2,
     .max = 1e6},
    {"compare", BNN_OPTION_STRING, &compare, "NAME,...",
     "Compare also with other frameworks: with the float twin in them. With train: torch and "
     "torch-compile, in fp32 and in bf16 (autocast). With data: torchvision (with Pillow). With "
     "infer: onnxruntime and openvino, batch norms folded, in fp32 and quantized to int8; and lce, "
     "Larq Compute Engine with the packed network itself, as bnn-export writes it, for one sample "
     "(floats do what it has no binary way for, and it multiplies bits fast on ARM only). Run by "
     "the Python that $BNN_PYTHON names, otherwise by python3 or /usr/bin/python3, with the "
     "packages torch, for data torchvision, and for infer onnx, onnxruntime, openvino, nncf; lce "
     "by the one that $BNN_LCE_PYTHON names, if it does, with larq-compute-engine.",
     .default_text = NULL},
    {"scaling", BNN_OPTION_FLAG, &scaling, NULL,
     "With train: a step with all threads against one with one thread.", .default_text = NULL},
    {"with-data", BNN_OPTION_FLAG, &with_data, NULL,
     "With train: a step that the loader feeds with augmented images against one without a loader.",
     .default_text = NULL},
    {"data", BNN_OPTION_STRING, &data, "NAME", "With data, or --with-data: data set.",
     .choices = bnn_dataset_names},
    {"data-dir", BNN_OPTION_STRING, &data_dir, "DIR", "Likewise: folder of its files.",
     .default_text = "where the system keeps Fashion-MNIST; others must be given"},
    {"vocab", BNN_OPTION_STRING, &vocab, "FILE", "Likewise: the vocabulary of texts.",
     .default_text = "vocab.txt in the data set's folder or one level up"},
    {"years", BNN_OPTION_STRING, &years, "YEARS", "Likewise: of voc, 07+12, 2007 or 2012.",
     .default_text = "07+12"},
    {"threads", BNN_OPTION_INT, &threads, "N", "Processors to use, on either side.",
     .default_text = "all for train, otherwise 1", .min = 1, .max = 1024},
    {"device", BNN_OPTION_STRING, &where.device, "NAME",
     "Where our side runs, cpu, cuda or cuda:I; gemm compares products of a GPU with cuBLAS.",
     .default_text = NULL},
    {"precision", BNN_OPTION_STRING, &where.precision, "NAME", BNN_PRECISION_HELP,
     .choices = bnn_precision_names},
    {"repeat", BNN_OPTION_INT, &repeat, "N",
     "Turns of each side; the median and the fastest are shown.", .min = 1, .max = 1000},
    {"case", BNN_OPTION_STRING, &filter, "TEXT", "Only cases whose names contain TEXT.",
     .default_text = "all"},
    {"json", BNN_OPTION_STRING, &json_file, "FILE",
     "Write all rows as a JSON array; - for standard output.", .default_text = NULL},
};

/* Which sub-commands an option is for; those that are not listed are for all. */
static const struct {
    const char *name;
    int commands;
} limited[] = {
    {"arch", NETWORKS},         {"image-size", NETWORKS},
    {"points", NETWORKS},       {"length", NETWORKS},
    {"threads", NETWORKS},      {"algo", CONV | TRAIN | INFER},
    {"classes", TRAIN | INFER}, {"compare", TRAIN | DATA | INFER},
    {"scaling", TRAIN},         {"with-data", TRAIN},
    {"data", TRAIN | DATA},     {"data-dir", TRAIN | DATA},
    {"vocab", TRAIN | DATA},    {"years", TRAIN | DATA},
};

static bnn_program program = {
    .name = "bnn-bench",
    .summary = "measure speed and memory of binary networks",
    .usage = "COMMAND [MODEL] [options]",
    .description =
        "Measures one thing against another, each in a process of its own, in turns, and prints "
        "the median and the fastest of either side's times, the ratios of these (how many times "
        "faster than the baseline) and of peak memory. COMMAND is one of\n"
        "gemm: the products of a network's binary layers, forward and backward, on bits and on "
        "floats, against OpenBLAS's sgemm and our own on floats; if no size is chosen also small "
        "products of all networks, and attention on bits;\n"
        "conv: a binary layer, float map in and float map out, against the float layer;\n"
        "train: a training step of each algorithm against the float twin's, and what it reads and "
        "writes against what memory can do;\n"
        "data: what a data set makes of its files, one thread of it: samples for training, and for "
        "tests;\n"
        "infer: a packed network against its float twin: MODEL, a packed file, a checkpoint or a "
        "run's folder, or else a new network of --arch, --algo and --image-size. A MODEL that "
        "bnn-export wrote for another engine, .tflite or .onnx, runs in that engine, Larq Compute "
        "Engine (by the Python that $BNN_LCE_PYTHON names, else as with --compare) or ONNX "
        "Runtime, "
        "beside its twin there. Where the system lets it read the "
        "processors' energy counters (RAPL; on most systems as root), also the energy of a run, of "
        "whole processors, whoever uses them.",
    .examples =
        "bnn-bench gemm --json gemm.json\n"
        "bnn-bench gemm --case 'gemm binary' --batch-size 1 --image-size 224\n"
        "bnn-bench train --arch resnet20 --batch-size 128 --algo reactnet,bnn --compare torch\n"
        "bnn-bench train --algo reactnet --scaling --with-data --data-dir cifar-10-batches-bin\n"
        "bnn-bench data --data imagenet --data-dir imagenette --compare torchvision\n"
        "bnn-bench infer --image-size 224\n"
        "bnn-bench infer model.bnn\n"
        "bnn-bench infer model.tflite\n"
        "bnn-bench infer --arch pointnet --batch-size 1 --compare onnxruntime,openvino\n"
        "bnn-bench infer model.bnn --batch-size 1 --compare lce",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands = operands,
    .min_operands = 1,
    .max_operands = 2,
};

typedef struct command {
    const char *name;
    int bit;
    bnn_code (*run)(const bnn_bench *bench, bnn_error *err);
    const bnn_engine *const *engines; /* NULL-terminated, or NULL: there are none */
} command;

static const command commands[] = {{"gemm", GEMM, bnn_bench_gemm, NULL},
                                   {"conv", CONV, bnn_bench_conv, NULL},
                                   {"train", TRAIN, bnn_bench_train, bnn_train_engines},
                                   {"data", DATA, bnn_bench_data, bnn_data_engines},
                                   {"infer", INFER, bnn_bench_infer, bnn_infer_engines}};

enum { COMMANDS = sizeof commands / sizeof *commands };

/* ---- options that do not go together ---- */

/* The first of the NULL-terminated names that was given, or NULL. */
static const char *first_given(const char *const *names) {
    while (*names && !bnn_options_given(&program, *names)) {
        names++;
    }
    return *names;
}

static bnn_code check_options(const command *c, bnn_error *err) {
    static const char *const of_new[] = {"arch",   "algo",    "image-size", "points",
                                         "length", "classes", NULL};
    static const char *const of_data[] = {"data", "data-dir", "vocab", "years", NULL};
    static const char *const of_shape[] = {"image-size", "points", "length", "classes", NULL};
    const char *name;
    for (size_t i = 0; i < sizeof limited / sizeof *limited; i++) {
        if (bnn_options_given(&program, limited[i].name) && !(limited[i].commands & c->bit)) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s has no effect on %s", limited[i].name,
                            c->name);
        }
    }
    if (operands[1] && c->bit != INFER) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s takes no file, but got %s", c->name,
                        operands[1]);
    }
    if (operands[1] && (name = first_given(of_new))) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s is of a new network, but %s is one", name,
                        operands[1]);
    }
    if (!with_data && c->bit != DATA && (name = first_given(of_data))) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s has no effect without --with-data", name);
    }
    if (with_data && (name = first_given(of_shape))) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s is the data set's with --with-data", name);
    }
    if (compare && (scaling || with_data)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--compare does not go with --%s, which compares our own steps",
                        scaling ? "scaling" : "with-data");
    }
    return BNN_OK;
}

/* ---- what is asked for ---- */

/* The next name of a list "a,b", and what is left of the list, or NULL behind its last. */
static const char *next_name(const char *list, char name[64]) {
    size_t length = strcspn(list, ",");
    snprintf(name, 64, "%.*s", (int)length, list);
    return list[length] ? list + length + 1 : NULL;
}

/* The table's own name for `name`, or NULL and an error. */
static const char *find_algorithm(const char *name, bnn_error *err) {
    for (size_t i = 0; bnn_algorithm_names[i]; i++) {
        if (strcmp(name, bnn_algorithm_names[i]) == 0) {
            return bnn_algorithm_names[i];
        }
    }
    const char *near = bnn_nearest_name(name, bnn_algorithm_names);
    bnn_fail(err, BNN_ERR_ARGUMENT,
             near ? "--algo %s: there is none of that name (did you mean %s?)"
                  : "--algo %s: there is none of that name; bnn-train --list has them",
             name, near);
    return NULL;
}

static bnn_code split_algorithms(const char *text, bnn_bench *bench, bnn_error *err) {
    char name[64];
    for (size_t count = 0; text; count++) {
        text = next_name(text, name);
        if (count + 1 == BNN_BENCH_ALGORITHMS) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--algo: at most %d of them",
                            BNN_BENCH_ALGORITHMS - 1);
        }
        bench->algorithms[count] = find_algorithm(name, err);
        if (!bench->algorithms[count]) {
            return err->code;
        }
    }
    return BNN_OK;
}

static bnn_code unknown_engine(const char *name, const command *c, bnn_error *err) {
    char known[128] = "";
    for (const bnn_engine *const *e = c->engines; *e; e++) {
        size_t length = strlen(known);
        snprintf(known + length, sizeof known - length, "%s%s", length ? ", " : "", (*e)->name);
    }
    return bnn_fail(err, BNN_ERR_ARGUMENT, "--compare %s: %s can be compared with %s", name,
                    c->name, known);
}

/* In the order of the table, each once. */
static bnn_code choose_engines(const command *c, bnn_bench *bench, bnn_error *err) {
    char name[64];
    int chosen[BNN_BENCH_ENGINES] = {0};
    for (const char *text = compare; text;) {
        size_t e = 0;
        text = next_name(text, name);
        while (c->engines[e] && strcmp(name, c->engines[e]->name) != 0) {
            e++;
        }
        if (!c->engines[e]) {
            return unknown_engine(name, c, err);
        }
        chosen[e] = 1;
    }
    for (size_t e = 0, count = 0; c->engines && c->engines[e]; e++) {
        if (chosen[e]) {
            bench->engines[count++] = c->engines[e];
        }
    }
    return BNN_OK;
}

static bnn_code choose_algorithms(const command *c, bnn_bench *bench, bnn_error *err) {
    if (algo || c->bit != TRAIN) {
        return split_algorithms(algo ? algo : "reactnet", bench, err);
    }
    for (size_t i = 0; bnn_binarizers[i] && i + 1 < BNN_BENCH_ALGORITHMS; i++) {
        bench->algorithms[i] = bnn_binarizers[i]->name;
    }
    return BNN_OK;
}

static bnn_code open_device(void *self, char *version, bnn_error *err) {
    bnn_bench *bench = self;
    bnn_code code = bnn_bench_device(bench->where, &bench->device, err);
    if (code == BNN_OK) {
        snprintf(version, BNN_VERSION_BYTES, "%s", bench->device.kernels->name);
    }
    return code;
}

/* Asked in a worker; what cannot be had is known before anything is measured. */
static bnn_code name_device(const command *c, bnn_bench *bench, char *name, size_t bytes,
                            bnn_error *err) {
    bnn_worker *worker = NULL;
    bnn_work work = {.set_up = open_device, .self = bench};
    if (!bench->where) {
        snprintf(name, bytes, "%s", bench->device.kernels->name);
        return BNN_OK;
    }
    if (!(c->bit & NETWORKS) || scaling) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--device %.80s has no effect %s", where.device,
                        scaling ? "with --scaling" : "on data");
    }
    bnn_code code = bnn_worker_start(&work, &worker, err);
    snprintf(name, bytes, "%s", code == BNN_OK ? bnn_worker_version(worker) : "");
    bnn_worker_stop(worker);
    return code;
}

static bnn_code choose_data(bnn_bench *bench, bnn_error *err) {
    const bnn_dataset_info *info = bnn_dataset_find(data);
    const bnn_data_choice choice = {.years = years,
                                    .vocab = vocab,
                                    .view = with_data ? bnn_view_for(bench->arch, info, 0)
                                                      : (bnn_view){0}};
    return bench->data ? bnn_data_choose(info, &choice, &bench->data_options, err) : BNN_OK;
}

static bnn_code prepare(const command *c, bnn_bench *bench, bnn_error *err) {
    static char kernels[BNN_VERSION_BYTES]; /* the report keeps it */
    const char *why;
    *bench = (bnn_bench){.repeat = (int)repeat,
                         .filter = filter,
                         .arch = bnn_arch_find(arch),
                         .batch_size = (int)batch_size,
                         .image_size = (int)image_size,
                         .points = (int)points,
                         .length = (int)tokens,
                         .classes = (int)classes,
                         .model = operands[1],
                         .scaling = scaling,
                         .data = with_data || c->bit == DATA ? data : NULL,
                         .data_dir = data_dir};
    if (!bnn_cpu_device(NULL, threads || c->bit == TRAIN ? (int)threads : 1, &bench->device,
                        &why)) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s", why);
    }
    if (scaling && bench->device.threads < 2) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--scaling needs two threads or more, and --threads is 1%s",
                        threads ? "" : ", as many as there are processors");
    }
    if (strcmp(where.device, "cpu") != 0 || strcmp(where.precision, "usual") != 0) {
        bench->where = &where;
    }
    bnn_code code = name_device(c, bench, kernels, sizeof kernels, err);
    if (code != BNN_OK) {
        return code;
    }
    bench->report = bnn_bench_report_create(kernels, bench->repeat);
    if (!bench->report) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    }
    code = choose_engines(c, bench, err);
    code = code == BNN_OK ? choose_data(bench, err) : code;
    return code == BNN_OK ? choose_algorithms(c, bench, err) : code;
}

static bnn_code measure(const command *c, const bnn_bench *bench, FILE *json, bnn_error *err) {
    bnn_code code = c->run(bench, err);
    if (code != BNN_OK || bnn_interrupted()) {
        return code;
    }
    if (!bnn_bench_report_count(bench->report)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--case %.80s: no case has that in its name",
                        filter ? filter : "");
    }
    code = bnn_bench_report_finish(bench->report, err);
    return code == BNN_OK && json ? bnn_bench_report_write(bench->report, json, err) : code;
}

/* The file is begun before the measurements: whether it can be written is known in time. */
static bnn_code measure_to_file(const command *c, const bnn_bench *bench, bnn_error *err) {
    bnn_atomic_file *file;
    if (!json_file) {
        return measure(c, bench, NULL, err);
    }
    bnn_code code = bnn_atomic_open(json_file, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    code = measure(c, bench, bnn_atomic_stream(file), err);
    if (code == BNN_OK && !bnn_interrupted()) {
        return bnn_atomic_commit(file, err);
    }
    bnn_atomic_abandon(file);
    return code;
}

static bnn_code check_outputs(const command *c, const bnn_bench *bench, bnn_outputs *outputs,
                              bnn_error *err) {
    bnn_outputs_read(outputs, "MODEL", operands[1]);
    bnn_outputs_run_of(outputs, operands[1]);
    bnn_outputs_result(outputs, "--json", &json_file);
    bnn_code code = bnn_outputs_check(outputs, err);
    if (code == BNN_OK && (with_data || c->bit == DATA) && json_file) {
        bnn_dataset *set = NULL;
        code = bnn_dataset_open(bnn_dataset_find(data), data_dir, BNN_SPLIT_TRAIN,
                                &bench->data_options, &set, err);
        code = code == BNN_OK ? bnn_outputs_spare_data(outputs, set, err) : code;
        bnn_dataset_close(set);
    }
    return code;
}

static bnn_code work(bnn_error *err) {
    bnn_bench bench = {0};
    bnn_outputs outputs = {0};
    static bnn_found_model found;
    bnn_arena *arena = bnn_arena_create();
    const command *c = bnn_command_find(operands[0], commands, sizeof *commands, COMMANDS, err);
    bnn_code code = c ? check_options(c, err) : BNN_ERR_ARGUMENT;
    if (code == BNN_OK && !arena) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    } else if (code == BNN_OK && operands[1]) { /* a run's folder stands for its best */
        code = bnn_find_model(operands[1], arena, &found, err);
        operands[1] = found.path;
    }
    if (c && code == BNN_OK && (code = prepare(c, &bench, err)) == BNN_OK &&
        (code = check_outputs(c, &bench, &outputs, err)) == BNN_OK) {
        code = measure_to_file(c, &bench, err);
    }
    bnn_outputs_free(&outputs);
    bnn_bench_report_free(bench.report);
    bnn_arena_free(arena);
    return code;
}

int main(int argc, char **argv) {
    program.commands = commands;
    program.command_size = sizeof *commands;
    program.command_count = COMMANDS;
    return bnn_start(&program, argc, argv, work);
}
