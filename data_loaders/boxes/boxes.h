/* What data sets of photographs with boxes share: which objects are in which photograph, how a
 * network sees both, and their augmentations. The parsers of the two formats read memory or a
 * stream; every file is hostile until checked. */
#ifndef BNN_DATA_LOADERS_BOXES_BOXES_H
#define BNN_DATA_LOADERS_BOXES_BOXES_H

#include <stdio.h>

#include "data_loaders/internal.h"

#define BNN_MOST_BOXES BNN_MAX_BOXES /* of a sample; further ones are left out, and counted */

enum { BNN_BOX_IMAGE, BNN_BOX_BOXES, BNN_BOX_CLASS, BNN_BOX_IGNORE, BNN_BOX_AREA, BNN_BOX_FRAME };
#define BNN_BOX_FIELDS 6

typedef struct bnn_object {
    float box[4]; /* x1 y1 x2 y2, in pixels of the photograph */
    float area;   /* in these, too */
    int32_t class, ignore;
} bnn_object;

/* One photograph: its number (-1: none), where in `paths` its file's begins, its objects, and its
 * size as the set's files say (0: they do not). */
typedef struct bnn_boxed {
    int64_t number;
    size_t path, first, count;
    int height, width;
} bnn_boxed;

typedef struct bnn_boxed_set {
    bnn_dataset base;
    bnn_view view;
    bnn_field field[BNN_BOX_FIELDS];
    char root[BNN_DATA_PATH_MAX]; /* of the paths */
    int training;                 /* photographs without objects are left out */
    bnn_texts paths;
    bnn_boxed *photo;
    size_t photos, photo_room;
    bnn_object *object;
    size_t objects, object_room;
    size_t unusable, beyond,
        without; /* boxes left out, as they are none or too many; photographs */
    char remark[256];
} bnn_boxed_set;

/* ---- boxes.c ---- */
/* "image" is as high and wide as the view's canvas; "boxes": x1 y1 x2 y2 in its pixels, "box_class"
 * (-1: none, at the end), "box_ignore", "box_area" (in pixels of the photograph); "frame": height
 * and width of what the photograph takes of the canvas, height and width of itself. */
extern const bnn_field bnn_fields_of_boxes[BNN_BOX_FIELDS];
/* For a row's `plan`: fields and normalization by options->view, or by the row's own. */
bnn_code bnn_boxed_plan(bnn_dataset *dataset, const bnn_dataset_options *options, bnn_view usual,
                        bnn_error *err);
/* The next photograph, whose file is root/path; its number in the set's files, or -1. */
bnn_code bnn_boxed_add_photo(bnn_boxed_set *boxes, const char *path, int64_t number,
                             bnn_error *err);
/* An object of it. One without a place (reversed, empty, not finite) is counted only. */
bnn_code bnn_boxed_add_object(bnn_boxed_set *boxes, const bnn_object *object, bnn_error *err);
/* Its last object has been added. Those that lie beside it are left out, and counted. */
void bnn_boxed_end_photo(bnn_boxed_set *boxes);
/* All have been: the base's members, and what is to be remarked. `cure` ends the message if there
 * are none. */
bnn_code bnn_boxed_finish(bnn_boxed_set *boxes, const char *cure, bnn_error *err);
void bnn_boxed_close(bnn_dataset *dataset);
/* A user's own photograph as a test sample of a planned set: the fields "image" and "frame". */
bnn_code bnn_boxed_see(const bnn_dataset *planned, const char *name, const unsigned char *bytes,
                       size_t size, float *image, float frame[4], bnn_error *err);

/* ---- augment.c ---- */
/* What a network sees of a photograph: this part of it, which may reach beyond; flipped after. */
typedef struct bnn_seen_part {
    double top, left, height, width;
    int flip;
} bnn_seen_part;

/* SSD's (Liu et al., ECCV 2016; as mmdetection's Expand, MinIoURandomCrop, RandomFlip): the
 * photograph somewhere on an area of up to 16 times its own in half of the cases, then a part of
 * that which overlaps every object by a drawn measure. Leaves of the objects those whose middle is
 * in it, cut to it. */
bnn_seen_part bnn_frame_draw(bnn_rng *rng, int height, int width, bnn_object *object,
                             size_t *objects);
/* Brightness, contrast, saturation, hue and order of channels, each in half of the cases
 * (PhotoMetricDistortion). pixels[count][3], of 0 to 255 at first. */
void bnn_distort_colours(bnn_rng *rng, float *pixels, size_t count);

/* ---- voc_xml.c, coco_json.c: BNN_ERR_UNSUPPORTED where left out of the build ---- */
/* The objects of a photograph of PASCAL VOC, the last of `out`, and its size, by its annotation.
 * Those of a class that is none of names[classes] are counted as unusable. `name` is for messages.
 */
bnn_code bnn_voc_parse(const char *name, const char *bytes, size_t size, const char *const *names,
                       int classes, bnn_boxed_set *out, bnn_error *err);

/* The instances of COCO, as they stand in the file. */
typedef struct bnn_coco_image {
    int64_t id;
    size_t name;       /* where in `names` its file's begins */
    int height, width; /* as it says, or 0 */
} bnn_coco_image;

typedef struct bnn_coco_annotation {
    int64_t id, image, category;
    size_t place;        /* among those of the file */
    double box[4], area; /* x y width height */
    int32_t crowd;
} bnn_coco_annotation;

typedef struct bnn_coco_category {
    int64_t id;
    char name[64];
} bnn_coco_category;

/* Images, annotations and categories begin with their ids: for qsort and bsearch. */
static inline int bnn_coco_by_id(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

typedef struct bnn_coco {
    bnn_texts names;
    bnn_coco_image *image; /* by id, after bnn_coco_read */
    size_t images, image_room;
    bnn_coco_annotation *annotation; /* by image, then as in the file */
    size_t annotations, annotation_room;
    bnn_coco_category *category; /* by id */
    size_t categories, category_room;
} bnn_coco;

/* Reads the file as a stream: memory is of what is kept, not of the file. An id that is there twice
 * is an error. */
bnn_code bnn_coco_read(const char *path, FILE *file, bnn_coco *out, bnn_error *err);
void bnn_coco_free(bnn_coco *coco);

#endif
