/* Blocks of clouds as HDF5, the form in which PointNet's authors published ModelNet40 (2048 points
 * a shape). The decision: the library reads an image of the file in memory, and is asked for the
 * two datasets only after what it would have to allocate, and where from, was looked at: a file
 * may name other files and plug-ins to be read instead of itself. Without the library everything
 * else still builds. */
#include <stdlib.h>

#include "data_loaders/clouds/clouds.h"

void bnn_cloud_block_free(bnn_cloud_block *block) {
    free(block->data);
    free(block->label);
    *block = (bnn_cloud_block){0};
}

#ifndef BNN_HAVE_HDF5

bnn_code bnn_hdf5_parse(const char *name, const unsigned char *bytes, size_t size, int classes,
                        bnn_cloud_block *out, bnn_error *err) {
    (void)bytes, (void)size, (void)classes;
    *out = (bnn_cloud_block){0};
    return bnn_fail(
        err, BNN_ERR_UNSUPPORTED,
        "%s: HDF5 is left out of this build; build with -DBNN_HDF5=ON, or take the meshes "
        "or the lists of points",
        name);
}

#else

#include <hdf5.h>
#include <math.h>
#include <string.h>

#define DEFLATE_MAX_RATIO 1032
#define MAX_RANK 3

/* A dataset and what it holds. */
typedef struct array {
    const char *name; /* in the file */
    hid_t id, space;
    int rank;
    hsize_t extent[MAX_RANK];
} array;

static bnn_code fail_array(const char *file, const char *name, const char *what, bnn_error *err) {
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: dataset '%s' %s; the file is damaged or of another data set, download it "
                    "again",
                    file, name, what);
}

/* Contiguous, or in pieces that may be compressed by what the library itself has; in this file. */
static int stored_here(hid_t id) {
    hid_t plan = H5Dget_create_plist(id);
    int filters = plan >= 0 ? H5Pget_nfilters(plan) : -1, good = filters >= 0;
    H5D_layout_t layout = plan >= 0 ? H5Pget_layout(plan) : H5D_VIRTUAL;
    for (int i = 0; i < filters; i++) {
        unsigned flags;
        size_t values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(plan, (unsigned)i, &flags, &values, NULL, 0, NULL, NULL);
        good &= filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE ||
                filter == H5Z_FILTER_FLETCHER32;
    }
    good &= plan >= 0 && H5Pget_external_count(plan) == 0 &&
            (layout == H5D_CONTIGUOUS || layout == H5D_CHUNKED || layout == H5D_COMPACT);
    if (plan >= 0) {
        H5Pclose(plan);
    }
    return good;
}

/* Opens a dataset of `rank` axes of the class of numbers; `size` is the file's. */
static bnn_code open_array(const char *file, hid_t root, const char *name, H5T_class_t kind,
                           int least, int most, size_t size, array *out, bnn_error *err) {
    H5L_info_t link;
    *out = (array){name, -1, -1, 0, {1, 1, 1}};
    if (H5Lget_info(root, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD ||
        (out->id = H5Dopen2(root, name, H5P_DEFAULT)) < 0) {
        return fail_array(file, name, "is not there", err);
    }
    if (!stored_here(out->id)) {
        return fail_array(file, name, "is not stored in the file itself, plain or as gzip", err);
    }
    hid_t type = H5Dget_type(out->id);
    size_t bytes = type >= 0 ? H5Tget_size(type) : 0;
    int fits = bytes > 0 && bytes <= 8 && H5Tget_class(type) == kind;
    if (type >= 0) {
        H5Tclose(type);
    }
    if (!fits) {
        return fail_array(file, name, "holds numbers of another kind", err);
    }
    out->space = H5Dget_space(out->id);
    out->rank = out->space >= 0 ? H5Sget_simple_extent_ndims(out->space) : -1;
    if (out->rank < least || out->rank > most ||
        H5Sget_simple_extent_dims(out->space, out->extent, NULL) != out->rank) {
        return fail_array(file, name, "has another number of axes", err);
    }
    hsize_t stored = H5Dget_storage_size(out->id);
    const uint64_t limit = (stored < size ? stored : size) / bytes * DEFLATE_MAX_RATIO;
    uint64_t count = 1;
    for (int i = 0; i < out->rank; i++) {
        if (out->extent[i] == 0 || out->extent[i] > limit / count) {
            return fail_array(file, name,
                              out->extent[i] ? "is larger than the file could hold" : "is empty",
                              err);
        }
        count *= out->extent[i];
    }
    return BNN_OK;
}

static void close_array(array *a) {
    if (a->space >= 0) {
        H5Sclose(a->space);
    }
    if (a->id >= 0) {
        H5Dclose(a->id);
    }
}

static bnn_code check_values(const char *file, const bnn_cloud_block *block, const int32_t *label,
                             int classes, bnn_error *err) {
    const size_t values = 3 * block->points;
    for (size_t i = 0; i < block->clouds; i++) {
        if (label[i] < 0 || label[i] >= classes) {
            return bnn_fail(err, BNN_ERR_FORMAT,
                            "%s: label %zu is %d, expected 0 to %d; the file is damaged or of "
                            "another data set",
                            file, i, label[i], classes - 1);
        }
        block->label[i] = (uint8_t)label[i];
        for (size_t j = 0; j < values; j++) {
            if (!isfinite(block->data[i * values + j])) {
                return bnn_fail(err, BNN_ERR_FORMAT,
                                "%s: point %zu of shape %zu is not finite; download the file again",
                                file, j / 3, i);
            }
        }
    }
    return BNN_OK;
}

static bnn_code read_block(const char *file, const array *data, const array *label, int classes,
                           bnn_cloud_block *out, bnn_error *err) {
    out->clouds = (size_t)data->extent[0];
    out->points = (size_t)data->extent[1];
    if (data->extent[2] != 3) {
        return fail_array(file, data->name, "has points of another number of coordinates", err);
    }
    if (label->extent[0] != data->extent[0] || label->extent[1] != 1) {
        return fail_array(file, label->name, "has not one label a shape", err);
    }
    out->data = reallocarray(NULL, out->clouds * out->points, 3 * sizeof *out->data);
    out->label = malloc(out->clouds);
    int32_t *wide = reallocarray(NULL, out->clouds, sizeof *wide);
    bnn_code code = BNN_OK;
    if (!out->data || !out->label || !wide) {
        code = bnn_fail(err, BNN_ERR_MEMORY, "%s: out of memory for %zu shapes of %zu points", file,
                        out->clouds, out->points);
    } else if (H5Dread(data->id, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, out->data) < 0) {
        code = fail_array(file, data->name, "cannot be read", err);
    } else if (H5Dread(label->id, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, wide) < 0) {
        code = fail_array(file, label->name, "cannot be read", err);
    } else {
        code = check_values(file, out, wide, classes, err);
    }
    free(wide);
    return code;
}

static bnn_code read_file(const char *file, hid_t id, size_t size, int classes,
                          bnn_cloud_block *out, bnn_error *err) {
    array data = {.id = -1, .space = -1}, label = {.id = -1, .space = -1};
    bnn_code code = open_array(file, id, "data", H5T_FLOAT, 3, 3, size, &data, err);
    if (code == BNN_OK) {
        code = open_array(file, id, "label", H5T_INTEGER, 1, 2, size, &label, err);
    }
    if (code == BNN_OK) {
        code = read_block(file, &data, &label, classes, out, err);
    }
    close_array(&data);
    close_array(&label);
    return code;
}

/* The file in memory. Negative: no HDF5. */
static hid_t open_image(const unsigned char *bytes, size_t size) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), id = -1;
    if (access >= 0 && size > 0 && H5Pset_fapl_core(access, 65536, 0) >= 0 &&
        H5Pset_file_image(access, (void *)(uintptr_t)bytes, size) >= 0) {
        id = H5Fopen("image", H5F_ACC_RDONLY, access);
    }
    if (access >= 0) {
        H5Pclose(access);
    }
    return id;
}

bnn_code bnn_hdf5_parse(const char *name, const unsigned char *bytes, size_t size, int classes,
                        bnn_cloud_block *out, bnn_error *err) {
    H5E_auto2_t print = NULL;
    void *data = NULL;
    *out = (bnn_cloud_block){0};
    /* The library would print its own account of every error. */
    H5Eget_auto2(H5E_DEFAULT, &print, &data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t id = open_image(bytes, size);
    bnn_code code = id >= 0
                        ? read_file(name, id, size, classes, out, err)
                        : bnn_fail(err, BNN_ERR_FORMAT,
                                   "%s: is no HDF5 file, or is damaged; download it again", name);
    if (id >= 0) {
        H5Fclose(id);
    }
    H5Eset_auto2(H5E_DEFAULT, print, data);
    if (code != BNN_OK) {
        bnn_cloud_block_free(out);
    }
    return code;
}

#endif
