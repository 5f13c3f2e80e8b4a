/* ImageNet (ILSVRC-2012; Russakovsky et al., IJCV 2015) and every set of photographs laid out as it
 * is: a folder of them for each class in train/, whose names in their order are the classes; in
 * val/ the same folders, or all photographs beside each other and their classes in meta/val.txt.
 * Opening lists the folders; a photograph is read, decoded, cut and resized when it is asked for,
 * in the threads that ask (image/photo.h).
 *
 * Photographs of folders stand in turns, one of each class, then the next: the first few have all
 * classes among them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "data_loaders/augment.h"
#include "data_loaders/image/image.h"
#include "data_loaders/internal.h"
#include "engine/base/file.h"
#include "engine/base/text.h"

#define CROP 224
#define SHORT_SIDE 256 /* of a test photograph, before the middle is cut out */
#define MOST_CLASSES 100000
#define LIST "meta/val.txt"
#define CURE                                                                                       \
    "--data-dir must name the folder that holds train/<class>/*.JPEG and val/, as ImageNet "       \
    "(ILSVRC-2012) is laid out"

typedef struct picture {
    size_t name; /* where in `names` its file's name begins */
    int32_t class;
    uint32_t turn; /* its number among those of its class */
} picture;

typedef struct imagenet {
    bnn_dataset base;
    char folder[BNN_DATA_PATH_MAX]; /* of the split */
    int by_folder;                  /* a picture's file lies in its class's folder there */
    char **class_names;
    bnn_texts names; /* of all files */
    picture *picture;
    size_t pictures, room;
    size_t others; /* files in folders of classes that are no photographs */
    char remark[128];
} imagenet;

/* ---- folders ---- */

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* Whether a text is `small`, which has small letters, in any case; in every locale. */
static int is_in_any_case(const char *text, const char *small) {
    while (*small && (*text == *small || (*small >= 'a' && *text == *small - 'a' + 'A'))) {
        text++;
        small++;
    }
    return *text == *small;
}

/* By its name's ending, as cameras and people write it: .JPEG, .jpg, .Png. */
static int is_photograph(const struct dirent *entry) {
    static const char *const endings[] = {".jpeg", ".jpg", ".png"};
    const char *dot = strrchr(entry->d_name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
        if (is_in_any_case(dot, endings[i])) {
            return 1;
        }
    }
    return 0;
}

/* Whether it is a folder, or else a file; what is linked counts as what it leads to, and as a file
 * if it leads nowhere. */
static int is_kind(const char *folder, const struct dirent *entry, int wanted) {
    if (entry->d_type == DT_DIR || entry->d_type == DT_REG) {
        return (entry->d_type == DT_DIR) == (wanted == S_IFDIR);
    }
    if (entry->d_type == DT_LNK && wanted == S_IFREG) {
        return !bnn_data_has(folder, entry->d_name, S_IFDIR);
    }
    return bnn_data_has(folder, entry->d_name, (mode_t)wanted);
}

/* The entries of this kind, by name; -1 after a failure. */
static int list_entries(const char *folder, int (*filter)(const struct dirent *), int kind,
                        struct dirent ***entry, bnn_error *err) {
    int count = bnn_folder_list(folder, filter, entry, err), kept = count < 0 ? -1 : 0;
    for (int i = 0; i < count; i++) {
        if (is_kind(folder, (*entry)[i], kind)) {
            (*entry)[kept++] = (*entry)[i];
        } else {
            free((*entry)[i]);
        }
    }
    return kept;
}

/* ---- classes ---- */

static int find_class(const imagenet *d, const char *name) {
    int low = 0, high = d->base.classes;
    while (low < high) {
        const int middle = (low + high) / 2, order = strcmp(name, d->class_names[middle]);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return -1;
}

/* The folders in `folder`, in their order. */
static bnn_code read_classes(imagenet *d, const char *folder, bnn_error *err) {
    struct dirent **entry;
    const int count = list_entries(folder, is_visible, S_IFDIR, &entry, err);
    bnn_code code = count < 0 ? BNN_ERR_IO : BNN_OK;
    if (code == BNN_OK && (count < 2 || count > MOST_CLASSES)) {
        code = bnn_fail(err, BNN_ERR_FORMAT, "%s: folders of classes: %d, expected 2 to %d; " CURE,
                        folder, count, MOST_CLASSES);
    }
    d->base.classes = 0;
    d->class_names = code == BNN_OK ? calloc((size_t)count, sizeof *d->class_names) : NULL;
    if (code == BNN_OK && !d->class_names) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the classes");
    }
    for (int i = 0; i < count && code == BNN_OK; i++) {
        d->class_names[i] = strdup(entry[i]->d_name);
        code = d->class_names[i] ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
        if (code == BNN_OK && strpbrk(entry[i]->d_name, "\n\r")) {
            code = bnn_fail(err, BNN_ERR_FORMAT, "%s/%s: a folder whose name has several lines",
                            folder, entry[i]->d_name);
        } else if (code == BNN_OK && !bnn_utf8_is(entry[i]->d_name, strlen(entry[i]->d_name))) {
            code = bnn_fail(err, BNN_ERR_FORMAT,
                            "%s/%s: a folder whose name, which is its class's, is no UTF-8; "
                            "rename it",
                            folder, entry[i]->d_name);
        }
        d->base.classes++;
    }
    bnn_folder_free(entry, count);
    d->base.class_names = (const char *const *)d->class_names;
    return code;
}

/* ---- photographs ---- */

static bnn_code add_picture(imagenet *d, const char *name, size_t length, int class, size_t turn,
                            bnn_error *err) {
    const size_t at = d->names.bytes;
    picture *all = bnn_list_grown(d->picture, d->pictures, &d->room, sizeof *all);
    d->picture = all ? all : d->picture;
    if (!all || !bnn_texts_add(&d->names, name, length)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the list of images");
    }
    d->picture[d->pictures++] = (picture){at, class, (uint32_t)turn};
    return BNN_OK;
}

static bnn_code list_class(imagenet *d, const char *name, int class, bnn_error *err) {
    char folder[BNN_DATA_PATH_MAX];
    struct dirent **entry;
    bnn_code code = bnn_data_join(folder, d->folder, name, err);
    const int count = code == BNN_OK ? list_entries(folder, is_visible, S_IFREG, &entry, err) : -1;
    size_t turn = 0;
    if (count < 0) {
        return code == BNN_OK ? BNN_ERR_IO : code;
    }
    for (int i = 0; i < count && code == BNN_OK; i++) {
        const char *file = entry[i]->d_name;
        if (!is_photograph(entry[i])) {
            d->others++;
        } else if (entry[i]->d_type == DT_LNK && !bnn_data_has(folder, file, S_IFREG)) {
            d->base.skipped++;
        } else {
            code = add_picture(d, file, strlen(file), class, turn++, err);
        }
    }
    bnn_folder_free(entry, count);
    return code;
}

static int in_turns(const void *a, const void *b) {
    const picture *x = a, *y = b;
    if (x->turn != y->turn) {
        return x->turn < y->turn ? -1 : 1;
    }
    return (x->class > y->class) - (x->class < y->class);
}

/* All of the split's folders, of which none may be a class's that is not trained. */
static bnn_code list_folders(imagenet *d, struct dirent **entry, int count, bnn_error *err) {
    bnn_code code = BNN_OK;
    d->by_folder = 1;
    for (int i = 0; i < count && code == BNN_OK; i++) {
        const int class = find_class(d, entry[i]->d_name);
        const size_t before = d->pictures;
        if (class < 0) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s/%s: there is no such folder in train, so it is no class; remove it",
                            d->folder, entry[i]->d_name);
        }
        code = list_class(d, entry[i]->d_name, class, err);
        if (code == BNN_OK && d->pictures == before) {
            code = bnn_fail(err, BNN_ERR_FORMAT,
                            "%s/%s: a class without images (JPEG or PNG); remove the folder, or "
                            "unpack its images again",
                            d->folder, entry[i]->d_name);
        }
    }
    if (code == BNN_OK && d->pictures > 0) {
        qsort(d->picture, d->pictures, sizeof *d->picture, in_turns);
    }
    return code;
}

/* ---- the list of val ---- */

/* "FILE CLASS", the class's number. What is no such line is an error. */
static bnn_code add_line(imagenet *d, const char *list, size_t number, const char *line,
                         size_t length, bnn_error *err) {
    size_t end = length;
    while (end > 0 && line[end - 1] >= '0' && line[end - 1] <= '9') {
        end--;
    }
    long class = end < length && length - end < 10 ? strtol(line + end, NULL, 10) : -1;
    size_t name = end;
    while (name > 0 && (line[name - 1] == ' ' || line[name - 1] == '\t')) {
        name--;
    }
    if (class < 0 || class >= d->base.classes || name == end || name == 0 ||
        memchr(line, '\0', name) || line[0] == '/' || strstr(line, "../")) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: line %zu is '%.*s', expected a file of val/ and the number of its "
                        "class, 0 to %d",
                        list, number, (int)(length < 80 ? length : 80), line, d->base.classes - 1);
    }
    bnn_code code = add_picture(d, line, name, (int)class, 0, err);
    if (code == BNN_OK &&
        !bnn_data_has(d->folder, d->names.at + d->picture[d->pictures - 1].name, S_IFREG)) {
        d->pictures--;
        d->base.skipped++;
    }
    return code;
}

static bnn_code read_list(imagenet *d, const char *dir, bnn_error *err) {
    char path[BNN_DATA_PATH_MAX];
    bnn_map map;
    bnn_code code = bnn_data_join(path, dir, LIST, err);
    if (code != BNN_OK ||
        (code = bnn_data_check_file(path,
                                    "it must name the images in val/ and their classes, unless "
                                    "they lie in folders of classes as in train/",
                                    err)) ||
        (code = bnn_map_read(path, &map, err))) {
        return code;
    }
    code = bnn_data_note_file(&d->base, map.device, map.inode, err);
    const char *text = (const char *)map.data;
    size_t number = 1;
    for (size_t at = 0; at < map.size && code == BNN_OK; number++) {
        const char *end = memchr(text + at, '\n', map.size - at);
        const size_t next = end ? (size_t)(end - text) + 1 : map.size;
        size_t length = next - at - (end != NULL);
        length -= length && text[at + length - 1] == '\r';
        char line[BNN_DATA_PATH_MAX];
        if (length >= sizeof line) {
            code = bnn_fail(err, BNN_ERR_FORMAT, "%s: line %zu is %zu bytes long", path, number,
                            length);
        } else if (length > 0) {
            memcpy(line, text + at, length);
            line[length] = '\0';
            code = add_line(d, path, number, line, length, err);
        }
        at = next;
    }
    bnn_map_close(&map);
    return code;
}

/* ---- samples ---- */

static bnn_code path_of(const imagenet *d, size_t index, char path[BNN_DATA_PATH_MAX],
                        bnn_error *err) {
    const picture *p = &d->picture[index];
    int n = snprintf(path, BNN_DATA_PATH_MAX, "%s/%s%s%s", d->folder,
                     d->by_folder ? d->class_names[p->class] : "", d->by_folder ? "/" : "",
                     d->names.at + p->name);
    return n > 0 && n < BNN_DATA_PATH_MAX
               ? BNN_OK
               : bnn_fail(err, BNN_ERR_ARGUMENT, "%.200s...: the path is too long", d->folder);
}

/* The middle of a photograph, or with `rng` a random part. */
static bnn_code show(const char *name, const unsigned char *bytes, size_t size, bnn_rng *rng,
                     uint8_t *rgb, bnn_error *err) {
    int height, width;
    bnn_axis y, x;
    bnn_code code = bnn_photo_size(name, bytes, size, &height, &width, err);
    if (code != BNN_OK) {
        return code;
    }
    if (rng) {
        bnn_photo_random(height, width, CROP, rng, &y, &x);
    } else {
        bnn_photo_middle(height, width, SHORT_SIDE, CROP, &y, &x);
    }
    return bnn_photo_resize(name, bytes, size, &y, &x, rgb, err);
}

static bnn_code imagenet_show(const char *name, const unsigned char *bytes, size_t size,
                              uint8_t *rgb, bnn_error *err) {
    return show(name, bytes, size, NULL, rgb, err);
}

static bnn_code read_pixels(const imagenet *d, size_t index, bnn_rng *rng, uint8_t *rgb,
                            bnn_error *err) {
    char path[BNN_DATA_PATH_MAX];
    bnn_map map;
    bnn_code code = path_of(d, index, path, err);
    if (code != BNN_OK || (code = bnn_map_read(path, &map, err))) {
        return code;
    }
    code = show(path, map.data, map.size, rng, rgb, err);
    bnn_map_close(&map);
    return code;
}

static int32_t imagenet_label(const bnn_dataset *dataset, size_t index) {
    return ((const imagenet *)dataset)->picture[index].class;
}

static bnn_code imagenet_pixels(const bnn_dataset *dataset, size_t index, uint8_t *bytes,
                                int32_t *label, bnn_error *err) {
    *label = imagenet_label(dataset, index);
    return read_pixels((const imagenet *)dataset, index, NULL, bytes, err);
}

static bnn_code imagenet_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                                void *const *out, bnn_error *err) {
    uint8_t rgb[CROP * CROP * BNN_IMAGE_CHANNELS];
    bnn_augmentation augmentation = {0};
    bnn_rng rng = {0};
    if (draw) {
        rng = bnn_rng_start(draw->seed,
                            bnn_data_stream("data.augment", draw->epoch, (uint32_t)index));
        augmentation.flip = bnn_rng_u32(&rng) & 1;
    }
    bnn_code code = read_pixels((const imagenet *)dataset, index, draw ? &rng : NULL, rgb, err);
    if (code == BNN_OK) {
        const bnn_image image = {.data = rgb,
                                 .height = CROP,
                                 .width = CROP,
                                 .row = CROP * BNN_IMAGE_CHANNELS,
                                 .column = BNN_IMAGE_CHANNELS,
                                 .channel = 1};
        bnn_image_write(&image, &dataset->normalizer, augmentation, CROP, CROP, out[0]);
        *(int32_t *)out[1] = imagenet_label(dataset, index);
    }
    return code;
}

/* Of the names and classes of the photographs: what is in them is 150 GB. */
static uint32_t imagenet_checksum(const bnn_dataset *dataset) {
    const imagenet *d = (const imagenet *)dataset;
    uLong sum = 0;
    for (size_t i = 0; i < d->pictures; i++) {
        const char *name = d->names.at + d->picture[i].name;
        char class[16];
        const int length = snprintf(class, sizeof class, " %d\n", (int)d->picture[i].class);
        sum = crc32_z(sum, (const unsigned char *)name, strlen(name));
        sum = crc32_z(sum, (const unsigned char *)class, (size_t)length);
    }
    return (uint32_t)sum;
}

static void imagenet_close(bnn_dataset *dataset) {
    imagenet *d = (imagenet *)dataset;
    for (int c = 0; d->class_names && c < dataset->classes; c++) {
        free(d->class_names[c]);
    }
    free(d->class_names);
    free(d->names.at);
    free(d->picture);
}

/* ---- opening ---- */

static bnn_code fill(imagenet *d, const char *dir, bnn_split split, bnn_error *err) {
    struct dirent **entry;
    const int count = list_entries(d->folder, is_visible, S_IFDIR, &entry, err);
    if (count < 0) {
        return BNN_ERR_IO;
    }
    bnn_code code = count > 0 || split == BNN_SPLIT_TRAIN ? list_folders(d, entry, count, err)
                                                          : read_list(d, dir, err);
    bnn_folder_free(entry, count);
    if (code == BNN_OK && d->pictures == 0) {
        code = bnn_fail(err, BNN_ERR_FORMAT, "%s: has no images; " CURE, d->folder);
    }
    if (d->others) {
        snprintf(d->remark, sizeof d->remark,
                 "left out: %zu files whose names end neither in .jpeg, .jpg nor .png", d->others);
        d->base.remark = d->remark;
    }
    d->base.count = d->pictures;
    return code;
}

static bnn_code imagenet_open(bnn_dataset *dataset, const char *dir, bnn_split split,
                              bnn_error *err) {
    imagenet *d = (imagenet *)dataset;
    char train[BNN_DATA_PATH_MAX];
    d->base.sample = imagenet_sample;
    d->base.pixels = imagenet_pixels;
    d->base.label = imagenet_label;
    d->base.checksum = imagenet_checksum;
    bnn_code code = bnn_data_check_folder(dir, CURE, err);
    if (code == BNN_OK && !(code = bnn_data_join(train, dir, "train", err)) &&
        !(code = bnn_data_check_folder(train, CURE, err)) &&
        !(code = bnn_data_join(d->folder, dir, split == BNN_SPLIT_TRAIN ? "train" : "val", err)) &&
        !(code = bnn_data_check_folder(d->folder, CURE, err)) &&
        !(code = read_classes(d, train, err))) {
        code = fill(d, dir, split, err);
    }
    return code;
}

static const bnn_field fields[] = {
    {"image", BNN_F32, {1, CROP, CROP, BNN_IMAGE_CHANNELS}},
    {"class", BNN_I32, {1, 1, 1, 1}},
};

const bnn_dataset_info bnn_dataset_imagenet = {
    .name = "imagenet",
    .description = "photographs in a folder a class, as ImageNet has them, cut to 224x224",
    .default_dir = NULL,
    .task = "classify",
    .samples = "images",
    .field = fields,
    .fields = 2,
    .classes = 1000,
    .picture = {1, CROP, CROP, BNN_IMAGE_CHANNELS},
    .mean = {123.675f, 116.28f, 103.53f},
    .std = {58.395f, 57.12f, 57.375f},
    .show = imagenet_show,
    .bytes = sizeof(imagenet),
    .open = imagenet_open,
    .close = imagenet_close,
};
