/* bnn-predict: what a network says of a user's own files. How they are prepared travels with the
 * model: size, place, colours, normalization, the classes' names. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "engine/base/text.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/names.h"
#include "tools/cli/start.h"
#include "tools/cli/utf8.h"
#include "tools/predict/boxes.h"
#include "tools/predict/sample.h"
#include "tools/run/device.h"
#include "tools/run/find_model.h"
#include "tools/run/given.h"
#include "tools/run/outputs.h"

enum { MOST_FILES = 10000, MOST_TOP = 100 };

static bnn_device_choice where = {.device = "cpu", .precision = "usual"};
static const char *json_file, *output, *category, *sentence, *second;
static int64_t top = 5, threads = 0;
static double least_score = 0.0;
static bnn_given given;
static const char *operands[1 + MOST_FILES + 1]; /* the last is NULL */

static bnn_option options[] = {
    {"top", BNN_OPTION_INT, &top, "N", "How many classes, or boxes, to tell, the likeliest first.",
     .min = 1, .max = MOST_TOP},
    {"category", BNN_OPTION_STRING, &category, "NAME",
     "Of networks that tell the parts of shapes: what each FILE is, so that only its parts count.",
     .default_text = "any"},
    {"text", BNN_OPTION_STRING, &sentence, "TEXT",
     "Of networks of text: a sentence, in place of a FILE.", .default_text = NULL},
    {"second", BNN_OPTION_STRING, &second, "TEXT", "With --text: the second one of a pair.",
     .default_text = NULL},
    {"least-score", BNN_OPTION_REAL, &least_score, "PERCENT",
     "Of networks that find boxes: leave out those that are less sure.", .min = 0, .max = 100},
    {"output", BNN_OPTION_STRING, &output, "PATH",
     "Of networks that find boxes: draw them, with their classes and scores, into the photograph, "
     "all of them unless --top is given, and write that as the PNG file PATH; of several FILEs, or "
     "if PATH is a folder, as PATH/FILE.png.",
     .default_text = NULL},
    {"json", BNN_OPTION_STRING, &json_file, "FILE",
     "Write them as JSON, with the part of each point; boxes in COCO's format of results, all of "
     "them unless --top is given; - for standard output.",
     .default_text = NULL},
    {"threads", BNN_OPTION_INT, &threads, "N", "Processors to use; results do not depend on it.",
     .default_text = "all", .min = 1, .max = 1024},
    {"device", BNN_OPTION_STRING, &where.device, "NAME", BNN_DEVICE_HELP, .default_text = NULL},
    {"precision", BNN_OPTION_STRING, &where.precision, "NAME", BNN_PRECISION_HELP,
     .choices = bnn_precision_names},
    {"arch", BNN_OPTION_STRING, &given.arch, "NAME",
     "Network, of a MODEL that another tool wrote: its metadata do not name it.",
     .default_text = NULL, .choices = bnn_arch_names},
    {"algo", BNN_OPTION_STRING, &given.algo, "NAME", "Algorithm, likewise.", .default_text = NULL,
     .choices = bnn_algorithm_names},
    {"data", BNN_OPTION_STRING, &given.data, "NAME",
     "Data set it was trained on, likewise: it says what its samples are like.",
     .default_text = NULL, .choices = bnn_dataset_names},
};

static bnn_program program = {
    .name = "bnn-predict",
    .summary = "run a network on files of your own",
    .usage = "MODEL [FILE...] [options]",
    .description =
        "Tells what MODEL, a checkpoint of bnn-train, a packed file of bnn-export or a run's "
        "folder, takes each FILE for: images (JPEG, PNG, BMP, GIF, TGA, PNM of kind P5 or P6) for "
        "networks of images, WAV files for those of sound, meshes or lists of points (OFF, PLY, "
        "text) for those of clouds, texts for those of text: each line is a sentence, or a pair "
        "with a "
        "tab between the two. An image is brought to the size and colours of the data set's "
        "pictures (cut to their proportions around its middle, then scaled) and shown to the "
        "network as they are; of sound the first second counts; a cloud's points are chosen as "
        "those of the data set's test samples are, of a mesh by area, of a file always the same "
        "ones. Of a network that tells parts, the points of each part are counted; of one that "
        "finds things, boxes are told in pixels: left, top, right, bottom. A file that "
        "cannot be read is told, the others are done, and the exit status is 1.",
    .examples = "bnn-predict runs/reactnet-resnet20-fashion_mnist shirt.png shoe.jpg\n"
                "bnn-predict model.bnn *.wav --top 3 --json -\n"
                "bnn-predict runs/bnn-pointnet_partseg-shapenet_part chair.ply --category Chair\n"
                "bnn-predict runs/bnn-ssd300_vgg16-voc street.jpg --least-score 30 --output "
                "found.png\n"
                "bnn-predict runs/bnn-bert_tiny4-glue_mrpc --text 'He sat.' --second 'He was "
                "seated.'",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands = operands,
    .min_operands = 1,
    .max_operands = 1 + MOST_FILES,
};

typedef struct prediction {
    bnn_loaded model;
    bnn_predictor *predictor;
    bnn_sample sample;
    float *output;         /* of it */
    bnn_file_boxes boxes;  /* in the last one */
    bnn_pictures pictures; /* of them, if there are to be any */
    size_t line;           /* of the file, that the sample is; 0: all of it */
    int first, parts;      /* the classes that count */
    bnn_atomic_file *json; /* or NULL */
    size_t told, failed, lines_failed;
    int unwritten; /* a picture, and so will be others */
} prediction;

/* ---- outputs to words ---- */

static int name_length(const char *name) {
    return (int)strcspn(name, "\n");
}

/* So many bytes of a file's name, or of what a file says, on one line. */
static void print_text(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        putchar(bnn_text_shown(text[i]));
    }
}

/* The likeliest classes, and how likely. */
static int rank(const prediction *p, int *class, double *probability) {
    const int classes = p->model.spec.classes, wanted = top < classes ? (int)top : classes;
    double largest = (double)p->output[0], sum = 0.0;
    for (int c = 0; c < classes; c++) {
        const double logit = (double)p->output[c];
        largest = logit > largest ? logit : largest; /* fmax would crash gcc 12 for ARM */
    }
    for (int c = 0; c < classes; c++) {
        sum += exp((double)p->output[c] - largest);
    }
    for (int k = 0; k < wanted; k++) {
        int best = -1;
        for (int c = 0; c < classes; c++) {
            int taken = 0;
            for (int j = 0; j < k; j++) {
                taken |= class[j] == c;
            }
            best = !taken && (best < 0 || p->output[c] > p->output[best]) ? c : best;
        }
        class[k] = best;
        probability[k] = exp((double)p->output[best] - largest) / sum;
    }
    return wanted;
}

/* "FILE:", or "FILE:LINE:". */
static void print_name(const prediction *p, const char *path) {
    print_text(path, strlen(path));
    if (p->line) {
        printf(":%zu", p->line);
    }
    putchar(':');
}

/* What a sample is called, in front of what is said of it. */
static json_t *named(const prediction *p, const char *path, const char *key, json_t *value) {
    json_t *item = json_pack("{s:o}", "file", bnn_utf8_json(path));
    if (p->line) {
        json_object_set_new(item, "line", json_integer((json_int_t)p->line));
    }
    json_object_set_new(item, key, value);
    return item;
}

static json_t *tell_value(prediction *p, const char *path) {
    print_name(p, path);
    printf(" %.3f\n", (double)p->output[0]);
    return named(p, path, "value", json_real((double)p->output[0]));
}

static json_t *class_json(const prediction *p, int class, const char *key, json_t *value) {
    const char *name = bnn_class_name(&p->model.spec, class);
    return json_pack("{s:s%, s:i, s:o}", "class", name, (size_t)name_length(name), "index", class,
                     key, value);
}

static void print_class(const prediction *p, int class, int first) {
    const char *name = bnn_class_name(&p->model.spec, class);
    const int length = name_length(name);
    fputs(first ? " " : ", ", stdout);
    print_text(name, (size_t)length);
    printf("%s%d", length ? " #" : "#", class);
}

static json_t *tell_classes(prediction *p, const char *path) {
    int class[MOST_TOP];
    double probability[MOST_TOP];
    const int count = rank(p, class, probability);
    json_t *list = json_array();
    print_name(p, path);
    for (int k = 0; k < count; k++) {
        print_class(p, class[k], k == 0);
        printf(" %.1f%%", 100.0 * probability[k]);
        json_array_append_new(list,
                              class_json(p, class[k], "probability", json_real(probability[k])));
    }
    printf("\n");
    return named(p, path, "top", list);
}

/* Points where the file has them, each with its part; the parts in their order. */
static json_t *tell_parts(prediction *p, const char *path) {
    json_t *list = json_array(), *points = json_array(), *labels = json_array();
    const int classes = p->model.spec.classes, n = p->sample.field[0].shape.w;
    size_t *count = calloc((size_t)classes, sizeof *count);
    for (int i = 0; count && i < n; i++) {
        const float *x = p->sample.cloud.drawn + 3 * i;
        const int part = bnn_largest(p->output + (size_t)i * (size_t)classes, p->first, p->parts);
        count[part]++;
        if (p->json) {
            json_array_append_new(points,
                                  json_pack("[f, f, f]", (double)x[0], (double)x[1], (double)x[2]));
            json_array_append_new(labels, json_integer(part));
        }
    }
    print_name(p, path);
    for (int c = 0; count && c < classes; c++) {
        if (count[c]) {
            print_class(p, c, json_array_size(list) == 0);
            printf(" %zu points", count[c]);
            json_array_append_new(list,
                                  class_json(p, c, "points", json_integer((json_int_t)count[c])));
        }
    }
    printf("\n");
    free(count);
    return json_pack("{s:o, s:o, s:o, s:o}", "file", bnn_utf8_json(path), "parts", list, "points",
                     points, "labels", labels);
}

/* Files take all boxes that are sure enough: a line of text is short, unless --top says else. */
static size_t most_boxes(const prediction *p) {
    return bnn_options_given(&program, "top") ? (size_t)top : p->boxes.count;
}

/* Boxes in pixels of the photograph, the surest first. */
static json_t *tell_boxes(prediction *p, const char *path) {
    const bnn_spec *spec = &p->model.spec;
    bnn_boxes_take(&p->boxes, spec, p->output, p->sample.frame, least_score / 100.0);
    print_name(p, path);
    for (size_t k = 0; k < p->boxes.count && k < (size_t)top; k++) {
        const bnn_found_box *f = &p->boxes.box[k];
        print_class(p, f->class, k == 0);
        printf(" %.1f%% [%.0f %.0f %.0f %.0f]", 100.0 * f->score, f->box[0], f->box[1], f->box[2],
               f->box[3]);
    }
    printf(p->boxes.count ? "\n" : " nothing\n");
    return bnn_boxes_json(&p->boxes, spec, path, most_boxes(p));
}

/* An item of the array, on a line of its own. */
static void write_item(prediction *p, const json_t *item) {
    fputs(p->told++ ? ",\n" : "\n", bnn_atomic_stream(p->json));
    /* commit sees a stream's error and says more */
    (void)json_dumpf(item, bnn_atomic_stream(p->json), JSON_REAL_PRECISION(9));
}

/* An array of JSON, a line a file, or a box: a cloud has thousands of points, and is not kept. */
static bnn_code tell(prediction *p, const char *path, bnn_error *err) {
    const bnn_task *task = p->model.spec.task;
    json_t *item = (task->by_point      ? tell_parts
                    : task->boxes       ? tell_boxes
                    : task->real_target ? tell_value
                                        : tell_classes)(p, path);
    if (!item) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the results");
    }
    for (size_t i = 0; p->json && i < json_array_size(item); i++) {
        write_item(p, json_array_get(item, i));
    }
    if (p->json && !json_is_array(item)) {
        write_item(p, item);
    }
    json_decref(item);
    return BNN_OK;
}

static bnn_code run(prediction *p, const char *name, bnn_error *err) {
    bnn_batch batch = {.n = 1, .field = p->sample.field, .field_count = p->sample.inputs};
    memcpy(batch.data, p->sample.data, sizeof p->sample.data);
    bnn_code code = bnn_predictor_run(p->predictor, &batch, p->output, err);
    return code == BNN_OK ? tell(p, name, err) : code;
}

/* What is this line's own fault is told, and the others are done. */
static bnn_code predict_line(prediction *p, const char *path, const char *line, size_t size,
                             bnn_error *err) {
    char name[4300];
    bnn_error own = {0};
    snprintf(name, sizeof name, "%.4200s:%zu", path, p->line);
    bnn_code code = bnn_sample_of_line(&p->sample, name, line, size, &own);
    if (code == BNN_OK) {
        return run(p, path, err);
    }
    if (code == BNN_ERR_MEMORY) {
        return bnn_fail(err, code, "%s", own.text);
    }
    fprintf(stderr, "%s: %s\n", program.name, own.text);
    p->lines_failed++;
    return BNN_OK;
}

/* Empty lines are no samples. */
static bnn_code predict_lines(prediction *p, const char *path, const char *bytes, size_t size,
                              bnn_error *err) {
    bnn_code code = BNN_OK;
    size_t at = 0, lines = 0;
    for (p->line = 1; code == BNN_OK && at < size && !bnn_interrupted(); p->line++) {
        const char *end = memchr(bytes + at, '\n', size - at);
        const size_t next = end ? (size_t)(end - bytes) + 1 : size;
        size_t length = next - at - (end != NULL);
        length -= length && bytes[at + length - 1] == '\r';
        lines += length > 0;
        code = length ? predict_line(p, path, bytes + at, length, err) : BNN_OK;
        at = next;
    }
    p->line = 0;
    return code == BNN_OK && lines == 0 && !bnn_interrupted()
               ? bnn_fail(err, BNN_ERR_FORMAT, "%s: has no line of text", path)
               : code;
}

static bnn_code predict_file(prediction *p, const char *path, bnn_error *err) {
    bnn_map map;
    bnn_code code = bnn_map_read(path, &map, err);
    if (code != BNN_OK) {
        return code;
    }
    if (bnn_sample_is_text(&p->sample)) {
        code = predict_lines(p, path, (const char *)map.data, map.size, err);
    } else if (!(code = bnn_sample_of_file(&p->sample, path, &map, err)) &&
               !(code = run(p, path, err)) && p->pictures.output) {
        char picture[4300];
        bnn_pictures_path(&p->pictures, path, picture);
        code = bnn_boxes_draw(&p->boxes, &p->model.spec, path, &map, most_boxes(p), picture, err);
        p->unwritten = code != BNN_OK;
    }
    bnn_map_close(&map);
    return code;
}

static void tell_unlike(const prediction *p) {
    if (p->sample.unlike) {
        const int pairs = bnn_dataset_find(p->model.spec.dataset)->pairs;
        fprintf(stderr, "%s: note: %s was trained on %s, but %zu of the texts %s\n", program.name,
                p->model.path, pairs ? "pairs of sentences" : "single sentences", p->sample.unlike,
                pairs ? "had one sentence (--second, or a tab, makes a pair)" : "had two");
    }
}

/* What the command line itself says. */
static bnn_code predict_text(prediction *p, bnn_error *err) {
    const char *const both[2] = {sentence, second};
    const size_t size[2] = {strlen(sentence), second ? strlen(second) : 0};
    const char *name = second ? "--text, --second" : "--text";
    for (int i = 0; i < 2; i++) {
        if (both[i] && size[i] == 0) {
            return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s has no text", i ? "second" : "text");
        }
    }
    bnn_code code = bnn_sample_of_text(&p->sample, name, both, size, err);
    return code == BNN_OK ? run(p, "--text", err) : code;
}

/* What a file's own fault is, is told, and the others are done. */
static bnn_code predict_all(prediction *p, bnn_error *err) {
    bnn_code code = sentence ? predict_text(p, err) : BNN_OK;
    for (size_t i = 1; code == BNN_OK && operands[i] && !bnn_interrupted(); i++) {
        bnn_error own = {0};
        code = predict_file(p, operands[i], &own);
        if (code == BNN_ERR_MEMORY || p->unwritten) {
            code = bnn_fail(err, code, "%s", own.text);
        } else if (code != BNN_OK) {
            fprintf(stderr, "%s: %s\n", program.name, own.text);
            p->failed++;
            code = BNN_OK;
        }
    }
    return code;
}

static bnn_code write_all(prediction *p, bnn_error *err) {
    bnn_code code = json_file ? bnn_atomic_open(json_file, &p->json, err) : BNN_OK;
    if (code != BNN_OK) {
        return code;
    }
    if (p->json) {
        fputc('[', bnn_atomic_stream(p->json));
    }
    code = predict_all(p, err);
    const int stopped = code == BNN_OK && bnn_interrupted();
    if (!p->json) {
        return code;
    }
    fputs("\n]\n", bnn_atomic_stream(p->json));
    if (stopped) {
        fprintf(stderr, "%s: interrupted; %s was not written\n", program.name, json_file);
    }
    if (code != BNN_OK || stopped) {
        bnn_atomic_abandon(p->json);
        return code;
    }
    return bnn_atomic_commit(p->json, err);
}

/* The parts of the category of that name, which stands before their colons; 0: there are none.
 * `known`: " Bag, Cap", those there are. */
static int find_category(const bnn_spec *spec, const char *name, int *first, char *known,
                         size_t bytes) {
    for (int c = 0, count; c < spec->classes; c += count) {
        const char *of = bnn_class_name(spec, c);
        const size_t length = strcspn(of, ":\n"), used = strlen(known);
        count = bnn_parts_beside(spec, c, first);
        if (of[length] == ':' && strlen(name) == length && memcmp(of, name, length) == 0) {
            return count;
        }
        snprintf(known + used, bytes - used, "%s %.*s", used ? "," : "",
                 (int)(of[length] == ':' ? length : 0), of);
    }
    return 0;
}

/* Which classes count: all, or those of the category. */
static bnn_code choose_category(prediction *p, bnn_error *err) {
    const bnn_spec *spec = &p->model.spec;
    p->parts = spec->classes;
    if (category && !spec->task->by_point) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--category has no effect on %s, which tells no parts of shapes",
                        p->model.path);
    }
    char known[256] = "";
    if (category && !(p->parts = find_category(spec, category, &p->first, known, sizeof known))) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s knows no category '%.64s'; it knows%s",
                        p->model.path, category, *known ? known : " none");
    }
    if (spec->task->by_point) {
        bnn_options_note(&program, "top", "has no effect on a network that tells parts");
    }
    return BNN_OK;
}

/* There is something to predict, of the kind that the network sees. */
static bnn_code check_samples(const prediction *p, bnn_error *err) {
    const int of_text = bnn_sample_is_text(&p->sample);
    if (!of_text && (sentence || second)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s has no effect on %s, which sees no text",
                        sentence ? "text" : "second", p->model.path);
    }
    const char *of_boxes = output                                       ? "output"
                           : bnn_options_given(&program, "least-score") ? "least-score"
                                                                        : NULL;
    if (of_boxes && !p->model.spec.task->boxes) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--%s has no effect on %s, which finds no boxes",
                        of_boxes, p->model.path);
    }
    if (!sentence && (second || !operands[1])) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "%s",
                        second    ? "--second goes with --text"
                        : of_text ? "give a FILE of lines, or --text"
                                  : "give a FILE");
    }
    return BNN_OK;
}

static bnn_code predict(const bnn_found_model *found, bnn_error *err) {
    static prediction p;
    const bnn_inference *network; /* a damaged one is told here, not of each file */
    bnn_outputs outputs = {0};
    bnn_device device;
    bnn_code code = bnn_device_chosen(&where, (int)threads, &device, err);
    bnn_outputs_read(&outputs, "MODEL", found->path);
    bnn_outputs_run_of(&outputs, found->path);
    for (size_t i = 1; operands[i]; i++) {
        bnn_outputs_read(&outputs, "FILE", operands[i]);
    }
    bnn_outputs_result(&outputs, "--json", &json_file);
    bnn_pictures_plan(&p.pictures, operands + 1, &output, &outputs);
    if (code == BNN_OK && !(code = bnn_given_open(&given, found->path, &device, &p.model, err)) &&
        !(code = bnn_outputs_check(&outputs, err)) &&
        !(code = bnn_loaded_predictor(&p.model, &p.predictor, err)) &&
        !(code = bnn_predictor_network(p.predictor, 1, &network, err)) &&
        !(code = choose_category(&p, err)) &&
        !(code = bnn_sample_create(&p.sample, &p.model, err)) && !(code = check_samples(&p, err))) {
        p.output = malloc(bnn_spec_outputs(&p.model.spec) * sizeof *p.output);
        code = p.output ? bnn_pictures_make(&p.pictures, err)
                        : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for a prediction");
        code = code == BNN_OK ? write_all(&p, err) : code;
        tell_unlike(&p);
    }
    if (code == BNN_OK && p.failed) {
        size_t all = 0;
        while (operands[1 + all]) {
            all++;
        }
        code = bnn_fail(err, BNN_ERR_IO, "%zu of %zu files could not be read", p.failed, all);
    }
    if (code == BNN_OK && p.lines_failed) {
        code = bnn_fail(err, BNN_ERR_IO, "lines that could not be read: %zu", p.lines_failed);
    }
    bnn_outputs_free(&outputs);
    bnn_predictor_free(p.predictor);
    bnn_sample_free(&p.sample);
    bnn_loaded_close(&p.model);
    free(p.output);
    return code;
}

static bnn_code work(bnn_error *err) {
    static bnn_found_model found;
    bnn_arena *arena = bnn_arena_create();
    bnn_code code = arena ? bnn_find_model(operands[0], arena, &found, err)
                          : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    if (code == BNN_OK) {
        code = predict(&found, err);
    }
    bnn_arena_free(arena);
    return code;
}

int main(int argc, char **argv) {
    return bnn_start(&program, argc, argv, work);
}
