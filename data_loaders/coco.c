/* COCO 2017 (Lin et al., ECCV 2014): train2017, val2017 and annotations/ as they unpack. Classes
 * are the categories in the order of their ids. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "data_loaders/boxes/boxes.h"
#include "engine/base/file.h"

#define CLASSES 80
#define MOST_CLASSES 100000
#define CURE                                                                                       \
    "--data-dir must name the folder with train2017, val2017 and annotations (unpacked from "      \
    "https://cocodataset.org)"

typedef struct coco {
    bnn_boxed_set boxes;
    bnn_coco_category *category;
    const char **names; /* of the categories */
    int64_t *ids;
} coco;

static bnn_code coco_plan(bnn_dataset *dataset, const bnn_dataset_options *options,
                          bnn_error *err) {
    static const bnn_view usual = {1344, 1344, 1333, 800}; /* either way up */
    return bnn_boxed_plan(dataset, options, usual, err);
}

/* Takes the categories over. */
static bnn_code name_classes(coco *d, bnn_coco *c, const char *path, bnn_error *err) {
    if (c->categories > MOST_CLASSES) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: %zu categories, expected 1 to %d", path,
                        c->categories, MOST_CLASSES);
    }
    d->category = c->category;
    c->category = NULL;
    d->names = reallocarray(NULL, c->categories, sizeof *d->names);
    d->ids = reallocarray(NULL, c->categories, sizeof *d->ids);
    if (!d->names || !d->ids) {
        return bnn_fail(err, BNN_ERR_MEMORY, "out of memory for the classes");
    }
    for (size_t i = 0; i < c->categories; i++) {
        d->names[i] = d->category[i].name;
        d->ids[i] = d->category[i].id;
    }
    d->boxes.base.class_names = d->names;
    d->boxes.base.class_ids = d->ids;
    d->boxes.base.classes = (int)c->categories;
    return BNN_OK;
}

static bnn_code add_object(coco *d, const bnn_coco_annotation *a, bnn_error *err) {
    const bnn_coco_category key = {.id = a->category};
    const bnn_coco_category *category = bsearch(&key, d->category, (size_t)d->boxes.base.classes,
                                                sizeof *d->category, bnn_coco_by_id);
    if (!category) {
        d->boxes.unusable++;
        return BNN_OK;
    }
    const bnn_object o = {.box = {(float)a->box[0], (float)a->box[1],
                                  (float)(a->box[0] + a->box[2]), (float)(a->box[1] + a->box[3])},
                          .area = (float)a->area,
                          .class = (int32_t)(category - d->category),
                          .ignore = a->crowd};
    return bnn_boxed_add_object(&d->boxes, &o, err);
}

/* Images by their ids, as pycocotools takes them, with their annotations; both stand in order. */
static bnn_code add_images(coco *d, const bnn_coco *c, const char *split, bnn_error *err) {
    bnn_boxed_set *b = &d->boxes;
    bnn_code code = BNN_OK;
    size_t at = 0;
    for (size_t i = 0; i < c->images && code == BNN_OK; i++) {
        char path[BNN_DATA_PATH_MAX];
        const char *name = c->names.at + c->image[i].name;
        const int written = snprintf(path, sizeof path, "%s/%s", split, name);
        if (written < 0 || written >= (int)sizeof path || name[0] == '/' || strstr(name, "../")) {
            return bnn_fail(err, BNN_ERR_FORMAT, "%s: '%.64s' is no image's name in %s", b->root,
                            name, split);
        }
        for (; at < c->annotations && c->annotation[at].image < c->image[i].id; at++) {
            b->unusable++; /* of an image that there is not */
        }
        const int there = bnn_data_has(b->root, path, S_IFREG);
        b->base.skipped += !there;
        code = there ? bnn_boxed_add_photo(b, path, c->image[i].id, err) : BNN_OK;
        if (there && code == BNN_OK) {
            b->photo[b->photos - 1].height = c->image[i].height;
            b->photo[b->photos - 1].width = c->image[i].width;
        }
        for (; at < c->annotations && c->annotation[at].image == c->image[i].id; at++) {
            code = there && code == BNN_OK ? add_object(d, &c->annotation[at], err) : code;
        }
        if (there && code == BNN_OK) {
            bnn_boxed_end_photo(b);
        }
    }
    b->unusable += c->annotations - at;
    return code;
}

static bnn_code coco_open(bnn_dataset *dataset, const char *dir, bnn_split split, bnn_error *err) {
    coco *d = (coco *)dataset;
    bnn_boxed_set *b = &d->boxes;
    const char *name = split == BNN_SPLIT_TRAIN ? "train2017" : "val2017";
    char file_name[64], path[BNN_DATA_PATH_MAX];
    bnn_coco c = {0};
    b->training = split == BNN_SPLIT_TRAIN;
    snprintf(file_name, sizeof file_name, "annotations/instances_%s.json", name);
    bnn_code code = bnn_data_check_folder(dir, CURE, err);
    if (code != BNN_OK || (code = bnn_data_join(b->root, dir, ".", err)) ||
        (code = bnn_data_join(path, dir, file_name, err)) ||
        (code = bnn_data_check_file(path, CURE, err))) {
        return code;
    }
    FILE *file = fopen(path, "rb");
    if (!file) {
        return bnn_fail_errno(err, path, "open for reading", errno);
    }
    struct stat status;
    code = fstat(fileno(file), &status) == 0
               ? bnn_data_note_file(dataset, status.st_dev, status.st_ino, err)
               : bnn_fail_errno(err, path, "read", errno);
    code = code == BNN_OK ? bnn_coco_read(path, file, &c, err) : code;
    fclose(file);
    if (code == BNN_OK && !(code = name_classes(d, &c, path, err)) &&
        !(code = add_images(d, &c, name, err))) {
        code = bnn_boxed_finish(b, CURE, err);
    }
    bnn_coco_free(&c);
    return code;
}

static void coco_close(bnn_dataset *dataset) {
    coco *d = (coco *)dataset;
    bnn_boxed_close(dataset);
    free(d->category);
    free(d->names);
    free(d->ids);
}

const bnn_dataset_info bnn_dataset_coco = {
    .name = "coco",
    .description = "COCO 2017: photographs with boxes of 80 kinds of things",
    .default_dir = NULL,
    .task = "detect_coco",
    .samples = "images",
    .small_boxes = 1,
    .field = bnn_fields_of_boxes,
    .fields = BNN_BOX_FIELDS,
    .classes = CLASSES,
    .mean = {123.675f, 116.28f, 103.53f},
    .std = {58.395f, 57.12f, 57.375f},
    .bytes = sizeof(coco),
    .plan = coco_plan,
    .open = coco_open,
    .close = coco_close,
};
