/* bnn-eval: the score of a checkpoint or a packed file, on a data set and on its corruptions. What
 * is done stands in the results file at any moment, so the same command goes on after a stop. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/stream.h"
#include "tools/corrupt/corruption_table.h"
#include "tools/train/evaluate.h"
#include "tools/run/coco_results.h"
#include "tools/run/data_spec.h"
#include "tools/run/device.h"
#include "tools/run/find_model.h"
#include "tools/run/given.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/lock.h"
#include "tools/cli/names.h"
#include "tools/run/outputs.h"
#include "tools/run/run_data.h"
#include "tools/run/run_folder.h"
#include "tools/cli/shell.h"
#include "tools/cli/start.h"

static bnn_device_choice where = {.device = "cpu", .precision = "usual"};
static const char *arch, *algo, *data, *data_dir, *vocab, *test_genres, *years, *corruptions,
    *corruption, *frost_dir, *json_file, *predictions, *detections, *save_inputs, *save_outputs;
static const char main_corruptions[] = "main";
static int64_t batch_size = 100, threads = 0, limit_test = 0, severity = 0, seed = 0;
static bool quiet, overwrite;
static const char *operands[1];

static bnn_option options[] = {
    {"data", BNN_OPTION_STRING, &data, "NAME",
     "Data set; of a MODEL whose metadata name none also what it was trained on.",
     .default_text = "the one the model was trained on", .choices = bnn_dataset_names},
    {"arch", BNN_OPTION_STRING, &arch, "NAME",
     "Network, of a MODEL that another tool wrote: its metadata do not name it.",
     .default_text = NULL, .choices = bnn_arch_names},
    {"algo", BNN_OPTION_STRING, &algo, "NAME", "Algorithm, likewise.", .default_text = NULL,
     .choices = bnn_algorithm_names},
    {"data-dir", BNN_OPTION_STRING, &data_dir, "DIR", "Folder of the data set's files.",
     .default_text = "the run's own; where the system keeps Fashion-MNIST"},
    {"vocab", BNN_OPTION_STRING, &vocab, "FILE", "Of texts: the vocabulary of the training.",
     .default_text = "the model's own; vocab.txt in the data set's folder or one level up"},
    {"test-genres", BNN_OPTION_STRING, &test_genres, "NAME",
     "Of glue_mnli: the genres of the training set, matched, or others, mismatched.",
     .default_text = "those of the training"},
    {"years", BNN_OPTION_STRING, &years, "YEARS", "Of voc: 07+12 and 2007 (its test), or 2012.",
     .default_text = "those of the training"},
    {"corruptions", BNN_OPTION_STRING, &corruptions, "DIR",
     "Also evaluate on the corrupted test sets of this folder, in the layout of CIFAR-10-C "
     "(NAME.npy, labels.npy; any subset of the names). The word make: needs no files, makes the "
     "corruptions while it evaluates, as bnn-corrupt does.",
     .default_text = NULL},
    {"corruption", BNN_OPTION_STRING, &corruption, "NAME,...",
     "Which corruptions; main: the 15 of the benchmark, all: these and the extra four. Of a "
     "folder's files, those that are there.",
     .default_text = main_corruptions},
    {"severity", BNN_OPTION_INT, &severity, "N", "Only this severity of theirs.",
     .default_text = "all five", .min = 1, .max = BNN_SEVERITIES},
    {"frost-dir", BNN_OPTION_STRING, &frost_dir, "DIR",
     "With --corruptions make: folder of the frost photographs of CIFAR-10-C (frost1.png, "
     "frost2.png, frost3.png, frost4.jpg, frost5.jpg).",
     .default_text = "computed textures"},
    {"seed", BNN_OPTION_INT, &seed, "N",
     "With --corruptions make: of the corruptions' random numbers.", .min = 0, .max = 9e15},
    {"limit-test", BNN_OPTION_INT, &limit_test, "N", "Use the first N test samples.",
     .default_text = "all", .min = 1, .max = 1e9},
    {"batch-size", BNN_OPTION_INT, &batch_size, "N", "Samples at a time; no result depends on it.",
     .min = 1, .max = 65536},
    {"threads", BNN_OPTION_INT, &threads, "N", "Processors to use; results do not depend on it.",
     .default_text = "all", .min = 1, .max = 1024},
    {"device", BNN_OPTION_STRING, &where.device, "NAME", BNN_DEVICE_HELP, .default_text = NULL},
    {"precision", BNN_OPTION_STRING, &where.precision, "NAME", BNN_PRECISION_HELP,
     .choices = bnn_precision_names},
    {"json", BNN_OPTION_STRING, &json_file, "FILE",
     "Write all numbers as JSON; - for standard output. With corruptions the file is written after "
     "each severity, and the same command goes on where it was stopped.",
     .default_text = "RUN/" BNN_RESULTS_FILE " of a run's folder, or none"},
    {"overwrite", BNN_OPTION_FLAG, &overwrite, NULL,
     "Begin anew instead of going on with the results that are there.", .default_text = NULL},
    {"predictions", BNN_OPTION_STRING, &predictions, "FILE",
     "Write the predicted class of each test sample, one index a line (of clouds whose parts are "
     "found, one for each point, of those of the cloud's category; of a regression the value; of a "
     "detector box, in the pixels it sees, score and class of each detection); - for standard "
     "output.",
     .default_text = NULL},
    {"detections", BNN_OPTION_STRING, &detections, "FILE",
     "Of networks that find boxes: write all of them in COCO's format of results, as pycocotools "
     "reads it (image_id, category_id, bbox, score; in pixels of the photograph); - for standard "
     "output.",
     .default_text = NULL},
    {"save-inputs", BNN_OPTION_STRING, &save_inputs, "FILE.npy",
     "Write what the network sees of each test sample, normalized, as float32 [samples,H,W,C]; of "
     "a text the tokens' numbers in the vocabulary, their segments and the mask, as int32 "
     "[samples,3,1,T,1].",
     .default_text = NULL},
    {"save-outputs", BNN_OPTION_STRING, &save_outputs, "FILE.npy",
     "Write the network's outputs for each test sample, as float32; with --save-inputs, to compare "
     "an exported model in another engine.",
     .default_text = NULL},
    {"quiet", BNN_OPTION_FLAG, &quiet, NULL, "No per-class table.", .default_text = NULL},
};

static bnn_program program = {
    .name = "bnn-eval",
    .summary = "evaluate a trained or packed network",
    .usage = "MODEL [options]",
    .description =
        "Evaluates MODEL, a checkpoint of bnn-train, a packed file of bnn-export or a run's folder "
        "(its best.safetensors), on a test set: the metrics of its task (top-1 and top-5 accuracy "
        "of images), and each "
        "class's. "
        "Another tool's weights (safetensors, a file of torch.save, a folder of Hugging Face's "
        "layout) are evaluated where they have PyTorch's names of the same network. "
        "Interrupt it at any time; with a results file (--json, or a run's folder) the same "
        "command goes on where it was, and ends with the same file, byte for byte.",
    .examples =
        "bnn-eval runs/reactnet-resnet20-fashion_mnist\n"
        "bnn-eval runs/bnn-resnet18-cifar10 --corruptions make\n"
        "bnn-eval model.bnn --data cifar10 --data-dir cifar-10-batches-bin --json out.json\n"
        "bnn-eval best.safetensors --data-dir cifar-10-batches-bin --corruptions CIFAR-10-C\n"
        "bnn-eval best.safetensors --corruptions make --corruption fog,snow --severity 3\n"
        "bnn-eval model.pth --arch resnet20 --algo fp32 --data fashion_mnist",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands = operands,
    .min_operands = 1,
    .max_operands = 1,
};

typedef struct evaluation {
    bnn_found_model found;
    char results[4200]; /* RUN/results.json */
    bnn_arena *arena;
    bnn_loaded model;
    bnn_predictor *predictor;
    const bnn_dataset_info *info;
    bnn_dataset *test;
    int data_given; /* by --data-dir, not found */
    bnn_evaluation how;
    size_t rows; /* predictions a sample */
    bnn_score score;
    int stopped;
    bnn_corruption_source source;
    bnn_corruption_files files;
    bnn_corruptor *corruptor;
    bnn_results now, old; /* old: what the results file held */
    bnn_outputs outputs;
    int goes_on;   /* the results are a file, not a stream */
    int of_run;    /* it is the run's own */
    bnn_lock lock; /* on it */
} evaluation;

static void print_score(const evaluation *e) {
    const bnn_results *r = &e->now;
    printf("%s: %s, %s, %s%s\n", bnn_shell_show(r->model).s, r->arch, r->algo,
           r->packed ? "packed" : "checkpoint", e->stopped ? " (interrupted)" : "");
    printf("%s test: %zu %s", r->data, e->score.samples, e->info->samples);
    for (int i = 0; r->task->metrics[i].key && !r->task->metrics[i].minor; i++) {
        const bnn_metric *m = &r->task->metrics[i];
        char value[BNN_METRIC_TEXT];
        printf("  %s %s", m->name, bnn_metric_text(m, r->metric[i], value));
    }
    if (!isnan(r->loss)) { /* of detectors there is none */
        printf("  loss %.4f", r->loss);
    }
    printf("  (%s)\n", r->isa);
    for (size_t c = 0; !quiet && c < r->class_count; c++) {
        const bnn_class_result *of = &r->classes[c];
        printf("  %-14s %6lld %s  ", of->name, (long long)of->samples,
               r->task->boxes ? "boxes" : e->info->samples);
        if (of->samples) {
            printf("%6.2f%%\n", of->value);
        } else {
            printf("%6s\n", "-");
        }
    }
}

/* What is wrong with the options of the corruptions is said before the work begins. */
static bnn_code check_corruptions(evaluation *e, bnn_error *err) {
    int make = corruptions && strcmp(corruptions, "make") == 0;
    if (!corruptions && (corruption || severity || frost_dir)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--%s has no effect without --corruptions DIR or --corruptions make",
                        corruption ? "corruption"
                        : severity ? "severity"
                                   : "frost-dir");
    }
    if (corruptions && !make && frost_dir) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--frost-dir goes with --corruptions make; the files of %s are as they are",
                        corruptions);
    }
    e->source.folder = make ? NULL : corruptions;
    e->source.severity = (int)severity;
    e->source.limit = (size_t)limit_test;
    e->source.seed = (uint64_t)seed;
    return bnn_corruption_list_parse(corruption ? corruption : main_corruptions, &e->source.list,
                                     err);
}

static bnn_code open_corruptions(evaluation *e, bnn_error *err) {
    bnn_code code = BNN_OK;
    if (!corruptions) {
        return BNN_OK;
    }
    e->source.clean = e->test;
    if (!e->source.folder) {
        const bnn_shape image = e->info->field[0].shape;
        code = e->test->pixels
                   ? bnn_corruptor_create(image.h, image.w, (uint64_t)seed, frost_dir,
                                          &e->corruptor, err)
                   : bnn_fail(err, BNN_ERR_ARGUMENT,
                              "--corruptions are of images of a class each, and %s has none",
                              e->info->name);
        e->source.corruptor = e->corruptor;
    }
    if (code == BNN_OK) {
        code = bnn_corruption_table_begin(&e->source, &e->files, &e->now, err);
    }
    return code;
}

/* A run's folder stands for its best checkpoint, its results file and its data. */
static bnn_code find_model(evaluation *e, bnn_error *err) {
    bnn_code code = bnn_find_model(operands[0], e->arena, &e->found, err);
    const char *trained = e->found.config.data;
    const int other = data && trained && strcmp(data, trained) != 0;
    e->data_given = data_dir != NULL;
    if (code != BNN_OK || !e->found.folder[0]) {
        return code;
    }
    data_dir = data_dir || other ? data_dir : e->found.config.data_dir;
    if (other && !json_file) { /* reports take what lies in the run's folder for its own data's */
        fprintf(stderr,
                "%s: note: the run's " BNN_RESULTS_FILE " is of %s; results of %s are kept with "
                "--json FILE\n",
                program.name, trained, data);
        return BNN_OK;
    }
    snprintf(e->results, sizeof e->results, "%.4100s/" BNN_RESULTS_FILE, e->found.folder);
    e->of_run = !json_file;
    json_file = json_file ? json_file : e->results;
    return BNN_OK;
}

/* The file's own data set may be given, or another to evaluate it on. */
static bnn_code open_model(evaluation *e, const bnn_device *device, bnn_error *err) {
    bnn_given given = {.arch = arch, .algo = algo, .data = data, .other_data = 1};
    return bnn_given_open(&given, e->found.path, device, &e->model, err);
}

static bnn_code describe_model(evaluation *e, bnn_error *err) {
    bnn_results *r = &e->now;
    r->model = e->found.path;
    r->arch = e->model.spec.arch->name;
    r->algo = bnn_spec_algorithm(&e->model.spec);
    r->packed = e->model.packed;
    r->data = e->info->name;
    r->isa = e->model.device.kernels->name;
    r->task = e->model.spec.task;
    r->samples = (int64_t)e->test->count;
    r->checksum =
        bnn_arena_format(e->arena, "%08lx", (unsigned long)bnn_st_checksum(e->model.file));
    return r->checksum ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the results");
}

/* A text of its own, up to the name's end. */
static const char *name_of(evaluation *e, const char *name) {
    return bnn_arena_format(e->arena, "%.*s",
                            (int)strcspn(name, e->now.task->by_point ? ":\n" : "\n"), name);
}

/* Thousandths, so that a page is as small as a picture needs it; 0: memory is out. */
static int take_curve(evaluation *e, int class) {
    const double *curve = e->now.task->curve(&e->model.spec, &e->score, class);
    int16_t *kept = bnn_arena_alloc(e->arena, BNN_CURVE_POINTS * sizeof *kept);
    const int known = curve && kept && !isnan(curve[0]);
    for (int i = 0; known && i < BNN_CURVE_POINTS; i++) {
        kept[i] = (int16_t)lround(1000.0 * curve[i]);
    }
    e->now.classes[class].curve = known ? kept : NULL;
    return curve && kept;
}

static bnn_code take_classes(evaluation *e, bnn_error *err) {
    bnn_results *r = &e->now;
    const bnn_spec *spec = &e->model.spec;
    r->class_count = r->task->groups ? (size_t)r->task->groups(spec) : 0;
    r->classes = bnn_arena_alloc(e->arena, r->class_count * sizeof *r->classes);
    if (!r->classes) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the results");
    }
    for (size_t c = 0; c < r->class_count; c++) {
        const char *name;
        double samples;
        r->classes[c].value =
            bnn_results_as_written(r->task->group(spec, &e->score, (int)c, &name, &samples));
        r->classes[c].samples = (int64_t)samples;
        r->classes[c].name = name_of(e, name);
        r->classes[c].curve = NULL;
        if (r->task->curve && r->classes[c].samples && !take_curve(e, (int)c)) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the results");
        }
        if (!r->classes[c].name) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the results");
        }
    }
    return BNN_OK;
}

static bnn_code take_confusion(evaluation *e, bnn_error *err) {
    bnn_results *r = &e->now;
    const size_t cells = r->class_count * r->class_count;
    r->confusion = bnn_arena_alloc(e->arena, cells * sizeof *r->confusion);
    for (size_t i = 0; r->confusion && i < cells; i++) {
        r->confusion[i] = (int64_t)e->score.sum[(size_t)r->task->confusion + i];
    }
    return r->confusion ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the results");
}

static bnn_code take_score(evaluation *e, bnn_error *err) {
    bnn_results *r = &e->now;
    for (int i = 0; r->task->metrics[i].key; i++) {
        r->metric[i] = bnn_results_as_written(r->task->value(&e->model.spec, &e->score, i));
    }
    r->loss = bnn_results_as_written(e->score.loss / (double)e->score.samples);
    bnn_code code = take_classes(e, err);
    return code == BNN_OK && r->task->confusion ? take_confusion(e, err) : code;
}

/* What is written over nothing that is read, and can be written, is known before the work. */
static bnn_code check_outputs(evaluation *e, bnn_error *err) {
    bnn_outputs_read(&e->outputs, "MODEL", e->found.path);
    bnn_outputs_run_of(&e->outputs, e->found.path);
    bnn_outputs_result(&e->outputs, "--json", &json_file);
    bnn_outputs_result(&e->outputs, "--predictions", &predictions);
    bnn_outputs_result(&e->outputs, "--detections", &detections);
    bnn_outputs_result(&e->outputs, "--save-inputs", &save_inputs);
    bnn_outputs_result(&e->outputs, "--save-outputs", &save_outputs);
    bnn_code code = bnn_outputs_check(&e->outputs, err);
    e->goes_on = code == BNN_OK && json_file && !bnn_is_stream(json_file);
    return code;
}

/* What the results file holds is gone on with; nobody else writes it meanwhile. */
static bnn_code open_results(evaluation *e, bnn_error *err) {
    const bnn_lock_text text = {program.name, json_file,
                                "is writing it; wait until it ends, or choose another --json "
                                "FILE"};
    if (!e->goes_on) {
        return BNN_OK;
    }
    bnn_code locked = bnn_lock_file(&e->lock, json_file, &text, err);
    if (locked == BNN_OK) {
        bnn_atomic_clean(json_file);
    }
    if (locked != BNN_OK || overwrite || access(json_file, F_OK) != 0) {
        return locked;
    }
    bnn_code code = bnn_results_read(json_file, &e->old, err);
    if (code == BNN_OK) {
        code = bnn_results_continue(&e->now, &e->old, json_file, err);
    }
    return code;
}

static bnn_code open_data(evaluation *e, bnn_error *err) {
    e->info = bnn_dataset_find(data ? data : e->model.spec.dataset);
    if (!e->info) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s was trained on unknown data; say --data NAME",
                        e->model.path);
    }
    bnn_spec *spec = &e->model.spec;
    const bnn_data_choice choice = {.limit = limit_test,
                                    .vocab = vocab,
                                    .test_genres = test_genres,
                                    .years = years,
                                    .view = bnn_view_of(spec, e->info)};
    bnn_dataset_options chosen;
    bnn_code code = bnn_arch_fits(spec->arch, e->info, err);
    if (code == BNN_OK && detections && !spec->task->boxes) {
        code = bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--detections has no effect on %s, which finds no boxes", e->model.path);
    }
    if (code == BNN_OK && bnn_task_find(e->info->task) != spec->task) {
        fprintf(
            stderr,
            "%s: note: %s was trained on %s, another task than that of %s, whose metrics follow\n",
            program.name, e->model.path, spec->dataset, e->info->name);
    }
    if (code == BNN_OK) {
        code = bnn_data_choose(e->info, &choice, &chosen, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    if (e->info->field[0].shape.h == 1) { /* a list, of as many as the network sees */
        chosen.length = spec->width;
    }
    if (!vocab && *spec->vocab) { /* the one that its tokens are numbers of */
        chosen.vocab = (const unsigned char *)spec->vocab;
        chosen.vocab_bytes = strlen(spec->vocab);
    }
    if (!chosen.variant && e->info->variant && *spec->variant) {
        chosen.variant = spec->variant;
    }
    if (code == BNN_OK) {
        code = bnn_dataset_open(e->info, data_dir, BNN_SPLIT_TEST, &chosen, &e->test, err);
    }
    if (code == BNN_OK) {
        code = bnn_spec_takes(&e->model.spec, e->test, e->model.path, err);
    }
    if (code == BNN_OK) {
        bnn_note_classes(spec, e->test, e->model.path, program.name);
    }
    if (code == BNN_OK && !*spec->class_names) { /* of an older version, or of another tool */
        bnn_spec here = *spec;
        code = bnn_spec_of_dataset(&here, e->test, &chosen, e->arena, err);
        if (code == BNN_OK) { /* all else is as the model has it */
            spec->class_names = here.class_names;
            spec->class_ids = here.class_ids;
            spec->vocab = *spec->vocab ? spec->vocab : here.vocab;
        }
    }
    if (code == BNN_OK) {
        bnn_dataset_normalize(e->test, e->model.spec.mean, e->model.spec.std);
    }
    if (code == BNN_OK && !e->data_given && strcmp(e->info->name, e->model.spec.dataset) == 0) {
        bnn_run_data_note(e->model.file, e->test, data_dir ? data_dir : e->info->default_dir,
                          program.name);
    }
    return code;
}

static void note_options(const evaluation *e) {
    if (!e->corruptor) {
        bnn_options_note(&program, "seed", "has no effect without --corruptions make");
    }
    if (!e->goes_on) {
        bnn_options_note(&program, "overwrite",
                         "has no effect without a file of results, --json FILE");
    }
    if ((size_t)limit_test > e->test->count) {
        bnn_options_note(&program, "limit-test", "has no effect: there are no more samples");
    }
    if (!bnn_corruption_list_has(&e->source.list, "frost")) {
        bnn_options_note(&program, "frost-dir", "has no effect, as frost is not among them");
    }
}

static bnn_code prepare(evaluation *e, bnn_error *err) {
    note_options(e);
    bnn_data_note(e->test, "tests", program.name);
    if (e->corruptor) {
        bnn_corruption_list_note(&e->source.list, frost_dir, program.name);
    }
    e->how =
        (bnn_evaluation){.batch_size = (size_t)batch_size,
                         .loader_threads = bnn_device_host_threads(&e->model.device, (int)threads),
                         .label = e->info->name,
                         .examples = json_file ? &e->now.examples : NULL};
    e->now.examples.arena = e->arena;
    e->now.examples.params = e->model.params;
    e->now.examples.device = &e->model.device;
    e->rows = bnn_spec_outputs(&e->model.spec);
    e->rows /= e->now.task->boxes ? 1 : (size_t)e->model.spec.classes;
    const size_t cells = e->test->count * e->rows;
    if (e->now.task->real_target || e->now.task->boxes) {
        e->how.value = bnn_arena_alloc(e->arena, cells * sizeof *e->how.value);
    } else {
        e->how.prediction = bnn_arena_alloc(e->arena, cells * sizeof *e->how.prediction);
    }
    return e->how.prediction || e->how.value
               ? bnn_sample_files_open(&e->model.spec, e->test->count, save_inputs, save_outputs,
                                       &e->how.files, err)
               : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the predictions");
}

static bnn_code open_all(evaluation *e, bnn_error *err) {
    bnn_device device;
    bnn_code code = bnn_device_chosen(&where, (int)threads, &device, err);
    if (code != BNN_OK) {
        return code;
    }
    e->now.arena = e->arena = bnn_arena_create();
    if (!e->arena) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    }
    if ((code = check_corruptions(e, err)) != BNN_OK || (code = find_model(e, err)) != BNN_OK ||
        (code = check_outputs(e, err)) != BNN_OK ||
        (code = open_model(e, &device, err)) != BNN_OK ||
        (code = bnn_loaded_predictor(&e->model, &e->predictor, err)) != BNN_OK ||
        (code = open_data(e, err)) != BNN_OK || (code = describe_model(e, err)) != BNN_OK ||
        (code = open_corruptions(e, err)) != BNN_OK ||
        (code = bnn_outputs_spare_data(&e->outputs, e->test, err)) != BNN_OK ||
        (code = bnn_outputs_spare_corruptions(&e->outputs, e->files.files, err)) != BNN_OK ||
        (code = bnn_outputs_spare_frost(&e->outputs, e->corruptor, err)) != BNN_OK ||
        (code = open_results(e, err)) != BNN_OK) {
        return code;
    }
    return prepare(e, err);
}

static bnn_code evaluate_corruptions(evaluation *e, bnn_error *err) {
    bnn_evaluation how = {.batch_size = e->how.batch_size, .loader_threads = e->how.loader_threads};
    size_t done, cells = bnn_results_cells(&e->now, &done);
    if (done) {
        fprintf(stderr, "%s: note: %zu of %zu cells of the table are in %s already\n", program.name,
                done, cells, json_file);
    }
    bnn_code code =
        done == cells
            ? BNN_OK
            : bnn_corruption_table_run(e->predictor, &e->model.spec, &e->source, &e->files, &how,
                                       e->goes_on ? json_file : NULL, &e->now, err);
    if (code == BNN_OK && !bnn_interrupted()) {
        bnn_corruption_table_print(&e->now, stdout);
    }
    return code;
}

static void print_advice(const evaluation *e) {
    printf("interrupted; %s\n",
           e->goes_on  ? "the same command goes on"
           : json_file ? "nothing to go on with, as --json is a stream; with a file the same "
                         "command could"
                       : "with --json FILE the same command could go on");
}

/* A run keeps its results of more samples than a quick look at it has. */
static int keeps_results(const evaluation *e) {
    return e->of_run && !corruptions && e->old.checksum &&
           strcmp(e->old.checksum, e->now.checksum) == 0 && strcmp(e->old.data, e->now.data) == 0 &&
           e->old.samples > e->now.samples;
}

static bnn_code write_results(const evaluation *e, bnn_error *err) {
    if (!keeps_results(e)) {
        return bnn_results_write(json_file, &e->now, err);
    }
    fprintf(stderr,
            "%s: note: %s stays, as it is of %lld samples; --overwrite replaces it, or choose a "
            "--json FILE\n",
            program.name, json_file, (long long)e->old.samples);
    return BNN_OK;
}

static bnn_code evaluate(evaluation *e, bnn_error *err) {
    const bnn_spec *spec = &e->model.spec;
    bnn_code code = bnn_score_create(spec->task, spec, 0, &e->score, err);
    if (code != BNN_OK ||
        (code = bnn_evaluate(e->predictor, spec, e->test, &e->how, &e->score, &e->stopped, err)) !=
            BNN_OK ||
        (code = take_score(e, err)) != BNN_OK) {
        return code;
    }
    print_score(e);
    if (e->stopped) {
        print_advice(e);
        return BNN_OK;
    }
    if ((code = bnn_sample_files_commit(&e->how.files, err)) != BNN_OK) {
        return code;
    }
    if (json_file && (code = bnn_results_same_score(&e->now, &e->old, json_file, err)) != BNN_OK) {
        return code;
    }
    if (corruptions && (code = evaluate_corruptions(e, err)) != BNN_OK) {
        return code;
    }
    if (bnn_interrupted()) {
        print_advice(e);
        return BNN_OK;
    }
    if (predictions && (code = bnn_predictions_write(predictions, e->how.prediction, e->how.value,
                                                     e->score.samples, e->rows, err)) != BNN_OK) {
        return code;
    }
    if (detections && (code = bnn_coco_results_write(detections, spec, e->test, &e->score, err))) {
        return code;
    }
    return json_file ? write_results(e, err) : BNN_OK;
}

static bnn_code work(bnn_error *err) {
    static evaluation e;
    bnn_code code = open_all(&e, err);
    if (code == BNN_OK) {
        code = evaluate(&e, err);
    }
    bnn_sample_files_abandon(&e.how.files);
    bnn_lock_remove(&e.lock);
    bnn_outputs_free(&e.outputs);
    bnn_results_free(&e.old);
    bnn_corruptions_close(e.files.files);
    bnn_corruptor_free(e.corruptor);
    bnn_dataset_close(e.test);
    bnn_predictor_free(e.predictor);
    bnn_loaded_close(&e.model);
    bnn_score_free(&e.score);
    bnn_arena_free(e.arena);
    return code;
}

int main(int argc, char **argv) {
    return bnn_start(&program, argc, argv, work);
}
