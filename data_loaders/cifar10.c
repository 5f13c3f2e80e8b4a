/* CIFAR-10, binary version (https://www.cs.toronto.edu/~kriz/cifar.html). The files stay mapped
 * and are checked whole at opening, so a sample can no longer fail. A batch file may hold fewer
 * than 10000 records, so that small sets can be made for tests. */
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

#include "data_loaders/augment.h"
#include "data_loaders/dataset.h"
#include "data_loaders/internal.h"
#include "engine/base/file.h"

#define SIDE 32
#define CLASSES 10
#define MAX_RECORDS 10000
#define MAX_FILES 5
#define CROP_PADDING 4
#define SUBFOLDER "cifar-10-batches-bin"
#define CURE                                                                                       \
    "--data-dir must name the folder that holds " SUBFOLDER                                        \
    " (unpacked from cifar-10-binary.tar.gz, https://www.cs.toronto.edu/~kriz/cifar.html)"

static const char *const train_files[] = {"data_batch_1.bin", "data_batch_2.bin",
                                          "data_batch_3.bin", "data_batch_4.bin",
                                          "data_batch_5.bin", NULL};
static const char *const test_files[] = {"test_batch.bin", NULL};

typedef struct cifar10 {
    bnn_dataset base;
    int maps;
    bnn_map map[MAX_FILES];
    size_t records[MAX_FILES];
} cifar10;

bnn_code bnn_cifar10_parse(const char *name, const unsigned char *bytes, size_t size,
                           size_t *records, bnn_error *err) {
    const size_t whole = (size_t)MAX_RECORDS * BNN_CIFAR10_RECORD;
    if (size == 0 || size % BNN_CIFAR10_RECORD != 0 || size > whole) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %zu bytes, expected %zu (%d images of %d bytes); download the binary "
                        "version again",
                        name, size, whole, MAX_RECORDS, BNN_CIFAR10_RECORD);
    }
    *records = size / BNN_CIFAR10_RECORD;
    for (size_t i = 0; i < *records; i++) {
        unsigned label = bytes[i * BNN_CIFAR10_RECORD];
        if (label >= CLASSES) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: record %zu has label %u, expected 0 to %d; the file is damaged or "
                            "of another data set, download the binary version again",
                            name, i, label, CLASSES - 1);
        }
    }
    return BNN_OK;
}

bnn_image bnn_cifar10_image(const unsigned char *bytes, size_t record) {
    return (bnn_image){.data = bytes + record * BNN_CIFAR10_RECORD + 1,
                       .height = SIDE,
                       .width = SIDE,
                       .row = SIDE,
                       .column = 1,
                       .channel = (size_t)SIDE * SIDE};
}

/* The file that holds sample `index`, and its number there. */
static const unsigned char *find_record(const cifar10 *d, size_t index, size_t *record) {
    int file = 0;
    while (index >= d->records[file]) {
        index -= d->records[file++];
    }
    *record = index;
    return d->map[file].data;
}

static bnn_code cifar10_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                               void *const *out, bnn_error *err) {
    const cifar10 *d = (const cifar10 *)dataset;
    size_t record;
    const unsigned char *bytes = find_record(d, index, &record);
    bnn_augmentation augmentation = {0};
    (void)err;
    if (draw) {
        augmentation = bnn_augment_draw(draw, index, CROP_PADDING, 1);
    }
    bnn_image image = bnn_cifar10_image(bytes, record);
    bnn_image_write(&image, &dataset->normalizer, augmentation, SIDE, SIDE, out[0]);
    *(int32_t *)out[1] = bytes[record * BNN_CIFAR10_RECORD];
    return BNN_OK;
}

static bnn_code cifar10_pixels(const bnn_dataset *dataset, size_t index, uint8_t *out,
                               int32_t *label, bnn_error *err) {
    size_t record;
    (void)err;
    const unsigned char *bytes = find_record((const cifar10 *)dataset, index, &record);
    bnn_image image = bnn_cifar10_image(bytes, record);
    bnn_image_copy(&image, SIDE, SIDE, out);
    *label = bytes[record * BNN_CIFAR10_RECORD];
    return BNN_OK;
}

static int32_t cifar10_label(const bnn_dataset *dataset, size_t index) {
    size_t record;
    const unsigned char *bytes = find_record((const cifar10 *)dataset, index, &record);
    return bytes[record * BNN_CIFAR10_RECORD];
}

static uint32_t cifar10_checksum(const bnn_dataset *dataset) {
    const cifar10 *d = (const cifar10 *)dataset;
    uLong sum = 0;
    for (int i = 0; i < d->maps; i++) {
        sum = crc32_z(sum, d->map[i].data, d->map[i].size);
    }
    return (uint32_t)sum;
}

static void cifar10_close(bnn_dataset *dataset) {
    cifar10 *d = (cifar10 *)dataset;
    for (int i = 0; i < d->maps; i++) {
        bnn_map_close(&d->map[i]);
    }
}

static bnn_code open_file(cifar10 *d, const char *dir, const char *name, bnn_error *err) {
    char path[BNN_DATA_PATH_MAX];
    bnn_code code = bnn_data_join(path, dir, name, err);
    if (code == BNN_OK) {
        code = bnn_data_check_file(path, CURE, err);
    }
    if (code == BNN_OK) {
        code = bnn_map_open(path, &d->map[d->maps], err);
    }
    if (code != BNN_OK) {
        return code;
    }
    int i = d->maps++;
    code = bnn_data_note_file(&d->base, d->map[i].device, d->map[i].inode, err);
    if (code == BNN_OK) {
        code = bnn_cifar10_parse(path, d->map[i].data, d->map[i].size, &d->records[i], err);
    }
    d->base.count += d->records[i];
    return code;
}

static bnn_code cifar10_open(bnn_dataset *dataset, const char *dir, bnn_split split,
                             bnn_error *err) {
    cifar10 *d = (cifar10 *)dataset;
    char inner[BNN_DATA_PATH_MAX];
    struct stat status;
    bnn_code code = bnn_data_check_folder(dir, CURE, err);
    if (code == BNN_OK) {
        code = bnn_data_join(inner, dir, SUBFOLDER, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    if (stat(inner, &status) == 0) {
        dir = inner;
        code = bnn_data_check_folder(dir, CURE, err);
        if (code != BNN_OK) {
            return code;
        }
    }
    d->base.sample = cifar10_sample;
    d->base.pixels = cifar10_pixels;
    d->base.label = cifar10_label;
    d->base.checksum = cifar10_checksum;
    const char *const *name = split == BNN_SPLIT_TRAIN ? train_files : test_files;
    for (; *name && code == BNN_OK; name++) {
        code = open_file(d, dir, *name, err);
    }
    return code;
}

static const char *const class_names[CLASSES] = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

const bnn_dataset_info bnn_dataset_cifar10 = {
    .name = "cifar10",
    .description = "60000 colour photographs of 10 kinds of things, 32x32",
    .default_dir = NULL,
    .task = "classify",
    .samples = "images",
    .field = bnn_fields_of_32x32,
    .fields = 2,
    .classes = CLASSES,
    .class_names = class_names,
    .picture = {1, SIDE, SIDE, BNN_IMAGE_CHANNELS},
    .mean = {125.307f, 122.961f, 113.8575f},
    .std = {51.5865f, 50.847f, 51.255f},
    .bytes = sizeof(cifar10),
    .open = cifar10_open,
    .close = cifar10_close,
};
