/* ModelNet40 (Wu et al., "3D ShapeNets", CVPR 2015), in any of the three forms in which it is
 * passed on: meshes (Princeton's archive), lists of 10,000 points (modelnet40_normal_resampled),
 * and blocks of 2048 points as HDF5 (modelnet40_ply_hdf5_2048). The decision: meshes and lists are
 * read anew for each sample, some ms, since they are 10 GB of text, which the system keeps in
 * memory if it has any; blocks are small and are read, and checked, at opening. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "data_loaders/augment.h"
#include "data_loaders/clouds/clouds.h"
#include "data_loaders/clouds/modelnet.h"
#include "data_loaders/internal.h"
#include "engine/base/file.h"
#include "engine/base/text.h"

#define POINTS 1024
#define CLASSES 40

static const char *const class_names[CLASSES] = {
    "airplane",   "bathtub",    "bed",         "bench",    "bookshelf", "bottle", "bowl",
    "car",        "chair",      "cone",        "cup",      "curtain",   "desk",   "door",
    "dresser",    "flower_pot", "glass_box",   "guitar",   "keyboard",  "lamp",   "laptop",
    "mantel",     "monitor",    "night_stand", "person",   "piano",     "plant",  "radio",
    "range_hood", "sink",       "sofa",        "stairs",   "stool",     "table",  "tent",
    "toilet",     "tv_stand",   "vase",        "wardrobe", "xbox"};

typedef struct modelnet {
    bnn_dataset base;
    bnn_field field[2];
    bnn_modelnet_form form;
    bnn_cloud_files files; /* of lists and meshes; its arena has all the names */
    bnn_cloud_block *block;
    size_t blocks;
} modelnet;

/* ---- samples ---- */
/* Sample `index` of the blocks. */
static bnn_code copy_of_block(const modelnet *d, const char *name, size_t index, bnn_points *out,
                              bnn_error *err) {
    const bnn_cloud_block *block = d->block;
    for (; index >= block->clouds; block++) {
        index -= block->clouds;
    }
    const size_t bytes = 3 * block->points * sizeof *block->data;
    *out = (bnn_points){block->points, 3, malloc(bytes)};
    if (!out->value) {
        return bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for a shape", name);
    }
    memcpy(out->value, block->data + 3 * block->points * index, bytes);
    return BNN_OK;
}

static bnn_code modelnet_draw(const char *name, bnn_cloud *shape, bnn_rng *rng, size_t n,
                              float *out, bnn_error *err) {
    float *xyz = reallocarray(NULL, n, 3 * sizeof *xyz);
    bnn_code code = xyz ? bnn_cloud_draw(name, shape, rng, n, 3, xyz, err)
                        : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", name);
    if (code == BNN_OK) {
        bnn_points_features(xyz, n, out);
    }
    free(xyz);
    return code;
}

static bnn_code read_shape(const modelnet *d, const char *name, size_t index, bnn_cloud *out,
                           bnn_error *err) {
    bnn_map map = {0};
    bnn_code code = d->form == BNN_MODELNET_BLOCKS ? BNN_OK : bnn_map_read(name, &map, err);
    if (code == BNN_OK) {
        code = d->form == BNN_MODELNET_MESHES
                   ? bnn_off_parse(name, map.data, map.size, &out->mesh, err)
               : d->form == BNN_MODELNET_LISTS
                   ? bnn_points_parse(name, map.data, map.size, 3, 6, &out->points, err)
                   : copy_of_block(d, name, index, &out->points, err);
    }
    bnn_map_close(&map);
    return code;
}

static int32_t modelnet_label(const bnn_dataset *dataset, size_t index) {
    const modelnet *d = (const modelnet *)dataset;
    const bnn_cloud_block *block = d->block;
    if (d->form != BNN_MODELNET_BLOCKS) {
        return d->files.file[index].label;
    }
    for (; index >= block->clouds; block++) {
        index -= block->clouds;
    }
    return block->label[index];
}

static bnn_code modelnet_sample(const bnn_dataset *dataset, size_t index, const bnn_draw *with,
                                void *const *out, bnn_error *err) {
    const modelnet *d = (const modelnet *)dataset;
    const char *name = d->form == BNN_MODELNET_BLOCKS ? "modelnet40" : d->files.file[index].path;
    bnn_rng room, *rng = bnn_points_rng(with, index, &room);
    bnn_cloud shape = {0};
    bnn_code code = read_shape(d, name, index, &shape, err);
    if (code == BNN_OK) {
        code = modelnet_draw(name, &shape, rng, (size_t)d->field[0].shape.w, out[0], err);
    }
    if (code == BNN_OK) {
        *(int32_t *)out[1] = modelnet_label(dataset, index);
    }
    bnn_cloud_free(&shape);
    return code;
}

static uint32_t modelnet_checksum(const bnn_dataset *dataset) {
    const modelnet *d = (const modelnet *)dataset;
    uLong sum = 0;
    if (d->form != BNN_MODELNET_BLOCKS) {
        return bnn_cloud_files_checksum(&d->files);
    }
    for (size_t i = 0; i < d->blocks; i++) {
        const bnn_cloud_block *b = &d->block[i];
        sum = crc32_z(sum, (const unsigned char *)b->data,
                      3 * b->clouds * b->points * sizeof *b->data);
        sum = crc32_z(sum, b->label, b->clouds);
    }
    return (uint32_t)sum;
}

static void modelnet_close(bnn_dataset *dataset) {
    modelnet *d = (modelnet *)dataset;
    for (size_t i = 0; i < d->blocks; i++) {
        bnn_cloud_block_free(&d->block[i]);
    }
    free(d->block);
    bnn_cloud_files_free(&d->files);
}

/* ---- opening ---- */
static bnn_code add_path(modelnet *d, const char *path, int32_t label, bnn_error *err) {
    const char *kept = bnn_arena_format(d->files.arena, "%s", path);
    if (!kept || strlen(path) >= BNN_DATA_PATH_MAX) {
        return kept ? bnn_fail(err, BNN_ERR_ARGUMENT,
                               "%.200s...: the path is longer than %d bytes; move the data nearer "
                               "to /",
                               path, BNN_DATA_PATH_MAX)
                    : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", path);
    }
    return bnn_cloud_files_add(&d->files, &d->base, (bnn_cloud_file){kept, NULL, label}, err);
}

/* The names of a split's shapes, or of the files of its blocks. */
static bnn_code read_list(modelnet *d, const char *dir, const char *split, char list[64],
                          const char *const **name, size_t *count, bnn_error *err) {
    if (d->form == BNN_MODELNET_BLOCKS) {
        snprintf(list, 64, "%s_files.txt", split);
    } else {
        snprintf(list, 64, "%s_%s.txt", bnn_modelnet_prefix(dir), split);
    }
    char path[BNN_DATA_PATH_MAX];
    bnn_code code = bnn_data_join(path, dir, list, err);
    return code == BNN_OK ? bnn_list_read(&d->base, path, BNN_MODELNET_CURE, bnn_names_parse,
                                          d->files.arena, name, count, err)
                          : code;
}

/* A set of one's own may test what it trains. That it trains anything is not for the test to say.
 */
static bnn_code compare_lists(modelnet *d, const char *dir, const char *split,
                              const char *const *name, size_t count, bnn_error *err) {
    char list[64];
    const char *const *train;
    size_t trains;
    return strcmp(split, "test") == 0 &&
                   read_list(d, dir, "train", list, &train, &trains, NULL) == BNN_OK
               ? bnn_names_compare(&d->base, d->files.arena, name, count, train, trains, err)
               : BNN_OK;
}

/* "night_stand_0001" is <dir>/night_stand/night_stand_0001.txt. */
static bnn_code open_lists(modelnet *d, const char *dir, const char *split, bnn_error *err) {
    char list[64], path[2 * BNN_DATA_PATH_MAX];
    const char *const *name;
    size_t count;
    bnn_code code = read_list(d, dir, split, list, &name, &count, err);
    for (size_t i = 0; code == BNN_OK && i < count; i++) {
        const char *end = strrchr(name[i], '_');
        int label = end ? bnn_modelnet_class(&d->base, name[i], (size_t)(end - name[i])) : -1;
        if (label < 0) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s/%s: '%s' is not CLASS_NUMBER of a class of this set; download the "
                            "list again",
                            dir, list, name[i]);
        }
        snprintf(path, sizeof path, "%s/%s/%s.txt", dir, d->base.class_names[label], name[i]);
        code = add_path(d, path, label, err);
    }
    return code == BNN_OK ? compare_lists(d, dir, split, name, count, err) : code;
}

static int is_mesh(const struct dirent *entry) {
    return entry->d_name[0] != '.' && bnn_ends_with(entry->d_name, ".off");
}

/* A class that is not there at all has no shapes. */
static bnn_code open_meshes(modelnet *d, const char *dir, const char *split, bnn_error *err) {
    char inner[2 * BNN_DATA_PATH_MAX], path[3 * BNN_DATA_PATH_MAX];
    bnn_code code = BNN_OK;
    for (int c = 0; c < d->base.classes && code == BNN_OK; c++) {
        struct dirent **entry;
        snprintf(inner, sizeof inner, "%s/%s/%s", dir, d->base.class_names[c], split);
        if (access(inner, F_OK) != 0 && errno == ENOENT) {
            continue;
        }
        const int count = bnn_folder_list(inner, is_mesh, &entry, err);
        code = count < 0 ? BNN_ERR_IO : BNN_OK;
        for (int i = 0; i < count && code == BNN_OK; i++) {
            snprintf(path, sizeof path, "%s/%s", inner, entry[i]->d_name);
            code = add_path(d, path, c, err);
        }
        bnn_folder_free(entry, count);
    }
    return code;
}

static bnn_code open_block(modelnet *d, const char *path, bnn_error *err) {
    bnn_map map = {0};
    bnn_code code = bnn_map_read(path, &map, err);
    if (code == BNN_OK) {
        code = bnn_data_note_file(&d->base, map.device, map.inode, err);
    }
    if (code == BNN_OK) {
        code = bnn_hdf5_parse(path, map.data, map.size, d->base.classes, &d->block[d->blocks], err);
    }
    if (code == BNN_OK) {
        d->base.count += d->block[d->blocks++].clouds;
    }
    bnn_map_close(&map);
    return code;
}

static bnn_code open_blocks(modelnet *d, const char *dir, const char *split, bnn_error *err) {
    char list[64], path[BNN_DATA_PATH_MAX];
    const char *const *name;
    size_t count;
    bnn_code code = read_list(d, dir, split, list, &name, &count, err);
    if (code == BNN_OK) {
        d->block = calloc(count, sizeof *d->block);
        code = d->block ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory", dir);
    }
    for (size_t i = 0; code == BNN_OK && i < count; i++) {
        code = bnn_data_join(path, dir, name[i], err);
        if (code == BNN_OK && bnn_data_has(dir, name[i], S_IFREG)) {
            code = open_block(d, path, err);
        } else {
            d->base.skipped += code == BNN_OK;
        }
    }
    return code == BNN_OK ? compare_lists(d, dir, split, name, count, err) : code;
}

static bnn_code modelnet_open(bnn_dataset *dataset, const char *dir, bnn_split split,
                              bnn_error *err) {
    modelnet *d = (modelnet *)dataset;
    char folder[BNN_DATA_PATH_MAX];
    const char *part = split == BNN_SPLIT_TRAIN ? "train" : "test";
    d->base.sample = modelnet_sample;
    d->base.label = modelnet_label;
    d->base.checksum = modelnet_checksum;
    bnn_code code = bnn_modelnet_find(dir, folder, &d->form, err);
    if (code == BNN_OK) {
        code = bnn_modelnet_classes(dataset, d->form, folder, d->files.arena, err);
    }
    if (code == BNN_OK) {
        code = d->form == BNN_MODELNET_BLOCKS  ? open_blocks(d, folder, part, err)
               : d->form == BNN_MODELNET_LISTS ? open_lists(d, folder, part, err)
                                               : open_meshes(d, folder, part, err);
    }
    if (code == BNN_OK) {
        d->base.count = d->form == BNN_MODELNET_BLOCKS ? d->base.count : d->files.count;
        code = d->base.count > 0 ? BNN_OK
                                 : bnn_fail(err, BNN_ERR_IO,
                                            "%s: none of the shapes of its %s split is there; %s",
                                            folder, part, BNN_MODELNET_CURE);
    }
    return code;
}

static bnn_code modelnet_plan(bnn_dataset *dataset, const bnn_dataset_options *options,
                              bnn_error *err) {
    modelnet *d = (modelnet *)dataset;
    return bnn_clouds_plan(dataset, d->field, &d->files, options->length, err);
}

static const bnn_field fields[2] = {
    {"points", BNN_F32, {1, 1, POINTS, 6}},
    {"class", BNN_I32, {1, 1, 1, 1}},
};

const bnn_dataset_info bnn_dataset_modelnet40 = {
    .name = "modelnet40",
    .description = "12311 models of 40 kinds of things, 1024 points of each",
    .default_dir = NULL,
    .task = "classify_shapes",
    .samples = "clouds",
    .field = fields,
    .fields = 2,
    .classes = CLASSES,
    .class_names = class_names,
    .draw = modelnet_draw,
    .bytes = sizeof(modelnet),
    .plan = modelnet_plan,
    .open = modelnet_open,
    .close = modelnet_close,
};
