/* CIFAR-10-C (Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common
 * Corruptions and Perturbations", ICLR 2019): one array a corruption, severity s in rows
 * (s-1)*N to s*N. The arrays stay mapped (150 MB each); only the labels are copied, since their
 * integers come in any width. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "data_loaders/augment.h"
#include "data_loaders/corruption/corruption.h"
#include "data_loaders/dataset.h"
#include "data_loaders/internal.h"
#include "engine/io/npy.h"

#define CURE                                                                                       \
    "the folder must be CIFAR-10-C unpacked (CIFAR-10-C.tar, "                                     \
    "https://zenodo.org/record/2535967); --corruptions make needs none"

struct bnn_corruptions {
    const bnn_dataset *clean;
    const bnn_dataset_info *info; /* its */
    size_t count;
    int known[BNN_CORRUPTION_KINDS]; /* [count], indices into bnn_corruption_names, ascending */
    bnn_npy array[BNN_CORRUPTION_KINDS];
    size_t images; /* N, the images of one severity */
    size_t labels; /* N or 5*N */
    int32_t *label;
    bnn_file_id label_file;
};

typedef struct corrupted {
    bnn_dataset base;
    const unsigned char *data; /* [N,height,width,3] of this severity */
    const int32_t *label;      /* [N] */
} corrupted;

/* ---- arrays ---- */
static bnn_code check_array(const bnn_dataset_info *info, const char *path, const bnn_npy *npy,
                            bnn_error *err) {
    const bnn_shape image = info->field[0].shape;
    if (npy->kind != 'u' || npy->item_bytes != 1) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: elements of type %c%d, expected bytes (u1); save it as numpy.uint8",
                        path, npy->kind, npy->item_bytes);
    }
    if (npy->ndim != 4 || npy->shape[0] < BNN_SEVERITIES || npy->shape[0] % BNN_SEVERITIES != 0 ||
        npy->shape[0] / BNN_SEVERITIES > UINT32_MAX || npy->shape[1] != image.h ||
        npy->shape[2] != image.w || npy->shape[3] != image.c) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %d dimensions [%lld,%lld,%lld,%lld], expected [%d*N,%d,%d,%d], the %d "
                        "severities one after another; download it again",
                        path, npy->ndim, npy->ndim > 0 ? (long long)npy->shape[0] : 0,
                        npy->ndim > 1 ? (long long)npy->shape[1] : 0,
                        npy->ndim > 2 ? (long long)npy->shape[2] : 0,
                        npy->ndim > 3 ? (long long)npy->shape[3] : 0, BNN_SEVERITIES, image.h,
                        image.w, image.c, BNN_SEVERITIES);
    }
    return BNN_OK;
}

/* Opens DIR/NAME.npy, or passes over that there is none. */
static bnn_code open_array(bnn_corruptions *c, const char *dir, int known, int must,
                           bnn_error *err) {
    char path[BNN_DATA_PATH_MAX], file[32];
    snprintf(file, sizeof file, "%s.npy", bnn_corruption_names[known]);
    bnn_code code = bnn_data_join(path, dir, file, err);
    if (code == BNN_OK && !must && access(path, F_OK) != 0 && errno == ENOENT) {
        return BNN_OK;
    }
    if (code == BNN_OK) {
        code = bnn_data_check_file(path, CURE, err);
    }
    bnn_npy *npy = &c->array[c->count];
    if (code == BNN_OK) {
        code = bnn_npy_open(path, npy, err);
    }
    if (code != BNN_OK) {
        return code;
    }
    c->known[c->count++] = known;
    code = check_array(c->info, path, npy, err);
    if (code != BNN_OK) {
        return code;
    }
    size_t images = (size_t)npy->shape[0] / BNN_SEVERITIES;
    if (c->count > 1 && images != c->images) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %zu images a severity, but %s.npy has %zu; the files are not of one "
                        "set, download them again",
                        path, images, bnn_corruption_names[c->known[0]], c->images);
    }
    c->images = images;
    return BNN_OK;
}

/* ---- labels ---- */
/* Little-endian integer of any width; an unsigned one above 2^63 turns negative, which no label
 * is. */
static int64_t read_integer(const unsigned char *p, int bytes, int is_signed) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value |= (uint64_t)p[i] << (8 * i);
    }
    if (is_signed && bytes < 8 && (value >> (8 * bytes - 1)) != 0) {
        value |= ~(uint64_t)0 << (8 * bytes);
    }
    return (int64_t)value;
}

static bnn_code copy_labels(bnn_corruptions *c, const char *path, const bnn_npy *npy,
                            bnn_error *err) {
    if (npy->kind != 'u' && npy->kind != 'i') {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: elements of type %c%d, expected integers; save it as numpy.uint8",
                        path, npy->kind, npy->item_bytes);
    }
    const int column = npy->ndim == 2 && npy->shape[1] == 1;
    if ((npy->ndim != 1 && !column) ||
        (npy->count != c->images && npy->count != BNN_SEVERITIES * c->images)) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: %zu labels in %d dimensions, expected %zu (or %zu) in one; it is not "
                        "of the same set as the images",
                        path, npy->count, npy->ndim, BNN_SEVERITIES * c->images, c->images);
    }
    c->labels = npy->count;
    c->label = calloc(c->labels, sizeof *c->label);
    if (!c->label) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    }
    const unsigned char *p = npy->data;
    for (size_t i = 0; i < c->labels; i++, p += npy->item_bytes) {
        int64_t value = read_integer(p, npy->item_bytes, npy->kind == 'i');
        if (value < 0 || value >= c->clean->classes) {
            return bnn_fail(err, BNN_ERR_FORMAT, "%s: label %zu is %lld, expected 0 to %d", path, i,
                            (long long)value, c->clean->classes - 1);
        }
        c->label[i] = (int32_t)value;
    }
    return BNN_OK;
}

/* An image and its corruptions are of one class; with other labels no gap to the clean accuracy
 * means anything. */
static bnn_code check_labels(const bnn_corruptions *c, const char *path, bnn_error *err) {
    for (size_t i = 0; i < c->labels && c->clean->label; i++) {
        const size_t image = i % c->images;
        const int32_t clean = image < c->clean->total ? c->clean->label(c->clean, image) : -1;
        if (clean >= 0 && clean != c->label[i]) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: label %zu is %d, but the clean test image %zu is of class %d; "
                            "these are not the corruptions of the same images in the same order",
                            path, i, (int)c->label[i], image, (int)clean);
        }
    }
    return BNN_OK;
}

static bnn_code open_labels(bnn_corruptions *c, const char *dir, bnn_error *err) {
    char path[BNN_DATA_PATH_MAX];
    bnn_npy npy;
    bnn_code code = bnn_data_join(path, dir, "labels.npy", err);
    if (code == BNN_OK) {
        code = bnn_data_check_file(path, CURE, err);
    }
    if (code == BNN_OK) {
        code = bnn_npy_open(path, &npy, err);
    }
    if (code == BNN_OK) {
        c->label_file = (bnn_file_id){npy.map.device, npy.map.inode};
        code = copy_labels(c, path, &npy, err);
        bnn_npy_close(&npy);
    }
    return code == BNN_OK ? check_labels(c, path, err) : code;
}

/* ---- the interface ---- */
/* Is this the name of an array of images? Then *known says of which corruption, or -1. */
static int is_array(const char *file, int *known) {
    size_t stem = strlen(file) > 4 ? strlen(file) - 4 : 0;
    char name[32] = "";
    if (stem == 0 || strcmp(file + stem, ".npy") != 0 || file[0] == '.' ||
        strcmp(file, "labels.npy") == 0) {
        return 0;
    }
    memcpy(name, file, stem < sizeof name ? stem : 0);
    *known = bnn_corruption_find(name);
    return 1;
}

/* None of the wanted files is there: what is, tells why. */
static bnn_code fail_none(const char *dir, bnn_error *err) {
    DIR *folder = opendir(dir);
    int others = 0, known;
    char strange[256] = "";
    const struct dirent *entry;
    while (folder && (entry = readdir(folder)) != NULL) {
        if (is_array(entry->d_name, &known) && known >= 0) {
            others = 1;
        } else if (is_array(entry->d_name, &known)) {
            snprintf(strange, sizeof strange, "%s", entry->d_name);
        }
    }
    if (folder) {
        closedir(folder);
    }
    if (others) {
        return bnn_fail(err, BNN_ERR_IO,
                        "%s: none of the corruptions that are wanted; --corruption all takes "
                        "those beyond the 15, too",
                        dir);
    }
    if (*strange) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s/%s: none of the %d corruptions of CIFAR-10-C (gaussian_noise, ..., "
                        "saturate) has this name, and no other file is there; rename it",
                        dir, strange, BNN_CORRUPTION_KINDS);
    }
    return bnn_fail(err, BNN_ERR_IO, "%s: no corruption (gaussian_noise.npy, ...) is there; %s",
                    dir, CURE);
}

bnn_code bnn_corruptions_open(const bnn_dataset *clean, const char *dir, const int *kind,
                              const int *must, size_t count, bnn_corruptions **out,
                              bnn_error *err) {
    const bnn_dataset_info *info = clean->info;
    *out = NULL;
    if (strcmp(info->field[0].name, "image") != 0 || info->field[0].shape.c != BNN_IMAGE_CHANNELS) {
        return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                        "%s: corruptions are of colour images, which %s has none of", dir,
                        info->name);
    }
    bnn_code code = bnn_data_check_folder(dir, CURE, err);
    bnn_corruptions *c = code == BNN_OK ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        return code == BNN_OK ? bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", dir) : code;
    }
    c->clean = clean;
    c->info = info;
    for (size_t i = 0; i < count && code == BNN_OK; i++) {
        code = open_array(c, dir, kind[i], must[i], err);
    }
    if (code == BNN_OK) {
        code = c->count > 0 ? open_labels(c, dir, err) : fail_none(dir, err);
    }
    if (code != BNN_OK) {
        bnn_corruptions_close(c);
        return code;
    }
    *out = c;
    return BNN_OK;
}

void bnn_corruptions_close(bnn_corruptions *c) {
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->count; i++) {
        bnn_npy_close(&c->array[i]);
    }
    free(c->label);
    free(c);
}

size_t bnn_corruptions_count(const bnn_corruptions *c) {
    return c->count;
}

int bnn_corruptions_reads(const bnn_corruptions *c, dev_t device, ino_t inode) {
    int found = c->label_file.device == device && c->label_file.inode == inode;
    for (size_t i = 0; i < c->count; i++) {
        found |= c->array[i].map.device == device && c->array[i].map.inode == inode;
    }
    return found;
}

int bnn_corruptions_kind(const bnn_corruptions *c, size_t index) {
    return c->known[index];
}

uint32_t bnn_corruptions_checksum(const bnn_corruptions *c, size_t index) {
    uLong sum = crc32_z(0, (const Bytef *)c->label, c->labels * sizeof *c->label);
    return (uint32_t)crc32_z(sum, c->array[index].data, c->array[index].count);
}

/* Never augmented: these images are only evaluated. */
static bnn_code corrupted_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                                 void *const *out, bnn_error *err) {
    const corrupted *d = (const corrupted *)dataset;
    const bnn_shape s = dataset->field[0].shape;
    const size_t row = (size_t)s.w * BNN_IMAGE_CHANNELS;
    bnn_image image = {.data = d->data + index * row * (size_t)s.h,
                       .height = s.h,
                       .width = s.w,
                       .row = row,
                       .column = BNN_IMAGE_CHANNELS,
                       .channel = 1};
    (void)draw;
    (void)err;
    bnn_image_write(&image, &dataset->normalizer, (bnn_augmentation){0}, s.h, s.w, out[0]);
    *(int32_t *)out[1] = d->label[index];
    return BNN_OK;
}

bnn_code bnn_corruptions_dataset(const bnn_corruptions *c, size_t index, int severity, size_t limit,
                                 bnn_dataset **out, bnn_error *err) {
    *out = NULL;
    if (index >= c->count || severity < 1 || severity > BNN_SEVERITIES) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "corruption %zu at severity %d: there are %zu corruptions, and severities "
                        "1 to %d",
                        index, severity, c->count, BNN_SEVERITIES);
    }
    corrupted *d = calloc(1, sizeof *d);
    if (!d) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for a corruption");
    }
    const size_t first = (size_t)(severity - 1) * c->images;
    const size_t bytes = bnn_shape_count(c->info->field[0].shape);
    bnn_data_describe_as(&d->base, c->clean);
    d->base.count = limit > 0 && limit < c->images ? limit : c->images;
    d->base.sample = corrupted_sample;
    d->data = (const unsigned char *)c->array[index].data + first * bytes;
    d->label = c->labels == c->images ? c->label : c->label + first;
    *out = &d->base;
    return BNN_OK;
}
