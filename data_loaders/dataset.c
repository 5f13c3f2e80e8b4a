/* The table of datasets, and what opening one has in common. The first row is the programs'
 * default: it needs no download, a Debian package brings it. */
#include "data_loaders/dataset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_loaders/internal.h"
#include "engine/base/text.h"

const bnn_dataset_info *const bnn_datasets[] = {
    &bnn_dataset_fashion_mnist,
    &bnn_dataset_cifar10,
    &bnn_dataset_mnist,
    NULL,
};

const bnn_dataset_info *bnn_dataset_find(const char *name) {
    for (size_t i = 0; name && bnn_datasets[i]; i++) {
        if (strcmp(bnn_datasets[i]->name, name) == 0) {
            return bnn_datasets[i];
        }
    }
    return NULL;
}

bnn_code bnn_dataset_open(const bnn_dataset_info *info, const char *dir, bnn_split split,
                          size_t limit, bnn_dataset **out, bnn_error *err) {
    *out = NULL;
    if (!dir) {
        dir = info->default_dir;
    }
    if (!dir || !*dir) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "%s: no data folder was named, and there is no usual place for this data "
                        "set; give --data-dir DIR",
                        info->name);
    }
    bnn_dataset *dataset = NULL;
    bnn_code code = info->open(info, dir, split, &dataset, err);
    if (code != BNN_OK) {
        return code;
    }
    bnn_dataset_normalize(dataset, info->mean, info->std);
    dataset->total = dataset->count;
    if (limit > 0 && limit < dataset->count) {
        dataset->count = limit;
    }
    *out = dataset;
    return BNN_OK;
}

void bnn_dataset_close(bnn_dataset *dataset) {
    if (dataset) {
        dataset->close(dataset);
    }
}

void bnn_dataset_normalize(bnn_dataset *dataset, const float mean[3], const float std[3]) {
    bnn_normalizer_set(&dataset->normalizer, mean, std);
}

uint32_t bnn_dataset_checksum(const bnn_dataset *dataset) {
    return dataset->checksum ? dataset->checksum(dataset) : 0;
}

int bnn_dataset_reads(const bnn_dataset *dataset, dev_t device, ino_t inode) {
    for (int i = 0; i < dataset->files; i++) {
        if (dataset->file[i].device == device && dataset->file[i].inode == inode) {
            return 1;
        }
    }
    return 0;
}

void bnn_data_note_file(bnn_dataset *dataset, const bnn_map *map) {
    dataset->file[dataset->files++] = (bnn_file_id){map->device, map->inode};
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
