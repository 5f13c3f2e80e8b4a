/* bnn-eval: the score of a checkpoint or a packed file, on a data set and on its corruptions. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "models/loaded.h"
#include "tools/corruption_table.h"
#include "tools/evaluate.h"
#include "tools/interrupt.h"
#include "tools/names.h"
#include "tools/options.h"
#include "tools/wait_policy.h"

static const char *data, *data_dir, *corruptions, *corruption, *frost_dir, *json_file, *predictions;
static int64_t batch_size = 100, threads = 0, limit_test = 0, severity = 0, seed = 0;
static bool quiet;
static const char *operands[1];

static bnn_option options[] = {
    {"data", BNN_OPTION_STRING, &data, "NAME", "Data set.",
     .default_text = "the one the model was trained on", .choices = bnn_dataset_names},
    {"data-dir", BNN_OPTION_STRING, &data_dir, "DIR", "Folder of the data set's files.",
     .default_text = "where the system keeps Fashion-MNIST; others must be given"},
    {"corruptions", BNN_OPTION_STRING, &corruptions, "DIR",
     "Also evaluate on the corrupted test sets of this folder, in the layout of CIFAR-10-C "
     "(NAME.npy, labels.npy; any subset of the names). The word make: needs no files, makes the "
     "corruptions while it evaluates, as bnn-corrupt does.",
     .default_text = NULL},
    {"corruption", BNN_OPTION_STRING, &corruption, "NAME,...", "Only these corruptions.",
     .default_text = "all there are"},
    {"severity", BNN_OPTION_INT, &severity, "N", "Only this severity of theirs.",
     .default_text = "all five", .min = 1, .max = BNN_SEVERITIES},
    {"frost-dir", BNN_OPTION_STRING, &frost_dir, "DIR",
     "With --corruptions make: folder of the frost photographs of CIFAR-10-C (frost1.png, "
     "frost2.png, frost3.png, frost4.jpg, frost5.jpg).",
     .default_text = "computed textures"},
    {"seed", BNN_OPTION_INT, &seed, "N",
     "With --corruptions make: of the corruptions' random numbers.", .min = 0, .max = 9e15},
    {"limit-test", BNN_OPTION_INT, &limit_test, "N", "Use the first N test images.",
     .default_text = "all", .min = 1, .max = 1e9},
    {"batch-size", BNN_OPTION_INT, &batch_size, "N", "Images at a time; no result depends on it.",
     .min = 1, .max = 65536},
    {"threads", BNN_OPTION_INT, &threads, "N", "Processors to use; results do not depend on it.",
     .default_text = "all", .min = 1, .max = 1024},
    {"json", BNN_OPTION_STRING, &json_file, "FILE", "Write all numbers as JSON.",
     .default_text = NULL},
    {"predictions", BNN_OPTION_STRING, &predictions, "FILE",
     "Write the predicted class of each test image, one index a line.", .default_text = NULL},
    {"quiet", BNN_OPTION_FLAG, &quiet, NULL, "No per-class table.", .default_text = NULL},
};

static bnn_program program = {
    .name = "bnn-eval",
    .summary = "evaluate a trained or packed network",
    .usage = "MODEL [options]",
    .description =
        "Evaluates MODEL, a checkpoint of bnn-train or a packed file of bnn-export, on a test set: "
        "top-1 and top-5 accuracy, and accuracy per class.",
    .examples =
        "bnn-eval runs/reactnet-resnet20-fashion_mnist/best.safetensors\n"
        "bnn-eval model.bnn --data cifar10 --data-dir cifar-10-batches-bin --json out.json\n"
        "bnn-eval best.safetensors --data-dir cifar-10-batches-bin --corruptions CIFAR-10-C\n"
        "bnn-eval best.safetensors --corruptions make --corruption fog,snow --severity 3",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands = operands,
    .min_operands = 1,
    .max_operands = 1,
};

typedef struct evaluation {
    bnn_loaded model;
    bnn_predictor *predictor;
    const bnn_dataset_info *info;
    bnn_dataset *test;
    bnn_evaluation how;
    bnn_score score;
    bnn_corruption_source source;
    bnn_corruptor *corruptor;
    bnn_corruption_table *table;
} evaluation;

static double percent(size_t part, size_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

static void print_score(const evaluation *e) {
    printf("%s: %s, %s, %s%s\n", e->model.path, e->model.spec.arch->name,
           bnn_spec_algorithm(&e->model.spec), e->model.packed ? "packed" : "checkpoint",
           e->score.stopped ? " (interrupted)" : "");
    printf("%s test: %zu images  top-1 %.2f%%  top-5 %.2f%%  loss %.4f  (%s)\n", e->info->name,
           e->score.images, percent(e->score.top1, e->score.images),
           percent(e->score.top5, e->score.images), e->score.loss, e->model.kernels->name);
    for (int c = 0; !quiet && c < e->info->classes; c++) {
        printf("  %-14s %6zu images  %6.2f%%\n", e->info->class_names[c], e->how.class_images[c],
               percent(e->how.class_correct[c], e->how.class_images[c]));
    }
}

static json_t *score_json(const evaluation *e) {
    json_t *classes = json_array();
    for (int c = 0; c < e->info->classes; c++) {
        json_array_append_new(classes,
                              json_pack("{s:s, s:I, s:f}", "class", e->info->class_names[c],
                                        "images", (json_int_t)e->how.class_images[c], "top1",
                                        percent(e->how.class_correct[c], e->how.class_images[c])));
    }
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:b, s:s, s:s, s:I, s:f, s:f, s:f, s:o}", "model", e->model.path, "arch",
        e->model.spec.arch->name, "algo", bnn_spec_algorithm(&e->model.spec), "packed",
        e->model.packed, "data", e->info->name, "isa", e->model.kernels->name, "images",
        (json_int_t)e->score.images, "top1", percent(e->score.top1, e->score.images), "top5",
        percent(e->score.top5, e->score.images), "loss", e->score.loss, "classes", classes);
    if (root && e->table) {
        json_object_set_new(root, "corruptions", bnn_corruption_table_json(e->table));
    }
    return root;
}

static bnn_code write_json(const evaluation *e, bnn_error *err) {
    bnn_atomic_file *file;
    bnn_code code = bnn_atomic_open(json_file, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    json_t *root = score_json(e);
    int written = root && json_dumpf(root, bnn_atomic_stream(file),
                                     JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0;
    json_decref(root);
    if (!root) {
        bnn_atomic_abandon(file);
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", json_file);
    }
    (void)written; /* commit sees a stream's error and says more */
    fputc('\n', bnn_atomic_stream(file));
    return bnn_atomic_commit(file, err);
}

static bnn_code write_predictions(const evaluation *e, bnn_error *err) {
    bnn_atomic_file *file;
    bnn_code code = bnn_atomic_open(predictions, &file, err);
    if (code != BNN_OK) {
        return code;
    }
    for (size_t i = 0; i < e->score.images; i++) {
        fprintf(bnn_atomic_stream(file), "%d\n", (int)e->how.prediction[i]);
    }
    return bnn_atomic_commit(file, err);
}

static bnn_code check_fit(const evaluation *e, bnn_error *err) {
    const bnn_spec *s = &e->model.spec;
    const bnn_dataset_info *d = e->info;
    if (s->height != d->height || s->width != d->width || s->channels != d->channels ||
        s->classes != d->classes) {
        return bnn_fail(err, BNN_ERR_SHAPE,
                        "%s takes %dx%dx%d images of %d classes; %s has %dx%dx%d of %d",
                        e->model.path, s->channels, s->height, s->width, s->classes, d->name,
                        d->channels, d->height, d->width, d->classes);
    }
    return BNN_OK;
}

/* What is wrong with the options of the corruptions is said before the work begins. */
static bnn_code check_corruptions(evaluation *e, bnn_error *err) {
    int make = corruptions && strcmp(corruptions, "make") == 0;
    if (!corruptions && (corruption || severity || frost_dir)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--%s says nothing without --corruptions DIR or --corruptions make",
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
    e->source.all = corruption == NULL;
    e->source.severity = (int)severity;
    e->source.limit = (size_t)limit_test;
    return bnn_corruption_list_parse(corruption, &e->source.list, err);
}

static bnn_code open_corruptor(evaluation *e, bnn_error *err) {
    e->source.info = e->info;
    e->source.clean = e->test;
    if (!corruptions || e->source.folder) {
        return BNN_OK;
    }
    bnn_code code = bnn_corruptor_create(e->info->height, e->info->width, (uint64_t)seed, frost_dir,
                                         &e->corruptor, err);
    e->source.corruptor = e->corruptor;
    if (code == BNN_OK) {
        bnn_corruption_list_note(&e->source.list, frost_dir, program.name);
    }
    return code;
}

static bnn_code open_all(evaluation *e, bnn_error *err) {
    const char *why;
    const bnn_kernels *kernels = bnn_cpu_kernels(NULL, &why);
    if (!kernels) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s", why);
    }
    bnn_code code = check_corruptions(e, err);
    if (code != BNN_OK ||
        (code = bnn_loaded_open(operands[0], kernels, &e->model, err)) != BNN_OK ||
        (code = bnn_loaded_predictor(&e->model, &e->predictor, err)) != BNN_OK) {
        return code;
    }
    e->info = bnn_dataset_find(data ? data : e->model.spec.dataset);
    if (!e->info) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s was trained on unknown data; say --data NAME",
                        e->model.path);
    }
    if ((code = check_fit(e, err)) != BNN_OK ||
        (code = bnn_dataset_open(e->info, data_dir, BNN_SPLIT_TEST, (size_t)limit_test, &e->test,
                                 err)) != BNN_OK ||
        (code = open_corruptor(e, err)) != BNN_OK) {
        return code;
    }
    size_t classes = (size_t)e->info->classes;
    e->how = (bnn_evaluation){.batch_size = (size_t)batch_size,
                              .loader_threads = bnn_set_threads((int)threads),
                              .label = e->info->name,
                              .prediction = calloc(e->test->count, sizeof(int32_t)),
                              .class_images = calloc(classes, sizeof(size_t)),
                              .class_correct = calloc(classes, sizeof(size_t))};
    return e->how.prediction && e->how.class_images && e->how.class_correct
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the predictions");
}

static bnn_code evaluate(evaluation *e, bnn_error *err) {
    bnn_code code = bnn_evaluate(e->predictor, e->test, &e->how, &e->score, err);
    if (code != BNN_OK) {
        return code;
    }
    print_score(e);
    if (corruptions && !e->score.stopped) {
        bnn_evaluation how = {.batch_size = e->how.batch_size,
                              .loader_threads = e->how.loader_threads};
        code = bnn_corruption_table_run(e->predictor, &e->source, &how,
                                        percent(e->score.top1, e->score.images), &e->table, err);
        if (code != BNN_OK) {
            return code;
        }
        bnn_corruption_table_print(e->table, stdout);
    }
    if (e->score.stopped || bnn_interrupted()) {
        return BNN_OK;
    }
    if (predictions && (code = write_predictions(e, err)) != BNN_OK) {
        return code;
    }
    return json_file ? write_json(e, err) : BNN_OK;
}

int main(int argc, char **argv) {
    evaluation e = {0};
    bnn_error err = {0};
    bnn_wait_politely(argv);
    bnn_names_fill();
    bnn_parse_result parsed = bnn_options_parse(&program, argc, argv);
    if (parsed != BNN_PARSE_RUN) {
        return parsed == BNN_PARSE_DONE ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    bnn_interrupt_catch();
    bnn_code code = open_all(&e, &err);
    if (code == BNN_OK) {
        code = evaluate(&e, &err);
    }
    bnn_corruption_table_free(e.table);
    bnn_corruptor_free(e.corruptor);
    bnn_dataset_close(e.test);
    bnn_predictor_free(e.predictor);
    bnn_loaded_close(&e.model);
    free(e.how.prediction);
    free(e.how.class_images);
    free(e.how.class_correct);
    if (code != BNN_OK) {
        fprintf(stderr, "bnn-eval: %s\n", err.text);
        return EXIT_FAILURE;
    }
    return bnn_interrupted() ? BNN_EXIT_INTERRUPTED : EXIT_SUCCESS;
}
