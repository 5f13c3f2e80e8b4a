/* The folders in which ModelNet is passed on. */
#ifndef BNN_DATA_LOADERS_CLOUDS_MODELNET_H
#define BNN_DATA_LOADERS_CLOUDS_MODELNET_H

#include "data_loaders/internal.h"
#include "engine/base/arena.h"

#define BNN_MODELNET_CURE                                                                          \
    "--data-dir must name the folder of ModelNet40 (<class>/{train,test}/*.off), "                 \
    "modelnet40_normal_resampled or modelnet40_ply_hdf5_2048"

typedef enum bnn_modelnet_form {
    BNN_MODELNET_NONE,
    BNN_MODELNET_BLOCKS, /* many shapes a file, in HDF5 */
    BNN_MODELNET_LISTS,  /* of points, a file a shape */
    BNN_MODELNET_MESHES,
} bnn_modelnet_form;

/* DIR, or the one folder in it that is the top of an archive. */
bnn_code bnn_modelnet_find(const char *dir, char out[BNN_DATA_PATH_MAX], bnn_modelnet_form *found,
                           bnn_error *err);
/* What the names of its lists begin with. */
const char *bnn_modelnet_prefix(const char *dir);
/* Gives the dataset the folder's classes where they are not the row's; names in `arena`. */
bnn_code bnn_modelnet_classes(bnn_dataset *dataset, bnn_modelnet_form form, const char *dir,
                              bnn_arena *arena, bnn_error *err);
/* The class whose name is the first `length` bytes of `name`; -1: there is none. */
int bnn_modelnet_class(const bnn_dataset *dataset, const char *name, size_t length);

#endif
