/* ShapeNet-Part (Yi et al., "A Scalable Active Framework for Region Annotation", SIGGRAPH Asia
 * 2016), in either version: shapenetcore_partanno_segmentation_benchmark_v0 (points and labels
 * apart, parts numbered from 1 in each category) and .._v0_normal (one file, parts numbered from 0
 * through all categories). A network sees six channels, a point and its normal; the decision: where
 * a version has no normals they are 0, so that what one knows the other is never taken for.
 * Training turns the normals with the points. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data_loaders/clouds/clouds.h"
#include "data_loaders/internal.h"
#include "engine/base/file.h"

#define POINTS 4096
#define PARTS 50
#define CATEGORIES 16
#define TOP "shapenetcore_partanno_segmentation_benchmark_v0"
#define LISTS "train_test_split"
#define CURE                                                                                       \
    "--data-dir must name the folder of " TOP " or " TOP "_normal, unpacked with its " LISTS

/* A category, the name of its folder, and its parts among all. */
typedef struct category {
    const char *name, *synset;
    int first, parts;
} category;

static const category categories[CATEGORIES] = {
    {"Airplane", "02691156", 0, 4},    {"Bag", "02773838", 4, 2},
    {"Cap", "02954340", 6, 2},         {"Car", "02958343", 8, 4},
    {"Chair", "03001627", 12, 4},      {"Earphone", "03261776", 16, 3},
    {"Guitar", "03467517", 19, 3},     {"Knife", "03624134", 22, 2},
    {"Lamp", "03636649", 24, 4},       {"Laptop", "03642806", 28, 2},
    {"Motorbike", "03790512", 30, 6},  {"Mug", "03797390", 36, 2},
    {"Pistol", "03948459", 38, 3},     {"Rocket", "04099429", 41, 3},
    {"Skateboard", "04225987", 44, 3}, {"Table", "04379243", 47, 3},
};

static const char *const class_names[PARTS] = {
    "Airplane:1",  "Airplane:2",  "Airplane:3",   "Airplane:4",   "Bag:1",        "Bag:2",
    "Cap:1",       "Cap:2",       "Car:1",        "Car:2",        "Car:3",        "Car:4",
    "Chair:1",     "Chair:2",     "Chair:3",      "Chair:4",      "Earphone:1",   "Earphone:2",
    "Earphone:3",  "Guitar:1",    "Guitar:2",     "Guitar:3",     "Knife:1",      "Knife:2",
    "Lamp:1",      "Lamp:2",      "Lamp:3",       "Lamp:4",       "Laptop:1",     "Laptop:2",
    "Motorbike:1", "Motorbike:2", "Motorbike:3",  "Motorbike:4",  "Motorbike:5",  "Motorbike:6",
    "Mug:1",       "Mug:2",       "Pistol:1",     "Pistol:2",     "Pistol:3",     "Rocket:1",
    "Rocket:2",    "Rocket:3",    "Skateboard:1", "Skateboard:2", "Skateboard:3", "Table:1",
    "Table:2",     "Table:3"};

typedef struct shapenet {
    bnn_dataset base;
    bnn_field field[2];
    bnn_cloud_files files; /* a label is the category's number */
    const category *only;  /* NULL: all of them */
} shapenet;

/* ---- samples ---- */
/* A whole shape: its points, and of each the part within the category. */
typedef struct shape {
    bnn_cloud cloud;
    bnn_points labels; /* their value is NULL where they are a column of the points */
    int32_t *part;
} shape;

static bnn_code parse_file(const char *path, int least, int most, bnn_points *out, bnn_error *err) {
    bnn_map map = {0};
    bnn_code code = bnn_map_read(path, &map, err);
    if (code == BNN_OK) {
        code = bnn_points_parse(path, map.data, map.size, least, most, out, err);
    }
    bnn_map_close(&map);
    return code;
}

/* Of the labels' column, which counts from `base`. */
static bnn_code take_parts(const char *name, const bnn_points *from, const category *of, int base,
                           int32_t *part, bnn_error *err) {
    const size_t columns = (size_t)from->columns;
    for (size_t i = 0; i < from->count; i++) {
        float label = from->value[i * columns + columns - 1];
        float local = label - (float)base;
        if (!(local >= 0.0f && local < (float)of->parts) || local != (float)(int)local) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: point %zu has part %.6g, expected %d to %d (%s); the file is "
                            "damaged or of another category, download it again",
                            name, i + 1, (double)label, base, base + of->parts - 1, of->name);
        }
        part[i] = (int32_t)local;
    }
    return BNN_OK;
}

static bnn_code read_shape(const bnn_cloud_file *file, shape *out, bnn_error *err) {
    const category *of = &categories[file->label];
    const char *name = file->labels ? file->labels : file->path;
    const int columns = file->labels ? 3 : 7;
    bnn_points *points = &out->cloud.points;
    bnn_code code = parse_file(file->path, columns, columns, points, err);
    if (code == BNN_OK && file->labels) {
        code = parse_file(file->labels, 1, 1, &out->labels, err);
        if (code == BNN_OK && out->labels.count != points->count) {
            code = bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: %zu labels, but %s has %zu points; download both again", name,
                            out->labels.count, file->path, points->count);
        }
    }
    if (code != BNN_OK) {
        return code;
    }
    out->part = reallocarray(NULL, points->count, sizeof *out->part);
    if (!out->part) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    }
    return file->labels ? take_parts(name, &out->labels, of, 1, out->part, err)
                        : take_parts(name, points, of, of->first, out->part, err);
}

static void free_shape(shape *s) {
    bnn_cloud_free(&s->cloud);
    bnn_points_free(&s->labels);
    free(s->part);
}

static bnn_code shapenet_draw(const char *name, bnn_cloud *cloud, bnn_rng *rng, size_t n,
                              float *out, bnn_error *err) {
    return bnn_cloud_draw(name, cloud, rng, n, 6, out, err);
}

static bnn_code shapenet_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *draw,
                                void *const *out, bnn_error *err) {
    const shapenet *d = (const shapenet *)dataset;
    const bnn_cloud_file *file = &d->files.file[index];
    const size_t n = (size_t)d->field[0].shape.w;
    const int first = d->only ? 0 : categories[file->label].first;
    int32_t *part = out[1];
    shape s = {0};
    bnn_rng room, *rng = bnn_points_rng(draw, index, &room);
    bnn_code code = read_shape(file, &s, err);
    if (code == BNN_OK) {
        code = shapenet_draw(file->path, &s.cloud, rng, n, out[0], err);
    }
    for (size_t i = 0; i < n && code == BNN_OK; i++) {
        part[i] = first + s.part[s.cloud.chosen[i]];
    }
    if (code == BNN_OK && rng) {
        bnn_points_augment(rng, out[0], n);
    }
    free_shape(&s);
    return code;
}

static uint32_t shapenet_checksum(const bnn_dataset *dataset) {
    return bnn_cloud_files_checksum(&((const shapenet *)dataset)->files);
}

static void shapenet_close(bnn_dataset *dataset) {
    shapenet *d = (shapenet *)dataset;
    bnn_cloud_files_free(&d->files);
}

/* ---- opening ---- */
static int is_folder(const char *dir, const char *name, char path[BNN_DATA_PATH_MAX]) {
    struct stat status;
    return bnn_data_join(path, dir, name, NULL) == BNN_OK && stat(path, &status) == 0 &&
           S_ISDIR(status.st_mode);
}

/* DIR, or the one folder in it that is the top of an archive; its lists, too. */
static bnn_code find_folder(const char *dir, char out[BNN_DATA_PATH_MAX],
                            char lists[BNN_DATA_PATH_MAX], bnn_error *err) {
    char plain[BNN_DATA_PATH_MAX], normal[BNN_DATA_PATH_MAX];
    bnn_code code = bnn_data_check_folder(dir, CURE, err);
    if (code != BNN_OK) {
        return code;
    }
    if (!is_folder(dir, LISTS, lists)) {
        int has_plain = is_folder(dir, TOP, plain);
        int has_normal = is_folder(dir, TOP "_normal", normal);
        if (has_plain && has_normal) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "%s: holds " TOP " and " TOP "_normal; name the one to be read with "
                            "--data-dir",
                            dir);
        }
        if (has_plain || has_normal) {
            dir = has_plain ? plain : normal;
        }
        if (!is_folder(dir, LISTS, lists)) {
            return bnn_fail(err, BNN_ERR_IO, "%s: no folder " LISTS " in it; %s", dir, CURE);
        }
    }
    snprintf(out, BNN_DATA_PATH_MAX, "%s", dir);
    return BNN_OK;
}

/* "SYNSET/ID", of one version or the other. */
static bnn_code add_shape(shapenet *d, const char *dir, const char *list, const char *entry,
                          bnn_error *err) {
    const char *id = strchr(entry, '/') + 1;
    const int synset = (int)(id - 1 - entry);
    const category *of = categories;
    while (of < categories + CATEGORIES &&
           (strncmp(of->synset, entry, (size_t)synset) != 0 || of->synset[synset])) {
        of++;
    }
    if (of == categories + CATEGORIES) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: '%.*s' is none of the %d categories; download the list again", list,
                        synset, entry, CATEGORIES);
    }
    if (d->only && of != d->only) {
        return BNN_OK;
    }
    struct stat status;
    bnn_arena *arena = d->files.arena;
    bnn_cloud_file file = {.label = (int32_t)(of - categories)};
    const char *whole = bnn_arena_format(arena, "%s/%s/%s.txt", dir, of->synset, id);
    file.path = whole;
    if (whole && stat(whole, &status) != 0) {
        file.path = bnn_arena_format(arena, "%s/%s/points/%s.pts", dir, of->synset, id);
        file.labels = bnn_arena_format(arena, "%s/%s/points_label/%s.seg", dir, of->synset, id);
    }
    if (!file.path || (file.path != whole && !file.labels)) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", list);
    }
    return bnn_cloud_files_add(&d->files, &d->base, file, err);
}

static bnn_code list_path(const char *lists, const char *part, char path[BNN_DATA_PATH_MAX],
                          bnn_error *err) {
    char name[64];
    snprintf(name, sizeof name, "shuffled_%s_file_list.json", part);
    return bnn_data_join(path, lists, name, err);
}

static int has_list(const char *lists, const char *part) {
    char path[BNN_DATA_PATH_MAX];
    struct stat status;
    return list_path(lists, part, path, NULL) != BNN_OK || stat(path, &status) == 0;
}

typedef struct shape_list {
    char path[BNN_DATA_PATH_MAX];
    const char *const *entry; /* [count] */
    size_t count;
} shape_list;

static bnn_code read_list(shapenet *d, const char *lists, const char *part, shape_list *out,
                          bnn_error *err) {
    bnn_code code = list_path(lists, part, out->path, err);
    if (code == BNN_OK) {
        code = bnn_list_read(&d->base, out->path, CURE, bnn_shape_list_parse, d->files.arena,
                             &out->entry, &out->count, err);
    }
    out->count = code == BNN_OK ? out->count : 0;
    return code;
}

static bnn_code open_list(shapenet *d, const char *dir, const char *lists, const char *part,
                          shape_list *list, bnn_error *err) {
    bnn_code code = read_list(d, lists, part, list, err);
    for (size_t i = 0; i < list->count && code == BNN_OK; i++) {
        code = add_shape(d, dir, list->path, list->entry[i], err);
    }
    return code;
}

/* A set of one's own may test what it trains. That it trains anything is not for the test to say.
 */
static bnn_code compare_lists(shapenet *d, const char *lists, const shape_list *test,
                              bnn_error *err) {
    shape_list train, val;
    (void)read_list(d, lists, "train", &train, NULL);
    (void)read_list(d, lists, "val", &val, NULL);
    const size_t count = train.count + val.count;
    const char **all = bnn_arena_alloc(d->files.arena, (count + 1) * sizeof *all);
    if (!all) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", test->path);
    }
    for (size_t i = 0; i < count; i++) {
        all[i] = i < train.count ? train.entry[i] : val.entry[i - train.count];
    }
    return bnn_names_compare(&d->base, d->files.arena, test->entry, test->count, all, count, err);
}

/* Shapes for training are those of the validation, too, as BiPointNet has it. A set of one's own
 * may have none, and where it has no others it is tested on those that it is trained on. */
static bnn_code shapenet_open(bnn_dataset *dataset, const char *dir, bnn_split split,
                              bnn_error *err) {
    shapenet *d = (shapenet *)dataset;
    char folder[BNN_DATA_PATH_MAX], lists[BNN_DATA_PATH_MAX];
    d->base.sample = shapenet_sample;
    d->base.checksum = shapenet_checksum;
    bnn_code code = find_folder(dir, folder, lists, err);
    int training = split == BNN_SPLIT_TRAIN;
    shape_list list = {.count = 0};
    if (code == BNN_OK && !training && !has_list(lists, "test")) {
        d->base.remark = "it has no list for testing; the shapes for training are tested on";
        training = 1;
    }
    if (code == BNN_OK) {
        code = open_list(d, folder, lists, training ? "train" : "test", &list, err);
    }
    if (code == BNN_OK && !training) {
        code = compare_lists(d, lists, &list, err);
    }
    if (code == BNN_OK && training && has_list(lists, "val")) {
        code = open_list(d, folder, lists, "val", &list, err);
    }
    d->base.count = d->files.count;
    if (code == BNN_OK && d->base.count == 0) {
        code =
            bnn_fail(err, BNN_ERR_IO, "%s: none of the %zu listed shapes for %s%s%s is there; %s",
                     folder, d->base.skipped, training ? "training" : "testing",
                     d->only ? " of category " : "", d->only ? d->only->name : "", CURE);
    }
    return code;
}

static bnn_code choose_category(shapenet *d, const char *variant, bnn_error *err) {
    char known[512] = "";
    if (!variant || strcmp(variant, "all") == 0) {
        return BNN_OK;
    }
    for (int i = 0; i < CATEGORIES; i++) {
        const category *c = &categories[i];
        if (strcmp(c->name, variant) == 0) {
            d->only = c;
            d->base.classes = c->parts;
            d->base.class_names = class_names + c->first;
            return BNN_OK;
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s, ", c->name);
    }
    return bnn_fail(err, BNN_ERR_ARGUMENT, "there is no category '%.64s'; it is one of %sall",
                    variant, known);
}

static bnn_code shapenet_plan(bnn_dataset *dataset, const bnn_dataset_options *options,
                              bnn_error *err) {
    shapenet *d = (shapenet *)dataset;
    bnn_code code = bnn_clouds_plan(dataset, d->field, &d->files, options->length, err);
    return code == BNN_OK ? choose_category(d, options->variant, err) : code;
}

static const bnn_field fields[2] = {
    {"points", BNN_F32, {1, 1, POINTS, 6}},
    {"part", BNN_I32, {1, 1, POINTS, 1}},
};

const bnn_dataset_info bnn_dataset_shapenet_part = {
    .name = "shapenet_part",
    .description = "16881 models of 16 kinds of things, 4096 points of each and their 50 parts",
    .default_dir = NULL,
    .task = "segment",
    .samples = "clouds",
    .variant = "category",
    .field = fields,
    .fields = 2,
    .classes = PARTS,
    .class_names = class_names,
    .draw = shapenet_draw,
    .bytes = sizeof(shapenet),
    .plan = shapenet_plan,
    .open = shapenet_open,
    .close = shapenet_close,
};
