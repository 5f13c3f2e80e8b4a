/* The table of datasets, and what opening one has in common. The first row is the programs'
 * default: it needs no download, a Debian package brings it. */
#include "data_loaders/dataset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_loaders/internal.h"
#include "data_loaders/text/glue.h"
#include "engine/base/text.h"

const bnn_dataset_info *const bnn_datasets[] = {
    &bnn_dataset_fashion_mnist,
    &bnn_dataset_cifar10,
    &bnn_dataset_mnist,
    &bnn_dataset_imagenet,
    &bnn_dataset_speech_commands,
    &bnn_dataset_modelnet40,
    &bnn_dataset_shapenet_part,
    &bnn_dataset_voc,
    &bnn_dataset_coco,
    &bnn_glue_sets[BNN_GLUE_COLA].info,
    &bnn_glue_sets[BNN_GLUE_SST2].info,
    &bnn_glue_sets[BNN_GLUE_MRPC].info,
    &bnn_glue_sets[BNN_GLUE_STSB].info,
    &bnn_glue_sets[BNN_GLUE_MNLI].info,
    &bnn_glue_sets[BNN_GLUE_QQP].info,
    &bnn_glue_sets[BNN_GLUE_QNLI].info,
    &bnn_glue_sets[BNN_GLUE_RTE].info,
    &bnn_glue_sets[BNN_GLUE_WNLI].info,
    NULL,
};

const bnn_field bnn_fields_of_32x32[2] = {
    {"image", BNN_F32, {1, 32, 32, BNN_IMAGE_CHANNELS}},
    {"class", BNN_I32, {1, 1, 1, 1}},
};

const bnn_dataset_info *bnn_dataset_find(const char *name) {
    for (size_t i = 0; name && bnn_datasets[i]; i++) {
        if (strcmp(bnn_datasets[i]->name, name) == 0) {
            return bnn_datasets[i];
        }
    }
    return NULL;
}

static bnn_code check_variant(const bnn_dataset_info *info, const char *variant, bnn_error *err) {
    return variant && !info->variant
               ? bnn_fail(err, BNN_ERR_ARGUMENT, "%s: there is one set of it only, not '%.64s'",
                          info->name, variant)
               : BNN_OK;
}

bnn_code bnn_dataset_plan(const bnn_dataset_info *info, const bnn_dataset_options *options,
                          bnn_dataset **out, bnn_error *err) {
    *out = NULL;
    bnn_code code = check_variant(info, options->variant, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_dataset *dataset = calloc(1, info->bytes);
    if (!dataset) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", info->name);
    }
    bnn_data_describe(dataset, info);
    dataset->close = info->close;
    if (info->plan && (code = info->plan(dataset, options, err)) != BNN_OK) {
        bnn_dataset_close(dataset);
        return code;
    }
    *out = dataset;
    return BNN_OK;
}

bnn_code bnn_dataset_open(const bnn_dataset_info *info, const char *dir, bnn_split split,
                          const bnn_dataset_options *options, bnn_dataset **out, bnn_error *err) {
    static const bnn_dataset_options all = {0};
    *out = NULL;
    options = options ? options : &all;
    if (!dir) {
        dir = info->default_dir;
    }
    if (!dir || !*dir) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: no data folder was named, and there is no usual place for this data "
                        "set; give --data-dir DIR",
                        info->name);
    }
    bnn_dataset *dataset;
    bnn_code code = bnn_dataset_plan(info, options, &dataset, err);
    if (code != BNN_OK) {
        return code;
    }
    if ((code = info->open(dataset, dir, split, err)) != BNN_OK) {
        bnn_dataset_close(dataset);
        return code;
    }
    bnn_dataset_normalize(dataset, dataset->mean, dataset->std);
    dataset->total = dataset->count;
    if (options->limit > 0 && options->limit < dataset->count) {
        dataset->count = options->limit;
    }
    *out = dataset;
    return BNN_OK;
}

void bnn_dataset_close(bnn_dataset *dataset) {
    if (dataset) {
        if (dataset->close) {
            dataset->close(dataset);
        }
        free(dataset->file);
        free(dataset);
    }
}

void bnn_data_describe(bnn_dataset *dataset, const bnn_dataset_info *info) {
    dataset->info = info;
    dataset->field = info->field;
    dataset->fields = info->fields;
    dataset->classes = info->classes;
    dataset->class_names = info->class_names;
    memcpy(dataset->mean, info->mean, sizeof dataset->mean);
    memcpy(dataset->std, info->std, sizeof dataset->std);
}

void bnn_data_describe_as(bnn_dataset *view, const bnn_dataset *of) {
    bnn_data_describe(view, of->info);
    view->field = of->field;
    view->fields = of->fields;
    view->classes = of->classes;
    view->class_names = of->class_names;
    view->class_ids = of->class_ids;
    bnn_dataset_normalize(view, of->mean, of->std);
}

void bnn_dataset_normalize(bnn_dataset *dataset, const float mean[3], const float std[3]) {
    memmove(dataset->mean, mean, sizeof dataset->mean);
    memmove(dataset->std, std, sizeof dataset->std);
    bnn_normalizer_set(&dataset->normalizer, mean, std);
}

uint32_t bnn_dataset_checksum(const bnn_dataset *dataset) {
    return dataset->checksum ? dataset->checksum(dataset) : 0;
}

int bnn_dataset_reads(const bnn_dataset *dataset, dev_t device, ino_t inode) {
    for (size_t i = 0; i < dataset->files; i++) {
        if (dataset->file[i].device == device && dataset->file[i].inode == inode) {
            return 1;
        }
    }
    return 0;
}

bnn_code bnn_data_note_file(bnn_dataset *dataset, dev_t device, ino_t inode, bnn_error *err) {
    if (dataset->files == dataset->file_capacity) {
        size_t larger = dataset->file_capacity ? 2 * dataset->file_capacity : 8;
        bnn_file_id *file = reallocarray(dataset->file, larger, sizeof *file);
        if (!file) {
            return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the list of files");
        }
        dataset->file = file;
        dataset->file_capacity = larger;
    }
    dataset->file[dataset->files++] = (bnn_file_id){device, inode};
    return BNN_OK;
}

bnn_code bnn_data_check_folder(const char *dir, const char *cure, bnn_error *err) {
    struct stat status;
    if (stat(dir, &status) != 0) {
        const char *why = errno == ENOENT ? "no such folder" : bnn_reason(errno);
        return bnn_fail(err, BNN_ERR_IO, "%s: %s; %s", dir, why, cure);
    }
    if (!S_ISDIR(status.st_mode)) {
        return bnn_fail(err, BNN_ERR_IO, "%s: is a file, expected a folder; %s", dir, cure);
    }
    if (access(dir, R_OK | X_OK) != 0) {
        return bnn_fail(err, BNN_ERR_IO,
                        "%s: the folder cannot be read (%s); check its owner and "
                        "permissions",
                        dir, bnn_reason(errno));
    }
    return BNN_OK;
}

bnn_code bnn_data_check_file(const char *path, const char *cure, bnn_error *err) {
    struct stat status;
    if (stat(path, &status) != 0) {
        const char *why = errno == ENOENT ? "no such file" : bnn_reason(errno);
        return bnn_fail(err, BNN_ERR_IO, "%s: %s; %s", path, why, cure);
    }
    if (!S_ISREG(status.st_mode)) {
        return bnn_fail(err, BNN_ERR_IO, "%s: is a folder or a device, expected a file; %s", path,
                        cure);
    }
    return BNN_OK;
}

bnn_code bnn_data_join(char out[BNN_DATA_PATH_MAX], const char *dir, const char *name,
                       bnn_error *err) {
    int n = snprintf(out, BNN_DATA_PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= BNN_DATA_PATH_MAX) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%.200s...: the path is longer than %d bytes; move the data nearer to /",
                        dir, BNN_DATA_PATH_MAX);
    }
    return BNN_OK;
}

int bnn_data_has(const char *dir, const char *name, mode_t kind) {
    char path[BNN_DATA_PATH_MAX];
    struct stat status;
    return bnn_data_join(path, dir, name, NULL) == BNN_OK && stat(path, &status) == 0 &&
           (status.st_mode & S_IFMT) == kind;
}
