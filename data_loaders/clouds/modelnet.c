/* What a folder of ModelNet is: in which of its forms, and of which classes. The decision: the
 * files in it tell, so that nobody has to name the form; and a file of names beside them makes it a
 * set of classes of one's own. */
#include "data_loaders/clouds/modelnet.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "data_loaders/clouds/clouds.h"
#include "data_loaders/internal.h"

#define CLASSES_10 10
#define MAX_CLASSES 256 /* a label is a byte */

/* ModelNet10's, in its archive. */
static const char *const class_names_10[CLASSES_10] = {"bathtub", "bed",     "chair",       "desk",
                                                       "dresser", "monitor", "night_stand", "sofa",
                                                       "table",   "toilet"};

/* ---- the form ---- */
/* A folder of meshes, of either split. */
static int is_class_folder(const char *dir, const char *name) {
    char path[BNN_DATA_PATH_MAX];
    return name[0] != '.' && bnn_data_join(path, dir, name, NULL) == BNN_OK &&
           (bnn_data_has(path, "train", S_IFDIR) || bnn_data_has(path, "test", S_IFDIR));
}

static int has_class_folder(const char *dir) {
    DIR *entries = opendir(dir);
    const struct dirent *entry;
    int found = 0;
    while (entries && !found && (entry = readdir(entries)) != NULL) {
        found = is_class_folder(dir, entry->d_name);
    }
    if (entries) {
        closedir(entries);
    }
    return found;
}

/* The official folders of lists have those of ModelNet10, too. */
const char *bnn_modelnet_prefix(const char *dir) {
    return bnn_data_has(dir, "modelnet40_train.txt", S_IFREG) ||
                   bnn_data_has(dir, "modelnet40_test.txt", S_IFREG)
               ? "modelnet40"
               : "modelnet10";
}

static bnn_modelnet_form form_of(const char *dir) {
    static const struct {
        const char *name;
        bnn_modelnet_form form;
    } signs[] = {
        {"train_files.txt", BNN_MODELNET_BLOCKS},     {"test_files.txt", BNN_MODELNET_BLOCKS},
        {"modelnet40_train.txt", BNN_MODELNET_LISTS}, {"modelnet40_test.txt", BNN_MODELNET_LISTS},
        {"modelnet10_train.txt", BNN_MODELNET_LISTS}, {"modelnet10_test.txt", BNN_MODELNET_LISTS}};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (bnn_data_has(dir, signs[i].name, S_IFREG)) {
            return signs[i].form;
        }
    }
    return has_class_folder(dir) ? BNN_MODELNET_MESHES : BNN_MODELNET_NONE;
}

/* DIR, or the one folder in it that is the top of an archive. */
bnn_code bnn_modelnet_find(const char *dir, char out[BNN_DATA_PATH_MAX], bnn_modelnet_form *found,
                           bnn_error *err) {
    static const char *const tops[] = {"ModelNet40", "ModelNet10", "modelnet40_normal_resampled",
                                       "modelnet40_ply_hdf5_2048"};
    const char *top = NULL;
    bnn_code code = bnn_data_check_folder(dir, BNN_MODELNET_CURE, err);
    *found = code == BNN_OK ? form_of(dir) : BNN_MODELNET_NONE;
    if (code != BNN_OK || *found != BNN_MODELNET_NONE) {
        snprintf(out, BNN_DATA_PATH_MAX, "%s", dir);
        return code;
    }
    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++) {
        char path[BNN_DATA_PATH_MAX];
        code = bnn_data_join(path, dir, tops[i], err);
        bnn_modelnet_form inner = code == BNN_OK ? form_of(path) : BNN_MODELNET_NONE;
        if (code == BNN_OK && inner != BNN_MODELNET_NONE && top) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "%s: holds %s and %s; name the one to be read with --data-dir", dir,
                            top, tops[i]);
        }
        if (inner != BNN_MODELNET_NONE) {
            *found = inner;
            top = tops[i];
        }
    }
    if (!top) {
        return bnn_fail(
            err, BNN_ERR_IO,
            "%s: neither a list of shapes (modelnet40_train.txt, train_files.txt) nor folders of "
            "meshes; %s",
            dir, BNN_MODELNET_CURE);
    }
    return bnn_data_join(out, dir, top, err);
}

/* ---- the classes ---- */
int bnn_modelnet_class(const bnn_dataset *dataset, const char *name, size_t length) {
    for (int c = 0; c < dataset->classes; c++) {
        if (strncmp(dataset->class_names[c], name, length) == 0 &&
            !dataset->class_names[c][length]) {
            return c;
        }
    }
    return -1;
}

static bnn_code take_class_names(bnn_dataset *dataset, const char *dir, const char *file,
                                 bnn_arena *arena, bnn_error *err) {
    char path[BNN_DATA_PATH_MAX];
    size_t count;
    bnn_code code = bnn_data_join(path, dir, file, err);
    if (code == BNN_OK) {
        code = bnn_list_read(dataset, path, BNN_MODELNET_CURE, bnn_names_parse, arena,
                             &dataset->class_names, &count, err);
    }
    if (code == BNN_OK && (count < 2 || count > MAX_CLASSES)) {
        code = bnn_fail(err, BNN_ERR_FORMAT, "%s/%s: %zu names, expected 2 to %d", dir, file, count,
                        MAX_CLASSES);
    }
    dataset->classes = code == BNN_OK ? (int)count : 0;
    for (int c = 0; c < dataset->classes; c++) {
        const char *name = dataset->class_names[c];
        if (bnn_modelnet_class(dataset, name, strlen(name)) != c) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s/%s: '%s' stands there twice; each class has one line", dir, file,
                            name);
        }
    }
    return code;
}

/* Without a file of names: ModelNet10's if the folders are those, else the row's. */
static bnn_code guess_class_names(bnn_dataset *dataset, const char *dir, bnn_error *err) {
    int missing = 0;
    for (int c = 0; c < CLASSES_10; c++) {
        missing += !is_class_folder(dir, class_names_10[c]);
    }
    DIR *entries = opendir(dir);
    const struct dirent *entry;
    bnn_code code = BNN_OK;
    int more = 0;
    while (entries && code == BNN_OK && (entry = readdir(entries)) != NULL) {
        if (!is_class_folder(dir, entry->d_name)) {
            continue;
        }
        more++;
        if (bnn_modelnet_class(dataset, entry->d_name, strlen(entry->d_name)) < 0) {
            code = bnn_fail(err, BNN_ERR_FORMAT,
                            "%s/%s: is no class of ModelNet40; name the classes, a line each, in "
                            "%s/modelnet_shape_names.txt",
                            dir, entry->d_name, dir);
        }
    }
    if (entries) {
        closedir(entries);
    }
    if (missing == 0 && more == CLASSES_10) {
        dataset->class_names = class_names_10;
        dataset->classes = CLASSES_10;
    }
    return code;
}

bnn_code bnn_modelnet_classes(bnn_dataset *dataset, bnn_modelnet_form form, const char *dir,
                              bnn_arena *arena, bnn_error *err) {
    const int ten =
        form == BNN_MODELNET_LISTS && strcmp(bnn_modelnet_prefix(dir), "modelnet10") == 0;
    const char *const files[] = {ten ? "modelnet10_shape_names.txt" : "modelnet40_shape_names.txt",
                                 "modelnet_shape_names.txt", "shape_names.txt",
                                 form == BNN_MODELNET_MESHES ? "modelnet10_shape_names.txt" : NULL};
    for (size_t i = 0; i < sizeof files / sizeof files[0] && files[i]; i++) {
        if (bnn_data_has(dir, files[i], S_IFREG)) {
            return take_class_names(dataset, dir, files[i], arena, err);
        }
    }
    return form == BNN_MODELNET_MESHES ? guess_class_names(dataset, dir, err) : BNN_OK;
}
