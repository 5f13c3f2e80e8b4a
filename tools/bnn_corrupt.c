/* bnn-corrupt: makes the corrupted test sets of CIFAR-10-C, of any data set of images of 32x32, or
 * as ImageNet-C of 224x224. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/file.h"
#include "engine/io/npy.h"
#include "engine/device.h"
#include "tools/corrupt/contact_sheet.h"
#include "tools/corrupt/corruption_list.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/lock.h"
#include "tools/cli/names.h"
#include "tools/run/outputs.h"
#include "tools/cli/progress.h"
#include "tools/cli/shell.h"
#include "tools/cli/start.h"

#define CHUNK 500 /* images between two looks at the clock and for a signal */

static const char *data = "cifar10", *data_dir, *output, *corruption = "all", *frost_dir;
static int64_t limit_test = 0, seed = 0, threads = 0;

static bnn_option options[] = {
    {"data", BNN_OPTION_STRING, &data, "NAME", "Data set whose test images are corrupted.",
     .choices = bnn_dataset_names},
    {"data-dir", BNN_OPTION_STRING, &data_dir, "DIR", "Folder of the data set's files.",
     .default_text = "where the system keeps Fashion-MNIST; others must be given"},
    {"output", BNN_OPTION_STRING, &output, "DIR",
     "Folder to write to; it is made. Files that are there already are replaced.",
     .default_text = "none, it must be given"},
    {"corruption", BNN_OPTION_STRING, &corruption, "NAME,...",
     "Which to make: gaussian_noise, shot_noise, impulse_noise, defocus_blur, glass_blur, "
     "motion_blur, zoom_blur, snow, frost, fog, brightness, contrast, elastic_transform, pixelate, "
     "jpeg_compression (these are main); speckle_noise, gaussian_blur, spatter, saturate (with "
     "them, all).",
     .default_text = "all"},
    {"frost-dir", BNN_OPTION_STRING, &frost_dir, "DIR",
     "Folder of the frost photographs of CIFAR-10-C (frost1.png, frost2.png, frost3.png, "
     "frost4.jpg, frost5.jpg).",
     .default_text = "computed textures"},
    {"limit-test", BNN_OPTION_INT, &limit_test, "N", "Use the first N test images.",
     .default_text = "all", .min = 1, .max = 1e9},
    {"seed", BNN_OPTION_INT, &seed, "N", "Of the random numbers.", .min = 0, .max = 9e15},
    {"threads", BNN_OPTION_INT, &threads, "N", "Processors to use; results do not depend on it.",
     .default_text = "all", .min = 1, .max = 1024},
};

static bnn_program program = {
    .name = "bnn-corrupt",
    .summary = "make the corrupted test sets of CIFAR-10-C, or ImageNet-C",
    .usage = "--output DIR [options]",
    .description = "Corrupts the test images of a data set in up to 19 ways at five severities and "
                   "writes them in the layout of CIFAR-10-C: NAME.npy (bytes, [5*N,H,W,3], the "
                   "severities one after another) and labels.npy; images of 224x224 with the "
                   "parameters of ImageNet-C; beside them sheet.png, to be "
                   "looked at: a row a corruption, and for four images the clean one and the five "
                   "severities. Printed is the mean absolute change of a pixel value at each "
                   "severity.",
    .examples = "bnn-corrupt --data-dir cifar-10-batches-bin --output cifar-10-c\n"
                "bnn-corrupt --data fashion_mnist --output fashion-c --corruption fog,snow\n"
                "bnn-eval best.safetensors --data-dir cifar-10-batches-bin --corruptions "
                "cifar-10-c",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

typedef struct work {
    const bnn_dataset_info *info;
    bnn_dataset *clean;
    bnn_shape image;
    bnn_corruptor *corruptor;
    bnn_corruption_list list;
    bnn_outputs outputs;
    bnn_lock lock;
    size_t image_bytes;
    int threads;
    uint8_t *images, *corrupted; /* [CHUNK] */
    bnn_progress progress;
    size_t done;
} work;

static bnn_code path_in_output(char path[4096], const char *name, const char *ending,
                               bnn_error *err) {
    int n = snprintf(path, 4096, "%s/%s%s", output, name, ending);
    return n < 4096 ? BNN_OK
                    : bnn_fail(err, BNN_ERR_ARGUMENT, "--output: the folder's name is too long");
}

/* Corrupts images first to first + n; adds to *change the absolute changes of all values. */
static bnn_code run_chunk(work *w, int kind, int severity, size_t first, size_t n, double *change,
                          bnn_error *err) {
    bnn_code code = BNN_OK;
    long long sum = 0;
#pragma omp parallel for num_threads(w->threads) schedule(dynamic, 8) reduction(+ : sum)
    for (size_t i = 0; i < n; i++) {
        uint8_t *clean = w->images + i * w->image_bytes;
        uint8_t *corrupted = w->corrupted + i * w->image_bytes;
        bnn_error own = {0};
        int32_t label;
        if (w->clean->pixels(w->clean, first + i, clean, &label, &own) ||
            bnn_corrupt(w->corruptor, kind, severity, first + i, clean, corrupted, &own)) {
#pragma omp critical
            {
                code = own.code;
                *err = own;
            }
            continue;
        }
        for (size_t k = 0; k < w->image_bytes; k++) {
            sum += abs(corrupted[k] - clean[k]);
        }
    }
    *change += (double)sum;
    return code;
}

static bnn_code write_severity(work *w, int kind, int severity, bnn_npy_writer *writer,
                               double *change, bnn_error *err) {
    const size_t count = w->clean->count;
    *change = 0.0;
    for (size_t first = 0; first < count && !bnn_interrupted(); first += CHUNK) {
        size_t n = count - first < CHUNK ? count - first : CHUNK;
        bnn_code code = run_chunk(w, kind, severity, first, n, change, err);
        if (code != BNN_OK) {
            return code;
        }
        if (!bnn_npy_write(writer, w->corrupted, n * w->image_bytes)) {
            break; /* the disk is full; commit says so */
        }
        bnn_progress_update(&w->progress, w->done += n, bnn_corruption_names[kind]);
    }
    *change /= (double)count * (double)w->image_bytes;
    return BNN_OK;
}

static bnn_code write_corruption(work *w, int kind, double change[BNN_SEVERITIES], bnn_error *err) {
    const int64_t shape[4] = {BNN_SEVERITIES * (int64_t)w->clean->count, w->image.h, w->image.w,
                              w->image.c};
    char path[4096];
    bnn_npy_writer *writer = NULL;
    bnn_code code = path_in_output(path, bnn_corruption_names[kind], ".npy", err);
    if (code == BNN_OK) {
        code = bnn_npy_write_open(path, BNN_NPY_U8, 4, shape, &writer, err);
    }
    for (int s = 0; s < BNN_SEVERITIES && code == BNN_OK && !bnn_interrupted(); s++) {
        code = write_severity(w, kind, s + 1, writer, &change[s], err);
    }
    if (code != BNN_OK || bnn_interrupted()) {
        bnn_npy_write_abandon(writer);
        return code;
    }
    return bnn_npy_write_commit(writer, err);
}

static bnn_code write_labels(work *w, bnn_error *err) {
    const int64_t shape[1] = {BNN_SEVERITIES * (int64_t)w->clean->count};
    char path[4096];
    bnn_npy_writer *writer;
    bnn_code code = path_in_output(path, "labels", ".npy", err);
    if (code == BNN_OK) {
        code = bnn_npy_write_open(path, BNN_NPY_U8, 1, shape, &writer, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    for (int64_t i = 0; i < shape[0]; i++) {
        const int32_t label = w->clean->label(w->clean, (size_t)i % w->clean->count);
        bnn_npy_write(writer, &(uint8_t){(uint8_t)label}, 1);
    }
    return bnn_npy_write_commit(writer, err);
}

/* The folder is one process's, and nothing in it is written over that is read. */
static bnn_code open_output(work *w, bnn_error *err) {
    static const bnn_lock_text text = {"bnn-corrupt", NULL,
                                       "is writing to it; wait until it ends, or choose another "
                                       "folder with --output"};
    bnn_lock_text here = text;
    char name[64];
    here.place = output;
    for (size_t i = 0; i < w->list.count; i++) {
        snprintf(name, sizeof name, "%s.npy", bnn_corruption_names[w->list.kind[i]]);
        bnn_outputs_own(&w->outputs, "--output", output, name);
    }
    bnn_outputs_own(&w->outputs, "--output", output, "labels.npy");
    bnn_outputs_own(&w->outputs, "--output", output, "sheet.png");
    bnn_code code = bnn_make_folder(output, err);
    if (code == BNN_OK && (code = bnn_lock_folder(&w->lock, output, &here, err)) == BNN_OK) {
        code = bnn_outputs_check(&w->outputs, err);
    }
    if (code == BNN_OK && (code = bnn_outputs_spare_data(&w->outputs, w->clean, err)) == BNN_OK) {
        code = bnn_outputs_spare_frost(&w->outputs, w->corruptor, err);
    }
    return code;
}

static bnn_code open_all(work *w, bnn_error *err) {
    if (!output || !*output) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--output DIR must be given; see bnn-corrupt "
                        "--help");
    }
    const bnn_dataset_options sized = {.limit = (size_t)limit_test};
    w->info = bnn_dataset_find(data);
    w->image = w->info->field[0].shape;
    bnn_code code = bnn_corruption_list_parse(corruption, &w->list, err);
    if (code != BNN_OK || (code = bnn_dataset_open(w->info, data_dir, BNN_SPLIT_TEST, &sized,
                                                   &w->clean, err)) != BNN_OK) {
        return code;
    }
    if (!w->clean->pixels || !w->clean->label || w->image.c != 3) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED, "%s: not a set of colour images", w->info->name);
    }
    if (w->clean->classes > 256) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: has %d classes, but labels are files of bytes, as CIFAR-10-C's; "
                        "bnn-eval --corruptions make needs no files",
                        w->info->name, w->clean->classes);
    }
    code =
        bnn_corruptor_create(w->image.h, w->image.w, (uint64_t)seed, frost_dir, &w->corruptor, err);
    if (code != BNN_OK || (code = open_output(w, err)) != BNN_OK) {
        return code;
    }
    w->threads = threads ? (int)threads : bnn_cpu_threads();
    w->image_bytes = bnn_shape_count(w->image);
    w->images = malloc(CHUNK * w->image_bytes);
    w->corrupted = malloc(CHUNK * w->image_bytes);
    return w->images && w->corrupted ? BNN_OK
                                     : bnn_fail(err, BNN_ERR_MEMORY, "out of memory for images");
}

static void print_changes(const work *w, double change[][BNN_SEVERITIES], size_t count) {
    printf("%-20s %7s %7s %7s %7s %7s   (mean absolute change of %zu images, of 255)\n",
           "corruption", "1", "2", "3", "4", "5", w->clean->count);
    for (size_t i = 0; i < count; i++) {
        printf("%-20s", bnn_corruption_names[w->list.kind[i]]);
        for (int s = 0; s < BNN_SEVERITIES; s++) {
            printf(" %7.3f", change[i][s]);
        }
        printf("\n");
    }
}

static bnn_code run(work *w, bnn_error *err) {
    double change[BNN_CORRUPTION_KINDS][BNN_SEVERITIES] = {{0}};
    char path[4096];
    size_t i = 0;
    bnn_code code = BNN_OK;
    if ((size_t)limit_test > w->clean->count) {
        bnn_options_note(&program, "limit-test", "has no effect: there are no more samples");
    }
    if (!bnn_corruption_list_has(&w->list, "frost")) {
        bnn_options_note(&program, "frost-dir", "has no effect, as frost is not among them");
    }
    bnn_corruption_list_note(&w->list, frost_dir, "bnn-corrupt");
    bnn_progress_start(&w->progress, "corrupting", w->list.count * BNN_SEVERITIES * w->clean->count,
                       "images", 0);
    for (; i < w->list.count && code == BNN_OK && !bnn_interrupted(); i++) {
        code = write_corruption(w, w->list.kind[i], change[i], err);
        /* Not before: where nothing could be made, the labels of an older set are right. */
        if (i == 0 && code == BNN_OK && !bnn_interrupted()) {
            code = write_labels(w, err);
        }
    }
    bnn_progress_end(&w->progress, NULL);
    if (code != BNN_OK || bnn_interrupted()) {
        return code;
    }
    print_changes(w, change, i);
    code = path_in_output(path, "sheet", ".png", err);
    if (code == BNN_OK) {
        code = bnn_contact_sheet(path, w->corruptor, w->clean, &w->list, err);
    }
    if (code == BNN_OK) {
        printf("%s: %zu corruptions of %zu images, labels.npy, sheet.png\n",
               bnn_shell_show(output).s, i, w->clean->count);
    }
    return code;
}

static bnn_code corrupt(bnn_error *err) {
    work w = {0};
    bnn_code code = open_all(&w, err);
    if (code == BNN_OK) {
        code = run(&w, err);
    }
    bnn_corruptor_free(w.corruptor);
    bnn_dataset_close(w.clean);
    bnn_outputs_free(&w.outputs);
    bnn_lock_remove(&w.lock);
    free(w.images);
    free(w.corrupted);
    return code;
}

int main(int argc, char **argv) {
    return bnn_start(&program, argc, argv, corrupt);
}
