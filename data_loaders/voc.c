/* PASCAL VOC (Everingham et al., IJCV 2010): VOC2007 and VOC2012 as they unpack, together in
 * VOCdevkit. Trained is by default what both call trainval, and tested on VOC2007's test, as
 * detectors are ("07+12"). Opening reads all annotations, 17000 small files; photographs are read
 * as they are asked for. */
#include <string.h>

#include "data_loaders/boxes/boxes.h"
#include "engine/base/file.h"

#define CLASSES 20
#define DEVKIT "VOCdevkit"
#define CURE                                                                                       \
    "--data-dir must name the folder with " DEVKIT ", in which VOC2007 and VOC2012 are unpacked "  \
    "(http://host.robots.ox.ac.uk/pascal/VOC); --years 2012 or 2007 takes one of them alone"

static const char *const class_names[CLASSES] = {
    "aeroplane", "bicycle",     "bird",  "boat",        "bottle", "bus",      "car",
    "cat",       "chair",       "cow",   "diningtable", "dog",    "horse",    "motorbike",
    "person",    "pottedplant", "sheep", "sofa",        "train",  "tvmonitor"};

/* Which lists are a set's two splits. */
typedef struct list {
    const char *year, *name; /* NULL: no more */
} list;

static const struct {
    const char *years;
    list train[2], test[2];
} choices[] = {
    {"07+12", {{"VOC2007", "trainval"}, {"VOC2012", "trainval"}}, {{"VOC2007", "test"}, {0}}},
    {"2007", {{"VOC2007", "trainval"}, {0}}, {{"VOC2007", "test"}, {0}}},
    {"2012", {{"VOC2012", "train"}, {0}}, {{"VOC2012", "val"}, {0}}},
};

typedef struct voc {
    bnn_boxed_set boxes;
    size_t choice;
} voc;

static bnn_code voc_plan(bnn_dataset *dataset, const bnn_dataset_options *options, bnn_error *err) {
    /* Of mmdetection's Faster R-CNN for VOC: into 1000x600, either way up. */
    static const bnn_view usual = {1024, 1024, 1000, 600};
    voc *d = (voc *)dataset;
    const size_t count = sizeof choices / sizeof *choices;
    while (options->variant && d->choice < count &&
           strcmp(options->variant, choices[d->choice].years) != 0) {
        d->choice++;
    }
    return d->choice < count
               ? bnn_boxed_plan(dataset, options, usual, err)
               : bnn_fail(err, BNN_ERR_ARGUMENT, "--years %.64s: there are 07+12, 2007 and 2012",
                          options->variant);
}

/* One photograph, if its two files are there. */
static bnn_code add(bnn_boxed_set *b, const char *year, const char *id, bnn_error *err) {
    char photo[BNN_DATA_PATH_MAX], xml[BNN_DATA_PATH_MAX], path[BNN_DATA_PATH_MAX];
    bnn_map map;
    const int written = snprintf(photo, sizeof photo, "%s/JPEGImages/%s.jpg", year, id);
    if (written < 0 || written >= (int)sizeof photo || strchr(id, '/') ||
        snprintf(xml, sizeof xml, "%s/Annotations/%s.xml", year, id) < 0) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s/%s: '%.64s' in its lists is no image's name",
                        b->root, year, id);
    }
    if (!bnn_data_has(b->root, photo, S_IFREG) || !bnn_data_has(b->root, xml, S_IFREG)) {
        b->base.skipped++;
        return BNN_OK;
    }
    bnn_code code = bnn_data_join(path, b->root, xml, err);
    if (code == BNN_OK && !(code = bnn_boxed_add_photo(b, photo, -1, err)) &&
        !(code = bnn_map_read(path, &map, err))) {
        code = bnn_voc_parse(path, (const char *)map.data, map.size, class_names, CLASSES, b, err);
        bnn_map_close(&map);
        bnn_boxed_end_photo(b);
    }
    return code;
}

static bnn_code add_list(bnn_boxed_set *b, const list *l, bnn_error *err) {
    char name[64], path[BNN_DATA_PATH_MAX];
    bnn_lines ids;
    snprintf(name, sizeof name, "%s/ImageSets/Main/%s.txt", l->year, l->name);
    bnn_code code = bnn_data_join(path, b->root, name, err);
    if (code != BNN_OK || (code = bnn_lines_read(&b->base, path, CURE, &ids, err))) {
        return code;
    }
    for (size_t i = 0; i < ids.count && code == BNN_OK; i++) {
        code = add(b, l->year, ids.line[i], err);
    }
    bnn_lines_free(&ids);
    return code;
}

static bnn_code voc_open(bnn_dataset *dataset, const char *dir, bnn_split split, bnn_error *err) {
    voc *d = (voc *)dataset;
    bnn_boxed_set *b = &d->boxes;
    bnn_code code = bnn_data_check_folder(dir, CURE, err);
    if (code != BNN_OK ||
        (code =
             bnn_data_join(b->root, dir, bnn_data_has(dir, DEVKIT, S_IFDIR) ? DEVKIT : ".", err))) {
        return code;
    }
    b->training = split == BNN_SPLIT_TRAIN;
    const list *lists = b->training ? choices[d->choice].train : choices[d->choice].test;
    for (int i = 0; i < 2 && lists[i].year && code == BNN_OK; i++) {
        code = add_list(b, &lists[i], err);
    }
    return code == BNN_OK ? bnn_boxed_finish(b, CURE, err) : code;
}

const bnn_dataset_info bnn_dataset_voc = {
    .name = "voc",
    .description = "PASCAL VOC: photographs with boxes of 20 kinds of things",
    .default_dir = NULL,
    .task = "detect",
    .samples = "images",
    .variant = "years",
    .field = bnn_fields_of_boxes,
    .fields = BNN_BOX_FIELDS,
    .classes = CLASSES,
    .class_names = class_names,
    .mean = {123.675f, 116.28f, 103.53f},
    .std = {58.395f, 57.12f, 57.375f},
    .bytes = sizeof(voc),
    .plan = voc_plan,
    .open = voc_open,
    .close = bnn_boxed_close,
};
